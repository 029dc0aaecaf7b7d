#include "deploy/convert/keras_network.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/keras_normalization.h"
#include "deploy/convert/keras_shape.h"
#include "proto/excerpt.h"

#define ANY SIZE_MAX /* in a wanted shape: whatever the file has */

/* One layer on its way into the network. */
struct build {
    const struct keras_weights *weights;
    const struct keras_node *node;
    const struct keras_version *version;
    bool theano;
    bool masks; /* some layer of the model makes masks */
    struct network *network;
    size_t layer; /* its number there */
};

/* ---- weights as they are stored ---- */

static void shape_text(char *out, size_t capacity, size_t rank, const size_t *shape)
{
    size_t used = 0;
    for (size_t i = 0; i < rank; i++) {
        char size[24] = "any";
        if (shape[i] != ANY)
            snprintf(size, sizeof size, "%zu", shape[i]);
        used += (size_t)snprintf(out + used, capacity - used, "%s%s", i > 0 ? "," : "", size);
    }
}

static bool has_shape(const struct float_array *array, size_t rank, const size_t *shape)
{
    bool same = array->rank == rank;
    for (size_t i = 0; same && i < rank; i++)
        same = array->shape[i] == shape[i] || shape[i] == ANY;
    return same;
}

static bool fail_shape(const struct build *build, const char *role, const struct float_array *array,
                       size_t rank, const size_t *shape, struct fault *fault)
{
    char wanted[100], found[100];
    shape_text(wanted, sizeof wanted, rank, shape);
    found[0] = '\0';
    shape_text(found, sizeof found, array->rank, array->shape);
    return fault_set(fault, 400, "%.48s %s.%s: shape [%s] expected, got [%s]",
                     build->node->layer.class_name, excerpt_of(build->node->layer.name).text, role,
                     wanted, found);
}

static bool read_weight(const struct build *build, size_t slot, struct float_array *array,
                        struct fault *fault)
{
    return build->weights->read(build->weights->context, build->node, slot, array, fault);
}

/* Weight number slot, of that shape. */
static bool read_shaped(const struct build *build, size_t slot, size_t rank, const size_t *shape,
                        struct float_array *array, struct fault *fault)
{
    struct keras_slot slots[KERAS_SLOTS_MAX];
    if (!read_weight(build, slot, array, fault))
        return false;
    if (has_shape(array, rank, shape))
        return true;
    keras_layer_slots(&build->node->layer, slots);
    fail_shape(build, slots[slot].role, array, rank, shape, fault);
    float_array_fini(array);
    return false;
}

/* A weight that stays as it is. */
static bool copy_weight(const struct build *build, size_t slot, const char *name, size_t rank,
                        const size_t *shape, struct fault *fault)
{
    struct float_array array;
    if (!read_shaped(build, slot, rank, shape, &array, fault))
        return false;
    float *out = network_add_tensor(build->network, build->layer, name, rank, array.shape, fault);
    if (out != NULL && array.elements > 0)
        memcpy(out, array.values, array.elements * sizeof *out);
    float_array_fini(&array);
    return out != NULL;
}

/* [rows, columns] in, [columns, rows] out. */
static void transpose(const float *in, size_t rows, size_t columns, float *out)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            out[c * rows + r] = in[r * columns + c];
}

/* ---- activations ---- */

/* alpha and beta where the function has them and the schema's default is another. */
static struct cJSON *function_json(const struct keras_function *function)
{
    if (!function->has_alpha || (strcmp(function->name, "elu") == 0 && function->alpha == 1))
        return cJSON_CreateString(function->name);
    cJSON *json = cJSON_CreateObject();
    bool whole = cJSON_AddStringToObject(json, "function", function->name) != NULL &&
                 cJSON_AddNumberToObject(json, "alpha", function->alpha) != NULL;
    if (whole && function->has_beta)
        whole = cJSON_AddNumberToObject(json, "beta", function->beta) != NULL;
    if (whole)
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* An option that is a function, where it is not the default. */
static void set_function(const struct build *build, const char *key,
                         const struct keras_function *function, const char *otherwise)
{
    if (strcmp(function->name, otherwise) != 0)
        network_set_json(build->network, build->layer, key, function_json(function));
}

/* ---- LSTM ---- */

/* A kernel as CuDNNLSTM keeps it: in the place of each gate's [rows, H] stand the elements of its
 * transpose. Keras' columns i,f,c,o are torch's rows i,f,g,o. */
static void cudnn_kernel(const float *kernel, size_t rows, size_t units, float *out)
{
    for (size_t gate = 0; gate < 4; gate++)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < units; c++)
                out[gate * units * rows + r * units + c] = kernel[r * 4 * units + gate * units + c];
}

