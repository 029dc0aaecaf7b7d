/* Socket addresses: where to listen, "127.0.0.1:8080", "[::1]:0", as text and back; and whose they
 * are. Numbers only: a name server is not asked. */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/fault.h"

#define ADDRESS_TEXT_MAX 64 /* with the NUL */

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

bool address_parse(struct address *address, const char *text, struct fault *fault);
/* Only from this machine? */
bool address_is_loopback(const struct address *address);
void address_print(const struct address *address, char text[ADDRESS_TEXT_MAX]);

/* The number of whoever is there (server/work.h): an IPv4 address is one client, of IPv6 a network
 * of 64 bits, which is what one host is commonly given. 0 for anything else. */
uint64_t address_client(const struct sockaddr *at);

#endif
