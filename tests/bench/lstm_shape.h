/* The shape of a measured pass, written T,B,I,H,L,D: steps, batch, input size, hidden size, layers,
 * directions. */
#ifndef TESTS_BENCH_LSTM_SHAPE_H
#define TESTS_BENCH_LSTM_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

struct lstm_shape {
    size_t steps;
    size_t batch;
    size_t input_size;
    size_t hidden_size;
    size_t layers;
    size_t directions;
};

/* Reads "25,32,1024,1024,1,1": all at least 1, directions 1 or 2. False when text is not that, or
 * when a tensor of this shape would have more than LSTM_SHAPE_TENSOR_MAX floats: products of up to
 * three of these sizes, and the bytes of any tensor, fit a size_t. */
#define LSTM_SHAPE_TENSOR_MAX ((size_t)1 << 31)
bool lstm_shape_parse(const char *text, struct lstm_shape *shape);

/* What layer takes at each step: input_size, or the layer below's directions * hidden_size. */
size_t lstm_shape_layer_input(const struct lstm_shape *shape, size_t layer);

size_t lstm_shape_input_count(const struct lstm_shape *shape);  /* of [T,B,I] */
size_t lstm_shape_output_count(const struct lstm_shape *shape); /* of [T,B,D*H] */
size_t lstm_shape_state_count(const struct lstm_shape *shape);  /* of [L*D,B,H], h or c */

/* Of the matrix products of one pass; multiply and add count as two. */
double lstm_shape_flops(const struct lstm_shape *shape);

#endif
