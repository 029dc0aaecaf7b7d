/* Layers with weights but the LSTM: MatMul, Gemm, an embedding's Gather, the normalizations. */
#include <math.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"
#include "deploy/convert/onnx_whole.h"

static bool is_places(const struct onnx_value *value)
{
    return value->content == ONNX_PLACES;
}

/* [in,units] to [units,in], or the same order with transposed; each number times scale. */
static struct onnx_value *dense_weight(struct onnx_call *call, const struct onnx_value *matrix,
                                       bool transposed, float scale)
{
    const size_t in = matrix->dims[transposed ? 1 : 0], units = matrix->dims[transposed ? 0 : 1];
    const size_t dims[] = {units, in};
    struct onnx_value *weight =
        onnx_value_make(&call->chain->arena, ONNX_FLOATS, 2, dims, NULL, call->fault);
    for (size_t u = 0; weight != NULL && u < units; u++)
        for (size_t i = 0; i < in; i++)
            weight->floats[u * in + i] =
                scale * matrix->floats[transposed ? u * in + i : i * units + u];
    return weight;
}

static bool check_matrix(const struct onnx_call *call, const struct onnx_value *value,
                         const struct onnx_value *matrix, size_t in)
{
    if (!is_places(value) || matrix->content != ONNX_FLOATS || matrix->rank != 2)
        return onnx_refuse(call, "what comes from a request times a known matrix expected");
    if (matrix->elements == 0 || value->rank == 0 || value->dims[value->rank - 1] != in)
        return onnx_refuse(call, "a matrix of %s times features of %s", onnx_shape_of(matrix).text,
                           onnx_shape_of(value).text);
    return true;
}

/* Is the last dimension a row's [C,T] one after the other, as [B,C,T] is flattened? */
static bool is_flat_by_channels(const struct onnx_chain *chain, const struct onnx_value *value)
{
    const struct onnx_place *first = &value->places[0];
    const struct onnx_source *source = &chain->sources[first->source];
    return value->rank < ONNX_RANK_MAX && source->steps > 1 && source->width > 1 &&
           value->dims[value->rank - 1] == source->steps * source->width &&
           first[1].step == first->step + 1 && first[1].feature == first->feature;
}

/* The last dimension, a [C,T], as a [T,C]. */
static const struct onnx_value *by_steps(struct onnx_call *call, const struct onnx_value *value,
                                         size_t steps)
{
    const size_t last = value->rank - 1;
    size_t dims[ONNX_RANK_MAX], order[ONNX_RANK_MAX];
    bool free[ONNX_RANK_MAX] = {false};
    for (size_t i = 0; i < value->rank; i++) {
        dims[i] = value->dims[i];
        free[i] = value->free[i];
        order[i] = i;
    }
    dims[last] = value->dims[last] / steps;
    dims[last + 1] = steps;
    order[last] = last + 1;
    order[last + 1] = last;
    const struct onnx_value *apart =
        onnx_value_reshape(&call->chain->arena, value, value->rank + 1, dims, free, call->fault);
    const struct onnx_value *turned = apart != NULL ? onnx_turned(call, apart, order) : NULL;
    return turned != NULL ? onnx_value_reshape(&call->chain->arena, turned, value->rank,
                                               value->dims, value->free, call->fault)
                          : NULL;
}

/* lstmd flattens [T,C]: of [C,T] features and weights are put in that order. */
static bool give_dense(struct onnx_call *call, const struct onnx_value *value,
                       struct onnx_layer *layer)
{
    if (value->elements > 0 && is_flat_by_channels(call->chain, value)) {
        const size_t steps = call->chain->sources[value->places[0].source].steps;
        value = by_steps(call, value, steps);
        layer->weight = value != NULL ? by_steps(call, layer->weight, steps) : NULL;
        if (layer->weight == NULL)
            return false;
    }
    return onnx_give_layer(call, value, layer, layer->weight->dims[0]);
}

