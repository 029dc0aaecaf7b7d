#include "proto/config_json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"
#include "proto/json_reader.h"
#include "proto/utf8.h"

/* cJSON copies a number into a buffer of 64 bytes before it reads it. */
#define NUMBER_LENGTH_MAX 63

static bool fail_at_line(struct fault *fault, const char *text, const char *at)
{
    size_t line = 1;
    for (const char *c = text; c < at; c++)
        line += *c == '\n';
    return fault_prefix(fault, "line %zu", line);
}

/* RFC 8259, UTF-8 and depth, by the reader that requests go through. */
static bool check_grammar(const char *text, size_t size, struct fault *fault)
{
    struct json_reader reader;
    json_reader_init(&reader, text, size, fault);
    json_skip(&reader, NULL, NULL);
    return json_finish(&reader) || fail_at_line(fault, text, reader.at);
}

/* The byte after the string that starts at c; NULL when there is a \u0000 in it, where cJSON would
 * end the string. */
static const char *string_end(const char *c)
{
    for (c++; *c != '"'; c++) {
        if (*c != '\\')
            continue;
        c++;
        if (strncmp(c, "u0000", 5) == 0)
            return NULL;
    }
    return c + 1;
}

/* What is good JSON and cJSON would get wrong. */
static bool check_tokens(const char *text, struct fault *fault)
{
    for (const char *c = text; *c != '\0';) {
        const char *start = c;
        if (*c == '"') {
            c = string_end(c);
            if (c == NULL) {
                fault_set(fault, 400, "\\u0000 is not allowed in a string");
                return fail_at_line(fault, text, start);
            }
            continue;
        }
        c += strspn(c, "+-.0123456789eE");
        if (c - start > NUMBER_LENGTH_MAX) {
            fault_set(fault, 400, "a number of at most %d characters expected", NUMBER_LENGTH_MAX);
            return fail_at_line(fault, text, start);
        }
        c += c == start;
    }
    return true;
}

struct cJSON *config_json_parse(const char *text, size_t size, struct fault *fault)
{
    const size_t mark = size > 0 ? utf8_mark(text, size) : 0;
    text += mark;
    size -= mark;
    if (size > CONFIG_JSON_SIZE_MAX) {
        fault_set(fault, 400, "a config of at most %u bytes expected, got %zu",
                  CONFIG_JSON_SIZE_MAX, size);
        return NULL;
    }
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        fault_set(fault, 503, "not enough memory for the config");
        return NULL;
    }
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    struct cJSON *root = NULL;
    if (check_grammar(copy, size, fault) && check_tokens(copy, fault)) {
        /* Nothing but memory can fail after these checks. */
        root = cJSON_ParseWithLengthOpts(copy, size + 1, NULL, true);
        if (root == NULL)
            fault_set(fault, 503, "not enough memory for the config");
    }
    free(copy);
    return root;
}

/* The path of a key before the text that is there. */
static bool fault_at(struct fault *fault, const char *place, const char *key)
{
    if (place[0] == '\0' && key[0] == '\0')
        return false;
    const char *dot = place[0] != '\0' && key[0] != '\0' ? "." : "";
    return fault_prefix(fault, "%s%s%s", place, dot, excerpt_of(key).text);
}

/* What stands there, in few words. */
static void describe(const struct cJSON *found, char *out, size_t capacity)
{
    if (cJSON_IsString(found))
        snprintf(out, capacity, "\"%s\"", excerpt_of(found->valuestring).text);
    else if (cJSON_IsNumber(found) && isfinite(found->valuedouble))
        snprintf(out, capacity, "%.15g", found->valuedouble);
    else if (cJSON_IsNumber(found))
        snprintf(out, capacity, "a number too large");
    else if (cJSON_IsBool(found))
        snprintf(out, capacity, "%s", cJSON_IsTrue(found) ? "true" : "false");
    else if (cJSON_IsNull(found))
        snprintf(out, capacity, "null");
    else
        snprintf(out, capacity, "%s", cJSON_IsArray(found) ? "an array" : "an object");
}

