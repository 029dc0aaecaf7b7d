/* GET /metrics: what metrics.h prints, asked from everything that counts. */
#ifndef SERVER_API_METRICS_H
#define SERVER_API_METRICS_H

#include "server/reply.h"
#include "server/service.h"

/* Always leaves a reply. */
void api_metrics(struct service *service, struct reply *reply);

#endif
