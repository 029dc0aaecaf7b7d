/* Which lengths of input lstm-load sends, and how often each: "32", or "mix:32@0.9,2000@0.1". */
#ifndef TESTS_BENCH_LOAD_MIX_H
#define TESTS_BENCH_LOAD_MIX_H

#include <stdbool.h>
#include <stddef.h>

#define LOAD_MIX_MAX       8
#define LOAD_MIX_STEPS_MAX 1000000

struct load_mix {
    size_t count; /* classes of requests, 1..LOAD_MIX_MAX */
    size_t steps[LOAD_MIX_MAX];
    double until[LOAD_MIX_MAX]; /* this class's share and those before it; the last one's is 1 */
};

/* A number of steps, or "mix:" and STEPS@WEIGHT pairs between commas: each number of steps once,
 * weights above 0, of any sum. false on anything else, with *mix in no particular state. */
bool load_mix_parse(struct load_mix *mix, const char *text);

/* The class that the number unit in [0, 1) falls on. */
size_t load_mix_pick(const struct load_mix *mix, double unit);

#endif
