/* A TCP socket that listens. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include <stdbool.h>

#include "proto/fault.h"
#include "server/address.h"

/* Binds to address and puts back where that really is (port 0 becomes the port the kernel chose).
 * *fd is the caller's to close. option, "--http", is told where the address is taken. */
bool listener_open(struct address *address, const char *option, int *fd, struct fault *fault);

#endif
