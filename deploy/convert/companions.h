/* Files beside the input, for a process that can open none: it asks by name over a socket, and the
 * one that can opens the file and passes it back. Whatever the asking process has become, all it
 * gets are regular files of the input's own folder, to read. */
#ifndef DEPLOY_CONVERT_COMPANIONS_H
#define DEPLOY_CONVERT_COMPANIONS_H

#include <stdbool.h>

#include "proto/fault.h"

/* Opens name in the folder, to read: a plain name, no link, a regular file. -1 with a fault. */
int companions_open(int folder, const char *name, struct fault *fault);

/* Answers requests on the socket (a SOCK_SEQPACKET pair's one end) until the other end closes. */
void companions_serve(int socket, int folder);

/* The other end: a file descriptor, the caller's to close, or -1 with a fault. */
int companions_ask(int socket, const char *name, struct fault *fault);

#endif
