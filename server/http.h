/* HTTP/1.1: sockets to replies. Its files alone know libmicrohttpd.
 *
 * A request is checked (http_guard), routed (router), and its body collected under limits. Infer
 * requests become jobs for the scheduler, their connection suspended meanwhile, between the parts
 * of an answer too; everything else is answered on the spot. Every error is JSON, every wait has a
 * deadline (connections). */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "server/address.h"
#include "server/service.h"

/* Which of the service's doors stand open here. */
enum http_role {
    HTTP_ALL,
    HTTP_SERVING, /* those for whoever runs the server are elsewhere: metrics, loading, settings */
    HTTP_ADMIN,   /* those, and all others but computing: they answer whatever the load */
};

struct http_config {
    struct address address;
    enum http_role role;
    bool tls; /* server/tls.h is open */
    size_t threads;
    size_t connection_limit;
    size_t max_body;
    size_t compress_from; /* bytes of an answer, for clients that take it packed */
    bool ignore_half_close;
    uint64_t header_timeout, body_timeout, reply_timeout, idle_timeout, request_timeout; /* ns */
    uint64_t slow_request; /* ns from which a request is logged; 0: none is */
    uint64_t min_rate;     /* bytes a second that bodies and replies must move at */
};

struct http;

/* Once, before the first http_start. */
bool http_init(struct service *service, struct fault *fault);

/* Listens and serves at once. service must stay until http_stop. On failure nothing is left. */
bool http_start(struct http **http, const struct http_config *config, struct service *service,
                struct fault *fault);

/* Where it listens, the real port in it. */
const struct address *http_address(const struct http *http);

/* Accepts no more connections, lets what was accepted finish until the deadline (a moment of
 * clock_now's), answers the rest 503, closes everything and frees http. Every reply from now on
 * closes its connection. */
void http_stop(struct http *http, uint64_t deadline);

#endif
