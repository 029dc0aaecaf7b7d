/* Shares the workers' time among all requests of all models.
 *
 * Work is done in units of a fifth to half a millisecond, where it can be cut so (ticks are longer
 * while nobody else comes): a slice of one request's decoding or encoding, or a tick, which
 * advances rows of whatever requests wait for one model together. After each unit the worker looks
 * again whose turn it is (server/work_queue.h): requests that have had little time go first,
 * priorities count, models and requests take turns, nothing starves. New rows join at each tick;
 * finished ones are answered at once. A request that is late, or that nobody waits for any more, is
 * dropped before its next unit.
 *
 * A request alone starts at once and finds idle workers' help for large ticks. Nothing is held up
 * to wait for others, but in lanes that say so (lane.delay). Where a tick waits for weights from
 * memory longer than it computes, workers go together: one tick at a time, by all who have nothing
 * else to do, with all rows that are ready when none of them is at a slice of that model (which a
 * tick waits a millisecond for) and when those have come back who were in the last tick, where that
 * is their habit (server/company.h).
 *
 * Threads: all functions may be called from any thread. Nothing is allocated for a work. */
#ifndef SERVER_SCHEDULER_H
#define SERVER_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "proto/fault.h"
#include "server/work.h"

struct scheduler;

struct scheduler_config {
    size_t workers;
    size_t processors;       /* for them: a tick has no more members; 0: as many as workers */
    size_t queue_limit;      /* requests of one model, accepted and not ended */
    size_t queue_rows_limit; /* their rows; one request alone may have more */
    unsigned client_percent; /* of both, that one client may have at most; 0: all of it */
    size_t tick_rows;        /* most rows that several requests have in a tick; 0: TICK_ROWS */
};

/* Starts the workers, which inherit the caller's signal mask. On failure nothing is left behind;
 * status 503. */
bool scheduler_start(struct scheduler **scheduler, const struct scheduler_config *config,
                     struct fault *fault);

/* One thread at a time, before the model's first work is accepted: makes the workers' scratch large
 * enough for its ticks. false, 503: out of memory; nothing has changed. */
bool scheduler_reserve(struct scheduler *scheduler, const struct model *model, struct fault *fault);

/* Most rows that several requests have in a tick: tick_rows of its config, or TICK_ROWS. */
size_t scheduler_tick_rows(const struct scheduler *scheduler);

/* Members that one tick may have at most. */
size_t scheduler_team_size(const struct scheduler *scheduler);

/* What of a lane's bounds is used at this moment. */
struct lane_load {
    size_t requests, rows;
};
struct lane_load scheduler_load(struct scheduler *scheduler, const struct lane *lane);

/* How the workers are getting on. What waits for a client or for its turn in a sequence is nothing
 * that they could do. */
struct scheduler_progress {
    uint64_t units; /* done so far, shares of ticks too */
    bool waiting;   /* work is ready, and no worker is at any */
    bool overdue;   /* one is at a unit far longer than that can take */
};
struct scheduler_progress scheduler_look(struct scheduler *scheduler, uint64_t now);

/* Have they come to a stop? `before` was an earlier look, long enough ago for a worker to wake. */
bool scheduler_is_stuck(const struct scheduler_progress *before,
                        const struct scheduler_progress *now);

/* Are all workers at requests that take long, and no other waits? Then one that takes no long time
 * may be better off where it is: here it would wait for the end of a tick. */
bool scheduler_is_at_length(struct scheduler *scheduler);

/* Is there room in the lane for a request of this client, as things are? For refusing it before any
 * work was put into it. false, 503: as scheduler_accept would say. */
bool scheduler_has_room(struct scheduler *scheduler, const struct lane *lane, uint64_t client,
                        struct fault *fault);

/* Counts the work in its lane's bounds. On success the work must stay until its end, which is
 * called exactly once; scheduler_begin or scheduler_abandon is due. false, 503: the lane is full,
 * or the client has its part of it, or the scheduler is stopping; the work is still its owner's. */
bool scheduler_accept(struct scheduler *scheduler, struct work *work, struct fault *fault);

/* The work may start: a worker takes it up when it is its turn. Of one that was abandoned in the
 * meantime nothing comes; it must be there still. */
void scheduler_begin(struct scheduler *scheduler, struct work *work);

/* Once for each time that a slice has said WORK_PAUSE or is about to: the work goes on. Its
 * deadline is put off by the time it paused. Of one that was abandoned in the meantime nothing
 * comes; it must be there still. */
void scheduler_resume(struct scheduler *scheduler, struct work *work);

/* true: end is called with WORK_ABANDONED, here and now when no worker is at it, else by the worker
 * as soon as it is done with its unit. false: end was called or is about to be. */
bool scheduler_abandon(struct scheduler *scheduler, struct work *work);

/* Accepts nothing more, waits until all that was accepted has ended, ends the workers and frees the
 * scheduler. false when that has not happened at that moment of clock_now's: it is then left as it
 * is, and its threads with whatever they read must be left alone until the process ends. */
bool scheduler_stop(struct scheduler *scheduler, uint64_t deadline);

#endif
