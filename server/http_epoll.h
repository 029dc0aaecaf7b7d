/* How libmicrohttpd waits, put right. It takes at most 128 events at once and, where there were as
 * many, asks for the rest as patiently as it asked for the first (MHD_epoll, up to 1.0.1 at least):
 * where those had been all, it waits for one more with 128 requests in its hands, and their clients
 * wait for it. So the program has an epoll_wait of its own, as of recv (see http_wire.h): after as
 * many events as there was room for it waits for no others.
 *
 * And it has events of its own: what has to be read although nothing comes from the socket.
 *
 * Threads: any; it is each one's own last call that counts. */
#ifndef SERVER_HTTP_EPOLL_H
#define SERVER_HTTP_EPOLL_H

#include <stdbool.h>

/* Zero while it is none. */
struct http_epoll_event {
    void *connection; /* the library's */
    struct http_epoll_event *next, **link;
};

/* At its next waiting the calling thread, which is one of the library's, finds something to read
 * from that connection of its. event has to stay until then, or be forgotten. */
void http_epoll_wake(struct http_epoll_event *event, void *connection);
/* By the same thread, before the connection is gone. */
void http_epoll_forget(struct http_epoll_event *event);

/* Has the calling thread, which is one of the library's, waited here? */
bool http_epoll_is_used(void);

#endif
