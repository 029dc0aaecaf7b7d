/* Whether a model is being asked for more than it can do: from the first request that is refused,
 * until not more than half of those are there that were then. Both moments are told
 * (server/events.h).
 *
 * Threads: any. */
#ifndef SERVER_OVERLOAD_H
#define SERVER_OVERLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct overload {
    atomic_size_t refused_at; /* so many requests were there; 0: there is none */
};

void overload_init(struct overload *overload);

/* A request was refused while so many were there. */
void overload_refused(struct overload *overload, const char *model, size_t requests);

static inline bool overload_is_on(struct overload *overload)
{
    return atomic_load_explicit(&overload->refused_at, memory_order_relaxed) != 0;
}

/* One has ended, so many are left. */
void overload_eased(struct overload *overload, const char *model, size_t requests);

#endif