bool onnx_matmul(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0), *matrix = onnx_need(call, 1);
    if (value == NULL || matrix == NULL)
        return false;
    if (matrix->rank == 2 && value->rank > 0)
        onnx_want_width(call, value, value->rank - 1, matrix->dims[0]);
    if (!check_matrix(call, value, matrix, matrix->dims[0]))
        return false;
    struct onnx_layer layer = {.kind = ONNX_LAYER_DENSE};
    layer.weight = dense_weight(call, matrix, false, 1.0f);
    return layer.weight != NULL && give_dense(call, value, &layer);
}

/* C of Gemm, times scale: one number a unit, or one for all. */
static struct onnx_value *gemm_bias(struct onnx_call *call, const struct onnx_value *c,
                                    size_t units, float scale)
{
    const bool fits = c->content == ONNX_FLOATS && (c->elements == units || c->elements == 1) &&
                      (c->rank == 0 || c->dims[c->rank - 1] == c->elements);
    if (!fits) {
        onnx_refuse(call, "C: %zu known numbers expected, got %s", units, onnx_shape_of(c).text);
        return NULL;
    }
    struct onnx_value *bias =
        onnx_value_make(&call->chain->arena, ONNX_FLOATS, 1, &units, NULL, call->fault);
    for (size_t u = 0; bias != NULL && u < units; u++)
        bias->floats[u] = scale * c->floats[c->elements == 1 ? 0 : u];
    return bias;
}

bool onnx_gemm(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0), *matrix = onnx_need(call, 1);
    const struct onnx_value *c = onnx_input(call, 2);
    const bool transposed = onnx_int(call, "transB", 0) != 0;
    if (value == NULL || matrix == NULL)
        return false;
    if (onnx_int(call, "transA", 0) != 0)
        return onnx_refuse(call, "transA: 0 expected");
    if (matrix->rank == 2 && value->rank > 0)
        onnx_want_width(call, value, value->rank - 1, matrix->dims[transposed ? 1 : 0]);
    if (!check_matrix(call, value, matrix, matrix->dims[transposed ? 1 : 0]))
        return false;
    const size_t units = matrix->dims[transposed ? 0 : 1];
    struct onnx_layer layer = {.kind = ONNX_LAYER_DENSE};
    layer.weight = dense_weight(call, matrix, transposed, (float)onnx_float(call, "alpha", 1));
    if (layer.weight == NULL)
        return false;
    if (c != NULL) {
        layer.bias = gemm_bias(call, c, units, (float)onnx_float(call, "beta", 1));
        if (layer.bias == NULL)
            return false;
    }
    return give_dense(call, value, &layer);
}

/* ---- Gather: of a known matrix by what comes from a request it is an embedding ---- */

static bool embed(struct onnx_call *call, const struct onnx_value *table,
                  const struct onnx_value *ids)
{
    if (table->content != ONNX_FLOATS || table->rank != 2 || onnx_int(call, "axis", 0) != 0 ||
        ids->rank == ONNX_RANK_MAX || ids->elements == 0)
        return onnx_refuse(call, "rows of a known matrix expected, got %s",
                           onnx_shape_of(table).text);
    for (size_t i = 0; i < ids->elements; i++)
        if (!call->chain->sources[ids->places[i].source].whole_numbers ||
            ids->places[i].source != ids->places[0].source)
            return onnx_refuse(call, "indices that are the graph's input expected");
    size_t dims[ONNX_RANK_MAX];
    uint32_t source = ids->places[0].source;
    if (!onnx_whole_source(call, table->dims[0], &source))
        return false;
    memcpy(dims, ids->dims, sizeof dims);
    dims[ids->rank] = 1;
    const struct onnx_value *wide =
        onnx_value_reshape(&call->chain->arena, ids, ids->rank + 1, dims, ids->free, call->fault);
    const struct onnx_features features = {source, ids->elements, ids->places};
    const struct onnx_layer layer = {.kind = ONNX_LAYER_EMBEDDING,
                                     .name = call->name,
                                     .before = features.source,
                                     .weight = table};
    const struct onnx_layer *added =
        onnx_chain_add_layer(call->chain, &layer, table->dims[1], false, call->fault);
    return wide != NULL && added != NULL &&
           onnx_give(call,
                     onnx_chain_places(call->chain, wide, &features, added->after, call->fault));
}

