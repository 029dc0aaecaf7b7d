#include "deploy/convert/pair.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "deploy/convert/bare_weights.h"
#include "proto/config_json.h"

static const cJSON *item(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text(const cJSON *object, const char *key, const char *otherwise)
{
    const char *value = cJSON_GetStringValue(item(object, key));
    return value != NULL ? value : otherwise;
}

cJSON *pair_config(const struct blob *json, const char *weights)
{
    struct fault fault = {0};
    if (json->size > CONFIG_JSON_SIZE_MAX)
        return NULL;
    cJSON *config = config_json_parse((const char *)json->bytes, json->size, &fault);
    const char *named = text(config, "weights", NULL);
    if (named != NULL && (weights == NULL || strcmp(named, weights) == 0))
        return config;
    cJSON_Delete(config);
    return NULL;
}

/* ---- layers ---- */

static bool is_one_of(const char *key, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (strcmp(key, *keys) == 0)
            return true;
    return false;
}

static void copy_options(struct network *network, size_t layer, const cJSON *object,
                         const char *const *others)
{
    for (const cJSON *option = object->child; option != NULL; option = option->next)
        if (!is_one_of(option->string, others))
            network_set_json(network, layer, option->string, cJSON_Duplicate(option, true));
}

/* "encoder." and "lstm": "encoder.lstm." */
static bool add_layer(struct network *network, const cJSON *layer, const char *root_prefix,
                      struct fault *fault)
{
    static const char *const own[] = {"type", "name", "weights", NULL};
    const char *type = text(layer, "type", ""), *weights = text(layer, "weights", "");
    char prefix[2 * STATE_DICT_NAME_MAX];
    const int size = snprintf(prefix, sizeof prefix, "%s%s%s", root_prefix, weights,
                              weights[0] != '\0' ? "." : "");
    if (!cJSON_IsObject(layer) || type[0] == '\0' || (size_t)size >= sizeof prefix)
        return fault_set(fault, 400, "layers[%zu]: a layer with a type expected",
                         network->layer_count);
    const size_t number = network_add_layer(
        network, type, text(layer, "name", weights[0] != '\0' ? weights : type), prefix);
    copy_options(network, number, layer, own);
    return true;
}

static bool add_layers(struct network *network, const cJSON *config, struct fault *fault)
{
    static const char *const none[] = {NULL};
    const char *prefix = text(config, "prefix", "");
    const cJSON *layers = item(config, "layers"), *lstm = item(config, "lstm");
    if (layers == NULL) {
        const size_t number = network_add_layer(network, "lstm", "lstm", prefix);
        if (lstm != NULL)
            copy_options(network, number, lstm, none);
        return true;
    }
    for (const cJSON *layer = layers->child; layer != NULL; layer = layer->next)
        if (!add_layer(network, layer, prefix, fault))
            return false;
    return true;
}

bool pair_to_network(const cJSON *config, struct state_dict *dict, struct network *network,
                     struct fault *fault)
{
    static const char *const own[] = {"name", "weights", "prefix", "lstm", "layers", NULL};
    copy_options(network, NETWORK_ROOT, config, own);
    return add_layers(network, config, fault) &&
           bare_weights_to_layers(dict, text(config, "prefix", ""), network, fault);
}
