/* What is counted of ZeroMQ.
 *
 * Threads: written by the front's thread, read by any. */
#ifndef SERVER_ZMQ_COUNTS_H
#define SERVER_ZMQ_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/status_counts.h"

struct zmq_counts {
    struct status_counts responses;         /* made, those that were dropped too */
    atomic_uint_fast64_t requests;          /* messages that came, whatever was in them */
    atomic_uint_fast64_t dropped_gone;      /* responses whose peer had left */
    atomic_uint_fast64_t dropped_full;      /* responses whose peer did not read */
    atomic_uint_fast64_t dropped_no_memory; /* responses that could not be made or handed over */
    atomic_uint_fast64_t peers;             /* connections, now */
    atomic_uint_fast64_t bad_handshake;     /* connections that were not a peer's, or not let in */
    atomic_uint_fast64_t bad_accept;        /* connections that could not be accepted */
};

void zmq_counts_init(struct zmq_counts *counts);

#endif
