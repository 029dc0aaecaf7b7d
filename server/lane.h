/* One model's way through the workers: what waits for it and how much of it was accepted.
 *
 * Threads: made and destroyed while no scheduler knows it; in between its lists and counts are the
 * scheduler's, under its lock, and the rest does not change. */
#ifndef SERVER_LANE_H
#define SERVER_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "server/admission.h"
#include "server/clock.h"
#include "server/company.h"
#include "server/model_stats.h"
#include "server/overload.h"
#include "server/tick.h"
#include "server/tick_rule.h"
#include "server/work_queue.h"

struct lane {
    const struct model *model;
    struct tick_rule rule;
    uint64_t delay; /* ns that a request may be held to wait for others */

    struct model_stats *stats; /* where its work is counted; has no need of the lock */
    struct overload overload;  /* nor has this */

    struct admission admission; /* of works that have not ended */
    struct work_list slices[WORK_QUEUE_COUNT], ticks[WORK_QUEUE_COUNT];
    size_t ready_rows;        /* of works in `ticks` and `held` */
    struct work_list held;    /* the first one's time comes first */
    struct lane *next, *prev; /* among the lanes that hold anything */
    size_t at_work;           /* workers at a slice or a tick of it */
    bool shut;                /* `ticks` are, until nobody is at work and no company awaited */
    uint64_t shut_until;      /* or, while anybody is at work, until then */
    struct company company;   /* of the last tick */
};

/* stats: stays as long as the lane. */
void lane_init(struct lane *lane, const struct model *model, uint64_t delay,
               struct model_stats *stats);
/* Nothing may be accepted and not ended. */
void lane_fini(const struct lane *lane);

/* Into the list for its slices, or for ticks with its ready strands. */
void lane_put_slice(struct lane *lane, struct work_queue *queue, struct work *work);
void lane_put_strands(struct lane *lane, struct work_queue *queue, struct work *work);
/* Instead of that: waits for others until `now` + delay. */
void lane_hold(struct lane *lane, struct work_queue *queue, struct work *work, uint64_t now);
/* Has the oldest that is held waited long enough, or are the `most` rows of a tick ready? */
bool lane_is_due(const struct lane *lane, size_t most, uint64_t now);
/* What is held waits no longer. */
void lane_release(struct lane *lane, struct work_queue *queue, uint64_t now);
/* Out of whatever list it is in. */
void lane_remove(struct lane *lane, struct work_queue *queue, struct work *work);

/* A worker begins a unit of it, and is done with it. `together`: no tick begins
 * while anybody is at work, so that the next one has the rows of all that are ready; but where one
 * slice follows another without a pause it waits no longer than LANE_SHUT_NS or so. */
#define LANE_SHUT_NS (1 * CLOCK_NS_PER_MS)
enum lane_unit { LANE_SLICE, LANE_TICK };
void lane_enter(struct lane *lane, struct work_queue *queue, enum lane_unit unit, bool together,
                uint64_t now);
void lane_leave(struct lane *lane, struct work_queue *queue, enum lane_unit unit, uint64_t now);
/* The moment that company is awaited until may have come for one of the lanes. */
void lane_open_due(struct work_queue *queue, uint64_t now);

/* A strand of the work comes back from a tick with steps left. */
void lane_return_strand(struct lane *lane, struct work *work, struct strand *strand);

/* Fills an empty tick with strands that wait in the list whose turn it is, at most about `share`
 * rows of them (at least one strand, and no second one that makes more than `most` rows); then from
 * the lane's other lists while further rows cost next to nothing. Works of which nothing is left to
 * take leave their lists; those with more to take go to the end of theirs. Works whose deadline was
 * before `now` are taken out and put before *late, linked by next. */
void lane_fill(struct lane *lane, struct work_queue *queue, unsigned index, size_t share,
               size_t most, uint64_t now, struct tick *tick, struct work **late);

#endif
