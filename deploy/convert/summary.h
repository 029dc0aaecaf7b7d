/* What was converted, for people: a line a layer, with the shapes and the parameter counts that the
 * framework itself would print. */
#ifndef DEPLOY_CONVERT_SUMMARY_H
#define DEPLOY_CONVERT_SUMMARY_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "deploy/convert/network.h"
#include "proto/fault.h"

/* weights is the network's safetensors file. Shapes are those of models that the daemon's code
 * builds, layer by layer: what it refuses is refused here, with the layer's name in front. The blob
 * is the caller's to free. */
bool summary_write(const struct network *network, const struct blob *weights, struct blob *summary,
                   struct fault *fault);

#endif
