/* A model's first run: two steps of zeros. It shows what a config that looks good can hide (answers
 * that are no numbers), and takes the slowness of first times before a request does. */
#ifndef SERVER_MODEL_TRIAL_H
#define SERVER_MODEL_TRIAL_H

#include <stdbool.h>

#include "proto/fault.h"
#include "server/served_model.h"

/* false: 500 its answer is not finite, 503 no memory. */
bool model_trial_run(const struct served_model *served, struct fault *fault);

#endif
