/* Who is let in where ZeroMQ is encrypted: a list of CURVE public keys, and the answers to the
 * library's questions about whom it has on the line (ZAP, rfc.zeromq.org/spec/27). */
#ifndef SERVER_CURVE_CLIENTS_H
#define SERVER_CURVE_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "server/zeromq.h"

struct curve_clients {
    unsigned char (*keys)[ZEROMQ_KEY_SIZE]; /* [count] */
    size_t count;
};

/* The file has a key a line, as Z85; what follows a key is a comment, and so is what follows '#'.
 * On failure (400, 503) nothing is held. */
bool curve_clients_read(struct curve_clients *clients, const char *path, struct fault *fault);
void curve_clients_fini(struct curve_clients *clients);

/* Answers what the authenticator has received. */
void curve_clients_answer(const struct curve_clients *clients, struct zeromq_socket *authenticator);

#endif
