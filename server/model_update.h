/* Changes the models while the server serves: all of them as their files say now, or one of them.
 * New models are built, run once and given room in the scheduler while the old ones serve; then the
 * table changes at once, or, if anything failed, not at all. Requests that run finish on the model
 * they began on. Sequences go on where the states' shapes are the same, else they are evicted. What
 * was done, or why not, is logged.
 *
 * Threads: one. */
#ifndef SERVER_MODEL_UPDATE_H
#define SERVER_MODEL_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/fault.h"
#include "server/model_loader.h"
#include "server/model_store.h"
#include "server/scheduler.h"
#include "server/sequences.h"

struct model_update {
    struct model_store *models;
    struct scheduler *scheduler;
    struct sequences *sequences;
    struct model_places places; /* what they point to stays as long as this */
    uint64_t layouts;           /* of states, given out; 0 to begin with */
};

/* What the first table of all is made of: each model run once. On failure nothing is held. */
bool model_update_first(const struct model_places *places, struct model_table **table,
                        struct fault *fault);

/* All models as their files say. false: nothing has changed. */
bool model_update_all(struct model_update *update);

/* The model of that name as its files say; 404 when no config has it. One that is served already
 * serves on until the new one does, and when there is none. The fault is for clients: it names no
 * folder. */
bool model_update_load(struct model_update *update, const char *name, struct fault *fault);

/* Its requests that run finish; new ones are answered 404. 404 when there is no such model. */
bool model_update_unload(struct model_update *update, const char *name, struct fault *fault);

#endif
