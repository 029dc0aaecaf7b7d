/* Past libmicrohttpd's interface: to what a connection of it stands on, and to the function of a
 * library behind one of ours. */
#ifndef SERVER_HTTP_LIBRARY_H
#define SERVER_HTTP_LIBRARY_H

#include <stdbool.h>

#include "proto/fault.h"

struct MHD_Connection;

/* A connection's socket, and its gnutls_session_t, NULL without TLS. */
int http_library_descriptor(struct MHD_Connection *connection);
void *http_library_session(struct MHD_Connection *connection);

/* The library's own function of a name that the program has one of too. It is put into the pointer
 * to a function that *function is. */
bool http_library_find(const char *name, void *function, struct fault *fault);

#endif
