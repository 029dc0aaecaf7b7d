/* The numbers of one tensor as JSON text of which each row of the batch stands for itself, in any
 * place: lists of rows, as the v1 messages have them. The rows are batch-first whatever the
 * tensor's layout is, and may differ in how many steps they have. */
#ifndef PROTO_TENSOR_ROWS_H
#define PROTO_TENSOR_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "proto/tensor_text.h"

/* Borrowed: "[...]" as json_skip_numbers finds it, or, in a tensor of 1 dimension, a number. */
struct tensor_row {
    const char *text;
    size_t size;
    size_t
        steps; /* its outermost members, at most the row's first dimension in the tensor's shape */
};

struct tensor_rows {
    const struct tensor_row *rows;
    const uint64_t *shape; /* [rank], rank > 0 */
    size_t rank;
    size_t axis;     /* shape[axis] counts the rows: the first, last or last but one */
    size_t elements; /* product of shape */
};

/* Where the reading has come to. */
struct tensor_rows_cursor {
    size_t index; /* elements done so far, row by row; also what short rows leave out */
    /* private */
    struct tensor_rows tensor;
    size_t row;
    bool open; /* text is within the row */
    uint64_t row_shape[TENSOR_TEXT_RANK_MAX];
    struct tensor_text_cursor text;
};

void tensor_rows_begin(struct tensor_rows_cursor *cursor, const struct tensor_rows *tensor);

/* Reads up to limit further numbers to where the tensor's layout has them; out is the tensor's
 * first number. To be called until index == elements, at least once. Places past a row's steps are
 * left as they are. Failures as in tensor_text.h, with "row N: " before them. */
bool tensor_rows_read_f32(struct tensor_rows_cursor *cursor, float *out, size_t limit,
                          struct fault *fault);
bool tensor_rows_read_i64(struct tensor_rows_cursor *cursor, int64_t min, int64_t max, int64_t *out,
                          size_t limit, struct fault *fault);

#endif
