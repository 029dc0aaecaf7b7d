/* Triton's statistics extension. Passes of the core take rows of several requests, so what a batch
 * took to decode and encode is not known: those durations of batch_stats stay 0. */
#ifndef SERVER_API_STATS_H
#define SERVER_API_STATS_H

#include "server/api.h"

bool api_stats_model(struct api_call *call, struct fault *fault);
bool api_stats_all(struct api_call *call, struct fault *fault);

#endif
