#include "server/tick_rule.h"

#include "core/kernel.h"

/* With half a millisecond the p50 of short requests beside a flood of long ones was a quarter
 * longer (AVX2; half as long again with AVX-512), and no more were answered. With a tenth it was a
 * seventh shorter, but 32 clients of a small model were answered a fifth less. */
#define TICK_NS 200000

/* A step of a row costs so much however small the model: activations, loads, loops. */
#define STEP_NS 50

/* From so much time on waking idle workers to share it pays. */
#define TEAM_NS 200000

/* Three hours. Guesses are added up and weighted, and some models' could be anything: what is
 * repeated 2^24 times, and that again. */
#define GUESS_NS_MAX 1e13

/* Every step reads all the weights once, whatever the rows: 4 bytes a weight, which is 2 operations
 * for each row. At 95 operations a nanosecond (AVX2) one row wants 190 bytes a nanosecond; memory
 * gives about 20 (weights beyond 16 MiB) and the third-level cache 65: while they are read, 9 rows
 * or 3 can be computed. Processors with AVX-512 read faster in much the same measure: 500, 50 and
 * 125. The second-level cache gives less than a row wants too, but input terms of many steps wait
 * for nothing: a row with two others took twice as long there as alone. The scalar kernel is slower
 * than any reading: what computes fewer operations a nanosecond than READING_FLOPS never waits for
 * weights. */
#define READING_FLOPS 32
#define MEMORY_BYTES  ((size_t)16 << 20)

/* Where a model's weights are read from, and what that is: rows that cost no more than one, and the
 * least steps of a tick of so many. Input weights are read once a tick, recurrent ones once a step:
 * where reading is what takes the time, a tick of one step would take twice what the step should,
 * one of four a quarter more. */
static const struct source {
    size_t cheap_rows, least_steps;
} near_cache = {1, 1}, third_level = {3, 3}, memory = {9, 4};

static const struct source *source_of(const struct kernel *kernel, const struct model *model)
{
    const size_t bytes = kernel->flops_per_ns > READING_FLOPS ? model_memory(model) : 0;
    return bytes > MEMORY_BYTES                 ? &memory
           : bytes > kernel->second_level_bytes ? &third_level
                                                : &near_cache;
}

void tick_rule_init(struct tick_rule *rule, const struct model *model)
{
    const struct kernel *kernel = model_kernel(model);
    const struct source *source = source_of(kernel, model);
    *rule = (struct tick_rule){
        .causal = model_is_causal(model),
        .flops_per_ns = kernel->flops_per_ns,
        .step_flops = model_flops_per_step(model) + STEP_NS * kernel->flops_per_ns,
        .cheap_rows = source->cheap_rows,
        .least_steps = source->least_steps,
        .from_memory = source == &memory,
    };
}

size_t tick_rule_steps(const struct tick_rule *rule, size_t rows, enum tick_patience patience)
{
    const size_t least = rows <= rule->cheap_rows ? rule->least_steps : 1;
    const double flops = TICK_NS * rule->flops_per_ns * patience;
    const double steps = flops / (rule->step_flops * (double)(rows > 0 ? rows : 1));
    return steps > (double)least ? (size_t)steps : least;
}

uint64_t tick_rule_guess_ns(const struct tick_rule *rule, size_t rows, size_t steps)
{
    const size_t counted = rule->from_memory && rows < rule->cheap_rows ? rule->cheap_rows : rows;
    const double flops = rule->step_flops * (double)counted * (double)steps;
    const double ns = flops / rule->flops_per_ns;
    return ns < GUESS_NS_MAX ? (uint64_t)ns : (uint64_t)GUESS_NS_MAX;
}

bool tick_rule_goes_together(const struct tick_rule *rule)
{
    return rule->from_memory && rule->causal;
}

bool tick_rule_is_for_team(const struct tick_rule *rule, size_t rows, size_t steps)
{
    return tick_rule_guess_ns(rule, rows, steps) >= TEAM_NS;
}

bool tick_rule_scratch(const struct model *model, size_t team_size, size_t *bytes)
{
    struct tick_rule rule;
    tick_rule_init(&rule, model);
    *bytes = 0;
    for (size_t rows = 1; rows <= TICK_ROWS; rows++) {
        const size_t steps = tick_rule_steps(&rule, rows, TICK_PATIENT);
        size_t wanted;
        if (!model_team_scratch_size(model, team_size, rows, steps, &wanted))
            return false;
        if (wanted > *bytes)
            *bytes = wanted;
    }
    return true;
}
