/* Number to text: its shortest decimal, spelt. */
#include <stdint.h>
#include <string.h>

#include "proto/eight_digits.h"
#include "proto/float_spelling.h"
#include "proto/float_text.h"
#include "proto/little_endian.h"

enum {
    DECIMAL_POINT_MIN = -4, /* 0.00001, with point as in struct spelling below */
    DECIMAL_POINT_MAX = 9,  /* 999999999.0 */
};
#define INFINITY_BITS 0x7f800000u

/* A number as 0.d1d2d3... * 10^point. */
struct spelling {
    char first;           /* d1 */
    uint64_t tail;        /* d2 to d9, 0..9 each, d2 in the lowest byte */
    unsigned significant; /* digits up to the last that is not 0, at least 1 */
    int point;
};

static inline struct spelling spelling_of(const struct float_spellings *spelt, size_t i)
{
    const uint64_t tail = spelt->tails[i];
    return (struct spelling){
        .first = (char)('0' + spelt->firsts[i]),
        .tail = tail,
        .significant = tail == 0 ? 1 : FLOAT_DIGITS - (unsigned)__builtin_clzll(tail) / 8,
        .point = spelt->points[i],
    };
}

/* All forms store the tail in one piece, zeros and all; the size returned is what counts. None
 * writes past FLOAT_TEXT_MAX - 1 bytes. */

static void store_digits(char *text, uint64_t digits)
{
    little_endian_write_u64(text, digits | EIGHT_ZEROS);
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
    store_digits(out + whole + 1, whole < FLOAT_DIGITS ? spelt->tail >> (8 * (whole - 1)) : 0);
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

/* The i-th of those spelt. */
static inline size_t write_number(char *out, float value, const struct float_spellings *spelt,
                                  size_t i)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
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
    const struct spelling spelling = spelling_of(spelt, i);
    if (spelling.point >= DECIMAL_POINT_MIN && spelling.point <= DECIMAL_POINT_MAX)
        return sign + write_decimal(out, &spelling);
    return sign + write_scientific(out, &spelling);
}

size_t float_print(char *out, float value)
{
    struct float_spellings spelt;
    float_spell_scalar(&value, 1, &spelt);
    return write_number(out, value, &spelt, 0);
}

static char *print_some(char *out, const float *values, size_t count)
{
    struct float_spellings spelt;
    float_spell(values, count, &spelt);
    for (size_t i = 0; i < count; i++) {
        out += write_number(out, values[i], &spelt, i);
        *out++ = ',';
    }
    return out;
}

size_t float_print_list(char *out, const float *values, size_t count)
{
    char *at = out;
    for (size_t i = 0; i < count; i += FLOAT_SPELLINGS_MAX) {
        const size_t left = count - i;
        at = print_some(at, values + i, left < FLOAT_SPELLINGS_MAX ? left : FLOAT_SPELLINGS_MAX);
    }
    return (size_t)(at - out);
}
