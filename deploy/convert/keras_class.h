/* The class of a layer of a Keras model: Keras' own, or one that its user wrote, which may be
 * called alike and compute something else. */
#ifndef DEPLOY_CONVERT_KERAS_CLASS_H
#define DEPLOY_CONVERT_KERAS_CLASS_H

#include <stdbool.h>

#include "proto/fault.h"

struct cJSON;

/* "class_name"; "" when there is none. json: a layer, a model or a cell. */
const char *keras_class_of(const struct cJSON *json);

/* From Keras 2.12 on "registered_name" is null for each public class of Keras, else "module" tells
 * the package; what says neither, as older files do, is taken for Keras'. */
bool keras_class_is_own(const struct cJSON *json);

/* The same for a layer of that class and name; status 400. */
bool keras_class_check(const struct cJSON *json, const char *class_name, const char *name,
                       struct fault *fault);

#endif
