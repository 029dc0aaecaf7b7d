#include "deploy/convert/network.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"

void network_init(struct network *network)
{
    *network = (struct network){.options = cJSON_CreateObject()};
    network->out_of_memory = network->options == NULL;
}

static void layer_fini(struct network_layer *layer)
{
    for (size_t i = 0; i < layer->tensor_count; i++) {
        free(layer->tensors[i].name);
        free(layer->tensors[i].values);
    }
    free(layer->tensors);
    free(layer->type);
    free(layer->name);
    free(layer->prefix);
    cJSON_Delete(layer->options);
}

void network_fini(struct network *network)
{
    for (size_t i = 0; i < network->layer_count; i++)
        layer_fini(&network->layers[i]);
    free(network->layers);
    cJSON_Delete(network->options);
    free(network->notes);
    *network = (struct network){0};
}

size_t network_add_layer(struct network *network, const char *type, const char *name,
                         const char *prefix)
{
    const size_t number = network->layer_count;
    struct network_layer *layers = realloc(network->layers, (number + 1) * sizeof *network->layers);
    if (layers == NULL) {
        network->out_of_memory = true;
        return number;
    }
    network->layers = layers;
    struct network_layer *layer = &layers[network->layer_count++];
    *layer = (struct network_layer){.type = strdup(type),
                                    .name = strdup(name),
                                    .prefix = strdup(prefix),
                                    .options = cJSON_CreateObject()};
    if (layer->type == NULL || layer->name == NULL || layer->prefix == NULL ||
        layer->options == NULL)
        network->out_of_memory = true;
    return number;
}

void network_set_json(struct network *network, size_t layer, const char *key, struct cJSON *json)
{
    bool kept = false;
    if (!network->out_of_memory) {
        assert(layer == NETWORK_ROOT || layer < network->layer_count);
        cJSON *options = layer == NETWORK_ROOT ? network->options : network->layers[layer].options;
        cJSON_DeleteItemFromObjectCaseSensitive(options, key);
        kept = json != NULL && cJSON_AddItemToObject(options, key, json);
    }
    if (!kept) {
        cJSON_Delete(json);
        network->out_of_memory = true;
    }
}

void network_set_bool(struct network *network, size_t layer, const char *key, bool value)
{
    network_set_json(network, layer, key, cJSON_CreateBool(value));
}

void network_set_size(struct network *network, size_t layer, const char *key, size_t value)
{
    network_set_json(network, layer, key, cJSON_CreateNumber((double)value));
}

void network_set_number(struct network *network, size_t layer, const char *key, double value)
{
    network_set_json(network, layer, key, cJSON_CreateNumber(value));
}

void network_set_string(struct network *network, size_t layer, const char *key, const char *value)
{
    network_set_json(network, layer, key, cJSON_CreateString(value));
}

void network_add_note(struct network *network, const char *format, ...)
{
    char *line, *all;
    const char *before = network->notes != NULL ? network->notes : "";
    va_list arguments;
    va_start(arguments, format);
    const bool made = vasprintf(&line, format, arguments) >= 0;
    va_end(arguments);
    if (!made || asprintf(&all, "%s%s\n", before, line) < 0)
        all = NULL;
    if (made)
        free(line);
    free(network->notes);
    network->notes = all;
    network->out_of_memory = network->out_of_memory || all == NULL;
}

static bool shape_elements(size_t rank, const size_t *shape, size_t *elements)
{
    *elements = 1;
    for (size_t i = 0; i < rank; i++)
        if (!checked_mul(*elements, shape[i], elements))
            return false;
    return *elements <= NETWORK_ELEMENTS_MAX;
}

static bool no_memory(struct network *network, const char *tensor, struct fault *fault)
{
    network->out_of_memory = true;
    return fault_set(fault, 503, "out of memory at tensor '%s'", excerpt_of(tensor).text);
}

float *network_add_tensor(struct network *network, size_t layer_number, const char *name,
                          size_t rank, const size_t *shape, struct fault *fault)
{
    struct network_tensor tensor = {.rank = rank};
    assert(rank <= NETWORK_RANK_MAX);
    if (!shape_elements(rank, shape, &tensor.elements)) {
        fault_set(fault, 400, "tensor '%s': at most %zu elements expected", excerpt_of(name).text,
                  NETWORK_ELEMENTS_MAX);
        return NULL;
    }
    if (network->out_of_memory) {
        no_memory(network, name, fault);
        return NULL;
    }
    assert(layer_number < network->layer_count);
    struct network_layer *layer = &network->layers[layer_number];
    struct network_tensor *tensors =
        realloc(layer->tensors, (layer->tensor_count + 1) * sizeof *tensors);
    if (tensors != NULL)
        layer->tensors = tensors;
    tensor.name = strdup(name);
    tensor.values = calloc(tensor.elements > 0 ? tensor.elements : 1, sizeof(float));
    if (tensors == NULL || tensor.name == NULL || tensor.values == NULL) {
        free(tensor.name);
        free(tensor.values);
        no_memory(network, name, fault);
        return NULL;
    }
    for (size_t i = 0; i < rank; i++)
        tensor.shape[i] = shape[i];
    layer->tensors[layer->tensor_count++] = tensor;
    return tensor.values;
}

static bool check_values(const struct network_layer *layer, const struct network_tensor *tensor,
                         struct fault *fault)
{
    for (size_t i = 0; i < tensor->elements; i++)
        if (!isfinite(tensor->values[i]))
            return fault_set(fault, 400,
                             "layer '%s': tensor '%s': a finite float32 expected, element %zu is "
                             "%s",
                             excerpt_of(layer->name).text, excerpt_of(tensor->name).text, i,
                             isnan(tensor->values[i]) ? "NaN" : "infinite");
    return true;
}

bool network_is_whole(const struct network *network, struct fault *fault)
{
    if (network->out_of_memory)
        return fault_set(fault, 503, "out of memory");
    if (network->layer_count == 0)
        return fault_set(fault, 400, "a network expected, found no layer");
    for (size_t i = 0; i < network->layer_count; i++) {
        const struct network_layer *layer = &network->layers[i];
        for (size_t t = 0; t < layer->tensor_count; t++)
            if (!check_values(layer, &layer->tensors[t], fault))
                return false;
    }
    return true;
}
