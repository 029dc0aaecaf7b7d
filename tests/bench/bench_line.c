#include "tests/bench/bench_line.h"

#include <stdio.h>

static void print_fields(const char *key, const char *name, const struct bench_options *options,
                         const struct stopwatch_times *times, double flops)
{
    printf("%s=%s shape=%s threads=%zu us_median=%.3f us_min=%.3f gflops=%.2f", key, name,
           options->shape_text, options->threads, times->us_median, times->us_min,
           flops / times->us_median * 1e-3);
}

void bench_line_print(const char *key, const char *name, const struct bench_options *options,
                      const struct stopwatch_times *times, double flops)
{
    print_fields(key, name, options, times, flops);
    putchar('\n');
}

void bench_line_print_overhead(const char *key, const char *name,
                               const struct bench_options *options,
                               const struct stopwatch_times *times, double flops,
                               double overhead_us)
{
    print_fields(key, name, options, times, flops);
    printf(" overhead_us=%.3f\n", overhead_us);
}
