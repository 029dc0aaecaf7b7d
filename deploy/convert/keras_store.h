/* The weights of a Keras model in an HDF5 file, in either of the two orders Keras has had:
 *
 * - a group for each of the model's layers, listed in the attribute layer_names, its weights listed
 *   in weight_names (Keras 1 to 3, .h5). Layers with weights are matched by their order, weights by
 *   theirs: names are nobody's promise, they differ from version to version.
 * - Keras 3's saving_lib (.keras, .weights.h5): groups numbered by class, "layers/lstm_1/cell", in
 *   each of them vars/0, vars/1...
 */
#ifndef DEPLOY_CONVERT_KERAS_STORE_H
#define DEPLOY_CONVERT_KERAS_STORE_H

#include <stdbool.h>

#include "deploy/convert/hdf5_file.h"
#include "deploy/convert/keras_topology.h"
#include "deploy/convert/network.h"
#include "proto/fault.h"

/* Fills network, initialised and empty, from the topology and its weights in file. Refused (400): a
 * file that is in neither order, or whose lists do not go with the topology, besides what
 * keras_network_build refuses. */
bool keras_store_build(const struct hdf5_file *file, const struct keras_topology *topology,
                       struct network *network, struct fault *fault);

#endif
