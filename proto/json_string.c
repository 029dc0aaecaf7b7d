#include "proto/json_token.h"

#include <assert.h>
#include <string.h>

#include "proto/little_endian.h"
#include "proto/utf8.h"

static size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    const size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((0xf00u >> size & 0xf0) | code);
    return size;
}

static bool read_hex4(struct json_reader *reader, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        const char c = json_byte(reader);
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A' + 10);
        else
            return json_fail_wanted(reader, "a hexadecimal digit");
        *code = *code << 4 | digit;
        reader->at++;
    }
    return true;
}

/* After "\u": four digits, or the two halves of a surrogate pair. */
static bool read_unicode_escape(struct json_reader *reader, uint32_t *code)
{
    if (!read_hex4(reader, code))
        return false;
    if (*code < 0xd800 || *code > 0xdfff)
        return true;
    uint32_t low;
    if (*code >= 0xdc00 || !json_take_word(reader, "\\u"))
        return json_fail(reader, "a pair of surrogates is wanted, got one alone");
    if (!read_hex4(reader, &low))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        return json_fail(reader, "a pair of surrogates is wanted, got one alone");
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static bool read_escape(struct json_reader *reader, uint32_t *code)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    reader->at++;
    if (json_take_byte(reader, 'u'))
        return read_unicode_escape(reader, code);
    const char *letter = json_byte(reader) == '\0' ? NULL : strchr(letters, *reader->at);
    if (letter == NULL)
        return json_fail_wanted(reader, "an escape, one of \"\\/bfnrtu,");
    *code = (uint32_t)values[letter - letters];
    reader->at++;
    return true;
}

/* Where a string's characters go; out NULL: nowhere. */
struct string_sink {
    char *out;
    size_t capacity, size;
};

static bool put(struct json_reader *reader, struct string_sink *sink, const char *bytes,
                size_t size)
{
    if (sink->out == NULL || size == 0)
        return true;
    if (size >= sink->capacity - sink->size)
        return json_fail(reader, "a string of at most %zu bytes is wanted, got more",
                         sink->capacity - 1);
    memcpy(sink->out + sink->size, bytes, size);
    sink->size += size;
    return true;
}

static inline bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

#define EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* How many of eight bytes are plain before the first one that is not. The highest bit of a byte is
 * set by a subtraction where the byte is less, or where one before it was: so the lowest such bit
 * is right, unless bytes had it before, and those are not plain anyway. */
static inline unsigned plain_of_eight(const char *at)
{
    const uint64_t bytes = little_endian_read_u64(at);
    const uint64_t control = bytes - EIGHT(0x20);
    const uint64_t quote = (bytes ^ EIGHT('"')) - EIGHT(1);
    const uint64_t escape = (bytes ^ EIGHT('\\')) - EIGHT(1);
    const uint64_t marks = (bytes | control | quote | escape) & EIGHT(0x80);
    return marks == 0 ? 8 : (unsigned)__builtin_ctzll(marks) / 8;
}

/* Where the plain bytes from `at` on end. */
static inline const char *end_of_plain(const char *at, const char *end)
{
    while (end - at >= 8) {
        const unsigned plain = plain_of_eight(at);
        at += plain;
        if (plain < 8)
            return at;
    }
    while (at < end && is_plain(*at))
        at++;
    return at;
}

static bool put_escape(struct json_reader *reader, struct string_sink *sink)
{
    uint32_t code = 0;
    if (!read_escape(reader, &code))
        return false;
    if (code == 0 && sink->out != NULL)
        return json_fail(reader, "a string without U+0000 is wanted");
    char utf8[4];
    return put(reader, sink, utf8, utf8_encode(code, utf8));
}

static bool put_utf8(struct json_reader *reader, struct string_sink *sink)
{
    if (reader->at == reader->end)
        return json_fail_wanted(reader, "'\"'");
    if ((unsigned char)*reader->at < 0x20)
        return json_fail_wanted(reader, "an escape instead of a control character");
    const char *character = reader->at;
    const size_t size = utf8_size(character, (size_t)(reader->end - character));
    if (size == 0)
        return json_fail_wanted(reader, "valid UTF-8");
    reader->at += size;
    return put(reader, sink, character, size);
}

static bool take_string(struct json_reader *reader, struct string_sink *sink)
{
    reader->at++;
    for (;;) {
        const char *plain = reader->at;
        reader->at = end_of_plain(plain, reader->end);
        if (!put(reader, sink, plain, (size_t)(reader->at - plain)))
            return false;
        if (json_take_byte(reader, '"'))
            return true;
        if (json_byte(reader) == '\\' ? !put_escape(reader, sink) : !put_utf8(reader, sink))
            return false;
    }
}

static bool take_any_string(struct json_reader *reader, char *out, size_t capacity)
{
    struct string_sink sink = {out, capacity, 0};
    const bool taken = take_string(reader, &sink);
    if (out != NULL)
        out[taken ? sink.size : 0] = '\0';
    return taken;
}

/* Nearly all strings are plain and fit. */
bool json_take_string(struct json_reader *reader, char *out, size_t capacity)
{
    const char *begin = reader->at + 1, *end = end_of_plain(begin, reader->end);
    const size_t size = (size_t)(end - begin);
    if (end == reader->end || *end != '"' || (out != NULL && size >= capacity))
        return take_any_string(reader, out, capacity);
    if (out != NULL) {
        memcpy(out, begin, size);
        out[size] = '\0';
    }
    reader->at = end + 1;
    return true;
}

bool json_read_string(struct json_reader *reader, char *out, size_t capacity)
{
    assert(out != NULL && capacity > 0);
    return json_expect(reader, JSON_STRING) && json_take_string(reader, out, capacity);
}