static bool add_kernel(const struct build *build, size_t slot, size_t rows, const char *name,
                       bool cudnn, struct fault *fault)
{
    struct float_array array;
    const size_t units = build->node->layer.as.lstm.units;
    const size_t wanted[] = {rows, 4 * units};
    if (!read_shaped(build, slot, 2, wanted, &array, fault))
        return false;
    const size_t shape[] = {4 * units, array.shape[0]};
    float *out = network_add_tensor(build->network, build->layer, name, 2, shape, fault);
    if (out != NULL && cudnn)
        cudnn_kernel(array.values, array.shape[0], units, out);
    else if (out != NULL)
        transpose(array.values, array.shape[0], 4 * units, out);
    float_array_fini(&array);
    return out != NULL;
}

static bool add_bias(const struct build *build, const char *name, const float *values, size_t count,
                     struct fault *fault)
{
    float *out = network_add_tensor(build->network, build->layer, name, 1, &count, fault);
    if (out != NULL)
        memcpy(out, values, count * sizeof *out);
    return out != NULL;
}

/* One bias, or CuDNNLSTM's two; which of them tells how the kernels are kept, also where the config
 * says LSTM: Keras lets each load the other's weights. */
static bool add_biases(const struct build *build, size_t slot, bool reverse, bool *cudnn,
                       struct fault *fault)
{
    struct float_array array;
    const size_t count = 4 * build->node->layer.as.lstm.units;
    const size_t one[] = {count}, two[] = {2 * count};
    if (!read_weight(build, slot, &array, fault))
        return false;
    *cudnn = has_shape(&array, 1, two);
    bool added =
        (*cudnn || has_shape(&array, 1, one) || fail_shape(build, "bias", &array, 1, one, fault)) &&
        add_bias(build, reverse ? "bias_ih_l0_reverse" : "bias_ih_l0", array.values, count, fault);
    if (added && *cudnn)
        added = add_bias(build, reverse ? "bias_hh_l0_reverse" : "bias_hh_l0", array.values + count,
                         count, fault);
    float_array_fini(&array);
    return added;
}

static bool add_direction(const struct build *build, size_t slot, bool reverse, struct fault *fault)
{
    const struct keras_lstm *lstm = &build->node->layer.as.lstm;
    bool cudnn = false;
    return (!lstm->use_bias || add_biases(build, slot + 2, reverse, &cudnn, fault)) &&
           add_kernel(build, slot, ANY, reverse ? "weight_ih_l0_reverse" : "weight_ih_l0", cudnn,
                      fault) &&
           add_kernel(build, slot + 1, lstm->units,
                      reverse ? "weight_hh_l0_reverse" : "weight_hh_l0", cudnn, fault);
}

static bool build_lstm(const struct build *build, struct fault *fault)
{
    const struct keras_lstm *lstm = &build->node->layer.as.lstm;
    struct network *network = build->network;
    network_set_size(network, build->layer, "hidden_size", lstm->units);
    network_set_bool(network, build->layer, "return_sequences", lstm->return_sequences);
    if (lstm->bidirectional)
        network_set_bool(network, build->layer, "bidirectional", true);
    if (strcmp(lstm->merge_mode, "concat") != 0)
        network_set_string(network, build->layer, "merge_mode", lstm->merge_mode);
    if (lstm->go_backwards)
        network_set_bool(network, build->layer, "go_backwards", true);
    if (lstm->return_state)
        network_set_bool(network, build->layer, "return_state", true);
    if (build->masks && lstm->return_sequences && lstm->zero_output_for_mask)
        network_set_bool(network, build->layer, "zero_output_for_mask", true);
    if (lstm->stateful)
        network_add_note(network,
                         "note: %s is stateful; here the state is kept for requests with a "
                         "sequence_id, each sequence its own",
                         build->node->layer.name);
    set_function(build, "activation", &lstm->activation, "tanh");
    set_function(build, "recurrent_activation", &lstm->recurrent_activation, "sigmoid");
    return add_direction(build, 0, false, fault) &&
           (!lstm->bidirectional || add_direction(build, lstm->use_bias ? 3 : 2, true, fault));
}

