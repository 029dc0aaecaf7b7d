#include "server/model_loader.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_builder.h"
#include "proto/safetensors.h"
#include "server/clock.h"
#include "server/huge_pages.h"
#include "server/machine.h"

/* ---- the places ---- */

static bool add_path(struct model_paths *paths, char *path, struct fault *fault)
{
    char **grown = path != NULL
                       ? (char **)realloc((void *)paths->paths, (paths->count + 1) * sizeof *grown)
                       : NULL;
    if (grown == NULL) {
        free(path);
        return fault_set(fault, 503, "out of memory");
    }
    paths->paths = grown;
    paths->paths[paths->count++] = path;
    return true;
}

static int is_config(const struct dirent *entry)
{
    const size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 5 && strcmp(entry->d_name + size - 5, ".json") == 0;
}

/* In the order of the bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool add_entry(struct model_paths *paths, const char *folder, const char *name,
                      struct fault *fault)
{
    char *path;
    const bool slash = folder[0] != '\0' && folder[strlen(folder) - 1] == '/';
    if (asprintf(&path, "%s%s%s", folder, slash ? "" : "/", name) < 0)
        path = NULL;
    return add_path(paths, path, fault);
}

static bool add_folder(struct model_paths *paths, const char *folder, struct fault *fault)
{
    struct dirent **entries;
    const int count = scandir(folder, &entries, is_config, by_name);
    if (count < 0)
        return fault_set(fault, 400, "%s: %s%s", folder, strerror(errno),
                         errno == ENOTDIR ? "; --model FILE serves one config" : "");
    bool done = count > 0 || fault_set(fault, 400, "%s: no *.json file in this folder", folder);
    for (int i = 0; i < count; i++) {
        done = done && add_entry(paths, folder, entries[i]->d_name, fault);
        free(entries[i]);
    }
    free((void *)entries);
    return done;
}

bool model_places_list(const struct model_places *places, struct model_paths *paths,
                       struct fault *fault)
{
    *paths = (struct model_paths){0};
    bool done = true;
    for (size_t i = 0; done && i < places->folder_count; i++)
        done = add_folder(paths, places->folders[i], fault);
    for (size_t i = 0; done && i < places->file_count; i++)
        done = add_path(paths, strdup(places->files[i]), fault);
    if (!done)
        model_paths_fini(paths);
    return done;
}

void model_paths_fini(struct model_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->paths[i]);
    free((void *)paths->paths);
    *paths = (struct model_paths){0};
}

/* ---- paths ---- */

/* "dir/NAME.json" -> "NAME" */
static void default_name(const char *path, char name[NAME_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    snprintf(name, NAME_MAX + 1, "%s", slash != NULL ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot != NULL && strcmp(dot, ".json") == 0)
        *dot = '\0';
}

void model_loader_file_name(const char *path, char name[MODEL_NAME_MAX])
{
    char whole[NAME_MAX + 1];
    default_name(path, whole);
    snprintf(name, MODEL_NAME_MAX, "%.*s", MODEL_NAME_MAX - 1, whole);
}

/* The folder of path, with its slash, then name; or name alone when that is absolute. The caller's
 * to free; NULL without memory. */
static char *path_beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    const int folder = slash != NULL && name[0] != '/' ? (int)(slash + 1 - path) : 0;
    char *joined;
    return asprintf(&joined, "%.*s%s", folder, path, name) >= 0 ? joined : NULL;
}

/* ---- one model ---- */

static bool make_lane(struct served_model *served, uint64_t delay, struct fault *fault)
{
    struct lane *lane = malloc(sizeof *lane);
    if (lane == NULL)
        return fault_set(fault, 503, "out of memory");
    lane_init(lane, served->model, delay, &served->record->stats);
    served->lane = lane;
    return true;
}

static void set_sequences(struct served_model *served, const struct model_config *config)
{
    served->sequences = (struct sequence_owner){
        .model_name = served->name,
        .state_size = model_state_size(served->model),
        .causal = model_is_causal(served->model),
        .strict = config->strict_sequences,
        .idle_timeout = config->sequence_idle_timeout_ms * CLOCK_NS_PER_MS,
    };
}

static bool build(struct served_model *served, const struct model_config *config,
                  const struct safetensors *weights, const struct kernel *kernel,
                  struct fault *fault)
{
    if (!model_build(config, weights, kernel, &served->model, fault))
        return false;
    huge_pages_hold(served->model);
    set_sequences(served, config);
    return signature_init(&served->signature, served->model, config, fault) &&
           model_summary_init(&served->summary, config, weights, fault) &&
           make_lane(served, config->max_queue_delay_us * CLOCK_NS_PER_US, fault);
}

static bool build_from_file(struct served_model *served, const struct model_config *config,
                            const char *path, const struct kernel *kernel, struct fault *fault)
{
    char *file;
    size_t size;
    struct safetensors weights;
    if (!file_read(path, machine_memory(), &file, &size, fault))
        return fault_prefix(fault, "weights");
    bool done =
        safetensors_init(&weights, file, size, fault) || fault_prefix(fault, "weights: %s", path);
    if (done) {
        done = build(served, config, &weights, kernel, fault);
        safetensors_fini(&weights);
    }
    free(file);
    return done;
}

static bool take_record(struct served_model *served, const struct model_entry *known,
                        struct fault *fault)
{
    served->record = known != NULL ? known->record : model_record_create();
    if (served->record == NULL)
        return fault_set(fault, 503, "out of memory");
    if (known != NULL)
        model_record_acquire(served->record);
    atomic_fetch_add(&served->record->models, 1);
    return true;
}