bool onnx_gather(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0), *indices = onnx_need(call, 1);
    if (value == NULL || indices == NULL)
        return false;
    return is_places(indices) ? embed(call, value, indices) : onnx_pick(call);
}

/* ---- LayerNormalization ---- */

static bool is_vector(const struct onnx_value *value, size_t count)
{
    return value == NULL ||
           (value->content == ONNX_FLOATS && value->rank == 1 && value->dims[0] == count);
}

bool onnx_layer_norm(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0), *weight = onnx_need(call, 1);
    const struct onnx_value *bias = onnx_input(call, 2);
    size_t axis;
    if (value == NULL || weight == NULL ||
        !onnx_axis(call, onnx_int(call, "axis", -1), value->rank, &axis))
        return false;
    if (!is_places(value) || axis + 1 != value->rank || call->output_count != 1)
        return onnx_refuse(call, "the last axis, of what comes from a request, and one output "
                                 "expected");
    const size_t width = value->dims[axis];
    onnx_want_width(call, value, axis, weight->elements);
    if (!is_vector(weight, width) || !is_vector(bias, width))
        return onnx_refuse(call, "scale and B: %zu known numbers expected", width);
    struct onnx_layer layer = {.kind = ONNX_LAYER_LAYER_NORM,
                               .weight = weight,
                               .bias = bias,
                               .epsilon = onnx_float(call, "epsilon", 1e-5)};
    return onnx_give_layer(call, value, &layer, width);
}

/* ---- BatchNormalization: with the trained statistics it scales and shifts ---- */

/* scale, B, mean and var as one scale and shift for each feature. */
static bool fold_statistics(struct onnx_call *call, size_t width, struct onnx_layer *layer)
{
    const double epsilon = onnx_float(call, "epsilon", 1e-5);
    const struct onnx_value *in[4];
    for (size_t i = 0; i < 4; i++) {
        in[i] = onnx_need(call, i + 1);
        if (in[i] == NULL)
            return false;
        if (!is_vector(in[i], width))
            return onnx_refuse(call, "input %zu: %zu known numbers expected", i + 1, width);
    }
    struct onnx_value *scale =
        onnx_value_make(&call->chain->arena, ONNX_FLOATS, 1, &width, NULL, call->fault);
    struct onnx_value *shift =
        onnx_value_make(&call->chain->arena, ONNX_FLOATS, 1, &width, NULL, call->fault);
    if (scale == NULL || shift == NULL)
        return false;
    for (size_t i = 0; i < width; i++) {
        const double factor = (double)in[0]->floats[i] / sqrt((double)in[3]->floats[i] + epsilon);
        scale->floats[i] = (float)factor;
        shift->floats[i] = (float)((double)in[1]->floats[i] - (double)in[2]->floats[i] * factor);
    }
    layer->weight = scale;
    layer->bias = shift;
    return true;
}

bool onnx_batch_norm(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_layer layer = {.kind = ONNX_LAYER_SCALE};
    if (value == NULL)
        return false;
    if (!is_places(value) || value->rank < 2 || value->elements == 0 ||
        onnx_int(call, "training_mode", 0) != 0)
        return onnx_refuse(call,
                           "[B,F] or [B,F,T] of what comes from a request, not in training, "
                           "expected, got %s",
                           onnx_shape_of(value).text);
    if (onnx_input(call, 1) != NULL)
        onnx_want_width(call, value, 1, onnx_input(call, 1)->elements);
    return fold_statistics(call, value->dims[1], &layer) &&
           onnx_give_layer_along(call, value, 1, &layer);
}
