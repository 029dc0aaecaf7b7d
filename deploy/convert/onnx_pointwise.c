/* Layers that are a function of each element, or of a step's features: activations, softmax, and
 * arithmetic with known numbers. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_expression.h"
#include "deploy/convert/onnx_operators.h"

static bool give_function(struct onnx_call *call, const struct onnx_value *value,
                          struct onnx_function function)
{
    struct onnx_layer layer = {.kind = ONNX_LAYER_ACTIVATION, .function = function};
    return onnx_give_layer(call, value, &layer, 0) && onnx_settle(call);
}

static const struct onnx_value *need_places(const struct onnx_call *call, size_t i)
{
    const struct onnx_value *value = onnx_need(call, i);
    if (value == NULL || value->content == ONNX_PLACES)
        return value;
    onnx_refuse(call, "of known numbers it is no layer");
    return NULL;
}

/* ---- activations ---- */

static const struct activation {
    const char *op, *name;
    const char *alpha, *beta; /* their attributes, NULL where the function has none */
    double alpha_otherwise, beta_otherwise;
} activations[] = {
    {"Relu", "relu", NULL, NULL, 0, 0},
    {"Sigmoid", "sigmoid", NULL, NULL, 0, 0},
    {"Tanh", "tanh", NULL, NULL, 0, 0},
    {"Softsign", "softsign", NULL, NULL, 0, 0},
    {"Softplus", "softplus", NULL, NULL, 0, 0},
    {"Exp", "exponential", NULL, NULL, 0, 0},
    {"Elu", "elu", "alpha", NULL, 1, 0},
    {"Celu", "elu", NULL, NULL, 0, 0},
    {"LeakyRelu", "leaky_relu", "alpha", NULL, 0.01, 0},
    {"ThresholdedRelu", "thresholded_relu", "alpha", NULL, 1, 0},
    {"HardSigmoid", "hard_sigmoid", "alpha", "beta", 0.2, 0.5},
    {"HardSwish", "hard_swish", NULL, NULL, 0, 0},
    {"Mish", "mish", NULL, NULL, 0, 0},
    {"Swish", "swish", NULL, NULL, 0, 0},
};

/* Parameters that lstmd's function of that name does not have must be the usual ones. */
static bool check_usual(const struct onnx_call *call, const char *attribute, double usual)
{
    return fabs(onnx_float(call, attribute, usual) - usual) < 1e-6 ||
           onnx_refuse(call, "%s: %.9g expected, got %.9g", attribute, usual,
                       onnx_float(call, attribute, usual));
}

static bool gelu(struct onnx_call *call, const struct onnx_value *value)
{
    const OnnxAttribute *attribute = onnx_attribute(call, "approximate");
    const bool four = attribute != NULL && attribute->s.len == 4;
    const bool tanh = four && memcmp(attribute->s.data, "tanh", 4) == 0;
    if (attribute != NULL && !tanh && !(four && memcmp(attribute->s.data, "none", 4) == 0))
        return onnx_refuse(call, "approximate: none or tanh expected");
    return give_function(call, value, (struct onnx_function){.name = tanh ? "gelu_tanh" : "gelu"});
}

static bool activate(struct onnx_call *call)
{
    const struct onnx_value *value = need_places(call, 0);
    const char *op = call->node->op_type;
    if (value == NULL)
        return false;
    if (strcmp(op, "Gelu") == 0)
        return gelu(call, value);
    if (strcmp(op, "Selu") == 0)
        return check_usual(call, "alpha", 1.67326319217681884765625) &&
               check_usual(call, "gamma", 1.05070102214813232421875) &&
               give_function(call, value, (struct onnx_function){.name = "selu"});
    if ((strcmp(op, "Swish") == 0 || strcmp(op, "Celu") == 0) && !check_usual(call, "alpha", 1))
        return false;
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        const struct activation *a = &activations[i];
        if (strcmp(a->op, op) != 0)
            continue;
        struct onnx_function function = {.name = a->name};
        function.has_alpha = a->alpha != NULL;
        function.has_beta = a->beta != NULL;
        if (function.has_alpha)
            function.alpha = onnx_float(call, a->alpha, a->alpha_otherwise);
        if (function.has_beta)
            function.beta = onnx_float(call, a->beta, a->beta_otherwise);
        return give_function(call, value, function);
    }
    return onnx_refuse(call, "no such activation");
}

bool onnx_activation(struct onnx_call *call)
{
    return onnx_features_last(call, activate);
}

