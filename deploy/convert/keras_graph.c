#include "deploy/convert/keras_graph.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/keras_layer.h"
#include "deploy/convert/keras_slicing.h"
#include "proto/excerpt.h"

/* One tensor: which output of which layer. */
struct reference {
    const char *layer;
    size_t output;
};

static const char *class_of(const cJSON *layer)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(layer, "class_name");
    return cJSON_IsString(name) ? name->valuestring : "";
}

/* For texts; "" when there is none. */
static const char *name_of(const cJSON *layer)
{
    struct fault unused;
    const char *class_name, *name = "";
    keras_layer_names(layer, &class_name, &name, &unused);
    return name;
}

static bool is_sequential(const cJSON *model)
{
    return strcmp(class_of(model), "Sequential") == 0;
}

bool keras_graph_is_model(const struct cJSON *layer)
{
    const char *name = class_of(layer);
    return is_sequential(layer) || strcmp(name, "Model") == 0 || strcmp(name, "Functional") == 0;
}

static bool fail(struct fault *fault, const cJSON *model, const char *text)
{
    return fault_set(fault, 400, "%.48s %s: %s", class_of(model), excerpt_of(name_of(model)).text,
                     text);
}

const struct cJSON *keras_graph_layers(const struct cJSON *model, struct fault *fault)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(model, "config");
    /* Up to Keras 2.2 a Sequential's config is the bare list. */
    const cJSON *layers =
        cJSON_IsArray(config) ? config : cJSON_GetObjectItemCaseSensitive(config, "layers");
    if (cJSON_IsArray(layers) && layers->child != NULL)
        return layers;
    fail(fault, model, "a list of layers expected in its config");
    return NULL;
}

/* ---- references ---- */

/* ["lstm_1", 0, 2, ...]: layer, node, output. */
static bool read_reference(const cJSON *item, struct reference *reference)
{
    const cJSON *output = cJSON_GetArrayItem(item, 2);
    if (!cJSON_IsArray(item) || !cJSON_IsString(item->child) || !cJSON_IsNumber(output) ||
        !(output->valuedouble >= 0 && output->valuedouble < 1024))
        return false;
    *reference = (struct reference){item->child->valuestring, (size_t)output->valuedouble};
    return true;
}

/* A list of references, or where there is but one perhaps that alone. */
static const cJSON *first_reference(const cJSON *list)
{
    return cJSON_IsArray(list) && cJSON_IsString(list->child) ? list : list->child;
}

static size_t reference_count(const cJSON *list)
{
    return cJSON_IsString(list->child) ? 1 : (size_t)cJSON_GetArraySize(list);
}

/* The model's outputs: the first ones of one layer, in order. */
static bool read_outputs(const cJSON *model, const char **layer, size_t *count, struct fault *fault)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(model, "config");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(config, "output_layers");
    if (!cJSON_IsArray(list) || list->child == NULL)
        return fail(fault, model, "a list expected in output_layers");
    *count = reference_count(list);
    const cJSON *item = first_reference(list);
    for (size_t i = 0; i < *count; i++, item = item->next) {
        struct reference reference;
        if (!read_reference(item, &reference))
            return fail(fault, model, "output_layers cannot be read");
        if (i == 0)
            *layer = reference.layer;
        if (strcmp(*layer, reference.layer) != 0 || reference.output != i)
            return fail(fault, model,
                        "one output, or all those of one layer in order, expected in "
                        "output_layers");
    }
    return true;
}

static bool read_input(const cJSON *model, const char **layer, struct fault *fault)
{
    struct reference reference;
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(model, "config");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(config, "input_layers");
    if (!cJSON_IsArray(list) || list->child == NULL)
        return fail(fault, model, "a list expected in input_layers");
    if (reference_count(list) != 1)
        return fault_set(fault, 400, "%.48s %s.input_layers: one input expected, got %zu",
                         class_of(model), excerpt_of(name_of(model)).text, reference_count(list));
    if (!read_reference(first_reference(list), &reference))
        return fail(fault, model, "input_layers cannot be read");
    *layer = reference.layer;
    return true;
}

/* ---- calls: how a layer was applied ---- */

/* Arguments by name: whether it trains, and masks that are not given, change nothing. read_apart is
 * one that the layer's own parser looks at, or NULL. */
static bool check_arguments(const cJSON *layer, const cJSON *arguments, const char *read_apart,
                            struct fault *fault)
{
    for (const cJSON *item = arguments == NULL ? NULL : arguments->child; item != NULL;
         item = item->next)
        if (!cJSON_IsNull(item) && strcmp(item->string, "training") != 0 &&
            (read_apart == NULL || strcmp(item->string, read_apart) != 0))
            return fault_set(fault, 400, "%.48s %s: called with %s, which cannot be expressed",
                             class_of(layer), excerpt_of(name_of(layer)).text,
                             excerpt_of(item->string).text);
    return true;
}

