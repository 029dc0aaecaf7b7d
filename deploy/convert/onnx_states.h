/* The state tensors of a converted ONNX graph: which graph's inputs and outputs are the states of
 * which LSTM, as the config says it. */
#ifndef DEPLOY_CONVERT_ONNX_STATES_H
#define DEPLOY_CONVERT_ONNX_STATES_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/onnx_outputs.h"
#include "deploy/convert/onnx_walk.h"
#include "proto/fault.h"

struct cJSON;

/* The LSTMs of the chain, from input to output. */
struct onnx_lstms {
    size_t count;
    const struct onnx_layer **layers;
};

/* The LSTM that returns its states as [B,H]; count where none does. Refused (400): more than one.
 */
bool onnx_states_returning(const struct onnx_walk *walk, const struct onnx_outputs *outputs,
                           const struct onnx_lstms *lstms, size_t *returning, struct fault *fault);

/* Adds h_0, c_0, h_n, c_n and state_layout to the config's "tensors". Refused (400): a tensor that
 * is neither the states of all LSTMs nor of one. */
bool onnx_states_write(const struct onnx_walk *walk, const struct onnx_outputs *outputs,
                       const struct onnx_lstms *lstms, struct cJSON *tensors, struct fault *fault);

#endif