/* PRelu: with one slope for all features a LeakyRelu. */
static bool slope(struct onnx_call *call)
{
    const struct onnx_value *value = need_places(call, 0), *slopes = onnx_need(call, 1);
    if (value == NULL || slopes == NULL)
        return false;
    bool one = slopes->content == ONNX_FLOATS && slopes->elements > 0;
    for (size_t i = 1; one && i < slopes->elements; i++)
        one = slopes->floats[i] == slopes->floats[0];
    return one ? give_function(call, value,
                               (struct onnx_function){.name = "leaky_relu",
                                                      .has_alpha = true,
                                                      .alpha = (double)slopes->floats[0]})
               : onnx_refuse(call, "slope: a known number, the same for all features, expected");
}

bool onnx_prelu(struct onnx_call *call)
{
    return onnx_features_last(call, slope);
}

/* A bound of Clip: an attribute until version 11, an input since. Where there is none it is the
 * largest float, as in ONNX Runtime; in a config that stands for infinity too. */
static bool read_bound(const struct onnx_call *call, const char *name, size_t i, double otherwise,
                       double *bound)
{
    const struct onnx_value *value = onnx_input(call, i);
    *bound = onnx_float(call, name, otherwise);
    if (value == NULL)
        return true;
    if (value->content != ONNX_FLOATS || value->elements != 1)
        return onnx_refuse(call, "%s: one known number expected", name);
    *bound = (double)value->floats[0];
    return true;
}

static bool give_clip(struct onnx_call *call, const struct onnx_value *value, double low,
                      double high)
{
    if (!(low <= high) || low > (double)FLT_MAX || high < -(double)FLT_MAX)
        return onnx_refuse(call,
                           "min: at most %.9g, which is max, and finite numbers between them "
                           "expected, got %.9g",
                           high, low);
    low = fmax(low, -(double)FLT_MAX);
    high = fmin(high, (double)FLT_MAX);
    return give_function(call, value, (struct onnx_function){"clip", true, true, low, high});
}

static bool clip(struct onnx_call *call)
{
    const struct onnx_value *value = need_places(call, 0);
    double low, high;
    return value != NULL && read_bound(call, "min", 1, -(double)FLT_MAX, &low) &&
           read_bound(call, "max", 2, (double)FLT_MAX, &high) && give_clip(call, value, low, high);
}

bool onnx_clip(struct onnx_call *call)
{
    return onnx_features_last(call, clip);
}

/* One bound, as PyTorch writes clamp(min=0). The other is the largest float, as Clip's: no finite
 * number is beyond it. */
static bool bound(struct onnx_call *call)
{
    const bool known_first = call->inputs[0]->content != ONNX_PLACES;
    const struct onnx_value *value = call->inputs[known_first ? 1 : 0];
    const struct onnx_value *operand = call->inputs[known_first ? 0 : 1];
    const bool is_max = strcmp(call->node->op_type, "Max") == 0;
    if (operand->content != ONNX_FLOATS || operand->elements != 1 || operand->rank > value->rank)
        return onnx_refuse(call, "of features and one known number expected");
    const double number = (double)operand->floats[0];
    if (is_max && number == 0)
        return give_function(call, value, (struct onnx_function){.name = "relu"});
    return give_clip(call, value, is_max ? number : -(double)FLT_MAX,
                     is_max ? (double)FLT_MAX : number);
}

/* Max and Min */
bool onnx_bound(struct onnx_call *call)
{
    const struct onnx_value *a = onnx_need(call, 0), *b = onnx_input(call, 1);
    if (a == NULL)
        return false;
    if (call->input_count != 2 || b == NULL)
        return onnx_refuse(call, "two inputs expected, got %zu", call->input_count);
    const bool known = a->content != ONNX_PLACES && b->content != ONNX_PLACES;
    if (a->content == ONNX_PLACES && b->content == ONNX_PLACES)
        return onnx_refuse(call, "joins two branches: a chain of layers expected");
    return known ? onnx_fold_binary(call) : onnx_features_last(call, bound);
}

/* Softmax and LogSoftmax, over the features. Before version 13 the axis began what was made one. */
bool onnx_softmax(struct onnx_call *call)
{
    const struct onnx_value *value = need_places(call, 0);
    size_t axis;
    if (value == NULL ||
        !onnx_axis(call, onnx_int(call, "axis", call->opset < 13 ? 1 : -1), value->rank, &axis))
        return false;
    if (call->opset < 13 && axis + 1 != value->rank)
        return onnx_refuse(call, "axis: %zu, the features, expected, got %zu", value->rank - 1,
                           axis);
    const bool is_log = strcmp(call->node->op_type, "LogSoftmax") == 0;
    struct onnx_layer layer = {.kind = ONNX_LAYER_ACTIVATION,
                               .function = {.name = is_log ? "log_softmax" : "softmax"}};
    return onnx_give_layer_along(call, value, axis, &layer);
}

