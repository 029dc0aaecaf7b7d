/* What libmicrohttpd has to say, on its way to the log.
 *
 * Threads: may be called from any of the library's. */
#ifndef SERVER_HTTP_LIBRARY_LOG_H
#define SERVER_HTTP_LIBRARY_LOG_H

#include <stdarg.h>

/* A message, unless it is about what some client did. */
__attribute__((format(printf, 2, 0))) void http_library_log(void *argument, const char *format,
                                                            va_list arguments);

/* It cannot go on. Does not return. */
void http_library_log_panic(void *argument, const char *file, unsigned line, const char *reason);

#endif
