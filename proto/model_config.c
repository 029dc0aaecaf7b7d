#include "proto/model_config.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"

#define QUEUE_DELAY_MAX  10000000u    /* us: ten seconds */
#define IDLE_TIMEOUT_MAX 31536000000u /* ms: a year */

/* While a config is read. */
struct parser {
    struct model_config *config;
    struct layer_reader layers;
    struct fault *fault;
};

static const char *const model_keys[] = {"name",
                                         "weights",
                                         "prefix",
                                         "batch_first",
                                         "lstm",
                                         "layers",
                                         "steps",
                                         "input_size",
                                         "tensors",
                                         "labels",
                                         "max_queue_delay_us",
                                         "strict_sequences",
                                         "sequence_idle_timeout_ms",
                                         NULL};

bool model_name_is_valid(const char *name)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const char later[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t size = strlen(name);
    return size > 0 && size < MODEL_NAME_MAX && strspn(name, first) > 0 &&
           strspn(name, later) == size;
}

static bool read_name(struct parser *p, const cJSON *root, const char *default_name)
{
    const char *name = default_name;
    if (!config_json_string(root, "", "name", &name, p->fault))
        return false;
    if (!model_name_is_valid(name))
        return fault_set(p->fault, 400,
                         "name: at most %d of A-Z a-z 0-9 . _ - expected, a letter or digit "
                         "first, got \"%s\"%s",
                         MODEL_NAME_MAX - 1, excerpt_of(name).text,
                         name == default_name ? " from the file's name" : "");
    memcpy(p->config->name, name, strlen(name) + 1);
    return true;
}

static bool read_weights(struct parser *p, const cJSON *root)
{
    const char *path = NULL;
    if (!config_json_string(root, "", "weights", &path, p->fault))
        return false;
    if (path == NULL)
        return fault_set(p->fault, 400, "weights: missing; a safetensors file's name expected");
    if (path[0] == '\0')
        return fault_set(p->fault, 400, "weights: a safetensors file's name expected, got \"\"");
    const size_t size = strlen(path) + 1;
    p->config->weights = malloc(size);
    if (p->config->weights == NULL)
        return fault_set(p->fault, 503, "not enough memory for the config");
    memcpy(p->config->weights, path, size);
    return true;
}

static bool take_layers(struct parser *p, size_t count)
{
    p->config->layers = calloc(count, sizeof *p->config->layers);
    if (p->config->layers == NULL)
        return fault_set(p->fault, 503, "not enough memory for the config");
    p->config->layer_count = count;
    return true;
}

static bool read_layers(struct parser *p, const cJSON *array)
{
    if (!cJSON_IsArray(array))
        return config_json_refuse(array, "layers", "", "an array", p->fault);
    const int count = cJSON_GetArraySize(array);
    if (count < 1 || count > MODEL_LAYERS_MAX)
        return fault_set(p->fault, 400, "layers: 1 to %d layers expected, got %d", MODEL_LAYERS_MAX,
                         count);
    if (!take_layers(p, (size_t)count))
        return false;
    struct layer_config *layer = p->config->layers;
    for (const cJSON *object = array->child; object != NULL; object = object->next, layer++) {
        snprintf(layer->place, sizeof layer->place, "layers[%zu]",
                 (size_t)(layer - p->config->layers));
        if (!layer_config_read(&p->layers, layer, object))
            return false;
    }
    return true;
}

/* The short form: one lstm, about which even nothing need be said. */
static bool read_short_form(struct parser *p, const cJSON *lstm)
{
    return take_layers(p, 1) && layer_config_read_lstm(&p->layers, &p->config->layers[0], lstm);
}

static bool read_prefix(struct parser *p, const cJSON *root)
{
    const char **const prefix = &p->layers.prefix;
    *prefix = "";
    if (!config_json_string(root, "", "prefix", prefix, p->fault))
        return false;
    if (config_json_has_controls(*prefix))
        return fault_set(p->fault, 400, "prefix: no control characters expected, got \"%s\"",
                         excerpt_of(*prefix).text);
    const size_t size = strlen(*prefix);
    return size < MODEL_PREFIX_MAX ||
           fault_set(p->fault, 400, "prefix: at most %d bytes expected, got %zu",
                     MODEL_PREFIX_MAX - 1, size);
}

