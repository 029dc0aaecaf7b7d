/* From config files to models that can be served.
 *
 * The places are the operator's: folders, each *.json of which is a config, and single configs.
 * Nothing else is ever read, whatever a client asks for.
 *
 * Texts of faults start with the path of the file. */
#ifndef SERVER_MODEL_LOADER_H
#define SERVER_MODEL_LOADER_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "server/model_table.h"

struct model_places {
    const char *const *folders;
    size_t folder_count;
    const char *const *files;
    size_t file_count;
    const struct kernel *kernel; /* that models are built for */
};

struct model_paths {
    char **paths; /* [count] of configs: each folder's by name, then the files */
    size_t count;
};

/* On success model_paths_fini is due. A folder without a config is an error. */
bool model_places_list(const struct model_places *places, struct model_paths *paths,
                       struct fault *fault);
void model_paths_fini(struct model_paths *paths);

/* The name in the config at path, or that of the file. */
bool model_loader_name(const char *path, char name[MODEL_NAME_MAX], struct fault *fault);
/* What its name would be if it said nothing, cut to fit; it need not be a good name. */
void model_loader_file_name(const char *path, char name[MODEL_NAME_MAX]);

/* The model of that config, with one reference for the caller: that of the old table when nothing
 * of its files has changed since, else a new one, which continues the record of its name there.
 * old: NULL for none. */
bool model_loader_load(const char *path, const struct kernel *kernel, const struct model_table *old,
                       struct served_model **served, struct fault *fault);

/* Models that were loaded one by one, to become a table. */
struct model_list {
    struct served_model **models; /* [count], a reference each */
    size_t count;
};

/* All of the places; on failure nothing is held. */
bool model_loader_load_all(const struct model_places *places, const struct model_table *old,
                           struct model_list *list, struct fault *fault);
void model_list_fini(struct model_list *list);

/* A table of the list's models; NULL without memory. */
struct model_table *model_list_table(const struct model_list *list);

#endif
