/* A model that takes long for the few bytes it takes to ask it: one input, 512 hidden units, all
 * weights zero. For tests of what happens while a request is being computed. */
#ifndef TESTS_SUPPORT_SLOW_MODEL_H
#define TESTS_SUPPORT_SLOW_MODEL_H

#include <stddef.h>

#include "tests/support/fixture.h"

/* Adds it as "slow". */
void slow_model_add(struct fixture *fixture);

/* How many steps take about that long on this machine, in this build. Asks the daemon. */
size_t slow_model_steps(struct fixture *fixture, double seconds);

/* A request of that many steps that asks for h_n [1,1,512] only, the caller's to free. */
char *slow_model_body(size_t steps);

#define SLOW_MODEL_PATH "/v2/models/slow/infer"

#endif
