#include "server/zmq_request.h"

#include <stdlib.h>
#include <string.h>

#include "proto/zmq_message.h"
#include "server/api.h"
#include "server/zmq_jobs.h"

/* ---- infer ---- */

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
    struct budget *budget = &exchange->traffic->service->budget;
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
    exchange->served = model_store_acquire(exchange->traffic->service->models, header->model_name,
                                           strlen(header->model_name), version,
                                           version != NULL ? strlen(version) : 0, fault);
    return exchange->served != NULL;
}

static bool check_load(const struct zmq_exchange *exchange, struct fault *fault)
{
    const struct zmq_traffic *traffic = exchange->traffic;
    if (atomic_load(&traffic->draining))
        return fault_set(fault, 503, "the server is shutting down");
    return exchange->peer->accepted <= traffic->config->peer_limit ||
           fault_set(fault, 503, "%zu requests of this peer are being served (zmq_peer_limit)",
                     traffic->config->peer_limit);
}

static void infer(struct zmq_exchange *exchange, const struct zmq_header *header,
                  struct zeromq_message *message, size_t first)
{
    struct fault fault;
    exchange->in_parts = header->stream;
    if (!find_model(exchange, header, &fault) || !check_load(exchange, &fault) ||
        !take_payload(exchange, message, first, &fault))
        zmq_exchange_refuse(exchange, &fault);
    else
        zmq_jobs_add(exchange);
}

/* ---- on the spot ---- */

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
    api_answer(exchange->traffic->service, &route, NULL, 0, &reply);
    zmq_exchange_finish(exchange, &reply, false);
}

/* ---- the message ---- */

/* What can be said against the message as a whole. */
static bool check_message(const struct zmq_traffic *traffic, const struct zeromq_message *message,
                          size_t header, struct fault *fault)
{
    if (message->size > traffic->config->max_request)
        return fault_set(fault, 413, "the request is larger than %zu bytes (max_body_bytes)",
                         traffic->config->max_request);
    if (message->cut_off)
        return fault_set(fault, 400, "at most %d frames are wanted, got more", ZEROMQ_FRAMES_MAX);
    return header < message->count ||
           fault_set(fault, 400, "a header, a JSON object, is wanted behind the empty frame");
}

/* The id of a message that is refused whole; of a header that by itself is too large, none. */
static void read_id(struct zmq_exchange *exchange, struct zeromq_message *message, size_t first)
{
    struct zmq_header header;
    struct fault ignored;
    if (first >= message->count ||
        zeromq_frame_size(&message->frames[first]) > exchange->traffic->config->max_request)
        return;
    const struct infer_span text = span_of(&message->frames[first]);
    zmq_header_read(&header, &text, &ignored);
    memcpy(exchange->id, header.id, sizeof exchange->id);
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

void zmq_request_take(struct zmq_traffic *traffic, struct zeromq_message *message)
{
    struct zmq_exchange *exchange = zmq_exchange_create(traffic, message);
    struct zmq_header header;
    struct fault fault;
    atomic_fetch_add_explicit(&traffic->service->zmq.requests, 1, memory_order_relaxed);
    if (exchange == NULL) {
        zmq_exchange_count(traffic, 503, ZEROMQ_NO_MEMORY);
        return;
    }
    const size_t first = take_route(exchange, message);
    if (!check_message(traffic, message, first, &fault)) {
        read_id(exchange, message, first);
        zmq_exchange_refuse(exchange, &fault);
        return;
    }
    const struct infer_span text = span_of(&message->frames[first]);
    const bool good = zmq_header_read(&header, &text, &fault);
    memcpy(exchange->id, header.id, sizeof exchange->id);
    if (!good)
        zmq_exchange_refuse(exchange, &fault);
    else if (header.op == ZMQ_INFER)
        infer(exchange, &header, message, first);
    else
        answer_on_the_spot(exchange, &header);
}
