/* Writes JSON text into a growing buffer, commas and escapes taken care of. The first failed
 * allocation is remembered, later calls do nothing, json_writer_take reports it. */
#ifndef PROTO_JSON_WRITER_H
#define PROTO_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
    char *text; /* owned by the writer until taken */
    size_t size, capacity;
    bool comma; /* a comma is due before the next key or element */
    bool failed;
};

void json_writer_init(struct json_writer *writer);
void json_writer_fini(struct json_writer *writer); /* frees what was not taken */

/* Empty again; the room stays. */
void json_clear(struct json_writer *writer);

/* Room for that many bytes, so that what follows does not grow the buffer piece by piece. */
void json_reserve(struct json_writer *writer, size_t bytes);

void json_open_object(struct json_writer *writer);
void json_close_object(struct json_writer *writer);
void json_open_array(struct json_writer *writer);
void json_close_array(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
/* The same, faster, of a literal without anything to escape. */
#define JSON_KEY(writer, key) json_key_text(writer, "\"" key "\":", sizeof "\"" key "\":" - 1)
void json_key_text(struct json_writer *writer, const char *text, size_t size);

void json_string(struct json_writer *writer, const char *value); /* UTF-8, NUL-terminated */
void json_string_n(struct json_writer *writer, const char *value, size_t size);
void json_bool(struct json_writer *writer, bool value);
void json_uint64(struct json_writer *writer, uint64_t value);
void json_int64(struct json_writer *writer, int64_t value);
/* count floats more in the array that is open, in float_print's form: the fast path of every
 * answer. */
void json_float_elements(struct json_writer *writer, const float *values, size_t count);
/* A flat array of them. */
void json_floats(struct json_writer *writer, const float *values, size_t count);

/* Behind the JSON: bytes more, the caller's to fill before the next call; NULL when the writer has
 * failed. */
char *json_extend(struct json_writer *writer, size_t bytes);

/* Hands the text over (free() it; not NUL-terminated) and leaves the writer empty. false when an
 * allocation had failed: nothing is handed over. */
bool json_writer_take(struct json_writer *writer, char **text, size_t *size);

#endif
