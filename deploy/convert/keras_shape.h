/* What passes between the layers of a Keras model: sequences or vectors, of fixed length or not,
 * masked or not. Refuses what depends on it and cannot be expressed: an axis that is not the
 * features', a vector where steps are wanted, a length that is not fixed where it must be, a
 * layer that is called with another mask than comes along with its input. */
#ifndef DEPLOY_CONVERT_KERAS_SHAPE_H
#define DEPLOY_CONVERT_KERAS_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/keras_topology.h"
#include "proto/fault.h"

/* The number of steps that every input must have, 0 for any. Status 400. */
bool keras_shape_check(const struct keras_topology *topology, size_t *steps, struct fault *fault);

#endif
