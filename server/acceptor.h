/* Takes connections in and hands each to the thread that has the fewest. Threads that all wait at
 * the same socket share a crowd badly: whichever wakes first takes all that have come, and keeps
 * them; with two threads every third time one of them had every connection, and the other slept.
 *
 * At the limit, and while no file descriptor is left, connections wait where the system keeps them.
 *
 * Threads: started and closed may be called from any. */
#ifndef SERVER_ACCEPTOR_H
#define SERVER_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "proto/fault.h"

struct acceptor_config {
    int listener;   /* non-blocking, listening */
    size_t threads; /* that serve connections */
    size_t limit;   /* connections of all of them at once */
    void *context;
    /* The connection is that thread's now, which tells acceptor_started. false: it has been closed.
     */
    bool (*give)(void *context, size_t thread, int fd, const struct sockaddr *peer, socklen_t size);
};

struct acceptor;

/* 503; on failure nothing is left behind. */
bool acceptor_start(struct acceptor **acceptor, const struct acceptor_config *config,
                    struct fault *fault);

/* Once for each connection that was given, when the thread takes it up and when it is closed. Of
 * one that failed in between nothing need be told: a second after the last that was given it is not
 * counted any more. */
void acceptor_started(struct acceptor *acceptor, size_t thread);
void acceptor_closed(struct acceptor *acceptor, size_t thread);

/* Whoever wants to connect from now on is refused by the system. What was given has been taken up
 * afterwards, or failed. */
void acceptor_close(struct acceptor *acceptor);
/* After acceptor_close; nothing may be told any more. */
void acceptor_free(struct acceptor *acceptor);

#endif
