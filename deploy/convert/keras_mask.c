#include "deploy/convert/keras_mask.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <string.h>

#include "deploy/convert/keras_class.h"

static bool is_class(const cJSON *layer, const char *class_name)
{
    return strcmp(keras_class_of(layer), class_name) == 0 && keras_class_is_own(layer);
}

static const cJSON *option(const cJSON *layer, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(layer, "config"), key);
}

/* Its first argument's layer: a tensor; the second one is in *second, NULL for none. False unless
 * it was called once, with no arguments by name. */
static bool read_operation(const cJSON *operation, struct keras_reference *first,
                           const cJSON **second)
{
    const cJSON *calls = cJSON_GetObjectItemCaseSensitive(operation, "inbound_nodes");
    const cJSON *call = cJSON_GetArrayItem(calls, 0);
    const cJSON *arguments = cJSON_GetObjectItemCaseSensitive(call, "args");
    const cJSON *named = cJSON_GetObjectItemCaseSensitive(call, "kwargs");
    *second = cJSON_GetArrayItem(arguments, 1);
    return cJSON_GetArraySize(calls) == 1 && cJSON_IsArray(arguments) &&
           cJSON_GetArraySize(arguments) <= 2 && cJSON_GetArraySize(named) == 0 &&
           keras_reference_of_tensor(arguments->child, first) && first->output == 0;
}

/* Any over the features alone; *of is what it is of. */
static bool read_any(const cJSON *operation, struct keras_reference *of)
{
    const cJSON *second, *axis = option(operation, "axis");
    return read_operation(operation, of, &second) && second == NULL && cJSON_IsNumber(axis) &&
           axis->valuedouble == -1 && cJSON_IsFalse(option(operation, "keepdims"));
}

bool keras_mask_read(const struct cJSON *tensor, const struct cJSON *layers,
                     struct keras_mask *mask)
{
    struct keras_reference at;
    const cJSON *value;
    *mask = (struct keras_mask){.any = NULL};
    if (!keras_reference_of_tensor(tensor, &at) || at.output != 0)
        return false;
    const cJSON *operation = keras_reference_find(layers, at.layer);
    if (is_class(operation, "Any")) {
        mask->of_features = true;
        mask->any = operation;
        if (!read_any(operation, &at))
            return false;
        operation = keras_reference_find(layers, at.layer);
    }
    mask->not_equal = operation;
    if (!is_class(operation, "NotEqual") || !read_operation(operation, &mask->of, &value) ||
        !cJSON_IsNumber(value))
        return false;
    mask->value = value->valuedouble;
    return true;
}

bool keras_mask_is_made_by(const struct keras_mask *mask, const struct cJSON *layer)
{
    const cJSON *value = option(layer, "mask_value");
    if (is_class(layer, "Embedding"))
        return !mask->of_features && mask->value == 0 && cJSON_IsTrue(option(layer, "mask_zero"));
    return is_class(layer, "Masking") && mask->of_features && cJSON_IsNumber(value) &&
           value->valuedouble == mask->value;
}
