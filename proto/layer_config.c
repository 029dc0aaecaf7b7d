#include "proto/layer_config.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/activation_config.h"
#include "proto/excerpt.h"

#define CLIP_MAX    1e30
#define EPSILON_MAX 1e6

/* Keys of the LSTM's in both forms. */
#define LSTM_KEYS                                                                                  \
    "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional",  \
        "proj_size", "units", "use_bias", "direction", "go_backwards", "return_sequences",         \
        "return_state", "merge_mode", "activation", "recurrent_activation", "activations",         \
        "peepholes", "clip", "input_forget", "zero_output_for_mask", "recurrent_dropout",          \
        "unit_forget_bias", "unroll", "stateful", NULL
static const char *const lstm_keys[] = {LSTM_KEYS};
static const char *const lstm_layer_keys[] = {"type", "name", "weights", LSTM_KEYS};

/* ---- pieces ---- */

bool layer_config_batch_first(struct layer_reader *reader, const cJSON *object, const char *place)
{
    struct optional_bool said = {0}, *before = &reader->batch_first;
    if (!config_json_bool(object, place, "batch_first", &said, reader->fault))
        return false;
    if (said.given && before->given && said.value != before->value)
        return fault_set(reader->fault, 400, "%s.batch_first: %s expected as said before, got %s",
                         place, before->value ? "true" : "false", said.value ? "true" : "false");
    if (said.given)
        *before = said;
    return true;
}

/* The model's prefix, the layer's own, and a dot when the layer has one. */
static bool set_prefix(struct layer_reader *reader, struct layer_config *layer, const char *own)
{
    const int size = snprintf(layer->prefix, sizeof layer->prefix, "%s%s%s", reader->prefix, own,
                              own[0] != '\0' ? "." : "");
    assert(size >= 0);
    if ((size_t)size >= sizeof layer->prefix)
        return fault_set(reader->fault, 400,
                         "%s.weights: at most %d bytes expected, with the model's prefix, got %d",
                         layer->place, MODEL_PREFIX_MAX - 1, size);
    return true;
}

static bool read_prefix(struct layer_reader *reader, struct layer_config *layer,
                        const cJSON *object)
{
    const char *own = "";
    if (!config_json_string(object, layer->place, "weights", &own, reader->fault))
        return false;
    if (config_json_has_controls(own))
        return fault_set(reader->fault, 400,
                         "%s.weights: no control characters expected, got \"%s\"", layer->place,
                         excerpt_of(own).text);
    layer->weights_given = own[0] != '\0';
    return set_prefix(reader, layer, own);
}

/* The tools' words for one thing: either may be said, both must say the same. */
static bool read_size_of_two_names(const struct layer_reader *reader, struct layer_config *layer,
                                   const cJSON *object, const char *key, const char *other,
                                   struct optional_size *size)
{
    struct optional_size second = {0};
    if (!config_json_size(object, layer->place, key, 1, MODEL_SIZE_MAX, size, reader->fault) ||
        !config_json_size(object, layer->place, other, 1, MODEL_SIZE_MAX, &second, reader->fault))
        return false;
    if (second.given && size->given && second.value != size->value)
        return fault_set(reader->fault, 400, "%s.%s: %zu expected, as %s says, got %zu",
                         layer->place, other, size->value, key, second.value);
    if (second.given)
        *size = second;
    return true;
}

static bool read_bias(const struct layer_reader *reader, struct layer_config *layer,
                      const cJSON *object)
{
    struct optional_bool second = {0};
    if (!config_json_bool(object, layer->place, "bias", &layer->bias, reader->fault) ||
        !config_json_bool(object, layer->place, "use_bias", &second, reader->fault))
        return false;
    if (second.given && layer->bias.given && second.value != layer->bias.value)
        return fault_set(reader->fault, 400, "%s.use_bias: %s expected, as bias says, got %s",
                         layer->place, layer->bias.value ? "true" : "false",
                         second.value ? "true" : "false");
    if (second.given)
        layer->bias = second;
    return true;
}