static bool fail_inputs(const cJSON *layer, size_t found, struct fault *fault)
{
    return fault_set(fault, 400, "%.48s %s: one input expected, got %zu", class_of(layer),
                     excerpt_of(name_of(layer)).text, found);
}

/* Keras 3: {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": [...]}}],
 * "kwargs": {...}}; slicing has a second argument, which keras_slicing.c reads. */
static bool read_call_object(const cJSON *layer, const cJSON *call, struct reference *source,
                             struct fault *fault)
{
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(call, "args");
    if (cJSON_GetArraySize(inputs) == 1 && cJSON_IsArray(inputs->child))
        inputs = inputs->child;
    if (cJSON_GetArraySize(inputs) != (keras_slicing_is_layer(class_of(layer)) ? 2 : 1))
        return fail_inputs(layer, (size_t)cJSON_GetArraySize(inputs), fault);
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(inputs->child, "config");
    if (!read_reference(cJSON_GetObjectItemCaseSensitive(config, "keras_history"), source))
        return fail(fault, layer, "its input cannot be read");
    return check_arguments(layer, cJSON_GetObjectItemCaseSensitive(call, "kwargs"), NULL, fault);
}

/* Keras 1 and 2: [["lstm_1", 0, 0, {...}]], or that without the outer list. */
static bool read_call_list(const cJSON *layer, const cJSON *call, struct reference *source,
                           struct fault *fault)
{
    if (call->child == NULL || reference_count(call) != 1)
        return fail_inputs(layer, call->child == NULL ? 0 : reference_count(call), fault);
    const cJSON *item = first_reference(call);
    if (!read_reference(item, source))
        return fail(fault, layer, "its input cannot be read");
    return check_arguments(layer, cJSON_GetArrayItem(item, 3),
                           keras_slicing_is_layer(class_of(layer)) ? "slice_spec" : NULL, fault);
}

static bool read_call(const cJSON *layer, struct reference *source, struct fault *fault)
{
    const cJSON *calls = cJSON_GetObjectItemCaseSensitive(layer, "inbound_nodes");
    const int count = cJSON_GetArraySize(calls);
    if (count != 1)
        return fault_set(fault, 400, "%.48s %s: used once expected, got %d times", class_of(layer),
                         excerpt_of(name_of(layer)).text, count);
    if (cJSON_IsArray(calls->child))
        return read_call_list(layer, calls->child, source, fault);
    return read_call_object(layer, calls->child, source, fault);
}

/* ---- paths ---- */

static const cJSON *find_layer(const cJSON *layers, const char *name)
{
    const cJSON *layer;
    cJSON_ArrayForEach(layer, layers)
    {
        const cJSON *own = cJSON_GetObjectItemCaseSensitive(layer, "name");
        if (strcmp(cJSON_IsString(own) ? own->valuestring : name_of(layer), name) == 0)
            return layer;
    }
    return NULL;
}

/* From the output layer back to the input layer, into path from its end. */
static bool walk_back(const cJSON *model, const cJSON *layers, struct keras_path *path,
                      struct fault *fault)
{
    const char *input = NULL, *name = NULL;
    if (!read_input(model, &input, fault) || !read_outputs(model, &name, &path->outputs, fault))
        return false;
    for (size_t at = path->count; at > 0; at--) {
        struct reference source;
        const cJSON *layer = find_layer(layers, name);
        if (layer == NULL)
            return fail(fault, model, "its graph names a layer that is not in it");
        path->layers[at - 1] = layer;
        if (strcmp(name, input) == 0)
            return at == 1 || fault_set(fault, 400,
                                        "%.48s %s: a single path of layers expected, got %zu "
                                        "layers beside it",
                                        class_of(model), excerpt_of(name_of(model)).text, at - 1);
        if (!read_call(layer, &source, fault))
            return false;
        if (source.output != 0)
            return fail(fault, layer, "its input is a state of the layer before, not its output");
        name = source.layer;
    }
    return fail(fault, model, "a single path from input to output expected in its graph");
}

bool keras_graph_path(const struct cJSON *model, struct keras_path *path, struct fault *fault)
{
    size_t i = 0;
    const cJSON *layers = keras_graph_layers(model, fault), *layer;
    if (layers == NULL)
        return false;
    *path = (struct keras_path){.count = (size_t)cJSON_GetArraySize(layers),
                                .outputs = KERAS_OUTPUTS_ALL};
    if (path->count > KERAS_LAYERS_MAX)
        return fail(fault, model, "at most 1024 layers expected");
    path->layers = calloc(path->count, sizeof *path->layers);
    if (path->layers == NULL)
        return fault_set(fault, 503, "not enough memory for the model's layers");
    if (!is_sequential(model)) {
        if (walk_back(model, layers, path, fault))
            return true;
        free(path->layers);
        return false;
    }
    cJSON_ArrayForEach(layer, layers) path->layers[i++] = layer;
    return true;
}
