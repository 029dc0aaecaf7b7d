/* Keras' activation functions in the words of proto/MODEL_CONFIG.md. */
#ifndef DEPLOY_CONVERT_KERAS_FUNCTION_H
#define DEPLOY_CONVERT_KERAS_FUNCTION_H

#include <stdbool.h>

#include "deploy/convert/keras_options.h"
#include "deploy/convert/keras_version.h"
#include "proto/fault.h"

struct keras_function {
    const char *name; /* the schema's; lives for ever */
    bool has_alpha, has_beta;
    double alpha, beta;
};

/* The option's function; linear when it is absent or null, unless it is required. A name, or an
 * activation layer written in its place. */
bool keras_function_option(const struct keras_options *options, const char *key,
                           const char *old_key, bool required, const struct keras_version *version,
                           struct keras_function *function, struct fault *fault);

/* Keras' function of that name, with its defaults; false for an unknown one, and for hard_sigmoid,
 * which means two. */
bool keras_function_named(const char *name, struct keras_function *function);

/* Is a layer of that class nothing but a function (LeakyReLU, ELU, ReLU...)? */
bool keras_function_is_layer(const char *class_name);

/* That layer's function. For Softmax *axis gets its axis; else it is left alone. */
bool keras_function_layer(const char *class_name, const char *name, const struct cJSON *config,
                          struct keras_function *function, long *axis, struct fault *fault);

#endif
