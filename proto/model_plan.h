/* A config held against a weights file: every layer with all its sizes, before a number is read.
 * What disagrees is refused here, naming the key, what was found and what was wanted
 * ("lstm.hidden_size: 128 expected from weight_hh_l0 [512,128], got 64"). */
#ifndef PROTO_MODEL_PLAN_H
#define PROTO_MODEL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "proto/fault.h"
#include "proto/lstm_layout.h"
#include "proto/model_config.h"
#include "proto/safetensors.h"

/* Tensors of a layer that is not an LSTM. */
enum plan_tensor { PLAN_WEIGHT, PLAN_BIAS, PLAN_MEAN, PLAN_VAR, PLAN_TENSORS };

struct layer_plan {
    const struct layer_config *config;
    bool computes;          /* false: a layer that does nothing when serving */
    struct layer_spec spec; /* without weights */
    struct lstm_layout lstm;
    const struct safetensors_tensor *tensors[PLAN_TENSORS]; /* NULL: there is none */

    /* What comes out of the layer. */
    size_t features;
    size_t steps; /* of every row, where the config fixes it; 0: any */
    bool vector;  /* [B,F] rather than [B,T,F] */

    uint64_t parameters; /* numbers in the layer's tensors */
};

struct model_plan {
    size_t layer_count; /* the config's */
    struct layer_plan *layers;
};

/* config and weights must outlive the plan. On failure nothing is held. Status 400, or 503 without
 * memory. */
bool model_plan_init(struct model_plan *plan, const struct model_config *config,
                     const struct safetensors *weights, struct fault *fault);
void model_plan_fini(struct model_plan *plan);

#endif
