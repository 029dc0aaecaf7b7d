#include "core/elementary.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(FLT_EVAL_METHOD == 0, "double expressions must round to double at each step");

#define LOG2_E   0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42fefa3800p-1 /* 42 bits: exact times any exponent */
#define LN2_LOW  0x1.ef35793c76730p-45
#define ROUND    0x1.8p52 /* added and taken away again, it leaves the nearest integer */

/* exp(x) = 2^n exp(r), |r| <= ln(2) / 2, exp(r) by its Taylor series to r^13 (error 4e-18). */
double elementary_exp(double x)
{
    static const double inverse_factorials[] = {
        1.0 / 6227020800,
        1.0 / 479001600,
        1.0 / 39916800,
        1.0 / 3628800,
        1.0 / 362880,
        1.0 / 40320,
        1.0 / 5040,
        1.0 / 720,
        1.0 / 120,
        1.0 / 24,
        1.0 / 6,
        1.0 / 2,
        1.0,
        1.0,
    };
    x = x < -700.0 ? -700.0 : x > 700.0 ? 700.0 : x;
    const double shifted = x * LOG2_E + ROUND;
    const double n = shifted - ROUND;
    const double r = (x - n * LN2_HIGH) - n * LN2_LOW;
    double sum = inverse_factorials[0];
    for (size_t i = 1; i < sizeof inverse_factorials / sizeof inverse_factorials[0]; i++)
        sum = sum * r + inverse_factorials[i];
    /* The integer stands in the low bits of `shifted`; with the bias it is the exponent of 2^n. */
    uint64_t bits;
    double scale;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

double elementary_expm1(double x)
{
    /* Under 1e-5 two terms of the series are closer than the difference. */
    return fabs(x) < 1e-5 ? x + x * x * 0.5 : elementary_exp(x) - 1.0;
}

/* log(m) = 2 atanh(f) with f = (m - 1) / (m + 1), by its series; |f| <= 1/3 (error 1e-17). */
static double log_from_quotient(double f)
{
    enum { TERMS = 18 };
    const double square = f * f;
    double sum = 0;
    for (int j = TERMS; j >= 0; j--)
        sum = sum * square + 1.0 / (2 * j + 1);
    return 2.0 * f * sum;
}

double elementary_log1p(double x)
{
    if (!(x > 1.0)) /* NaN too */
        return log_from_quotient(x / (2.0 + x));
    if (x > DBL_MAX)
        return x;
    /* 1 + x = 2^n m, 1 <= m < 2 */
    const double y = 1.0 + x;
    uint64_t bits;
    double m;
    memcpy(&bits, &y, sizeof bits);
    const double n = (double)(bits >> 52) - 1023.0;
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52;
    memcpy(&m, &bits, sizeof m);
    return n * LN2_HIGH + (n * LN2_LOW + log_from_quotient((m - 1.0) / (m + 1.0)));
}

/* exp(-z^2/2) g(t), t = (z - 4) / (z + 4): g is smooth on the whole tail, and its polynomial,
 * fitted on Chebyshev's points over 0 <= z <= 16, is off by 3e-13 at most. Beyond 16 the tail is
 * under 1e-57, 0 in float32 whatever it is multiplied with. */
double elementary_normal_tail(double z)
{
    static const double g[] = {
        0x1.692688fd2984bp-23,  0x1.0a7a297a40bbep-21,  -0x1.cd78c784956f6p-21,
        -0x1.1893219963653p-18, 0x1.39f66463fc72fp-18,  0x1.dfd62afa45833p-16,
        -0x1.7e544960093dcp-15, -0x1.888819c40a93fp-13, 0x1.4eecd369d3187p-11,
        0x1.0a1ba5e6e148bp-11,  -0x1.1644dd6832ff3p-7,  0x1.f9b05f281b81ap-6,
        -0x1.25b6aa9476623p-4,  0x1.fd751a1f8bf11p-4,   -0x1.5cf97b0aebc5dp-3,
        0x1.82b4bb8c951a8p-4,
    };
    if (z > 16.0)
        return 0.0;
    const double t = (z - 4.0) / (z + 4.0);
    double sum = g[0];
    for (size_t i = 1; i < sizeof g / sizeof g[0]; i++)
        sum = sum * t + g[i];
    return elementary_exp(-0.5 * z * z) * sum;
}

float elementary_round(double x)
{
    /* Converting a number out of range is undefined in C; this is IEEE's answer. */
    if (fabs(x) >= 0x1.ffffffp127)
        return x < 0 ? -INFINITY : INFINITY;
    return (float)x;
}
