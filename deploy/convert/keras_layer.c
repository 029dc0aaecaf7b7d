#include "deploy/convert/keras_layer.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <string.h>

#include "deploy/convert/keras_class.h"
#include "deploy/convert/keras_normalization.h"
#include "deploy/convert/keras_operation.h"
#include "deploy/convert/keras_options.h"
#include "deploy/convert/keras_slicing.h"
#include "proto/excerpt.h"

/* A class: how its options are read into layer, whose class_name, name and trainable are set. */
struct keras_class {
    const char *name;
    bool (*parse)(struct keras_layer *layer, const struct keras_options *options,
                  const struct keras_version *version, struct fault *fault);
    const char *const *known;
};

/* ---- one function for each class ---- */

static bool parse_idle(struct keras_layer *layer, const struct keras_options *options,
                       const struct keras_version *version, struct fault *fault)
{
    (void)options;
    (void)version;
    (void)fault;
    layer->kind = KERAS_IDLE;
    return true;
}

static bool parse_identity(struct keras_layer *layer, const struct keras_options *options,
                           const struct keras_version *version, struct fault *fault)
{
    layer->ends_masks = version->major < 3;
    return parse_idle(layer, options, version, fault);
}

static bool parse_embedding(struct keras_layer *layer, const struct keras_options *options,
                            const struct keras_version *version, struct fault *fault)
{
    (void)version;
    layer->kind = KERAS_EMBEDDING;
    return keras_options_size(options, "input_dim", NULL, true, 1, &layer->as.embedding.input_dim,
                              fault) &&
           keras_options_size(options, "output_dim", NULL, true, 1, &layer->as.embedding.output_dim,
                              fault) &&
           keras_options_bool(options, "mask_zero", NULL, &layer->as.embedding.mask_zero, fault) &&
           keras_options_never(options, "sparse", fault);
}

static bool parse_masking(struct keras_layer *layer, const struct keras_options *options,
                          const struct keras_version *version, struct fault *fault)
{
    (void)version;
    layer->kind = KERAS_MASKING;
    return keras_options_number(options, "mask_value", NULL, &layer->as.masking.value, fault);
}

static bool parse_dense(struct keras_layer *layer, const struct keras_options *options,
                        const struct keras_version *version, struct fault *fault)
{
    layer->kind = KERAS_DENSE;
    layer->as.dense.use_bias = true;
    return keras_options_size(options, "units", "output_dim", true, 1, &layer->as.dense.units,
                              fault) &&
           keras_options_bool(options, "use_bias", "bias", &layer->as.dense.use_bias, fault) &&
           keras_function_option(options, "activation", NULL, false, version,
                                 &layer->as.dense.activation, fault);
}

static bool parse_activation(struct keras_layer *layer, const struct keras_options *options,
                             const struct keras_version *version, struct fault *fault)
{
    layer->kind = KERAS_ACTIVATION;
    layer->as.activation.axis = -1;
    return keras_function_option(options, "activation", NULL, true, version,
                                 &layer->as.activation.function, fault);
}

/* epsilon of the other normalization. */
static bool parse_norm(struct keras_layer *layer, const struct keras_options *options,
                       struct fault *fault)
{
    layer->as.norm.axis = -1;
    layer->as.norm.center = layer->as.norm.scale = true;
    if (keras_options_find(options, "epsilon", NULL) == NULL)
        return keras_options_refuse(options, "epsilon", NULL, "a number", fault);
    return keras_options_integer(options, "axis", &layer->as.norm.axis, fault) &&
           keras_options_number(options, "epsilon", NULL, &layer->as.norm.epsilon, fault) &&
           keras_options_bool(options, "center", NULL, &layer->as.norm.center, fault) &&
           keras_options_bool(options, "scale", NULL, &layer->as.norm.scale, fault);
}

static bool parse_layer_norm(struct keras_layer *layer, const struct keras_options *options,
                             const struct keras_version *version, struct fault *fault)
{
    (void)version;
    layer->kind = KERAS_LAYER_NORM;
    return parse_norm(layer, options, fault) && keras_options_never(options, "rms_scaling", fault);
}

static bool parse_batch_norm(struct keras_layer *layer, const struct keras_options *options,
                             const struct keras_version *version, struct fault *fault)
{
    size_t mode = 0;
    (void)version;
    layer->kind = KERAS_BATCH_NORM;
    if (!parse_norm(layer, options, fault) ||
        !keras_options_size(options, "mode", NULL, false, 0, &mode, fault) ||
        !keras_options_never(options, "renorm", fault))
        return false;
    /* Keras 1: the others normalize by the batch at hand. */
    return mode == 0 || keras_options_refuse(options, "mode", NULL, "0", fault);
}

