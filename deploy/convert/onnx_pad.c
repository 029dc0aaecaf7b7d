/* Pad: zeros beside the steps, which a convolution takes for its own. */
#include <inttypes.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"
#include "deploy/convert/onnx_window.h"

static bool check_mode(const struct onnx_call *call)
{
    const OnnxAttribute *mode = onnx_attribute(call, "mode");
    const struct onnx_value *fill = onnx_input(call, 2);
    if (mode != NULL && (mode->s.len != 8 || memcmp(mode->s.data, "constant", 8) != 0))
        return onnx_refuse(call, "mode: constant expected");
    const bool known = fill == NULL || (fill->content == ONNX_FLOATS && fill->elements == 1);
    const double number = known && fill != NULL ? (double)fill->floats[0] : 0;
    return (known && number == 0 && onnx_float(call, "value", 0) == 0) ||
           onnx_refuse(call, "zeros expected");
}

/* For each dimension at its beginning, then for each at its end. */
static bool read_pads(const struct onnx_call *call, size_t rank, size_t pads[2 * ONNX_RANK_MAX])
{
    struct onnx_integers list;
    if (!onnx_integers(call, "pads", 1, &list))
        return false;
    if (onnx_input(call, 3) != NULL || list.list == NULL || list.count != 2 * rank)
        return onnx_refuse(call, "pads: %zu known numbers, without axes, expected", 2 * rank);
    for (size_t i = 0; i < list.count; i++) {
        if (list.list[i].sized || list.list[i].value < 0 ||
            list.list[i].value > (int64_t)ONNX_REACH_MAX)
            return onnx_refuse(call, "pads: 0..%zu expected, got %" PRId64 "%s", ONNX_REACH_MAX,
                               list.list[i].value,
                               list.list[i].sized ? " of a request's size" : "");
        pads[i] = (size_t)list.list[i].value;
    }
    return true;
}

/* The steps stand along the last axis. */
static bool pad_steps(struct onnx_call *call, size_t left, size_t right)
{
    struct onnx_windows windows;
    if (!onnx_windows_begin(&windows, call) || !onnx_windows_input(&windows))
        return false;
    const struct onnx_layer layer = {.kind = ONNX_LAYER_PART,
                                     .part = ONNX_PART_PADDED,
                                     .name = call->name,
                                     .before = windows.before,
                                     .steps = windows.steps + left + right,
                                     .pads = {left, right}};
    const struct onnx_layer *added = onnx_chain_add_layer(
        call->chain, &layer, call->chain->sources[windows.before].width, false, call->fault);
    return added != NULL && onnx_give(call, onnx_windows_places(&windows, added));
}

/* [B,T,C], as TensorFlow has it. */
static bool pad_middle(struct onnx_call *call, size_t left, size_t right)
{
    static const size_t order[] = {0, 2, 1};
    const struct onnx_value *const turned = onnx_turned(call, call->inputs[0], order);
    struct onnx_call inner = *call;
    inner.inputs = &turned;
    inner.input_count = 1;
    return turned != NULL && pad_steps(&inner, left, right) &&
           onnx_give(call, onnx_turned(call, inner.outputs[0], order));
}

static bool pad(struct onnx_call *call, const struct onnx_value *value, const size_t *pads)
{
    const size_t rank = value->rank;
    size_t axis = rank;
    for (size_t i = 0; i < 2 * rank; i++) {
        if (pads[i] == 0)
            continue;
        if (axis != rank && axis != i % rank)
            return onnx_refuse(call,
                               "pads: along one axis expected, got some along axes %zu and "
                               "%zu",
                               axis, i % rank);
        axis = i % rank;
    }
    if (axis == rank)
        return onnx_give(call, value);
    if (rank < 3 || (axis + 1 != rank && (rank != 3 || axis != 1)))
        return onnx_refuse(call,
                           "pads: beside steps of [B,C,T] or [B,T,C] expected, got them "
                           "along axis %zu of %s",
                           axis, onnx_shape_of(value).text);
    return (axis + 1 == rank ? pad_steps : pad_middle)(call, pads[axis], pads[rank + axis]);
}

bool onnx_pad(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    size_t pads[2 * ONNX_RANK_MAX];
    return value != NULL && check_mode(call) && read_pads(call, value->rank, pads) &&
           pad(call, value, pads);
}
