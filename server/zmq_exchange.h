/* Requests over ZeroMQ, each from its acceptance to its reply.
 *
 * Threads: that of the router, but for zmq_traffic.finished, into which workers put exchanges whose
 * jobs are done, and draining. */
#ifndef SERVER_ZMQ_EXCHANGE_H
#define SERVER_ZMQ_EXCHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "proto/infer_message.h"
#include "server/deadline_heap.h"
#include "server/job.h"
#include "server/mailbox.h"
#include "server/payload.h"
#include "server/reply.h"
#include "server/service.h"
#include "server/tick_batch.h"
#include "server/zeromq.h"
#include "server/zmq_config.h"
#include "server/zmq_peers.h"
#include "server/zmq_reply.h"

/* Jobs of all peers together. */
#define ZMQ_JOBS_AT_ONCE ((size_t)16384)

/* All requests of a router that are not answered, and what is needed to answer them. */
struct zmq_traffic {
    const struct zmq_config *config;
    struct service *service;
    struct zeromq_socket *router; /* set once it is open */
    atomic_bool draining;         /* new requests are refused */
    struct mailbox finished;      /* exchanges whose jobs are done */
    size_t unread_limit;          /* bytes of replies, for each peer */

    struct zmq_peers peers;
    struct zmq_exchange *all;                     /* accepted and not answered */
    struct deadline_heap late;                    /* exchanges whose jobs are the scheduler's */
    size_t jobs;                                  /* created and not taken back */
    struct zmq_exchange *light[JOB_TOGETHER_MAX]; /* whose jobs will be run by this thread */
    size_t light_count;
    uint64_t light_ns; /* a guess, of them */
    bool giving_up;    /* nothing is waited for any more */
    struct tick_batch batch;
};

/* config and service must stay until zmq_traffic_fini. false, 503: nothing is held. */
bool zmq_traffic_init(struct zmq_traffic *traffic, const struct zmq_config *config,
                      struct service *service, struct fault *fault);
/* When nothing is left to answer, and the router is closed. */
void zmq_traffic_fini(struct zmq_traffic *traffic);

struct zmq_exchange {
    struct deadline late; /* first: the heap's node is the exchange */
    struct mail mail;
    struct zmq_traffic *traffic;
    struct zmq_exchange *next, *prev; /* in all */
    struct zmq_exchange *behind;      /* while it waits for others of its peer */
    struct zmq_peer *peer;
    bool in_parts;
    uint64_t arrived;
    struct served_model *served; /* a reference; NULL: not known yet */
    struct job *job;
    struct payload payload; /* until the job has it */
    char id[INFER_ID_MAX];
    size_t route_count;
    struct zeromq_frame route[ZMQ_ROUTE_MAX]; /* the peer's routing id, the envelope */
};

/* For a message, whose frames stay in it. NULL: no memory, so there is no reply. */
struct zmq_exchange *zmq_exchange_create(struct zmq_traffic *traffic,
                                         struct zeromq_message *message);
/* Without a job, its route closed or moved. */
void zmq_exchange_destroy(struct zmq_exchange *exchange);

/* Sends the reply, which is then empty, and destroys the exchange. has_id: the request's id is in
 * it already. */
void zmq_exchange_finish(struct zmq_exchange *exchange, struct reply *reply, bool has_id);
/* The same with an error, which is counted where the model is known: those in a job's own reply
 * are counted by the job. */
void zmq_exchange_refuse(struct zmq_exchange *exchange, const struct fault *fault);

/* Its job is the scheduler's no more, nor the exchange's. */
void zmq_exchange_leave_job(struct zmq_exchange *exchange);

/* Counts a reply, or that there was none. */
void zmq_exchange_count(struct zmq_traffic *traffic, int status, enum zeromq_sent sent);

#endif
