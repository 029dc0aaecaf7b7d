/* A request to compute: from its body to a job, run here or by the workers. */
#include "server/clock.h"
#include "server/http_exchange.h"

/* The header that Triton's clients put beside a body whose tail is binary; the C++ one always. */
static bool find_json_size(struct exchange *exchange, size_t *json_size)
{
    const struct http_head_facts *facts = &exchange->facts;
    *json_size = exchange->body.size;
    if (!facts->json_size_given || facts->json_size == exchange->body.size)
        return true;
    if (facts->json_size > exchange->body.size)
        return fault_set(&exchange->refusal, 400,
                         "inference header size should be in range (0, %zu), got: %ju",
                         exchange->body.size, (uintmax_t)facts->json_size);
    *json_size = (size_t)facts->json_size;
    return true;
}

/* An infer request of no JSON: its body is the input's bytes. */
static bool is_raw(const struct exchange *exchange)
{
    const enum route_kind kind = exchange->route.kind;
    return (kind == ROUTE_INFER || kind == ROUTE_INFER_STREAM) && exchange->facts.json_size_given &&
           exchange->facts.json_size == 0;
}

static const struct codec *choose_codec(const struct exchange *exchange)
{
    if (!is_raw(exchange))
        return exchange->codec;
    const bool json = exchange->route.kind == ROUTE_INFER_STREAM || exchange->facts.prefers_json;
    return json ? &raw_json_codec : &raw_codec;
}

/* Counted from the request's last byte. */
static struct job_terms job_terms(const struct exchange *exchange)
{
    const uint64_t now = clock_now(), own = exchange->http->config.request_timeout;
    const uint64_t asked = exchange->facts.timeout_ms * CLOCK_NS_PER_MS;
    return (struct job_terms){
        .codec = choose_codec(exchange),
        .coding = exchange->facts.answer_coding,
        .coding_from = exchange->http->config.compress_from,
        .arrived = now,
        .deadline = now + (asked != 0 && asked < own ? asked : own),
        .in_parts = exchange->route.kind == ROUTE_INFER_STREAM,
        .client = http_client(exchange),
        .answered = connection_answered(exchange->slot),
        .alone = connections_count(exchange->http->connections) <= exchange->http->config.threads,
    };
}

void http_infer_announce(struct exchange *exchange)
{
    const struct service *service = exchange->http->service;
    job_has_room(exchange->served, (size_t)exchange->facts.length, service->scheduler,
                 http_client(exchange), &exchange->refusal);
}

static bool prepare_job(struct exchange *exchange)
{
    const struct job_terms terms = job_terms(exchange);
    size_t json_size;
    struct payload payload;
    if (!find_json_size(exchange, &json_size))
        return false;
    if (json_size == 0 && !is_raw(exchange))
        return fault_set(&exchange->refusal, 400, "a JSON body expected, got an empty one");
    body_move(&exchange->body, json_size, &payload);
    exchange->job = job_create(exchange->served, &payload, &exchange->http->service->budget,
                               exchange->http->service->scheduler,
                               exchange->http->service->sequences, &terms, &exchange->refusal);
    exchange->accepted = exchange->job != NULL ? terms.arrived : 0;
    return exchange->job != NULL;
}

void http_infer_drop(struct exchange *exchange)
{
    job_destroy(exchange->job);
    exchange->job = NULL;
}

bool http_infer_send(struct exchange *exchange)
{
    job_take_reply(exchange->job, &exchange->reply);
    exchange->times = *job_times(exchange->job);
    http_infer_drop(exchange);
    return http_send_reply(exchange);
}

static bool hand_over(struct exchange *exchange)
{
    if (!http_suspend(exchange)) {
        http_infer_drop(exchange);
        return http_send_refusal(exchange);
    }
    exchange->state = WORK;
    const uint64_t deadline = job_deadline(exchange->job);
    if (job_submit(exchange->job, http_resume, exchange, &exchange->refusal)) {
        connections_work(exchange->http->connections, exchange->slot, exchange, deadline);
        return true;
    }
    http_infer_drop(exchange);
    http_count_refusal(exchange);
    http_resume(exchange);
    return true;
}

/* To suspend, hand over, wake up and resume costs more than a small model's whole answer: what is
 * light is computed here. */
bool http_infer_start(struct exchange *exchange)
{
    if (!prepare_job(exchange))
        return http_send_refusal(exchange);
    if (!job_is_light(exchange->job))
        return hand_over(exchange);
    return http_light_start(exchange);
}
