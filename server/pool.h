/* Worker threads behind one queue, as long as there are tasks.
 *
 * Tasks run in the order they were submitted, one a worker at a time, with no lock held. Idle
 * workers sleep. Every task that was accepted is run exactly once. */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/team.h"
#include "proto/fault.h"

/* The caller's, inside what the task is about; must stay until run was called, which may free it or
 * submit it again. */
struct pool_task {
    struct pool_task *next; /* the pool's */
    bool helps;             /* the pool's: one of pool_share's, not counted as waiting */
    void (*run)(struct pool_task *task);
};

struct pool;

/* The threads inherit the caller's signal mask. On failure nothing is left behind; status 503. */
bool pool_start(struct pool **pool, size_t workers, struct fault *fault);

/* false: the pool is stopping, and the task is still the caller's. */
bool pool_submit(struct pool *pool, struct pool_task *task);

enum { POOL_TEAM_MAX = 32 };

/* Called by a worker: run(context, share) on this worker, as member 0, and on up to `wanted` - 1
 * others that have nothing to do at this moment, all at once, as one team. Returns when all have
 * returned. Nobody waits for a busy worker: the team may be smaller than wanted, down to the caller
 * alone, and is never larger than POOL_TEAM_MAX. */
void pool_share(struct pool *pool, size_t wanted,
                void (*run)(void *context, const struct share *share), void *context);

/* Accepts nothing more, lets the workers finish what is queued and frees the pool. false when they
 * are not done at that moment of clock_now's: the pool is then left as it is, and its threads with
 * whatever they read must be left alone until the process ends. */
bool pool_stop(struct pool *pool, uint64_t deadline);

#endif