static bool parse_rescaling(struct keras_layer *layer, const struct keras_options *options,
                            const struct keras_version *version, struct fault *fault)
{
    struct keras_function *function = &layer->as.activation.function;
    layer->kind = KERAS_ACTIVATION;
    layer->ends_masks = version->major < 3;
    layer->as.activation.axis = -1;
    *function = (struct keras_function){.name = "affine", .has_alpha = true, .has_beta = true};
    if (keras_options_find(options, "scale", NULL) == NULL)
        return keras_options_refuse(options, "scale", NULL, "a number", fault);
    return keras_options_number(options, "scale", NULL, &function->alpha, fault) &&
           keras_options_number(options, "offset", NULL, &function->beta, fault);
}

static bool parse_flatten(struct keras_layer *layer, const struct keras_options *options,
                          const struct keras_version *version, struct fault *fault)
{
    static const char *const formats[] = {"channels_last", NULL};
    const char *format = NULL;
    (void)version;
    layer->kind = KERAS_FLATTEN;
    return keras_options_choice(options, "data_format", NULL, formats, &format, fault);
}

static bool parse_reshape(struct keras_layer *layer, const struct keras_options *options,
                          const struct keras_version *version, struct fault *fault)
{
    static const char wanted[] = "one or two sizes (-1 for one that follows)";
    const cJSON *shape = keras_options_find(options, "target_shape", NULL);
    (void)version;
    layer->kind = KERAS_RESHAPE;
    layer->as.reshape.rank = (size_t)cJSON_GetArraySize(shape);
    if (!cJSON_IsArray(shape) || layer->as.reshape.rank < 1 || layer->as.reshape.rank > 2)
        return keras_options_refuse(options, "target_shape", NULL, wanted, fault);
    for (size_t i = 0; i < layer->as.reshape.rank; i++) {
        const cJSON *size = cJSON_GetArrayItem(shape, (int)i);
        const double value = cJSON_IsNumber(size) ? size->valuedouble : 0;
        if (value != -1 &&
            !(value >= 1 && value <= (double)KERAS_SIZE_MAX && value == (double)(long)value))
            return keras_options_refuse(options, "target_shape", NULL, wanted, fault);
        layer->as.reshape.target_shape[i] = (long)value;
    }
    return true;
}

static bool parse_repeat_vector(struct keras_layer *layer, const struct keras_options *options,
                                const struct keras_version *version, struct fault *fault)
{
    (void)version;
    layer->kind = KERAS_REPEAT_VECTOR;
    return keras_options_size(options, "n", NULL, true, 1, &layer->as.repeat_vector.n, fault);
}

static bool parse_conv1d(struct keras_layer *layer, const struct keras_options *options,
                         const struct keras_version *version, struct fault *fault)
{
    static const char *const paddings[] = {"valid", "same", "causal", NULL};
    static const char *const formats[] = {"channels_last", NULL};
    const char *format = NULL;
    size_t groups = 1;
    layer->kind = KERAS_CONV1D;
    layer->as.conv1d.stride = layer->as.conv1d.dilation = 1;
    layer->as.conv1d.padding = "valid";
    layer->as.conv1d.use_bias = true;
    if (!keras_options_size(options, "filters", "nb_filter", true, 1, &layer->as.conv1d.filters,
                            fault) ||
        !keras_options_size(options, "kernel_size", "filter_length", true, 1,
                            &layer->as.conv1d.kernel_size, fault) ||
        !keras_options_size(options, "strides", "subsample_length", false, 1,
                            &layer->as.conv1d.stride, fault) ||
        !keras_options_size(options, "dilation_rate", NULL, false, 1, &layer->as.conv1d.dilation,
                            fault) ||
        !keras_options_choice(options, "padding", "border_mode", paddings,
                              &layer->as.conv1d.padding, fault) ||
        !keras_options_choice(options, "data_format", NULL, formats, &format, fault) ||
        !keras_options_bool(options, "use_bias", "bias", &layer->as.conv1d.use_bias, fault) ||
        !keras_options_size(options, "groups", NULL, false, 1, &groups, fault))
        return false;
    if (groups != 1)
        return keras_options_refuse(options, "groups", NULL, "1", fault);
    return keras_function_option(options, "activation", NULL, false, version,
                                 &layer->as.conv1d.activation, fault);
}

