/* A whole LSTM to measure: its weights, what goes in, and room for what comes out, in PyTorch's
 * time-first layout. Values are bench_numbers', scaled as PyTorch initialises: 1/sqrt(H). */
#ifndef TESTS_BENCH_LSTM_CASE_H
#define TESTS_BENCH_LSTM_CASE_H

#include <stddef.h>

#include "core/model.h"
#include "tests/bench/lstm_shape.h"

struct lstm_case {
    struct lstm_shape shape;
    struct lstm_weights *weights; /* [L*D] */
    float *input;                 /* [T,B,I] */
    float *h_0, *c_0;             /* [L*D,B,H] */
    float *output;                /* [T,B,D*H] */
    float *h_n, *c_n;             /* [L*D,B,H] */
};

/* The programs end with a text when memory does not suffice. */
struct lstm_case *lstm_case_create(const struct lstm_shape *shape);
void lstm_case_destroy(struct lstm_case *lstm);

/* Writes output, h_n, c_n as raw floats. The program ends with a text when that fails. */
void lstm_case_write(const struct lstm_case *lstm, const char *path);

#endif
