/* The command line that lstm-bench and the peers' programs share. */
#ifndef TESTS_BENCH_BENCH_OPTIONS_H
#define TESTS_BENCH_BENCH_OPTIONS_H

#include <stddef.h>

#include "tests/bench/lstm_shape.h"

struct bench_options {
    struct lstm_shape shape;
    const char *shape_text;
    size_t threads;
    double seconds;     /* how long to measure */
    const char *kernel; /* --kernel, else LSTMD_KERNEL, else NULL */
    const char *model;  /* --model: an ONNX file, for programs that read one; or NULL */
    const char *output; /* --output: where to write the answer's floats, or NULL */
};

/* Reads the command line. On --help prints the usage and exits 0; on anything wrong says what on
 * stderr and exits 2. usage_extra lists the optional options that this program takes besides
 * --seconds and --output, out of "[--kernel NAME]" and "--model FILE.onnx"; others are unknown. */
void bench_options_parse(int argc, char **argv, const char *usage_extra,
                         struct bench_options *options);

/* "NAME: text", exit 2: for what is wrong with the options only the program itself can see. */
void bench_options_refuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