static bool read_bool(const struct layer_reader *reader, const struct layer_config *layer,
                      const cJSON *object, const char *key, bool *value)
{
    struct optional_bool said = {0};
    if (!config_json_bool(object, layer->place, key, &said, reader->fault))
        return false;
    if (said.given)
        *value = said.value;
    return true;
}

static bool read_activation(const struct layer_reader *reader, const struct layer_config *layer,
                            const cJSON *object, const char *key,
                            struct activation_function *function)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    return found == NULL ||
           activation_config_read(found, layer->place, key, function, reader->fault);
}

/* ---- lstm ---- */

static bool read_direction(const struct layer_reader *reader, struct layer_config *layer,
                           const cJSON *object)
{
    static const char *const names[] = {"forward", "reverse", "bidirectional", NULL};
    enum { UNSAID = 3 };
    size_t direction = UNSAID;
    struct optional_bool *both = &layer->bidirectional;
    if (!config_json_bool(object, layer->place, "bidirectional", both, reader->fault) ||
        !read_bool(reader, layer, object, "go_backwards", &layer->go_backwards) ||
        !config_json_choice(object, layer->place, "direction", names,
                            "forward, reverse or bidirectional", &direction, reader->fault))
        return false;
    if (direction != UNSAID && both->given && both->value != (direction == 2))
        return fault_set(reader->fault, 400, "%s.direction: %s expected, as bidirectional says",
                         layer->place, both->value ? "bidirectional" : "forward or reverse");
    if (direction != UNSAID)
        *both = (struct optional_bool){true, direction == 2};
    layer->reverse = direction == 1;
    if (layer->go_backwards && (layer->reverse || (both->given && both->value)))
        return fault_set(reader->fault, 400,
                         "%s.go_backwards: false expected with another direction than forward",
                         layer->place);
    return true;
}

static bool check_no_vector(const struct layer_reader *reader, const struct layer_config *layer,
                            const char *key, const struct activation_function *function)
{
    return !activation_is_vector(function->kind) ||
           fault_set(reader->fault, 400, "%s.%s: %s is not for the inside of an LSTM", layer->place,
                     key, activation_name(function->kind));
}

/* ONNX' list: f, g, h of each direction. */
static bool read_activation_list(const struct layer_reader *reader, struct layer_config *layer,
                                 const cJSON *list)
{
    struct activation_function functions[6];
    if (!cJSON_IsArray(list))
        return config_json_refuse(list, layer->place, "activations", "an array", reader->fault);
    const int count = cJSON_GetArraySize(list);
    if (count != 3 && count != 6)
        return fault_set(reader->fault, 400,
                         "%s.activations: 3 of them, or 6 with two directions, expected, got %d",
                         layer->place, count);
    size_t i = 0;
    for (const cJSON *item = list->child; item != NULL; item = item->next, i++) {
        char key[32];
        snprintf(key, sizeof key, "activations[%zu]", i);
        if (!activation_config_read(item, layer->place, key, &functions[i], reader->fault) ||
            !check_no_vector(reader, layer, key, &functions[i]))
            return false;
    }
    layer->activations_given = i / 3;
    for (size_t d = 0; d < i / 3; d++)
        layer->activations[d] =
            (struct lstm_activations){functions[3 * d], functions[3 * d + 1], functions[3 * d + 2]};
    return true;
}

static bool read_lstm_activations(const struct layer_reader *reader, struct layer_config *layer,
                                  const cJSON *object)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "activations");
    const bool named = cJSON_GetObjectItemCaseSensitive(object, "activation") != NULL ||
                       cJSON_GetObjectItemCaseSensitive(object, "recurrent_activation") != NULL;
    struct activation_function gates = {.kind = ACTIVATION_SIGMOID};
    struct activation_function cell = {.kind = ACTIVATION_TANH};
    if (list != NULL && named)
        return fault_set(reader->fault, 400,
                         "%s.activations: not expected beside activation or recurrent_activation",
                         layer->place);
    if (list != NULL)
        return read_activation_list(reader, layer, list);
    if (!read_activation(reader, layer, object, "recurrent_activation", &gates) ||
        !read_activation(reader, layer, object, "activation", &cell) ||
        !check_no_vector(reader, layer, "recurrent_activation", &gates) ||
        !check_no_vector(reader, layer, "activation", &cell))
        return false;
    layer->activations_given = named ? 1 : 0;
    layer->activations[0] = (struct lstm_activations){gates, cell, cell};
    return true;
}

