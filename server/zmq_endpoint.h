/* Where ZeroMQ listens, as operators write it: tcp://127.0.0.1:5555, tcp://[::1]:0,
 * tcp://0.0.0.0:5555, ipc:///run/lstmd.sock, ipc://@lstmd. Addresses are numbers: a name server is
 * not asked. */
#ifndef SERVER_ZMQ_ENDPOINT_H
#define SERVER_ZMQ_ENDPOINT_H

#include <stdbool.h>
#include <sys/types.h>

#include "proto/fault.h"

#define ZMQ_ENDPOINT_MAX 128 /* with the NUL */

struct zmq_endpoint {
    char text[ZMQ_ENDPOINT_MAX]; /* as the library wants it; once bound, the real port in it */
    bool is_public;              /* others than this machine's processes can reach it */
    bool ipv6;
    dev_t device; /* once bound: of the socket's file, where there is one */
    ino_t inode;
};

/* false: 400. */
bool zmq_endpoint_parse(struct zmq_endpoint *endpoint, const char *text, struct fault *fault);

/* Of an ipc endpoint's file; NULL: there is none. */
const char *zmq_endpoint_path(const struct zmq_endpoint *endpoint);

/* Before binding: removes a socket's file that nobody listens on any more, as after a kill. false,
 * 503: the path is somebody's, or something else's, which the library would have removed. */
bool zmq_endpoint_clear(const struct zmq_endpoint *endpoint, struct fault *fault);

/* After binding: notes whose file it is. */
void zmq_endpoint_bound(struct zmq_endpoint *endpoint);

/* Removes the file, if it still is the one that was bound: the library leaves it. */
void zmq_endpoint_remove(const struct zmq_endpoint *endpoint);

#endif
