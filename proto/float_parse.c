/* Text to number. The text is w * 10^q with an integer w. Where both are small, a division of
 * doubles tells what to round to. Else, with at most 19 digits, the product of w and the 64-bit
 * fraction of 10^q, all 128 bits of it, decides the rounding, unless it lies within the
 * table's error of a midpoint between two floats (D. Lemire, Number Parsing at a Gigabyte per
 * Second, 2021; for the 24 bits of a float32 one 64-bit word a power suffices). What is left
 * undecided goes to strtof. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/eight_digits.h"
#include "proto/float_text.h"
#include "proto/little_endian.h"
#include "proto/powers_of_ten.h"

enum {
    FRACTION_BITS = 23,
    EXPONENT_MIN = -126,   /* of the smallest normal float32 */
    DIGITS_MAX = 19,       /* that a uint64_t holds, whatever they are */
    MIDPOINT_DIGITS = 120, /* no midpoint between two float32 has more than 113 */
};
#define INFINITY_BITS 0x7f800000u

/* No float's bits: round_product's answer when the table cannot tell. */
#define UNDECIDED UINT32_MAX

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Appends the digits at text to *w, modulo 2^64; returns the byte after them. */
static inline const char *scan_digits(const char *text, const char *end, uint64_t *w)
{
    static const uint32_t powers[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    while (end - text >= 8) {
        const uint64_t bytes = little_endian_read_u64(text) ^ EIGHT_ZEROS;
        /* The high bit of each byte that is more than 9; a carry spoils only bytes after it. */
        const uint64_t others = (bytes | (bytes + 0x7676767676767676)) & 0x8080808080808080;
        if (others != 0) {
            /* Any number of digits takes the same way, none too, so there is nothing to guess. */
            const unsigned count = (unsigned)__builtin_ctzll(others) / 8;
            *w = *w * powers[count] + eight_digits_join((bytes << 1) << (63 - 8 * count));
            return text + count;
        }
        *w = *w * 100000000 + eight_digits_join(bytes);
        text += 8;
    }
    for (; is_digit(*text); text++)
        *w = *w * 10 + (uint64_t)(*text - '0');
    return text;
}

/* At the 'e'. NULL when no exponent follows. A huge one stops growing where no number of digits
 * that memory holds could make up for it. */
static const char *scan_exponent(const char *text, int64_t *exponent)
{
    text++;
    const bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (!is_digit(*text))
        return NULL;
    int64_t value = 0;
    for (; is_digit(*text); text++)
        if (value < INT64_MAX / 100)
            value = value * 10 + (*text - '0');
    *exponent = negative ? -value : value;
    return text;
}

/* The bits of the float nearest to w * 10^q, ties to even, or UNDECIDED. */
static uint32_t round_product(uint64_t w, int64_t q)
{
    if (w == 0 || q < POWERS_OF_TEN_MIN) /* below 10^19 * 10^-65, less than half of 2^-149 */
        return 0;
    if (q > 38)
        return INFINITY_BITS;

    const int leading = __builtin_clzll(w);
    const uint128 product = (uint128)(w << leading) * power_of_ten((int)q);
    const uint64_t high = (uint64_t)(product >> 64);
    const uint64_t low = (uint64_t)product;
    const int upper = (int)(high >> 63);
    const int exponent = floor_log2_of_power((int)q) + 63 - leading + upper;

    /* 24 bits are kept, fewer below the smallest normal float: none is worth less than 2^-149. */
    const bool subnormal = exponent < EXPONENT_MIN;
    const int drop = 39 + upper + (subnormal ? EXPONENT_MIN - exponent : 0);
    if (drop > 63)
        return drop > 65 ? 0 : UNDECIDED;
    const uint32_t mantissa = (uint32_t)(high >> drop);
    uint32_t up = (uint32_t)(high >> (drop - 1)) & 1;

    /* When all bits below that one are equal, the number may lie on a midpoint. Where the table
     * rounded 10^q down, it lies above the product, by less than one unit of high. */
    const uint64_t below = ((uint64_t)1 << (drop - 1)) - 1;
    if (((high + 1) & below) <= 1) {
        const bool exact = q >= 0 && q <= POWERS_OF_TEN_EXACT_MAX;
        if (up == 0 && (high & 1) != 0 && !exact)
            return UNDECIDED;
        if (up == 1 && (high & 1) == 0 && exact && low == 0)
            up = mantissa & 1;
    }

    /* The hidden bit adds 1 to the exponent's field, and so does a carry out of the mantissa. */
    const uint32_t field = subnormal ? 0 : (uint32_t)(exponent - EXPONENT_MIN);
    const uint32_t rounded = (field << FRACTION_BITS) + mantissa + up;
    return rounded < INFINITY_BITS ? rounded : INFINITY_BITS;
}

/* Most numbers are short: w and 10^-q are doubles, and what a division makes of them is w * 10^q
 * rounded once. Rounding that to a float is rounding the number, unless it was rounded onto a
 * midpoint between two floats: then its last 29 bits are 1000... and on which side the number lies
 * is forgotten. Down to 10^-22 all floats are normal. UNDECIDED for all others. */
static inline uint32_t round_short(uint64_t w, int64_t q)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (w >> 53 != 0 || (uint64_t)-q >= sizeof powers / sizeof *powers)
        return UNDECIDED;
    const double quotient = (double)(int64_t)w / powers[-q];
    uint64_t wide;
    memcpy(&wide, &quotient, sizeof wide);
    if ((wide & 0x1fffffff) == 0x10000000)
        return UNDECIDED;
    const float value = (float)quotient;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Decides by strtof, which is correctly rounded in glibc, from the count digits that begin at text,
 * with a point among them. It is shown no decimal point, since its own depends on the locale:
 * "8388608.5" is read as "83886085e-1". Digits past the longest midpoint's count only as something
 * or nothing. */
__attribute__((noinline)) static uint32_t round_by_strtof(const char *text, int64_t count,
                                                          int64_t exponent)
{
    char plain[MIDPOINT_DIGITS + 32];
    size_t size = 0;
    bool more = false;
    for (; count > 0; text++) {
        if (*text == '.')
            continue;
        count--;
        if (size < MIDPOINT_DIGITS) {
            if (size > 0 || *text != '0')
                plain[size++] = *text;
        } else {
            more |= *text != '0';
            exponent++;
        }
    }
    if (more) {
        plain[size++] = '1';
        exponent--;
    }
    snprintf(plain + size, sizeof plain - size, "e%lld", (long long)exponent);
    const float value = strtof(plain, NULL);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* round_product for the count digits that begin at text, with a point among them, too many for w,
 * which holds them modulo 2^64. The first 19 lie below the number, one more in the last lies above:
 * what both are rounded to, it is rounded to. */
__attribute__((noinline)) static uint32_t round_long(const char *text, int64_t count, uint64_t w,
                                                     int64_t q)
{
    for (; count > 0 && (*text == '0' || *text == '.'); text++)
        count -= *text == '0';
    if (count <= DIGITS_MAX)
        return round_product(w, q);
    uint64_t first = 0;
    for (int kept = 0; kept < DIGITS_MAX; text++) {
        if (*text == '.')
            continue;
        first = first * 10 + (uint64_t)(*text - '0');
        kept++;
    }
    const uint32_t below = round_product(first, q + count - DIGITS_MAX);
    const uint32_t above = round_product(first + 1, q + count - DIGITS_MAX);
    return below == above ? below : UNDECIDED;
}

/* Of w * 10^q, count digits that begin at text: the bits of the nearest float. */
__attribute__((noinline)) static uint32_t round_hard(const char *text, int64_t count, uint64_t w,
                                                     int64_t q)
{
    const uint32_t bits = count <= DIGITS_MAX ? round_product(w, q) : round_long(text, count, w, q);
    return bits != UNDECIDED ? bits : round_by_strtof(text, count, q);
}

__attribute__((noinline)) static const char *parse_token(const char *text, const char *end,
                                                         float *value)
{
    static const struct {
        const char *text;
        float value;
    } tokens[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        const size_t size = strlen(tokens[i].text);
        if ((size_t)(end - text) >= size && memcmp(text, tokens[i].text, size) == 0) {
            *value = tokens[i].value;
            return text + size;
        }
    }
    return NULL;
}

const char *float_parse(const char *text, const char *end, float *value)
{
    const bool negative = *text == '-';
    const char *digits = text + negative;
    if (!is_digit(*digits))
        return parse_token(text, end, value);

    /* The number is w * 10^q, and has count digits. */
    uint64_t w = (uint64_t)(*digits - '0');
    int64_t q = 0;
    const char *at = digits + 1;
    if (is_digit(*at) && w != 0) /* after a leading zero the number ends, or its point comes */
        at = scan_digits(at, end, &w);
    int64_t count = at - digits;
    if (*at == '.') {
        const char *fraction = at + 1;
        at = scan_digits(fraction, end, &w);
        if (at == fraction)
            return NULL;
        q = fraction - at;
        count -= q;
    }
    if ((*at | 0x20) == 'e') {
        int64_t exponent;
        at = scan_exponent(at, &exponent);
        if (at == NULL)
            return NULL;
        q += exponent;
    }

    uint32_t bits = count <= DIGITS_MAX ? round_short(w, q) : UNDECIDED;
    if (bits == UNDECIDED)
        bits = round_hard(digits, count, w, q);
    bits |= (uint32_t)negative << 31;
    memcpy(value, &bits, sizeof *value);
    return at;
}
