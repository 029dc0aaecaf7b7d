/* libmicrohttpd from below: what it has to say, on its way to the log, what its connections stand
 * on, and its functions. */
#ifndef SERVER_HTTP_LIBRARY_H
#define SERVER_HTTP_LIBRARY_H

#include <stdarg.h>
#include <stdbool.h>

#include "proto/fault.h"

/* A message, unless it is about what some client did. */
__attribute__((format(printf, 2, 0))) void http_library_log(void *argument, const char *format,
                                                            va_list arguments);

/* It cannot go on. Does not return. */
void http_library_panics(void *argument, const char *file, unsigned line, const char *reason);

struct MHD_Connection;

/* A connection's socket, and its gnutls_session_t, NULL without TLS. */
int http_library_descriptor(struct MHD_Connection *connection);
void *http_library_session(struct MHD_Connection *connection);

/* The library's own function of a name that the program has one of too. It is put into the pointer
 * to a function that *function is. */
bool http_library_find(const char *name, void *function, struct fault *fault);

#endif
