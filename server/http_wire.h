/* What libmicrohttpd receives, seen before it does (http_stream). The library reads by recv or
 * gnutls_record_recv, of which the program has its own, as of MHD_queue_response (see
 * http_refusals.h): what is not HTTP to the letter never reaches it. The requests before it are
 * answered; then the fault is told, and the library finds the connection's end. Of a long body it
 * may be given the number of bytes alone (http_wire_read_past). The handshakes of TLS happen here
 * too, by gnutls_handshake.
 *
 * Threads: each connection is its library's thread's alone. */
#ifndef SERVER_HTTP_WIRE_H
#define SERVER_HTTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

struct MHD_Connection;

/* Once, before there are connections. */
bool http_wire_init(struct fault *fault);

/* A new connection; tls: its bytes are seen decrypted. false: no memory. */
bool http_wire_open(int fd, bool tls);
/* Before the descriptor is closed. true: the connection had a fault. */
bool http_wire_close(int fd);

/* Has anything of a request been seen of it? Else the library reads past this file. */
bool http_wire_has_read(int fd);
/* Is the end of the request that is to be answered in doubt? */
bool http_wire_is_lost(int fd);
/* Does the request that is to be answered ask by HEAD? (With at most 64 behind it.) */
bool http_wire_is_head(int fd);
/* With what status was something refused for the library and not logged yet? 0: nothing was. The
 * new status takes its place. */
int http_wire_swap_refusal(int fd, int status);
/* Reads up to `room` bytes of the body that the connection is in, past the library. Returns how
 * many; 0: there are none now, or it has to be left to the library. As many bytes the library is
 * given next, of no meaning: it counts them. */
size_t http_wire_read_past(int fd, char *data, size_t room);
/* Of so many bytes that the library hands on, how many were read past it? They are the first. */
size_t http_wire_take_past(int fd, size_t size);
/* A request of that connection is over. */
void http_wire_answered(struct MHD_Connection *connection);

#endif
