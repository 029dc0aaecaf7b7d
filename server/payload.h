/* A request's bytes as a wire brought them: where they stand, what they are charged for and how
 * they are given back. Whoever is done with them does that, and need not know the wire. */
#ifndef SERVER_PAYLOAD_H
#define SERVER_PAYLOAD_H

#include <stddef.h>

#include "proto/codec.h"
#include "server/budget.h"

struct payload {
    struct message_bytes bytes;
    void (*release)(void *owner); /* NULL: there is nothing to release */
    void *owner;
    struct budget *budget; /* charged with */
    size_t held;           /* so many bytes */
};

/* Of all its spans. */
size_t payload_size(const struct payload *payload);

/* Releases the bytes and gives their charge back. The payload is then empty. */
void payload_release(struct payload *payload);

#endif
