/* Answers in parts over ZeroMQ: a message for each. */
#ifndef SERVER_ZMQ_PARTS_H
#define SERVER_ZMQ_PARTS_H

#include "server/zmq_exchange.h"

/* Its job has something to tell: sends what there is. Destroys the exchange with the last part, or
 * when its peer is gone or reads nothing. */
void zmq_parts_send(struct zmq_exchange *exchange);

#endif
