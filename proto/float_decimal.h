/* The shortest decimal that reads back as the same float32, of several the one nearest to it
 * (R. Giulietti, The Schubfach way to render doubles, 2020, for float32).
 *
 * values[i], its sign left aside, is digits[i] * 10^exponents[i]; the last digits may be 0. Of what
 * is zero, infinite or no number they mean nothing. digits and exponents have room for count
 * rounded up to FLOAT_DECIMAL_BLOCK, all of which may be written. */
#ifndef PROTO_FLOAT_DECIMAL_H
#define PROTO_FLOAT_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOAT_DECIMAL_BLOCK 8

/* By the quicker of the two below that this processor has; both find the same. */
void float_decimals(const float *values, size_t count, uint32_t *digits, int32_t *exponents);

/* One after the other: the definition. */
void float_decimals_scalar(const float *values, size_t count, uint32_t *digits, int32_t *exponents);

/* Eight at a time, where it is supported. */
bool float_decimals_avx2_supported(void);
void float_decimals_avx2(const float *values, size_t count, uint32_t *digits, int32_t *exponents);

#endif
