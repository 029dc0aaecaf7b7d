/* Small requests computed together by a thread that is no worker: whoever has several at hand
 * spares each of them the way to the workers and back, and the weights are read once for all.
 *
 * Threads: a batch belongs to one thread. */
#ifndef SERVER_TICK_BATCH_H
#define SERVER_TICK_BATCH_H

#include <stddef.h>

#include "server/lane.h"
#include "server/tick.h"

struct tick_batch {
    size_t row_limit; /* most rows that several requests have in a pass */
    struct tick tick; /* its scratch is the batch's; grows with what is asked for */
};

/* row_limit: TICK_ROWS at most. */
void tick_batch_init(struct tick_batch *batch, size_t row_limit);
void tick_batch_fini(struct tick_batch *batch);

/* Computes all of computes[0..count), planned to be run alone, with as few passes of the model as
 * their rows fit in. All are of the lane's model, and decoded. */
void tick_batch_run(struct tick_batch *batch, struct compute *const *computes, size_t count,
                    const struct lane *lane);

#endif
