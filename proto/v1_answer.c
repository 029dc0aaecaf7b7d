#include <assert.h>
#include <string.h>

#include "core/checked.h"
#include "proto/float_text.h"
#include "proto/infer_parameters.h"
#include "proto/v1_predict.h"

enum stage { HEAD, ROWS, DONE };

/* A byte of a name as JSON, "\u0001", and what stands around names, rows and lists. */
enum { ESCAPED_MAX = 6, HEAD_TEXT = 64, ROW_TEXT = 16, LIST_TEXT = 3 };

/* ---- one output ----
 *
 * A row is nested lists, the innermost of which are the runs of its numbers. One of rank 0 is a
 * number, a run without brackets. */

static size_t row_rank(const struct infer_answer_tensor *tensor)
{
    return tensor->rank - 1;
}

static size_t row_count(const struct infer_answer_tensor *tensor)
{
    return tensor->shape[tensor->row_axis];
}

static void check_tensor(const struct infer_answer_tensor *tensor)
{
    assert(tensor->rank >= 1 && tensor->rank <= TENSOR_RANK_MAX);
    assert(tensor->datatype == DATATYPE_FP32 && row_count(tensor) > 0);
    assert(tensor->row_axis == 0 || tensor->row_axis + 1 < tensor->rank);
}

/* The row's own dimensions. */
static size_t row_dimension(const struct infer_answer_tensor *tensor, size_t row, size_t index)
{
    const size_t most = tensor->shape[index < tensor->row_axis ? index : index + 1];
    if (index > 0 || tensor->row_steps == NULL)
        return most;
    assert(tensor->row_steps[row] >= 0 && (uint64_t)tensor->row_steps[row] <= most);
    return (size_t)tensor->row_steps[row];
}

static size_t run_size(const struct infer_answer_tensor *tensor, size_t row)
{
    return row_rank(tensor) > 0 ? row_dimension(tensor, row, row_rank(tensor) - 1) : 1;
}

/* Runs in one of the row's lists of that level: 0 is the row itself. */
static size_t runs_in(const struct infer_answer_tensor *tensor, size_t row, size_t level)
{
    size_t runs = 1;
    for (size_t i = level; i + 1 < row_rank(tensor); i++)
        runs *= row_dimension(tensor, row, i);
    return runs;
}

/* In the tensor, the dimensions behind row_axis are one row's, those before it are all rows'. */
static const float *run_numbers(const struct infer_answer_tensor *tensor, size_t row, size_t run)
{
    size_t together = 1;
    for (size_t i = tensor->row_axis + 1; i < tensor->rank; i++)
        together *= tensor->shape[i];
    const size_t index = run * run_size(tensor, row);
    const size_t before = index / together * row_count(tensor) + row;
    return tensor->data + before * together + index % together;
}

/* ---- size ---- */

static bool tensor_size(const struct infer_answer_tensor *tensor, size_t *bytes)
{
    const size_t number = FLOAT_TEXT_MAX + 1 + LIST_TEXT * tensor->rank;
    size_t numbers = 1, rows;
    for (size_t i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] != 0 && !checked_mul(numbers, tensor->shape[i], &numbers))
            return false;
    return checked_mul(numbers, number, &numbers) &&
           checked_mul(row_count(tensor), ROW_TEXT + ESCAPED_MAX * strlen(tensor->name), &rows) &&
           checked_add(numbers, rows, bytes);
}

bool v1_answer_size(const struct infer_answer *answer, size_t *bytes)
{
    size_t sum = HEAD_TEXT + INFER_PARAMETERS_MAX;
    for (size_t i = 0; i < answer->output_count; i++) {
        size_t size;
        if (!tensor_size(&answer->outputs[i], &size) || !checked_add(sum, size, &sum))
            return false;
    }
    *bytes = sum;
    return true;
}

/* ---- what stands around rows ---- */

/* An answer on its way. */
struct v1_writing {
    struct v1_answer_cursor *cursor;
    struct json_writer *writer;
    const struct infer_answer *answer;
    bool columns;
};

static void write_head(const struct v1_writing *w)
{
    const struct infer_answer *answer = w->answer;
    assert(answer->output_count > 0);
    for (size_t i = 0; i < answer->output_count; i++) {
        check_tensor(&answer->outputs[i]);
        assert(row_count(&answer->outputs[i]) == row_count(&answer->outputs[0]));
    }
    json_open_object(w->writer);
    json_key(w->writer, w->columns ? "outputs" : "predictions");
    if (w->columns && answer->output_count > 1)
        json_open_object(w->writer);
    else
        json_open_array(w->writer);
    w->cursor->stage = ROWS;
}

