/* exp(-a) for a >= 0 is the heart of sigmoid and tanh. With n = round(-a / ln 2) and r = -a - n ln
 * 2, exp(-a) = 2^n * (1 + p) where p = exp(r) - 1 on |r| <= ln(2) / 2. Keeping p apart from its 1
 * gives tanh full relative precision at small x, where 1 - exp(-2x) would cancel.
 *
 * Every operation of the two has a vector twin that rounds the same way: no branch, no table, no
 * call.
 */
#include "core/activation.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/activation_constants.h"
#include "core/elementary.h"

_Static_assert(FLT_EVAL_METHOD == 0, "float expressions must round to float at each step");

/* scale = 2^n and p, so that exp(-a) = scale * (1 + p). a >= 0 or NaN; from EXP_CLAMP on scale is
 * 0. */
static void exp_parts(float a, float *scale, float *p)
{
    a = EXP_CLAMP < a ? EXP_CLAMP : a; /* this way round NaN passes */
    /* Adding 1.5 * 2^23 leaves the rounded integer in the low bits; 127 more makes it the exponent
     * field of 2^n, which is 0 for n = -127. */
    const float shifted = fmaf(a, EXP_MINUS_LOG2E, EXP_ROUND);
    const float n = shifted - EXP_ROUND;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 23;
    memcpy(scale, &bits, sizeof bits);

    const float r = fmaf(n, EXP_MINUS_LN2, -a);
    const float r2 = r * r;
    const float low = fmaf(r, EXP_Q1, EXP_Q0);
    const float high = fmaf(r2, EXP_Q4, fmaf(r, EXP_Q3, EXP_Q2));
    const float q = fmaf(r2, high, low);
    *p = fmaf(r2, q, r);
}

float activation_sigmoid(float x)
{
    float scale, p;
    exp_parts(fabsf(x), &scale, &p);
    const float e = fmaf(scale, p, scale);
    /* exp(-|x|) / (1 + exp(-|x|)) is the smaller of sigmoid(x) and 1 - sigmoid(x): precise in both
     * tails. */
    const float small = e / (e + 1.0f);
    return signbit(x) ? small : 1.0f - small;
}

float activation_tanh(float x)
{
    float scale, p;
    exp_parts(fabsf(x) * 2.0f, &scale, &p);
    const float e = fmaf(scale, p, scale); /* exp(-2|x|) */
    const float em1 = fmaf(scale, p, scale - 1.0f);
    return copysignf(em1 / (e + 1.0f), x);
}

static float relu(float x)
{
    return x < 0.0f ? 0.0f : x; /* this way round NaN passes and -0 stays */
}

static float clip(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x; /* NaN passes */
}

/* ---- in double, rounded once ---- */

/* Products with x go to -0 with it; from here on -Inf * 0 would be all that is left of them. */
static bool is_far_below(float x)
{
    return x < -1000.0f;
}

static float softsign(float x)
{
    const double magnitude = x > 0x1p100f || x < -0x1p100f ? 0x1p100 : fabs((double)x);
    return copysignf(elementary_round(magnitude / (1.0 + magnitude)), x);
}

static double softplus(double x)
{
    return (x > 0 ? x : x < 0 ? 0 : x + 0) + elementary_log1p(elementary_exp(-fabs(x)));
}

static float elu(float x, float alpha)
{
    return x < 0.0f ? elementary_round((double)alpha * elementary_expm1((double)x)) : x;
}

static float selu(float x)
{
    const double scale = 1.0507009873554805, alpha = 1.6732632423543772;
    return elementary_round(scale * (x < 0.0f ? alpha * elementary_expm1((double)x) : (double)x));
}

static float swish(float x)
{
    if (is_far_below(x))
        return -0.0f;
    return elementary_round((double)x / (1.0 + elementary_exp(-(double)x)));
}

