#include "deploy/convert/keras_graph.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/keras_class.h"
#include "deploy/convert/keras_layer.h"
#include "deploy/convert/keras_mask.h"
#include "deploy/convert/keras_operation.h"
#include "deploy/convert/keras_reference.h"
#include "deploy/convert/keras_slicing.h"
#include "proto/config_json.h"
#include "proto/excerpt.h"

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
    return strcmp(keras_class_of(model), "Sequential") == 0;
}

bool keras_graph_is_model(const struct cJSON *layer)
{
    const char *name = keras_class_of(layer);
    return is_sequential(layer) || strcmp(name, "Model") == 0 || strcmp(name, "Functional") == 0;
}

static bool fail(struct fault *fault, const cJSON *model, const char *text)
{
    return fault_set(fault, 400, "%.48s %s: %s", keras_class_of(model),
                     excerpt_of(name_of(model)).text, text);
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

size_t keras_graph_index(const struct cJSON *layers, const struct cJSON *layer)
{
    size_t index = 0;
    for (const cJSON *other = layers->child; other != layer; other = other->next)
        index++;
    return index;
}

/* ---- references ---- */

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
        struct keras_reference reference;
        if (!keras_reference_read(item, &reference))
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
    struct keras_reference reference;
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(model, "config");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(config, "input_layers");
    if (!cJSON_IsArray(list) || list->child == NULL)
        return fail(fault, model, "a list expected in input_layers");
    if (reference_count(list) != 1)
        return fault_set(fault, 400, "%.48s %s.input_layers: one input expected, got %zu",
                         keras_class_of(model), excerpt_of(name_of(model)).text,
                         reference_count(list));
    if (!keras_reference_read(first_reference(list), &reference))
        return fail(fault, model, "input_layers cannot be read");
    *layer = reference.layer;
    return true;
}

/* ---- calls: how a layer was applied ---- */

/* Whether a layer trains Keras 3 tells it anew when it predicts, whatever it was called with;
 * before Keras 3 the call is what counts: Dropout(0.5)(x, training=True) draws in predict too. */
static bool check_training(const struct keras_call *call, const cJSON *training,
                           struct fault *fault)
{
    char place[EXCERPT_MAX + 80];
    if (call->is_keras3 || cJSON_IsFalse(training))
        return true;
    snprintf(place, sizeof place, "%.48s %s: called with training", keras_class_of(call->layer),
             excerpt_of(name_of(call->layer)).text);
    return config_json_refuse(training, place, "", "false", fault);
}

/* Arguments by name; null is as if it were not given. read_apart is one that is looked at
 * elsewhere, or NULL. */
static bool check_arguments(const struct keras_call *call, const cJSON *arguments,
                            const char *read_apart, struct fault *fault)
{
    for (const cJSON *item = arguments == NULL ? NULL : arguments->child; item != NULL;
         item = item->next) {
        if (cJSON_IsNull(item) || (read_apart != NULL && strcmp(item->string, read_apart) == 0))
            continue;
        if (strcmp(item->string, "training") != 0)
            return fault_set(fault, 400, "%.48s %s: called with %s, which cannot be expressed",
                             keras_class_of(call->layer), excerpt_of(name_of(call->layer)).text,
                             excerpt_of(item->string).text);
        if (!check_training(call, item, fault))
            return false;
    }
    return true;
}

static bool fail_inputs(const cJSON *layer, size_t found, struct fault *fault)
{
    return fault_set(fault, 400, "%.48s %s: one input expected, got %zu", keras_class_of(layer),
                     excerpt_of(name_of(layer)).text, found);
}

/* Keras 3: {"args": [TENSOR], "kwargs": {...}}; slicing has a second argument, which
 * keras_slicing.c reads. */
static bool read_call_object(struct keras_call *call, const cJSON *json,
                             struct keras_reference *source, struct fault *fault)
{
    const cJSON *layer = call->layer;
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(json, "args");
    const cJSON *named = cJSON_GetObjectItemCaseSensitive(json, "kwargs");
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(named, "mask");
    if (cJSON_GetArraySize(inputs) == 1 && cJSON_IsArray(inputs->child))
        inputs = inputs->child;
    if (cJSON_GetArraySize(inputs) != (keras_slicing_is_layer(keras_class_of(layer)) ? 2 : 1))
        return fail_inputs(layer, (size_t)cJSON_GetArraySize(inputs), fault);
    if (!keras_reference_of_tensor(inputs->child, source))
        return fail(fault, layer, "its input cannot be read");
    call->mask_is_none = cJSON_IsNull(given);
    call->mask = call->mask_is_none ? NULL : given;
    return check_arguments(call, named, "mask", fault);
}

/* Keras 1 and 2: [["lstm_1", 0, 0, {...}]], or that without the outer list. */
static bool read_call_list(struct keras_call *call, const cJSON *json,
                           struct keras_reference *source, struct fault *fault)
{
    const cJSON *layer = call->layer;
    if (json->child == NULL || reference_count(json) != 1)
        return fail_inputs(layer, json->child == NULL ? 0 : reference_count(json), fault);
    const cJSON *item = first_reference(json);
    const cJSON *named = cJSON_GetArrayItem(item, 3);
    call->mask_is_none = cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(named, "mask"));
    if (!keras_reference_read(item, source))
        return fail(fault, layer, "its input cannot be read");
    return check_arguments(
        call, named, keras_slicing_is_layer(keras_class_of(layer)) ? "slice_spec" : NULL, fault);
}

