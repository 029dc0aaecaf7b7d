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

/* The place of a layer among them, from 0. */
size_t keras_graph_index(const struct cJSON *layers, const struct cJSON *layer);

#define KERAS_LAYERS_MAX 1024

/* A layer where it stands on its model's path; all of it the config's. */
struct keras_call {
    const struct cJSON *layer;
    const struct cJSON *model; /* the one it is in */
    /* The layer on the same path whose mask it is called with, NULL for none. */
    const struct cJSON *mask;
    /* In the form of Keras 3, whose graphs tell masks: with none here, the model knew of none. */
    bool is_keras3;
    /* mask=None was written. To Keras 2 it is no mask; to Keras 3 it is as if it were not written.
     */
    bool mask_is_none;
};

/* A model's layers from input to output. */
struct keras_path {
    size_t count;
    struct keras_call *calls; /* the caller's to free */
    /* How many outputs of the last layer are the model's: its first ones. */
    size_t outputs;
};

#define KERAS_OUTPUTS_ALL ((size_t)-1) /* of a Sequential model: whatever its last layer gives */

/* Refused (400): what is no chain of layers, and calls with arguments that cannot be expressed,
 * among them masks that no layer of the path makes (keras_mask.h). That a mask is the one that
 * comes along with the layer's input is not looked at here. */
bool keras_graph_path(const struct cJSON *model, struct keras_path *path, struct fault *fault);

#endif
