#include "proto/model_builder.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/lstm_layout.h"

/* Memory that lives until the model is built. */
struct block {
    struct block *next;
    alignas(max_align_t) unsigned char bytes[];
};

struct builder {
    const struct model_config *config;
    const struct safetensors *weights;
    struct fault *fault;
    struct block *blocks;
    struct layer_spec *specs; /* [config->layer_count], filled up to spec_count */
    size_t spec_count;
    size_t width;            /* floats per step after the last layer; 0: not known yet */
    const char *width_place; /* of the layer that said so */
};

static bool fail_memory(struct builder *b)
{
    return fault_set(b->fault, 503, "not enough memory for model '%s'", b->config->name);
}

/* count elements of size bytes; NULL with a fault. */
static void *take_memory(struct builder *b, size_t count, size_t size)
{
    size_t bytes;
    struct block *block = NULL;
    if (checked_mul(count, size, &bytes) && checked_add(bytes, sizeof *block, &bytes))
        block = malloc(bytes);
    if (block == NULL) {
        fail_memory(b);
        return NULL;
    }
    block->next = b->blocks;
    b->blocks = block;
    return block->bytes;
}

static void free_memory(struct builder *b)
{
    while (b->blocks != NULL) {
        struct block *next = b->blocks->next;
        free(b->blocks);
        b->blocks = next;
    }
}

/* The tensor's numbers as floats; *values is NULL when there is no tensor. */
static bool read_values(struct builder *b, const struct safetensors_tensor *tensor,
                        const float **values)
{
    *values = NULL;
    if (tensor == NULL)
        return true;
    float *floats = take_memory(b, tensor->elements, sizeof *floats);
    if (floats == NULL || !safetensors_read_f32(tensor, floats, b->fault))
        return false;
    *values = floats;
    return true;
}

/* The next layer takes in floats per step, as first_weight says, and gives out. */
static bool connect(struct builder *b, const struct layer_config *layer,
                    const struct safetensors_tensor *first_weight, size_t in, size_t out)
{
    if (b->width != 0 && b->width != in) {
        char shape[SAFETENSORS_SHAPE_TEXT_MAX];
        safetensors_shape_text(first_weight, shape, sizeof shape);
        return fault_set(
            b->fault, 400, "%s: an input of size %zu expected from %s, got %zu from %s %s",
            layer->place, b->width, b->width_place, in, excerpt_of(first_weight->name).text, shape);
    }
    if (b->width == 0) /* what stands before the first weights has its width from them */
        for (size_t i = 0; i < b->spec_count; i++)
            b->specs[i].as.activation.features = in;
    b->width = out;
    b->width_place = layer->place;
    return true;
}

/* ---- lstm ---- */

static bool read_cell(struct builder *b, const struct lstm_layout *layout,
                      const struct layer_config *config, size_t layer, bool reverse,
                      struct lstm_weights *cell)
{
    const float **const fields[LSTM_PARTS] = {
        [LSTM_WEIGHT_IH] = &cell->weight_ih, [LSTM_WEIGHT_HH] = &cell->weight_hh,
        [LSTM_BIAS_IH] = &cell->bias_ih,     [LSTM_BIAS_HH] = &cell->bias_hh,
        [LSTM_WEIGHT_HR] = &cell->weight_hr,
    };
    for (enum lstm_part part = 0; part < LSTM_PARTS; part++)
        if (!read_values(b, lstm_layout_find(layout, config, b->weights, part, layer, reverse),
                         fields[part]))
            return false;
    return true;
}

static bool add_lstm(struct builder *b, const struct layer_config *config)
{
    struct lstm_layout layout;
    if (!lstm_layout_infer(&layout, config, b->weights, b->fault))
        return false;
    const size_t directions = layout.bidirectional ? 2 : 1;
    const size_t out = layout.proj_size > 0 ? layout.proj_size : layout.hidden_size;
    if (!connect(b, config, lstm_layout_find(&layout, config, b->weights, LSTM_WEIGHT_IH, 0, false),
                 layout.input_size, directions * out))
        return false;
    const size_t count = layout.num_layers * directions;
    struct lstm_weights *cells = take_memory(b, count, sizeof *cells);
    if (cells == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_cell(b, &layout, config, i / directions, i % directions == 1, &cells[i]))
            return false;
    b->specs[b->spec_count++] = (struct layer_spec){
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = layout.input_size,
                    .hidden_size = layout.hidden_size,
                    .num_layers = layout.num_layers,
                    .proj_size = layout.proj_size,
                    .bidirectional = layout.bidirectional,
                    .weights = cells},
    };
    return true;
}

/* ---- dense ---- */

