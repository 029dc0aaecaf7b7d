/* Slicing in a functional Keras model, x[:, -1, :]: Keras 3's GetItem and tf.keras 2's
 * SlicingOpLambda. What is taken stands with the call, not among the layer's options. */
#ifndef DEPLOY_CONVERT_KERAS_SLICING_H
#define DEPLOY_CONVERT_KERAS_SLICING_H

#include <stdbool.h>

#include "deploy/convert/keras_layer.h"
#include "proto/fault.h"

struct cJSON;

bool keras_slicing_is_layer(const char *class_name);

/* Of a layer of such a class, json as in keras_layer_parse; class_name, name and trainable are set.
 * [:, -1, :] and [:, -1] are KERAS_LAST_STEP, the last step whatever the mask, which ends there.
 * Everything else is refused (400): slices of other steps, of features or of the batch, and
 * SlicingOpLambda's boolean masks. */
bool keras_slicing_parse(struct keras_layer *layer, const struct cJSON *json, struct fault *fault);

#endif
