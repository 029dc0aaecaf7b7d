#include "deploy/convert/keras_slicing.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "deploy/convert/keras_class.h"
#include "deploy/convert/keras_options.h"

bool keras_slicing_is_layer(const char *class_name)
{
    return strcmp(class_name, "GetItem") == 0 || strcmp(class_name, "SlicingOpLambda") == 0;
}

/* ---- what stands in the brackets ---- */

/* In the layer's first call: its second argument (Keras 3), or "slice_spec" behind the reference to
 * its input, [["lstm", 0, 0, {...}]] or that without the outer list. NULL when there is none. */
static const cJSON *key_of(const cJSON *json)
{
    const cJSON *calls = cJSON_GetObjectItemCaseSensitive(json, "inbound_nodes");
    const cJSON *call = cJSON_GetArrayItem(calls, 0);
    if (!cJSON_IsArray(call))
        return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(call, "args"), 1);
    const cJSON *reference = cJSON_IsArray(call->child) ? call->child : call;
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(reference, 3), "slice_spec");
}

/* The object with start, stop and step, which Keras 3 wraps once more; NULL for what is no slice:
 * numbers, None, an ellipsis, a tensor. */
static const cJSON *slice_of(const cJSON *item)
{
    if (strcmp(keras_class_of(item), "__slice__") == 0)
        item = cJSON_GetObjectItemCaseSensitive(item, "config");
    const bool whole = cJSON_GetObjectItemCaseSensitive(item, "start") != NULL &&
                       cJSON_GetObjectItemCaseSensitive(item, "stop") != NULL &&
                       cJSON_GetObjectItemCaseSensitive(item, "step") != NULL;
    return whole ? item : NULL;
}

/* ":" */
static bool is_all(const cJSON *item)
{
    const cJSON *slice = slice_of(item);
    return slice != NULL && cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(slice, "start")) &&
           cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(slice, "stop")) &&
           cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(slice, "step"));
}

static bool is_last_step(const cJSON *key)
{
    const int count = cJSON_GetArraySize(key);
    const cJSON *step = cJSON_GetArrayItem(key, 1);
    return cJSON_IsArray(key) && (count == 2 || count == 3) && is_all(key->child) &&
           cJSON_IsNumber(step) && step->valuedouble == -1 && (count == 2 || is_all(step->next));
}

/* ---- the same for people ---- */

#define ITEMS_SHOWN 4 /* of at most 3 numbers of at most 12 characters */

struct spelling {
    char text[ITEMS_SHOWN * 48];
    size_t used;
};

static void put(struct spelling *spelling, const char *text)
{
    spelling->used += (size_t)snprintf(spelling->text + spelling->used,
                                       sizeof spelling->text - spelling->used, "%s", text);
}

/* Nothing for null, "?" for what cannot be told in a few characters. */
static void put_number(struct spelling *spelling, const cJSON *number)
{
    char text[24] = "?";
    if (cJSON_IsNumber(number))
        snprintf(text, sizeof text, "%g", number->valuedouble);
    if (!cJSON_IsNull(number))
        put(spelling, text);
}

static void put_item(struct spelling *spelling, const cJSON *item)
{
    const cJSON *slice = slice_of(item);
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(slice, "step");
    if (slice == NULL) {
        put(spelling, cJSON_IsNull(item) ? "None" : "");
        put_number(spelling, item);
        return;
    }
    put_number(spelling, cJSON_GetObjectItemCaseSensitive(slice, "start"));
    put(spelling, ":");
    put_number(spelling, cJSON_GetObjectItemCaseSensitive(slice, "stop"));
    put(spelling, cJSON_IsNull(step) ? "" : ":");
    put_number(spelling, step);
}

/* As Python writes it, "[:, -1:, ?]". */
static struct spelling spell(const cJSON *key)
{
    struct spelling spelling = {.used = 0};
    const cJSON *item = cJSON_IsArray(key) ? key->child : key;
    put(&spelling, "[");
    for (int i = 0; item != NULL && i < ITEMS_SHOWN; i++, item = item->next) {
        put(&spelling, i > 0 ? ", " : "");
        put_item(&spelling, item);
        if (item == key)
            break;
    }
    put(&spelling, "]");
    return spelling;
}

/* ---- the layer ---- */

bool keras_slicing_parse(struct keras_layer *layer, const struct cJSON *json, struct fault *fault)
{
    static const char *const known[] = {"function", NULL};
    /* A SlicingOpLambda may also be a boolean_mask. */
    static const char *const functions[] = {"__operators__.getitem", NULL};
    struct keras_options options;
    const char *function = strcmp(layer->class_name, "GetItem") == 0 ? functions[0] : NULL;
    const cJSON *key = key_of(json);
    layer->kind = KERAS_LAST_STEP;
    if (!keras_options_init(&options, layer->class_name, layer->name,
                            cJSON_GetObjectItemCaseSensitive(json, "config"), known, fault) ||
        !keras_options_choice(&options, "function", NULL, functions, &function, fault))
        return false;
    if (function == NULL)
        return keras_options_refuse(&options, "function", NULL, functions[0], fault);
    return is_last_step(key) ||
           fault_set(fault, 400, "%s: slicing other than [:, -1, :] cannot be expressed, got %s",
                     options.place, spell(key).text);
}
