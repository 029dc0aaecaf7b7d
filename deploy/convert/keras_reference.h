/* A tensor in the graph of a functional Keras model: which output of which layer. */
#ifndef DEPLOY_CONVERT_KERAS_REFERENCE_H
#define DEPLOY_CONVERT_KERAS_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

struct keras_reference {
    const char *layer; /* borrowed from the config */
    size_t output;
};

/* ["lstm_1", 0, 2, ...]: layer, node, output. False when item is nothing like it. */
bool keras_reference_read(const struct cJSON *item, struct keras_reference *reference);

/* Keras 3's {"class_name": "__keras_tensor__", "config": {"keras_history": [...]}}, in the
 * arguments of a call. */
bool keras_reference_of_tensor(const struct cJSON *tensor, struct keras_reference *reference);

/* The layer of that name among layers, a model's; NULL when there is none. */
const struct cJSON *keras_reference_find(const struct cJSON *layers, const char *name);

#endif
