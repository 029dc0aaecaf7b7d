#include "deploy/convert/keras_class.h"

#include <stddef.h>
#include <string.h>

#include "deploy/convert/member_text.h"
#include "proto/excerpt.h"

const char *keras_class_of(const struct cJSON *json)
{
    return member_text(json, "class_name", "");
}

static const char *registered_name(const struct cJSON *json)
{
    return member_text(json, "registered_name", NULL);
}

/* With the dot: keras_tuner is none of Keras' modules. */
static bool is_keras_module(const char *module)
{
    return strncmp(module, "keras.", strlen("keras.")) == 0 ||
           strncmp(module, "tf_keras.", strlen("tf_keras.")) == 0;
}

bool keras_class_is_own(const struct cJSON *json)
{
    return registered_name(json) == NULL || is_keras_module(member_text(json, "module", ""));
}

bool keras_class_check(const struct cJSON *json, const char *class_name, const char *name,
                       struct fault *fault)
{
    return keras_class_is_own(json) ||
           fault_set(fault, 400,
                     "%s (%.48s): a class of Keras' own expected, got the custom class %s",
                     excerpt_of(name).text, class_name, excerpt_of(registered_name(json)).text);
}
