#include "server/http_stream.h"

#include <string.h>
#include <strings.h>

#include "server/http_characters.h"

static const char LINE_END[] = "a head of lines that end in CRLF expected";
static const char FIRST_LINE[] = "malformed request line: METHOD TARGET HTTP/1.1 expected";
static const char FIELD_NAME[] = "malformed header name";
static const char FIELD_VALUE[] = "malformed value of a header";
static const char CHUNK[] = "malformed chunk";

void http_stream_init(struct http_stream *stream)
{
    *stream = (struct http_stream){.place = STREAM_BEFORE};
}

/* Each step takes one byte, or with size a run of them, and returns how many. */

static size_t fault(struct http_stream *stream, const char *wanted)
{
    stream->place = STREAM_FAULT;
    stream->fault = wanted;
    return 0;
}

static size_t go_to(struct http_stream *stream, enum http_stream_place place)
{
    stream->place = place;
    return 1;
}

/* The byte must be this one. */
static size_t want(struct http_stream *stream, char c, char wanted, enum http_stream_place next,
                   const char *text)
{
    return c == wanted ? go_to(stream, next) : fault(stream, text);
}

/* ---- the first line ---- */

static size_t begin_request(struct http_stream *stream, char c)
{
    if (c == '\r')
        return go_to(stream, STREAM_BEFORE_LF);
    *stream = (struct http_stream){
        .place = STREAM_LINE, .whole = stream->whole, .heads = stream->heads, .after_space = true};
    return 0;
}

static size_t follow_line(struct http_stream *stream, const char *data, size_t size)
{
    size_t i = 0;
    for (; i < size && data[i] != '\r'; i++) {
        const bool space = data[i] == ' ';
        if (space ? stream->after_space : !http_is_visible_char(data[i]))
            return fault(stream, data[i] == '\n' ? LINE_END : FIRST_LINE);
        stream->after_space = space;
        stream->spaces += space;
        if (stream->name_size < STREAM_TEXT_MAX)
            stream->name[stream->name_size++] = data[i];
    }
    if (i == size)
        return i;
    if (stream->spaces != 2 || stream->after_space)
        return fault(stream, FIRST_LINE);
    stream->head = memcmp(stream->name, "HEAD ", 5) == 0; /* there are two spaces and more in it */
    return i + go_to(stream, STREAM_LINE_LF);
}

/* ---- headers and trailers ---- */

static size_t begin_field(struct http_stream *stream, char c)
{
    stream->name_size = stream->value_size = 0;
    if (c == '\r')
        return go_to(stream, STREAM_FIELDS_LF);
    if (c == '\n')
        return fault(stream, LINE_END);
    stream->place = STREAM_NAME;
    return 0;
}

static size_t follow_name(struct http_stream *stream, const char *data, size_t size)
{
    size_t i = 0;
    for (; i < size && http_is_token_char(data[i]); i++)
        if (stream->name_size < STREAM_TEXT_MAX)
            stream->name[stream->name_size++] = data[i];
    if (i == size)
        return i;
    if (data[i] != ':' || stream->name_size == 0)
        return fault(stream, FIELD_NAME);
    return i + go_to(stream, STREAM_VALUE);
}

static bool is_named(const struct http_stream *stream, const char *name)
{
    return stream->name_size == strlen(name) &&
           strncasecmp(stream->name, name, stream->name_size) == 0;
}

/* Those that say where a body ends. */
static bool counts(const struct http_stream *stream)
{
    return !stream->trailer &&
           (is_named(stream, "Content-Length") || is_named(stream, "Transfer-Encoding"));
}

/* From the first byte on that counts: white space and a length's zeros before it do not. */
static void keep_value(struct http_stream *stream, const char *data, size_t size)
{
    for (size_t i = 0; i < size && stream->value_size < STREAM_TEXT_MAX; i++) {
        if (stream->value_size == 1 && stream->value[0] == '0' && data[i] == '0')
            continue;
        if (stream->value_size != 0 || (data[i] != ' ' && data[i] != '\t'))
            stream->value[stream->value_size++] = data[i];
    }
}

static size_t follow_value(struct http_stream *stream, const char *data, size_t size)
{
    size_t i = 0;
    while (i < size && http_is_value_char(data[i]))
        i++;
    if (counts(stream))
        keep_value(stream, data, i);
    if (i == size)
        return i;
    if (data[i] != '\r')
        return fault(stream, data[i] == '\n' ? LINE_END : FIELD_VALUE);
    return i + go_to(stream, STREAM_VALUE_LF);
}

/* false: not a number, or close to 2^64. */
static bool read_length(const char *text, size_t size, uint64_t *length)
{
    *length = 0;
    if (size == 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || *length > (UINT64_MAX - 9) / 10)
            return false;
        *length = *length * 10 + (uint64_t)(text[i] - '0');
    }
    return true;
}