/* One config on its way: what was read of it, and what the model of its name is now. */
struct loading {
    const char *path;
    char *text;
    struct model_config config;
    char *weights;                   /* path */
    struct file_stamp stamp;         /* of the weights, before they are read */
    const struct model_entry *known; /* of that name, or NULL */
};

static bool is_unchanged(const struct loading *loading)
{
    const struct served_model *served = loading->known != NULL ? loading->known->served : NULL;
    return served != NULL && strcmp(served->source.path, loading->path) == 0 &&
           strcmp(served->source.config, loading->text) == 0 &&
           file_stamp_is_same(&served->source.weights, &loading->stamp);
}

/* The files' names and what was in them go to the model that is made of them. */
static bool make(struct loading *loading, const struct kernel *kernel, struct served_model *served,
                 struct fault *fault)
{
    const struct model_config *config = &loading->config;
    memcpy(served->name, config->name, sizeof served->name);
    served->layer_count = config->layer_count;
    served->source.path = strdup(loading->path);
    if (served->source.path == NULL)
        return fault_set(fault, 503, "out of memory");
    served->source.config = loading->text;
    served->source.weights_path = loading->weights;
    loading->text = loading->weights = NULL;
    served->source.weights = loading->stamp;
    const bool built = take_record(served, loading->known, fault) &&
                       build_from_file(served, config, served->source.weights_path, kernel, fault);
    served->labels = loading->config.labels; /* whose signature is the only one to know them */
    loading->config.labels = NULL;
    return built;
}

static bool make_or_take(struct loading *loading, const struct kernel *kernel,
                         struct served_model **served, struct fault *fault)
{
    loading->weights = path_beside(loading->path, loading->config.weights);
    if (loading->weights == NULL)
        return fault_set(fault, 503, "out of memory");
    file_stamp_read(&loading->stamp, loading->weights);
    if (is_unchanged(loading)) {
        *served = loading->known->served;
        served_model_acquire(*served);
        return true;
    }
    *served = served_model_create();
    if (*served == NULL)
        return fault_set(fault, 503, "out of memory");
    if (make(loading, kernel, *served, fault))
        return true;
    served_model_release(*served);
    return false;
}

/* On success the config and the text are the caller's. */
static bool parse_config(struct loading *loading, struct fault *fault)
{
    size_t size;
    char name[NAME_MAX + 1];
    if (!file_read(loading->path, MODEL_CONFIG_SIZE_MAX, &loading->text, &size, fault))
        return false;
    default_name(loading->path, name);
    if (model_config_parse(&loading->config, loading->text, size, name, fault))
        return true;
    if (memchr(loading->text, '\0', size) != NULL) /* weights themselves, most likely */
        fault_set(fault, 400, "a model's config, in JSON, expected, got binary data");
    free(loading->text);
    return fault_prefix(fault, "%s", loading->path);
}

static void fini(struct loading *loading)
{
    model_config_fini(&loading->config);
    free(loading->text);
    free(loading->weights);
}

bool model_loader_name(const char *path, char name[MODEL_NAME_MAX], struct fault *fault)
{
    struct loading loading = {.path = path};
    if (!parse_config(&loading, fault))
        return false;
    memcpy(name, loading.config.name, MODEL_NAME_MAX);
    fini(&loading);
    return true;
}

bool model_loader_load(const char *path, const struct kernel *kernel, const struct model_table *old,
                       struct served_model **served, struct fault *fault)
{
    struct loading loading = {.path = path};
    if (!parse_config(&loading, fault))
        return false;
    const char *name = loading.config.name;
    loading.known = old != NULL ? model_table_find(old, name, strlen(name)) : NULL;
    const bool done =
        make_or_take(&loading, kernel, served, fault) || fault_prefix(fault, "%s", path);
    fini(&loading);
    return done;
}

/* ---- all of them ---- */

static bool add_model(struct model_list *list, struct served_model *served, const char *path,
                      struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->models[i]->name, served->name) == 0)
            return fault_set(fault, 400,
                             "%s: name: another model is named '%s' already, that of %s", path,
                             served->name, list->models[i]->source.path);
    list->models[list->count++] = served;
    return true;
}

static bool load_each(const struct model_paths *paths, const struct kernel *kernel,
                      const struct model_table *old, struct model_list *list, struct fault *fault)
{
    for (size_t i = 0; i < paths->count; i++) {
        struct served_model *served;
        if (!model_loader_load(paths->paths[i], kernel, old, &served, fault))
            return false;
        if (!add_model(list, served, paths->paths[i], fault)) {
            served_model_release(served);
            return false;
        }
    }
    return true;
}

bool model_loader_load_all(const struct model_places *places, const struct model_table *old,
                           struct model_list *list, struct fault *fault)
{
    struct model_paths paths;
    *list = (struct model_list){0};
    if (!model_places_list(places, &paths, fault))
        return false;
    list->models = (struct served_model **)calloc(paths.count + 1, sizeof *list->models);
    const bool done = list->models != NULL ? load_each(&paths, places->kernel, old, list, fault)
                                           : fault_set(fault, 503, "out of memory");
    model_paths_fini(&paths);
    if (!done)
        model_list_fini(list);
    return done;
}

void model_list_fini(struct model_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        served_model_release(list->models[i]);
    free((void *)list->models);
    *list = (struct model_list){0};
}

struct model_table *model_list_table(const struct model_list *list)
{
    struct model_table *table = model_table_create(list->count);
    for (size_t i = 0; table != NULL && i < list->count; i++)
        model_table_add(table, list->models[i]);
    return table;
}
