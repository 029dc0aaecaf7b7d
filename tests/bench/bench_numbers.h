/* The numbers that every measured program computes with: the same ones in all of them, so that
 * their answers can be compared. bench_numbers.py makes the same. */
#ifndef TESTS_BENCH_BENCH_NUMBERS_H
#define TESTS_BENCH_BENCH_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* A tensor's stream: for cell j = layer * directions + direction, BENCH_STREAM_CELL * j + the
 * offset; inputs and states have their own. */
enum {
    BENCH_STREAM_WEIGHT_IH,
    BENCH_STREAM_WEIGHT_HH,
    BENCH_STREAM_BIAS_IH,
    BENCH_STREAM_BIAS_HH,
    BENCH_STREAM_CELL,
    BENCH_STREAM_INPUT = 1 << 20,
    BENCH_STREAM_H_0,
    BENCH_STREAM_C_0,
};

/* values[i] is a multiple of scale / 2^23 in [-scale, scale) that depends on stream and i alone. */
void bench_numbers_fill(float *values, size_t count, uint32_t stream, float scale);

#endif