/* ---- the other layers with weights ---- */

static bool build_embedding(const struct build *build, struct fault *fault)
{
    const struct keras_layer *layer = &build->node->layer;
    const size_t shape[] = {layer->as.embedding.input_dim, layer->as.embedding.output_dim};
    if (layer->as.embedding.mask_zero)
        network_set_bool(build->network, build->layer, "mask_zero", true);
    return copy_weight(build, 0, "weight", 2, shape, fault);
}

static bool build_dense(const struct build *build, struct fault *fault)
{
    const struct keras_layer *layer = &build->node->layer;
    const size_t wanted[] = {ANY, layer->as.dense.units};
    struct float_array array;
    set_function(build, "activation", &layer->as.dense.activation, "linear");
    if (!read_shaped(build, 0, 2, wanted, &array, fault))
        return false;
    const size_t shape[] = {wanted[1], array.shape[0]};
    float *out = network_add_tensor(build->network, build->layer, "weight", 2, shape, fault);
    if (out != NULL)
        transpose(array.values, array.shape[0], array.shape[1], out);
    float_array_fini(&array);
    return out != NULL &&
           (!layer->as.dense.use_bias || copy_weight(build, 1, "bias", 1, &wanted[1], fault));
}

/* How many input channels a kernel is for: [k,in,out], or Keras 1's [k,1,in,out] or [out,in,k,1];
 * 0 when it is none of them. torch: is it the last, which is torch's order? */
static size_t conv1d_channels(const struct float_array *kernel, size_t size, size_t filters,
                              bool *torch)
{
    const size_t *shape = kernel->shape;
    *torch = false;
    if (kernel->rank == 3 && shape[0] == size && shape[2] == filters)
        return shape[1];
    if (kernel->rank != 4)
        return 0;
    if (shape[0] == size && shape[1] == 1 && shape[3] == filters)
        return shape[2];
    *torch = shape[0] == filters && shape[2] == size && shape[3] == 1;
    return *torch ? shape[1] : 0;
}

/* torch's [out,in,k]. Theano convolves, everybody else correlates: its kernels run backwards. */
static void conv1d_kernel(const struct float_array *kernel, size_t filters, size_t channels,
                          size_t size, bool torch, bool flip, float *out)
{
    for (size_t o = 0; o < filters; o++)
        for (size_t i = 0; i < channels; i++)
            for (size_t k = 0; k < size; k++) {
                const size_t from =
                    torch ? (o * channels + i) * size + k : (k * channels + i) * filters + o;
                out[(o * channels + i) * size + (flip ? size - 1 - k : k)] = kernel->values[from];
            }
}

static bool build_conv1d(const struct build *build, struct fault *fault)
{
    const struct keras_layer *layer = &build->node->layer;
    const size_t size = layer->as.conv1d.kernel_size, filters = layer->as.conv1d.filters;
    const size_t wanted[] = {size, ANY, filters};
    struct float_array kernel;
    bool torch;
    network_set_size(build->network, build->layer, "stride", layer->as.conv1d.stride);
    network_set_size(build->network, build->layer, "dilation", layer->as.conv1d.dilation);
    network_set_string(build->network, build->layer, "padding", layer->as.conv1d.padding);
    set_function(build, "activation", &layer->as.conv1d.activation, "linear");
    if (!read_weight(build, 0, &kernel, fault))
        return false;
    const size_t channels = conv1d_channels(&kernel, size, filters, &torch);
    const size_t shape[] = {filters, channels, size};
    float *out = NULL;
    if (channels == 0)
        fail_shape(build, "kernel", &kernel, 3, wanted, fault);
    else
        out = network_add_tensor(build->network, build->layer, "weight", 3, shape, fault);
    if (out != NULL)
        conv1d_kernel(&kernel, filters, channels, size, torch, build->theano, out);
    float_array_fini(&kernel);
    return out != NULL &&
           (!layer->as.conv1d.use_bias || copy_weight(build, 1, "bias", 1, &wanted[2], fault));
}

