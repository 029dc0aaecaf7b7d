/* Runs a load: the connections, the moments requests are due, and what comes of them.
 *
 * Closed loop: each connection sends its next request when it has the answer to the last. Open
 * loop: requests are due at random moments of a set rate, whatever the server does; one that finds
 * all connections busy waits for the first that gets free, and its latency counts from when it was
 * due. What is due in the warm-up is sent and not counted. */
#ifndef TESTS_BENCH_LOAD_RUN_H
#define TESTS_BENCH_LOAD_RUN_H

#include "tests/bench/load_body.h"
#include "tests/bench/load_histogram.h"
#include "tests/bench/load_options.h"

/* Latencies (ns) are of requests due in the measured time, whenever they were answered; `in_time`
 * counts answers that came in the measured time. */
struct load_counts {
    struct load_histogram latency;
    uint64_t in_time;
};

struct load_result {
    struct load_counts good[LOAD_MIX_MAX]; /* by class of the mix */
    struct load_counts refused;            /* 503, where that is expected */
    uint64_t refused_silently;             /* of these: without Retry-After */
    uint64_t errors;                       /* other statuses, and requests without an answer */
    uint64_t unanswered;                   /* of these: still under way when the drain ended */
    uint64_t unsent;                       /* were due, and found no free connection */
    uint64_t retries;                      /* a kept connection had been closed meanwhile */
    uint64_t bytes_in, bytes_out;          /* of requests answered in the measured time */
    double own_cpu;                        /* processors' worth of this program's own work */
    char first_error[256];                 /* "" when there was none, the warm-up's too */
};

/* Ends the program where it cannot begin. */
void load_run(const struct load_options *options, const struct load_model *model,
              struct load_result *result);

#endif
