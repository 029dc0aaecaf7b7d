#include <assert.h>
#include <string.h>

#include "core/checked.h"
#include "proto/float_text.h"
#include "proto/v1_predict.h"

enum stage { HEAD, ROWS, DONE };

/* A byte of a name as JSON, "\u0001", and what stands around names, rows and steps. */
enum { ESCAPED_MAX = 6, HEAD_TEXT = 64, ROW_TEXT = 16, STEP_TEXT = 3 };

/* ---- one output ---- */

/* A row of rank 2 is a list of steps, which are lists of numbers; one of rank 1 is a step, one of
 * rank 0 a number. */
static size_t row_rank(const struct infer_answer_tensor *tensor)
{
    return tensor->rank - 1;
}

static size_t row_count(const struct infer_answer_tensor *tensor)
{
    assert(tensor->rank >= 1 && tensor->rank <= 3 && tensor->datatype == DATATYPE_FP32);
    assert(tensor->row_axis == 0 || (tensor->row_axis == 1 && tensor->rank == 3));
    return tensor->shape[tensor->row_axis];
}

static size_t step_size(const struct infer_answer_tensor *tensor)
{
    return tensor->rank > 1 ? tensor->shape[tensor->rank - 1] : 1;
}

static size_t step_count(const struct infer_answer_tensor *tensor, size_t row)
{
    if (row_rank(tensor) < 2)
        return 1;
    const size_t steps = tensor->shape[1 - tensor->row_axis];
    if (tensor->row_steps == NULL)
        return steps;
    assert(tensor->row_steps[row] >= 0 && (uint64_t)tensor->row_steps[row] <= steps);
    return (size_t)tensor->row_steps[row];
}

static const float *step_numbers(const struct infer_answer_tensor *tensor, size_t row, size_t step)
{
    size_t index = row;
    if (row_rank(tensor) == 2)
        index =
            tensor->row_axis == 0 ? row * tensor->shape[1] + step : step * tensor->shape[1] + row;
    return tensor->data + index * step_size(tensor);
}

/* ---- size ---- */

static bool tensor_size(const struct infer_answer_tensor *tensor, size_t *bytes)
{
    size_t numbers = 1, rows;
    for (size_t i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] != 0 && !checked_mul(numbers, tensor->shape[i], &numbers))
            return false;
    return checked_mul(numbers, FLOAT_TEXT_MAX + 1 + STEP_TEXT, &numbers) &&
           checked_mul(row_count(tensor), ROW_TEXT + ESCAPED_MAX * strlen(tensor->name), &rows) &&
           checked_add(numbers, rows, bytes);
}

bool v1_answer_size(const struct infer_answer *answer, size_t *bytes)
{
    size_t sum = HEAD_TEXT;
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
    assert(answer->output_count > 0 && row_count(&answer->outputs[0]) > 0);
    for (size_t i = 1; i < answer->output_count; i++)
        assert(row_count(&answer->outputs[i]) == row_count(&answer->outputs[0]));
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
    if (row_rank(tensor) == 2)
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
    if (row_rank(&w->answer->outputs[cursor->output]) == 2)
        json_close_array(w->writer);
    if (several && !w->columns && last_output)
        json_close_object(w->writer);
    if (several && w->columns && last_row)
        json_close_array(w->writer);
    cursor->row_open = false;
    cursor->step = 0;
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

/* Writes up to limit further numbers of a step; returns how many. */
static size_t write_step(const struct v1_writing *w, size_t limit)
{
    struct v1_answer_cursor *cursor = w->cursor;
    const struct infer_answer_tensor *tensor = &w->answer->outputs[cursor->output];
    const size_t size = step_size(tensor), left = size - cursor->element;
    const size_t count = left < limit ? left : limit;
    if (cursor->element == 0 && row_rank(tensor) > 0)
        json_open_array(w->writer);
    if (count > 0)
        json_float_elements(
            w->writer, step_numbers(tensor, cursor->row, cursor->step) + cursor->element, count);
    cursor->element += count;
    if (cursor->element == size) {
        if (row_rank(tensor) > 0)
            json_close_array(w->writer);
        cursor->element = 0;
        cursor->step++;
    }
    return count;
}

/* One step, or what is left of it, or the end of a row; returns what it took of limit. */
static size_t write_some(const struct v1_writing *w, size_t limit)
{
    struct v1_answer_cursor *cursor = w->cursor;
    const struct infer_answer_tensor *tensor = &w->answer->outputs[cursor->output];
    size_t count = 0;
    if (!cursor->row_open)
        begin_row(w);
    cursor->row_open = true;
    if (cursor->step < step_count(tensor, cursor->row))
        count = write_step(w, limit);
    if (cursor->step == step_count(tensor, cursor->row))
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
