/* One HTTP request from the inside: what the files that answer it share. http.c speaks to
 * libmicrohttpd, http_head.c has the head checked, http_body.c takes the body, http_infer.c has it
 * computed, http_events.c answers in events, http_command.c has models loaded, http_log.c says what
 * became of it. Nobody else includes this.
 *
 * Functions that answer return false when the library is to drop the connection. */
#ifndef SERVER_HTTP_EXCHANGE_H
#define SERVER_HTTP_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "proto/server_event.h"
#include "server/body.h"
#include "server/compression.h"
#include "server/connections.h"
#include "server/http.h"
#include "server/http_guard.h"
#include "server/job.h"
#include "server/reply.h"
#include "server/request_id.h"
#include "server/router.h"

struct MHD_Connection;
struct MHD_Daemon;
struct acceptor;
struct lingering;
struct model_command;

/* Light requests of one thread that are computed together. */
struct http_light {
    struct exchange *held[JOB_TOGETHER_MAX];
    size_t count;
    uint64_t guess_ns; /* of all of them */
    unsigned pause;  /* so many were not to be held after the last one that was and found nobody */
    unsigned unheld; /* so many of these are left */
    struct tick_batch batch;
};

/* One of the library's, with the connections that it serves. */
struct http_thread {
    struct http *http;
    struct MHD_Daemon *daemon;
    struct http_light light;
};

struct http {
    struct http_config config;
    struct service *service;
    struct connections *connections;
    struct http_thread *threads; /* [config.threads] */
    size_t started;              /* of them */
    struct acceptor *acceptor;   /* gives them connections */
    struct lingering *lingering; /* closes those whose clients are still sending */
    int listener;
    atomic_bool closing; /* from now on every reply closes its connection */

    /* The library aborts the process when it is stopped with a connection suspended, so they are
     * counted, from before suspending to after resuming, and a door stands before the count. */
    pthread_mutex_t lock;
    pthread_cond_t none_suspended;
    size_t suspended;
    bool door_closed;
};

enum exchange_state { HEAD, BODY, WORK, ANSWERED };

/* An answer in parts while it is sent, an event each. */
struct event_stream {
    bool begun;                /* the head has been sent, of 200 whatever the events say */
    struct server_event event; /* being read by the library */
    int status;                /* of the last one so far */
    bool last;                 /* it is the last one */
    bool waits;                /* for the next one, suspended */
    size_t bytes;              /* in all events so far */
    size_t sent;               /* and of them with what frames them, as far as they were read */
    uint64_t since, spent;     /* sending since that moment, ns before that */
};

/* One request, from its first line to its last answered byte. Belongs to the library's thread that
 * serves the connection; while in WORK, connections may give its job up. */
struct exchange {
    struct http *http;
    struct http_thread *thread;
    struct MHD_Connection *connection;
    struct connection *slot;
    enum exchange_state state;
    char *query;        /* the target's, owned; NULL: it has none */
    const char *method; /* the library's, and the target without its query; NULL: not known yet */
    const char *target;
    bool is_head; /* the method */
    bool crowded; /* see http_head_check */
    struct http_head_facts facts;
    char id[REQUEST_ID_MAX + 1];
    uint64_t begun;
    struct request_times times; /* of its job */
    const char *authorization;  /* the header's value, or NULL */
    struct route route;
    const struct codec *codec;   /* of a request to compute; else NULL */
    struct served_model *served; /* for which model it is: a reference */
    uint64_t accepted;           /* when the job was created; 0: not yet */
    bool client_left;
    struct body body;
    struct inflater *inflater; /* of a body that comes packed; else NULL */
    uint64_t body_since;
    size_t received;               /* bytes of body, thrown away ones too */
    bool refused_at_head;          /* answered before its body, if any, was read to its end */
    struct job *job;               /* WORK, unless given up */
    bool held;                     /* WORK, and the job waits in thread->light */
    bool library_timeout;          /* WORK, suspended: see http_suspend */
    struct model_command *command; /* the same */
    struct fault refusal;          /* status 0: none */
    struct reply reply;
    struct event_stream events; /* ROUTE_INFER_STREAM, ANSWERED */
};

/* ---- http.c ---- */

/* An error's text where there was no memory to say another. */
extern const char http_no_memory[];

/* Sends exchange->reply, or exchange->refusal. */
bool http_send_reply(struct exchange *exchange);
bool http_send_refusal(struct exchange *exchange);

/* The refusal where the library takes no reply, as in the middle of a body. Returns false: the
 * connection is to be closed. */
bool http_refuse_now(struct exchange *exchange);
/* The head, and events as they come. */
bool http_send_events(struct exchange *exchange);

/* Counts the refusal against the model it was for, if any. */
void http_count_refusal(const struct exchange *exchange);

/* Whose request it is (server/work.h). */
uint64_t http_client(const struct exchange *exchange);

/* Before anything is handed over to other threads. false, 503: the server is being stopped. */
bool http_suspend(struct exchange *exchange);
/* An exchange, suspended; from here on it is the library's thread's. By any thread. */
void http_resume(void *exchange);

/* ---- http_head.c ---- */

bool http_head_init(struct fault *fault);
/* The first line is there. false: no memory, and the query is lost. */
bool http_head_begin(struct exchange *exchange, const char *target);
/* The guard's check, once in a request. false: exchange->refusal says why. Where the head is so
 * long that the library may have no memory for that of an answer, exchange->crowded is set. */
bool http_head_check(struct exchange *exchange, const char *method, const char *target,
                     const char *version);
/* Sets the route's limit and after. Once: it takes the query apart. */
void http_head_note_query(struct exchange *exchange);

/* ---- http_body.c ---- */

/* The head announced one. */
void http_body_begin(struct exchange *exchange);
/* From body_since on, and with every byte that came. */
void http_body_set_deadline(const struct exchange *exchange);
/* A piece of it; *size is then 0. What is refused is noted in the exchange. */
bool http_body_take(struct exchange *exchange, const char *data, size_t *size);
/* Frees what a packed body needed, if it was one. */
void http_body_end(struct exchange *exchange);

/* ---- http_infer.c ---- */

/* The head is there: what the model's queue has no room for is refused now. */
void http_infer_announce(struct exchange *exchange);
/* The body is there: computes and answers here, or has it done while the exchange is suspended. */
bool http_infer_start(struct exchange *exchange);
/* The job is done. */
bool http_infer_send(struct exchange *exchange);
void http_infer_drop(struct exchange *exchange);

/* ---- http_events.c ---- */

/* The job has its first part, or an error. */
bool http_events_begin(struct exchange *exchange);
/* Some bytes of the answer. 0: it has come to its end (events.last), or the exchange was suspended
 * until there is more. */
size_t http_events_read(struct exchange *exchange, char *out, size_t room);

/* ---- http_light.c ---- */

/* A light job is computed here and now, or held until others have come. */
bool http_light_start(struct exchange *exchange);
/* Its job is done then, if it was held. */
void http_light_finish(const struct exchange *exchange);

/* ---- http_command.c ---- */

/* As for jobs: a model is to be loaded or unloaded. */
bool http_command_start(struct exchange *exchange);
bool http_command_send(struct exchange *exchange);
void http_command_drop(struct exchange *exchange);

/* ---- http_log.c ---- */

/* Where requests are logged, or this one took long. It is answered; or, in events, over. */
void http_log_answered(const struct exchange *exchange);
/* Where requests are logged: one that did not arrive, or was not to be read. exchange: NULL where
 * not even its first line was there. */
void http_log_refused(const struct exchange *exchange, const struct sockaddr *client, int status);

#endif
