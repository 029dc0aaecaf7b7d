/* The Open Inference Protocol's doors that need no computing: health, metadata, the list of models.
 */
#ifndef SERVER_API_V2_H
#define SERVER_API_V2_H

#include "server/reply.h"
#include "server/router.h"
#include "server/service.h"

/* route is any but ROUTE_NONE, ROUTE_INFER and those of sequences. Always leaves a reply, an
 * error's where need be. */
void api_v2_answer(const struct service *service, const struct route *route, struct reply *reply);

#endif