static void end_counting_field(struct http_stream *stream)
{
    size_t size = stream->value_size;
    while (size > 0 && (stream->value[size - 1] == ' ' || stream->value[size - 1] == '\t'))
        size--;
    /* One that is not kept to its end may say anything there. */
    stream->in_doubt |= stream->value_size == STREAM_TEXT_MAX;
    const bool again = stream->has_length || stream->chunked;
    if (stream->name[0] == 'C' || stream->name[0] == 'c') {
        stream->has_length = true;
        stream->in_doubt |= again || !read_length(stream->value, size, &stream->left);
    } else {
        stream->chunked = true;
        stream->in_doubt |= again || size != 7 || strncasecmp(stream->value, "chunked", 7) != 0;
    }
}

static size_t end_field(struct http_stream *stream, char c)
{
    if (counts(stream))
        end_counting_field(stream);
    return want(stream, c, '\n', STREAM_FIELD, LINE_END);
}

static void end_request(struct http_stream *stream)
{
    stream->whole++;
    stream->heads = stream->heads << 1 | stream->head;
    stream->head = false;
    stream->place = STREAM_BEFORE;
}

static size_t end_fields(struct http_stream *stream, char c)
{
    if (c != '\n')
        return fault(stream, LINE_END);
    if (stream->in_doubt)
        stream->place = STREAM_UNKNOWN;
    else if (stream->trailer || (!stream->chunked && stream->left == 0))
        end_request(stream);
    else
        stream->place = stream->chunked ? STREAM_CHUNK_SIZE : STREAM_BODY;
    return 1;
}

/* ---- bodies ---- */

static size_t skip(struct http_stream *stream, size_t size)
{
    const size_t skipped = size < stream->left ? size : (size_t)stream->left;
    stream->left -= skipped;
    if (stream->left > 0)
        return skipped;
    if (stream->place == STREAM_CHUNK)
        stream->place = STREAM_CHUNK_CR;
    else
        end_request(stream);
    return skipped;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Sizes past 2^64 the library refuses; nothing behind them is a request. */
static size_t follow_chunk_size(struct http_stream *stream, char c)
{
    const int digit = hex_value(c);
    if (digit < 0 && stream->digits == 0)
        return fault(stream, CHUNK);
    if (digit < 0)
        return c == ';' ? go_to(stream, STREAM_CHUNK_EXTENSION)
                        : want(stream, c, '\r', STREAM_CHUNK_SIZE_LF, CHUNK);
    if (stream->left > UINT64_MAX >> 4) {
        stream->place = STREAM_UNKNOWN;
        return 1;
    }
    stream->digits++;
    stream->left = stream->left << 4 | (uint64_t)digit;
    return 1;
}

static size_t follow_extension(struct http_stream *stream, const char *data, size_t size)
{
    size_t i = 0;
    while (i < size && http_is_value_char(data[i]))
        i++;
    return i == size ? i : i + want(stream, data[i], '\r', STREAM_CHUNK_SIZE_LF, CHUNK);
}

static size_t end_chunk_size(struct http_stream *stream, char c)
{
    stream->trailer = stream->left == 0;
    return want(stream, c, '\n', stream->trailer ? STREAM_FIELD : STREAM_CHUNK, CHUNK);
}

static size_t begin_chunk(struct http_stream *stream, char c)
{
    stream->digits = 0;
    return want(stream, c, '\n', STREAM_CHUNK_SIZE, CHUNK);
}

/* ---- all of it ---- */

/* At least one byte, but where the place alone changes, or with a fault. */
static size_t step(struct http_stream *stream, const char *data, size_t size)
{
    switch (stream->place) {
    case STREAM_BEFORE:
        return begin_request(stream, data[0]);
    case STREAM_BEFORE_LF:
        return want(stream, data[0], '\n', STREAM_BEFORE, FIRST_LINE);
    case STREAM_LINE:
        return follow_line(stream, data, size);
    case STREAM_LINE_LF:
        return want(stream, data[0], '\n', STREAM_FIELD, LINE_END);
    case STREAM_FIELD:
        return begin_field(stream, data[0]);
    case STREAM_NAME:
        return follow_name(stream, data, size);
    case STREAM_VALUE:
        return follow_value(stream, data, size);
    case STREAM_VALUE_LF:
        return end_field(stream, data[0]);
    case STREAM_FIELDS_LF:
        return end_fields(stream, data[0]);
    case STREAM_BODY:
    case STREAM_CHUNK:
        return skip(stream, size);
    case STREAM_CHUNK_SIZE:
        return follow_chunk_size(stream, data[0]);
    case STREAM_CHUNK_EXTENSION:
        return follow_extension(stream, data, size);
    case STREAM_CHUNK_SIZE_LF:
        return end_chunk_size(stream, data[0]);
    case STREAM_CHUNK_CR:
        return want(stream, data[0], '\r', STREAM_CHUNK_LF, CHUNK);
    case STREAM_CHUNK_LF:
        return begin_chunk(stream, data[0]);
    case STREAM_UNKNOWN:
        return size;
    case STREAM_FAULT:
        break;
    }
    return 0;
}

size_t http_stream_follow(struct http_stream *stream, const char *data, size_t size)
{
    size_t at = 0, good = 0;
    while (at < size && stream->place != STREAM_FAULT) {
        const uint64_t whole = stream->whole;
        at += step(stream, data + at, size - at);
        if (stream->whole != whole)
            good = at;
    }
    return stream->place == STREAM_FAULT ? good : size;
}
