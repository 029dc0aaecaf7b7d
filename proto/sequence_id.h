/* A client's name for a sequence whose state the server keeps. */
#ifndef PROTO_SEQUENCE_ID_H
#define PROTO_SEQUENCE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/excerpt.h"
#include "proto/fault.h"
#include "proto/json_reader.h"
#include "proto/json_writer.h"

#define SEQUENCE_ID_MAX 129 /* a text of 1 to 128 bytes, and the NUL */

/* A number and a text never meet: 7 and "7" are two sequences. */
enum sequence_id_kind {
    SEQUENCE_ID_NONE, /* absent, 0 or "" */
    SEQUENCE_ID_NUMBER,
    SEQUENCE_ID_TEXT,
};

struct sequence_id {
    enum sequence_id_kind kind;
    uint64_t number;
    char text[SEQUENCE_ID_MAX]; /* UTF-8 without control characters */
};

/* 0 makes NONE. */
struct sequence_id sequence_id_of_number(uint64_t number);

/* "" makes NONE. text is NUL-terminated valid UTF-8; false when it has more than SEQUENCE_ID_MAX -
 * 1 bytes or a control character. */
bool sequence_id_of_text(const char *text, struct sequence_id *id);

bool sequence_id_equal(const struct sequence_id *a, const struct sequence_id *b);
/* Below, at or above 0 as a stands before, at or after b: NONE, then numbers by value, then texts
 * by their bytes. */
int sequence_id_compare(const struct sequence_id *a, const struct sequence_id *b);

/* Reads a JSON number or string; what is no id is the reader's fault. */
bool sequence_id_read(struct json_reader *reader, struct sequence_id *id);

/* As a JSON number or string; NONE as the number 0. */
void sequence_id_write(const struct sequence_id *id, struct json_writer *writer);

/* For messages: 7, or 'a text'. */
struct excerpt sequence_id_excerpt(const struct sequence_id *id);

/* Reads an id as URLs have it, in a path's segment or a query's value: percent-encoded, not
 * NUL-terminated. Once decoded, digits without a needless zero in front that fit a uint64_t are a
 * number; a text in double quotes is what stands between them ("7" is the text 7); anything else is
 * a text as it stands. NONE is refused like what is not well-formed: 400. */
bool sequence_id_read_url(const char *segment, size_t size, struct sequence_id *id,
                          struct fault *fault);

#endif
