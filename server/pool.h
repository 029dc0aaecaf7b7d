/* Worker threads behind one queue, as long as there are tasks.
 *
 * Tasks run in the order they were submitted, one a worker at a time, with no lock held. Idle
 * workers sleep. Every task that was accepted is run exactly once. */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"

/* The caller's, inside what the task is about; must stay until run was called, which may free it or
 * submit it again. */
struct pool_task {
    struct pool_task *next; /* the pool's */
    void (*run)(struct pool_task *task);
};

struct pool;

/* The threads inherit the caller's signal mask. On failure nothing is left behind; status 503. */
bool pool_start(struct pool **pool, size_t workers, struct fault *fault);

/* false: the pool is stopping, and the task is still the caller's. */
bool pool_submit(struct pool *pool, struct pool_task *task);

/* Accepts nothing more, lets the workers finish what is queued and frees the pool. false when they
 * are not done at that moment of clock_now's: the pool is then left as it is, and its threads with
 * whatever they read must be left alone until the process ends. */
bool pool_stop(struct pool *pool, uint64_t deadline);

#endif
