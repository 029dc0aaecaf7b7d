/* From a network to the two files the daemon loads. The bytes depend on the network and the name
 * alone: converting what was written by this gives the same bytes again. */
#ifndef DEPLOY_CONVERT_NETWORK_WRITE_H
#define DEPLOY_CONVERT_NETWORK_WRITE_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "deploy/convert/network.h"
#include "proto/fault.h"

/* The model config (proto/MODEL_CONFIG.md) of a model called name, whose weights are to stand
 * beside it in NAME.safetensors: a torch.nn.LSTM alone in the short form, everything else as a list
 * of layers. The network is whole. The blob is the caller's to free. */
bool network_write_config(const struct network *network, const char *name, struct blob *config,
                          struct fault *fault);

/* All tensors as F32, by strcmp's order of their names, behind a header padded to 8 bytes. Refused
 * (400): two tensors of one name. The blob is the caller's to free. */
bool network_write_weights(const struct network *network, struct blob *weights,
                           struct fault *fault);

#endif
