/* Number to text: the shortest decimal that reads back as the same float, of several the one
 * nearest to it (R. Giulietti, The Schubfach way to render doubles, 2020, for float32). */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/eight_digits.h"
#include "proto/float_text.h"
#include "proto/powers_of_ten.h"

enum {
    DIGITS = 9,             /* that any float32 needs at most */
    DECIMAL_POINT_MIN = -4, /* 0.00001, with point as in struct decimal below */
    DECIMAL_POINT_MAX = 9,  /* 999999999.0 */
    AT_ONCE = 32,           /* numbers of a list */
};
#define INFINITY_BITS 0x7f800000u

/* digits * 10^exponent */
struct decimal {
    uint32_t digits;
    int exponent;
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
static inline struct decimal shortest(uint32_t c, int q, bool lower_half)
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

/* A number as 0.d1d2d3... * 10^point. */
struct spelling {
    char first;           /* d1 */
    uint64_t tail;        /* d2 to d9, 0..9 each, d2 in the lowest byte */
    unsigned significant; /* digits up to the last that is not 0, at least 1 */
    int point;
};

static inline struct spelling spell(struct decimal decimal)
{
    /* Bring it to nine digits. Only subnormal numbers have less than seven. */
    while (decimal.digits < 1000000) {
        decimal.digits *= 10;
        decimal.exponent--;
    }
    static const uint32_t powers[] = {1, 10, 100};
    const int missing = (decimal.digits < 100000000) + (decimal.digits < 10000000);
    const uint32_t nine = decimal.digits * powers[missing];
    const uint32_t five = nine / 10000;
    const uint32_t one = nine / 100000000;
    const uint64_t tail = eight_digits_split(five - one * 10000, nine - five * 10000);
    return (struct spelling){
        .first = (char)('0' + one),
        .tail = tail,
        .significant = tail == 0 ? 1 : DIGITS - (unsigned)__builtin_clzll(tail) / 8,
        .point = decimal.exponent - missing + DIGITS,
    };
}

/* All forms store the tail in one piece, zeros and all; the size returned is what counts. None
 * writes past FLOAT_TEXT_MAX - 1 bytes. */

static void store_digits(char *text, uint64_t digits)
{
    eight_bytes_store(text, digits | EIGHT_ZEROS);
}

static size_t write_decimal(char *out, const struct spelling *spelt)
{
    if (spelt->point <= 0) { /* 0.000ddd */
        const size_t zeros = (size_t)-spelt->point;
        store_digits(out, 0);
        out[1] = '.';
        out[2 + zeros] = spelt->first;
        store_digits(out + 3 + zeros, spelt->tail);
        return 2 + zeros + spelt->significant;
    }
    const size_t whole = (size_t)spelt->point; /* ddd.ddd, ddd000.0 */
    out[0] = spelt->first;
    store_digits(out + 1, spelt->tail);
    out[whole] = '.';
    store_digits(out + whole + 1, whole < DIGITS ? spelt->tail >> (8 * (whole - 1)) : 0);
    return whole + 1 + (spelt->significant > whole ? spelt->significant - whole : 1);
}

static size_t write_scientific(char *out, const struct spelling *spelt)
{
    const int exponent = spelt->point - 1;
    const unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    out[0] = spelt->first;
    out[1] = '.';
    store_digits(out + 2, spelt->tail);
    char *at = out + (spelt->significant > 1 ? spelt->significant + 1 : 1);
    *at++ = 'e';
    if (exponent < 0)
        *at++ = '-';
    if (size >= 10)
        *at++ = (char)('0' + size / 10);
    *at++ = (char)('0' + size % 10);
    return (size_t)(at - out);
}

static size_t write_text(char *out, const char *text)
{
    const size_t size = strlen(text);
    memcpy(out, text, size);
    return size;
}

/* Of numbers that are none, or zero, the decimal means nothing. */
static inline struct decimal decimal_of(uint32_t bits)
{
    /* c * 2^q; subnormal numbers have no hidden bit. */
    const uint32_t fraction = bits & 0x7fffff;
    const int field = (int)(bits >> 23 & 0xff);
    const uint32_t normal = field != 0;
    const uint32_t c = fraction | normal << 23;
    const int q = field - 149 - (int)normal;
    return shortest(c, q, fraction == 0 && field > 1);
}

static inline size_t write_number(char *out, uint32_t bits, struct decimal decimal)
{
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > INFINITY_BITS)
        return write_text(out, "NaN");
    const size_t sign = bits >> 31;
    out[0] = '-';
    out += sign;
    if (magnitude == INFINITY_BITS)
        return sign + write_text(out, "Infinity");
    if (magnitude == 0)
        return sign + write_text(out, "0.0");
    const struct spelling spelt = spell(decimal);
    if (spelt.point >= DECIMAL_POINT_MIN && spelt.point <= DECIMAL_POINT_MAX)
        return sign + write_decimal(out, &spelt);
    return sign + write_scientific(out, &spelt);
}

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

size_t float_print(char *out, float value)
{
    const uint32_t bits = bits_of(value);
    return write_number(out, bits, decimal_of(bits));
}

/* Two short loops are quicker than one: their steps are small enough for the processor to have
 * several at work at a time. */
static char *print_some(char *out, const float *values, size_t count)
{
    struct decimal decimals[AT_ONCE];
    for (size_t i = 0; i < count; i++)
        decimals[i] = decimal_of(bits_of(values[i]));
    for (size_t i = 0; i < count; i++) {
        out += write_number(out, bits_of(values[i]), decimals[i]);
        *out++ = ',';
    }
    return out;
}

size_t float_print_list(char *out, const float *values, size_t count)
{
    char *at = out;
    for (size_t i = 0; i < count; i += AT_ONCE)
        at = print_some(at, values + i, count - i < AT_ONCE ? count - i : AT_ONCE);
    return (size_t)(at - out);
}