/* tanh(log(1 + e^x)) = (w^2 + 2w) / (w^2 + 2w + 2) with w = e^x, or the same divided by w^2. */
static float mish(float x)
{
    if (is_far_below(x))
        return -0.0f;
    const double v = elementary_exp(-fabs((double)x));
    const double top = x < 0.0f ? v * v + 2.0 * v : 1.0 + 2.0 * v;
    const double rest = x < 0.0f ? 2.0 : 2.0 * v * v;
    return elementary_round((double)x * (top / (top + rest)));
}

static float hard_swish(float x)
{
    if (x <= -3.0f)
        return -0.0f;
    return x >= 3.0f ? x : elementary_round((double)x * ((double)x + 3.0) / 6.0);
}

static float gelu(float x)
{
    if (is_far_below(x))
        return -0.0f;
    const double tail = elementary_normal_tail(fabs((double)x));
    if (x < 0.0f)
        return elementary_round((double)x * tail);
    return x > 100.0f ? x : elementary_round((double)x - (double)x * tail);
}

/* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)) */
static float gelu_tanh(float x)
{
    const double root = 0.7978845608028654; /* sqrt(2 / pi) */
    if (is_far_below(x))
        return -0.0f;
    if (x > 1000.0f)
        return x;
    const double u = root * ((double)x + 0.044715 * (double)x * (double)x * (double)x);
    return elementary_round((double)x / (1.0 + elementary_exp(-2.0 * u)));
}

static float apply_double(enum activation kind, float x, float alpha)
{
    switch (kind) {
    case ACTIVATION_SOFTSIGN:
        return softsign(x);
    case ACTIVATION_SOFTPLUS:
        return elementary_round(softplus((double)x));
    case ACTIVATION_LOG_SIGMOID:
        return -elementary_round(softplus(-(double)x));
    case ACTIVATION_EXPONENTIAL:
        return elementary_round(elementary_exp((double)x));
    case ACTIVATION_ELU:
        return elu(x, alpha);
    case ACTIVATION_SELU:
        return selu(x);
    case ACTIVATION_SWISH:
        return swish(x);
    case ACTIVATION_MISH:
        return mish(x);
    case ACTIVATION_HARD_SWISH:
        return hard_swish(x);
    case ACTIVATION_GELU:
        return gelu(x);
    case ACTIVATION_GELU_TANH:
        return gelu_tanh(x);
    default:
        assert(false); /* a function of a vector, or none at all */
        return x;
    }
}

float activation_apply(const struct activation_function *function, float x)
{
    const float alpha = function->alpha, beta = function->beta;
    switch (function->kind) {
    case ACTIVATION_LINEAR:
        return x;
    case ACTIVATION_RELU:
        return relu(x);
    case ACTIVATION_SIGMOID:
        return activation_sigmoid(x);
    case ACTIVATION_TANH:
        return activation_tanh(x);
    case ACTIVATION_HARD_SIGMOID:
        return clip(fmaf(alpha, x, beta), 0.0f, 1.0f);
    case ACTIVATION_RELU6:
        return clip(x, 0.0f, 6.0f);
    case ACTIVATION_LEAKY_RELU:
        return x < 0.0f ? alpha * x : x;
    case ACTIVATION_THRESHOLDED_RELU:
        return x <= alpha ? 0.0f : x; /* NaN passes */
    case ACTIVATION_CLIP:
        return clip(x, alpha, beta);
    case ACTIVATION_AFFINE:
        return fmaf(alpha, x, beta);
    case ACTIVATION_SCALED_TANH:
        return alpha * activation_tanh(beta * x);
    default:
        return apply_double(function->kind, x, alpha);
    }
}

/* ---- of a whole vector ---- */

bool activation_is_vector(enum activation kind)
{
    return kind == ACTIVATION_SOFTMAX || kind == ACTIVATION_LOG_SOFTMAX;
}

/* The largest value's place; a NaN counts as the largest, so that it reaches every answer. */
static size_t place_of_largest(const float *values, size_t count)
{
    size_t largest = 0;
    for (size_t i = 1; i < count; i++)
        if (!(values[i] <= values[largest]) && values[largest] == values[largest])
            largest = i;
    return largest;
}

