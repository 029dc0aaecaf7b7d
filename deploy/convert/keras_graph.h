/* The order of a Keras model's layers: its config's list as it stands (Sequential), or the one path
 * through its graph (Model, Functional). */
#ifndef DEPLOY_CONVERT_KERAS_GRAPH_H
#define DEPLOY_CONVERT_KERAS_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

struct cJSON;

/* Is it a model, with layers of its own? */
bool keras_graph_is_model(const struct cJSON *layer);

/* The array of a model's layers, in the config's order; NULL with a fault when there is none. */
const struct cJSON *keras_graph_layers(const struct cJSON *model, struct fault *fault);

#define KERAS_LAYERS_MAX 1024

/* A model's layers from input to output. */
struct keras_path {
    size_t count;
    const struct cJSON **layers; /* the caller's to free; what it points to is the config's */
    /* How many outputs of the last layer are the model's: its first ones. */
    size_t outputs;
};

#define KERAS_OUTPUTS_ALL ((size_t)-1) /* of a Sequential model: whatever its last layer gives */

bool keras_graph_path(const struct cJSON *model, struct keras_path *path, struct fault *fault);

#endif
