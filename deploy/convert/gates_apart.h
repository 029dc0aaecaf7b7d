/* LSTMs written out by hand in NumPy, which keep a matrix for each gate, Wf [H,H+I], to multiply h
 * and x stacked into one vector: named and laid out as PyTorch's. */
#ifndef DEPLOY_CONVERT_GATES_APART_H
#define DEPLOY_CONVERT_GATES_APART_H

#include <stdbool.h>

#include "deploy/convert/state_dict.h"
#include "proto/fault.h"

/* Where the sorted dict has Wi, Wf, Wo and Wc or Wg (or W_i...): puts lstm.weight_ih_l0 [4H,I],
 * lstm.weight_hh_l0 [4H,H] and, with biases bi..., lstm.bias_ih_l0 [4H] in the place of the gates,
 * and y.weight, y.bias in that of Wy, by (of any other letter too); the dict is sorted again.
 * Elsewhere it stays as it is. columns, --gate-columns, says what the matrices' columns belong to:
 * "hx", h first, or "xh"; the file cannot tell. *memory is what the new arrays lie in, the caller's
 * to free after the dict, NULL where there are none and on failure. Refused (400): columns that are
 * neither, gates without columns, columns without gates, a gate that is there twice, gates of
 * different or impossible shapes. */
bool gates_apart_join(struct state_dict *dict, const char *columns, float **memory,
                      struct fault *fault);

#endif
