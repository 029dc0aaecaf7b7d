#include "proto/model_summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_plan.h"

#define LINE_MAX (MODEL_PREFIX_MAX + 160)

static void set_name(struct layer_summary *layer, const struct layer_config *config)
{
    const char *name = config->name;
    if (name[0] == '\0')
        name = config->prefix;
    if (name[0] == '\0')
        name = layer->type;
    snprintf(layer->name, sizeof layer->name, "%s", name);
    const size_t size = strlen(layer->name);
    if (name == config->prefix && layer->name[size - 1] == '.')
        layer->name[size - 1] = '\0';
}

static struct layer_summary summary_of(const struct layer_plan *plan)
{
    struct layer_summary layer = {
        .type = layer_kind_name(plan->config->kind),
        .rank = plan->vector ? 2 : 3,
        .shape = {-1, -1, -1},
        .parameters = plan->parameters,
    };
    set_name(&layer, plan->config);
    if (!plan->vector && plan->steps != 0)
        layer.shape[1] = (int64_t)plan->steps;
    layer.shape[layer.rank - 1] = (int64_t)plan->features;
    return layer;
}

bool model_summary_init(struct model_summary *summary, const struct model_config *config,
                        const struct safetensors *weights, struct fault *fault)
{
    struct model_plan plan;
    *summary = (struct model_summary){0};
    if (!model_plan_init(&plan, config, weights, fault))
        return false;
    summary->layers = calloc(plan.layer_count, sizeof *summary->layers);
    if (summary->layers != NULL)
        summary->layer_count = plan.layer_count;
    for (size_t i = 0; i < summary->layer_count; i++) {
        summary->layers[i] = summary_of(&plan.layers[i]);
        summary->parameters += plan.layers[i].parameters;
    }
    model_plan_fini(&plan);
    return summary->layers != NULL ||
           fault_set(fault, 503, "not enough memory for model '%s'", config->name);
}

void model_summary_fini(struct model_summary *summary)
{
    free(summary->layers);
    *summary = (struct model_summary){0};
}

void model_summary_shape_text(const struct layer_summary *layer, char *out, size_t capacity)
{
    if (layer->rank == 3)
        snprintf(out, capacity, "[%" PRId64 ",%" PRId64 ",%" PRId64 "]", layer->shape[0],
                 layer->shape[1], layer->shape[2]);
    else
        snprintf(out, capacity, "[%" PRId64 ",%" PRId64 "]", layer->shape[0], layer->shape[1]);
}

/* Columns as wide as what stands in them. */
struct widths {
    int name, type, shape;
};

static int wider(int width, const char *text)
{
    return (int)strlen(text) > width ? (int)strlen(text) : width;
}

static struct widths widths_of(const struct model_summary *summary)
{
    struct widths widths = {5, 4, 12};
    for (size_t i = 0; i < summary->layer_count; i++) {
        char shape[MODEL_SUMMARY_SHAPE_MAX];
        model_summary_shape_text(&summary->layers[i], shape, sizeof shape);
        widths.name = wider(widths.name, summary->layers[i].name);
        widths.type = wider(widths.type, summary->layers[i].type);
        widths.shape = wider(widths.shape, shape);
    }
    return widths;
}

char *model_summary_text(const struct model_summary *summary)
{
    const struct widths w = widths_of(summary);
    const size_t capacity = (summary->layer_count + 2) * LINE_MAX;
    char *text = malloc(capacity);
    if (text == NULL)
        return NULL;
    size_t used = (size_t)snprintf(text, capacity, "%-*s  %-*s  %-*s  %12s\n", w.name, "layer",
                                   w.type, "type", w.shape, "output shape", "parameters");
    for (size_t i = 0; i < summary->layer_count; i++) {
        const struct layer_summary *layer = &summary->layers[i];
        char shape[MODEL_SUMMARY_SHAPE_MAX];
        model_summary_shape_text(layer, shape, sizeof shape);
        used += (size_t)snprintf(text + used, capacity - used, "%-*s  %-*s  %-*s  %12" PRIu64 "\n",
                                 w.name, layer->name, w.type, layer->type, w.shape, shape,
                                 layer->parameters);
    }
    snprintf(text + used, capacity - used, "%-*s  %-*s  %-*s  %12" PRIu64 "\n", w.name, "total",
             w.type, "", w.shape, "", summary->parameters);
    return text;
}

static void write_layer(const struct layer_summary *layer, struct json_writer *writer)
{
    json_open_object(writer);
    json_key(writer, "name");
    json_string(writer, layer->name);
    json_key(writer, "type");
    json_string(writer, layer->type);
    json_key(writer, "shape");
    json_open_array(writer);
    for (size_t i = 0; i < layer->rank; i++)
        json_int64(writer, layer->shape[i]);
    json_close_array(writer);
    json_key(writer, "parameters");
    json_uint64(writer, layer->parameters);
    json_close_object(writer);
}

void model_summary_write(const struct model_summary *summary, struct json_writer *writer)
{
    json_open_array(writer);
    for (size_t i = 0; i < summary->layer_count; i++)
        write_layer(&summary->layers[i], writer);
    json_close_array(writer);
}
