#include "proto/json_members.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool json_place_member(struct json_reader *reader, const char *key)
{
    const char *text = reader->fault->text;
    const char *join = !reader->placed ? ": " : *text == '[' ? "" : ".";
    reader->placed = true;
    return fault_set(reader->fault, 400, "%s%s%s", key, join, text);
}

bool json_place_element(struct json_reader *reader, size_t index)
{
    char place[24];
    snprintf(place, sizeof place, "[%zu]", index);
    return json_place_member(reader, place);
}

static size_t find(const struct json_member *members, size_t count, const char *key)
{
    size_t i = 0;
    while (i < count && (*members[i].key != *key || strcmp(members[i].key, key) != 0))
        i++;
    return i;
}

static bool read_other(struct json_reader *reader, const char *key,
                       bool (*other)(struct json_reader *reader, const char *key))
{
    return other != NULL ? other(reader, key) : json_skip(reader, NULL, NULL);
}

bool json_read_members(struct json_reader *reader, const struct json_member *members, size_t count,
                       bool (*other)(struct json_reader *reader, const char *key), void *context)
{
    char key[JSON_KEY_MAX];
    uint32_t seen = 0;
    assert(count <= JSON_MEMBERS_MAX);
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key)) {
        const size_t i = find(members, count, key);
        if (i == count) {
            if (!read_other(reader, key, other))
                return false;
            continue;
        }
        if ((seen >> i & 1) != 0)
            return json_fail(reader, "'%s' is given twice", key);
        seen |= UINT32_C(1) << i;
        if (!members[i].read(reader, context))
            return json_place_member(reader, key);
    }
    if (reader->failed)
        return false;
    for (size_t i = 0; i < count; i++)
        if (members[i].required && (seen >> i & 1) == 0)
            return fault_set(reader->fault, 400, "'%s' is missing", members[i].key);
    return true;
}
