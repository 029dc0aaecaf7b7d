/* The models that are served now: the current table, which requests look into and a reload replaces
 * as a whole.
 *
 * Threads: any. Looking up takes no lock and waits for nobody: a few atomic additions. Whoever
 * replaces the table waits until nobody looks into the old one any more, which is some hundred
 * nanoseconds, and only then lets go of it. */
#ifndef SERVER_MODEL_STORE_H
#define SERVER_MODEL_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "server/model_table.h"

struct model_store {
    _Atomic(struct model_table *) current;
    atomic_uint phase;        /* which of the two counts those who begin to look */
    atomic_size_t looking[2]; /* at this moment */
    pthread_mutex_t replacing;
};

/* Takes the table over. */
void model_store_init(struct model_store *store, struct model_table *table);
void model_store_fini(struct model_store *store);

/* The current table; model_table_release is due. */
struct model_table *model_store_table(struct model_store *store);

/* Takes the table over; from now on it is the current one. */
void model_store_replace(struct model_store *store, struct model_table *table);

/* The model of that name, which need not be NUL-terminated; version may be NULL for any.
 * served_model_release is due. NULL: 404 there is no such model, or it is not loaded; 503 it is
 * just being loaded. */
struct served_model *model_store_acquire(struct model_store *store, const char *name,
                                         size_t name_size, const char *version, size_t version_size,
                                         struct fault *fault);

/* Is it a model that is known, but not loaded at this moment? */
bool model_store_is_absent(struct model_store *store, const char *name, size_t name_size);

#endif
