#include "proto/model_config.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"

/* While a config is read. */
struct parser {
    struct model_config *config;
    const char *prefix;               /* the model's own, "" for none */
    struct optional_bool batch_first; /* as said by the place that came first */
    struct fault *fault;
};

static const char *const model_keys[] = {"name",
                                         "weights",
                                         "prefix",
                                         "batch_first",
                                         "lstm",
                                         "layers",
                                         "max_queue_delay_us",
                                         "strict_sequences",
                                         "sequence_idle_timeout_ms",
                                         NULL};

/* torch.nn.LSTM's arguments, in both forms. */
#define LSTM_KEYS                                                                                  \
    "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional",  \
        "proj_size", NULL
static const char *const lstm_keys[] = {LSTM_KEYS};
static const char *const lstm_layer_keys[] = {"type", "name", "weights", LSTM_KEYS};
static const char *const dense_keys[] = {"type", "name",       "weights", "units",
                                         "bias", "activation", NULL};
static const char *const activation_keys[] = {"type", "name", "function", NULL};
static const char *const dropout_keys[] = {"type", "name", "p", "rate", NULL};

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

/* All places that say batch_first must say the same. */
static bool read_batch_first(struct parser *p, const cJSON *object, const char *place)
{
    struct optional_bool said = {0};
    if (!config_json_bool(object, place, "batch_first", &said, p->fault))
        return false;
    if (said.given && p->batch_first.given && said.value != p->batch_first.value)
        return fault_set(p->fault, 400, "%s.batch_first: %s expected as said before, got %s", place,
                         p->batch_first.value ? "true" : "false", said.value ? "true" : "false");
    if (said.given)
        p->batch_first = said;
    return true;
}

/* The model's prefix, the layer's own, and a dot when the layer has one. */
static bool set_prefix(struct parser *p, struct layer_config *layer, const char *own)
{
    const int size = snprintf(layer->prefix, sizeof layer->prefix, "%s%s%s", p->prefix, own,
                              own[0] != '\0' ? "." : "");
    assert(size >= 0);
    if ((size_t)size >= sizeof layer->prefix)
        return fault_set(p->fault, 400,
                         "%s.weights: at most %d bytes expected, with the model's prefix, got %d",
                         layer->place, MODEL_PREFIX_MAX - 1, size);
    return true;
}

static bool read_layer_prefix(struct parser *p, struct layer_config *layer, const cJSON *object)
{
    const char *own = "";
    return config_json_string(object, layer->place, "weights", &own, p->fault) &&
           set_prefix(p, layer, own);
}

static bool read_lstm_options(struct parser *p, struct layer_config *layer, const cJSON *object)
{
    const char *const place = layer->place;
    const size_t max = MODEL_SIZE_MAX;
    double dropout = 0; /* trains, does not serve */
    return config_json_size(object, place, "input_size", 1, max, &layer->input_size, p->fault) &&
           config_json_size(object, place, "hidden_size", 1, max, &layer->hidden_size, p->fault) &&
           config_json_size(object, place, "num_layers", 1, max, &layer->num_layers, p->fault) &&
           config_json_size(object, place, "proj_size", 0, max, &layer->proj_size, p->fault) &&
           config_json_bool(object, place, "bidirectional", &layer->bidirectional, p->fault) &&
           config_json_bool(object, place, "bias", &layer->bias, p->fault) &&
           config_json_number(object, place, "dropout", 0, 1, &dropout, p->fault) &&
           read_batch_first(p, object, place);
}

static bool read_activation(struct parser *p, struct layer_config *layer, const cJSON *object,
                            const char *key)
{
    const char *name = NULL;
    if (!config_json_string(object, layer->place, key, &name, p->fault))
        return false;
    if (name == NULL || activation_from_name(name, &layer->activation))
        return true;
    return fault_set(p->fault, 400,
                     "%s.%s: \"%s\" is not an activation; linear, relu, sigmoid, tanh are",
                     layer->place, key, excerpt_of(name).text);
}

static bool read_lstm_layer(struct parser *p, struct layer_config *layer, const cJSON *object)
{
    return read_layer_prefix(p, layer, object) && read_lstm_options(p, layer, object);
}

static bool read_dense_layer(struct parser *p, struct layer_config *layer, const cJSON *object)
{
    return read_layer_prefix(p, layer, object) &&
           config_json_size(object, layer->place, "units", 1, MODEL_SIZE_MAX, &layer->units,
                            p->fault) &&
           config_json_bool(object, layer->place, "bias", &layer->bias, p->fault) &&
           read_activation(p, layer, object, "activation");
}

static bool read_activation_layer(struct parser *p, struct layer_config *layer, const cJSON *object)
{
    if (cJSON_GetObjectItemCaseSensitive(object, "function") == NULL)
        return fault_set(p->fault, 400,
                         "%s.function: missing; linear, relu, sigmoid or tanh expected",
                         layer->place);
    return read_activation(p, layer, object, "function");
}

static bool read_dropout_layer(struct parser *p, struct layer_config *layer, const cJSON *object)
{
    double rate = 0; /* PyTorch calls it p, Keras rate */
    return config_json_number(object, layer->place, "p", 0, 1, &rate, p->fault) &&
           config_json_number(object, layer->place, "rate", 0, 1, &rate, p->fault);
}

