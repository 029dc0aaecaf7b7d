#include "server/model_store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_builder.h"
#include "proto/safetensors.h"
#include "server/clock.h"
#include "server/file.h"
#include "server/machine.h"

static void served_destroy(struct served_model *served)
{
    if (served->lane != NULL)
        lane_fini(served->lane);
    free(served->lane);
    model_summary_fini(&served->summary);
    model_destroy(served->model);
    free(served->labels);
    free(served);
}

/* "dir/NAME.json" -> "NAME" */
static void default_name(const char *path, char name[NAME_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    snprintf(name, NAME_MAX + 1, "%s", slash != NULL ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot != NULL && strcmp(dot, ".json") == 0)
        *dot = '\0';
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

static bool make_lane(struct served_model *served, uint64_t delay, struct fault *fault)
{
    struct lane *lane = malloc(sizeof *lane);
    if (lane == NULL)
        return fault_set(fault, 503, "out of memory");
    lane_init(lane, served->model, delay);
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
    for (size_t i = 0; i < weights->count; i++)
        served->weight_count += weights->tensors[i].elements;
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

static bool build_from_config(struct served_model *served, const struct model_config *config,
                              const char *path, const struct kernel *kernel, struct fault *fault)
{
    char *weights = path_beside(path, config->weights);
    if (weights == NULL)
        return fault_set(fault, 503, "out of memory");
    memcpy(served->name, config->name, sizeof served->name);
    served->layer_count = config->layer_count;
    const bool done = build_from_file(served, config, weights, kernel, fault);
    free(weights);
    return done;
}

static bool parse_config(struct model_config *config, const char *path, struct fault *fault)
{
    char *text;
    size_t size;
    char name[NAME_MAX + 1];
    if (!file_read(path, MODEL_CONFIG_SIZE_MAX, &text, &size, fault))
        return false;
    default_name(path, name);
    const bool done =
        model_config_parse(config, text, size, name, fault) || fault_prefix(fault, "%s", path);
    free(text);
    return done;
}

static bool load(struct served_model *served, const char *path, const struct kernel *kernel,
                 struct fault *fault)
{
    struct model_config config;
    if (!parse_config(&config, path, fault))
        return false;
    const bool done =
        build_from_config(served, &config, path, kernel, fault) || fault_prefix(fault, "%s", path);
    served->labels = config.labels; /* whose signature is the only one to know them */
    config.labels = NULL;
    model_config_fini(&config);
    return done;
}

static bool add(struct model_store *store, struct served_model *served, const char *path,
                struct fault *fault)
{
    for (size_t i = 0; i < store->count; i++)
        if (strcmp(store->models[i]->name, served->name) == 0)
            return fault_set(fault, 400, "%s: name: another model is named '%s' already", path,
                             served->name);
    struct served_model **models = (struct served_model **)realloc(
        (void *)store->models, (store->count + 1) * sizeof *store->models);
    if (models == NULL)
        return fault_set(fault, 503, "%s: out of memory", path);
    store->models = models;
    store->models[store->count++] = served;
    return true;
}

static bool load_file(struct model_store *store, const char *path, const struct kernel *kernel,
                      struct fault *fault)
{
    struct served_model *served = calloc(1, sizeof *served);
    if (served == NULL)
        return fault_set(fault, 503, "%s: out of memory", path);
    if (load(served, path, kernel, fault) && add(store, served, path, fault))
        return true;
    served_destroy(served);
    return false;
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

static bool load_entry(struct model_store *store, const char *folder, const char *name,
                       const struct kernel *kernel, struct fault *fault)
{
    char *path;
    const bool slash = folder[0] != '\0' && folder[strlen(folder) - 1] == '/';
    if (asprintf(&path, "%s%s%s", folder, slash ? "" : "/", name) < 0)
        return fault_set(fault, 503, "%s: out of memory", folder);
    const bool done = load_file(store, path, kernel, fault);
    free(path);
    return done;
}

static bool load_folder(struct model_store *store, const char *folder, const struct kernel *kernel,
                        struct fault *fault)
{
    struct dirent **entries;
    const int count = scandir(folder, &entries, is_config, by_name);
    if (count < 0)
        return fault_set(fault, 400, "%s: %s", folder, strerror(errno));
    bool done = count > 0 || fault_set(fault, 400, "%s: no *.json file in this folder", folder);
    for (int i = 0; i < count; i++) {
        done = done && load_entry(store, folder, entries[i]->d_name, kernel, fault);
        free(entries[i]);
    }
    free((void *)entries);
    return done;
}

bool model_store_load(struct model_store *store, const char *const *folders, size_t folder_count,
                      const char *const *files, size_t file_count, const struct kernel *kernel,
                      struct fault *fault)
{
    *store = (struct model_store){0};
    bool done = true;
    for (size_t i = 0; done && i < folder_count; i++)
        done = load_folder(store, folders[i], kernel, fault);
    for (size_t i = 0; done && i < file_count; i++)
        done = load_file(store, files[i], kernel, fault);
    if (!done)
        model_store_fini(store);
    return done;
}

void model_store_fini(struct model_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        served_destroy(store->models[i]);
    free((void *)store->models);
    *store = (struct model_store){0};
}

const struct served_model *model_store_find(const struct model_store *store, const char *name,
                                            size_t name_size, const char *version,
                                            size_t version_size, struct fault *fault)
{
    const int shown = (int)(name_size < MODEL_NAME_MAX ? name_size : MODEL_NAME_MAX);
    for (size_t i = 0; i < store->count; i++) {
        const struct served_model *served = store->models[i];
        if (strlen(served->name) != name_size || memcmp(served->name, name, name_size) != 0)
            continue;
        if (version == NULL || (version_size == strlen(MODEL_VERSION) &&
                                memcmp(version, MODEL_VERSION, version_size) == 0))
            return served;
        fault_set(fault, 404, "Request for unknown model: '%.*s' version %.*s is not found", shown,
                  name, (int)(version_size < 20 ? version_size : 20), version);
        return NULL;
    }
    fault_set(fault, 404, "Request for unknown model: '%.*s' is not found", shown, name);
    return NULL;
}
