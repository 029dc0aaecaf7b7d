#include "server/zmq_front.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/zmq_message.h"
#include "server/api.h"
#include "server/clock.h"
#include "server/deadline_heap.h"
#include "server/events.h"
#include "server/job.h"
#include "server/log.h"
#include "server/mailbox.h"
#include "server/random_number.h"
#include "server/zmq_peers.h"
#include "server/zmq_publisher.h"
#include "server/zmq_reply.h"

/* Of one peer the scheduler has so many at a time, and of all of them together. */
#define PEER_AT_ONCE ((size_t)64)
#define JOBS_AT_ONCE ((size_t)16384)

/* Of the budget for all requests one peer's unread replies may take this part. */
#define UNREAD_PART 8

/* Taken in one go, before the replies that are ready meanwhile are sent. */
#define TAKEN_AT_ONCE 64

/* Light requests are computed here, as many at a time as take a tenth of a millisecond; what comes
 * beyond is shared with the workers. */
#define LIGHT_FLOPS_AT_ONCE 1e7

/* What else there is to attend to waits at most so many rounds while requests keep coming. */
#define ROUNDS_WITHOUT_OTHERS 32

#define SWEEP_EVERY CLOCK_NS_PER_S

/* The library's own bound of messages that wait to be taken in, for each peer. */
#define RECEIVE_LIMIT 64

struct zmq_front {
    struct zmq_config config;
    struct service *service;
    struct zeromq *context;
    struct zeromq_socket *router, *monitor;
    struct zeromq_socket *authenticator, *publisher; /* NULL: not there */
    pthread_t thread;
    atomic_bool draining;
    atomic_uint_fast64_t stop_at; /* UINT64_MAX: not yet */
    struct mailbox finished;      /* exchanges whose jobs are done */

    /* The thread's own. */
    struct zmq_peers peers;
    struct zmq_exchange *all;                     /* accepted and not answered */
    struct deadline_heap late;                    /* exchanges whose jobs are the scheduler's */
    size_t jobs;                                  /* created and not taken back */
    bool giving_up;                               /* the deadline of the stop has passed */
    size_t unread_limit;                          /* bytes, for each peer */
    struct zmq_exchange *light[JOB_TOGETHER_MAX]; /* whose jobs will be run here */
    size_t light_count;
    double light_flops; /* of them */
    struct tick_batch batch;
    uint64_t sweep_at;
    unsigned rounds; /* since it was looked after others */
    struct zeromq_message message;
};

