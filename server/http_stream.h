/* The bytes of one HTTP/1 connection, followed from request to request by the letter of RFC 9112,
 * beside the library that reads them: where does each head, body and trailer end? libmicrohttpd
 * takes for a line's end, for an empty line or for a value what another reader takes for something
 * else (a lone LF, a NUL, a line that begins with a colon, a folded header); whoever hid a request
 * there from a proxy would have it served here. What is no HTTP to the letter is a fault, after
 * which the connection has to be closed.
 *
 * Knows lines, names, lengths and chunks, and no meaning: heads with two lengths and the like are
 * http_guard's to refuse. Behind such a head, where the body's end is in doubt, nothing is
 * followed.
 *
 * Pure. */
#ifndef SERVER_HTTP_STREAM_H
#define SERVER_HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_stream_place {
    STREAM_BEFORE, /* a request: empty lines are let be */
    STREAM_BEFORE_LF,
    STREAM_LINE,
    STREAM_LINE_LF,
    STREAM_FIELD, /* a header's or trailer's begin, or the empty line */
    STREAM_NAME,
    STREAM_VALUE,
    STREAM_VALUE_LF,
    STREAM_FIELDS_LF,
    STREAM_BODY,
    STREAM_CHUNK_SIZE,
    STREAM_CHUNK_EXTENSION,
    STREAM_CHUNK_SIZE_LF,
    STREAM_CHUNK,
    STREAM_CHUNK_CR,
    STREAM_CHUNK_LF,
    STREAM_UNKNOWN, /* behind a head that somebody else has to refuse */
    STREAM_FAULT,
};

#define STREAM_TEXT_MAX 24 /* longer than the names and values that count */

struct http_stream {
    enum http_stream_place place;
    const char *fault; /* STREAM_FAULT: what was wanted */
    uint64_t left;     /* bytes of a body or a chunk */
    uint64_t whole;    /* requests that have ended */
    uint64_t heads;    /* of the last 64 of them, the lowest bit for the last: was it HEAD? */
    unsigned spaces;   /* in the first line */
    unsigned digits;   /* in a chunk's size */
    bool after_space;  /* in the first line */
    bool trailer;      /* fields are behind a body */
    bool chunked, has_length, in_doubt;
    bool head; /* the method of what has not ended is HEAD */
    size_t name_size,
        value_size; /* of a field so far, and of the first line; ends at the maximum */
    char name[STREAM_TEXT_MAX], value[STREAM_TEXT_MAX];
};

void http_stream_init(struct http_stream *stream);

/* Follows the next bytes. Returns how many of them are good: all, or, with a fault, those before
 * the request that has it. */
size_t http_stream_follow(struct http_stream *stream, const char *data, size_t size);

#endif
