#include "deploy/convert/keras_reference.h"

#include <cjson/cJSON.h>
#include <string.h>

bool keras_reference_read(const struct cJSON *item, struct keras_reference *reference)
{
    const cJSON *output = cJSON_GetArrayItem(item, 2);
    if (!cJSON_IsArray(item) || !cJSON_IsString(item->child) || !cJSON_IsNumber(output) ||
        !(output->valuedouble >= 0 && output->valuedouble < 1024))
        return false;
    *reference = (struct keras_reference){item->child->valuestring, (size_t)output->valuedouble};
    return true;
}

bool keras_reference_of_tensor(const struct cJSON *tensor, struct keras_reference *reference)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(tensor, "config");
    return keras_reference_read(cJSON_GetObjectItemCaseSensitive(config, "keras_history"),
                                reference);
}

/* Its own "name", or its config's. */
static const char *name_of(const cJSON *layer)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(layer, "name");
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(layer, "config");
    if (!cJSON_IsString(name))
        name = cJSON_GetObjectItemCaseSensitive(config, "name");
    return cJSON_IsString(name) ? name->valuestring : "";
}

const struct cJSON *keras_reference_find(const struct cJSON *layers, const char *name)
{
    const cJSON *layer;
    cJSON_ArrayForEach(layer, layers) if (strcmp(name_of(layer), name) == 0) return layer;
    return NULL;
}
