/* An activation in a config: a name, or {"function": name, "alpha": a, "beta": b}. */
#ifndef PROTO_ACTIVATION_CONFIG_H
#define PROTO_ACTIVATION_CONFIG_H

#include <stdbool.h>

#include "core/activation.h"
#include "proto/fault.h"

struct cJSON;

/* found stands at place.key and is either form. */
bool activation_config_read(const struct cJSON *found, const char *place, const char *key,
                            struct activation_function *function, struct fault *fault);

/* The object's own function, alpha and beta; function is required. Other keys are the caller's to
 * refuse. */
bool activation_config_read_object(const struct cJSON *object, const char *place,
                                   struct activation_function *function, struct fault *fault);

#endif