static bool read_clip(const struct layer_reader *reader, struct layer_config *layer,
                      const cJSON *object)
{
    double clip = 0;
    if (!config_json_number(object, layer->place, "clip", 0x1p-100, CLIP_MAX, &clip, reader->fault))
        return false;
    layer->clip = (float)clip;
    return true;
}

static bool read_lstm_outputs(const struct layer_reader *reader, struct layer_config *layer,
                              const cJSON *object)
{
    static const char *const names[] = {"concat", "sum", "mul", "ave", NULL};
    size_t merge = LSTM_CONCAT;
    layer->return_sequences = true;
    if (!read_bool(reader, layer, object, "return_sequences", &layer->return_sequences) ||
        !read_bool(reader, layer, object, "return_state", &layer->return_state) ||
        !read_bool(reader, layer, object, "zero_output_for_mask", &layer->zero_output_for_mask) ||
        !config_json_choice(object, layer->place, "merge_mode", names, "concat, sum, mul or ave",
                            &merge, reader->fault))
        return false;
    layer->merge = (enum lstm_merge)merge;
    if (layer->zero_output_for_mask && !layer->return_sequences)
        return fault_set(reader->fault, 400,
                         "%s.zero_output_for_mask: false expected, as return_sequences is",
                         layer->place);
    return true;
}

/* What trains, or says how Keras computes: of no consequence here. */
static bool read_ignored(const struct layer_reader *reader, const struct layer_config *layer,
                         const cJSON *object)
{
    static const char *const rates[] = {"dropout", "recurrent_dropout"};
    static const char *const switches[] = {"unit_forget_bias", "unroll"};
    double rate;
    bool on;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (!config_json_number(object, layer->place, rates[i], 0, 1, &rate, reader->fault))
            return false;
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (!read_bool(reader, layer, object, switches[i], &on))
            return false;
    return true;
}

static bool read_stateful(const struct layer_reader *reader, const struct layer_config *layer,
                          const cJSON *object)
{
    bool stateful = false;
    return read_bool(reader, layer, object, "stateful", &stateful) &&
           (!stateful ||
            fault_set(reader->fault, 400,
                      "%s.stateful: false expected: the state is kept for requests that say "
                      "sequence_id",
                      layer->place));
}

static bool read_lstm_options(struct layer_reader *reader, struct layer_config *layer,
                              const cJSON *object)
{
    const char *const place = layer->place;
    const size_t max = MODEL_SIZE_MAX;
    return config_json_size(object, place, "input_size", 1, max, &layer->input_size,
                            reader->fault) &&
           read_size_of_two_names(reader, layer, object, "hidden_size", "units",
                                  &layer->hidden_size) &&
           config_json_size(object, place, "num_layers", 1, max, &layer->num_layers,
                            reader->fault) &&
           config_json_size(object, place, "proj_size", 0, max, &layer->proj_size, reader->fault) &&
           read_ignored(reader, layer, object) && read_stateful(reader, layer, object) &&
           config_json_bool(object, place, "peepholes", &layer->peepholes, reader->fault) &&
           read_bool(reader, layer, object, "input_forget", &layer->input_forget) &&
           read_bias(reader, layer, object) && read_direction(reader, layer, object) &&
           read_lstm_outputs(reader, layer, object) &&
           read_lstm_activations(reader, layer, object) && read_clip(reader, layer, object) &&
           layer_config_batch_first(reader, object, place);
}

static bool read_lstm(struct layer_reader *reader, struct layer_config *layer, const cJSON *object)
{
    return read_prefix(reader, layer, object) && read_lstm_options(reader, layer, object);
}

bool layer_config_read_lstm(struct layer_reader *reader, struct layer_config *layer,
                            const cJSON *lstm)
{
    layer->kind = LAYER_KIND_LSTM;
    memcpy(layer->place, "lstm", sizeof "lstm");
    layer->return_sequences = true;
    if (!set_prefix(reader, layer, ""))
        return false;
    return lstm == NULL || (config_json_check_keys(lstm, "lstm", lstm_keys, reader->fault) &&
                            read_lstm_options(reader, layer, lstm));
}

