#include "server/tick.h"

#include <assert.h>

#include "server/clock.h"

/* A row that cannot be cut keeps its workers to the end. If that is further off it leaves one of
 * them to others. */
#define UNCUT_NS (50 * CLOCK_NS_PER_MS)

void tick_clear(struct tick *tick)
{
    tick->part_count = tick->row_count = tick->longest = tick->wanted = tick->steps = 0;
    tick->members = 1;
}

/* Whole rows share scratch only as far as the rule foresees. */
bool tick_fits(const struct tick *tick, const struct tick_rule *rule, const struct strand *strand,
               size_t limit)
{
    const size_t rows = tick->row_count + strand->live;
    if (tick->part_count == 0)
        return true;
    if (rows > limit || strand->scratch.memory != NULL ||
        tick->parts[0].strand->scratch.memory != NULL)
        return false;
    const size_t left = compute_strand_left(strand);
    const size_t longest = left > tick->longest ? left : tick->longest;
    return rule->causal || longest <= tick_rule_steps(rule, rows, TICK_WHOLE);
}

void tick_add(struct tick *tick, struct strand *strand, struct work *work)
{
    const size_t left = compute_strand_left(strand);
    assert(strand->live > 0 && tick->row_count + strand->live <= TICK_ROWS);
    tick->parts[tick->part_count++] = (struct tick_part){strand, work, strand->live};
    tick->row_count += strand->live;
    if (left > tick->longest)
        tick->longest = left;
}

static size_t members_for(const struct tick *tick, const struct tick_rule *rule,
                          const struct model *model, size_t steps, size_t helpers)
{
    const uint64_t guess = tick_rule_guess_ns(rule, tick->row_count, steps);
    if (!rule->causal && guess > UNCUT_NS && helpers > 0)
        helpers--;
    if (helpers == 0 || !tick_rule_is_for_team(rule, tick->row_count, steps))
        return 1;
    return model_team_size(model, tick->row_count, steps, helpers + 1);
}

void tick_set_steps(struct tick *tick, const struct tick_rule *rule, const struct model *model,
                    enum tick_patience patience, size_t helpers)
{
    const size_t most = tick_rule_steps(rule, tick->row_count, patience);
    tick->steps = !rule->causal ? tick->longest : tick->wanted < most ? tick->wanted : most;
    tick->members = members_for(tick, rule, model, tick->steps, helpers);
}

void tick_begin(struct tick *tick)
{
    size_t count = 0;
    for (size_t i = 0; i < tick->part_count; i++)
        count += compute_strand_rows(tick->parts[i].strand, tick->steps, tick->rows + count);
    assert(count == tick->row_count);
}

void tick_run_member(const struct tick *tick, const struct model *model, const struct share *share)
{
    const struct model_scratch own = tick->parts[0].strand->scratch;
    model_run_member(model, tick->rows, tick->row_count, own.memory != NULL ? own : tick->scratch,
                     share);
}

void tick_end(struct tick *tick)
{
    for (size_t i = 0; i < tick->part_count; i++)
        compute_strand_advance(tick->parts[i].strand, tick->steps);
}

void tick_run(struct tick *tick, const struct model *model)
{
    const struct team alone = {.size = 1};
    tick_begin(tick);
    tick_run_member(tick, model, &(struct share){&alone, 0});
    tick_end(tick);
}

size_t tick_steps_done(const struct tick *tick)
{
    size_t steps = 0;
    for (size_t i = 0; i < tick->row_count; i++)
        steps += tick->rows[i].steps;
    return steps;
}

void tick_run_strand(struct strand *strand, struct model_stats *stats)
{
    struct tick tick;
    tick.scratch = strand->compute->scratch;
    tick_clear(&tick);
    tick_add(&tick, strand, NULL);
    tick.steps = tick.longest;
    const uint64_t started = clock_now();
    tick_run(&tick, strand->compute->model);
    if (stats != NULL)
        model_stats_tick(stats, tick.row_count, tick_steps_done(&tick), clock_now() - started);
}

void tick_run_alone(struct compute *compute, struct model_stats *stats)
{
    for (size_t i = 0; i < compute->strand_count; i++)
        if (compute->strands[i].live > 0)
            tick_run_strand(&compute->strands[i], stats);
}