static const struct safetensors_tensor *
find_dense(const struct builder *b, const struct layer_config *config, const char *part, char *name)
{
    const int size = snprintf(name, SAFETENSORS_NAME_MAX, "%s%s", config->prefix, part);
    assert(size > 0 && size < SAFETENSORS_NAME_MAX);
    return safetensors_find(b->weights, name);
}

/* [units,in], or a convolution's of width 1, [units,in,1]. */
static bool check_dense_weight(struct builder *b, const struct layer_config *config,
                               const struct safetensors_tensor *weight)
{
    char shape[SAFETENSORS_SHAPE_TEXT_MAX];
    safetensors_shape_text(weight, shape, sizeof shape);
    const bool matrix = weight->rank == 2 || (weight->rank == 3 && weight->shape[2] == 1);
    if (!matrix || weight->elements == 0)
        return fault_set(b->fault, 400, "%s: [units,features] expected, got %s",
                         excerpt_of(weight->name).text, shape);
    if (config->units.given && config->units.value != weight->shape[0])
        return fault_set(b->fault, 400, "%s.units: %zu expected from %s %s, got %zu", config->place,
                         weight->shape[0], excerpt_of(weight->name).text, shape,
                         config->units.value);
    return true;
}

/* bias is NULL when there is none, name the one it has or would have. */
static bool check_dense_bias(struct builder *b, const struct layer_config *config, size_t units,
                             const struct safetensors_tensor *bias, const char *name)
{
    if (config->bias.given && config->bias.value != (bias != NULL))
        return fault_set(b->fault, 400, "%s.bias: %s expected, as there is %s%s, got %s",
                         config->place, bias != NULL ? "true" : "false", bias != NULL ? "" : "no ",
                         excerpt_of(name).text, config->bias.value ? "true" : "false");
    if (bias != NULL && (bias->rank != 1 || bias->shape[0] != units)) {
        char shape[SAFETENSORS_SHAPE_TEXT_MAX];
        safetensors_shape_text(bias, shape, sizeof shape);
        return fault_set(b->fault, 400, "%s: [%zu] expected, got %s", excerpt_of(name).text, units,
                         shape);
    }
    return true;
}

static bool add_dense(struct builder *b, const struct layer_config *config)
{
    char weight_name[SAFETENSORS_NAME_MAX], bias_name[SAFETENSORS_NAME_MAX];
    const struct safetensors_tensor *weight = find_dense(b, config, "weight", weight_name);
    const struct safetensors_tensor *bias = find_dense(b, config, "bias", bias_name);
    if (weight == NULL)
        return fault_set(b->fault, 400, "%s: tensor '%s' is missing", config->place,
                         excerpt_of(weight_name).text);
    const size_t units = weight->shape[0], in = weight->shape[1];
    if (!check_dense_weight(b, config, weight) ||
        !check_dense_bias(b, config, units, bias, bias_name) ||
        !connect(b, config, weight, in, units))
        return false;
    struct dense_spec dense = {
        .in_features = in, .out_features = units, .activation = config->activation};
    if (!read_values(b, weight, &dense.weight) || !read_values(b, bias, &dense.bias))
        return false;
    b->specs[b->spec_count++] = (struct layer_spec){.type = LAYER_DENSE, .as.dense = dense};
    return true;
}

/* ---- the chain ---- */

static bool add_activation(struct builder *b, const struct layer_config *config)
{
    b->specs[b->spec_count++] = (struct layer_spec){
        .type = LAYER_ACTIVATION,
        .as.activation = {.features = b->width, .activation = config->activation},
    };
    return true;
}

static bool add_layer(struct builder *b, const struct layer_config *config)
{
    switch (config->kind) {
    case LAYER_KIND_LSTM:
        return add_lstm(b, config);
    case LAYER_KIND_DENSE:
        return add_dense(b, config);
    case LAYER_KIND_ACTIVATION:
        return add_activation(b, config);
    case LAYER_KIND_DROPOUT: /* does something in training only */
        return true;
    }
    assert(false);
    return false;
}

static bool add_layers(struct builder *b)
{
    b->specs = take_memory(b, b->config->layer_count, sizeof *b->specs);
    if (b->specs == NULL)
        return false;
    for (size_t i = 0; i < b->config->layer_count; i++)
        if (!add_layer(b, &b->config->layers[i]))
            return false;
    if (b->width == 0)
        return fault_set(b->fault, 400, "layers: a layer with weights, lstm or dense, expected");
    return true;
}

bool model_build(const struct model_config *config, const struct safetensors *weights,
                 const struct kernel *kernel, struct model **model, struct fault *fault)
{
    struct builder builder = {.config = config, .weights = weights, .fault = fault};
    *model = NULL;
    if (add_layers(&builder)) {
        *model = model_create(builder.specs, builder.spec_count, kernel);
        if (*model == NULL)
            fail_memory(&builder);
    }
    free_memory(&builder);
    return *model != NULL;
}
