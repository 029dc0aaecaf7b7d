/* A served model's pair of files, a config (proto/MODEL_CONFIG.md) and its weights, as a network:
 * so that what was converted once can be converted again, to the same bytes. */
#ifndef DEPLOY_CONVERT_PAIR_H
#define DEPLOY_CONVERT_PAIR_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "deploy/convert/network.h"
#include "deploy/convert/state_dict.h"
#include "proto/fault.h"

struct cJSON;

/* The config's tree, the caller's to cJSON_Delete; NULL when the bytes are none, or with weights
 * not NULL, when it names other weights than those. */
struct cJSON *pair_config(const struct blob *json, const char *weights);

/* Fills network with the config's layers and their tensors out of dict, which is sorted. Options
 * are taken over as they stand: whether they mean something is found out when the model is built.
 */
bool pair_to_network(const struct cJSON *config, struct state_dict *dict, struct network *network,
                     struct fault *fault);

#endif