static const struct layer_type_reader {
    const char *name;
    enum layer_kind kind;
    const char *const *keys;
    bool (*read)(struct parser *p, struct layer_config *layer, const cJSON *object);
} layer_types[] = {
    {"lstm", LAYER_KIND_LSTM, lstm_layer_keys, read_lstm_layer},
    {"dense", LAYER_KIND_DENSE, dense_keys, read_dense_layer},
    {"activation", LAYER_KIND_ACTIVATION, activation_keys, read_activation_layer},
    {"dropout", LAYER_KIND_DROPOUT, dropout_keys, read_dropout_layer},
};

static const struct layer_type_reader *find_layer_type(struct parser *p, const char *place,
                                                       const cJSON *object)
{
    const char *name = NULL;
    if (!config_json_string(object, place, "type", &name, p->fault))
        return NULL;
    if (name == NULL) {
        fault_set(p->fault, 400, "%s.type: missing; lstm, dense, activation or dropout expected",
                  place);
        return NULL;
    }
    for (size_t i = 0; i < sizeof layer_types / sizeof layer_types[0]; i++)
        if (strcmp(layer_types[i].name, name) == 0)
            return &layer_types[i];
    fault_set(p->fault, 400,
              "%s.type: \"%s\" is not a layer type; lstm, dense, activation, dropout are", place,
              excerpt_of(name).text);
    return NULL;
}

static bool read_layer(struct parser *p, struct layer_config *layer, const cJSON *object)
{
    const char *name = NULL; /* for the reader of the config */
    if (!cJSON_IsObject(object))
        return config_json_refuse(object, layer->place, "", "an object", p->fault);
    const struct layer_type_reader *type = find_layer_type(p, layer->place, object);
    if (type == NULL || !config_json_check_keys(object, layer->place, type->keys, p->fault) ||
        !config_json_string(object, layer->place, "name", &name, p->fault))
        return false;
    layer->kind = type->kind;
    return type->read(p, layer, object);
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
        if (!read_layer(p, layer, object))
            return false;
    }
    return true;
}

/* The short form: one lstm, about which even nothing need be said. */
static bool read_short_form(struct parser *p, const cJSON *lstm)
{
    if (!take_layers(p, 1))
        return false;
    struct layer_config *layer = &p->config->layers[0];
    layer->kind = LAYER_KIND_LSTM;
    memcpy(layer->place, "lstm", sizeof "lstm");
    if (!set_prefix(p, layer, ""))
        return false;
    return lstm == NULL || (config_json_check_keys(lstm, "lstm", lstm_keys, p->fault) &&
                            read_lstm_options(p, layer, lstm));
}

static bool read_prefix(struct parser *p, const cJSON *root)
{
    p->prefix = "";
    if (!config_json_string(root, "", "prefix", &p->prefix, p->fault))
        return false;
    const size_t size = strlen(p->prefix);
    return size < MODEL_PREFIX_MAX ||
           fault_set(p->fault, 400, "prefix: at most %d bytes expected, got %zu",
                     MODEL_PREFIX_MAX - 1, size);
}

static bool read_delay(struct parser *p, const cJSON *root)
{
    struct optional_size delay = {0};
    if (!config_json_size(root, "", "max_queue_delay_us", 0, MODEL_DELAY_MAX_US, &delay, p->fault))
        return false;
    p->config->max_queue_delay_us = delay.value;
    return true;
}

static bool read_sequences(struct parser *p, const cJSON *root)
{
    struct optional_bool strict = {0};
    struct optional_size idle = {0};
    if (!config_json_bool(root, "", "strict_sequences", &strict, p->fault) ||
        !config_json_size(root, "", "sequence_idle_timeout_ms", 1, MODEL_IDLE_MAX_MS, &idle,
                          p->fault))
        return false;
    p->config->strict_sequences = strict.value;
    p->config->sequence_idle_timeout_ms = idle.value;
    return true;
}

static bool read_network(struct parser *p, const cJSON *root)
{
    const cJSON *lstm = cJSON_GetObjectItemCaseSensitive(root, "lstm");
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(root, "layers");
    if (lstm != NULL && layers != NULL)
        return fault_set(p->fault, 400, "layers: either lstm or layers expected, got both");
    return layers != NULL ? read_layers(p, layers) : read_short_form(p, lstm);
}

static bool read_model(struct parser *p, const cJSON *root, const char *default_name)
{
    if (!config_json_check_keys(root, "", model_keys, p->fault) ||
        !read_name(p, root, default_name) || !read_weights(p, root) || !read_prefix(p, root) ||
        !read_batch_first(p, root, "") || !read_delay(p, root) || !read_sequences(p, root) ||
        !read_network(p, root))
        return false;
    p->config->batch_first = p->batch_first.value;
    return true;
}

bool model_config_parse(struct model_config *config, const char *text, size_t size,
                        const char *default_name, struct fault *fault)
{
    *config = (struct model_config){0};
    cJSON *root = config_json_parse(text, size, fault);
    if (root == NULL)
        return false;
    struct parser parser = {.config = config, .fault = fault};
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
    *config = (struct model_config){0};
}
