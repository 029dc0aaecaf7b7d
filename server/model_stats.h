/* What has been counted for one model since it was loaded: requests, rows, passes of the core and
 * where their time went. Each call takes some tens of nanoseconds, no lock and no memory.
 *
 * Threads: everything from any thread. A reader may see a request of this very moment in one number
 * and not yet in another. */
#ifndef SERVER_MODEL_STATS_H
#define SERVER_MODEL_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "server/histogram.h"

/* Where one answered request's time went, in ns. */
struct request_times {
    uint64_t queue;          /* accepted, but nothing of it being worked on */
    uint64_t compute_input;  /* parsing it, decoding its tensors */
    uint64_t compute_infer;  /* in passes of the core, the whole of every pass it took part in */
    uint64_t compute_output; /* encoding the answer */
    uint64_t request;        /* all of it: from its last byte to the answer being ready */
};

enum request_failure {
    FAILURE_REJECTED, /* the queue was full, or memory was lacking */
    FAILURE_CANCELED, /* the client left */
    FAILURE_TIMEOUT,
    FAILURE_INVALID, /* the request itself was wrong */
    FAILURE_OTHER,
    FAILURE_COUNT,
};

/* Passes are counted by their rows: 1 to 64 each for itself, more than that by powers of two. The
 * last counts all that are larger too. */
#define BATCH_SIZES_EXACT 64
#define BATCH_SIZES       (BATCH_SIZES_EXACT + 16)

struct batch_size_stats {
    atomic_uint_fast64_t passes, ns;
};

struct model_stats {
    atomic_uint_fast64_t rows;           /* of answered requests */
    atomic_uint_fast64_t last_inference; /* wall clock of the last answer, ms since 1970; or 0 */
    atomic_uint_fast64_t compute_input, compute_output; /* ns, of answered requests */
    atomic_uint_fast64_t failures[FAILURE_COUNT];
    atomic_uint_fast64_t failed; /* ns, of requests that failed */
    atomic_uint_fast64_t pass_rows, pass_steps;
    struct batch_size_stats batches[BATCH_SIZES];
    struct histogram queue, infer, request; /* of answered requests: their counts are one count */
};

void model_stats_init(struct model_stats *stats);

/* A request of that many rows was answered. */
void model_stats_success(struct model_stats *stats, const struct request_times *times, size_t rows);

/* A request failed request_ns after its last byte; 0 when it was refused at once. */
void model_stats_failure(struct model_stats *stats, enum request_failure reason,
                         uint64_t request_ns);

/* What an error of that status (HTTP's numbers) is to be counted as. */
enum request_failure request_failure_of(int status);

/* One pass of the core ended: over how many rows, how many steps of them all together, and how long
 * it took. Passes over no row are not counted. */
void model_stats_tick(struct model_stats *stats, size_t rows, size_t steps, uint64_t ns);

/* The number of rows that batches[index] counts; for more than BATCH_SIZES_EXACT at most so many.
 */
size_t model_stats_batch_size(size_t index);

#endif
