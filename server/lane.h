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
    size_t ready_rows; /* of works in `ticks` and `held` */
    size_t slices_running, ticks_running;
    bool closed;           /* `ticks` are */
    bool gathering;        /* a slice was begun that the next tick is to wait for */
    uint64_t gather_until; /* by slices that are begun before that; 0: the next one says */
    bool waiting;          /* for company, lane_begin_wait */
    size_t last_rows;      /* of the last tick, which ended then */
    uint64_t last_end;
    struct work_list held;    /* the first one's time comes first */
    struct lane *next, *prev; /* among the lanes that hold anything */
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
void lane_release(struct lane *lane, struct work_queue *queue);
/* Out of whatever list it is in. */
void lane_remove(struct lane *lane, struct work_queue *queue, struct work *work);

/* ---- ticks in turn: for lanes whose rule says so ----
 *
 * No tick begins while another one runs, unless the rows of half a large one wait for it. Nor while
 * there are slices, which bring rows for it and whose workers can help with it: slices that follow
 * one another put a tick off by a millisecond, and the last of them. `ticks` are closed meanwhile.
 *
 * To be told of the beginning and the end of every unit; of a tick's when it has been filled. */
void lane_begin_slice(struct lane *lane, struct work_queue *queue, uint64_t now);
void lane_end_slice(struct lane *lane, struct work_queue *queue);
void lane_begin_tick(struct lane *lane, struct work_queue *queue);
void lane_end_tick(struct lane *lane, struct work_queue *queue, size_t rows, uint64_t now);

/* Has a tick just ended that had more than twice as many rows as are ready? Those whose answers it
 * was are likely to be back in a moment, and a tick for the first of them would take as long as one
 * for them all. Then the next one had better wait for so many ns and look again: in the half
 * millisecond after a tick, and never where rows were alone in it. */
bool lane_expects_company(const struct lane *lane, uint64_t now, uint64_t *ns);
/* Meanwhile its ticks are closed. */
void lane_begin_wait(struct lane *lane, struct work_queue *queue);
void lane_end_wait(struct lane *lane, struct work_queue *queue);

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