/* ---- arithmetic with known numbers: y = x * scale + shift ---- */

/* Known numbers, one for each feature or one for all. */
static bool read_operand(const struct onnx_call *call, const struct onnx_value *operand,
                         const struct onnx_value *value)
{
    const size_t width = value->rank > 0 ? value->dims[value->rank - 1] : 0;
    const bool fits = operand->content == ONNX_FLOATS && operand->rank <= value->rank &&
                      (operand->elements == 1 ||
                       (operand->elements == width && operand->dims[operand->rank - 1] == width));
    return fits || onnx_refuse(call,
                               "with one known number, or one for each of %zu features, "
                               "expected, got %s",
                               width, onnx_shape_of(operand).text);
}

static struct onnx_value *make_vector(struct onnx_call *call, size_t width, float fill)
{
    struct onnx_value *vector =
        onnx_value_make(&call->chain->arena, ONNX_FLOATS, 1, &width, NULL, call->fault);
    for (size_t i = 0; vector != NULL && i < width; i++)
        vector->floats[i] = fill;
    return vector;
}

/* The layer before with the operand in it: a dense layer's or a convolution's bias, a layer norm's
 * weight or bias, where it has none yet. *done: it is that. */
static bool give_weight(struct onnx_call *call, const struct onnx_value *value,
                        const struct onnx_value *operand, bool adds, bool *done)
{
    const struct onnx_source *source = &call->chain->sources[value->places[0].source];
    struct onnx_features features;
    const struct onnx_layer *before = source->layer;
    const bool norm = before != NULL && before->kind == ONNX_LAYER_LAYER_NORM;
    const bool takes =
        before != NULL && before->bias == NULL &&
        (adds ? norm || before->kind == ONNX_LAYER_DENSE || before->kind == ONNX_LAYER_CONV
              : norm && before->weight == NULL);
    *done = takes && source->kind == ONNX_SOURCE_LAYER &&
            onnx_chain_features(call->chain, value, &features, call->fault) &&
            features.source == before->after;
    if (!*done)
        return true;
    struct onnx_value *vector = make_vector(call, source->width, 0);
    if (vector == NULL)
        return false;
    for (size_t i = 0; i < source->width; i++)
        vector->floats[i] = operand->floats[operand->elements == 1 ? 0 : i];
    struct onnx_layer layer = *before;
    *(adds ? &layer.bias : &layer.weight) = vector;
    const struct onnx_layer *added =
        onnx_chain_add_layer(call->chain, &layer, source->width, source->vector, call->fault);
    return added != NULL && onnx_give(call, onnx_chain_places(call->chain, value, &features,
                                                              added->after, call->fault));
}

enum arithmetic { ADD, SUB, SUB_FROM, MUL, DIV };

static void scale_and_shift(enum arithmetic what, float operand, float *scale, float *shift)
{
    *scale = what == MUL ? operand : what == DIV ? 1 / operand : what == SUB_FROM ? -1.0f : 1.0f;
    *shift = what == ADD || what == SUB_FROM ? operand : what == SUB ? -operand : 0.0f;
}

static bool give_scale(struct onnx_call *call, const struct onnx_value *value,
                       const struct onnx_value *operand, enum arithmetic what)
{
    const size_t width = value->dims[value->rank - 1];
    struct onnx_value *scale = make_vector(call, width, 0), *shift = make_vector(call, width, 0);
    if (scale == NULL || shift == NULL)
        return false;
    for (size_t i = 0; i < width; i++)
        scale_and_shift(what, operand->floats[operand->elements == 1 ? 0 : i], &scale->floats[i],
                        &shift->floats[i]);
    if (operand->elements == 1)
        return give_function(call, value,
                             (struct onnx_function){"affine", true, true, (double)scale->floats[0],
                                                    (double)shift->floats[0]});
    struct onnx_layer layer = {.kind = ONNX_LAYER_SCALE, .weight = scale, .bias = shift};
    return onnx_give_layer(call, value, &layer, 0);
}

