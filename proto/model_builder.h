/* From a config and a weights file to a model that computes: plans it (proto/model_plan.h says what
 * is refused), reads the weights' numbers, has the core pack them. */
#ifndef PROTO_MODEL_BUILDER_H
#define PROTO_MODEL_BUILDER_H

#include <stdbool.h>

#include "core/model.h"
#include "proto/fault.h"
#include "proto/model_config.h"
#include "proto/safetensors.h"

/* On success *model is the caller's (model_destroy). Weights that no layer uses are not an error.
 */
bool model_build(const struct model_config *config, const struct safetensors *weights,
                 const struct kernel *kernel, struct model **model, struct fault *fault);

#endif
