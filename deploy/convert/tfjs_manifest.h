/* The weights of a TensorFlow.js LayersModel: what "weightsManifest" in its model.json lists, and
 * the shards beside it that hold them. */
#ifndef DEPLOY_CONVERT_TFJS_MANIFEST_H
#define DEPLOY_CONVERT_TFJS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/float_array.h"
#include "deploy/convert/input.h"
#include "proto/fault.h"

struct cJSON;

#define TFJS_WEIGHTS_MAX 4096

enum tfjs_type {
    TFJS_FLOAT32,
    TFJS_FLOAT16,
    TFJS_UINT8,  /* scale * x + min */
    TFJS_UINT16, /* the same */
    TFJS_INT32,  /* listed by some models; of no use as a weight here */
};

struct tfjs_weight {
    const char *name; /* in the JSON */
    enum tfjs_type type;
    size_t rank;
    size_t shape[FLOAT_ARRAY_RANK_MAX];
    size_t elements;
    double scale, min;
    size_t group, offset; /* where its bytes are */
};

struct tfjs_manifest {
    size_t group_count;
    struct blob *groups; /* the shards of a group, one behind the other */
    size_t weight_count;
    struct tfjs_weight *weights;
};

/* model_json: the root of model.json, borrowed until tfjs_manifest_fini. Shards are read by
 * input->beside. Refused (400): paths with a folder in them, shards that do not hold exactly what
 * is listed. On failure nothing is held. */
bool tfjs_manifest_read(struct tfjs_manifest *manifest, const struct cJSON *model_json,
                        const struct input *input, struct fault *fault);
void tfjs_manifest_fini(struct tfjs_manifest *manifest);

/* A weight's values, the caller's to fini. */
bool tfjs_manifest_array(const struct tfjs_manifest *manifest, const struct tfjs_weight *weight,
                         struct float_array *array, struct fault *fault);

#endif
