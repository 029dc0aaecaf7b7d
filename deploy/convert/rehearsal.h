/* The converted model loaded once as the daemon would load it, before anything is written: what the
 * daemon refuses is refused here. */
#ifndef DEPLOY_CONVERT_REHEARSAL_H
#define DEPLOY_CONVERT_REHEARSAL_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "deploy/convert/network.h"
#include "proto/fault.h"
#include "proto/model_config.h"
#include "proto/model_plan.h"
#include "proto/safetensors.h"

struct rehearsal {
    struct model_config config;
    struct safetensors weights;
    struct model_plan plan; /* of every layer: what comes out, its parameters */
};

/* config and weights are the two files' bytes and must outlive the rehearsal; the network, which
 * they were written from, gives the names in the texts of faults. On failure nothing is held. */
bool rehearsal_init(struct rehearsal *rehearsal, const struct network *network,
                    const struct blob *config, const struct blob *weights, struct fault *fault);
void rehearsal_fini(struct rehearsal *rehearsal);

#endif