static bool read_network(struct parser *p, const cJSON *root)
{
    const cJSON *lstm = cJSON_GetObjectItemCaseSensitive(root, "lstm");
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(root, "layers");
    if (lstm != NULL && layers != NULL)
        return fault_set(p->fault, 400, "layers: either lstm or layers expected, got both");
    p->config->bare_lstm = layers == NULL;
    return layers != NULL ? read_layers(p, layers) : read_short_form(p, lstm);
}

/* ---- tensors ---- */

static const char *const tensor_keys[MODEL_TENSORS] = {
    [MODEL_INPUT] = "input", [MODEL_OUTPUT] = "output", [MODEL_LENGTHS] = "lengths",
    [MODEL_H_0] = "h_0",     [MODEL_C_0] = "c_0",       [MODEL_H_N] = "h_n",
    [MODEL_C_N] = "c_n",
};

static bool set_tensor_name(const struct parser *p, const char *key, const char *name,
                            char place[MODEL_TENSOR_NAME_MAX])
{
    const size_t size = strlen(name) + 1;
    if (size == 1 || size > MODEL_TENSOR_NAME_MAX || config_json_has_controls(name))
        return fault_set(p->fault, 400,
                         "tensors.%s: 1 to %d bytes without control characters expected, got "
                         "\"%s\"",
                         key, MODEL_TENSOR_NAME_MAX - 1, excerpt_of(name).text);
    memcpy(place, name, size);
    return true;
}

/* One name for each LSTM layer, null where its states are not offered. */
static bool read_state_names(const struct parser *p, const char *key, const cJSON *array,
                             struct model_state_names *each)
{
    for (const cJSON *item = array->child; item != NULL; item = item->next, each->count++) {
        if (each->count == MODEL_STATES_MAX)
            return fault_set(p->fault, 400, "tensors.%s: at most %d names expected", key,
                             MODEL_STATES_MAX);
        if (cJSON_IsNull(item))
            continue;
        if (!cJSON_IsString(item))
            return config_json_refuse(item, "tensors", key, "names or null", p->fault);
        if (!set_tensor_name(p, key, item->valuestring, each->names[each->count]))
            return false;
    }
    return each->count > 0 ||
           fault_set(p->fault, 400, "tensors.%s: a name for each LSTM layer expected, got none",
                     key);
}

static bool read_tensor_name(struct parser *p, const cJSON *object, enum model_tensor tensor)
{
    const char *const key = tensor_keys[tensor], *name = NULL;
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    struct model_tensors *tensors = &p->config->tensors;
    if (cJSON_IsNull(found) && tensor != MODEL_INPUT) {
        tensors->hidden[tensor] = true;
        return true;
    }
    if (cJSON_IsArray(found) && tensor >= MODEL_H_0)
        return read_state_names(p, key, found, &tensors->each[tensor]);
    return config_json_string(object, "tensors", key, &name, p->fault) &&
           (name == NULL || set_tensor_name(p, key, name, tensors->names[tensor]));
}

static bool read_layouts(struct parser *p, const cJSON *object)
{
    static const char *const outputs[] = {"TBF", "BTF", "TDBH", "BTDH", NULL};
    static const enum output_layout layouts[] = {OUTPUT_TBF, OUTPUT_BTF, OUTPUT_TDBH, OUTPUT_BTDH,
                                                 OUTPUT_BY_BATCH_FIRST};
    static const char *const states[] = {"LBH", "BLH", NULL};
    size_t output = 4, state = 0;
    if (!config_json_choice(object, "tensors", "output_layout", outputs, "TBF, BTF, TDBH or BTDH",
                            &output, p->fault) ||
        !config_json_choice(object, "tensors", "state_layout", states, "LBH or BLH", &state,
                            p->fault))
        return false;
    p->config->tensors.output_layout = layouts[output];
    p->config->tensors.states_batch_first = state == 1;
    return true;
}

static bool read_tensors(struct parser *p, const cJSON *root)
{
    static const char *const keys[] = {"input", "output", "lengths",       "h_0",          "c_0",
                                       "h_n",   "c_n",    "output_layout", "state_layout", NULL};
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, "tensors");
    if (object == NULL)
        return true;
    if (!config_json_check_keys(object, "tensors", keys, p->fault))
        return false;
    for (enum model_tensor tensor = 0; tensor < MODEL_TENSORS; tensor++)
        if (!read_tensor_name(p, object, tensor))
            return false;
    return read_layouts(p, object);
}

