/* Values whose features are not the last dimension, as around convolutions, [B,C,T]: operators that
 * take each element, or each feature, for itself are run with the features turned to the end. */
#include <string.h>

#include "deploy/convert/onnx_operators.h"

/* Does the next element along the axis have the next feature of the same step? */
static bool counts_features(const struct onnx_value *value, size_t axis)
{
    size_t inner = 1;
    for (size_t i = axis + 1; i < value->rank; i++)
        inner *= value->dims[i];
    const struct onnx_place *first = &value->places[0], *next = first + inner;
    return next->source == first->source && next->step == first->step && next->row == first->row &&
           next->feature == first->feature + 1;
}

/* rank where the one feature has been squeezed. The last one where it cannot be told: what is run
 * will say what is wrong. */
static size_t feature_axis(const struct onnx_chain *chain, const struct onnx_value *value)
{
    const size_t width = chain->sources[value->places[0].source].width;
    for (size_t axis = value->rank; axis-- > 0;)
        if (value->dims[axis] == width && (width == 1 || counts_features(value, axis)))
            return axis;
    return width == 1 && value->rank < ONNX_RANK_MAX ? value->rank : value->rank - 1;
}

/* axis goes to the end; or, back, the end to axis. */
static const struct onnx_value *turn(struct onnx_call *call, const struct onnx_value *value,
                                     size_t axis, bool back)
{
    const size_t last = value->rank - 1;
    size_t order[ONNX_RANK_MAX];
    for (size_t i = 0; i < value->rank; i++)
        order[i] = i < axis ? i : back ? (i == axis ? last : i - 1) : i == last ? axis : i + 1;
    return onnx_turned(call, value, order);
}

/* An operand of fewer dimensions has ones before them. One number alone stays as it is. */
static const struct onnx_value *turn_input(struct onnx_call *call, const struct onnx_value *value,
                                           size_t axis, size_t rank)
{
    size_t dims[ONNX_RANK_MAX];
    bool free[ONNX_RANK_MAX];
    if (value == NULL || value->rank > rank ||
        (value->content != ONNX_PLACES && value->elements == 1))
        return value;
    const size_t lead = rank - value->rank;
    for (size_t i = 0; i < rank; i++) {
        dims[i] = i < lead ? 1 : value->dims[i - lead];
        free[i] = i >= lead && value->free[i - lead];
    }
    const struct onnx_value *wide =
        onnx_value_reshape(&call->chain->arena, value, rank, dims, free, call->fault);
    return wide != NULL ? turn(call, wide, axis, false) : NULL;
}

static bool run_along(struct onnx_call *call, size_t rank, size_t axis, onnx_operator *run)
{
    struct onnx_call turned = *call;
    const struct onnx_value **inputs =
        onnx_arena_take(&call->chain->arena, call->input_count * sizeof(struct onnx_value *));
    if (inputs == NULL)
        return fault_set(call->fault, 503, "out of memory");
    for (size_t i = 0; i < call->input_count; i++) {
        inputs[i] = turn_input(call, call->inputs[i], axis, rank);
        if (inputs[i] == NULL && call->inputs[i] != NULL)
            return false;
    }
    turned.inputs = inputs;
    if (!run(&turned))
        return false;
    const struct onnx_value *output = turned.outputs[0];
    return output->rank != rank ? onnx_refuse(call, "features along axis %zu of %zu", axis, rank)
                                : onnx_give(call, turn(call, output, axis, true));
}

/* [B] of one feature as [B,1]. */
static const struct onnx_value *unsqueeze(struct onnx_call *call, const struct onnx_value *value)
{
    size_t dims[ONNX_RANK_MAX];
    bool free[ONNX_RANK_MAX];
    memcpy(dims, value->dims, sizeof dims);
    memcpy(free, value->free, sizeof free);
    dims[value->rank] = 1;
    free[value->rank] = false;
    return onnx_value_reshape(&call->chain->arena, value, value->rank + 1, dims, free, call->fault);
}

static bool run_squeezed(struct onnx_call *call, size_t rank, onnx_operator *run)
{
    struct onnx_call wide = *call;
    const struct onnx_value **inputs =
        onnx_arena_take(&call->chain->arena, call->input_count * sizeof(struct onnx_value *));
    if (inputs == NULL)
        return fault_set(call->fault, 503, "out of memory");
    for (size_t i = 0; i < call->input_count; i++) {
        const struct onnx_value *value = call->inputs[i];
        const bool widens = value != NULL && value->content == ONNX_PLACES && value->rank == rank;
        inputs[i] = widens ? unsqueeze(call, value) : value;
        if (inputs[i] == NULL && value != NULL)
            return false;
    }
    wide.inputs = inputs;
    if (!run(&wide))
        return false;
    const struct onnx_value *output = wide.outputs[0];
    if (output->rank != rank + 1 || output->dims[rank] != 1)
        return onnx_refuse(call, "features of what comes from a request expected, got %s",
                           onnx_shape_of(output).text);
    return onnx_give(call, onnx_value_reshape(&call->chain->arena, output, rank, output->dims,
                                              output->free, call->fault));
}

bool onnx_features_last(struct onnx_call *call, onnx_operator *run)
{
    for (size_t i = 0; i < call->input_count; i++) {
        const struct onnx_value *value = call->inputs[i];
        if (value == NULL || value->content != ONNX_PLACES || value->rank == 0 ||
            value->elements == 0)
            continue;
        const size_t axis = feature_axis(call->chain, value);
        return axis == value->rank       ? run_squeezed(call, axis, run)
               : axis + 1 == value->rank ? run(call)
                                         : run_along(call, value->rank, axis, run);
    }
    return run(call);
}

bool onnx_give_layer_along(struct onnx_call *call, const struct onnx_value *value, size_t axis,
                           struct onnx_layer *layer)
{
    if (axis + 1 == value->rank)
        return onnx_give_layer(call, value, layer, 0);
    const struct onnx_value *turned = turn(call, value, axis, false);
    return turned != NULL && onnx_give_layer(call, turned, layer, 0) &&
           onnx_give(call, turn(call, call->outputs[0], axis, true));
}
