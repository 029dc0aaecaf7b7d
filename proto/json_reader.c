#include "proto/json_reader.h"

#include <assert.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/json_token.h"

bool json_fail(struct json_reader *reader, const char *format, ...)
{
    if (reader->failed)
        return false;
    reader->failed = true;
    char text[sizeof reader->fault->text];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    return fault_set(reader->fault, 400, "%s at byte %zu", text,
                     (size_t)(reader->at - reader->begin));
}

void json_describe(char *out, const char *at, const char *end)
{
    const unsigned byte = at < end ? (unsigned char)*at : 0;
    if (at == end)
        snprintf(out, JSON_DESCRIPTION_MAX, "the end");
    else if (byte >= ' ' && byte <= '~')
        snprintf(out, JSON_DESCRIPTION_MAX, "'%c'", (char)byte);
    else
        snprintf(out, JSON_DESCRIPTION_MAX, "byte 0x%02x", byte);
}

bool json_fail_wanted(struct json_reader *reader, const char *wanted)
{
    char found[JSON_DESCRIPTION_MAX];
    json_describe(found, reader->at, reader->end);
    return json_fail(reader, "%s is wanted, got %s", wanted, found);
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void skip_space(struct json_reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && is_space(*at))
        at++;
    reader->at = at;
}

bool json_take_word(struct json_reader *reader, const char *word)
{
    const size_t size = strlen(word);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, word, size) != 0)
        return false;
    reader->at += size;
    return true;
}

void json_reader_init(struct json_reader *reader, const char *text, size_t size,
                      struct fault *fault)
{
    assert(text != NULL && fault != NULL);
    *reader = (struct json_reader){.begin = text, .at = text, .end = text + size, .fault = fault};
}

/* By a value's first byte; all others are 0, JSON_ERROR. */
static const unsigned char types[UCHAR_MAX + 1] = {
    ['{'] = JSON_OBJECT, ['['] = JSON_ARRAY,  ['"'] = JSON_STRING, ['t'] = JSON_BOOL,
    ['f'] = JSON_BOOL,   ['n'] = JSON_NULL,   ['-'] = JSON_NUMBER, ['0'] = JSON_NUMBER,
    ['1'] = JSON_NUMBER, ['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER, ['4'] = JSON_NUMBER,
    ['5'] = JSON_NUMBER, ['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER, ['8'] = JSON_NUMBER,
    ['9'] = JSON_NUMBER,
};

enum json_type json_peek(struct json_reader *reader)
{
    if (reader->failed)
        return JSON_ERROR;
    skip_space(reader);
    const char byte = json_byte(reader);
    const unsigned char type = types[(unsigned char)byte];
    if (type != JSON_ERROR)
        return (enum json_type)type;
    if (reader->words && (byte == 'N' || byte == 'I'))
        return JSON_NUMBER;
    json_fail_wanted(reader, "a value");
    return JSON_ERROR;
}

bool json_expect(struct json_reader *reader, enum json_type wanted)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "true or false", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",     [JSON_OBJECT] = "an object",
    };
    const enum json_type found = json_peek(reader);
    if (found == JSON_ERROR || found == wanted)
        return found == wanted;
    return json_fail(reader, "%s is wanted, got %s", names[wanted], names[found]);
}

/* The opening bracket is reached. */
static bool enter(struct json_reader *reader, enum json_type type)
{
    if (reader->depth == JSON_DEPTH_MAX)
        return json_fail(reader, "at most %d levels of nesting are wanted, got more",
                         JSON_DEPTH_MAX);
    reader->at++;
    reader->first[reader->depth] = true;
    reader->object[reader->depth] = type == JSON_OBJECT;
    reader->depth++;
    return true;
}

/* Takes what stands before the next member or element of the innermost container; false when that
 * was its end, or an error. */
static bool next(struct json_reader *reader, bool object)
{
    if (reader->failed)
        return false;
    assert(reader->depth > 0 && reader->object[reader->depth - 1] == object);
    bool *first = &reader->first[reader->depth - 1];
    skip_space(reader);
    if (json_take_byte(reader, object ? '}' : ']')) {
        reader->depth--;
        return false;
    }
    if (!*first && !json_take_byte(reader, ','))
        return json_fail_wanted(reader, object ? "',' or '}'" : "',' or ']'");
    *first = false;
    return true;
}

