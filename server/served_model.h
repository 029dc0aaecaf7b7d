/* A model as it is served: what was built of its files, and where its requests wait. Whoever works
 * with one holds a reference: the tables that list it, the requests that were made to it. So a
 * model that was replaced stays until the last request that began on it has ended.
 *
 * Threads: any, while a reference is held; once a table lists it nothing of it changes but what the
 * scheduler, the sequences and the counters keep in it under their own rules. */
#ifndef SERVER_SERVED_MODEL_H
#define SERVER_SERVED_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "proto/model_config.h"
#include "proto/model_summary.h"
#include "proto/signature.h"
#include "server/file.h"
#include "server/lane.h"
#include "server/model_stats.h"
#include "server/sequences.h"

#define MODEL_VERSION "1" /* files have no versions; the protocol wants one */

/* What of a name outlives each model that is loaded under it: counters never go back. */
struct model_record {
    atomic_size_t references;
    atomic_size_t models; /* of that name that are not destroyed yet */
    struct model_stats stats;
};

/* With one reference; NULL without memory. */
struct model_record *model_record_create(void);
void model_record_acquire(struct model_record *record);
void model_record_release(struct model_record *record);

/* The files it was built of, as they were then. */
struct model_source {
    char *path;   /* of the config */
    char *config; /* its text */
    char *weights_path;
    struct file_stamp weights;
};

struct served_model {
    atomic_size_t references;
    char name[MODEL_NAME_MAX];
    struct model *model;
    struct signature signature;
    const char **labels; /* that the signature looks at; or NULL */
    struct model_summary summary;
    struct lane *lane; /* where its requests wait */
    struct sequence_owner sequences;
    size_t layer_count; /* of the config */
    struct model_record *record;
    struct model_source source;
};

/* All zeros but for its one reference; NULL without memory. */
struct served_model *served_model_create(void);
void served_model_acquire(struct served_model *served);
/* The last one destroys it: no request of it may be in the scheduler, no ticket of its sequences be
 * held. */
void served_model_release(struct served_model *served);

/* Do the states of their sequences have the same shapes? */
bool served_model_same_states(const struct served_model *a, const struct served_model *b);

#endif
