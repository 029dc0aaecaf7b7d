/* A Keras model's architecture, from the JSON that every format of Keras carries, as a chain of
 * checked layers: Sequential models, Models (Functional) whose graph is one path, such models as
 * layers of others. What branches, joins, has two inputs or outputs or a layer used twice is
 * refused, as is every layer and option that cannot be expressed. */
#ifndef DEPLOY_CONVERT_KERAS_TOPOLOGY_H
#define DEPLOY_CONVERT_KERAS_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/keras_graph.h"
#include "deploy/convert/keras_layer.h"
#include "deploy/convert/keras_version.h"
#include "proto/fault.h"

struct cJSON;

/* A layer and its place among the model's. */
struct keras_node {
    struct keras_layer layer;
    /* In its own model; the mask that a model is called with is its first layer's. */
    struct keras_call call;
    /* Which of the model's own layers it is, or is in, counted in the order of the config. */
    size_t top;
    char *prefix; /* the names of the models it is in, "encoder."; "" for the model's own */
    char *path;   /* where Keras 3's saving_lib keeps it: "layers/lstm_1", from classes alone */
};

struct keras_topology {
    struct keras_version version;
    bool theano; /* the backend, whose convolutions flip their kernels */
    size_t node_count;
    struct keras_node *nodes; /* from input to output */
    size_t top_count;
    /* Of the model's input without the batch, as far as the config says: rank 0 for unknown, steps
     * 0 for any, features 0 where there are none. */
    size_t input_rank, input_steps, input_features;
    struct cJSON *json; /* what names and calls in nodes point into */
};

/* json[size]: the object with "class_name" and "config", alone or as "model_config" or
 * "modelTopology" in another, or a string that holds such JSON. keras_version and backend: what
 * stands beside it, for configs that do not say; NULL where nothing does. On success the caller
 * owns *topology (keras_topology_fini); on failure nothing is held. Status 400, or 503 without
 * memory. */
bool keras_topology_parse(struct keras_topology *topology, const char *json, size_t size,
                          const char *keras_version, const char *backend, struct fault *fault);
void keras_topology_fini(struct keras_topology *topology);

#endif
