/* Conv: a layer conv1d. */
#include <inttypes.h>

#include "deploy/convert/onnx_operators.h"
#include "deploy/convert/onnx_window.h"

/* W [out,in,size], with a 1 where the value has one. */
static const struct onnx_value *read_weight(struct onnx_windows *windows)
{
    struct onnx_call *call = windows->call;
    const struct onnx_value *value = windows->value, *weight = onnx_need(call, 1);
    if (weight == NULL)
        return NULL;
    const bool fits = weight->content == ONNX_FLOATS && weight->rank == value->rank &&
                      weight->elements > 0 &&
                      (weight->rank == 3 || weight->dims[5 - windows->axis] == 1);
    if (!fits) {
        onnx_refuse(call, "W: known numbers, [out,in,steps], expected, got %s",
                    onnx_shape_of(weight).text);
        return NULL;
    }
    const size_t dims[] = {weight->dims[0], weight->dims[1], weight->dims[windows->axis]};
    return onnx_value_reshape(&call->chain->arena, weight, 3, dims, NULL, call->fault);
}

static bool check_sizes(const struct onnx_windows *windows, const struct onnx_value *weight,
                        const struct onnx_value *bias)
{
    struct onnx_call *call = windows->call;
    const int64_t group = onnx_int(call, "group", 1);
    if (group != 1)
        return onnx_refuse(call, "group: 1 expected, got %" PRId64, group);
    if (windows->window.size != weight->dims[2])
        return onnx_refuse(call, "kernel_shape: %zu expected from W, got %zu", weight->dims[2],
                           windows->window.size);
    if (bias != NULL &&
        (bias->content != ONNX_FLOATS || bias->rank != 1 || bias->elements != weight->dims[0]))
        return onnx_refuse(call, "B: %zu known numbers expected, got %s", weight->dims[0],
                           onnx_shape_of(bias).text);
    onnx_want_width(call, windows->value, 1, weight->dims[1]);
    return windows->value->dims[1] == weight->dims[1] ||
           onnx_refuse(call, "X: %zu features expected from W, got %s", weight->dims[1],
                       onnx_shape_of(windows->value).text);
}

/* Zeros that a Pad has put beside the steps become those of the convolution. */
static bool take_pads(struct onnx_windows *windows)
{
    const struct onnx_layer *layer = windows->call->chain->sources[windows->before].layer;
    if (layer == NULL || layer->kind != ONNX_LAYER_PART || layer->part != ONNX_PART_PADDED)
        return true;
    if (windows->pads != ONNX_PADS)
        return onnx_refuse(windows->call, "auto_pad: NOTSET expected behind a Pad");
    windows->before = layer->before;
    windows->steps = windows->call->chain->sources[layer->before].steps;
    windows->window.pad_left += layer->pads[0];
    windows->window.pad_right += layer->pads[1];
    return true;
}

bool onnx_conv(struct onnx_call *call)
{
    static const char *const paddings[] = {"", "causal", "same", NULL};
    struct onnx_windows windows;
    struct onnx_layer layer = {.kind = ONNX_LAYER_CONV, .bias = onnx_input(call, 2)};
    if (!onnx_windows_begin(&windows, call))
        return false;
    layer.weight = read_weight(&windows);
    return layer.weight != NULL && onnx_windows_read(&windows, layer.weight->dims[2]) &&
           onnx_windows_input(&windows) && check_sizes(&windows, layer.weight, layer.bias) &&
           take_pads(&windows) &&
           onnx_windows_give(&windows, &layer, paddings, layer.weight->dims[0]);
}
