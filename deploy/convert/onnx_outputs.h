/* What the outputs of a walked ONNX graph are of its network: what comes out of a layer, or final
 * states of its LSTMs. */
#ifndef DEPLOY_CONVERT_ONNX_OUTPUTS_H
#define DEPLOY_CONVERT_ONNX_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/onnx_walk.h"
#include "proto/fault.h"

#define ONNX_STATE_OUTPUTS_MAX 64

/* A graph's output that is states. */
struct onnx_state_output {
    const char *name;
    const struct onnx_value *value;
    bool is_c;
    bool single;      /* [B,H], one direction of one layer */
    bool batch_first; /* [B,cells,H] rather than [cells,B,H] */
};

struct onnx_outputs {
    const char *name;   /* of what comes out of the last layer; NULL: states alone are asked for */
    const char *layout; /* MODEL_CONFIG.md's output_layout; NULL for a vector, [B,F] */
    uint32_t last;      /* the source that it is */
    struct onnx_shape_text graphs_shape; /* where it differs from lstmd's, by dimensions of 1 or in
                                          * their order: "[B]"; otherwise empty */
    size_t state_count;
    struct onnx_state_output states[ONNX_STATE_OUTPUTS_MAX];
};

/* Refused (400): an output that is unknown, or of another shape than lstmd gives, but for
 * dimensions of 1 and [B,F,T]; two that come of different layers. May add layers to the chain. */
bool onnx_outputs_read(struct onnx_walk *walk, struct onnx_outputs *outputs, struct fault *fault);

#endif
