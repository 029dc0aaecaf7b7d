#include "server/model_stats.h"

#include <assert.h>

#include "server/clock.h"

static void add(atomic_uint_fast64_t *counter, uint64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

void model_stats_init(struct model_stats *stats)
{
    atomic_init(&stats->rows, 0);
    atomic_init(&stats->last_inference, 0);
    atomic_init(&stats->compute_input, 0);
    atomic_init(&stats->compute_output, 0);
    for (size_t i = 0; i < FAILURE_COUNT; i++)
        atomic_init(&stats->failures[i], 0);
    atomic_init(&stats->failed, 0);
    atomic_init(&stats->pass_rows, 0);
    atomic_init(&stats->pass_steps, 0);
    for (size_t i = 0; i < BATCH_SIZES; i++) {
        atomic_init(&stats->batches[i].passes, 0);
        atomic_init(&stats->batches[i].ns, 0);
    }
    histogram_init(&stats->queue);
    histogram_init(&stats->infer);
    histogram_init(&stats->request);
}

void model_stats_success(struct model_stats *stats, const struct request_times *times, size_t rows)
{
    atomic_store_explicit(&stats->last_inference, clock_wall_ms(), memory_order_relaxed);
    add(&stats->rows, rows);
    add(&stats->compute_input, times->compute_input);
    add(&stats->compute_output, times->compute_output);
    histogram_add(&stats->queue, times->queue);
    histogram_add(&stats->infer, times->compute_infer);
    histogram_add(&stats->request, times->request);
}

void model_stats_failure(struct model_stats *stats, enum request_failure reason,
                         uint64_t request_ns)
{
    assert(reason < FAILURE_COUNT);
    add(&stats->failures[reason], 1);
    add(&stats->failed, request_ns);
}

enum request_failure request_failure_of(int status)
{
    switch (status) {
    case 413:
    case 503:
        return FAILURE_REJECTED;
    case 504:
        return FAILURE_TIMEOUT;
    default:
        return status >= 400 && status < 500 ? FAILURE_INVALID : FAILURE_OTHER;
    }
}

static size_t batch_index(size_t rows)
{
    size_t index = BATCH_SIZES_EXACT;
    if (rows <= BATCH_SIZES_EXACT)
        return rows - 1;
    for (size_t size = 2 * BATCH_SIZES_EXACT; rows > size && index < BATCH_SIZES - 1; size *= 2)
        index++;
    return index;
}

size_t model_stats_batch_size(size_t index)
{
    assert(index < BATCH_SIZES);
    return index < BATCH_SIZES_EXACT ? index + 1
                                     : (size_t)BATCH_SIZES_EXACT << (index - BATCH_SIZES_EXACT + 1);
}

void model_stats_tick(struct model_stats *stats, size_t rows, size_t steps, uint64_t ns)
{
    if (rows == 0)
        return;
    struct batch_size_stats *batch = &stats->batches[batch_index(rows)];
    add(&batch->passes, 1);
    add(&batch->ns, ns);
    add(&stats->pass_rows, rows);
    add(&stats->pass_steps, steps);
}
