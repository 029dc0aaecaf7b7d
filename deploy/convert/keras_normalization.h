/* Keras' Normalization: (x - mean) / max(sqrt(variance), 1e-7) at every feature, or at all of them
 * with the same two numbers, which stand among the layer's options or are weights that adapt()
 * counted. With invert: x max(sqrt(variance), 1e-7) + mean. */
#ifndef DEPLOY_CONVERT_KERAS_NORMALIZATION_H
#define DEPLOY_CONVERT_KERAS_NORMALIZATION_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/float_array.h"
#include "deploy/convert/keras_layer.h"
#include "deploy/convert/keras_options.h"
#include "deploy/convert/keras_version.h"
#include "deploy/convert/network.h"
#include "proto/fault.h"

/* As in keras_layer_parse; class_name, name and trainable are set. */
bool keras_normalization_parse(struct keras_layer *layer, const struct keras_options *options,
                               const struct keras_version *version, struct fault *fault);

/* mean[F] and variance[F] that stand among the options (layer->as.normalization.mean is not NULL),
 * F 1 for the same two numbers at every feature. On success both are the caller's to fini. */
bool keras_normalization_given(const struct keras_layer *layer, struct float_array *mean,
                               struct float_array *variance, struct fault *fault);

/* Raises variances to what Keras at least divides by the root of. Refused (400): negative ones, and
 * those so small that early versions of TensorFlow divide by something else. */
bool keras_normalization_raise(const struct keras_layer *layer, const struct keras_version *version,
                               struct float_array *variance, struct fault *fault);

/* Fills layer number at of the network, a batch_norm, from mean[F] and variance[F], raised. Of the
 * same two numbers everywhere it is an activation, and one more may be added behind it. */
bool keras_normalization_build(const struct keras_layer *layer, const struct float_array *mean,
                               const struct float_array *variance, struct network *network,
                               size_t at, struct fault *fault);

#endif
