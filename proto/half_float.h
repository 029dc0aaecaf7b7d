/* The two 16-bit float formats that weights are stored in. Every value of both is a float32, so
 * the conversions are exact; NaN gives NaN. */
#ifndef PROTO_HALF_FLOAT_H
#define PROTO_HALF_FLOAT_H

#include <stdint.h>

/* IEEE 754 binary16: sign, 5 bits of exponent, 10 of mantissa. */
float half_float_from_f16(uint16_t bits);

/* bfloat16: the upper half of a float32. */
float half_float_from_bf16(uint16_t bits);

#endif
