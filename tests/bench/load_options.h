/* lstm-load's command line. */
#ifndef TESTS_BENCH_LOAD_OPTIONS_H
#define TESTS_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/load_mix.h"
#include "tests/bench/load_transport.h"

struct load_options {
    const struct load_transport *transport;
    struct load_target target; /* texts owned: load_options_fini */
    const char *model;
    size_t input_size; /* 0: the model's metadata tells */
    struct load_mix mix;
    size_t batch, connections;
    double rate; /* requests a second; 0: closed loop */
    double seconds, warmup, drain;
    bool binary, states, expect_503;
    size_t sequence_length; /* requests of a sequence; 0: none */
    uint64_t seed;
    const char *json_out; /* NULL: none */
};

/* On --help prints the usage and exits 0; on anything wrong says what on stderr and exits 2. */
void load_options_parse(int argc, char **argv, struct load_options *options);
void load_options_fini(struct load_options *options);

#endif
