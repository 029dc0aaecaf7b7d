#include "proto/tensor_rows.h"

#include <assert.h>
#include <string.h>

void tensor_rows_begin(struct tensor_rows_cursor *cursor, const struct tensor_rows *tensor)
{
    assert(tensor->rank > 0 && tensor->rank <= TENSOR_TEXT_RANK_MAX);
    assert(tensor->axis < tensor->rank);
    assert(tensor->axis == 0 || tensor->axis + 2 >= tensor->rank);
    cursor->index = 0;
    cursor->tensor = *tensor;
    cursor->row = 0;
    cursor->open = false;
}

static size_t row_count(const struct tensor_rows *tensor)
{
    return tensor->shape[tensor->axis];
}

/* Of a row that has all steps. */
static size_t row_elements(const struct tensor_rows *tensor)
{
    return tensor->elements / row_count(tensor);
}

/* Numbers of a row that stand together: all of them, an innermost array, or each for itself. */
static size_t run_size(const struct tensor_rows *tensor)
{
    if (tensor->axis == 0)
        return row_elements(tensor);
    return tensor->axis + 1 < tensor->rank ? tensor->shape[tensor->rank - 1] : 1;
}

/* Each number of a row of several stands for itself: the text is read number by number. */
static bool is_scattered(const struct tensor_rows *tensor)
{
    return tensor->axis > 0 && tensor->axis + 1 == tensor->rank;
}

/* The place of the open row's next number, less its index in the row. */
static size_t row_place(const struct tensor_rows_cursor *cursor)
{
    const struct tensor_rows *tensor = &cursor->tensor;
    if (tensor->elements == 0)
        return 0;
    const size_t first = cursor->row * run_size(tensor);
    return is_scattered(tensor) ? first + cursor->text.index * (row_count(tensor) - 1) : first;
}

/* Places of other rows between two innermost arrays of one. */
static size_t array_gap(const struct tensor_rows *tensor)
{
    const bool apart = tensor->axis > 0 && !is_scattered(tensor);
    return apart ? (row_count(tensor) - 1) * run_size(tensor) : 0;
}

static void open_row(struct tensor_rows_cursor *cursor)
{
    const struct tensor_rows *tensor = &cursor->tensor;
    const struct tensor_row *row = &tensor->rows[cursor->row];
    struct tensor_text text = {
        .text = row->text,
        .size = row->size,
        .shape = cursor->row_shape,
        .rank = tensor->rank - 1,
        .elements = row_elements(tensor),
    };
    for (size_t from = 0, to = 0; from < tensor->rank; from++)
        if (from != tensor->axis)
            cursor->row_shape[to++] = tensor->shape[from];
    if (text.rank > 0) {
        const uint64_t steps = cursor->row_shape[0];
        assert(row->steps <= steps);
        text.elements = steps > 0 ? text.elements / steps * row->steps : 0;
        cursor->row_shape[0] = row->steps;
    }
    tensor_text_begin_row(&cursor->text, &text, array_gap(tensor));
    cursor->open = true;
}

/* After a slice that began at before of the row's numbers: how much of limit is used up. A row
 * costs one at least, so that a slice of empty ones comes to its end. */
static size_t end_slice(struct tensor_rows_cursor *cursor, size_t before)
{
    const size_t read = cursor->text.index - before;
    const size_t elements = row_elements(&cursor->tensor);
    cursor->index = cursor->row * elements + cursor->text.index;
    if (cursor->text.done) {
        cursor->open = false;
        cursor->row++;
        cursor->index = cursor->row * elements;
    }
    return read > 0 ? read : 1;
}

/* Is there a row to read in, which is then open? *most: how many of its numbers at once. Without
 * elements the first call is the last one and reads all rows. */
static bool next_slice(struct tensor_rows_cursor *cursor, size_t *limit, size_t *most)
{
    const struct tensor_rows *tensor = &cursor->tensor;
    if (tensor->elements == 0)
        *limit = SIZE_MAX;
    if (*limit == 0 || cursor->row == row_count(tensor))
        return false;
    if (!cursor->open)
        open_row(cursor);
    *most = is_scattered(tensor) ? 1 : *limit;
    return true;
}

static bool add_row(const struct tensor_rows_cursor *cursor, struct fault *fault)
{
    return fault_prefix(fault, "row %zu", cursor->row);
}

bool tensor_rows_read_f32(struct tensor_rows_cursor *cursor, float *out, size_t limit,
                          struct fault *fault)
{
    size_t most;
    while (next_slice(cursor, &limit, &most)) {
        const size_t before = cursor->text.index;
        float *place = out + row_place(cursor);
        if (!tensor_text_read_f32(&cursor->text, place, most, fault))
            return add_row(cursor, fault);
        limit -= end_slice(cursor, before);
    }
    return true;
}

bool tensor_rows_read_i64(struct tensor_rows_cursor *cursor, int64_t min, int64_t max, int64_t *out,
                          size_t limit, struct fault *fault)
{
    size_t most;
    while (next_slice(cursor, &limit, &most)) {
        const size_t before = cursor->text.index;
        int64_t *place = out + row_place(cursor);
        if (!tensor_text_read_i64(&cursor->text, min, max, place, most, fault))
            return add_row(cursor, fault);
        limit -= end_slice(cursor, before);
    }
    return true;
}
