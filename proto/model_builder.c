#include "proto/model_builder.h"

#include <stdalign.h>
#include <stdlib.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/model_plan.h"

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
    struct layer_spec *specs; /* filled up to spec_count */
    size_t spec_count;
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

/* ---- lstm ---- */

static bool read_cell(struct builder *b, const struct layer_plan *layer, size_t l, bool reverse,
                      struct lstm_weights *cell)
{
    const float **const fields[LSTM_PARTS] = {
        [LSTM_WEIGHT_IH] = &cell->weight_ih, [LSTM_WEIGHT_HH] = &cell->weight_hh,
        [LSTM_BIAS_IH] = &cell->bias_ih,     [LSTM_BIAS_HH] = &cell->bias_hh,
        [LSTM_WEIGHT_HR] = &cell->weight_hr, [LSTM_WEIGHT_PEEPHOLE] = &cell->weight_peephole,
    };
    for (enum lstm_part part = 0; part < LSTM_PARTS; part++)
        if (!read_values(
                b, lstm_layout_find(&layer->lstm, layer->config, b->weights, part, l, reverse),
                fields[part]))
            return false;
    return true;
}

/* Activations said once are both directions'. */
static bool read_activations(struct builder *b, const struct layer_plan *layer,
                             struct lstm_spec *spec)
{
    const struct layer_config *config = layer->config;
    if (config->activations_given == 0)
        return true;
    struct lstm_activations *activations = take_memory(b, 2, sizeof *activations);
    if (activations == NULL)
        return false;
    activations[0] = config->activations[0];
    activations[1] = config->activations[config->activations_given - 1];
    spec->activations = activations;
    return true;
}

static bool read_lstm(struct builder *b, const struct layer_plan *layer, struct lstm_spec *spec)
{
    const size_t directions = spec->bidirectional ? 2 : 1;
    const size_t count = spec->num_layers * directions;
    struct lstm_weights *cells = take_memory(b, count, sizeof *cells);
    if (cells == NULL || !read_activations(b, layer, spec))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_cell(b, layer, i / directions, i % directions == 1, &cells[i]))
            return false;
    spec->weights = cells;
    return true;
}

/* ---- the others ---- */

static bool read_norm(struct builder *b, const struct layer_plan *layer, struct norm_spec *spec)
{
    return read_values(b, layer->tensors[PLAN_WEIGHT], &spec->weight) &&
           read_values(b, layer->tensors[PLAN_BIAS], &spec->bias) &&
           read_values(b, layer->tensors[PLAN_MEAN], &spec->running_mean) &&
           read_values(b, layer->tensors[PLAN_VAR], &spec->running_var);
}

/* A variance is no square root's to have when it is negative. */
static bool check_variance(struct builder *b, const struct layer_plan *layer,
                           const struct norm_spec *spec)
{
    for (size_t i = 0; i < spec->features; i++)
        if (!((double)spec->running_var[i] + spec->epsilon > 0))
            return fault_set(b->fault, 400, "%s: element %zu: more than -epsilon expected, got %g",
                             excerpt_of(layer->tensors[PLAN_VAR]->name).text, i,
                             (double)spec->running_var[i]);
    return true;
}

static bool read_weights(struct builder *b, const struct layer_plan *layer, const float **weight,
                         const float **bias)
{
    return read_values(b, layer->tensors[PLAN_WEIGHT], weight) &&
           (bias == NULL || read_values(b, layer->tensors[PLAN_BIAS], bias));
}

static bool read_layer(struct builder *b, const struct layer_plan *layer, struct layer_spec *spec)
{
    switch (spec->type) {
    case LAYER_LSTM:
        return read_lstm(b, layer, &spec->as.lstm);
    case LAYER_DENSE:
        return read_weights(b, layer, &spec->as.dense.weight, &spec->as.dense.bias);
    case LAYER_EMBEDDING:
        return read_weights(b, layer, &spec->as.embedding.weight, NULL);
    case LAYER_CONV1D:
        return read_weights(b, layer, &spec->as.conv1d.weight, &spec->as.conv1d.bias);
    case LAYER_LAYER_NORM:
        return read_norm(b, layer, &spec->as.norm);
    case LAYER_BATCH_NORM:
        return read_norm(b, layer, &spec->as.norm) && check_variance(b, layer, &spec->as.norm);
    default:
        return true;
    }
}

/* ---- the chain ---- */

static bool read_layers(struct builder *b, const struct model_plan *plan)
{
    b->specs = take_memory(b, plan->layer_count, sizeof *b->specs);
    if (b->specs == NULL)
        return false;
    for (size_t i = 0; i < plan->layer_count; i++) {
        const struct layer_plan *layer = &plan->layers[i];
        struct layer_spec *spec = &b->specs[b->spec_count];
        if (!layer->computes)
            continue;
        *spec = layer->spec;
        if (!read_layer(b, layer, spec))
            return false;
        b->spec_count++;
    }
    return true;
}

bool model_build(const struct model_config *config, const struct safetensors *weights,
                 const struct kernel *kernel, struct model **model, struct fault *fault)
{
    struct builder builder = {.config = config, .weights = weights, .fault = fault};
    struct model_plan plan;
    *model = NULL;
    if (!model_plan_init(&plan, config, weights, fault))
        return false;
    if (read_layers(&builder, &plan)) {
        *model = model_create(builder.specs, builder.spec_count, kernel);
        if (*model == NULL)
            fail_memory(&builder);
    }
    free_memory(&builder);
    model_plan_fini(&plan);
    return *model != NULL;
}
