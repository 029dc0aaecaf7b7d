#include "deploy/convert/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "deploy/convert/network_write.h"
#include "proto/excerpt.h"
#include "proto/model_builder.h"
#include "proto/model_config.h"
#include "proto/safetensors.h"

/* The model of the network's first layers, as the daemon would build it; NULL with a fault. */
static struct model *build_head(const struct network *network, size_t layer_count,
                                const struct safetensors *weights, bool *batch_first,
                                struct fault *fault)
{
    struct network head = *network;
    struct blob text;
    struct model_config config;
    struct model *model = NULL;
    head.layer_count = layer_count;
    if (!network_write_config(&head, "model", &text, fault))
        return NULL;
    if (model_config_parse(&config, (const char *)text.bytes, text.size, "model", fault)) {
        model_build(&config, weights, kernel_find(NULL), &model, fault);
        *batch_first = config.batch_first;
        model_config_fini(&config);
    }
    free(text.bytes);
    return model;
}

struct shape_text {
    char text[64];
};

static struct shape_text output_shape(const struct model *model, bool batch_first)
{
    struct shape_text shape;
    snprintf(shape.text, sizeof shape.text, "[%s,%zu]", batch_first ? "B,T" : "T,B",
             model_output_size(model));
    return shape;
}

static const char line_format[] = "%-*s  %-14s %-18s %12s\n";

static bool print_layer(FILE *out, const struct network *network, size_t number, int width,
                        const struct safetensors *weights, struct fault *fault)
{
    const struct network_layer *layer = &network->layers[number];
    bool batch_first = false;
    char parameters[24];
    struct model *model = build_head(network, number + 1, weights, &batch_first, fault);
    if (model == NULL)
        return fault_prefix(fault, "layer '%s'", excerpt_of(layer->name).text);
    snprintf(parameters, sizeof parameters, "%zu", network_layer_parameters(layer));
    fprintf(out, line_format, width, excerpt_of(layer->name).text, layer->type,
            output_shape(model, batch_first).text, parameters);
    model_destroy(model);
    return true;
}

static int name_width(const struct network *network)
{
    size_t width = strlen("layer");
    for (size_t i = 0; i < network->layer_count; i++) {
        const size_t size = strlen(excerpt_of(network->layers[i].name).text);
        if (size > width)
            width = size;
    }
    return (int)width;
}

static bool print_layers(FILE *out, const struct network *network,
                         const struct safetensors *weights, struct fault *fault)
{
    const int width = name_width(network);
    size_t total = 0;
    char parameters[24];
    fprintf(out, line_format, width, "layer", "type", "output", "parameters");
    for (size_t i = 0; i < network->layer_count; i++) {
        if (!print_layer(out, network, i, width, weights, fault))
            return false;
        total += network_layer_parameters(&network->layers[i]);
    }
    snprintf(parameters, sizeof parameters, "%zu", total);
    fprintf(out, line_format, width, "total", "", "", parameters);
    if (network->note != NULL)
        fprintf(out, "%s\n", network->note);
    return true;
}

bool summary_write(const struct network *network, const struct blob *weights, struct blob *summary,
                   struct fault *fault)
{
    struct safetensors tensors;
    char *text = NULL;
    size_t size = 0;
    if (!safetensors_init(&tensors, weights->bytes, weights->size, fault))
        return false;
    FILE *out = open_memstream(&text, &size);
    bool done = out != NULL && print_layers(out, network, &tensors, fault);
    if (out == NULL || fclose(out) != 0)
        done = fault_set(fault, 503, "out of memory for the summary");
    safetensors_fini(&tensors);
    if (!done) {
        free(text);
        return false;
    }
    *summary = (struct blob){.bytes = (unsigned char *)text, .size = size};
    return true;
}
