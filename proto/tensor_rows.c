#include "proto/tensor_rows.h"

#include <assert.h>
#include <string.h>

void tensor_rows_begin(struct tensor_rows_cursor *cursor, const struct tensor_rows *tensor)
{
    assert(tensor->rank > 0 && tensor->rank <= TENSOR_TEXT_RANK_MAX);
    assert(tensor->axis == 0 || (tensor->axis == 1 && tensor->rank == 3));
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

/* Where the row's first number goes. */
static size_t row_place(const struct tensor_rows *tensor, size_t row)
{
    if (tensor->elements == 0)
        return 0;
    return row * (tensor->axis == 1 ? tensor->shape[2] : row_elements(tensor));
}

/* Places of other rows between two steps of one. */
static size_t step_gap(const struct tensor_rows *tensor)
{
    return tensor->axis == 1 ? (row_count(tensor) - 1) * tensor->shape[2] : 0;
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
    tensor_text_begin_row(&cursor->text, &text, step_gap(tensor));
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

/* Is there a row to read in, which is then open? Without elements the first call is the last one
 * and reads all rows. */
static bool next_slice(struct tensor_rows_cursor *cursor, size_t *limit)
{
    const struct tensor_rows *tensor = &cursor->tensor;
    if (tensor->elements == 0)
        *limit = SIZE_MAX;
    if (*limit == 0 || cursor->row == row_count(tensor))
        return false;
    if (!cursor->open)
        open_row(cursor);
    return true;
}

static bool add_row(const struct tensor_rows_cursor *cursor, struct fault *fault)
{
    return fault_prefix(fault, "row %zu", cursor->row);
}

bool tensor_rows_read_f32(struct tensor_rows_cursor *cursor, float *out, size_t limit,
                          struct fault *fault)
{
    while (next_slice(cursor, &limit)) {
        const size_t before = cursor->text.index;
        float *place = out + row_place(&cursor->tensor, cursor->row);
        if (!tensor_text_read_f32(&cursor->text, place, limit, fault))
            return add_row(cursor, fault);
        limit -= end_slice(cursor, before);
    }
    return true;
}

bool tensor_rows_read_i64(struct tensor_rows_cursor *cursor, int64_t min, int64_t max, int64_t *out,
                          size_t limit, struct fault *fault)
{
    while (next_slice(cursor, &limit)) {
        const size_t before = cursor->text.index;
        int64_t *place = out + row_place(&cursor->tensor, cursor->row);
        if (!tensor_text_read_i64(&cursor->text, min, max, place, limit, fault))
            return add_row(cursor, fault);
        limit -= end_slice(cursor, before);
    }
    return true;
}
