#include "server/zmq_exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/zmq_message.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/preemption.h"
#include "server/random_number.h"

/* Of the budget for all requests one peer's unread replies may take this part. */
#define UNREAD_PART 8

/* ---- all of them ---- */

static bool take_memory(struct zmq_traffic *traffic, struct fault *fault)
{
    if (!deadline_heap_init(&traffic->late, ZMQ_JOBS_AT_ONCE))
        return fault_set(fault, 503, "out of memory");
    if (zmq_peers_init(&traffic->peers, random_number()))
        return true;
    deadline_heap_fini(&traffic->late);
    return fault_set(fault, 503, "out of memory");
}

bool zmq_traffic_init(struct zmq_traffic *traffic, const struct zmq_config *config,
                      struct service *service, struct fault *fault)
{
    *traffic = (struct zmq_traffic){
        .config = config,
        .service = service,
        .unread_limit = service->budget.limit / UNREAD_PART,
    };
    atomic_init(&traffic->draining, false);
    tick_batch_init(&traffic->batch, scheduler_tick_rows(service->scheduler));
    if (!mailbox_init(&traffic->finished, fault))
        return false;
    if (take_memory(traffic, fault))
        return true;
    mailbox_fini(&traffic->finished);
    return false;
}

void zmq_traffic_fini(struct zmq_traffic *traffic)
{
    assert(traffic->all == NULL);
    tick_batch_fini(&traffic->batch);
    zmq_peers_fini(&traffic->peers);
    deadline_heap_fini(&traffic->late);
    mailbox_fini(&traffic->finished);
}

/* ---- replies ---- */

void zmq_exchange_count(struct zmq_traffic *traffic, int status, enum zeromq_sent sent)
{
    struct zmq_counts *counts = &traffic->service->zmq;
    status_counts_add(&counts->responses, status);
    if (sent == ZEROMQ_GONE)
        atomic_fetch_add_explicit(&counts->dropped_gone, 1, memory_order_relaxed);
    else if (sent == ZEROMQ_FULL)
        atomic_fetch_add_explicit(&counts->dropped_full, 1, memory_order_relaxed);
    else if (sent == ZEROMQ_NO_MEMORY)
        atomic_fetch_add_explicit(&counts->dropped_no_memory, 1, memory_order_relaxed);
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
    struct zmq_traffic *traffic = exchange->traffic;
    const int status = reply->status;
    const bool is_whole = complete(reply, exchange->id, has_id);
    const enum zeromq_sent sent =
        zmq_reply_send(is_whole ? traffic->router : NULL, exchange->peer, exchange->route,
                       exchange->route_count, traffic->unread_limit, reply);
    exchange->route_count = 0;
    zmq_exchange_count(traffic, status, sent);
    if (log_requests())
        log_line("lstmd: zmq: %s %d", exchange->served != NULL ? exchange->served->name : "-",
                 status);
}

/* ---- exchanges ---- */

static void link_up(struct zmq_exchange *exchange)
{
    struct zmq_traffic *traffic = exchange->traffic;
    exchange->prev = NULL;
    exchange->next = traffic->all;
    if (traffic->all != NULL)
        traffic->all->prev = exchange;
    traffic->all = exchange;
    exchange->peer->accepted++;
}

/* NULL: no memory, so there is no reply. */
struct zmq_exchange *zmq_exchange_create(struct zmq_traffic *traffic,
                                         struct zeromq_message *message)
{
    struct zmq_exchange *exchange = calloc(1, sizeof *exchange);
    struct zmq_peer *peer = zmq_peers_get(&traffic->peers, zeromq_frame_data(&message->frames[0]),
                                          zeromq_frame_size(&message->frames[0]));
    if (exchange == NULL || peer == NULL) {
        free(exchange);
        return NULL;
    }
    exchange->traffic = traffic;
    exchange->peer = peer;
    exchange->arrived = clock_now();
    preemption_look(exchange->arrived);
    link_up(exchange);
    return exchange;
}

void zmq_exchange_destroy(struct zmq_exchange *exchange)
{
    struct zmq_traffic *traffic = exchange->traffic;
    assert(exchange->job == NULL && exchange->route_count == 0);
    if (exchange->next != NULL)
        exchange->next->prev = exchange->prev;
    if (exchange->prev != NULL)
        exchange->prev->next = exchange->next;
    else
        traffic->all = exchange->next;
    exchange->peer->accepted--;
    payload_release(&exchange->payload);
    if (exchange->served != NULL)
        served_model_release(exchange->served);
    free(exchange);
}

void zmq_exchange_finish(struct zmq_exchange *exchange, struct reply *reply, bool has_id)
{
    send_reply(exchange, reply, has_id);
    zmq_exchange_destroy(exchange);
}

/* What is said against a model's request is counted there; by a job's own reply it was counted. */
void zmq_exchange_refuse(struct zmq_exchange *exchange, const struct fault *fault)
{
    struct reply reply;
    if (exchange->served != NULL)
        model_stats_failure(exchange->served->lane->stats, request_failure_of(fault->status),
                            clock_now() - exchange->arrived);
    reply_fault(&reply, fault);
    zmq_exchange_finish(exchange, &reply, false);
}

/* The job is not the scheduler's any more. */
void zmq_exchange_leave_job(struct zmq_exchange *exchange)
{
    struct zmq_traffic *traffic = exchange->traffic;
    deadline_heap_remove(&traffic->late, &exchange->late);
    exchange->job = NULL;
    exchange->peer->running--;
    traffic->jobs--;
}
