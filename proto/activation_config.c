#include "proto/activation_config.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "proto/config_json.h"
#include "proto/excerpt.h"

#define PARAMETER_MAX 1e30         /* a float's, and its square's with some room */
#define BOUND_MAX     3.4028235e38 /* FLT_MAX as it is written, which as a float it is */

static void list_activations(char *out, size_t capacity)
{
    size_t used = 0;
    for (int a = 0; a < ACTIVATIONS; a++) {
        const int n = snprintf(out + used, capacity - used, "%s%s", a > 0 ? ", " : "",
                               activation_name((enum activation)a));
        assert(n > 0 && (size_t)n < capacity - used);
        used += (size_t)n;
    }
}

static bool read_name(const char *name, const char *place, const char *key,
                      struct activation_function *function, struct fault *fault)
{
    char known[512];
    if (activation_from_name(name, function))
        return true;
    list_activations(known, sizeof known);
    return fault_set(fault, 400, "%s.%s: \"%s\" is not an activation; %s are", place, key,
                     excerpt_of(name).text, known);
}

/* With those of clip nothing is computed, and the largest float stands for no bound. */
static bool read_parameter(const cJSON *object, const char *place, const char *key, bool has_it,
                           enum activation kind, float *parameter, struct fault *fault)
{
    const double most = kind == ACTIVATION_CLIP ? BOUND_MAX : PARAMETER_MAX;
    double value = (double)*parameter;
    if (!has_it && cJSON_GetObjectItemCaseSensitive(object, key) != NULL)
        return fault_set(fault, 400, "%s.%s: the function has no such parameter", place, key);
    if (!config_json_number(object, place, key, -most, most, &value, fault))
        return false;
    *parameter = (float)value;
    return true;
}

bool activation_config_read_object(const cJSON *object, const char *place,
                                   struct activation_function *function, struct fault *fault)
{
    const char *name = NULL;
    if (!config_json_string(object, place, "function", &name, fault))
        return false;
    if (name == NULL)
        return fault_set(fault, 400, "%s.function: missing; an activation's name expected", place);
    if (!read_name(name, place, "function", function, fault))
        return false;
    const int parameters = activation_parameters(function->kind);
    return read_parameter(object, place, "alpha", parameters > 0, function->kind, &function->alpha,
                          fault) &&
           read_parameter(object, place, "beta", parameters > 1, function->kind, &function->beta,
                          fault);
}

bool activation_config_read(const cJSON *found, const char *place, const char *key,
                            struct activation_function *function, struct fault *fault)
{
    static const char *const keys[] = {"function", "alpha", "beta", NULL};
    char inner[96];
    if (cJSON_IsString(found))
        return read_name(found->valuestring, place, key, function, fault);
    if (!cJSON_IsObject(found))
        return config_json_refuse(found, place, key, "an activation's name or an object", fault);
    snprintf(inner, sizeof inner, "%s.%s", place, key);
    return config_json_check_keys(found, inner, keys, fault) &&
           activation_config_read_object(found, inner, function, fault);
}
