/* Answers in parts over ZeroMQ: a message for each. */
#ifndef SERVER_ZMQ_PARTS_H
#define SERVER_ZMQ_PARTS_H

#include "server/zmq_exchange.h"

/* Its job has something to tell: sends what there is, but not so much that others wait. Destroys
 * the exchange with the last part. That is an error, whatever was to come, where there is no memory
 * for a part, and where the traffic is given up and more would have to be waited for; there is none
 * when the peer is gone or reads nothing. */
void zmq_parts_send(struct zmq_exchange *exchange);

#endif
