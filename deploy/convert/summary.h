/* What was converted, for people: a line a layer, with the shapes and the parameter counts that the
 * framework itself would print, and the network's note. */
#ifndef DEPLOY_CONVERT_SUMMARY_H
#define DEPLOY_CONVERT_SUMMARY_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "deploy/convert/network.h"
#include "deploy/convert/rehearsal.h"
#include "proto/fault.h"

/* The rehearsal is that of the network. The text is the caller's to free. */
bool summary_write(const struct network *network, const struct rehearsal *rehearsal,
                   struct blob *summary, struct fault *fault);

#endif
