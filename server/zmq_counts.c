#include "server/zmq_counts.h"

void zmq_counts_init(struct zmq_counts *counts)
{
    status_counts_init(&counts->responses);
    atomic_init(&counts->requests, 0);
    atomic_init(&counts->dropped_gone, 0);
    atomic_init(&counts->dropped_full, 0);
    atomic_init(&counts->dropped_no_memory, 0);
    atomic_init(&counts->peers, 0);
    atomic_init(&counts->bad_handshake, 0);
    atomic_init(&counts->bad_accept, 0);
}
