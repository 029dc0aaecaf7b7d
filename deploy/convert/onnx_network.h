/* From a walked ONNX graph to the network: the chain of layers that leads from its input to its
 * outputs, under the graph's own names. */
#ifndef DEPLOY_CONVERT_ONNX_NETWORK_H
#define DEPLOY_CONVERT_ONNX_NETWORK_H

#include <stdbool.h>

#include "deploy/convert/network.h"
#include "deploy/convert/onnx_outputs.h"
#include "deploy/convert/onnx_walk.h"
#include "proto/fault.h"

/* Fills the network. Refused (400): states that are not those of whole LSTMs of the chain. */
bool onnx_network_fill(const struct onnx_walk *walk, const struct onnx_outputs *outputs,
                       struct network *network, struct fault *fault);

#endif
