/* Bytes in flight: one number that everything a request makes the server hold is counted against,
 * so that memory is refused to a request before it is taken from the machine.
 *
 * Threads: all functions may be called from any thread. */
#ifndef SERVER_BUDGET_H
#define SERVER_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

struct budget {
    size_t limit;
    atomic_size_t used;
};

void budget_init(struct budget *budget, size_t limit);

/* Takes bytes out of what is left. false: nothing was taken; the fault is 413 when they are more
 * than the whole budget together with the held bytes the caller has already, and 503 when only
 * others' use stands in the way. */
bool budget_take(struct budget *budget, size_t bytes, size_t held, struct fault *fault);

/* Gives back bytes that were taken. */
void budget_give(struct budget *budget, size_t bytes);

#endif
