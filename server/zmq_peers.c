#include "server/zmq_peers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 64 };

bool zmq_peers_init(struct zmq_peers *peers, uint64_t seed)
{
    *peers = (struct zmq_peers){.slot_count = SLOTS_FIRST, .seed = seed};
    peers->slots = (struct zmq_peer **)calloc(SLOTS_FIRST, sizeof *peers->slots);
    return peers->slots != NULL;
}

void zmq_peers_fini(struct zmq_peers *peers)
{
    for (size_t i = 0; i < peers->slot_count; i++) {
        while (peers->slots[i] != NULL) {
            struct zmq_peer *peer = peers->slots[i];
            assert(atomic_load(&peer->unread) == 0 && peer->first == NULL);
            peers->slots[i] = peer->next;
            free(peer);
        }
    }
    free((void *)peers->slots);
}

/* FNV-1a behind a secret: ids may be chosen by the peers. */
static uint64_t hash(const struct zmq_peers *peers, const unsigned char *id, size_t size)
{
    uint64_t value = peers->seed;
    for (size_t i = 0; i < size; i++)
        value = (value ^ id[i]) * UINT64_C(0x100000001b3);
    value ^= value >> 32;
    return (value * (peers->seed | 1)) >> 32;
}

static struct zmq_peer **slot_of(const struct zmq_peers *peers, const unsigned char *id,
                                 size_t size)
{
    return &peers->slots[hash(peers, id, size) & (peers->slot_count - 1)];
}

/* Where there is no memory for it, chains get longer. */
static void grow(struct zmq_peers *peers)
{
    struct zmq_peers larger = *peers;
    larger.slot_count *= 2;
    larger.slots = (struct zmq_peer **)calloc(larger.slot_count, sizeof *larger.slots);
    if (larger.slots == NULL)
        return;
    for (size_t i = 0; i < peers->slot_count; i++) {
        while (peers->slots[i] != NULL) {
            struct zmq_peer *peer = peers->slots[i];
            struct zmq_peer **slot = slot_of(&larger, peer->id, peer->id_size);
            peers->slots[i] = peer->next;
            peer->next = *slot;
            *slot = peer;
        }
    }
    free((void *)peers->slots);
    *peers = larger;
}

static struct zmq_peer *add(struct zmq_peers *peers, const void *id, size_t size)
{
    struct zmq_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    if (peers->count >= peers->slot_count)
        grow(peers);
    struct zmq_peer **slot = slot_of(peers, id, size);
    atomic_init(&peer->unread, 0);
    peer->id_size = size;
    memcpy(peer->id, id, size);
    peer->next = *slot;
    *slot = peer;
    peers->count++;
    return peer;
}

struct zmq_peer *zmq_peers_get(struct zmq_peers *peers, const void *id, size_t size)
{
    const size_t kept = size < ZMQ_ROUTING_ID_MAX ? size : ZMQ_ROUTING_ID_MAX;
    for (struct zmq_peer *peer = *slot_of(peers, id, kept); peer != NULL; peer = peer->next)
        if (peer->id_size == kept && memcmp(peer->id, id, kept) == 0)
            return peer;
    return add(peers, id, kept);
}

static bool is_idle(struct zmq_peer *peer)
{
    return peer->accepted == 0 && atomic_load(&peer->unread) == 0;
}

void zmq_peers_sweep(struct zmq_peers *peers)
{
    for (size_t i = 0; i < peers->slot_count; i++) {
        for (struct zmq_peer **place = &peers->slots[i]; *place != NULL;) {
            struct zmq_peer *peer = *place;
            if (!is_idle(peer)) {
                place = &peer->next;
                continue;
            }
            *place = peer->next;
            peers->count--;
            free(peer);
        }
    }
}
