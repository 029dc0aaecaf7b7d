#include "deploy/convert/member_text.h"

#include <cjson/cJSON.h>
#include <stddef.h>

const char *member_text(const struct cJSON *object, const char *key, const char *otherwise)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text == NULL ? otherwise : text;
}
