#include "proto/json_token.h"

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
    *text = reader->at;
    if (reader->words && json_take_word(reader, "NaN"))
        return true;
    json_take_byte(reader, '-');
    return (reader->words && json_take_word(reader, "Infinity")) || take_unsigned(reader);
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
    if (!json_expect(reader, JSON_NUMBER) || !json_take_number(reader, &text))
        return false;
    if (!whole_number(text, reader->at, &number))
        return fail_number(reader, text, "a whole number from 0 to 2^64-1");
    *value = number;
    return true;
}
