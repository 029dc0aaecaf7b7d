/* The converted model loaded once as the daemon would load it, before anything is written: what the
 * daemon refuses is refused here. */
#ifndef DEPLOY_CONVERT_REHEARSAL_H
#define DEPLOY_CONVERT_REHEARSAL_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "deploy/convert/network.h"
#include "proto/fault.h"

/* config and weights are the two files' bytes; the network, which they were written from, gives the
 * layers' names in the texts of faults. *summary becomes text, the caller's to free: a line a layer
 * with the shapes and parameter counts that the framework itself would print, and the network's
 * notes. */
bool rehearse(const struct network *network, const struct blob *config, const struct blob *weights,
              struct blob *summary, struct fault *fault);

#endif
