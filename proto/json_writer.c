#include "proto/json_writer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/float_text.h"

enum {
    CAPACITY_FIRST = 256,
    FLOATS_PER_RESERVE = 512, /* json_floats asks for room this many numbers at a time */
};

void json_writer_init(struct json_writer *writer)
{
    *writer = (struct json_writer){0};
}

void json_writer_fini(struct json_writer *writer)
{
    free(writer->text);
    json_writer_init(writer);
}

void json_clear(struct json_writer *writer)
{
    writer->size = 0;
    writer->comma = false;
}

static bool fail(struct json_writer *writer)
{
    json_writer_fini(writer);
    writer->failed = true;
    return false;
}

static bool grow(struct json_writer *writer, size_t capacity)
{
    char *text = realloc(writer->text, capacity);
    if (text == NULL)
        return fail(writer);
    writer->text = text;
    writer->capacity = capacity;
    return true;
}

/* The buffer at least doubles, so that many small pieces cost no more than one copy each. */
__attribute__((noinline)) static bool make_room(struct json_writer *writer, size_t bytes)
{
    if (writer->failed)
        return false;
    size_t needed, doubled;
    if (!checked_add(writer->size, bytes, &needed))
        return fail(writer);
    if (!checked_mul(writer->capacity, 2, &doubled) || doubled < CAPACITY_FIRST)
        doubled = CAPACITY_FIRST;
    return grow(writer, needed > doubled ? needed : doubled);
}

/* Room for bytes more; false when the writer has failed. */
static inline bool room(struct json_writer *writer, size_t bytes)
{
    return (bytes <= writer->capacity - writer->size && !writer->failed) ||
           make_room(writer, bytes);
}

void json_reserve(struct json_writer *writer, size_t bytes)
{
    size_t needed;
    if (writer->failed || bytes <= writer->capacity - writer->size)
        return;
    if (!checked_add(writer->size, bytes, &needed))
        fail(writer);
    else
        grow(writer, needed);
}

static void put(struct json_writer *writer, const char *bytes, size_t size)
{
    if (!room(writer, size))
        return;
    memcpy(writer->text + writer->size, bytes, size);
    writer->size += size;
}

static inline void put_byte(struct json_writer *writer, char byte)
{
    if (room(writer, 1))
        writer->text[writer->size++] = byte;
}

/* One value of that many bytes at most: the comma due before it, and from now on one is due again.
 * Returns where it is to be written, or NULL when the writer has failed; end_at tells its end. */
static inline char *begin_value(struct json_writer *writer, size_t bytes)
{
    if (!room(writer, bytes + 1))
        return NULL;
    char *at = writer->text + writer->size;
    if (writer->comma)
        *at++ = ',';
    writer->comma = true;
    return at;
}

static inline void end_at(struct json_writer *writer, const char *at)
{
    writer->size = (size_t)(at - writer->text);
}

static void put_value(struct json_writer *writer, const char *bytes, size_t size)
{
    char *at = begin_value(writer, size);
    if (at == NULL)
        return;
    memcpy(at, bytes, size);
    end_at(writer, at + size);
}

static void open_container(struct json_writer *writer, char bracket)
{
    if (writer->comma)
        put_byte(writer, ',');
    put_byte(writer, bracket);
    writer->comma = false;
}

static void close_container(struct json_writer *writer, char bracket)
{
    put_byte(writer, bracket);
    writer->comma = true;
}

void json_open_object(struct json_writer *writer)
{
    open_container(writer, '{');
}

void json_close_object(struct json_writer *writer)
{
    close_container(writer, '}');
}

void json_open_array(struct json_writer *writer)
{
    open_container(writer, '[');
}

void json_close_array(struct json_writer *writer)
{
    close_container(writer, ']');
}

void json_key(struct json_writer *writer, const char *key)
{
    json_string(writer, key);
    put_byte(writer, ':');
    writer->comma = false;
}

void json_key_text(struct json_writer *writer, const char *text, size_t size)
{
    put_value(writer, text, size);
    writer->comma = false;
}

/* Must this byte be escaped? RFC 8259, section 7; UTF-8 stands as it is. */
static inline bool is_special(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

static size_t plain_size(const char *value, size_t size)
{
    size_t i = 0;
    while (i < size && !is_special(value[i]))
        i++;
    return i;
}

static void put_escaped(struct json_writer *writer, char c)
{
    static const char values[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *value = memchr(values, c, sizeof values - 1);
    char text[8] = "\\";
    size_t size = 2;
    if (value != NULL)
        text[1] = letters[value - values];
    else
        size = (size_t)snprintf(text, sizeof text, "\\u%04x", (unsigned)(unsigned char)c);
    put(writer, text, size);
}

void json_string_n(struct json_writer *writer, const char *value, size_t size)
{
    size_t plain = plain_size(value, size);
    char *at = begin_value(writer, plain + 2);
    if (at == NULL)
        return;
    *at++ = '"';
    memcpy(at, value, plain);
    end_at(writer, at + plain);
    for (size_t i = plain; i < size; i += plain) {
        put_escaped(writer, value[i++]);
        plain = plain_size(value + i, size - i);
        put(writer, value + i, plain);
    }
    put_byte(writer, '"');
}

void json_string(struct json_writer *writer, const char *value)
{
    json_string_n(writer, value, strlen(value));
}

void json_bool(struct json_writer *writer, bool value)
{
    put_value(writer, value ? "true" : "false", value ? 4 : 5);
}

/* The digits of value, written to the bytes before end; returns the first one. */
static char *digits_before(char *end, uint64_t value)
{
    do
        *--end = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    return end;
}

void json_uint64(struct json_writer *writer, uint64_t value)
{
    char text[24], *end = text + sizeof text;
    const char *first = digits_before(end, value);
    put_value(writer, first, (size_t)(end - first));
}

void json_int64(struct json_writer *writer, int64_t value)
{
    char text[24], *end = text + sizeof text;
    char *first = digits_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (value < 0)
        *--first = '-';
    put_value(writer, first, (size_t)(end - first));
}

/* Prints count floats, each followed by a comma. */
static void put_floats(struct json_writer *writer, const float *values, size_t count)
{
    if (!room(writer, count * (FLOAT_TEXT_MAX + 1)))
        return;
    writer->size += float_print_list(writer->text + writer->size, values, count);
}

void json_float_elements(struct json_writer *writer, const float *values, size_t count)
{
    if (count == 0)
        return;
    if (writer->comma)
        put_byte(writer, ',');
    for (size_t i = 0; i < count; i += FLOATS_PER_RESERVE) {
        const size_t left = count - i;
        put_floats(writer, values + i, left < FLOATS_PER_RESERVE ? left : FLOATS_PER_RESERVE);
    }
    if (!writer->failed)
        writer->size--; /* the last comma */
    writer->comma = true;
}

void json_floats(struct json_writer *writer, const float *values, size_t count)
{
    json_open_array(writer);
    json_float_elements(writer, values, count);
    json_close_array(writer);
}

char *json_extend(struct json_writer *writer, size_t bytes)
{
    if (!room(writer, bytes))
        return NULL;
    char *at = writer->text + writer->size;
    writer->size += bytes;
    return at;
}

bool json_writer_take(struct json_writer *writer, char **text, size_t *size)
{
    const bool good = !writer->failed;
    if (good) {
        *text = writer->text;
        *size = writer->size;
        writer->text = NULL;
    }
    json_writer_fini(writer);
    return good;
}