/* ---- layers of each step ---- */

static bool read_dense(struct layer_reader *reader, struct layer_config *layer, const cJSON *object)
{
    return read_prefix(reader, layer, object) &&
           config_json_size(object, layer->place, "units", 1, MODEL_SIZE_MAX, &layer->units,
                            reader->fault) &&
           read_bias(reader, layer, object) &&
           read_activation(reader, layer, object, "activation", &layer->activation);
}

static bool read_activation_layer(struct layer_reader *reader, struct layer_config *layer,
                                  const cJSON *object)
{
    return activation_config_read_object(object, layer->place, &layer->activation, reader->fault);
}

static bool read_dropout(struct layer_reader *reader, struct layer_config *layer,
                         const cJSON *object)
{
    double rate = 0; /* PyTorch calls it p, Keras rate */
    return config_json_number(object, layer->place, "p", 0, 1, &rate, reader->fault) &&
           config_json_number(object, layer->place, "rate", 0, 1, &rate, reader->fault);
}

static bool read_embedding(struct layer_reader *reader, struct layer_config *layer,
                           const cJSON *object)
{
    const size_t max = MODEL_SIZE_MAX;
    return read_prefix(reader, layer, object) &&
           config_json_size(object, layer->place, "num_embeddings", 1, max, &layer->num_embeddings,
                            reader->fault) &&
           config_json_size(object, layer->place, "embedding_dim", 1, max, &layer->embedding_dim,
                            reader->fault) &&
           read_bool(reader, layer, object, "mask_zero", &layer->mask_zero);
}

static bool read_masking(struct layer_reader *reader, struct layer_config *layer,
                         const cJSON *object)
{
    double value = 0;
    if (!config_json_number(object, layer->place, "mask_value", -3e38, 3e38, &value, reader->fault))
        return false;
    layer->mask_value = (float)value;
    return true;
}

static bool read_norm(struct layer_reader *reader, struct layer_config *layer, const cJSON *object)
{
    layer->epsilon = 1e-5;
    return read_prefix(reader, layer, object) &&
           config_json_number(object, layer->place, "epsilon", 0, EPSILON_MAX, &layer->epsilon,
                              reader->fault);
}

/* ---- layers of shapes ---- */

static bool read_nothing(struct layer_reader *reader, struct layer_config *layer,
                         const cJSON *object)
{
    (void)reader;
    (void)layer;
    (void)object;
    return true;
}

static bool read_target(const struct layer_reader *reader, struct layer_config *layer,
                        const cJSON *item, size_t *size)
{
    const double value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    if (!(value == -1 || (value >= 1 && value <= MODEL_SIZE_MAX && value == trunc(value))))
        return config_json_refuse(item, layer->place, "target_shape",
                                  "sizes of at least 1, or -1 for one of them,", reader->fault);
    *size = value == -1 ? 0 : (size_t)value;
    return true;
}

static bool read_reshape(struct layer_reader *reader, struct layer_config *layer,
                         const cJSON *object)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(object, "target_shape");
    const int rank = cJSON_IsArray(shape) ? cJSON_GetArraySize(shape) : 0;
    if (shape == NULL)
        return fault_set(reader->fault, 400,
                         "%s.target_shape: missing; [features] or [steps,features] expected",
                         layer->place);
    if (rank < 1 || rank > 2)
        return config_json_refuse(shape, layer->place, "target_shape",
                                  "[features] or [steps,features]", reader->fault);
    layer->target_rank = (size_t)rank;
    if (!read_target(reader, layer, shape->child, &layer->target[0]))
        return false;
    if (rank == 2 && !read_target(reader, layer, shape->child->next, &layer->target[1]))
        return false;
    if (rank == 2 && layer->target[0] == 0 && layer->target[1] == 0)
        return fault_set(reader->fault, 400, "%s.target_shape: one -1 at most expected, got two",
                         layer->place);
    return true;
}

