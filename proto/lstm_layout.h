/* Where the tensors of a torch.nn.LSTM stand in a weights file, and what their names and shapes say
 * about its arguments. A torch.nn.LSTMCell, whose names lack the "_l0", is an LSTM of one layer.
 * Two things torch.nn.LSTM does not have: bias_hh may be absent where bias_ih is the only bias, and
 * weight_peephole [3H] may be there. */
#ifndef PROTO_LSTM_LAYOUT_H
#define PROTO_LSTM_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "proto/model_config.h"
#include "proto/safetensors.h"

enum lstm_part {
    LSTM_WEIGHT_IH,
    LSTM_WEIGHT_HH,
    LSTM_BIAS_IH,
    LSTM_BIAS_HH,
    LSTM_WEIGHT_HR,
    LSTM_WEIGHT_PEEPHOLE,
    LSTM_PARTS,
};

/* torch.nn.LSTM's arguments, as the weights have it. */
struct lstm_layout {
    size_t input_size, hidden_size, num_layers;
    size_t proj_size; /* 0: none */
    bool bidirectional, bias, peepholes;
    bool cell; /* the names are LSTMCell's */
};

/* Reads the arguments off the tensors under the layer's prefix. Refused (400): a tensor missing, a
 * shape that does not fit the others, anything the config says otherwise. On success every tensor
 * that the arguments call for is there and has its shape; all sizes are at least 1. */
bool lstm_layout_infer(struct lstm_layout *layout, const struct layer_config *config,
                       const struct safetensors *weights, struct fault *fault);

/* One tensor of the LSTM of that layout: layer counts from 0, reverse is the second direction. NULL
 * when there is none, as with LSTM_BIAS_IH where there is no bias. */
const struct safetensors_tensor *lstm_layout_find(const struct lstm_layout *layout,
                                                  const struct layer_config *config,
                                                  const struct safetensors *weights,
                                                  enum lstm_part part, size_t layer, bool reverse);

#endif
