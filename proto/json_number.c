#include "proto/json_token.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest number json_read_double takes: far more digits than a double can tell apart. */
#define DOUBLE_TEXT_MAX 128

static bool take_digits(struct json_reader *reader)
{
    if (!json_is_digit(json_byte(reader)))
        return json_fail_wanted(reader, "a digit");
    while (json_is_digit(json_byte(reader)))
        reader->at++;
    return true;
}

/* RFC 8259, section 6, after the sign. */
static bool take_unsigned(struct json_reader *reader)
{
    if (!json_take_byte(reader, '0') && !take_digits(reader))
        return false;
    if (json_take_byte(reader, '.') && !take_digits(reader))
        return false;
    if (!json_take_byte(reader, 'e') && !json_take_byte(reader, 'E'))
        return true;
    if (!json_take_byte(reader, '+'))
        json_take_byte(reader, '-');
    return take_digits(reader);
}

bool json_take_number(struct json_reader *reader, const char **text)
{
    if (!json_expect(reader, JSON_NUMBER))
        return false;
    *text = reader->at;
    if (json_take_word(reader, "NaN"))
        return true;
    json_take_byte(reader, '-');
    return json_take_word(reader, "Infinity") || take_unsigned(reader);
}

/* Fails at the number that starts at text. */
static bool fail_number(struct json_reader *reader, const char *text, const char *wanted)
{
    const ptrdiff_t size = reader->at - text;
    reader->at = text;
    return json_fail(reader, "%s is wanted, got %.*s%s", wanted, size > 40 ? 40 : (int)size, text,
                     size > 40 ? "..." : "");
}

/* digits[0, end) as a number; false when one is no digit or the number does not fit. */
static bool whole_number(const char *digits, const char *end, uint64_t *value)
{
    *value = 0;
    for (; digits < end; digits++) {
        const unsigned digit = (unsigned)(*digits - '0');
        if (!json_is_digit(*digits) || *value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return true;
}

bool json_read_uint64(struct json_reader *reader, uint64_t *value)
{
    const char *text;
    uint64_t number;
    if (!json_take_number(reader, &text))
        return false;
    if (!whole_number(text, reader->at, &number))
        return fail_number(reader, text, "a whole number from 0 to 2^64-1");
    *value = number;
    return true;
}

bool json_read_int64(struct json_reader *reader, int64_t *value)
{
    const char *text;
    uint64_t number;
    if (!json_take_number(reader, &text))
        return false;
    const bool negative = *text == '-';
    if (!whole_number(text + negative, reader->at, &number) ||
        number > (uint64_t)INT64_MAX + negative)
        return fail_number(reader, text, "a whole number from -2^63 to 2^63-1");
    /* -number without ever holding 2^63 in an int64_t. */
    *value = negative && number > 0 ? -(int64_t)(number - 1) - 1 : (int64_t)number;
    return true;
}

/* strtod expects the decimal point of the locale, so it is shown none: "-12.5e3" is read as
 * "-125e2". out holds DOUBLE_TEXT_MAX + 32 bytes. */
static void without_point(char *out, const char *text, const char *end)
{
    const char *point = NULL;
    const char *p = text;
    char *o = out;
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.')
            point = p;
        else
            *o++ = *p;
    }
    const long fraction = point == NULL ? 0 : (long)(p - point - 1);
    /* strtol stops at the byte after the number; a huge exponent saturates. */
    char digits[DOUBLE_TEXT_MAX + 1] = "0";
    if (p < end)
        memcpy(digits, p + 1, (size_t)(end - p - 1));
    long exponent = strtol(digits, NULL, 10);
    exponent = exponent > 100000 ? 100000 : exponent < -100000 ? -100000 : exponent;
    *o++ = 'e';
    snprintf(o, 16, "%ld", exponent - fraction);
}

bool json_read_double(struct json_reader *reader, double *value)
{
    const char *text;
    if (!json_take_number(reader, &text))
        return false;
    const bool token = reader->at[-1] == 'N' || reader->at[-1] == 'y';
    if (token) {
        *value = *text == 'N' ? (double)NAN : *text == '-' ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    if (reader->at - text > DOUBLE_TEXT_MAX)
        return fail_number(reader, text, "a number of at most 128 characters");
    char plain[DOUBLE_TEXT_MAX + 32];
    without_point(plain, text, reader->at);
    const double number = strtod(plain, NULL);
    if (isinf(number))
        return fail_number(reader, text, "a number in a double's range");
    *value = number;
    return true;
}
