/* Triton's model repository extension: what models there are, and the orders to load or unload one,
 * which server/model_control.h carries out. */
#ifndef SERVER_API_REPOSITORY_H
#define SERVER_API_REPOSITORY_H

#include "server/api.h"

bool api_repository_index(struct api_call *call, struct fault *fault);

/* ROUTE_MODEL_LOAD and ROUTE_MODEL_UNLOAD, which take too long to be answered on the spot: the
 * command that the request asks for, to be submitted. NULL with a fault: it asks for nothing that
 * is allowed. */
struct model_command *api_repository_command(const struct service *service,
                                             const struct route *route, const char *body,
                                             size_t body_size, struct fault *fault);

/* What was done is answered with no body, as Triton does. */
void api_repository_answer(const struct model_command *command, struct reply *reply);

#endif
