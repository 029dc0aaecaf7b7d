/* What a message over ZeroMQ asks for (proto/zmq_message.h). */
#ifndef SERVER_ZMQ_REQUEST_H
#define SERVER_ZMQ_REQUEST_H

#include "server/zmq_exchange.h"

/* Answers on the spot what needs no computing, or is wrong; makes jobs of the rest. Moves what it
 * keeps of the message, which is still the caller's to close. */
void zmq_request_take(struct zmq_traffic *traffic, struct zeromq_message *message);

#endif
