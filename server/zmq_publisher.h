/* Publishes what happens (server/events.h) on a ZeroMQ socket. An event is two frames: its name and
 * model, "sequence/evicted/vad", for prefixes to be subscribed to; and JSON. */
#ifndef SERVER_ZMQ_PUBLISHER_H
#define SERVER_ZMQ_PUBLISHER_H

#include "server/zeromq.h"

/* Sends everything there is to tell, and takes in who has subscribed since. */
void zmq_publish(struct zeromq_socket *publisher);

#endif
