/* A mask that a layer in the graph of a functional Keras 3 model is called with. The mask that an
 * Embedding or a Masking makes stands there as operations beside the path, which everybody who
 * looks at masks is given: NotEqual(ids, 0) for an Embedding, Any(NotEqual(x, mask_value), axis=-1)
 * for a Masking, where ids and x are what the layer itself is given. */
#ifndef DEPLOY_CONVERT_KERAS_MASK_H
#define DEPLOY_CONVERT_KERAS_MASK_H

#include <stdbool.h>

#include "deploy/convert/keras_reference.h"

struct keras_mask {
    struct keras_reference of; /* the tensor that is compared */
    double value;              /* with what */
    bool of_features;          /* and Any of its features: a Masking's */
    /* NotEqual, and Any or NULL; the config's. */
    const struct cJSON *not_equal, *any;
};

/* tensor: the argument, whose operations are among layers. False for any other mask: one that the
 * user made, an input, the result of other operations. */
bool keras_mask_read(const struct cJSON *tensor, const struct cJSON *layers,
                     struct keras_mask *mask);

/* Is it the mask that layer makes of mask->of? */
bool keras_mask_is_made_by(const struct keras_mask *mask, const struct cJSON *layer);

#endif
