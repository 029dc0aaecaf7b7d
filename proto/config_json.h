/* JSON that an operator wrote: a cJSON tree behind a strict door. What cJSON lets pass (text after
 * the value, numbers like 01 or 1e400, raw control characters, bytes that are not UTF-8, U+0000,
 * deep nesting, a key given twice) is refused here, and the texts of all errors begin with the
 * place: the line, or the key's path ("layers[1].function"). A byte order mark before it is let
 * pass, as RFC 8259 allows.
 *
 * In what follows place is the path of an object ("" for the root) and key one of its keys. A key
 * that is absent is no error: the value is left as it was. */
#ifndef PROTO_CONFIG_JSON_H
#define PROTO_CONFIG_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

struct cJSON;

#define CONFIG_JSON_SIZE_MAX (1u << 20) /* bytes of JSON */

/* Values that a config may leave out. */
struct optional_size {
    bool given;
    size_t value;
};
struct optional_bool {
    bool given;
    bool value;
};

/* The root, the caller's to cJSON_Delete; NULL, with a fault (400, or 503 without memory), when the
 * text is not JSON. Numbers too large for a double are infinite in it; the getters refuse them. */
struct cJSON *config_json_parse(const char *text, size_t size, struct fault *fault);

/* Is the value an object whose keys are all in known (ended by NULL, at most 32), none twice? */
bool config_json_check_keys(const struct cJSON *object, const char *place, const char *const *known,
                            struct fault *fault);

/* A whole number of at least min and at most max (up to 2^53). */
bool config_json_size(const struct cJSON *object, const char *place, const char *key, size_t min,
                      size_t max, struct optional_size *value, struct fault *fault);
bool config_json_bool(const struct cJSON *object, const char *place, const char *key,
                      struct optional_bool *value, struct fault *fault);
/* Any number from min to max. */
bool config_json_number(const struct cJSON *object, const char *place, const char *key, double min,
                        double max, double *value, struct fault *fault);
/* Borrowed from the tree. */
bool config_json_string(const struct cJSON *object, const char *place, const char *key,
                        const char **value, struct fault *fault);
/* One of names[], ended by NULL; *index stays as it was when the key is absent. wanted: the names
 * in words, for the fault. */
bool config_json_choice(const struct cJSON *object, const char *place, const char *key,
                        const char *const *names, const char *wanted, size_t *index,
                        struct fault *fault);

/* "place.key: WANTED expected, got FOUND", status 400; returns false. key may be "" when found is
 * what stands at place itself. */
bool config_json_refuse(const struct cJSON *found, const char *place, const char *key,
                        const char *wanted, struct fault *fault);

/* Characters that would do something to the terminal or the log they are shown in. */
bool config_json_has_controls(const char *text);

#endif
