/* Number to text: its shortest decimal, spelt. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/eight_digits.h"
#include "proto/float_decimal.h"
#include "proto/float_text.h"

enum {
    DIGITS = 9,             /* that any float32 needs at most */
    DECIMAL_POINT_MIN = -4, /* 0.00001, with point as in struct decimal below */
    DECIMAL_POINT_MAX = 9,  /* 999999999.0 */
    AT_ONCE = 32,           /* numbers of a list, whole blocks of decimals */
};
#define INFINITY_BITS 0x7f800000u

/* digits * 10^exponent */
struct decimal {
    uint32_t digits;
    int32_t exponent;
};

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
    uint32_t digits[FLOAT_DECIMAL_BLOCK];
    int32_t exponents[FLOAT_DECIMAL_BLOCK];
    float_decimals_scalar(&value, 1, digits, exponents);
    return write_number(out, bits_of(value), (struct decimal){digits[0], exponents[0]});
}

/* Two short loops are quicker than one: their steps are small enough for the processor to have
 * several at work at a time. */
static char *print_some(char *out, const float *values, size_t count)
{
    uint32_t digits[AT_ONCE];
    int32_t exponents[AT_ONCE];
    float_decimals(values, count, digits, exponents);
    for (size_t i = 0; i < count; i++) {
        out += write_number(out, bits_of(values[i]), (struct decimal){digits[i], exponents[i]});
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
