/* Triton's model repository extension, as a server whose models are given at its start has it: they
 * can be listed, and asking to load or unload one is refused. */
#ifndef SERVER_API_REPOSITORY_H
#define SERVER_API_REPOSITORY_H

#include "server/api.h"

bool api_repository_index(struct api_call *call, struct fault *fault);
bool api_repository_control(struct api_call *call, struct fault *fault);

#endif
