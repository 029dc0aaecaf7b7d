#include "server/tick_batch.h"

#include <stdlib.h>

#include "server/clock.h"

void tick_batch_init(struct tick_batch *batch, size_t row_limit)
{
    batch->row_limit = row_limit;
    batch->tick.scratch = (struct model_scratch){NULL, 0};
}

void tick_batch_fini(struct tick_batch *batch)
{
    free(batch->tick.scratch.memory);
}

/* What several light requests want together is not much: it stays. */
static bool grow(struct tick_batch *batch, size_t bytes)
{
    struct model_scratch *scratch = &batch->tick.scratch;
    free(scratch->memory);
    scratch->memory = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes);
    scratch->size = scratch->memory != NULL ? bytes : 0;
    return scratch->memory != NULL;
}

static bool reserve(struct tick_batch *batch, const struct model *model)
{
    size_t bytes;
    if (!model_scratch_size(model, batch->tick.row_count, batch->tick.longest, &bytes))
        return false;
    bytes = (bytes + MODEL_SCRATCH_ALIGNMENT - 1) & ~(size_t)(MODEL_SCRATCH_ALIGNMENT - 1);
    return bytes <= batch->tick.scratch.size || grow(batch, bytes);
}

/* Each has scratch of its own for that. */
static void run_apart(const struct tick *tick, const struct lane *lane)
{
    for (size_t i = 0; i < tick->part_count; i++)
        tick_run_strand(tick->parts[i].strand, lane->stats);
}

static void run(struct tick_batch *batch, const struct lane *lane)
{
    struct tick *tick = &batch->tick;
    if (tick->part_count <= 1 || !reserve(batch, lane->model)) {
        run_apart(tick, lane);
        return;
    }
    const uint64_t started = clock_now();
    tick->steps = tick->longest;
    tick_run(tick, lane->model);
    model_stats_tick(lane->stats, tick->row_count, tick_steps_done(tick), clock_now() - started);
}

static void add(struct tick_batch *batch, struct strand *strand, const struct lane *lane)
{
    if (strand->live == 0)
        return;
    if (!tick_fits(&batch->tick, &lane->rule, strand, batch->row_limit)) {
        run(batch, lane);
        tick_clear(&batch->tick);
    }
    tick_add(&batch->tick, strand, NULL);
}

void tick_batch_run(struct tick_batch *batch, struct compute *const *computes, size_t count,
                    const struct lane *lane)
{
    tick_clear(&batch->tick);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < computes[i]->strand_count; k++)
            add(batch, &computes[i]->strands[k], lane);
    run(batch, lane);
}
