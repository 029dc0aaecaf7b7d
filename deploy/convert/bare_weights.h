/* From named weights to a network. A file of bare weights does not say what is done with them:
 * which layer follows which, what lies between them, whether batches come first. One LSTM alone
 * leaves nothing open; everything else is converted when the command line says how, and refused
 * otherwise, with all that would be left out named. */
#ifndef DEPLOY_CONVERT_BARE_WEIGHTS_H
#define DEPLOY_CONVERT_BARE_WEIGHTS_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "deploy/convert/network.h"
#include "deploy/convert/state_dict.h"
#include "proto/fault.h"

/* Names are PyTorch's. A "module." or "_orig_mod." before all of them (DataParallel, torch.compile)
 * is taken off; the dict is sorted, and stays so.
 *
 * Options: --layers says the whole chain (chain.h); without it the network is the one LSTM there
 * is, or the one that --prefix names, and other weights are left aside only with --lstm-only. What
 * is left aside is the network's note. */
bool bare_weights_to_network(struct state_dict *dict, const struct read_options *options,
                             struct network *network, struct fault *fault);

/* Gives the network's layers, which are there already, the tensors of their types that stand under
 * their prefixes; what is left aside is the network's note. root is the prefix of a layer that has
 * none of its own: a layer norm of which needs no tensors. The dict is sorted. */
bool bare_weights_to_layers(struct state_dict *dict, const char *root, struct network *network,
                            struct fault *fault);

#endif
