/* How lstm-load's requests travel: one struct of functions for each protocol. A connection carries
 * one request at a time; some may share one of the network's. Threads: all in the one that runs the
 * load. */
#ifndef TESTS_BENCH_LOAD_TRANSPORT_H
#define TESTS_BENCH_LOAD_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tests/bench/load_body.h"

/* Whom to ask. */
struct load_target {
    /* path: the model's, or the one that --path names; ZeroMQ's: its name. A host without a port is
     * the path of a socket. */
    char *host, *port, *path;
};

/* A request as it goes over the wire. */
struct load_request {
    struct iovec pieces[3]; /* the first owned by the request, the others by its body */
    size_t piece_count, size;
};

struct load_answer {
    int status; /* HTTP's numbers */
    bool retry_after;
    uint64_t retry_after_s;
    uint64_t bytes;
    const char *excerpt; /* an error's text, or its beginning; until the connection's next call */
};

enum load_progress {
    LOAD_PENDING,
    LOAD_ANSWERED,
    LOAD_FAILED, /* no answer, and none will come; the excerpt says why */
};

struct load_connection;

struct load_transport {
    /* Ready to be sent any number of times, over any connection. free() pieces[0]'s base when the
     * request is not needed any more; body must outlive it. */
    void (*prepare)(struct load_request *request, const struct load_target *target,
                    const char *opening, const struct load_body *body);

    /* A connection to be; made when the first request is sent, and anew whenever it was lost. It
     * adds itself to the epoll set, edge-triggered, with tag as the event's data. */
    struct load_connection *(*create)(const struct load_target *target, int epoll, void *tag);
    void (*destroy)(struct load_connection *connection);

    /* Begins to send; request must live until the answer. Never LOAD_ANSWERED. */
    enum load_progress (*send)(struct load_connection *connection,
                               const struct load_request *request, struct load_answer *answer);

    /* To be called on every event. *answer is set unless LOAD_PENDING is returned, which is also
     * the case when nothing had been sent. */
    enum load_progress (*progress)(struct load_connection *connection, uint32_t events,
                                   struct load_answer *answer);

    /* Where connections share what they travel on: the tag of one whose answer has come, progress
     * is then to be called for it with no events; NULL: there is none (any more), and what was sent
     * is on its way. To be called until then before every wait. NULL: each has events of its own.
     */
    void *(*next)(void);

    /* How often a request was sent again because a kept connection had been closed meanwhile. */
    uint64_t (*retries)(const struct load_connection *connection);
};

extern const struct load_transport load_http, load_zmq;

#endif
