/* exp(-a) for a >= 0 is the heart of both functions. With n = round(-a / ln 2) and r = -a - n ln 2,
 * exp(-a) = 2^n * (1 + p) where p = exp(r) - 1 on |r| <= ln(2) / 2. Keeping p apart from its 1
 * gives tanh full relative precision at small x, where 1 - exp(-2x) would cancel.
 *
 * Every operation below has a vector twin that rounds the same way: no branch, no table, no call.
 */
#include "core/activation.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/activation_constants.h"

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

float activation_apply(enum activation activation, float x)
{
    switch (activation) {
    case ACTIVATION_LINEAR:
        return x;
    case ACTIVATION_RELU:
        return relu(x);
    case ACTIVATION_SIGMOID:
        return activation_sigmoid(x);
    case ACTIVATION_TANH:
        return activation_tanh(x);
    }
    return x;
}

static const char *const names[] = {
    [ACTIVATION_LINEAR] = "linear",
    [ACTIVATION_RELU] = "relu",
    [ACTIVATION_SIGMOID] = "sigmoid",
    [ACTIVATION_TANH] = "tanh",
};

const char *activation_name(enum activation activation)
{
    return names[activation];
}

bool activation_from_name(const char *name, enum activation *activation)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *activation = (enum activation)i;
            return true;
        }
    return false;
}
