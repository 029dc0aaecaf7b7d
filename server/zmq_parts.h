/* Answers in parts over ZeroMQ: a message for each. */
#ifndef SERVER_ZMQ_PARTS_H
#define SERVER_ZMQ_PARTS_H

#include "server/zmq_exchange.h"

/* Its job has something to tell: sends what there is, but not so much that others wait. Destroys
 * the exchange with the last part, or when its peer is gone or reads nothing, or, with an error as
 * the last part, when the traffic is given up and more would have to be waited for. */
void zmq_parts_send(struct zmq_exchange *exchange);

#endif
