/* The one line that a measuring program prints. */
#ifndef TESTS_BENCH_BENCH_LINE_H
#define TESTS_BENCH_BENCH_LINE_H

#include "tests/bench/bench_options.h"
#include "tests/bench/stopwatch.h"

/* "kernel=avx2 shape=... threads=1 us_median=... us_min=... gflops=..."; key is kernel or peer. */
void bench_line_print(const char *key, const char *name, const struct bench_options *options,
                      const struct stopwatch_times *times, double flops);

/* The same with " overhead_us=..." at the end: what of us_median and us_min a call costs that
 * computes nothing. */
void bench_line_print_overhead(const char *key, const char *name,
                               const struct bench_options *options,
                               const struct stopwatch_times *times, double flops,
                               double overhead_us);

#endif
