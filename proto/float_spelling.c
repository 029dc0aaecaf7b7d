#include "proto/float_spelling.h"

#include <assert.h>
#include <string.h>

#include "proto/eight_digits.h"
#include "proto/powers_of_ten.h"

/* digits * 10^exponent */
struct decimal {
    uint32_t digits;
    int32_t exponent;
};

/* floor(log10(2^q)), or floor(log10(3/4 * 2^q)), for -149 <= q <= 104: 1233 / 2^12 is log10(2),
 * rounded down, and 512 / 2^12 stands for -log10(3/4). */
static int floor_log10(int q, bool three_quarters)
{
    return (q * 1233 - (three_quarters ? 512 : 0)) >> 12;
}

/* floor(g * x / 2^64), its lowest bit set when anything is left over ("round to odd"), so that
 * comparing it with even numbers is comparing the true product. g is too large by less than one
 * unit, the product by less than 2^32: left-overs smaller than that are none. */
static uint32_t scale(uint64_t g, uint32_t x)
{
    const uint128 product = (uint128)g * x;
    return (uint32_t)(product >> 64) | (uint32_t)((uint64_t)product >> 32 != 0);
}

/* The shortest decimal (some of its last digits may be 0) within the rounding interval of c * 2^q,
 * c > 0. lower_half: the interval reaches only half as far down, as below a power of two. */
static struct decimal shortest(uint32_t c, int q, bool lower_half)
{
    const int k = floor_log10(q, lower_half);
    const int h = q + floor_log2_of_power(-k) + 1;
    const uint64_t g = power_of_ten(-k) + 1;
    const uint32_t odd = c & 1; /* the ends of the interval read back as c only when c is even */

    /* Four times the interval's lower end, the number and the upper end, in units of 10^k. */
    const uint32_t lower = scale(g, (4 * c - (lower_half ? 1 : 2)) << h) + odd;
    const uint32_t value = scale(g, (4 * c) << h);
    const uint32_t upper = scale(g, (4 * c + 2) << h) - odd;

    /* At most one multiple of 10^(k+1) lies within. Which way a number goes is a coin's toss to the
     * processor, so both are worked out and one is chosen. */
    const uint32_t tens = value / 40;
    const uint32_t ten_below = (tens > 0) & (lower <= 40 * tens);
    const uint32_t ten_above = 40 * tens + 40 <= upper;

    const uint32_t ones = value / 4;
    const uint32_t one_below = lower <= 4 * ones;
    const uint32_t one_above = 4 * ones + 4 <= upper;
    const uint32_t nearer_above = value + (ones & 1) > 4 * ones + 2; /* halfway: to the even one */
    const uint32_t one = ones + ((one_below ^ one_above) != 0 ? one_above : nearer_above);
    return (struct decimal){(ten_below ^ ten_above) != 0 ? 10 * (tens + ten_above) : one, k};
}

static struct decimal decimal_of(uint32_t bits)
{
    /* c * 2^q; subnormal numbers have no hidden bit. */
    const uint32_t fraction = bits & 0x7fffff;
    const int field = (int)(bits >> 23 & 0xff);
    const uint32_t normal = field != 0;
    const uint32_t c = fraction | normal << 23;
    const int q = field - 149 - (int)normal;
    return shortest(c, q, fraction == 0 && field > 1);
}

/* The i-th of out. */
static void spell(struct decimal decimal, struct float_spellings *out, size_t i)
{
    /* Bring it to nine digits. Only subnormal numbers have less than seven; that of zero, which
     * means nothing, may not stay 0. */
    decimal.digits += decimal.digits == 0;
    while (decimal.digits < 1000000) {
        decimal.digits *= 10;
        decimal.exponent--;
    }
    static const uint32_t powers[] = {1, 10, 100};
    const int missing = (decimal.digits < 100000000) + (decimal.digits < 10000000);
    const uint32_t nine = decimal.digits * powers[missing];
    const uint32_t five = nine / 10000;
    const uint32_t one = nine / 100000000;
    out->firsts[i] = one;
    out->tails[i] = eight_digits_split(five - one * 10000, nine - five * 10000);
    out->points[i] = decimal.exponent - missing + FLOAT_DIGITS;
}

void float_spell_scalar(const float *values, size_t count, struct float_spellings *out)
{
    assert(count <= FLOAT_SPELLINGS_MAX);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        spell(decimal_of(bits), out, i);
    }
}

void float_spell(const float *values, size_t count, struct float_spellings *out)
{
    (float_spell_avx2_supported() ? float_spell_avx2 : float_spell_scalar)(values, count, out);
}