static void write_end(const struct v1_writing *w)
{
    if (w->columns && w->answer->output_count > 1)
        json_close_object(w->writer);
    else
        json_close_array(w->writer);
    if (infer_answer_has_parameters(w->answer))
        infer_answer_write_parameters(w->answer, w->writer);
    json_close_object(w->writer);
    w->cursor->stage = DONE;
}

static void begin_row(const struct v1_writing *w)
{
    const struct v1_answer_cursor *cursor = w->cursor;
    const struct infer_answer_tensor *tensor = &w->answer->outputs[cursor->output];
    if (w->answer->output_count > 1) {
        if (!w->columns && cursor->output == 0)
            json_open_object(w->writer);
        if (!w->columns || cursor->row == 0)
            json_key(w->writer, tensor->name);
        if (w->columns && cursor->row == 0)
            json_open_array(w->writer);
    }
    if (row_rank(tensor) > 0)
        json_open_array(w->writer);
}

static bool is_last_output(const struct v1_writing *w)
{
    return w->cursor->output + 1 == w->answer->output_count;
}

static bool is_last_row(const struct v1_writing *w)
{
    return w->cursor->row + 1 == row_count(&w->answer->outputs[0]);
}

static void end_row(const struct v1_writing *w)
{
    struct v1_answer_cursor *cursor = w->cursor;
    const bool several = w->answer->output_count > 1;
    const bool last_output = is_last_output(w), last_row = is_last_row(w);
    if (row_rank(&w->answer->outputs[cursor->output]) > 0)
        json_close_array(w->writer);
    if (several && !w->columns && last_output)
        json_close_object(w->writer);
    if (several && w->columns && last_row)
        json_close_array(w->writer);
    cursor->row_open = false;
    cursor->run = 0;
    if (last_output && last_row) {
        write_end(w);
    } else if (w->columns ? last_row : !last_output) {
        cursor->output++;
        cursor->row = w->columns ? 0 : cursor->row;
    } else {
        cursor->row++;
        cursor->output = w->columns ? cursor->output : 0;
    }
}

/* ---- slices ---- */

void v1_answer_begin(struct v1_answer_cursor *cursor)
{
    *cursor = (struct v1_answer_cursor){.stage = HEAD};
}

/* The lists within a row that begin with a run, or end with it. */
static size_t lists_at(const struct infer_answer_tensor *tensor, size_t row, size_t run)
{
    size_t lists = 0;
    for (size_t level = 1; level < row_rank(tensor); level++)
        lists += run % runs_in(tensor, row, level) == 0;
    return lists;
}

/* Writes up to limit further numbers of a run; returns how many. */
static size_t write_run(const struct v1_writing *w, size_t limit)
{
    struct v1_answer_cursor *cursor = w->cursor;
    const struct infer_answer_tensor *tensor = &w->answer->outputs[cursor->output];
    const size_t row = cursor->row, size = run_size(tensor, row), left = size - cursor->element;
    const size_t count = left < limit ? left : limit;
    if (cursor->element == 0)
        for (size_t i = lists_at(tensor, row, cursor->run); i > 0; i--)
            json_open_array(w->writer);
    if (count > 0)
        json_float_elements(w->writer, run_numbers(tensor, row, cursor->run) + cursor->element,
                            count);
    cursor->element += count;
    if (cursor->element < size)
        return count;
    cursor->element = 0;
    cursor->run++;
    for (size_t i = lists_at(tensor, row, cursor->run); i > 0; i--)
        json_close_array(w->writer);
    return count;
}

/* A run, or what is left of it, or the end of a row; returns what it took of limit. */
static size_t write_some(const struct v1_writing *w, size_t limit)
{
    struct v1_answer_cursor *cursor = w->cursor;
    size_t count = 0;
    if (!cursor->row_open) {
        begin_row(w);
        cursor->row_open = true;
        cursor->runs = runs_in(&w->answer->outputs[cursor->output], cursor->row, 0);
    }
    if (cursor->run < cursor->runs)
        count = write_run(w, limit);
    if (cursor->run == cursor->runs)
        end_row(w);
    return count > 0 ? count : 1;
}

bool v1_answer_write(struct v1_answer_cursor *cursor, struct json_writer *writer,
                     const struct infer_answer *answer, bool columns, size_t limit)
{
    const struct v1_writing w = {cursor, writer, answer, columns};
    assert(limit > 0);
    if (cursor->stage == HEAD)
        write_head(&w);
    while (cursor->stage == ROWS && limit > 0 && !writer->failed)
        limit -= write_some(&w, limit);
    return cursor->stage == DONE || writer->failed;
}