static bool read_repeat(struct layer_reader *reader, struct layer_config *layer,
                        const cJSON *object)
{
    struct optional_size n = {0};
    if (!config_json_size(object, layer->place, "n", 1, MODEL_SIZE_MAX, &n, reader->fault))
        return false;
    layer->repeats = n.value;
    return n.given || fault_set(reader->fault, 400,
                                "%s.n: missing; how many steps are wanted expected", layer->place);
}

/* ---- windows ---- */

static bool read_stride(const struct layer_reader *reader, const struct layer_config *layer,
                        const cJSON *object, const char *key, size_t *value)
{
    struct optional_size said = {0};
    if (!config_json_size(object, layer->place, key, 1, MODEL_SIZE_MAX, &said, reader->fault))
        return false;
    if (said.given)
        *value = said.value;
    return true;
}

/* One of the names, in the order of enum layer_padding, or a number of steps at both ends, at most
 * max. */
static bool read_padding(const struct layer_reader *reader, struct layer_config *layer,
                         const cJSON *object, const char *const *names, const char *wanted,
                         size_t max)
{
    size_t padding = LAYER_PADDING_COUNT;
    struct optional_size count = {0};
    if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(object, "padding"))) {
        if (!config_json_size(object, layer->place, "padding", 0, max, &count, reader->fault))
            return false;
        layer->padding_count = count.value;
        return true;
    }
    if (!config_json_choice(object, layer->place, "padding", names, wanted, &padding,
                            reader->fault))
        return false;
    layer->padding = (enum layer_padding)padding;
    return true;
}

static bool read_conv1d(struct layer_reader *reader, struct layer_config *layer,
                        const cJSON *object)
{
    static const char *const names[] = {"valid", "same", "causal", NULL};
    const size_t max = MODEL_SIZE_MAX;
    layer->stride = layer->dilation = 1;
    return read_prefix(reader, layer, object) &&
           config_json_size(object, layer->place, "out_channels", 1, max, &layer->units,
                            reader->fault) &&
           config_json_size(object, layer->place, "kernel_size", 1, max, &layer->window_size,
                            reader->fault) &&
           read_stride(reader, layer, object, "stride", &layer->stride) &&
           read_stride(reader, layer, object, "dilation", &layer->dilation) &&
           read_padding(reader, layer, object, names, "valid, same, causal or a number of steps",
                        max) &&
           read_bias(reader, layer, object) &&
           read_activation(reader, layer, object, "activation", &layer->activation);
}

/* Fewer steps beside the row than a window has, so that each window looks at some of the row. */
static bool read_pool1d(struct layer_reader *reader, struct layer_config *layer,
                        const cJSON *object)
{
    static const char *const names[] = {"valid", "same", NULL};
    layer->window_size = (struct optional_size){true, 2};
    layer->dilation = 1;
    if (!config_json_size(object, layer->place, "pool_size", 1, MODEL_SIZE_MAX, &layer->window_size,
                          reader->fault))
        return false;
    layer->stride = layer->window_size.value;
    return read_stride(reader, layer, object, "stride", &layer->stride) &&
           read_padding(reader, layer, object, names, "valid, same or a number of steps",
                        layer->window_size.value - 1);
}

/* ---- which ---- */

#define KEYS(...) ((const char *const[]){"type", "name", __VA_ARGS__, NULL})
#define NO_KEYS   ((const char *const[]){"type", "name", NULL})

struct layer_reading {
    const char *name;
    const char *const *keys;
    bool (*read)(struct layer_reader *reader, struct layer_config *layer, const cJSON *object);
};

