/* Sends a reply over a router: its JSON and each of its tensors in a frame, which are the reply's
 * own memory until the peer has it. */
#ifndef SERVER_ZMQ_REPLY_H
#define SERVER_ZMQ_REPLY_H

#include <stddef.h>

#include "server/reply.h"
#include "server/zeromq.h"
#include "server/zmq_peers.h"

/* The frames that go before it: the peer's routing id, and its envelope. */
#define ZMQ_ROUTE_MAX 10

/* Empties the reply and moves the frames of the route. unread_limit: where the peer leaves more
 * bytes unread than that, the reply is dropped (ZEROMQ_FULL); so it is where router is NULL, since
 * there was no memory to make the reply whole (ZEROMQ_NO_MEMORY). */
enum zeromq_sent zmq_reply_send(struct zeromq_socket *router, struct zmq_peer *peer,
                                struct zeromq_frame *route, size_t route_count, size_t unread_limit,
                                struct reply *reply);

#endif