/* Of a function, which reads its other arguments itself. */
static bool read_operation(const cJSON *layer, struct keras_reference *source, struct fault *fault)
{
    return keras_operation_input(layer, source) ||
           fail(fault, layer, "called on one tensor, and at most a number beside it, expected");
}

/* Of call->layer; call->mask becomes the argument, not yet the layer that makes it. */
static bool read_call(struct keras_call *call, struct keras_reference *source, struct fault *fault)
{
    const cJSON *layer = call->layer;
    const cJSON *calls = cJSON_GetObjectItemCaseSensitive(layer, "inbound_nodes");
    const int count = cJSON_GetArraySize(calls);
    if (count != 1)
        return fault_set(fault, 400, "%.48s %s: used once expected, got %d times",
                         keras_class_of(layer), excerpt_of(name_of(layer)).text, count);
    call->is_keras3 = !cJSON_IsArray(calls->child);
    if (keras_operation_is_layer(layer) && !keras_slicing_is_layer(keras_class_of(layer)))
        return read_operation(layer, source, fault);
    if (!call->is_keras3)
        return read_call_list(call, calls->child, source, fault);
    return read_call_object(call, calls->child, source, fault);
}

/* ---- paths ---- */

/* From the output layer back to the input layer, into path from its end; then moved to its begin.
 */
static bool walk_back(const cJSON *model, const cJSON *layers, struct keras_path *path,
                      struct fault *fault)
{
    const char *input = NULL, *name = NULL;
    if (!read_input(model, &input, fault) || !read_outputs(model, &name, &path->outputs, fault))
        return false;
    for (size_t at = path->count; at > 0; at--) {
        struct keras_reference source;
        struct keras_call *call = &path->calls[at - 1];
        *call = (struct keras_call){.layer = keras_reference_find(layers, name), .model = model};
        if (call->layer == NULL)
            return fail(fault, model, "its graph names a layer that is not in it");
        if (strcmp(name, input) == 0) {
            path->count -= at - 1;
            memmove(path->calls, call, path->count * sizeof *call);
            return true;
        }
        if (!read_call(call, &source, fault))
            return false;
        if (source.output != 0)
            return fail(fault, call->layer,
                        "its input is a state of the layer before, not its output");
        name = source.layer;
    }
    return fail(fault, model, "a single path from input to output expected in its graph");
}

/* ---- masks, and what else stands beside the path ---- */

/* What comes behind the layer called name, which is given what that puts out; NULL for nothing. */
static const cJSON *behind(const struct keras_path *path, const cJSON *layers, const char *name)
{
    const cJSON *layer = keras_reference_find(layers, name);
    for (size_t i = 0; i + 1 < path->count; i++)
        if (path->calls[i].layer == layer)
            return path->calls[i + 1].layer;
    return NULL;
}

/* From the argument to the layer that makes the mask. seen, one for each of layers: the mask's
 * operations are accounted for. */
static bool find_mask(const struct keras_path *path, const cJSON *layers, struct keras_call *call,
                      bool *seen, struct fault *fault)
{
    struct keras_mask mask;
    const cJSON *maker = NULL;
    if (keras_mask_read(call->mask, layers, &mask))
        maker = behind(path, layers, mask.of.layer);
    if (maker == NULL || !keras_mask_is_made_by(&mask, maker))
        return fail(fault, call->layer,
                    "called with a mask that no Embedding or Masking before it makes, which cannot "
                    "be expressed");
    call->mask = maker;
    seen[keras_graph_index(layers, mask.not_equal)] = true;
    if (mask.any != NULL)
        seen[keras_graph_index(layers, mask.any)] = true;
    return true;
}

/* All layers are on the path, or make a mask that one of it is called with. */
static bool check_beside(const cJSON *model, const cJSON *layers, struct keras_path *path,
                         bool *seen, struct fault *fault)
{
    size_t beside = 0;
    for (size_t i = 0; i < path->count; i++) {
        seen[keras_graph_index(layers, path->calls[i].layer)] = true;
        if (path->calls[i].mask != NULL && !find_mask(path, layers, &path->calls[i], seen, fault))
            return false;
    }
    for (size_t i = 0; i < (size_t)cJSON_GetArraySize(layers); i++)
        beside += !seen[i];
    return beside == 0 ||
           fault_set(fault, 400,
                     "%.48s %s: a single path of layers expected, got %zu layers beside it",
                     keras_class_of(model), excerpt_of(name_of(model)).text, beside);
}

static bool read_graph(const cJSON *model, const cJSON *layers, struct keras_path *path,
                       struct fault *fault)
{
    bool *seen = calloc(path->count, sizeof *seen);
    if (seen == NULL)
        return fault_set(fault, 503, "not enough memory for the model's layers");
    const bool read =
        walk_back(model, layers, path, fault) && check_beside(model, layers, path, seen, fault);
    free(seen);
    return read;
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
    path->calls = calloc(path->count, sizeof *path->calls);
    if (path->calls == NULL)
        return fault_set(fault, 503, "not enough memory for the model's layers");
    if (!is_sequential(model)) {
        if (read_graph(model, layers, path, fault))
            return true;
        free(path->calls);
        return false;
    }
    cJSON_ArrayForEach(layer, layers) path->calls[i++] =
        (struct keras_call){.layer = layer, .model = model};
    return true;
}