static bool parse_pool1d(struct keras_layer *layer, const struct keras_options *options,
                         const struct keras_version *version, struct fault *fault)
{
    static const char *const paddings[] = {"valid", "same", NULL};
    static const char *const formats[] = {"channels_last", NULL};
    const char *format = NULL;
    (void)version;
    layer->kind = KERAS_POOL1D;
    layer->as.pool1d.average = strcmp(layer->class_name, "AveragePooling1D") == 0;
    layer->as.pool1d.padding = "valid";
    if (!keras_options_size(options, "pool_size", "pool_length", true, 1,
                            &layer->as.pool1d.pool_size, fault))
        return false;
    layer->as.pool1d.stride = layer->as.pool1d.pool_size;
    return keras_options_size(options, "strides", "stride", false, 1, &layer->as.pool1d.stride,
                              fault) &&
           keras_options_choice(options, "padding", "border_mode", paddings,
                                &layer->as.pool1d.padding, fault) &&
           keras_options_choice(options, "data_format", NULL, formats, &format, fault);
}

static bool parse_global_pool1d(struct keras_layer *layer, const struct keras_options *options,
                                const struct keras_version *version, struct fault *fault)
{
    static const char *const formats[] = {"channels_last", NULL};
    const char *format = NULL;
    (void)version;
    layer->kind = KERAS_GLOBAL_POOL1D;
    layer->as.global_pool1d.average = strcmp(layer->class_name, "GlobalAveragePooling1D") == 0;
    return keras_options_choice(options, "data_format", NULL, formats, &format, fault) &&
           keras_options_never(options, "keepdims", fault);
}

/* ---- the classes ---- */

#define KNOWN(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define KNOWN_NOISE KNOWN("rate", "p", "stddev", "sigma", "noise_shape", "l1", "l2")
#define KNOWN_DENSE                                                                                \
    KNOWN("units", "output_dim", "use_bias", "bias", "activation", "input_dim", "input_length")
#define KNOWN_CONV1D                                                                               \
    KNOWN("filters", "nb_filter", "kernel_size", "filter_length", "strides", "subsample_length",   \
          "dilation_rate", "padding", "border_mode", "data_format", "use_bias", "bias", "groups",  \
          "activation", "input_dim", "input_length")
#define KNOWN_POOL1D                                                                               \
    KNOWN("pool_size", "pool_length", "strides", "stride", "padding", "border_mode", "data_format")
#define KNOWN_NORM                                                                                 \
    KNOWN("axis", "epsilon", "center", "scale", "rms_scaling", "momentum", "mode", "renorm",       \
          "renorm_momentum", "synchronized", "fused")

static const struct keras_class classes[] = {
    {"Dropout", parse_idle, KNOWN_NOISE},
    {"SpatialDropout1D", parse_idle, KNOWN_NOISE},
    {"GaussianNoise", parse_idle, KNOWN_NOISE},
    {"GaussianDropout", parse_idle, KNOWN_NOISE},
    {"AlphaDropout", parse_idle, KNOWN_NOISE},
    {"ActivityRegularization", parse_idle, KNOWN_NOISE},
    {"Identity", parse_identity, KNOWN("name")},
    {"Embedding", parse_embedding,
     KNOWN("input_dim", "output_dim", "mask_zero", "input_length", "dropout", "sparse")},
    {"Masking", parse_masking, KNOWN("mask_value")},
    {"Dense", parse_dense, KNOWN_DENSE},
    {"TimeDistributedDense", parse_dense, KNOWN_DENSE},
    {"Activation", parse_activation, KNOWN("activation")},
    {"LayerNormalization", parse_layer_norm, KNOWN_NORM},
    {"BatchNormalization", parse_batch_norm, KNOWN_NORM},
    {"BatchNormalizationV1", parse_batch_norm, KNOWN_NORM},
    {"Normalization", keras_normalization_parse, KNOWN("axis", "mean", "variance", "invert")},
    {"Rescaling", parse_rescaling, KNOWN("scale", "offset")},
    {"Flatten", parse_flatten, KNOWN("data_format")},
    {"Reshape", parse_reshape, KNOWN("target_shape")},
    {"RepeatVector", parse_repeat_vector, KNOWN("n")},
    {"Conv1D", parse_conv1d, KNOWN_CONV1D},
    {"Convolution1D", parse_conv1d, KNOWN_CONV1D},
    {"MaxPooling1D", parse_pool1d, KNOWN_POOL1D},
    {"AveragePooling1D", parse_pool1d, KNOWN_POOL1D},
    {"GlobalMaxPooling1D", parse_global_pool1d, KNOWN("data_format", "keepdims")},
    {"GlobalAveragePooling1D", parse_global_pool1d, KNOWN("data_format", "keepdims")},
};