/* ---- labels ---- */

/* The list and the texts, in one piece of memory. */
static bool copy_labels(struct parser *p, const cJSON *array, size_t count, size_t text_size)
{
    const char **labels = malloc(count * sizeof *labels + text_size);
    if (labels == NULL)
        return fault_set(p->fault, 503, "not enough memory for the config");
    char *text = (char *)(labels + count);
    size_t i = 0;
    for (const cJSON *item = array->child; item != NULL; item = item->next) {
        const size_t size = strlen(item->valuestring) + 1;
        memcpy(text, item->valuestring, size);
        labels[i++] = text;
        text += size;
    }
    p->config->labels = labels;
    p->config->label_count = count;
    return true;
}

static bool read_labels(struct parser *p, const cJSON *root)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(root, "labels");
    size_t count = 0, text_size = 0;
    if (array == NULL)
        return true;
    if (!cJSON_IsArray(array))
        return config_json_refuse(array, "labels", "", "an array of strings", p->fault);
    for (const cJSON *item = array->child; item != NULL; item = item->next) {
        if (!cJSON_IsString(item))
            return config_json_refuse(item, "labels", "", "an array of strings", p->fault);
        count++;
        text_size += strlen(item->valuestring) + 1;
    }
    return count == 0 ? config_json_refuse(array, "labels", "", "at least one label", p->fault)
                      : copy_labels(p, array, count, text_size);
}

/* ---- the whole ---- */

static bool read_service(struct parser *p, const cJSON *root)
{
    struct optional_size steps = {0}, input_size = {0}, delay = {0}, idle = {0};
    struct optional_bool strict = {0};
    if (!config_json_size(root, "", "steps", 1, MODEL_SIZE_MAX, &steps, p->fault) ||
        !config_json_size(root, "", "input_size", 1, MODEL_SIZE_MAX, &input_size, p->fault) ||
        !config_json_size(root, "", "max_queue_delay_us", 0, QUEUE_DELAY_MAX, &delay, p->fault) ||
        !config_json_bool(root, "", "strict_sequences", &strict, p->fault) ||
        !config_json_size(root, "", "sequence_idle_timeout_ms", 1, IDLE_TIMEOUT_MAX, &idle,
                          p->fault))
        return false;
    p->config->steps = steps.value;
    p->config->input_size = input_size.value;
    p->config->max_queue_delay_us = delay.value;
    p->config->strict_sequences = strict.value;
    p->config->sequence_idle_timeout_ms = idle.value;
    return true;
}

/* Texts are rows of ids in all the frameworks; torch's time first is said where it is meant. */
static bool is_batch_first(const struct parser *p)
{
    const struct optional_bool said = p->layers.batch_first;
    size_t first = 0;
    while (first + 1 < p->config->layer_count &&
           p->config->layers[first].kind == LAYER_KIND_DROPOUT)
        first++;
    return said.given ? said.value : p->config->layers[first].kind == LAYER_KIND_EMBEDDING;
}

static bool read_model(struct parser *p, const cJSON *root, const char *default_name)
{
    if (!config_json_check_keys(root, "", model_keys, p->fault) ||
        !read_name(p, root, default_name) || !read_weights(p, root) || !read_prefix(p, root) ||
        !layer_config_batch_first(&p->layers, root, "") || !read_network(p, root) ||
        !read_service(p, root) || !read_tensors(p, root) || !read_labels(p, root))
        return false;
    p->config->batch_first = is_batch_first(p);
    return true;
}

bool model_config_parse(struct model_config *config, const char *text, size_t size,
                        const char *default_name, struct fault *fault)
{
    *config = (struct model_config){0};
    cJSON *root = config_json_parse(text, size, fault);
    if (root == NULL)
        return false;
    struct parser parser = {.config = config, .layers.fault = fault, .fault = fault};
    const bool good = read_model(&parser, root, default_name);
    cJSON_Delete(root);
    if (!good)
        model_config_fini(config);
    return good;
}

void model_config_fini(struct model_config *config)
{
    free(config->weights);
    free(config->layers);
    free(config->labels);
    *config = (struct model_config){0};
}