static const struct layer_reading layer_types[LAYER_KINDS] = {
    [LAYER_KIND_LSTM] = {"lstm", lstm_layer_keys, read_lstm},
    [LAYER_KIND_DENSE] = {"dense", KEYS("weights", "units", "bias", "use_bias", "activation"),
                          read_dense},
    [LAYER_KIND_ACTIVATION] = {"activation", KEYS("function", "alpha", "beta"),
                               read_activation_layer},
    [LAYER_KIND_DROPOUT] = {"dropout", KEYS("p", "rate"), read_dropout},
    [LAYER_KIND_EMBEDDING] = {"embedding",
                              KEYS("weights", "num_embeddings", "embedding_dim", "mask_zero"),
                              read_embedding},
    [LAYER_KIND_MASKING] = {"masking", KEYS("mask_value"), read_masking},
    [LAYER_KIND_LAYER_NORM] = {"layer_norm", KEYS("weights", "epsilon"), read_norm},
    [LAYER_KIND_BATCH_NORM] = {"batch_norm", KEYS("weights", "epsilon"), read_norm},
    [LAYER_KIND_FLATTEN] = {"flatten", NO_KEYS, read_nothing},
    [LAYER_KIND_RESHAPE] = {"reshape", KEYS("target_shape"), read_reshape},
    [LAYER_KIND_LAST_STEP] = {"last_step", NO_KEYS, read_nothing},
    [LAYER_KIND_REPEAT_VECTOR] = {"repeat_vector", KEYS("n"), read_repeat},
    [LAYER_KIND_CONV1D] = {"conv1d",
                           KEYS("weights", "out_channels", "kernel_size", "stride", "dilation",
                                "padding", "bias", "use_bias", "activation"),
                           read_conv1d},
    [LAYER_KIND_MAX_POOL1D] = {"max_pool1d", KEYS("pool_size", "stride", "padding"), read_pool1d},
    [LAYER_KIND_AVG_POOL1D] = {"avg_pool1d", KEYS("pool_size", "stride", "padding"), read_pool1d},
    [LAYER_KIND_GLOBAL_MAX_POOL1D] = {"global_max_pool1d", NO_KEYS, read_nothing},
    [LAYER_KIND_GLOBAL_AVERAGE_POOL1D] = {"global_average_pool1d", NO_KEYS, read_nothing},
};

const char *layer_kind_name(enum layer_kind kind)
{
    return layer_types[kind].name;
}

static void list_types(char *out, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < LAYER_KINDS; i++) {
        const int n =
            snprintf(out + used, capacity - used, "%s%s", i > 0 ? ", " : "", layer_types[i].name);
        assert(n > 0 && (size_t)n < capacity - used);
        used += (size_t)n;
    }
}

static const struct layer_reading *find_type(const struct layer_reader *reader, const char *place,
                                             const cJSON *object)
{
    const char *name = NULL;
    char known[384];
    if (!config_json_string(object, place, "type", &name, reader->fault))
        return NULL;
    for (size_t i = 0; name != NULL && i < LAYER_KINDS; i++)
        if (strcmp(layer_types[i].name, name) == 0)
            return &layer_types[i];
    list_types(known, sizeof known);
    if (name == NULL)
        fault_set(reader->fault, 400, "%s.type: missing; one of %s expected", place, known);
    else
        fault_set(reader->fault, 400, "%s.type: \"%s\" is not a layer type; %s are", place,
                  excerpt_of(name).text, known);
    return NULL;
}

static bool read_name(const struct layer_reader *reader, struct layer_config *layer,
                      const cJSON *object)
{
    const char *name = "";
    if (!config_json_string(object, layer->place, "name", &name, reader->fault))
        return false;
    const size_t size = strlen(name) + 1;
    if (size > sizeof layer->name)
        return fault_set(reader->fault, 400, "%s.name: at most %d bytes expected, got %zu",
                         layer->place, MODEL_LAYER_NAME_MAX - 1, size - 1);
    if (config_json_has_controls(name))
        return fault_set(reader->fault, 400, "%s.name: no control characters expected, got \"%s\"",
                         layer->place, excerpt_of(name).text);
    memcpy(layer->name, name, size);
    return true;
}

bool layer_config_read(struct layer_reader *reader, struct layer_config *layer, const cJSON *object)
{
    if (!cJSON_IsObject(object))
        return config_json_refuse(object, layer->place, "", "an object", reader->fault);
    const struct layer_reading *type = find_type(reader, layer->place, object);
    if (type == NULL || !config_json_check_keys(object, layer->place, type->keys, reader->fault) ||
        !read_name(reader, layer, object))
        return false;
    layer->kind = (enum layer_kind)(type - layer_types);
    return type->read(reader, layer, object);
}
