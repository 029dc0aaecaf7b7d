/* A Keras model as a network: its layers in the words of proto/MODEL_CONFIG.md, its weights in
 * torch's layouts. */
#ifndef DEPLOY_CONVERT_KERAS_NETWORK_H
#define DEPLOY_CONVERT_KERAS_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/float_array.h"
#include "deploy/convert/keras_topology.h"
#include "deploy/convert/network.h"
#include "proto/fault.h"

/* Where the weights come from. */
struct keras_weights {
    /* Weight number slot (keras_layer_slots) of a node as it is stored, the caller's to fini. */
    bool (*read)(void *context, const struct keras_node *node, size_t slot,
                 struct float_array *array, struct fault *fault);
    void *context;
};

/* Fills network, initialised and empty. Refused (400): what keras_shape_check refuses, and weights
 * whose shapes are not those the layers' options call for. */
bool keras_network_build(const struct keras_topology *topology, const struct keras_weights *weights,
                         struct network *network, struct fault *fault);

#endif
