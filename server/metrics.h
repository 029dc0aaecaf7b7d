/* The Prometheus text of everything that is counted: numbers in, text out.
 *
 * Names that begin with nv_inference are Triton's, with its labels and units, so that what was
 * built to watch a Triton watches lstmd as it is; lstmd_... is what Triton does not tell;
 * process_... are the names every client library of Prometheus uses. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/model_control.h"
#include "server/model_stats.h"
#include "server/process_usage.h"
#include "server/sequences.h"
#include "server/status_counts.h"
#include "server/zmq_counts.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_model {
    const char *name, *version;
    struct model_stats *stats;
    size_t memory;                     /* bytes of its weights */
    size_t queue_requests, queue_rows; /* accepted and not answered yet, at this moment */
};

struct metrics_source {
    const char *build_version, *kernel;
    size_t workers;
    const struct metrics_model *models; /* [model_count] */
    size_t model_count;
    size_t memory_in_flight, memory_limit; /* of requests, in bytes */
    struct status_counts *http_responses;  /* only counts above 0 are shown */
    struct zmq_counts *zmq;
    const struct sequences_counts *sequences;
    const struct model_control_counts *reloads;
    uint64_t log_dropped;                /* lines */
    const struct process_usage *process; /* NULL: not known */
};

/* Errors of out are left for its owner to find (ferror). */
void metrics_print(FILE *out, const struct metrics_source *source);

#endif
