/* The table of open connections with an absolute deadline each, and the one thread that holds them
 * to it. The HTTP library knows only idle timers, which one byte now and then keeps alive for ever.
 *
 * Where a connection stands decides what its deadline means:
 *   IDLE           between requests, or nothing came yet: it is cut
 *   HEADER, BODY   a request is arriving: told 408, or 400 where its end cannot come, and cut
 *   WORK           a request is suspended while its job waits or runs: given up, to be answered 504
 *   REPLY          an answer is being sent: it is cut
 *   LEAVING        it was answered before its request had arrived, and is being closed: it is cut
 * Cutting is shutdown(2) under the table's lock, never close(2): the descriptor belongs to the HTTP
 * library, which closes it after connections_remove.
 *
 * The thread also hears when a peer closes its side, which the library does not notice while a
 * connection is suspended and sometimes misses in the middle of a body. From then on nothing more
 * can come: a connection in WORK is given up, one in REPLY may finish, any other has a moment for
 * what is still to be read.
 *
 * Threads: all functions may be called from any thread. The table's lock is never held while the
 * library is called, but for what give_up does: it is called under the lock, so it must not call
 * back into the table, and where it ends what others of a sequence waited for they are resumed,
 * which the library does without calling anybody. */
#ifndef SERVER_CONNECTIONS_H
#define SERVER_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"

/* What a client hears that has closed its side in the middle of a request. */
#define CONNECTIONS_CUT_SHORT "{\"error\":\"the connection ended before the request did\"}"

enum connection_phase {
    CONNECTION_IDLE,
    CONNECTION_HEADER,
    CONNECTION_BODY,
    CONNECTION_WORK,
    CONNECTION_REPLY,
    CONNECTION_LEAVING,
};

enum give_up_reason {
    GIVE_UP_LATE,     /* its deadline passed */
    GIVE_UP_GONE,     /* the peer closed its side */
    GIVE_UP_STOPPING, /* the server does not wait any longer */
};

struct status_counts;

struct connections_config {
    size_t limit;                    /* most connections at once */
    bool ignore_half_close;          /* WORK goes on for a peer that closed its side */
    bool silent;                     /* what is sent is encrypted elsewhere: nobody is told */
    struct status_counts *responses; /* counts who is */

    /* The suspended request's job is to be given up for that reason. true: it was, and resume will
     * be called for the request, outside the lock. false: its answer is there or stays wanted. */
    bool (*give_up)(void *request, enum give_up_reason reason);
    void (*resume)(void *request);
};

struct connections;
struct connection;

/* On failure nothing is left behind. */
bool connections_start(struct connections **table, const struct connections_config *config,
                       struct fault *fault);
/* All connections must have been removed. */
void connections_stop(struct connections *table);

/* A new connection, IDLE until the deadline (a moment of clock_now's). NULL when the table is full.
 */
struct connection *connections_add(struct connections *table, int fd, uint64_t deadline);
/* true: it was LEAVING, its client may still be sending. */
bool connections_remove(struct connections *table, struct connection *connection);

/* Whether its client has shown who it is, once for all its requests. By the one thread that serves
 * it. */
void connection_set_known(struct connection *connection);
bool connection_is_known(const struct connection *connection);

/* When its last request was over; 0: it had none. By that thread too. */
void connection_set_answered(struct connection *connection, uint64_t now);
uint64_t connection_answered(const struct connection *connection);

/* What its request was told that did not arrive: 408 or 400; 0: nothing. */
int connections_told(struct connections *table, const struct connection *connection);

/* Those there are. */
size_t connections_count(struct connections *table);

/* HEADER: the first line of a request is there. by_head: its method is HEAD, so that what it may be
 * told has no body. */
void connections_begin(struct connections *table, struct connection *connection, bool by_head,
                       uint64_t deadline);

/* Any phase but HEADER and WORK. Leaving WORK ends all use of the request that was given with it.
 */
void connections_set(struct connections *table, struct connection *connection,
                     enum connection_phase phase, uint64_t deadline);

/* WORK: request is handed to give_up when its time comes, which may be at once. */
void connections_work(struct connections *table, struct connection *connection, void *request,
                      uint64_t deadline);

/* Stop for good, in three steps. First: connections that are IDLE get no later deadline than this
 * one, now and from now on. */
void connections_close_idle(struct connections *table, uint64_t deadline);
/* Second: every job is given up, now and from now on. */
void connections_give_up(struct connections *table);
/* Third: everything is cut. */
void connections_cut(struct connections *table);

/* true: the table was empty before the deadline. */
bool connections_wait_empty(struct connections *table, uint64_t deadline);

#endif