/* One request, from its acceptance to its reply. */
struct zmq_exchange {
    struct deadline late; /* first: the heap's node is the exchange */
    struct mail mail;
    struct zmq_front *front;
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

/* ---- replies ---- */

static void count_reply(struct zmq_front *front, int status, enum zeromq_sent sent)
{
    struct zmq_counts *counts = &front->service->zmq;
    status_counts_add(&counts->responses, status);
    if (sent == ZEROMQ_GONE)
        atomic_fetch_add_explicit(&counts->dropped_gone, 1, memory_order_relaxed);
    else if (sent == ZEROMQ_FULL)
        atomic_fetch_add_explicit(&counts->dropped_full, 1, memory_order_relaxed);
}

/* Where there is no memory for a text there is this one. */
static bool put_no_memory(struct reply *reply)
{
    static const char text[] = "{\"error\":\"out of memory\"}";
    reply_fini(reply);
    *reply = (struct reply){.status = 503, .body = strdup(text), .size = sizeof text - 1};
    return reply->body != NULL;
}

/* An infer request's answer has the id already. */
static bool complete(struct reply *reply, const char *id, bool has_id)
{
    if (reply->body == NULL && !put_no_memory(reply))
        return false;
    if (reply->status == 200 && (has_id || id[0] == '\0'))
        return true;
    return zmq_answer_complete(&reply->body, &reply->size, reply->status, id);
}

/* Empties the reply. The exchange has no use for its route afterwards. */
static void send_reply(struct zmq_exchange *exchange, struct reply *reply, bool has_id)
{
    struct zmq_front *front = exchange->front;
    const int status = reply->status;
    const bool is_whole = complete(reply, exchange->id, has_id);
    const enum zeromq_sent sent =
        zmq_reply_send(is_whole ? front->router : NULL, exchange->peer, exchange->route,
                       exchange->route_count, front->unread_limit, reply);
    exchange->route_count = 0;
    count_reply(front, status, sent);
    if (log_requests())
        log_line("lstmd: zmq: %s %d", exchange->served != NULL ? exchange->served->name : "-",
                 status);
}

/* ---- exchanges ---- */

static void link_up(struct zmq_exchange *exchange)
{
    struct zmq_front *front = exchange->front;
    exchange->prev = NULL;
    exchange->next = front->all;
    if (front->all != NULL)
        front->all->prev = exchange;
    front->all = exchange;
    exchange->peer->accepted++;
}

static void unlink_and_free(struct zmq_exchange *exchange)
{
    struct zmq_front *front = exchange->front;
    assert(exchange->job == NULL && exchange->route_count == 0);
    if (exchange->next != NULL)
        exchange->next->prev = exchange->prev;
    if (exchange->prev != NULL)
        exchange->prev->next = exchange->next;
    else
        front->all = exchange->next;
    exchange->peer->accepted--;
    payload_release(&exchange->payload);
    if (exchange->served != NULL)
        served_model_release(exchange->served);
    free(exchange);
}

static void finish(struct zmq_exchange *exchange, struct reply *reply, bool has_id)
{
    send_reply(exchange, reply, has_id);
    unlink_and_free(exchange);
}

/* What is said against a model's request is counted there; by a job's own reply it was counted. */
static void refuse(struct zmq_exchange *exchange, const struct fault *fault)
{
    struct reply reply;
    if (exchange->served != NULL)
        model_stats_failure(exchange->served->lane->stats, request_failure_of(fault->status),
                            clock_now() - exchange->arrived);
    reply_fault(&reply, fault);
    finish(exchange, &reply, false);
}

/* ---- jobs ---- */

/* The job is not the scheduler's any more. */
static void leave_job(struct zmq_exchange *exchange)
{
    struct zmq_front *front = exchange->front;
    deadline_heap_remove(&front->late, &exchange->late);
    exchange->job = NULL;
    exchange->peer->running--;
    front->jobs--;
}

static void finish_job(struct zmq_exchange *exchange)
{
    struct reply reply;
    struct job *job = exchange->job;
    job_take_reply(job, &reply);
    leave_job(exchange);
    job_destroy(job);
    finish(exchange, &reply, reply.status == 200);
}

/* ---- answers in parts ---- */

/* A copy, since the job writes its next part over this one; the peer has as long as it wants. */
static bool copy_part(const struct zmq_exchange *exchange, const struct job_part *part,
                      struct reply *reply)
{
    struct budget *budget = &exchange->front->service->budget;
    struct fault fault;
    *reply = (struct reply){.status = part->status};
    if (part->size == 0 || !budget_take(budget, part->size, 0, &fault))
        return false;
    reply->budget = budget;
    reply->charge = part->size;
    reply->body = malloc(part->size);
    if (reply->body == NULL) {
        reply_fini(reply);
        return false;
    }
    memcpy(reply->body, part->body, part->size);
    reply->size = part->size;
    reply->json_size = part->json_size;
    reply->tensor_count = part->tensor_count;
    for (size_t i = 0; i < part->tensor_count; i++)
        reply->tensor_sizes[i] = part->tensor_sizes[i];
    return true;
}

/* Any part but the last one: the route is still needed. */
static bool send_part(struct zmq_exchange *exchange, const struct job_part *part)
{
    struct zmq_front *front = exchange->front;
    struct zeromq_frame route[ZMQ_ROUTE_MAX];
    struct reply reply;
    if (!copy_part(exchange, part, &reply))
        return false;
    for (size_t i = 0; i < exchange->route_count; i++)
        zeromq_frame_copy(&route[i], &exchange->route[i]);
    return zmq_reply_send(front->router, exchange->peer, route, exchange->route_count,
                          front->unread_limit, &reply) == ZEROMQ_SENT;
}

static void send_last_part(struct zmq_exchange *exchange, const struct job_part *part)
{
    struct job *job = exchange->job;
    struct reply reply;
    if (!copy_part(exchange, part, &reply))
        reply.status = 503;
    leave_job(exchange);
    job_destroy(job);
    finish(exchange, &reply, reply.status == 200);
}

/* A peer that is gone, or reads nothing, is told no more. */
static void cut_off(struct zmq_exchange *exchange)
{
    struct job *job = exchange->job;
    leave_job(exchange);
    job_destroy(job);
    model_stats_failure(exchange->served->lane->stats, FAILURE_CANCELED,
                        clock_now() - exchange->arrived);
    for (size_t i = 0; i < exchange->route_count; i++)
        zeromq_frame_close(&exchange->route[i]);
    exchange->route_count = 0;
    count_reply(exchange->front, 503, ZEROMQ_FULL);
    unlink_and_free(exchange);
}

static void send_parts(struct zmq_exchange *exchange)
{
    struct job_part part;
    for (;;) {
        switch (job_take_part(exchange->job, &part)) {
        case JOB_NO_PART:
            job_wait(exchange->job);
            return;
        case JOB_PART:
            if (send_part(exchange, &part))
                break;
            cut_off(exchange);
            return;
        case JOB_LAST_PART:
            send_last_part(exchange, &part);
            return;
        }
    }
}

/* ---- to the scheduler, and back ---- */

/* By a worker. */
static void job_done(void *context)
{
    struct zmq_exchange *exchange = context;
    mailbox_put(&exchange->front->finished, &exchange->mail);
}

static void submit(struct zmq_exchange *exchange)
{
    struct fault fault;
    struct job *job = exchange->job;
    const uint64_t deadline = job_deadline(job);
    if (job_submit(job, job_done, exchange, &fault)) {
        deadline_heap_set(&exchange->front->late, &exchange->late, deadline);
        return;
    }
    leave_job(exchange);
    job_destroy(job);
    refuse(exchange, &fault);
}

static bool create_job(struct zmq_exchange *exchange, struct fault *fault)
{
    struct zmq_front *front = exchange->front;
    struct service *service = front->service;
    const struct job_terms terms = {
        .codec = &infer_codec,
        .arrived = exchange->arrived,
        .deadline = exchange->arrived + front->config.request_timeout,
        .in_parts = exchange->in_parts,
        .client = (uint64_t)(uintptr_t)exchange->peer,
    };
    if (front->jobs >= JOBS_AT_ONCE)
        return fault_set(fault, 503, "%zu requests are being served", front->jobs);
    exchange->job = job_create(exchange->served, &exchange->payload, &service->budget,
                               service->scheduler, service->sequences, &terms, fault);
    if (exchange->job == NULL)
        return false;
    exchange->peer->running++;
    front->jobs++;
    return true;
}

/* To hand a light one over and be woken again would take longer than a small model's whole answer.
 */
static bool keep_light(struct zmq_exchange *exchange)
{
    struct zmq_front *front = exchange->front;
    const double flops = front->light_flops + job_flops(exchange->job);
    if (!job_is_light(exchange->job) || front->light_count == JOB_TOGETHER_MAX ||
        flops > LIGHT_FLOPS_AT_ONCE)
        return false;
    front->light[front->light_count++] = exchange;
    front->light_flops = flops;
    return true;
}

static void begin(struct zmq_exchange *exchange)
{
    struct fault fault;
    if (!create_job(exchange, &fault))
        refuse(exchange, &fault);
    else if (!keep_light(exchange))
        submit(exchange);
}

/* Those of the peer that waited. */
static void begin_next(struct zmq_peer *peer)
{
    while (peer->first != NULL && peer->running < PEER_AT_ONCE) {
        struct zmq_exchange *exchange = peer->first;
        peer->first = exchange->behind;
        begin(exchange);
    }
}

static void wait_behind(struct zmq_exchange *exchange)
{
    struct zmq_peer *peer = exchange->peer;
    exchange->behind = NULL;
    if (peer->first != NULL)
        peer->last->behind = exchange;
    else
        peer->first = exchange;
    peer->last = exchange;
}

/* While their replies are sent, those that waited for them become the next ones. */
static void run_light(struct zmq_front *front)
{
    struct job *jobs[JOB_TOGETHER_MAX] = {0};
    struct zmq_exchange *done[JOB_TOGETHER_MAX];
    const size_t count = front->light_count;
    for (size_t i = 0; i < count; i++) {
        done[i] = front->light[i];
        jobs[i] = done[i]->job;
    }
    front->light_count = 0;
    front->light_flops = 0;
    job_run_together(jobs, count, &front->batch);
    for (size_t i = 0; i < count; i++) {
        struct zmq_peer *peer = done[i]->peer;
        finish_job(done[i]);
        begin_next(peer);
    }
}

static bool take_finished(struct zmq_front *front)
{
    struct mail *mail = mailbox_take(&front->finished);
    const bool any = mail != NULL;
    while (mail != NULL) {
        struct zmq_exchange *exchange =
            (struct zmq_exchange *)((char *)mail - offsetof(struct zmq_exchange, mail));
        struct zmq_peer *peer = exchange->peer;
        mail = mail->next;
        (exchange->in_parts ? send_parts : finish_job)(exchange);
        begin_next(peer);
    }
    return any;
}

/* false: its reply is on its way. */
static bool give_up(struct zmq_exchange *exchange, const struct fault *fault)
{
    if (exchange->job != NULL && !job_abandon(exchange->job))
        return false;
    if (exchange->job != NULL)
        leave_job(exchange);
    refuse(exchange, fault);
    return true;
}

/* The scheduler drops what is late by itself, but not in the middle of what cannot be cut. */
static void give_up_late(struct zmq_front *front, uint64_t now)
{
    struct deadline *first;
    struct fault fault;
    while ((first = deadline_heap_first(&front->late)) != NULL && first->at <= now) {
        struct zmq_exchange *exchange = (struct zmq_exchange *)first;
        struct zmq_peer *peer = exchange->peer;
        fault_set(&fault, 504, "Request timeout expired");
        if (give_up(exchange, &fault))
            begin_next(peer);
        else
            deadline_heap_remove(&front->late, first);
    }
}

/* ---- requests ---- */

/* The frames that the job reads, as a payload's owner. */
struct held_frames {
    size_t count;
    struct zeromq_frame frames[];
};

static void release_frames(void *owner)
{
    struct held_frames *held = owner;
    for (size_t i = 0; i < held->count; i++)
        zeromq_frame_close(&held->frames[i]);
    free(held);
}

static struct infer_span span_of(struct zeromq_frame *frame)
{
    return (struct infer_span){zeromq_frame_data(frame), zeromq_frame_size(frame)};
}

static void hold_frames(struct held_frames *held, struct zeromq_frame *frames, size_t count,
                        struct payload *payload)
{
    held->count = count;
    for (size_t i = 0; i < count; i++)
        zeromq_frame_move(&held->frames[i], &frames[i]);
    payload->bytes.head = span_of(&held->frames[0]);
    payload->bytes.tail_count = count - 1;
    for (size_t i = 1; i < count; i++)
        payload->bytes.tail[i - 1] = span_of(&held->frames[i]);
    payload->release = release_frames;
    payload->owner = held;
}

/* Takes header and tensors out of the message: small ones lie in the frames themselves, so their
 * bytes stand still only from then on. */
static bool take_payload(struct zmq_exchange *exchange, struct zeromq_message *message,
                         size_t first, struct fault *fault)
{
    struct budget *budget = &exchange->front->service->budget;
    const size_t count = message->count - first;
    struct held_frames *held;
    const size_t own = sizeof *held + count * sizeof *held->frames;
    if (count - 1 > INFER_TENSOR_MAX)
        return fault_set(fault, 400, "at most %d tensors are wanted, got more", INFER_TENSOR_MAX);
    if (!budget_take(budget, message->size + own, 0, fault))
        return false;
    held = malloc(own);
    if (held == NULL) {
        budget_give(budget, message->size + own);
        return fault_set(fault, 503, "out of memory");
    }
    hold_frames(held, message->frames + first, count, &exchange->payload);
    exchange->payload.budget = budget;
    exchange->payload.held = message->size + own;
    return true;
}

static bool find_model(struct zmq_exchange *exchange, const struct zmq_header *header,
                       struct fault *fault)
{
    const char *version = header->model_version[0] != '\0' ? header->model_version : NULL;
    exchange->served = model_store_acquire(exchange->front->service->models, header->model_name,
                                           strlen(header->model_name), version,
                                           version != NULL ? strlen(version) : 0, fault);
    return exchange->served != NULL;
}

static bool check_load(const struct zmq_exchange *exchange, struct fault *fault)
{
    const struct zmq_front *front = exchange->front;
    if (atomic_load(&front->draining))
        return fault_set(fault, 503, "the server is shutting down");
    return exchange->peer->accepted <= front->config.peer_limit ||
           fault_set(fault, 503, "%zu requests of this peer are being served (zmq_peer_limit)",
                     front->config.peer_limit);
}

static void infer(struct zmq_exchange *exchange, const struct zmq_header *header,
                  struct zeromq_message *message, size_t first)
{
    struct zmq_peer *peer = exchange->peer;
    struct fault fault;
    exchange->in_parts = header->stream;
    if (!find_model(exchange, header, &fault) || !check_load(exchange, &fault) ||
        !take_payload(exchange, message, first, &fault))
        refuse(exchange, &fault);
    else if (peer->first != NULL || peer->running >= PEER_AT_ONCE)
        wait_behind(exchange);
    else
        begin(exchange);
}

static enum route_kind kind_of(enum zmq_op op, bool model_named)
{
    switch (op) {
    case ZMQ_LIVE:
        return ROUTE_LIVE;
    case ZMQ_READY:
        return model_named ? ROUTE_MODEL_READY : ROUTE_READY;
    case ZMQ_METADATA:
        return model_named ? ROUTE_MODEL_METADATA : ROUTE_SERVER_METADATA;
    case ZMQ_STATS:
        return model_named ? ROUTE_MODEL_STATS : ROUTE_ALL_STATS;
    case ZMQ_INFER:
        break;
    }
    return ROUTE_NONE;
}

static void answer_on_the_spot(struct zmq_exchange *exchange, const struct zmq_header *header)
{
    const bool model_named = header->model_name[0] != '\0';
    struct route route = {.kind = kind_of(header->op, model_named)};
    struct reply reply = {0};
    if (model_named && header->op != ZMQ_LIVE) {
        route.model = header->model_name;
        route.model_size = strlen(header->model_name);
    }
    if (route.model != NULL && header->model_version[0] != '\0') {
        route.version = header->model_version;
        route.version_size = strlen(header->model_version);
    }
    api_answer(exchange->front->service, &route, NULL, 0, &reply);
    finish(exchange, &reply, false);
}

/* What can be said against the message as a whole. */
static bool check_message(const struct zmq_front *front, const struct zeromq_message *message,
                          size_t header, struct fault *fault)
{
    if (message->size > front->config.max_request)
        return fault_set(fault, 413, "the request is larger than %zu bytes (max_body_bytes)",
                         front->config.max_request);
    if (message->cut_off)
        return fault_set(fault, 400, "at most %d frames are wanted, got more", ZEROMQ_FRAMES_MAX);
    return header < message->count ||
           fault_set(fault, 400, "a header, a JSON object, is wanted behind the empty frame");
}

/* Moves the peer's routing id and the envelope out of the message. The header's place in it. */
static size_t take_route(struct zmq_exchange *exchange, struct zeromq_message *message)
{
    struct infer_span frames[ZEROMQ_FRAMES_MAX];
    size_t count = 1;
    for (size_t i = 1; i < message->count; i++)
        frames[i - 1] = span_of(&message->frames[i]);
    if (message->count > 1)
        count += zmq_envelope_size(frames, message->count - 1);
    for (size_t i = 0; i < count; i++)
        zeromq_frame_move(&exchange->route[i], &message->frames[i]);
    exchange->route_count = count;
    return count;
}

/* NULL: no memory, so there is no reply. */
static struct zmq_exchange *accept_message(struct zmq_front *front, struct zeromq_message *message)
{
    struct zmq_exchange *exchange = calloc(1, sizeof *exchange);
    struct zmq_peer *peer = zmq_peers_get(&front->peers, zeromq_frame_data(&message->frames[0]),
                                          zeromq_frame_size(&message->frames[0]));
    if (exchange == NULL || peer == NULL) {
        free(exchange);
        return NULL;
    }
    exchange->front = front;
    exchange->peer = peer;
    exchange->arrived = clock_now();
    link_up(exchange);
    return exchange;
}

static void handle(struct zmq_front *front, struct zeromq_message *message)
{
    struct zmq_exchange *exchange = accept_message(front, message);
    struct zmq_header header;
    struct fault fault;
    atomic_fetch_add_explicit(&front->service->zmq.requests, 1, memory_order_relaxed);
    if (exchange == NULL) {
        count_reply(front, 503, ZEROMQ_FULL);
        return;
    }
    const size_t first = take_route(exchange, message);
    if (!check_message(front, message, first, &fault)) {
        refuse(exchange, &fault);
        return;
    }
    const struct infer_span text = span_of(&message->frames[first]);
    const bool good = zmq_header_read(&header, &text, &fault);
    memcpy(exchange->id, header.id, sizeof exchange->id);
    if (!good)
        refuse(exchange, &fault);
    else if (header.op == ZMQ_INFER)
        infer(exchange, &header, message, first);
    else
        answer_on_the_spot(exchange, &header);
}

static bool take_requests(struct zmq_front *front)
{
    size_t taken = 0;
    while (taken < TAKEN_AT_ONCE && zeromq_receive(front->router, &front->message)) {
        handle(front, &front->message);
        zeromq_message_close(&front->message);
        taken++;
    }
    return taken != 0;
}

/* ---- the thread ---- */

static void count_event(struct zmq_counts *counts, enum zeromq_event event)
{
    switch (event) {
    case ZEROMQ_CONNECTED:
        atomic_fetch_add_explicit(&counts->peers, 1, memory_order_relaxed);
        break;
    case ZEROMQ_DISCONNECTED:
        atomic_fetch_sub_explicit(&counts->peers, 1, memory_order_relaxed);
        break;
    case ZEROMQ_HANDSHAKE_FAILED:
        atomic_fetch_add_explicit(&counts->bad_handshake, 1, memory_order_relaxed);
        break;
    case ZEROMQ_ACCEPT_FAILED:
        atomic_fetch_add_explicit(&counts->bad_accept, 1, memory_order_relaxed);
        log_limited("lstmd: zmq: a connection could not be accepted");
        break;
    case ZEROMQ_OTHER:
        break;
    }
}

static void attend_to_others(struct zmq_front *front)
{
    enum zeromq_event event;
    front->rounds = 0;
    while (zeromq_next_event(front->monitor, &event))
        count_event(&front->service->zmq, event);
    if (front->authenticator != NULL)
        curve_clients_answer(&front->config.clients, front->authenticator);
    if (front->publisher != NULL)
        zmq_publish(front->publisher);
}

static void give_up_all(struct zmq_front *front)
{
    struct fault fault;
    front->giving_up = true;
    fault_set(&fault, 503, "the server is shutting down");
    for (struct zmq_exchange *exchange = front->all, *next; exchange != NULL; exchange = next) {
        next = exchange->next;
        exchange->peer->first = NULL; /* all of those are in this list too */
        give_up(exchange, &fault);
    }
}

static void do_what_is_due(struct zmq_front *front)
{
    const uint64_t now = clock_now();
    give_up_late(front, now);
    if (now >= front->sweep_at) {
        zmq_peers_sweep(&front->peers);
        front->sweep_at = now + SWEEP_EVERY;
    }
    if (!front->giving_up && now >= atomic_load(&front->stop_at))
        give_up_all(front);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The moment after which something is to be done without an event. */
static uint64_t next_moment(const struct zmq_front *front)
{
    const struct deadline *late = deadline_heap_first(&front->late);
    uint64_t moment = late != NULL ? late->at : UINT64_MAX;
    if (front->peers.count != 0)
        moment = least(moment, front->sweep_at);
    if (!front->giving_up)
        moment = least(moment, atomic_load(&front->stop_at));
    return moment;
}

static int descriptor_of(const struct zeromq_socket *socket)
{
    return socket != NULL ? zeromq_descriptor(socket) : -1;
}

static void sleep_until_something(struct zmq_front *front)
{
    struct pollfd fds[] = {
        {.fd = front->finished.descriptor, .events = POLLIN},
        {.fd = zeromq_descriptor(front->router), .events = POLLIN},
        {.fd = zeromq_descriptor(front->monitor), .events = POLLIN},
        {.fd = descriptor_of(front->authenticator), .events = POLLIN},
        {.fd = descriptor_of(front->publisher), .events = POLLIN},
    };
    const size_t count = sizeof fds / sizeof *fds;
    const uint64_t moment = next_moment(front), now = clock_now();
    const struct timespec left = clock_timespec(moment > now ? moment - now : 0);
    if (ppoll(fds, count, moment != UINT64_MAX ? &left : NULL, NULL) <= 0)
        return;
    if (fds[0].revents != 0)
        mailbox_settle(&front->finished);
    if (fds[1].revents == 0)
        attend_to_others(front); /* also when only woken: there may be something to publish */
}

/* Stopping, and nothing is left to answer. */
static bool is_over(const struct zmq_front *front)
{
    return atomic_load(&front->stop_at) != UINT64_MAX && front->all == NULL;
}

static void *serve(void *argument)
{
    struct zmq_front *front = argument;
    pthread_setname_np(pthread_self(), "zmq");
    while (!is_over(front)) {
        const bool finished = take_finished(front);
        const bool taken = take_requests(front);
        while (front->light_count > 0)
            run_light(front);
        do_what_is_due(front);
        if (++front->rounds >= ROUNDS_WITHOUT_OTHERS)
            attend_to_others(front);
        if (!finished && !taken)
            sleep_until_something(front);
    }
    return NULL;
}

/* ---- start and stop ---- */

static struct zeromq_socket_options socket_options(const struct zmq_front *front)
{
    return (struct zeromq_socket_options){
        .frame_limit = front->config.max_request,
        .receive_limit = RECEIVE_LIMIT,
        .send_limit = (int)front->config.peer_limit,
        .secret_key = front->config.curve ? front->config.secret_key : NULL,
    };
}

static bool bind_endpoint(struct zeromq_socket *socket, struct zmq_endpoint *endpoint,
                          struct fault *fault)
{
    char bound[ZMQ_ENDPOINT_MAX];
    if (!zeromq_bind(socket, endpoint->text, endpoint->ipv6, bound, sizeof bound, fault))
        return false;
    memcpy(endpoint->text, bound, sizeof bound);
    zmq_endpoint_bound(endpoint);
    return true;
}

/* By whoever has something to tell. */
static void wake_publisher(void *context)
{
    struct zmq_front *front = context;
    mailbox_wake(&front->finished);
}

static bool open_publisher(struct zmq_front *front, const struct zeromq_socket_options *options,
                           struct fault *fault)
{
    front->publisher = zeromq_publisher(front->context, options, fault);
    if (front->publisher == NULL || !bind_endpoint(front->publisher, &front->config.events, fault))
        return false;
    events_listen(wake_publisher, front);
    return true;
}

/* The authenticator stands before anybody can be at the door. */
static bool open_sockets(struct zmq_front *front, struct fault *fault)
{
    const struct zeromq_socket_options options = socket_options(front);
    if (front->config.curve) {
        front->authenticator = zeromq_authenticator(front->context, fault);
        if (front->authenticator == NULL)
            return false;
    }
    front->router = zeromq_router(front->context, &options, fault);
    if (front->router == NULL)
        return false;
    front->monitor = zeromq_monitor(front->context, front->router, "router", fault);
    if (front->monitor == NULL)
        return false;
    for (size_t i = 0; i < front->config.endpoint_count; i++)
        if (!bind_endpoint(front->router, &front->config.endpoints[i], fault))
            return false;
    return !front->config.has_events || open_publisher(front, &options, fault);
}

static void close_sockets(struct zmq_front *front)
{
    events_listen(NULL, NULL);
    if (front->publisher != NULL)
        zeromq_socket_close(front->publisher);
    if (front->monitor != NULL)
        zeromq_socket_close(front->monitor);
    if (front->router != NULL)
        zeromq_socket_close(front->router);
    if (front->authenticator != NULL)
        zeromq_socket_close(front->authenticator);
    zeromq_close(front->context);
    for (size_t i = 0; i < front->config.endpoint_count; i++)
        zmq_endpoint_remove(&front->config.endpoints[i]);
    if (front->config.has_events)
        zmq_endpoint_remove(&front->config.events);
}

static bool take_memory(struct zmq_front *front, struct fault *fault)
{
    if (!deadline_heap_init(&front->late, JOBS_AT_ONCE))
        return fault_set(fault, 503, "out of memory");
    tick_batch_init(&front->batch, scheduler_tick_rows(front->service->scheduler));
    if (zmq_peers_init(&front->peers, random_number()))
        return true;
    deadline_heap_fini(&front->late);
    return fault_set(fault, 503, "out of memory");
}

static void give_memory(struct zmq_front *front)
{
    tick_batch_fini(&front->batch);
    zmq_peers_fini(&front->peers);
    deadline_heap_fini(&front->late);
}

static bool start_thread(struct zmq_front *front, struct fault *fault)
{
    if (!zeromq_open(&front->context, fault))
        return false;
    if (open_sockets(front, fault)) {
        if (pthread_create(&front->thread, NULL, serve, front) == 0)
            return true;
        fault_set(fault, 503, "could not start the ZeroMQ thread");
    }
    close_sockets(front);
    return false;
}

static bool start(struct zmq_front *front, struct fault *fault)
{
    if (!take_memory(front, fault))
        return false;
    if (mailbox_init(&front->finished, fault)) {
        if (start_thread(front, fault))
            return true;
        mailbox_fini(&front->finished);
    }
    give_memory(front);
    return false;
}

bool zmq_front_start(struct zmq_front **started, const struct zmq_config *config,
                     struct service *service, struct fault *fault)
{
    struct zmq_front *front = calloc(1, sizeof *front);
    if (front == NULL)
        return fault_set(fault, 503, "out of memory");
    front->config = *config;
    front->service = service;
    front->unread_limit = service->budget.limit / UNREAD_PART;
    atomic_init(&front->draining, false);
    atomic_init(&front->stop_at, UINT64_MAX);
    if (start(front, fault)) {
        *started = front;
        return true;
    }
    free(front);
    return false;
}

const struct zmq_config *zmq_front_config(const struct zmq_front *front)
{
    return &front->config;
}

void zmq_front_drain(struct zmq_front *front)
{
    atomic_store(&front->draining, true);
}

void zmq_front_stop(struct zmq_front *front, uint64_t deadline)
{
    zmq_front_drain(front);
    atomic_store(&front->stop_at, deadline);
    mailbox_wake(&front->finished);
    pthread_join(front->thread, NULL);
    close_sockets(front);
    mailbox_fini(&front->finished);
    give_memory(front);
    free(front);
}
