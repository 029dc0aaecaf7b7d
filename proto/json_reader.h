/* A strict pull reader for JSON that arrives from strangers: RFC 8259 to the letter (valid UTF-8,
 * no trailing commas, no control characters in strings, nothing after the value), at most
 * JSON_DEPTH_MAX levels deep, no memory taken, no recursion. Messages may be read with one licence:
 * the words NaN, Infinity and -Infinity are numbers, as they are to Triton and TensorFlow Serving.
 *
 * Use: every read function returns false after the first error, which is in reader->fault (status
 * 400, a text with the byte offset), and the reader then stays failed.
 *
 *     json_reader_init(&r, text, size, &fault);
 *     if (json_enter_object(&r))
 *         while (json_next_member(&r, key, sizeof key))
 *             ... read or json_skip exactly one value ...
 *     return json_finish(&r);
 */
#ifndef PROTO_JSON_READER_H
#define PROTO_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"

#define JSON_DEPTH_MAX 32
#define JSON_KEY_MAX                                                                               \
    256 /* for keys that may be anything: room, with the NUL; longer ones are refused */

enum json_type {
    JSON_ERROR, /* the reader has failed */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_reader {
    const char *begin, *at, *end;
    struct fault *fault;
    bool failed;
    bool placed; /* the fault's text begins with a place: json_members.h */
    bool words;  /* NaN and Infinity are numbers; json_reader_init says no */
    unsigned depth;
    bool first[JSON_DEPTH_MAX]; /* per open container: no member read yet */
    bool object[JSON_DEPTH_MAX];
};

/* text must stay readable, unchanged, while the reader is used. A byte order mark is refused. */
void json_reader_init(struct json_reader *reader, const char *text, size_t size,
                      struct fault *fault);

/* Type of the next value, which is not consumed. */
enum json_type json_peek(struct json_reader *reader);

bool json_enter_object(struct json_reader *reader);
/* Reads the next key (unescaped, NUL-terminated) and its colon; false at the closing brace, which
 * is consumed, or on error. A key of capacity bytes or more, or one that holds U+0000, is an error.
 */
bool json_next_member(struct json_reader *reader, char *key, size_t capacity);

bool json_enter_array(struct json_reader *reader);
/* true: an element follows; false: the closing bracket was consumed, or error. */
bool json_next_element(struct json_reader *reader);

bool json_read_bool(struct json_reader *reader, bool *value);
/* Unescaped, NUL-terminated; U+0000 or more than capacity - 1 bytes is an error. Of a string that
 * is wrong nothing is kept: out is empty then. */
bool json_read_string(struct json_reader *reader, char *out, size_t capacity);
/* A whole number written without sign, fraction or exponent, exact over the whole range. */
bool json_read_uint64(struct json_reader *reader, uint64_t *value);

/* Reads over one value of any kind, checking it. *text and *size, where not NULL, get its span. */
bool json_skip(struct json_reader *reader, const char **text, size_t *size);

/* Steps over an array of arrays of numbers at memchr's speed, without checking what is between the
 * brackets: for tensor data, which is checked when it is decoded. The span includes the outer
 * brackets. *arrays, where not NULL, gets how many arrays are members of the outer one. A missing
 * bracket is an error. */
bool json_skip_numbers(struct json_reader *reader, const char **text, size_t *size, size_t *arrays);

/* Only white space may be left. Returns false when that is not so or the reader had failed. */
bool json_finish(struct json_reader *reader);

/* Records an error of the caller's own at the place reached: status 400, "... at byte N". Returns
 * false. */
bool json_fail(struct json_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What stands at a place, for error texts: "'x'", "byte 0x07", "the end". */
#define JSON_DESCRIPTION_MAX 16
void json_describe(char *out, const char *at, const char *end);

#endif
