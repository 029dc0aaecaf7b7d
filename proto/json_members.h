/* Objects whose members are known, read by a table. Each level puts its place before the text of a
 * fault on the way out, so that the whole is "inputs[1].shape: ...". */
#ifndef PROTO_JSON_MEMBERS_H
#define PROTO_JSON_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/json_reader.h"

struct json_member {
    const char *key;
    bool required;
    bool (*read)(struct json_reader *reader, void *context); /* exactly one value */
};

#define JSON_MEMBERS_MAX 32

/* Reads the object that is next; count is at most JSON_MEMBERS_MAX. `other` reads the value of a
 * key that is not among the members; where NULL such values are skipped. A member given twice and a
 * required one that is missing are faults; so is what a member's read refuses, with its key as the
 * place. */
bool json_read_members(struct json_reader *reader, const struct json_member *members, size_t count,
                       bool (*other)(struct json_reader *reader, const char *key), void *context);

/* For a table that is an array in sight. */
#define JSON_READ_MEMBERS(reader, members, other, context)                                         \
    json_read_members(reader, members, sizeof(members) / sizeof *(members), other, context)

/* Puts a member's key, or an element's index, before the fault's text. Returns false. */
bool json_place_member(struct json_reader *reader, const char *key);
bool json_place_element(struct json_reader *reader, size_t index);

#endif
