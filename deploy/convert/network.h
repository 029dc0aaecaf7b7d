/* A trained network as every reader describes it and the writer takes it: a chain of layers, each a
 * type, options and float tensors in the words of proto/MODEL_CONFIG.md. What a file format calls
 * things by other names, or lays out in another order (Keras' and ONNX' gates, transposed kernels),
 * its reader turns into these words, or refuses.
 *
 * Options and tensors that do not fit together need not be looked for by readers: before anything
 * is written the daemon's own code builds a model from it, and its refusal is the converter's.
 *
 * Memory: the setters cannot fail. When memory runs out that is remembered, later calls do nothing,
 * and network_is_whole says so at the end; only what returns a pointer needs looking at. Texts are
 * copied, always. */
#ifndef DEPLOY_CONVERT_NETWORK_H
#define DEPLOY_CONVERT_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

struct cJSON;

#define NETWORK_RANK_MAX     4
#define NETWORK_ELEMENTS_MAX ((size_t)1 << 29) /* of a tensor */

/* Row-major float32, all finite (checked by network_is_whole). */
struct network_tensor {
    char *name; /* as in the layer's schema, without the layer's prefix: "weight_ih_l0" */
    size_t rank;
    size_t shape[NETWORK_RANK_MAX];
    size_t elements;
    float *values;
};

struct network_layer {
    char *type;   /* "lstm", "dense"... */
    char *name;   /* as the trained file names the layer; what the summary shows */
    char *prefix; /* before its tensors' names in the safetensors file, with its dot: "lstm." */
    struct cJSON *options; /* the keys of the layer's object but "type", "name" and "weights" */
    size_t tensor_count;
    struct network_tensor *tensors;
};

struct network {
    struct cJSON *options; /* keys of the config's root: "batch_first", "tensors", "steps"... never
                            * "name", "weights", "prefix", "lstm", "layers" */
    size_t layer_count;
    struct network_layer *layers;
    char *notes; /* what people must know beside the summary, lines that end; NULL: nothing */
    bool out_of_memory;
};

void network_init(struct network *network);
void network_fini(struct network *network);

/* Adds a layer at the end; prefix is what stands before its tensors' names, with its dot where it
 * has one ("" for a layer alone). The number of the layer is what the functions below want. */
size_t network_add_layer(struct network *network, const char *type, const char *name,
                         const char *prefix);

/* Options of a layer, or with NETWORK_ROOT of the whole. A key set twice keeps the last value. */
#define NETWORK_ROOT ((size_t)-1)
void network_set_bool(struct network *network, size_t layer, const char *key, bool value);
void network_set_size(struct network *network, size_t layer, const char *key, size_t value);
void network_set_number(struct network *network, size_t layer, const char *key, double value);
void network_set_string(struct network *network, size_t layer, const char *key, const char *value);
/* Any other value: takes json over, NULL (no memory to make it) included. */
void network_set_json(struct network *network, size_t layer, const char *key, struct cJSON *json);

/* One line more of the notes. */
void network_add_note(struct network *network, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for a tensor of the layer, zeroed, to be filled by the caller: it stays the network's. NULL
 * with a fault (400 for a shape too large, 503 without memory). shape may hold 0. */
float *network_add_tensor(struct network *network, size_t layer, const char *name, size_t rank,
                          const size_t *shape, struct fault *fault);

/* To be asked once, when all is said: was there memory for everything, is every value finite
 * (else the layer, tensor and element are named), is there a layer at all? */
bool network_is_whole(const struct network *network, struct fault *fault);

#endif