/* Both subtract the largest value first, whose own term is then exactly 1: it is left out of the
 * sum, which keeps the small terms beside it precise. */
void activation_apply_vector(enum activation kind, float *values, size_t count)
{
    assert(activation_is_vector(kind));
    if (count == 0)
        return;
    const size_t place = place_of_largest(values, count);
    const double largest = (double)values[place];
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        if (i != place)
            sum += elementary_exp((double)values[i] - largest);
    const double log_sum = elementary_log1p(sum);
    for (size_t i = 0; i < count; i++) {
        const double x = (double)values[i] - largest;
        values[i] = elementary_round(kind == ACTIVATION_SOFTMAX ? elementary_exp(x) / (1.0 + sum)
                                                                : x - log_sum);
    }
}

/* ---- names ---- */

static const struct description {
    const char *name;
    int parameters;
    float alpha, beta; /* by default */
} descriptions[ACTIVATIONS] = {
    [ACTIVATION_LINEAR] = {"linear", 0, 0, 0},
    [ACTIVATION_RELU] = {"relu", 0, 0, 0},
    [ACTIVATION_SIGMOID] = {"sigmoid", 0, 0, 0},
    [ACTIVATION_TANH] = {"tanh", 0, 0, 0},
    [ACTIVATION_HARD_SIGMOID] = {"hard_sigmoid", 2, 0.2f, 0.5f},
    [ACTIVATION_SOFTSIGN] = {"softsign", 0, 0, 0},
    [ACTIVATION_SOFTPLUS] = {"softplus", 0, 0, 0},
    [ACTIVATION_EXPONENTIAL] = {"exponential", 0, 0, 0},
    [ACTIVATION_ELU] = {"elu", 1, 1, 0},
    [ACTIVATION_SELU] = {"selu", 0, 0, 0},
    [ACTIVATION_SWISH] = {"swish", 0, 0, 0},
    [ACTIVATION_RELU6] = {"relu6", 0, 0, 0},
    [ACTIVATION_MISH] = {"mish", 0, 0, 0},
    [ACTIVATION_LOG_SIGMOID] = {"log_sigmoid", 0, 0, 0},
    [ACTIVATION_HARD_SWISH] = {"hard_swish", 0, 0, 0},
    [ACTIVATION_LEAKY_RELU] = {"leaky_relu", 1, 0.01f, 0},
    [ACTIVATION_THRESHOLDED_RELU] = {"thresholded_relu", 1, 1, 0},
    [ACTIVATION_CLIP] = {"clip", 2, -1, 1},
    [ACTIVATION_GELU] = {"gelu", 0, 0, 0},
    [ACTIVATION_GELU_TANH] = {"gelu_tanh", 0, 0, 0},
    [ACTIVATION_AFFINE] = {"affine", 2, 1, 0},
    [ACTIVATION_SCALED_TANH] = {"scaled_tanh", 2, 1, 1},
    [ACTIVATION_SOFTMAX] = {"softmax", 0, 0, 0},
    [ACTIVATION_LOG_SOFTMAX] = {"log_softmax", 0, 0, 0},
};

int activation_parameters(enum activation kind)
{
    return descriptions[kind].parameters;
}

const char *activation_name(enum activation kind)
{
    return descriptions[kind].name;
}

bool activation_from_name(const char *name, struct activation_function *function)
{
    const bool keras3 = strcmp(name, "hard_sigmoid_keras3") == 0;
    if (keras3)
        name = "hard_sigmoid";
    if (strcmp(name, "silu") == 0)
        name = "swish";
    for (size_t i = 0; i < ACTIVATIONS; i++)
        if (strcmp(name, descriptions[i].name) == 0) {
            *function = (struct activation_function){(enum activation)i, descriptions[i].alpha,
                                                     descriptions[i].beta};
            if (keras3)
                function->alpha = 1.0f / 6;
            return true;
        }
    return false;
}