static bool combine(struct onnx_call *call, const struct onnx_value *a, const struct onnx_value *b)
{
    const struct onnx_value *const both[] = {a, b};
    bool done = false;
    if (!onnx_normalization_step(call, a, b, &done) ||
        (!done && !onnx_join(call, both, 2, &done)) || (!done && !onnx_merge(call, a, b, &done)))
        return false;
    return done || onnx_refuse(call, "joins two branches: a chain of layers expected");
}

/* A layer takes the last dimension for features: there must be one. */
static bool has_features(const struct onnx_call *call, const struct onnx_value *value)
{
    return value->content != ONNX_PLACES || value->rank > 0 ||
           onnx_refuse(call, "features of what comes from a request expected, got one of them");
}

static bool compute(struct onnx_call *call)
{
    const struct onnx_value *a = onnx_need(call, 0), *b = onnx_need(call, 1);
    const char *op = call->node->op_type;
    if (a == NULL || b == NULL || !has_features(call, a) || !has_features(call, b))
        return false;
    if (a->content != ONNX_PLACES && b->content != ONNX_PLACES)
        return onnx_fold_binary(call);
    if (a->content == ONNX_PLACES && b->content == ONNX_PLACES)
        return combine(call, a, b);
    const bool known_first = a->content != ONNX_PLACES;
    const struct onnx_value *value = known_first ? b : a, *operand = known_first ? a : b;
    const enum arithmetic what = strcmp(op, "Add") == 0   ? ADD
                                 : strcmp(op, "Mul") == 0 ? MUL
                                 : strcmp(op, "Div") == 0 ? DIV
                                 : known_first            ? SUB_FROM
                                                          : SUB;
    bool done = false;
    if (known_first && what == DIV)
        return onnx_refuse(call, "of a known number by what comes from a request it is no layer");
    if (value->elements == 0 || !read_operand(call, operand, value))
        return false;
    if (what == ADD && !onnx_add_epsilon(call, value, operand, &done))
        return false;
    if (done)
        return true;
    if ((what == ADD || what == MUL) && !give_weight(call, value, operand, what == ADD, &done))
        return false;
    return done || give_scale(call, value, operand, what);
}

bool onnx_arithmetic(struct onnx_call *call)
{
    return onnx_features_last(call, compute);
}

/* ---- functions that are part of others ---- */

static bool give_part(struct onnx_call *call)
{
    const struct onnx_value *value = need_places(call, 0);
    return value != NULL && onnx_give_part(call, value, 0);
}

/* Abs, Erf, Log */
bool onnx_function_part(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_input(call, 0);
    return value != NULL && value->content != ONNX_PLACES ? onnx_fold_unary(call)
                                                          : onnx_features_last(call, give_part);
}

static bool negate(struct onnx_call *call)
{
    return give_function(call, call->inputs[0],
                         (struct onnx_function){"affine", true, true, -1, 0});
}

bool onnx_negate(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_input(call, 0);
    return value != NULL && value->content == ONNX_PLACES ? onnx_features_last(call, negate)
                                                          : onnx_fold_unary(call);
}

static bool is_number(const struct onnx_value *value, double *number)
{
    const bool one = value->elements == 1;
    if (one && value->content == ONNX_INTEGERS)
        *number = (double)value->integers[0].value;
    else if (one && value->content == ONNX_FLOATS)
        *number = (double)value->floats[0];
    return one && value->content != ONNX_PLACES &&
           (value->content == ONNX_FLOATS || !value->integers[0].sized);
}

static bool compare(struct onnx_call *call)
{
    double number = 0;
    return is_number(call->inputs[1], &number)
               ? onnx_give_part(call, call->inputs[0], number)
               : onnx_refuse(call, "with one known number expected");
}

/* Greater, Less and their like with a known number, Pow: what comes from a request is first. */
bool onnx_function_with_number(struct onnx_call *call)
{
    const struct onnx_value *a = onnx_need(call, 0), *b = onnx_need(call, 1);
    if (a == NULL || b == NULL)
        return false;
    return a->content == ONNX_PLACES && b->content != ONNX_PLACES
               ? onnx_features_last(call, compare)
               : onnx_fold_binary(call);
}

static bool choose(struct onnx_call *call)
{
    bool done;
    if (!onnx_join(call, call->inputs, 3, &done))
        return false;
    return done || onnx_refuse(call, "joins branches: a chain of layers expected");
}

bool onnx_choice(struct onnx_call *call)
{
    const struct onnx_value *condition = onnx_need(call, 0);
    if (condition == NULL || onnx_need(call, 1) == NULL || onnx_need(call, 2) == NULL)
        return false;
    return condition->content == ONNX_PLACES ? onnx_features_last(call, choose) : onnx_where(call);
}
