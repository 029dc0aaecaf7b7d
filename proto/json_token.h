/* The lexical level of json_reader, shared by the files it is made of: json_reader.c (structure),
 * json_string.c and json_number.c. Nobody else includes this. */
#ifndef PROTO_JSON_TOKEN_H
#define PROTO_JSON_TOKEN_H

#include "proto/json_reader.h"

/* The byte reached; at the end NUL, which no rule of the grammar takes. */
static inline char json_byte(const struct json_reader *reader)
{
    return reader->at < reader->end ? *reader->at : '\0';
}

static inline bool json_take_byte(struct json_reader *reader, char byte)
{
    if (json_byte(reader) != byte)
        return false;
    reader->at++;
    return true;
}

bool json_take_word(struct json_reader *reader, const char *word);

static inline bool json_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "WANTED is wanted, got 'x' at byte N". Returns false. */
bool json_fail_wanted(struct json_reader *reader, const char *wanted);

/* Is the next value of that type? White space before it is taken. */
bool json_expect(struct json_reader *reader, enum json_type wanted);

/* Takes the string whose opening quote is reached. out is filled as by json_read_string; NULL: the
 * string is checked, not kept. */
bool json_take_string(struct json_reader *reader, char *out, size_t capacity);

/* Takes the number, of any kind, that is reached; *text gets its first byte, the last one is before
 * reader->at. */
bool json_take_number(struct json_reader *reader, const char **text);

#endif
