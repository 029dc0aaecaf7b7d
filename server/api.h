/* The doors that need no computing: from a route to its answer, for every protocol spoken over
 * HTTP. Each api_NAME file holds those of one theme; api.c knows which is whose. */
#ifndef SERVER_API_H
#define SERVER_API_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "proto/json_writer.h"
#include "server/reply.h"
#include "server/router.h"
#include "server/service.h"

/* One request. Handlers write a whole JSON value; what they wrote before they failed is dropped. */
struct api_call {
    struct service *service;
    const struct route *route;
    struct served_model *served; /* the route's, a reference; NULL where it names none */
    const char *body;            /* followed by a NUL; "" when there is none */
    size_t body_size;
    struct json_writer *writer;
    int status;    /* of the answer, when it is not a fault: 200, unless a handler sets it */
    size_t charge; /* taken out of the budget for what was written; the reply gives it back */
};

/* The model that the route names, by version or label where it says one; served_model_release is
 * due. NULL as model_store_acquire. */
struct served_model *api_find_model(const struct service *service, const struct route *route,
                                    struct fault *fault);

/* route is any but ROUTE_NONE, those of requests to compute and those of api_repository_command;
 * body may be NULL when its size is 0. Always leaves a reply, an error's where need be. */
void api_answer(struct service *service, const struct route *route, const char *body,
                size_t body_size, struct reply *reply);

/* "key": "value" */
void api_write_member(struct json_writer *writer, const char *key, const char *value);

#endif
