/* A row's steps made one: the mean, or the largest, of each feature. */
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"

/* Along that axis stand all steps of a row, in order; everything else stays where it is. */
static bool runs_over_steps(const struct onnx_call *call, const struct onnx_value *value,
                            size_t axis)
{
    size_t inner = 1;
    for (size_t i = axis + 1; i < value->rank; i++)
        inner *= value->dims[i];
    const struct onnx_source *source = &call->chain->sources[value->places[0].source];
    const size_t steps = source->steps;
    if (value->dims[axis] != steps || source->kind != ONNX_SOURCE_LAYER || source->vector)
        return false;
    for (size_t i = 0; i < value->elements; i++) {
        const size_t step = i / inner % steps;
        const struct onnx_place *at = &value->places[i], *first = at - step * inner;
        if (at->source != value->places[0].source || at->step != step || at->row != first->row ||
            at->feature != first->feature)
            return false;
    }
    return true;
}

/* The vector's places, where step 0 of each feature stood. */
static struct onnx_value *first_steps(struct onnx_call *call, const struct onnx_value *value,
                                      const bool *gone, bool keep, uint32_t source)
{
    size_t dims[ONNX_RANK_MAX], rank = 0, at = 0;
    bool free[ONNX_RANK_MAX];
    for (size_t i = 0; i < value->rank; i++) {
        if (gone[i] && !keep)
            continue;
        dims[rank] = gone[i] ? 1 : value->dims[i];
        free[rank++] = !gone[i] && value->free[i];
    }
    struct onnx_value *first =
        onnx_value_make(&call->chain->arena, ONNX_PLACES, rank, dims, free, call->fault);
    for (size_t i = 0; first != NULL && i < value->elements; i++) {
        if (value->places[i].step != 0)
            continue;
        first->places[at] = value->places[i];
        first->places[at++].source = source;
    }
    return first;
}

/* Along all dimensions that are gone; but for that of the steps they are 1. */
static bool reduce_steps(struct onnx_call *call, const struct onnx_value *value, const bool *gone,
                         bool keep)
{
    const char *op = call->node->op_type;
    const bool mean = strcmp(op, "ReduceMean") == 0 || strcmp(op, "GlobalAveragePool") == 0;
    size_t axis = value->rank, others = 1;
    for (size_t i = 0; i < value->rank; i++) {
        if (!gone[i])
            continue;
        if (axis == value->rank || value->dims[axis] == 1)
            axis = i;
        others *= value->dims[i];
    }
    if (axis == value->rank || others != value->dims[axis])
        return onnx_refuse(call, "axes: the one of the steps expected");
    if (!runs_over_steps(call, value, axis))
        return onnx_refuse(call, "over all steps expected");
    const uint32_t before = value->places[0].source;
    if (onnx_chain_knows_lengths(call->chain, before))
        return onnx_refuse(call, "over all steps, those past a row's length among them, which "
                                 "lstmd leaves out");
    const struct onnx_layer layer = {.kind = mean ? ONNX_LAYER_MEAN_POOL : ONNX_LAYER_MAX_POOL,
                                     .name = call->name,
                                     .before = before};
    const struct onnx_layer *added = onnx_chain_add_layer(
        call->chain, &layer, call->chain->sources[before].width, true, call->fault);
    return added != NULL && onnx_give(call, first_steps(call, value, gone, keep, added->after));
}

bool onnx_reduce(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers axes;
    bool gone[ONNX_RANK_MAX] = {false};
    size_t axis = 0;
    if (value == NULL || !onnx_integers(call, "axes", 1, &axes))
        return false;
    if (value->content != ONNX_PLACES)
        return onnx_fold_reduce(call);
    if (axes.count == 0 || value->elements == 0)
        return onnx_refuse(call, "axes: the one of the steps expected");
    for (size_t i = 0; i < axes.count; i++) {
        if (!onnx_axis(call, axes.list[i].value, value->rank, &axis))
            return false;
        gone[axis] = true;
    }
    if (strcmp(call->node->op_type, "ReduceMean") == 0 && axes.count == 1 &&
        axis + 1 == value->rank && !runs_over_steps(call, value, axis))
        return onnx_feature_mean(call);
    return reduce_steps(call, value, gone, onnx_int(call, "keepdims", 1) != 0);
}

/* GlobalMaxPool and GlobalAveragePool: over all dimensions but rows and channels. */
bool onnx_global_pool(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    bool gone[ONNX_RANK_MAX] = {false};
    if (value == NULL)
        return false;
    if (value->content != ONNX_PLACES || value->rank < 3 || value->elements == 0)
        return onnx_refuse(call, "[B,C,T] of what comes from a request expected, got %s",
                           onnx_shape_of(value).text);
    for (size_t i = 2; i < value->rank; i++)
        gone[i] = true;
    return reduce_steps(call, value, gone, true);
}
