/* One pass of a model over rows of one or many requests. The only file that has the core compute.
 *
 * Threads: a tick belongs to one thread at a time; between tick_begin and tick_end a team may
 * compute it. */
#ifndef SERVER_TICK_H
#define SERVER_TICK_H

#include <stdbool.h>
#include <stddef.h>

#include "core/model.h"
#include "server/compute.h"
#include "server/model_stats.h"
#include "server/tick_rule.h"

struct work;

struct tick_part {
    struct strand *strand;
    struct work *work; /* whose strand; nothing to the tick itself */
    size_t rows;       /* live ones when it joined */
};

struct tick {
    size_t part_count;
    struct tick_part parts[TICK_ROWS]; /* strands of one model */
    size_t row_count;                  /* rows with steps left, in all of them */
    size_t longest;                    /* steps left in the longest of them */
    size_t wanted;  /* the same of those whose turn it is: the others are company,
                       which must not make it last longer */
    size_t steps;   /* that each row takes at most */
    size_t members; /* of the team that computes it */
    struct model_row rows[TICK_ROWS];
    struct model_scratch scratch; /* the caller's, tick_rule_scratch large */
};

/* Empty again; the scratch stays. */
void tick_clear(struct tick *tick);

/* May the strand join, so that there are at most `limit` rows (TICK_ROWS at most)? Into an empty
 * tick any strand may. */
bool tick_fits(const struct tick *tick, const struct tick_rule *rule, const struct strand *strand,
               size_t limit);
void tick_add(struct tick *tick, struct strand *strand, struct work *work);

/* Chooses steps and members for what is in it; wanted is set. helpers: idle workers that could
 * help. */
void tick_set_steps(struct tick *tick, const struct tick_rule *rule, const struct model *model,
                    enum tick_patience patience, size_t helpers);

/* Its rows are set: every member of its team may compute its share, on a thread of its own. When
 * that returns to one of them, all is computed. */
void tick_begin(struct tick *tick);
void tick_run_member(const struct tick *tick, const struct model *model, const struct share *share);
/* Every strand has done `steps` more steps, or all that it had. */
void tick_end(struct tick *tick);

/* All of this, on one thread. */
void tick_run(struct tick *tick, const struct model *model);

/* Steps that its rows did together when it was run last. */
size_t tick_steps_done(const struct tick *tick);

/* Computes all that a strand has left, on this thread, in the scratch of its compute, which was
 * planned to be run alone. stats: where its tick is counted, or NULL. */
void tick_run_strand(struct strand *strand, struct model_stats *stats);
/* All strands of such a compute. */
void tick_run_alone(struct compute *compute, struct model_stats *stats);

#endif
