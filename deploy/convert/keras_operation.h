/* A function that was called on a tensor of a functional model, which its graph keeps as a layer:
 * Keras 3's operations (keras.ops.relu, keras.activations.relu, x * 2) and tf.keras 2's TFOpLambda
 * (tf.nn.relu, tf.reduce_mean). What it was called with stands with the call or among its options.
 * Masks end there. */
#ifndef DEPLOY_CONVERT_KERAS_OPERATION_H
#define DEPLOY_CONVERT_KERAS_OPERATION_H

#include <stdbool.h>

#include "deploy/convert/keras_layer.h"
#include "deploy/convert/keras_reference.h"
#include "proto/fault.h"

struct cJSON;

bool keras_operation_is_layer(const struct cJSON *json);

/* The one tensor that it was called on; false when there is none, or another one beside it. */
bool keras_operation_input(const struct cJSON *json, struct keras_reference *input);

/* As in keras_layer_parse; class_name, name and trainable are set. Refused (400): functions that
 * are none of a layer's, and arguments that make them so. */
bool keras_operation_parse(struct keras_layer *layer, const struct cJSON *json,
                           struct fault *fault);

#endif
