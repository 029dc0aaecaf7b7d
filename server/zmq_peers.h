/* Who talks over ZeroMQ, by the routing ids that the router gives them: what each of them has asked
 * and is still to be told.
 *
 * Threads: one, but for unread, which may fall at any moment in any thread. */
#ifndef SERVER_ZMQ_PEERS_H
#define SERVER_ZMQ_PEERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The protocol's bound, which the library does not hold its peers to: who has a longer id is
 * counted together with all whose ids begin so. */
#define ZMQ_ROUTING_ID_MAX 255

struct zmq_exchange;

struct zmq_peer {
    size_t accepted;                   /* its requests that are not answered yet */
    size_t running;                    /* of these: with a job of their own; the others wait */
    struct zmq_exchange *first, *last; /* that wait, in order */
    atomic_size_t unread;              /* bytes held by answers that the library has for it */
    struct zmq_peer *next;             /* private from here on */
    size_t id_size;
    unsigned char id[ZMQ_ROUTING_ID_MAX];
};

struct zmq_peers {
    struct zmq_peer **slots; /* [slot_count], a power of two */
    size_t slot_count, count;
    uint64_t seed;
};

/* seed: one that nobody can guess. false: no memory. */
bool zmq_peers_init(struct zmq_peers *peers, uint64_t seed);
/* unread of all of them has come to 0. */
void zmq_peers_fini(struct zmq_peers *peers);

/* The peer of that id, made where it was not known; NULL: no memory. */
struct zmq_peer *zmq_peers_get(struct zmq_peers *peers, const void *id, size_t size);

/* Forgets those of whom there is nothing to know. */
void zmq_peers_sweep(struct zmq_peers *peers);

#endif
