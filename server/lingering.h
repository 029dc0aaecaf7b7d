/* Lingering close: of a connection whose client may still be sending when its last answer has been
 * written. Closed at once, the system would answer the next bytes with a reset, and most clients
 * then throw away unread what they were told. So the answer's end is said, and what still comes is
 * read and thrown away until the client closes its side too, for five seconds at most.
 *
 * Threads: lingering_take may be called from any. */
#ifndef SERVER_LINGERING_H
#define SERVER_LINGERING_H

#include <stdbool.h>

#include "proto/fault.h"

/* Connections at once; of more the clients may see a reset. */
enum { LINGERING_MAX = 64 };

struct lingering;

/* 503; on failure nothing is left behind. */
bool lingering_start(struct lingering **lingering, struct fault *fault);
/* Closes what is left. Nothing may be taken any more. */
void lingering_stop(struct lingering *lingering);

/* fd, a connected socket, stays the caller's, to be closed: what is kept is a duplicate. */
void lingering_take(struct lingering *lingering, int fd);

#endif
