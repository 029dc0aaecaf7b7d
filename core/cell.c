/* sigmoid(x) = 1 / d and tanh(x) = n / d with n = 1 - E, d = 1 + E, where E is exp(-x) for the one
 * and exp(-2x) for the other. A product of two of them is one fraction, so a cell divides three
 * times instead of five; and where x is cut to a range in which E neither overflows nor vanishes,
 * no sign has to be taken off and put back. */
#include "core/cell.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/activation_constants.h"

/* 2^n (1 + p) = E */
struct power {
    float scale, p;
};

static float cut(float x, float limit)
{
    x = limit < x ? limit : x; /* this way round NaN passes, here and below */
    return x < -limit ? -limit : x;
}

/* 2^n: n stands in the low bits of `shifted`, with the exponent's bias. */
static float scale_of(float shifted)
{
    uint32_t bits;
    float scale;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 23;
    memcpy(&scale, &bits, sizeof scale);
    return scale;
}

/* exp(-k x) for k = 1 or 2: r is in units of x, and the powers of k that this costs are exact in
 * the constants. */
static struct power exp_minus(float k, float x)
{
    const float shifted = fmaf(x, k * EXP_MINUS_LOG2E, EXP_ROUND);
    const float n = shifted - EXP_ROUND;
    const float r = fmaf(n, -EXP_MINUS_LN2 / k, x);
    const float r2 = r * r, k2 = k * k, k4 = k2 * k2;
    const float low = fmaf(r, -EXP_Q1 * k2 * k, EXP_Q0 * k2);
    const float high = fmaf(r2, EXP_Q4 * k4 * k2, fmaf(r, -EXP_Q3 * k4 * k, EXP_Q2 * k4));
    return (struct power){scale_of(shifted), fmaf(r2, fmaf(r2, high, low), -(k * r))};
}

static struct power of_sigmoid(float x)
{
    return exp_minus(1, cut(x, CELL_SIGMOID_CUT));
}

static struct power of_tanh(float x)
{
    return exp_minus(2, cut(x, CELL_TANH_CUT));
}

static float one_plus(struct power e)
{
    return fmaf(e.scale, e.p, 1.0f + e.scale);
}

static float one_minus(struct power e)
{
    return fmaf(-e.scale, e.p, 1.0f - e.scale);
}

void cell_step(float i, float f, float g, float o, float *c, float *h)
{
    const struct power e_g = of_tanh(g);
    const float input = one_minus(e_g) / (one_plus(of_sigmoid(i)) * one_plus(e_g));
    *c = fmaf(1.0f / one_plus(of_sigmoid(f)), *c, input);
    const struct power e_c = of_tanh(*c);
    *h = one_minus(e_c) / (one_plus(of_sigmoid(o)) * one_plus(e_c));
}