static bool build_norm(const struct build *build, struct fault *fault)
{
    const struct keras_layer *layer = &build->node->layer;
    const size_t any[] = {ANY};
    size_t slot = 0;
    network_set_number(build->network, build->layer, "epsilon", layer->as.norm.epsilon);
    if (layer->as.norm.scale && !copy_weight(build, slot++, "weight", 1, any, fault))
        return false;
    if (layer->as.norm.center && !copy_weight(build, slot++, "bias", 1, any, fault))
        return false;
    return layer->kind == KERAS_LAYER_NORM ||
           (copy_weight(build, slot, "running_mean", 1, any, fault) &&
            copy_weight(build, slot + 1, "running_var", 1, any, fault));
}

/* ---- Normalization ---- */

static bool read_counted(const struct build *build, struct float_array *mean,
                         struct float_array *variance, struct fault *fault)
{
    const size_t any[] = {ANY};
    const size_t rank = build->node->layer.as.normalization.of_all ? 0 : 1;
    if (!read_shaped(build, 0, rank, any, mean, fault))
        return false;
    if (read_shaped(build, 1, rank, mean->shape, variance, fault))
        return true;
    float_array_fini(mean);
    return false;
}

static bool build_normalization(const struct build *build, struct fault *fault)
{
    const struct keras_layer *layer = &build->node->layer;
    struct float_array mean, variance;
    const bool read = layer->as.normalization.mean == NULL
                          ? read_counted(build, &mean, &variance, fault)
                          : keras_normalization_given(layer, &mean, &variance, fault);
    if (!read)
        return false;
    const bool built =
        keras_normalization_raise(layer, build->version, &variance, fault) &&
        keras_normalization_build(layer, &mean, &variance, build->network, build->layer, fault);
    float_array_fini(&mean);
    float_array_fini(&variance);
    return built;
}

/* ---- layers without weights ---- */

static bool build_masking(const struct build *build, struct fault *fault)
{
    (void)fault;
    network_set_number(build->network, build->layer, "mask_value",
                       build->node->layer.as.masking.value);
    return true;
}

static bool build_activation(const struct build *build, struct fault *fault)
{
    const struct keras_function *function = &build->node->layer.as.activation.function;
    (void)fault;
    network_set_string(build->network, build->layer, "function", function->name);
    if (function->has_alpha)
        network_set_number(build->network, build->layer, "alpha", function->alpha);
    if (function->has_beta)
        network_set_number(build->network, build->layer, "beta", function->beta);
    return true;
}

static bool build_bare(const struct build *build, struct fault *fault)
{
    (void)build;
    (void)fault;
    return true;
}

static bool build_squeeze(const struct build *build, struct fault *fault)
{
    (void)fault;
    network_add_note(build->network,
                     "note: %s is left out: the answer's shape keeps the dimensions of 1",
                     build->node->layer.name);
    return true;
}

static bool build_reshape(const struct build *build, struct fault *fault)
{
    const struct keras_layer *layer = &build->node->layer;
    cJSON *shape = cJSON_CreateArray();
    (void)fault;
    for (size_t i = 0; shape != NULL && i < layer->as.reshape.rank; i++) {
        cJSON *size = cJSON_CreateNumber((double)layer->as.reshape.target_shape[i]);
        if (!cJSON_AddItemToArray(shape, size)) {
            cJSON_Delete(shape);
            shape = NULL;
        }
    }
    network_set_json(build->network, build->layer, "target_shape", shape);
    return true;
}

static bool build_repeat_vector(const struct build *build, struct fault *fault)
{
    (void)fault;
    network_set_size(build->network, build->layer, "n", build->node->layer.as.repeat_vector.n);
    return true;
}

static bool build_pool1d(const struct build *build, struct fault *fault)
{
    const struct keras_layer *layer = &build->node->layer;
    (void)fault;
    network_set_size(build->network, build->layer, "pool_size", layer->as.pool1d.pool_size);
    network_set_size(build->network, build->layer, "stride", layer->as.pool1d.stride);
    network_set_string(build->network, build->layer, "padding", layer->as.pool1d.padding);
    return true;
}

/* ---- the whole ---- */

