/* What the operator wants of ZeroMQ, made of the options: where it is served, for whom, within
 * which bounds. */
#ifndef SERVER_ZMQ_CONFIG_H
#define SERVER_ZMQ_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "server/curve_clients.h"
#include "server/options.h"
#include "server/zeromq.h"
#include "server/zmq_endpoint.h"

#define ZMQ_ENDPOINTS_MAX 16

struct zmq_config {
    struct zmq_endpoint endpoints[ZMQ_ENDPOINTS_MAX];
    size_t endpoint_count;      /* 0: requests are not served */
    bool has_events;            /* lifecycle events are published: */
    struct zmq_endpoint events; /* there */
    size_t max_request;         /* bytes of all frames together */
    size_t peer_limit;          /* requests of a peer at once */
    uint64_t request_timeout;   /* ns */
    bool curve;                 /* for all endpoints, with these: */
    char secret_key[ZEROMQ_KEY_TEXT];
    struct curve_clients clients;
};

/* Reads the key files that the options name. On failure nothing is held; 400 what is wrong, among
 * it an endpoint that others than this machine can reach, without CURVE. */
bool zmq_config_read(struct zmq_config *config, const struct options *options, struct fault *fault);
/* Before the front is started, and before the process may connect to nothing any more: removes
 * what dead processes left at its ipc endpoints. Fails as zmq_endpoint_clear. */
bool zmq_config_clear(const struct zmq_config *config, struct fault *fault);
void zmq_config_fini(struct zmq_config *config);

#endif