bool json_enter_object(struct json_reader *reader)
{
    return json_expect(reader, JSON_OBJECT) && enter(reader, JSON_OBJECT);
}

bool json_enter_array(struct json_reader *reader)
{
    return json_expect(reader, JSON_ARRAY) && enter(reader, JSON_ARRAY);
}

bool json_next_element(struct json_reader *reader)
{
    return next(reader, false);
}

/* key may be NULL: checked, not kept. */
static bool next_member(struct json_reader *reader, char *key, size_t capacity)
{
    if (!next(reader, true))
        return false;
    skip_space(reader);
    if (json_byte(reader) != '"')
        return json_fail_wanted(reader, "a key in quotes");
    if (!json_take_string(reader, key, capacity))
        return false;
    skip_space(reader);
    return json_take_byte(reader, ':') || json_fail_wanted(reader, "':'");
}

bool json_next_member(struct json_reader *reader, char *key, size_t capacity)
{
    assert(key != NULL && capacity > 0);
    return next_member(reader, key, capacity);
}

static bool take_literal(struct json_reader *reader, const char *literal)
{
    return json_take_word(reader, literal) ||
           json_fail(reader, "%s is wanted, got another word", literal);
}

static bool take_bool(struct json_reader *reader, bool *value)
{
    *value = *reader->at == 't';
    return take_literal(reader, *value ? "true" : "false");
}

bool json_read_bool(struct json_reader *reader, bool *value)
{
    return json_expect(reader, JSON_BOOL) && take_bool(reader, value);
}

/* Takes a scalar, or enters a container. */
static bool skip_one(struct json_reader *reader)
{
    const char *text;
    bool truth;
    switch (json_peek(reader)) {
    case JSON_NULL:
        return take_literal(reader, "null");
    case JSON_BOOL:
        return take_bool(reader, &truth);
    case JSON_NUMBER:
        return json_take_number(reader, &text);
    case JSON_STRING:
        return json_take_string(reader, NULL, 0);
    case JSON_ARRAY:
        return enter(reader, JSON_ARRAY);
    case JSON_OBJECT:
        return enter(reader, JSON_OBJECT);
    default:
        return false;
    }
}

static bool next_of_any(struct json_reader *reader)
{
    if (reader->object[reader->depth - 1])
        return next_member(reader, NULL, 0);
    return next(reader, false);
}

static void span(const struct json_reader *reader, const char *begin, const char **text,
                 size_t *size)
{
    if (text != NULL)
        *text = begin;
    if (size != NULL)
        *size = (size_t)(reader->at - begin);
}

bool json_skip(struct json_reader *reader, const char **text, size_t *size)
{
    if (json_peek(reader) == JSON_ERROR)
        return false;
    const char *begin = reader->at;
    const unsigned depth = reader->depth;
    do {
        if (!skip_one(reader))
            return false;
        while (reader->depth > depth && !next_of_any(reader))
            if (reader->failed)
                return false;
    } while (reader->depth > depth);
    span(reader, begin, text, size);
    return true;
}

static size_t count_byte(const char *begin, const char *end, char byte)
{
    size_t count = 0;
    while ((begin = memchr(begin, byte, (size_t)(end - begin))) != NULL) {
        begin++;
        count++;
    }
    return count;
}

bool json_skip_numbers(struct json_reader *reader, const char **text, size_t *size, size_t *arrays)
{
    if (!json_expect(reader, JSON_ARRAY))
        return false;
    const char *begin = reader->at;
    const char *p = begin;
    size_t open = 0, members = 0;
    do {
        const char *close = memchr(p, ']', (size_t)(reader->end - p));
        if (close == NULL)
            return json_fail(reader, "']' is wanted, got the end, for the array");
        const size_t opened = count_byte(p, close, '[');
        members += open < 2 && open + opened >= 2; /* the outer array was the innermost before */
        open += opened - 1;
        p = close + 1;
    } while (open > 0);
    reader->at = p;
    span(reader, begin, text, size);
    if (arrays != NULL)
        *arrays = members;
    return true;
}

bool json_finish(struct json_reader *reader)
{
    if (reader->failed)
        return false;
    assert(reader->depth == 0);
    skip_space(reader);
    return reader->at == reader->end || json_fail_wanted(reader, "nothing after the value");
}
