/* LayerNormalization in parts, as exporters wrote it before there was an operator:
 *
 *   centered = x - ReduceMean(x)
 *   y = centered / Sqrt(ReduceMean(Pow(centered, 2)) + epsilon)
 *
 * Each part is a layer of its own kind, which only the next part can take; the last makes them all
 * one layer_norm. */
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"

static const struct onnx_source *source_of(const struct onnx_call *call,
                                           const struct onnx_value *value)
{
    return &call->chain->sources[value->places[0].source];
}

/* The layer whose output the value is, if that is such a part. */
static const struct onnx_layer *part_of(const struct onnx_call *call,
                                        const struct onnx_value *value, enum onnx_part part)
{
    const struct onnx_layer *layer =
        value->content == ONNX_PLACES && value->elements > 0 ? source_of(call, value)->layer : NULL;
    return layer != NULL && layer->kind == ONNX_LAYER_PART && layer->part == part ? layer : NULL;
}

static bool give_part(struct onnx_call *call, const struct onnx_value *value, enum onnx_part part,
                      size_t width, double epsilon)
{
    struct onnx_layer layer = {.kind = ONNX_LAYER_PART, .part = part, .epsilon = epsilon};
    return onnx_give_layer(call, value, &layer, width);
}

/* Have a and b, of one number for each of a's features' places, the same places? */
static bool same_places(const struct onnx_value *a, const struct onnx_value *b)
{
    const size_t width = a->dims[a->rank - 1], per = b->dims[b->rank - 1];
    if (a->rank != b->rank || a->elements / width != b->elements / per ||
        memcmp(a->dims, b->dims, (a->rank - 1) * sizeof a->dims[0]) != 0)
        return false;
    for (size_t i = 0; i < a->elements / width; i++)
        if (a->places[i * width].step != b->places[i * per].step ||
            a->places[i * width].row != b->places[i * per].row)
            return false;
    return true;
}

bool onnx_feature_mean(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    if (onnx_int(call, "keepdims", 1) == 0)
        return onnx_refuse(call, "keepdims: 1 expected");
    return give_part(
        call, value,
        part_of(call, value, ONNX_PART_SQUARE) != NULL ? ONNX_PART_VARIANCE : ONNX_PART_MEAN, 1, 0);
}

static bool is_two(const struct onnx_value *value)
{
    return value->elements == 1 &&
           ((value->content == ONNX_FLOATS && value->floats[0] == 2.0f) ||
            (value->content == ONNX_INTEGERS && value->integers[0].value == 2));
}

bool onnx_power(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0), *exponent = onnx_need(call, 1);
    if (value == NULL || exponent == NULL)
        return false;
    if (part_of(call, value, ONNX_PART_CENTERED) != NULL && is_two(exponent))
        return give_part(call, value, ONNX_PART_SQUARE, 0, 0);
    return onnx_function_with_number(call);
}

bool onnx_square_root(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    if (value == NULL)
        return false;
    if (part_of(call, value, ONNX_PART_VARIANCE) != NULL)
        return give_part(call, value, ONNX_PART_DEVIATION, 1, 0);
    return onnx_fold_unary(call);
}

bool onnx_add_epsilon(struct onnx_call *call, const struct onnx_value *value,
                      const struct onnx_value *operand, bool *done)
{
    const struct onnx_layer *variance = part_of(call, value, ONNX_PART_VARIANCE);
    *done = variance != NULL && variance->epsilon == 0 && operand->elements == 1 &&
            operand->floats[0] > 0;
    return !*done || give_part(call, value, ONNX_PART_VARIANCE, 1, (double)operand->floats[0]);
}

/* x - mean of x, where x may be what the mean's layer has picked: the last step, for instance. */
static bool center(struct onnx_call *call, const struct onnx_value *a, const struct onnx_value *b,
                   bool *done)
{
    const struct onnx_layer *mean = part_of(call, b, ONNX_PART_MEAN);
    struct onnx_features features;
    if (mean == NULL || a->elements == 0)
        return true;
    if (!onnx_chain_features(call->chain, a, &features, call->fault))
        return false;
    const struct onnx_value *x =
        onnx_chain_places(call->chain, a, &features, features.source, call->fault);
    *done = x != NULL && mean->before == features.source && same_places(x, b);
    return x != NULL && (!*done || give_part(call, x, ONNX_PART_CENTERED, 0, 0));
}

/* What the deviation is of: the part before it that is centered; NULL where it is another. */
static const struct onnx_layer *centered_of(const struct onnx_call *call,
                                            const struct onnx_layer *deviation, double *epsilon)
{
    const struct onnx_source *sources = call->chain->sources;
    const struct onnx_layer *layer = sources[deviation->before].layer;
    *epsilon = layer->epsilon;
    while (layer != NULL && layer->kind == ONNX_LAYER_PART && layer->part != ONNX_PART_CENTERED)
        layer = sources[layer->before].layer;
    return layer != NULL && layer->kind == ONNX_LAYER_PART ? layer : NULL;
}

/* centered / deviation */
static bool normalize(struct onnx_call *call, const struct onnx_value *a,
                      const struct onnx_value *b, bool *done)
{
    const struct onnx_layer *centered = part_of(call, a, ONNX_PART_CENTERED);
    const struct onnx_layer *deviation = part_of(call, b, ONNX_PART_DEVIATION);
    double epsilon = 0;
    const struct onnx_layer *of = deviation != NULL ? centered_of(call, deviation, &epsilon) : NULL;
    *done = centered != NULL && of != NULL && of->before == centered->before && same_places(a, b);
    if (!*done)
        return true;
    struct onnx_value *x =
        onnx_value_make(&call->chain->arena, ONNX_PLACES, a->rank, a->dims, a->free, call->fault);
    if (x == NULL)
        return false;
    for (size_t i = 0; i < x->elements; i++) {
        x->places[i] = a->places[i];
        x->places[i].source = centered->before;
    }
    struct onnx_layer layer = {.kind = ONNX_LAYER_LAYER_NORM, .epsilon = epsilon};
    return onnx_give_layer(call, x, &layer, 0);
}

bool onnx_normalization_step(struct onnx_call *call, const struct onnx_value *a,
                             const struct onnx_value *b, bool *done)
{
    const char *op = call->node->op_type;
    *done = false;
    if (strcmp(op, "Sub") == 0)
        return center(call, a, b, done);
    return strcmp(op, "Div") != 0 || normalize(call, a, b, done);
}