static const char *type_of(const struct keras_layer *layer)
{
    static const char *const types[] = {
        [KERAS_IDLE] = "dropout",          [KERAS_LSTM] = "lstm",
        [KERAS_EMBEDDING] = "embedding",   [KERAS_MASKING] = "masking",
        [KERAS_DENSE] = "dense",           [KERAS_ACTIVATION] = "activation",
        [KERAS_LAYER_NORM] = "layer_norm", [KERAS_BATCH_NORM] = "batch_norm",
        [KERAS_LAST_STEP] = "last_step",   [KERAS_FLATTEN] = "flatten",
        [KERAS_RESHAPE] = "reshape",       [KERAS_REPEAT_VECTOR] = "repeat_vector",
        [KERAS_CONV1D] = "conv1d",         [KERAS_NORMALIZATION] = "batch_norm",
        [KERAS_SQUEEZE] = "dropout",
    };
    if (layer->kind == KERAS_POOL1D)
        return layer->as.pool1d.average ? "avg_pool1d" : "max_pool1d";
    if (layer->kind == KERAS_GLOBAL_POOL1D)
        return layer->as.global_pool1d.average ? "global_average_pool1d" : "global_max_pool1d";
    if (layer->kind == KERAS_NORMALIZATION && layer->as.normalization.of_all)
        return "activation";
    return types[layer->kind];
}

static bool build_layer(const struct build *build, struct fault *fault)
{
    static bool (*const builders[])(const struct build *build, struct fault *fault) = {
        [KERAS_IDLE] = build_bare,           [KERAS_LSTM] = build_lstm,
        [KERAS_EMBEDDING] = build_embedding, [KERAS_MASKING] = build_masking,
        [KERAS_DENSE] = build_dense,         [KERAS_ACTIVATION] = build_activation,
        [KERAS_LAYER_NORM] = build_norm,     [KERAS_BATCH_NORM] = build_norm,
        [KERAS_LAST_STEP] = build_bare,      [KERAS_FLATTEN] = build_bare,
        [KERAS_RESHAPE] = build_reshape,     [KERAS_REPEAT_VECTOR] = build_repeat_vector,
        [KERAS_CONV1D] = build_conv1d,       [KERAS_POOL1D] = build_pool1d,
        [KERAS_GLOBAL_POOL1D] = build_bare,  [KERAS_NORMALIZATION] = build_normalization,
        [KERAS_SQUEEZE] = build_squeeze,
    };
    return builders[build->node->layer.kind](build, fault);
}

static bool add_node(struct build *build, struct fault *fault)
{
    const struct keras_node *node = build->node;
    char *name, *prefix;
    if (asprintf(&name, "%s%s", node->prefix, node->layer.name) < 0)
        return fault_set(fault, 503, "not enough memory for a layer's name");
    if (asprintf(&prefix, "%s.", name) < 0) {
        free(name);
        return fault_set(fault, 503, "not enough memory for a layer's name");
    }
    build->layer = network_add_layer(build->network, type_of(&node->layer), name, prefix);
    free(name);
    free(prefix);
    return build_layer(build, fault);
}

static bool makes_masks(const struct keras_topology *topology)
{
    for (size_t i = 0; i < topology->node_count; i++)
        if (keras_layer_makes_masks(&topology->nodes[i].layer))
            return true;
    return false;
}

/* Is the input reshaped before any weights could tell its size? */
static bool begins_with_reshape(const struct keras_topology *topology)
{
    struct keras_slot slots[KERAS_SLOTS_MAX];
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct keras_layer *layer = &topology->nodes[i].layer;
        if (layer->kind == KERAS_RESHAPE || layer->kind == KERAS_FLATTEN)
            return true;
        if (keras_layer_slots(layer, slots) > 0)
            return false;
    }
    return false;
}

bool keras_network_build(const struct keras_topology *topology, const struct keras_weights *weights,
                         struct network *network, struct fault *fault)
{
    struct build build = {.weights = weights,
                          .version = &topology->version,
                          .theano = topology->theano,
                          .masks = makes_masks(topology),
                          .network = network};
    size_t steps;
    if (!keras_shape_check(topology, &steps, fault))
        return false;
    network_set_bool(network, NETWORK_ROOT, "batch_first", true);
    if (steps > 0)
        network_set_size(network, NETWORK_ROOT, "steps", steps);
    if (topology->input_features > 0 && begins_with_reshape(topology))
        network_set_size(network, NETWORK_ROOT, "input_size", topology->input_features);
    for (size_t i = 0; i < topology->node_count; i++) {
        build.node = &topology->nodes[i];
        if (strcmp(build.node->layer.class_name, "InputLayer") != 0 && !add_node(&build, fault))
            return false;
    }
    return true;
}
