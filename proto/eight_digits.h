/* Eight decimal digits at a time: eight bytes held in one word, the first in the lowest bits, as
 * little_endian_read_u64 reads them. A digit is held as 0..9; as text it is that plus '0'. */
#ifndef PROTO_EIGHT_DIGITS_H
#define PROTO_EIGHT_DIGITS_H

#include <stdint.h>

#define EIGHT_ZEROS 0x3030303030303030u /* "00000000" */

/* The number that eight digits spell: neighbours are joined to pairs, pairs to fours, fours to
 * eight. */
static inline uint64_t eight_digits_join(uint64_t digits)
{
    digits = (digits * (10u << 8 | 1)) >> 8 & 0x00ff00ff00ff00ff;
    digits = (digits * (100u << 16 | 1)) >> 16 & 0x0000ffff0000ffff;
    return (digits * ((uint64_t)10000 << 32 | 1)) >> 32;
}

/* The digits of two numbers below 10^4, those of high first: fours are split into pairs, pairs into
 * ones. In each step x becomes x / n + (x % n) * 2^b, which is x * 2^b - (x / n) * (n * 2^b - 1).
 */
static inline uint64_t eight_digits_split(uint32_t high, uint32_t low)
{
    const uint64_t fours = high | (uint64_t)low << 32;
    const uint64_t hundreds = (fours * 5243) >> 19 & 0x0000007f0000007f; /* right up to 9999 */
    const uint64_t pairs = (fours << 16) - hundreds * ((100 << 16) - 1);
    const uint64_t tens = (pairs * 103) >> 10 & 0x000f000f000f000f; /* right up to 99 */
    return (pairs << 8) - tens * ((10 << 8) - 1);
}

#endif
