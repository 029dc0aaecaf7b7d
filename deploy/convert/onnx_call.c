#include "deploy/convert/onnx_call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"

const struct onnx_value *onnx_input(const struct onnx_call *call, size_t i)
{
    return i < call->input_count ? call->inputs[i] : NULL;
}

const struct onnx_value *onnx_need(const struct onnx_call *call, size_t i)
{
    const struct onnx_value *value = onnx_input(call, i);
    if (value == NULL)
        onnx_refuse(call, "input %zu is missing", i);
    return value;
}

const struct OnnxAttribute *onnx_attribute(const struct onnx_call *call, const char *name)
{
    for (size_t i = 0; i < call->node->n_attribute; i++) {
        const OnnxAttribute *attribute = call->node->attribute[i];
        if (attribute->name != NULL && strcmp(attribute->name, name) == 0)
            return attribute;
    }
    return NULL;
}

int64_t onnx_int(const struct onnx_call *call, const char *name, int64_t otherwise)
{
    const OnnxAttribute *attribute = onnx_attribute(call, name);
    return attribute != NULL ? attribute->i : otherwise;
}

double onnx_float(const struct onnx_call *call, const char *name, double otherwise)
{
    const OnnxAttribute *attribute = onnx_attribute(call, name);
    return attribute != NULL ? (double)attribute->f : otherwise;
}

static bool integers_of_attribute(const struct onnx_call *call, const OnnxAttribute *attribute,
                                  struct onnx_integers *integers)
{
    struct onnx_integer *list =
        onnx_arena_take(&call->chain->arena, attribute->n_ints * sizeof *list);
    if (list == NULL)
        return fault_set(call->fault, 503, "out of memory");
    for (size_t i = 0; i < attribute->n_ints; i++)
        list[i].value = attribute->ints[i];
    *integers = (struct onnx_integers){list, attribute->n_ints};
    return true;
}

bool onnx_integers(const struct onnx_call *call, const char *name, size_t i,
                   struct onnx_integers *integers)
{
    const OnnxAttribute *attribute = onnx_attribute(call, name);
    const struct onnx_value *value = onnx_input(call, i);
    *integers = (struct onnx_integers){0};
    if (attribute != NULL)
        return integers_of_attribute(call, attribute, integers);
    if (i == 0 || value == NULL)
        return true;
    if (value->content != ONNX_INTEGERS || value->rank > 1)
        return onnx_refuse(call, "%s: numbers that are known expected as input %zu", name, i);
    *integers = (struct onnx_integers){value->integers, value->elements};
    return true;
}

/* Are all features of one step along the axis? */
static bool has_features(const struct onnx_value *value, size_t axis, size_t width)
{
    size_t inner = 1;
    for (size_t i = axis + 1; i < value->rank; i++)
        inner *= value->dims[i];
    bool all = value->dims[axis] == width;
    for (size_t f = 0; all && f < width; f++)
        all = value->places[f * inner].feature == f;
    return all;
}

/* Does the layer look at each feature for itself, with no weights that say how many there are? */
static bool has_any_width(const struct onnx_layer *layer)
{
    return layer->kind == ONNX_LAYER_ACTIVATION || layer->kind == ONNX_LAYER_MAX_WINDOWS ||
           layer->kind == ONNX_LAYER_AVERAGE_WINDOWS;
}

void onnx_want_width(const struct onnx_call *call, const struct onnx_value *value, size_t axis,
                     size_t width)
{
    if (value->content != ONNX_PLACES || value->elements == 0)
        return;
    const struct onnx_source *source = &call->chain->sources[value->places[0].source];
    while (source->layer != NULL && has_any_width(source->layer))
        source = &call->chain->sources[source->layer->before];
    if (source->kind == ONNX_SOURCE_INPUT && !source->whole_numbers &&
        has_features(value, axis, source->width))
        *call->wanted_width = width;
}

bool onnx_axis(const struct onnx_call *call, int64_t axis, size_t rank, size_t *result)
{
    const int64_t count = (int64_t)rank;
    if (axis < -count || axis >= count)
        return onnx_refuse(call, "axis %" PRId64 " of a value of %zu dimensions", axis, rank);
    *result = (size_t)(axis < 0 ? axis + count : axis);
    return true;
}

bool onnx_refuse(const struct onnx_call *call, const char *format, ...)
{
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fault_set(call->fault, 400, "%s", text);
}

bool onnx_give(struct onnx_call *call, const struct onnx_value *value)
{
    call->outputs[0] = value;
    return value != NULL;
}

bool onnx_give_layer(struct onnx_call *call, const struct onnx_value *value,
                     struct onnx_layer *layer, size_t width)
{
    struct onnx_features features;
    if (!onnx_chain_features(call->chain, value, &features, call->fault))
        return false;
    const struct onnx_source source = call->chain->sources[features.source];
    layer->name = call->name;
    layer->before = features.source;
    const struct onnx_layer *added = onnx_chain_add_layer(
        call->chain, layer, width != 0 ? width : source.width, source.vector, call->fault);
    return added != NULL && onnx_give(call, onnx_chain_places(call->chain, value, &features,
                                                              added->after, call->fault));
}