static const struct keras_class *find_class(const char *name)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(name, classes[i].name) == 0)
            return &classes[i];
    return NULL;
}

/* ---- layers ---- */

bool keras_layer_names(const struct cJSON *json, const char **class_name, const char **name,
                       struct fault *fault)
{
    const cJSON *class_item = cJSON_GetObjectItemCaseSensitive(json, "class_name");
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(json, "config");
    const cJSON *name_item = cJSON_GetObjectItemCaseSensitive(config, "name");
    if (name_item == NULL)
        name_item = cJSON_GetObjectItemCaseSensitive(json, "name");
    if (!cJSON_IsString(class_item))
        return fault_set(fault, 400, "a layer's class_name is missing");
    *class_name = class_item->valuestring;
    *name = cJSON_IsString(name_item) ? name_item->valuestring : "";
    return keras_class_check(json, *class_name, *name, fault);
}

/* A layer that is a function. */
static bool parse_function_layer(struct keras_layer *layer, const cJSON *config,
                                 struct fault *fault)
{
    layer->kind = KERAS_ACTIVATION;
    layer->as.activation.axis = -1;
    layer->as.activation.softmax_layer = strcmp(layer->class_name, "Softmax") == 0;
    return keras_function_layer(layer->class_name, layer->name, config,
                                &layer->as.activation.function, &layer->as.activation.axis, fault);
}

/* Any layer but the two that hold another. */
static bool parse_plain(struct keras_layer *layer, const cJSON *config,
                        const struct keras_version *version, struct fault *fault)
{
    struct keras_options options;
    if (strcmp(layer->class_name, "LSTM") == 0 || strcmp(layer->class_name, "CuDNNLSTM") == 0)
        return keras_lstm_parse(layer, config, version, fault);
    if (strcmp(layer->class_name, "RNN") == 0)
        return keras_rnn_parse(layer, config, version, fault);
    if (strcmp(layer->class_name, "InputLayer") == 0)
        return true; /* its shape is the topology's to read */
    if (keras_function_is_layer(layer->class_name))
        return parse_function_layer(layer, config, fault);
    if (strcmp(layer->class_name, "Lambda") == 0)
        return fault_set(fault, 400,
                         "%s (Lambda): Python code, which is not run: a layer or a function of "
                         "Keras' own expected in its place",
                         excerpt_of(layer->name).text);
    const struct keras_class *found = find_class(layer->class_name);
    if (found == NULL)
        return fault_set(fault, 400, "%s (%s): a layer of this class cannot be expressed",
                         excerpt_of(layer->name).text, excerpt_of(layer->class_name).text);
    return keras_options_init(&options, layer->class_name, layer->name, config, found->known,
                              fault) &&
           found->parse(layer, &options, version, fault);
}

static bool works_on_each_step(enum keras_kind kind)
{
    return kind == KERAS_IDLE || kind == KERAS_DENSE || kind == KERAS_ACTIVATION ||
           kind == KERAS_LAYER_NORM || kind == KERAS_BATCH_NORM;
}

static bool parse_time_distributed(struct keras_layer *layer, const cJSON *config,
                                   const struct keras_version *version, struct fault *fault)
{
    static const char *const known[] = {"layer", "input_dim", "input_length", NULL};
    struct keras_options options;
    struct keras_layer inner = {.trainable = layer->trainable, .time_distributed = true};
    if (!keras_options_init(&options, layer->class_name, layer->name, config, known, fault))
        return false;
    const cJSON *json = keras_options_find(&options, "layer", NULL);
    if (!cJSON_IsObject(json))
        return keras_options_refuse(&options, "layer", NULL, "a layer", fault);
    if (!keras_layer_names(json, &inner.class_name, &inner.name, fault) ||
        !parse_plain(&inner, cJSON_GetObjectItemCaseSensitive(json, "config"), version, fault))
        return fault_prefix(fault, "%s", options.place);
    if (inner.kind == KERAS_FLATTEN) /* of the vectors of single steps */
        inner.kind = KERAS_IDLE;
    if (!works_on_each_step(inner.kind) || inner.ends_masks)
        return fault_set(fault, 400, "%s.layer: a layer of single steps expected, got %s",
                         options.place, inner.class_name);
    inner.class_name = layer->class_name;
    inner.inner_name = inner.name;
    inner.name = layer->name;
    *layer = inner;
    return true;
}

