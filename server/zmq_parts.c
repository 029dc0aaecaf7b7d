#include "server/zmq_parts.h"

#include <stdlib.h>
#include <string.h>

/* Sent of a stream before it is the turn of others. */
enum { PARTS_AT_ONCE = 8 };

/* A copy, since the job writes its next part over this one; the peer has as long as it wants. */
static bool copy_part(const struct zmq_exchange *exchange, const struct job_part *part,
                      struct reply *reply, struct fault *fault)
{
    struct budget *budget = &exchange->traffic->service->budget;
    *reply = (struct reply){.status = part->status};
    if (part->size == 0)
        return fault_set(fault, 503, "out of memory");
    if (!budget_take(budget, part->size, 0, fault))
        return false;
    reply->budget = budget;
    reply->charge = part->size;
    reply->body = malloc(part->size);
    if (reply->body == NULL) {
        reply_fini(reply);
        return fault_set(fault, 503, "out of memory");
    }
    memcpy(reply->body, part->body, part->size);
    reply->size = part->size;
    reply->json_size = part->json_size;
    reply->tensor_count = part->tensor_count;
    for (size_t i = 0; i < part->tensor_count; i++)
        reply->tensor_sizes[i] = part->tensor_sizes[i];
    return true;
}

/* What had not ended is counted by its job. */
static void end_with(struct zmq_exchange *exchange, const struct fault *fault)
{
    struct job *job = exchange->job;
    struct reply reply;
    zmq_exchange_leave_job(exchange);
    job_destroy(job);
    reply_fault(&reply, fault);
    zmq_exchange_finish(exchange, &reply, false);
}

/* The same of a peer that is gone, or reads nothing: it is told no more. */
static void cut_off(struct zmq_exchange *exchange, enum zeromq_sent sent)
{
    struct job *job = exchange->job;
    zmq_exchange_leave_job(exchange);
    job_destroy(job);
    for (size_t i = 0; i < exchange->route_count; i++)
        zeromq_frame_close(&exchange->route[i]);
    exchange->route_count = 0;
    zmq_exchange_count(exchange->traffic, 503, sent);
    zmq_exchange_destroy(exchange);
}

/* Any part but the last one: the route is still needed. The fault is set of ZEROMQ_NO_MEMORY. */
static enum zeromq_sent send_copy(struct zmq_exchange *exchange, const struct job_part *part,
                                  struct fault *fault)
{
    struct zmq_traffic *traffic = exchange->traffic;
    struct zeromq_frame route[ZMQ_ROUTE_MAX];
    struct reply reply;
    if (!copy_part(exchange, part, &reply, fault))
        return ZEROMQ_NO_MEMORY;
    for (size_t i = 0; i < exchange->route_count; i++)
        zeromq_frame_copy(&route[i], &exchange->route[i]);
    const enum zeromq_sent sent =
        zmq_reply_send(traffic->router, exchange->peer, route, exchange->route_count,
                       traffic->unread_limit, &reply);
    if (sent == ZEROMQ_NO_MEMORY)
        fault_set(fault, 503, "out of memory");
    return sent;
}

/* false: that was the end of the stream. Who waits for the rest in vain is told so. */
static bool send_part(struct zmq_exchange *exchange, const struct job_part *part)
{
    struct fault fault;
    const enum zeromq_sent sent = send_copy(exchange, part, &fault);
    if (sent == ZEROMQ_SENT)
        return true;
    if (sent == ZEROMQ_NO_MEMORY)
        end_with(exchange, &fault);
    else
        cut_off(exchange, sent);
    return false;
}

static void send_last_part(struct zmq_exchange *exchange, const struct job_part *part)
{
    struct job *job = exchange->job;
    struct fault fault;
    struct reply reply;
    if (!copy_part(exchange, part, &reply, &fault)) {
        end_with(exchange, &fault);
        return;
    }
    zmq_exchange_leave_job(exchange);
    job_destroy(job);
    zmq_exchange_finish(exchange, &reply, reply.status == 200);
}

/* Those that wait when the server gives up are told so then; this one had not waited. */
static void wait_for_part(struct zmq_exchange *exchange)
{
    struct fault fault;
    if (!exchange->traffic->giving_up) {
        job_wait(exchange->job);
        return;
    }
    fault_set(&fault, 503, "the server is shutting down");
    end_with(exchange, &fault);
}

/* A worker that is as fast as this thread would have something to take for ever. */
void zmq_parts_send(struct zmq_exchange *exchange)
{
    struct job_part part;
    for (int sent = 0; sent < PARTS_AT_ONCE; sent++) {
        switch (job_take_part(exchange->job, &part)) {
        case JOB_NO_PART:
            wait_for_part(exchange);
            return;
        case JOB_PART:
            if (send_part(exchange, &part))
                break;
            return;
        case JOB_LAST_PART:
            send_last_part(exchange, &part);
            return;
        }
    }
    wait_for_part(exchange);
}
