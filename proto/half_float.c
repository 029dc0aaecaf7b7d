#include "proto/half_float.h"

#include <string.h>

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float half_float_from_f16(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    const uint32_t exponent = (bits >> 10) & 0x1fu;
    const uint32_t mantissa = bits & 0x3ffu;
    if (exponent == 0x1f) /* infinity, NaN */
        return from_bits(sign | 0x7f800000u | mantissa << 13);
    if (exponent == 0) { /* zero, denormal: a whole number of 2^-24 */
        const float magnitude = (float)mantissa * 0x1p-24f;
        return sign != 0 ? -magnitude : magnitude;
    }
    return from_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

float half_float_from_bf16(uint16_t bits)
{
    return from_bits((uint32_t)bits << 16);
}
