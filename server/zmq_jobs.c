#include "server/zmq_jobs.h"

#include <stddef.h>

#include "server/clock.h"
#include "server/zmq_parts.h"

/* Of one peer so many are computed at a time. */
#define PEER_AT_ONCE ((size_t)64)

/* What comes beyond JOB_TOGETHER_NS is shared with the workers, unless it takes no longer to
 * compute than to hand it over and be woken again. */
#define HAND_OVER_NS 5000

static void finish_job(struct zmq_exchange *exchange)
{
    struct reply reply;
    struct job *job = exchange->job;
    job_take_reply(job, &reply);
    zmq_exchange_leave_job(exchange);
    job_destroy(job);
    zmq_exchange_finish(exchange, &reply, reply.status == 200);
}

/* ---- to the scheduler ---- */

/* By a worker. */
static void job_done(void *context)
{
    struct zmq_exchange *exchange = context;
    mailbox_put(&exchange->traffic->finished, &exchange->mail);
}

static void submit(struct zmq_exchange *exchange)
{
    struct fault fault;
    struct job *job = exchange->job;
    const uint64_t deadline = job_deadline(job);
    if (job_submit(job, job_done, exchange, &fault)) {
        deadline_heap_set(&exchange->traffic->late, &exchange->late, deadline);
        return;
    }
    zmq_exchange_leave_job(exchange);
    job_destroy(job);
    zmq_exchange_refuse(exchange, &fault);
}

/* ---- from the peer's turn on ---- */

static bool create_job(struct zmq_exchange *exchange, struct fault *fault)
{
    struct zmq_traffic *traffic = exchange->traffic;
    struct service *service = traffic->service;
    const struct job_terms terms = {
        .codec = &infer_codec,
        .arrived = exchange->arrived,
        .deadline = exchange->arrived + traffic->config->request_timeout,
        .in_parts = exchange->in_parts,
        .client = (uint64_t)(uintptr_t)exchange->peer,
    };
    if (traffic->jobs >= ZMQ_JOBS_AT_ONCE)
        return fault_set(fault, 503, "%zu requests are being served", traffic->jobs);
    exchange->job = job_create(exchange->served, &exchange->payload, &service->budget,
                               service->scheduler, service->sequences, &terms, fault);
    if (exchange->job == NULL)
        return false;
    exchange->peer->running++;
    traffic->jobs++;
    return true;
}

/* To hand a light one over and be woken again would take longer than a small model's whole answer.
 */
static bool keep_light(struct zmq_exchange *exchange)
{
    struct zmq_traffic *traffic = exchange->traffic;
    const uint64_t own = job_guess_ns(exchange->job), all = traffic->light_ns + own;
    if (!job_is_light(exchange->job) || traffic->light_count == JOB_TOGETHER_MAX ||
        (all > JOB_TOGETHER_NS && own > HAND_OVER_NS))
        return false;
    traffic->light[traffic->light_count++] = exchange;
    traffic->light_ns = all;
    return true;
}

static void begin(struct zmq_exchange *exchange)
{
    struct fault fault;
    if (!create_job(exchange, &fault))
        zmq_exchange_refuse(exchange, &fault);
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

void zmq_jobs_add(struct zmq_exchange *exchange)
{
    const struct zmq_peer *peer = exchange->peer;
    if (peer->first != NULL || peer->running >= PEER_AT_ONCE)
        wait_behind(exchange);
    else
        begin(exchange);
}

/* ---- and back ---- */

bool zmq_jobs_light_is_due(const struct zmq_traffic *traffic)
{
    return traffic->light_count == JOB_TOGETHER_MAX || traffic->light_ns > JOB_TOGETHER_NS;
}

/* While their replies are sent, those that waited for them become the next ones. */
void zmq_jobs_run_light(struct zmq_traffic *traffic)
{
    struct job *jobs[JOB_TOGETHER_MAX] = {0};
    struct zmq_exchange *done[JOB_TOGETHER_MAX];
    const size_t count = traffic->light_count;
    for (size_t i = 0; i < count; i++) {
        done[i] = traffic->light[i];
        jobs[i] = done[i]->job;
    }
    traffic->light_count = 0;
    traffic->light_ns = 0;
    job_run_together(jobs, count, &traffic->batch);
    for (size_t i = 0; i < count; i++) {
        struct zmq_peer *peer = done[i]->peer;
        finish_job(done[i]);
        begin_next(peer);
    }
}

bool zmq_jobs_take_finished(struct zmq_traffic *traffic)
{
    struct mail *mail = mailbox_take(&traffic->finished);
    const bool any = mail != NULL;
    while (mail != NULL) {
        struct zmq_exchange *exchange =
            (struct zmq_exchange *)((char *)mail - offsetof(struct zmq_exchange, mail));
        struct zmq_peer *peer = exchange->peer;
        mail = mail->next;
        (exchange->in_parts ? zmq_parts_send : finish_job)(exchange);
        begin_next(peer);
    }
    return any;
}

/* ---- too late ---- */

/* false: its reply is on its way. */
static bool give_up(struct zmq_exchange *exchange, const struct fault *fault)
{
    if (exchange->job != NULL && !job_abandon(exchange->job))
        return false;
    if (exchange->job != NULL)
        zmq_exchange_leave_job(exchange);
    zmq_exchange_refuse(exchange, fault);
    return true;
}

/* The scheduler drops what is late by itself, but not in the middle of what cannot be cut. */
bool zmq_jobs_give_up_late(struct zmq_traffic *traffic, uint64_t now)
{
    struct deadline *first;
    struct fault fault;
    bool any = false;
    while ((first = deadline_heap_first(&traffic->late)) != NULL && first->at <= now) {
        struct zmq_exchange *exchange = (struct zmq_exchange *)first;
        struct zmq_peer *peer = exchange->peer;
        any = true;
        fault_set(&fault, 504, "Request timeout expired");
        if (give_up(exchange, &fault))
            begin_next(peer);
        else
            deadline_heap_remove(&traffic->late, first);
    }
    return any;
}

void zmq_jobs_give_up_all(struct zmq_traffic *traffic)
{
    struct fault fault;
    fault_set(&fault, 503, "the server is shutting down");
    traffic->giving_up = true; /* for streams that cannot be given up here */
    for (struct zmq_exchange *exchange = traffic->all; exchange != NULL; exchange = exchange->next)
        exchange->peer->first = NULL; /* all of those are in this list too */
    zmq_jobs_run_light(traffic);
    for (struct zmq_exchange *exchange = traffic->all, *next; exchange != NULL; exchange = next) {
        next = exchange->next;
        give_up(exchange, &fault);
    }
}