bool keras_layer_parse(struct keras_layer *layer, const struct cJSON *json,
                       const struct keras_version *version, struct fault *fault)
{
    *layer = (struct keras_layer){0};
    if (!keras_layer_names(json, &layer->class_name, &layer->name, fault))
        return false;
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(json, "config");
    layer->trainable = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(config, "trainable"));
    if (strcmp(layer->class_name, "Bidirectional") == 0)
        return keras_bidirectional_parse(layer, config, version, fault);
    if (strcmp(layer->class_name, "TimeDistributed") == 0)
        return parse_time_distributed(layer, config, version, fault);
    if (keras_slicing_is_layer(layer->class_name))
        return keras_slicing_parse(layer, json, fault);
    if (keras_operation_is_layer(json))
        return keras_operation_parse(layer, json, fault);
    return parse_plain(layer, config, version, fault);
}

bool keras_layer_makes_masks(const struct keras_layer *layer)
{
    return layer->kind == KERAS_MASKING ||
           (layer->kind == KERAS_EMBEDDING && layer->as.embedding.mask_zero);
}

/* ---- weights ---- */

static size_t add_slot(struct keras_slot *slots, size_t count, bool wanted, const char *role)
{
    if (!wanted)
        return count;
    assert(count < KERAS_SLOTS_MAX);
    slots[count] = (struct keras_slot){.role = role, .trainable = true};
    return count + 1;
}

static size_t lstm_slots(const struct keras_lstm *lstm, struct keras_slot *slots)
{
    size_t count = 0;
    for (unsigned direction = 0; direction < (lstm->bidirectional ? 2u : 1u); direction++) {
        const size_t first = count;
        count = add_slot(slots, count, true, "kernel");
        count = add_slot(slots, count, true, "recurrent_kernel");
        count = add_slot(slots, count, lstm->use_bias, "bias");
        for (size_t i = first; i < count; i++)
            slots[i].backward = direction == 1;
    }
    return count;
}

static size_t norm_slots(const struct keras_layer *layer, struct keras_slot *slots)
{
    size_t count = add_slot(slots, 0, layer->as.norm.scale, "gamma");
    count = add_slot(slots, count, layer->as.norm.center, "beta");
    if (layer->kind == KERAS_LAYER_NORM)
        return count;
    count = add_slot(slots, count, true, "moving_mean");
    count = add_slot(slots, count, true, "moving_variance");
    slots[count - 2].trainable = slots[count - 1].trainable = false;
    return count;
}

/* count is an integer, which nobody reads. */
static size_t normalization_slots(struct keras_slot *slots)
{
    static const char *const roles[] = {"mean", "variance", "count"};
    for (size_t i = 0; i < 3; i++)
        slots[i] = (struct keras_slot){.role = roles[i]};
    return 3;
}

size_t keras_layer_slots(const struct keras_layer *layer, struct keras_slot *slots)
{
    size_t count = 0;
    switch (layer->kind) {
    case KERAS_LSTM:
        count = lstm_slots(&layer->as.lstm, slots);
        break;
    case KERAS_EMBEDDING:
        count = add_slot(slots, 0, true, "embeddings");
        break;
    case KERAS_DENSE:
        count = add_slot(slots, 0, true, "kernel");
        count = add_slot(slots, count, layer->as.dense.use_bias, "bias");
        break;
    case KERAS_CONV1D:
        count = add_slot(slots, 0, true, "kernel");
        count = add_slot(slots, count, layer->as.conv1d.use_bias, "bias");
        break;
    case KERAS_LAYER_NORM:
    case KERAS_BATCH_NORM:
        count = norm_slots(layer, slots);
        break;
    case KERAS_NORMALIZATION:
        count = layer->as.normalization.mean != NULL ? 0 : normalization_slots(slots);
        break;
    default:
        break;
    }
    for (size_t i = 0; i < count; i++)
        slots[i].trainable = slots[i].trainable && layer->trainable;
    return count;
}
