/* Requests over ZeroMQ while they are computed: what is small by the router's own thread, what is
 * not by the workers. */
#ifndef SERVER_ZMQ_JOBS_H
#define SERVER_ZMQ_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/zmq_exchange.h"

/* Takes over an exchange that has its model and payload: it is begun, or waits behind others of its
 * peer. */
void zmq_jobs_add(struct zmq_exchange *exchange);

/* So much was kept for this thread that nothing more is to be taken in before it is computed. */
bool zmq_jobs_light_is_due(const struct zmq_traffic *traffic);
/* Computes what was kept for this thread, and answers it. Others of the same peers may then have
 * been kept. */
void zmq_jobs_run_light(struct zmq_traffic *traffic);
/* Answers what the workers have done. false: there was nothing. */
bool zmq_jobs_take_finished(struct zmq_traffic *traffic);

/* Those whose deadline has passed at `now` are answered 504. The scheduler drops what is late by
 * itself, but not in the middle of what cannot be cut. Others of the same peers may then have been
 * kept for this thread. false: there were none. */
bool zmq_jobs_give_up_late(struct zmq_traffic *traffic, uint64_t now);
/* All are answered 503, at once or when zmq_jobs_take_finished comes to them: of what the workers
 * have done the answer is sent, of a stream the parts that are there. What was kept for this thread
 * is computed. */
void zmq_jobs_give_up_all(struct zmq_traffic *traffic);

#endif