bool config_json_refuse(const struct cJSON *found, const char *place, const char *key,
                        const char *wanted, struct fault *fault)
{
    char text[EXCERPT_MAX + 2];
    describe(found, text, sizeof text);
    fault_set(fault, 400, "%s expected, got %s", wanted, text);
    return fault_at(fault, place, key);
}

static void list_names(char *out, size_t capacity, const char *const *names)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; names[i] != NULL; i++) {
        const int n = snprintf(out + used, capacity - used, "%s%s", i > 0 ? ", " : "", names[i]);
        assert(n > 0 && (size_t)n < capacity - used);
        used += (size_t)n;
    }
}

static bool check_key(const char *key, const char *const *known, uint32_t *seen,
                      struct fault *fault)
{
    char list[640];
    size_t i = 0;
    while (known[i] != NULL && strcmp(known[i], key) != 0)
        i++;
    if (known[i] == NULL) {
        list_names(list, sizeof list, known);
        return fault_set(fault, 400, "unknown key; known are %s", list);
    }
    assert(i < 32);
    if (*seen >> i & 1)
        return fault_set(fault, 400, "given twice");
    *seen |= UINT32_C(1) << i;
    return true;
}

bool config_json_check_keys(const struct cJSON *object, const char *place, const char *const *known,
                            struct fault *fault)
{
    if (!cJSON_IsObject(object))
        return config_json_refuse(object, place, "", "an object", fault);
    uint32_t seen = 0;
    for (const struct cJSON *member = object->child; member != NULL; member = member->next)
        if (!check_key(member->string, known, &seen, fault))
            return fault_at(fault, place, member->string);
    return true;
}

bool config_json_size(const struct cJSON *object, const char *place, const char *key, size_t min,
                      size_t max, struct optional_size *value, struct fault *fault)
{
    char wanted[80];
    const struct cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    if (found == NULL)
        return true;
    if (!cJSON_IsNumber(found) || found->valuedouble != trunc(found->valuedouble) ||
        found->valuedouble < (double)min) {
        snprintf(wanted, sizeof wanted, "an integer of at least %zu", min);
        return config_json_refuse(found, place, key, wanted, fault);
    }
    if (found->valuedouble > (double)max) {
        snprintf(wanted, sizeof wanted, "an integer of at most %zu", max);
        return config_json_refuse(found, place, key, wanted, fault);
    }
    *value = (struct optional_size){true, (size_t)found->valuedouble};
    return true;
}

bool config_json_bool(const struct cJSON *object, const char *place, const char *key,
                      struct optional_bool *value, struct fault *fault)
{
    const struct cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    if (found == NULL)
        return true;
    if (!cJSON_IsBool(found))
        return config_json_refuse(found, place, key, "true or false", fault);
    *value = (struct optional_bool){true, cJSON_IsTrue(found) != 0};
    return true;
}

bool config_json_number(const struct cJSON *object, const char *place, const char *key, double min,
                        double max, double *value, struct fault *fault)
{
    char wanted[80];
    const struct cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    if (found == NULL)
        return true;
    if (!cJSON_IsNumber(found) || !(found->valuedouble >= min && found->valuedouble <= max)) {
        snprintf(wanted, sizeof wanted, "a number from %g to %g", min, max);
        return config_json_refuse(found, place, key, wanted, fault);
    }
    *value = found->valuedouble;
    return true;
}

bool config_json_string(const struct cJSON *object, const char *place, const char *key,
                        const char **value, struct fault *fault)
{
    const struct cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    if (found == NULL)
        return true;
    if (!cJSON_IsString(found))
        return config_json_refuse(found, place, key, "a string", fault);
    *value = found->valuestring;
    return true;
}

bool config_json_choice(const cJSON *object, const char *place, const char *key,
                        const char *const *names, const char *wanted, size_t *index,
                        struct fault *fault)
{
    const char *text = NULL;
    if (!config_json_string(object, place, key, &text, fault))
        return false;
    if (text == NULL)
        return true;
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0) {
            *index = i;
            return true;
        }
    return fault_set(fault, 400, "%s.%s: %s expected, got \"%s\"", place, key, wanted,
                     excerpt_of(text).text);
}

bool config_json_has_controls(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}
