/* ZeroMQ: messages to replies. One thread owns the router that all endpoints are bound to: it takes
 * requests (proto/zmq_message.h), answers on the spot what needs no computing, makes jobs of the
 * rest, and sends the replies that the workers hand back to it.
 *
 * Everything is answered that a reply can be sent to. A peer may have so many requests on their way
 * at once; of these a few are given to the scheduler, so that a peer that sends hundreds leaves the
 * queue to others, and the rest waits its turn in the peer's own order. Replies of a peer that does
 * not read them are dropped beyond a bound, and so are those of one that has left: both are
 * counted.
 */
#ifndef SERVER_ZMQ_FRONT_H
#define SERVER_ZMQ_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/fault.h"
#include "server/service.h"
#include "server/zmq_config.h"

struct zmq_front;

/* Listens and serves at once. config, which is copied, stays the owner of its list of clients; that
 * and service must stay until zmq_front_stop. On failure nothing is left: 503. */
bool zmq_front_start(struct zmq_front **front, const struct zmq_config *config,
                     struct service *service, struct fault *fault);

/* Where it listens, the real ports in it. */
const struct zmq_config *zmq_front_config(const struct zmq_front *front);

/* From now on new requests are answered 503; those that were accepted go on. */
void zmq_front_drain(struct zmq_front *front);

/* The same, waits until all that was accepted is answered, answers the rest 503 at the deadline (a
 * moment of clock_now's), gives what is unsent a moment to leave, and frees the front. */
void zmq_front_stop(struct zmq_front *front, uint64_t deadline);

#endif
