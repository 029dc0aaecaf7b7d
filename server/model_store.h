/* The models that are served: loaded once, looked up by name, never changed.
 *
 * Threads: once loaded, any thread may read; the lanes are the scheduler's. */
#ifndef SERVER_MODEL_STORE_H
#define SERVER_MODEL_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/model.h"
#include "proto/fault.h"
#include "proto/model_config.h"
#include "proto/model_summary.h"
#include "proto/signature.h"
#include "server/lane.h"
#include "server/sequences.h"

#define MODEL_VERSION "1" /* files have no versions; the protocol wants one */

struct served_model {
    char name[MODEL_NAME_MAX];
    struct model *model;
    struct signature signature;
    const char **labels; /* that the signature looks at; or NULL */
    struct model_summary summary;
    struct lane *lane; /* where its requests wait */
    struct sequence_owner sequences;
    size_t layer_count;  /* of the config */
    size_t weight_count; /* numbers in the weights file */
};

struct model_store {
    struct served_model **models; /* [count], in the order loaded */
    size_t count;
};

/* Loads the configs in each folder (every *.json in it, by name; at least one), then each file. On
 * failure nothing is held, and the text starts with the file's path. */
bool model_store_load(struct model_store *store, const char *const *folders, size_t folder_count,
                      const char *const *files, size_t file_count, const struct kernel *kernel,
                      struct fault *fault);
void model_store_fini(struct model_store *store);

/* By name, which need not be NUL-terminated; version may be NULL for any. NULL with a 404. */
const struct served_model *model_store_find(const struct model_store *store, const char *name,
                                            size_t name_size, const char *version,
                                            size_t version_size, struct fault *fault);

#endif
