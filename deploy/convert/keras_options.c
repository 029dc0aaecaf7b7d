#include "deploy/convert/keras_options.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/config_json.h"
#include "proto/excerpt.h"

/* Options of every layer that say nothing about what it computes, or that are read elsewhere. */
static const char *const idle_everywhere[] = {
    "name",        "trainable", "dtype", "input_dtype", "input_shape", "batch_input_shape",
    "batch_shape", "seed",      NULL,
};

/* How weights were first set, and what held them in training. */
static const char *const idle_suffixes[] = {
    "_initializer", "_regularizer", "_constraint", "_init", NULL,
};

static bool is_among(const char *const *names, const char *key)
{
    while (*names != NULL && strcmp(*names, key) != 0)
        names++;
    return *names != NULL;
}

static bool has_idle_suffix(const char *key)
{
    const size_t length = strlen(key);
    for (size_t i = 0; idle_suffixes[i] != NULL; i++) {
        const size_t suffix = strlen(idle_suffixes[i]);
        if (length > suffix && strcmp(key + length - suffix, idle_suffixes[i]) == 0)
            return true;
    }
    return strcmp(key, "init") == 0;
}

static bool is_given_twice(const cJSON *member)
{
    for (const cJSON *other = member->next; other != NULL; other = other->next)
        if (strcmp(other->string, member->string) == 0)
            return true;
    return false;
}

static bool check_known(const struct keras_options *options, const char *const *known,
                        struct fault *fault)
{
    for (const cJSON *member = options->json->child; member != NULL; member = member->next) {
        const char *key = member->string;
        if (is_given_twice(member))
            return fault_set(fault, 400, "%s.%s: given twice", options->place,
                             excerpt_of(key).text);
        if (!cJSON_IsNull(member) && !is_among(known, key) && !is_among(idle_everywhere, key) &&
            !has_idle_suffix(key))
            return config_json_refuse(member, options->place, key, "no such option is known: null",
                                      fault);
    }
    return true;
}

/* A name, or a policy object that holds one. */
static bool check_dtype(const struct keras_options *options, struct fault *fault)
{
    static const char *const floats[] = {"float16",       "float32",        "float64", "bfloat16",
                                         "mixed_float16", "mixed_bfloat16", NULL};
    const cJSON *dtype = keras_options_find(options, "dtype", NULL);
    if (cJSON_IsObject(dtype)) {
        const cJSON *config = cJSON_GetObjectItemCaseSensitive(dtype, "config");
        dtype = cJSON_GetObjectItemCaseSensitive(config, "name");
        if (dtype == NULL)
            return keras_options_refuse(options, "dtype", NULL, "a policy with a name", fault);
    }
    if (dtype == NULL || (cJSON_IsString(dtype) && is_among(floats, dtype->valuestring)))
        return true;
    return config_json_refuse(dtype, options->place, "dtype", "a float type", fault);
}

bool keras_options_init(struct keras_options *options, const char *class_name, const char *name,
                        const struct cJSON *json, const char *const *known, struct fault *fault)
{
    *options = (struct keras_options){.json = json};
    snprintf(options->place, sizeof options->place, "%.48s %s", class_name, excerpt_of(name).text);
    if (!cJSON_IsObject(json))
        return fault_set(fault, 400, "%s.config: an object expected", options->place);
    return check_known(options, known, fault) && check_dtype(options, fault);
}

const struct cJSON *keras_options_find(const struct keras_options *options, const char *key,
                                       const char *old_key)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(options->json, key);
    if ((found == NULL || cJSON_IsNull(found)) && old_key != NULL)
        found = cJSON_GetObjectItemCaseSensitive(options->json, old_key);
    return found == NULL || cJSON_IsNull(found) ? NULL : found;
}

bool keras_options_refuse(const struct keras_options *options, const char *key, const char *old_key,
                          const char *wanted, struct fault *fault)
{
    const cJSON *found = keras_options_find(options, key, old_key);
    if (found == NULL)
        return fault_set(fault, 400, "%s.%s: %s expected, got nothing", options->place, key,
                         wanted);
    return config_json_refuse(found, options->place, found->string, wanted, fault);
}

/* The one element of [n]. */
static const cJSON *unwrap(const cJSON *found)
{
    return cJSON_IsArray(found) && cJSON_GetArraySize(found) == 1 ? found->child : found;
}

static bool is_whole(const cJSON *found, double min, double max)
{
    return cJSON_IsNumber(found) && found->valuedouble >= min && found->valuedouble <= max &&
           found->valuedouble == trunc(found->valuedouble);
}

bool keras_options_size(const struct keras_options *options, const char *key, const char *old_key,
                        bool required, size_t min, size_t *value, struct fault *fault)
{
    char wanted[80];
    const cJSON *found = unwrap(keras_options_find(options, key, old_key));
    if (found == NULL && !required)
        return true;
    if (!is_whole(found, (double)min, (double)KERAS_SIZE_MAX)) {
        snprintf(wanted, sizeof wanted, "a whole number from %zu to %zu", min, KERAS_SIZE_MAX);
        return keras_options_refuse(options, key, old_key, wanted, fault);
    }
    *value = (size_t)found->valuedouble;
    return true;
}

bool keras_options_integer(const struct keras_options *options, const char *key, long *value,
                           struct fault *fault)
{
    const cJSON *found = unwrap(keras_options_find(options, key, NULL));
    if (found == NULL)
        return true;
    if (!is_whole(found, INT_MIN, INT_MAX))
        return keras_options_refuse(options, key, NULL, "a whole number", fault);
    *value = (long)found->valuedouble;
    return true;
}

bool keras_options_number(const struct keras_options *options, const char *key, const char *old_key,
                          double *value, struct fault *fault)
{
    const cJSON *found = keras_options_find(options, key, old_key);
    if (found == NULL)
        return true;
    if (!cJSON_IsNumber(found) || !isfinite(found->valuedouble))
        return keras_options_refuse(options, key, old_key, "a number", fault);
    *value = found->valuedouble;
    return true;
}

bool keras_options_bool(const struct keras_options *options, const char *key, const char *old_key,
                        bool *value, struct fault *fault)
{
    const cJSON *found = keras_options_find(options, key, old_key);
    if (found == NULL)
        return true;
    if (!cJSON_IsBool(found))
        return keras_options_refuse(options, key, old_key, "true or false", fault);
    *value = cJSON_IsTrue(found) != 0;
    return true;
}

bool keras_options_choice(const struct keras_options *options, const char *key, const char *old_key,
                          const char *const *choices, const char **value, struct fault *fault)
{
    char wanted[160] = "";
    const cJSON *found = keras_options_find(options, key, old_key);
    if (found == NULL)
        return true;
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (cJSON_IsString(found) && strcmp(found->valuestring, choices[i]) == 0) {
            *value = choices[i];
            return true;
        }
        const size_t used = strlen(wanted);
        snprintf(wanted + used, sizeof wanted - used, "%s%s", i > 0 ? " or " : "", choices[i]);
    }
    return keras_options_refuse(options, key, old_key, wanted, fault);
}

bool keras_options_never(const struct keras_options *options, const char *key, struct fault *fault)
{
    const cJSON *found = keras_options_find(options, key, NULL);
    return found == NULL || cJSON_IsFalse(found) ||
           keras_options_refuse(options, key, NULL, "false", fault);
}
