/* A TCP connection for what no HTTP library would send. */
#ifndef TESTS_SUPPORT_RAW_SOCKET_H
#define TESTS_SUPPORT_RAW_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

/* Connects to 127.0.0.1:port; -1 when refused. close() it. */
int raw_connect(unsigned port);

/* The same from 127.0.0.`host`, as another host would. */
int raw_connect_from(unsigned host, unsigned port);

/* false when the other side has gone. */
bool raw_send(int fd, const void *bytes, size_t size);

/* A whole POST of a JSON body to the path; after its answer, which stays to
 * be received, the daemon closes. */
bool raw_post(int fd, const char *path, const char *body);

/* Everything that comes until the other side closes or nothing has come for that many milliseconds,
 * NUL-terminated, the caller's to free. *closed tells which. */
char *raw_receive(int fd, int milliseconds, bool *closed);

#endif
