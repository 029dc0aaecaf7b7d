#include "server/http.h"

#include <assert.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/server_event.h"
#include "server/api.h"
#include "server/api_repository.h"
#include "server/body.h"
#include "server/clock.h"
#include "server/compression.h"
#include "server/connections.h"
#include "server/http_guard.h"
#include "server/job.h"
#include "server/listener.h"
#include "server/log.h"
#include "server/reply.h"
#include "server/request_id.h"
#include "server/router.h"
#include "server/tls.h"

/* When stopping: idle connections are cut after this, so that a request on its way still counts. */
#define IDLE_GRACE (300 * CLOCK_NS_PER_MS)
/* And the replies of what was given up may take this long to leave. */
#define LAST_WORDS CLOCK_NS_PER_S

/* What the library takes at once of an answer without an end for a client of HTTP/1.0, which knows
 * no chunks. */
#define EVENTS_BLOCK (4 << 10)

/* For a model to be loaded. */
#define COMMAND_TIMEOUT (600 * CLOCK_NS_PER_S)

/* The library's for a request's head and the pieces of its body. All of it is overwritten with
 * zeros, half of it twice, for every request. */
#define CONNECTION_MEMORY (16 << 10)

struct http {
    struct http_config config;
    struct service *service;
    struct connections *connections;
    struct MHD_Daemon *daemon;
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
    struct server_event event; /* being read by the library */
    bool last;                 /* it is the last one */
    bool waits;                /* for the next one, suspended */
    size_t bytes;              /* in all events so far */
    uint64_t since, spent;     /* sending since that moment, ns before that */
};

/* One request, from its first line to its last answered byte. Belongs to the library's thread that
 * serves the connection; while in WORK, connections may give its job up. */
struct exchange {
    struct http *http;
    struct MHD_Connection *connection;
    struct connection *slot;
    enum exchange_state state;
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
    struct job *job;               /* WORK, unless given up */
    struct model_command *command; /* the same */
    struct fault refusal;          /* status 0: none */
    struct reply reply;
    struct event_stream events; /* ROUTE_INFER_STREAM, ANSWERED */
};

/* ---- suspending ---- */

static bool enter_suspension(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    const bool open = !http->door_closed;
    if (open)
        http->suspended++;
    pthread_mutex_unlock(&http->lock);
    return open;
}

/* Called by whoever settled the job, from any thread. From the library's resume on, the exchange
 * belongs to the library's thread and may be gone. */
static void resume(void *argument)
{
    struct exchange *exchange = argument;
    struct http *http = exchange->http;
    MHD_resume_connection(exchange->connection);
    pthread_mutex_lock(&http->lock);
    if (--http->suspended == 0)
        pthread_cond_broadcast(&http->none_suspended);
    pthread_mutex_unlock(&http->lock);
}

static bool abandon_work(struct exchange *exchange)
{
    const bool abandoned =
        exchange->command != NULL
            ? model_control_abandon(exchange->http->service->control, exchange->command)
            : job_abandon(exchange->job);
    if (abandoned) {
        exchange->command = NULL;
        exchange->job = NULL;
    }
    return abandoned;
}

/* With a client that has left goes its request, computed half or not at all. */
static bool give_up(void *argument, enum give_up_reason reason)
{
    struct exchange *exchange = argument;
    if (!abandon_work(exchange))
        return false;
    exchange->client_left = reason == GIVE_UP_GONE;
    if (reason == GIVE_UP_LATE)
        fault_set(&exchange->refusal, 504, "Request timeout expired");
    else if (reason == GIVE_UP_GONE)
        fault_set(&exchange->refusal, 503,
                  "the request was dropped: the connection's other side was closed");
    else
        fault_set(&exchange->refusal, 503, "the server is shutting down");
    return true;
}

/* ---- answering ---- */

/* Where there was none to say it with. */
static const char no_memory[] = "{\"error\":\"out of memory\"}";

static const char *content_type(const struct reply *reply)
{
    if (reply->content_type != NULL)
        return reply->content_type;
    return reply->json_size != 0 ? "application/octet-stream" : "application/json";
}

static void add_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    const struct reply *reply = &exchange->reply;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type(reply));
    if (reply->json_size != 0) {
        char size[24];
        snprintf(size, sizeof size, "%zu", reply->json_size);
        MHD_add_response_header(response, "Inference-Header-Content-Length", size);
    }
    if (reply->page != NULL) {
        MHD_add_response_header(response, "Content-Security-Policy", "default-src 'self'");
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
    }
    if (reply->coding != CODING_IDENTITY)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING,
                                content_coding_name(reply->coding));
    if (reply->status == 415)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_ENCODING, "gzip, deflate");
    MHD_add_response_header(response, "X-Request-Id", exchange->id);
    if (reply->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    if (reply->challenge != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, reply->challenge);
    if (reply->retry_after)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (atomic_load(&exchange->http->closing) || exchange->facts.length_missing)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* The text stays in the exchange until the library says that the request is over. */
static struct MHD_Response *make_response(const struct reply *reply)
{
    const char *body = reply->page != NULL ? reply->page : reply->body;
    const size_t size = body != NULL ? reply->size : sizeof no_memory - 1;
    /* The library's interface knows no const; memory that is persistent it only reads. */
    const uintptr_t bytes = (uintptr_t)(body != NULL ? body : no_memory);
    return MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_PERSISTENT);
}

static void set_reply_deadline(const struct exchange *exchange)
{
    const struct http *http = exchange->http;
    connections_set(http->connections, exchange->slot, CONNECTION_REPLY,
                    clock_now() + http->config.reply_timeout +
                        exchange->reply.size / http->config.min_rate * CLOCK_NS_PER_S);
}

/* With the status of exchange->reply. */
static enum MHD_Result queue(struct exchange *exchange, struct MHD_Response *response)
{
    const int status = exchange->reply.status;
    status_counts_add(&exchange->http->service->http_responses, status);
    const enum MHD_Result queued =
        MHD_queue_response(exchange->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

/* Sends exchange->reply. */
static enum MHD_Result send_reply(struct exchange *exchange)
{
    exchange->state = ANSWERED;
    struct MHD_Response *response = make_response(&exchange->reply);
    if (response == NULL)
        return MHD_NO;
    add_headers(exchange, response);
    set_reply_deadline(exchange);
    return queue(exchange, response);
}

/* What was refused to a model's request; client_left tells what 503 does not. */
static void count_refusal(const struct exchange *exchange)
{
    const uint64_t accepted = exchange->accepted;
    if (exchange->served != NULL)
        model_stats_failure(exchange->served->lane->stats,
                            exchange->client_left ? FAILURE_CANCELED
                                                  : request_failure_of(exchange->refusal.status),
                            accepted != 0 ? clock_now() - accepted : 0);
}

static enum MHD_Result send_refusal(struct exchange *exchange)
{
    count_refusal(exchange);
    reply_fault(&exchange->reply, &exchange->refusal);
    if (exchange->refusal.status == 405)
        exchange->reply.allow = exchange->route.allow;
    exchange->reply.challenge =
        access_challenge(exchange->refusal.status, exchange->authorization != NULL);
    return send_reply(exchange);
}

/* ---- infer ---- */

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

static uint64_t client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info != NULL ? address_client(info->client_addr) : 0;
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
        .client = client_of(exchange->connection),
    };
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

static void drop_job(struct exchange *exchange)
{
    job_destroy(exchange->job);
    exchange->job = NULL;
}

static enum MHD_Result send_job_reply(struct exchange *exchange)
{
    job_take_reply(exchange->job, &exchange->reply);
    exchange->times = *job_times(exchange->job);
    drop_job(exchange);
    return send_reply(exchange);
}

/* Before anything is handed over: from then on another thread may resume the connection at any
 * moment. It is not served before this thread is back in the library, so the exchange is still ours
 * here. */
static bool suspend(struct exchange *exchange)
{
    if (!enter_suspension(exchange->http))
        return fault_set(&exchange->refusal, 503, "the server is shutting down");
    MHD_suspend_connection(exchange->connection);
    return true;
}

static enum MHD_Result hand_over(struct exchange *exchange)
{
    if (!suspend(exchange)) {
        drop_job(exchange);
        return send_refusal(exchange);
    }
    exchange->state = WORK;
    const uint64_t deadline = job_deadline(exchange->job);
    if (job_submit(exchange->job, resume, exchange, &exchange->refusal)) {
        connections_work(exchange->http->connections, exchange->slot, exchange, deadline);
        return MHD_YES;
    }
    drop_job(exchange);
    resume(exchange);
    return MHD_YES;
}

/* To suspend, hand over, wake up and resume costs more than a small model's whole answer: what is
 * light is computed here. */
static enum MHD_Result start_job(struct exchange *exchange)
{
    if (!prepare_job(exchange))
        return send_refusal(exchange);
    if (!job_is_light(exchange->job))
        return hand_over(exchange);
    job_run(exchange->job);
    return send_job_reply(exchange);
}

/* ---- infer_stream ---- */

/* For all events together it is that of a reply of their size; the time in which there was nothing
 * to send does not count. */
static void set_events_deadline(const struct exchange *exchange)
{
    const struct event_stream *events = &exchange->events;
    const struct http *http = exchange->http;
    const uint64_t allowed =
        http->config.reply_timeout + events->bytes / http->config.min_rate * CLOCK_NS_PER_S;
    const uint64_t left = allowed > events->spent ? allowed - events->spent : 0;
    connections_set(http->connections, exchange->slot, CONNECTION_REPLY, events->since + left);
}

static void add_event(struct exchange *exchange, const struct job_part *part, bool last)
{
    struct event_stream *events = &exchange->events;
    if (part->status == 200)
        server_event_begin(&events->event, part->body, part->size);
    else if (part->body != NULL)
        server_event_begin_error(&events->event, part->body, part->size, part->status);
    else
        server_event_begin_error(&events->event, no_memory, sizeof no_memory - 1, part->status);
    events->last = last;
    events->bytes += part->size;
    set_events_deadline(exchange);
}

/* The job was given up after some of its events. */
static void add_refusal(struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;
    count_refusal(exchange);
    reply_fault(&exchange->reply, &exchange->refusal);
    const struct job_part part = {
        .status = reply->status, .body = reply->body, .size = reply->size};
    add_event(exchange, &part, true);
}

/* The connection was suspended, and may be resumed at any moment. */
static void wait_for_event(struct exchange *exchange)
{
    struct event_stream *events = &exchange->events;
    const uint64_t deadline = job_deadline(exchange->job);
    events->waits = true;
    events->spent += clock_now() - events->since;
    job_wait(exchange->job);
    connections_work(exchange->http->connections, exchange->slot, exchange, deadline);
}

/* false: there is none yet; the connection is suspended. */
static bool next_event(struct exchange *exchange)
{
    struct job_part part;
    const enum job_part_taken taken =
        exchange->job != NULL ? job_take_part(exchange->job, &part) : JOB_NO_PART;
    if (taken != JOB_NO_PART) {
        add_event(exchange, &part, taken == JOB_LAST_PART);
        return true;
    }
    if (exchange->job != NULL && suspend(exchange)) {
        wait_for_event(exchange);
        return false;
    }
    if (exchange->job != NULL)
        drop_job(exchange);
    add_refusal(exchange);
    return true;
}

static void begin_sending(struct exchange *exchange)
{
    exchange->events.waits = false;
    exchange->events.since = clock_now();
    set_events_deadline(exchange); /* after this, connections leaves the exchange alone */
}

/* The library asks for more of the answer, whenever it has sent what it had. */
static ssize_t read_events(void *argument, uint64_t position, char *out, size_t room)
{
    struct exchange *exchange = argument;
    struct event_stream *events = &exchange->events;
    (void)position;
    if (events->waits)
        begin_sending(exchange);
    for (;;) {
        const size_t size = server_event_read(&events->event, out, room);
        if (size != 0)
            return (ssize_t)size;
        if (events->last)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (!next_event(exchange))
            return 0;
    }
}

static enum MHD_Result send_events(struct exchange *exchange)
{
    exchange->state = ANSWERED;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, EVENTS_BLOCK, read_events, exchange, NULL);
    if (response == NULL)
        return MHD_NO;
    exchange->reply = (struct reply){.status = 200, .content_type = "text/event-stream"};
    add_headers(exchange, response);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* nginx would collect events */
    return queue(exchange, response);
}

/* What goes wrong before the first part has a status of its own. */
static enum MHD_Result begin_events(struct exchange *exchange)
{
    struct job_part part;
    const enum job_part_taken taken = job_take_part(exchange->job, &part);
    assert(taken != JOB_NO_PART);
    if (part.status != 200)
        return send_job_reply(exchange);
    begin_sending(exchange);
    add_event(exchange, &part, taken == JOB_LAST_PART);
    return send_events(exchange);
}

/* ---- the models themselves ---- */

static void drop_command(struct exchange *exchange)
{
    model_command_destroy(exchange->command);
    exchange->command = NULL;
}

/* As hand_over; a model may be large and the disk slow. */
static enum MHD_Result start_command(struct exchange *exchange)
{
    struct http *http = exchange->http;
    struct service *service = http->service;
    exchange->command = api_repository_command(service, &exchange->route, exchange->body.text,
                                               exchange->body.size, &exchange->refusal);
    if (exchange->command == NULL)
        return send_refusal(exchange);
    if (!suspend(exchange)) {
        drop_command(exchange);
        return send_refusal(exchange);
    }
    exchange->state = WORK;
    if (model_control_submit(service->control, exchange->command, resume, exchange,
                             &exchange->refusal)) {
        connections_work(http->connections, exchange->slot, exchange,
                         clock_now() + COMMAND_TIMEOUT);
        return MHD_YES;
    }
    drop_command(exchange);
    resume(exchange);
    return MHD_YES;
}

static enum MHD_Result send_command_reply(struct exchange *exchange)
{
    api_repository_answer(exchange->command, &exchange->reply);
    drop_command(exchange);
    return send_reply(exchange);
}

/* The connection was resumed: what it waited for is done, or was given up. */
static enum MHD_Result finish_work(struct exchange *exchange)
{
    set_reply_deadline(exchange); /* after this, connections leaves the exchange alone */
    if (exchange->command != NULL)
        return send_command_reply(exchange);
    if (exchange->job == NULL)
        return send_refusal(exchange);
    if (exchange->route.kind == ROUTE_INFER_STREAM)
        return begin_events(exchange);
    return send_job_reply(exchange);
}

/* ---- one request ---- */

struct header_list {
    size_t count;
    struct http_header headers[HTTP_GUARD_HEADERS_MAX + 1];
};

static enum MHD_Result collect_header(void *argument, enum MHD_ValueKind kind, const char *name,
                                      size_t name_size, const char *value, size_t value_size)
{
    struct header_list *list = argument;
    (void)kind;
    if (list->count > HTTP_GUARD_HEADERS_MAX)
        return MHD_NO;
    list->headers[list->count++] = (struct http_header){name, value, name_size, value_size};
    return MHD_YES;
}

static bool check_head(struct exchange *exchange, const char *method, const char *target,
                       const char *version)
{
    struct header_list list = {.count = 0};
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, collect_header, &list);
    const struct http_head head = {.method = method,
                                   .target = target,
                                   .version = version,
                                   .headers = list.headers,
                                   .header_count = list.count,
                                   .body_optional = exchange->route.body_optional};
    return http_guard_check(&head, exchange->http->config.max_body, &exchange->facts,
                            &exchange->refusal);
}

/* The form of what is to be computed; NULL for what is not. */
static const struct codec *find_codec(enum route_kind kind)
{
    switch (kind) {
    case ROUTE_INFER:
        return &infer_codec;
    case ROUTE_INFER_STREAM:
        return &infer_text_codec;
    case ROUTE_V1_PREDICT:
        return &v1_codec;
    default:
        return NULL;
    }
}

static bool is_for_operators(enum route_kind kind)
{
    return kind == ROUTE_METRICS || kind == ROUTE_MODEL_LOAD || kind == ROUTE_MODEL_UNLOAD ||
           kind == ROUTE_LOGGING || kind == ROUTE_LOGGING_UPDATE;
}

/* Is the door at this address? */
static bool check_role(struct exchange *exchange)
{
    const enum http_role role = exchange->http->config.role;
    const enum route_kind kind = exchange->route.kind;
    const bool elsewhere = role == HTTP_SERVING ? is_for_operators(kind)
                           : role == HTTP_ADMIN ? find_codec(kind) != NULL
                                                : false;
    return !elsewhere || fault_set(&exchange->refusal, 404, "Not Found");
}

static bool check_certificate(struct exchange *exchange)
{
    if (!exchange->http->config.tls || tls_client_ca() == NULL)
        return true;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return (info != NULL && tls_client_is_known(info->tls_session)) ||
           fault_set(&exchange->refusal, 403, "a client certificate is needed");
}

static bool check_access(struct exchange *exchange)
{
    struct access *access = exchange->http->service->access;
    exchange->authorization = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
                                                          MHD_HTTP_HEADER_AUTHORIZATION);
    return access == NULL ||
           access_check(access, exchange->route.kind, exchange->authorization, &exchange->refusal);
}

/* Everything that can be said against the request before its body is there. */
static void check_request(struct exchange *exchange)
{
    if (!check_certificate(exchange) || !check_role(exchange) || !check_access(exchange))
        return;
    exchange->codec = find_codec(exchange->route.kind);
    if (exchange->codec != NULL) {
        exchange->served =
            api_find_model(exchange->http->service, &exchange->route, &exchange->refusal);
        if (exchange->served == NULL)
            return;
    }
    if (exchange->facts.coding_unknown)
        fault_set(&exchange->refusal, 415,
                  "Content-Encoding: only gzip and deflate are understood");
}

static void set_body_deadline(struct exchange *exchange)
{
    const struct http *http = exchange->http;
    connections_set(http->connections, exchange->slot, CONNECTION_BODY,
                    exchange->body_since + http->config.body_timeout +
                        exchange->received / http->config.min_rate * CLOCK_NS_PER_S);
}

/* What is packed may become longer than it was announced, but not than is allowed. */
static void begin_body(struct exchange *exchange)
{
    struct budget *budget = &exchange->http->service->budget;
    const struct http_head_facts *facts = &exchange->facts;
    const bool packed = facts->coding != CODING_IDENTITY;
    body_init(&exchange->body, budget, exchange->http->config.max_body,
              packed ? 0 : (size_t)facts->length);
    if (packed)
        exchange->inflater = inflater_create(facts->coding, budget, &exchange->refusal);
}

static bool receive(struct exchange *exchange, const char *data, size_t size)
{
    struct body *body = &exchange->body;
    return exchange->inflater != NULL
               ? inflater_append(exchange->inflater, data, size, body, &exchange->refusal)
               : body_append(body, data, size, &exchange->refusal);
}

static void drop_inflater(struct exchange *exchange)
{
    inflater_destroy(exchange->inflater);
    exchange->inflater = NULL;
}

/* A reply that is queued now makes the library throw the body away and close the connection. That
 * is right where the head is in doubt or announces too much. Other refusals wait until the body
 * went by, so that the client is not cut off while it sends and the connection stays; unless it
 * asked first whether to send at all. */
static enum MHD_Result head_arrived(struct exchange *exchange, const char *method,
                                    const char *target, const char *version)
{
    request_id_take(
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "X-Request-Id"),
        exchange->id);
    const bool found = route_find(&exchange->route, method, target, &exchange->refusal);
    if (!check_head(exchange, method, target, version))
        return send_refusal(exchange);
    if (found)
        check_request(exchange);
    if (exchange->refusal.status != 0 && exchange->facts.expects_continue)
        return send_refusal(exchange);
    exchange->state = BODY;
    if (!exchange->facts.has_body)
        return MHD_YES;
    if (exchange->refusal.status == 0)
        begin_body(exchange);
    exchange->body_since = clock_now();
    set_body_deadline(exchange);
    return MHD_YES;
}

/* The library takes no reply in the middle of a body. What is refused is thrown away until its end,
 * which for one in chunks must come before twice the length that is allowed. */
static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t *size)
{
    const size_t steps_before = exchange->received / exchange->http->config.min_rate;
    exchange->received += *size;
    if (exchange->refusal.status != 0) {
        if (exchange->received / 2 > exchange->http->config.max_body)
            return MHD_NO;
    } else if (!receive(exchange, data, *size)) {
        drop_inflater(exchange);
        body_fini(&exchange->body);
    }
    *size = 0;
    if (exchange->received / exchange->http->config.min_rate != steps_before)
        set_body_deadline(exchange);
    return MHD_YES;
}

static void note_query(struct exchange *exchange)
{
    struct MHD_Connection *connection = exchange->connection;
    struct route *route = &exchange->route;
    route->limit = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "limit");
    route->after = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "after");
}

/* Browsers name text/html; clients that ask whether the server is alive do not. */
static void note_accept(struct exchange *exchange)
{
    const char *accept =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    if (accept != NULL && strstr(accept, "text/html") != NULL)
        exchange->route.kind = ROUTE_CONSOLE;
}

static enum MHD_Result body_arrived(struct exchange *exchange)
{
    if (exchange->inflater != NULL)
        inflater_finish(exchange->inflater, &exchange->refusal);
    drop_inflater(exchange);
    if (exchange->refusal.status != 0)
        return send_refusal(exchange);
    if (exchange->codec != NULL)
        return start_job(exchange);
    if (exchange->route.kind == ROUTE_MODEL_LOAD || exchange->route.kind == ROUTE_MODEL_UNLOAD)
        return start_command(exchange);
    if (exchange->route.kind == ROUTE_SEQUENCE_LIST)
        note_query(exchange);
    if (exchange->route.kind == ROUTE_V1_LIVE)
        note_accept(exchange);
    api_answer(exchange->http->service, &exchange->route, exchange->body.text, exchange->body.size,
               &exchange->reply);
    return send_reply(exchange);
}

static enum MHD_Result go_on(struct exchange *exchange, const char *target, const char *method,
                             const char *version, const char *data, size_t *size)
{
    switch (exchange->state) {
    case HEAD:
        return head_arrived(exchange, method, target, version);
    case BODY:
        return *size != 0 ? take_body(exchange, data, size) : body_arrived(exchange);
    case WORK:
        return finish_work(exchange);
    case ANSWERED:
        break;
    }
    return MHD_NO;
}

static uint64_t us(uint64_t ns)
{
    return ns / CLOCK_NS_PER_US;
}

/* Of a request that was computed, with the parts of its time. */
static void log_exchange(const struct exchange *exchange, const char *event, const char *method,
                         const char *target, uint64_t ns)
{
    const struct request_times *times = &exchange->times;
    const struct log_field fields[] = {
        {"id", exchange->id, 0},
        {"method", method, 0},
        {"path", target, 0},
        {"status", NULL, (uint64_t)exchange->reply.status},
        {"received", NULL, exchange->received},
        {"sent", NULL, exchange->reply.size},
        {"us", NULL, us(ns)},
        {"queue_us", NULL, us(times->queue)},
        {"input_us", NULL, us(times->compute_input)},
        {"infer_us", NULL, us(times->compute_infer)},
        {"output_us", NULL, us(times->compute_output)},
    };
    log_event(event, fields, sizeof fields / sizeof *fields - (times->request != 0 ? 0 : 4));
}

static void log_answered(const struct exchange *exchange, const char *method, const char *target)
{
    const uint64_t slow = exchange->http->config.slow_request;
    if (!log_requests() && slow == 0)
        return;
    const uint64_t ns = clock_now() - exchange->begun;
    if (slow != 0 && ns >= slow)
        log_exchange(exchange, "slow request", method, target, ns);
    else if (log_requests())
        log_exchange(exchange, "request", method, target, ns);
}

static enum MHD_Result handle(void *argument, struct MHD_Connection *connection, const char *target,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **context)
{
    struct exchange *exchange = *context;
    (void)argument;
    (void)connection;
    if (exchange == NULL)
        return MHD_NO; /* there was no memory for it */
    const enum MHD_Result result = go_on(exchange, target, method, version, data, size);
    if (exchange->state == ANSWERED)
        log_answered(exchange, method, target);
    return result;
}

/* ---- what the library calls beside that ---- */

/* A request's first line has arrived. */
static void *request_begun(void *argument, const char *uri, struct MHD_Connection *connection)
{
    struct http *http = argument;
    (void)uri;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info == NULL || info->socket_context == NULL)
        return NULL;
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->http = http;
    exchange->connection = connection;
    exchange->slot = info->socket_context;
    exchange->begun = clock_now();
    connections_set(http->connections, exchange->slot, CONNECTION_HEADER,
                    clock_now() + http->config.header_timeout);
    return exchange;
}

/* The request is over, answered or not. Never while it is suspended; but a job may have been done
 * and resumed for a client that was found to have left before the answer was asked for. */
static void request_ended(void *argument, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *context;
    (void)argument;
    (void)connection;
    (void)code;
    if (exchange == NULL)
        return;
    connections_set(exchange->http->connections, exchange->slot, CONNECTION_IDLE,
                    clock_now() + exchange->http->config.idle_timeout);
    if (exchange->job != NULL)
        drop_job(exchange);
    if (exchange->command != NULL)
        drop_command(exchange);
    if (exchange->served != NULL)
        served_model_release(exchange->served);
    drop_inflater(exchange);
    if (exchange->body.budget != NULL)
        body_fini(&exchange->body);
    reply_fini(&exchange->reply);
    free(exchange);
    *context = NULL;
}

/* A new connection gets as long for its first line as for all headers. */
static void connection_changed(void *argument, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct http *http = argument;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = connections_add(http->connections, info->connect_fd,
                                   clock_now() + http->config.header_timeout);
        if (*context == NULL)
            shutdown(info->connect_fd, SHUT_RDWR);
    } else if (*context != NULL) {
        connections_remove(http->connections, *context);
        *context = NULL;
    }
}

/* Paths are matched as they came: an escape that were resolved could end or climb them. */
static size_t leave_escaped(void *argument, struct MHD_Connection *connection, char *text)
{
    (void)argument;
    (void)connection;
    return strlen(text);
}

/* What the library has to say of every client that leaves early or sends nonsense. Logged, it would
 * hand the log to whoever can connect. */
static bool is_client_s_doing(const char *text)
{
    static const char *const beginnings[] = {
        "Connection socket is closed",   "Connection was closed by remote side",
        "Socket has been disconnected",  "Error processing request",
        "Failed to parse `Content-Len",  "Too large value of 'Content-Len",
        "Failed to send the response",   "Failed to send data",
        "Application reported internal", "Not enough memory in pool",
        "Error: received handshake",
    };
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

__attribute__((format(printf, 2, 0))) static void log_library(void *argument, const char *format,
                                                              va_list arguments)
{
    char text[LOG_LINE_MAX];
    (void)argument;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    if (!is_client_s_doing(text))
        log_limited("lstmd: http: %s", text);
}

static void library_panics(void *argument, const char *file, unsigned line, const char *reason)
{
    (void)argument;
    log_line("lstmd: http: fatal: %s (%s:%u)", reason != NULL ? reason : "no reason given", file,
             line);
    abort();
}

/* ---- start and stop ---- */

/* A pool of one is none to the library. */
static size_t add_threads(const struct http *http, struct MHD_OptionItem *options)
{
    if (http->config.threads < 2)
        return 0;
    options[0] =
        (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)http->config.threads, NULL};
    return 1;
}

static size_t add_tls(const struct http *http, struct MHD_OptionItem *options)
{
    static char versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    size_t count = 0;
    if (!http->config.tls)
        return 0;
    options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, versions};
    options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, tls_callback()};
    if (tls_client_ca() != NULL)
        options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, tls_client_ca()};
    return count;
}

static bool start_daemon(struct http *http, struct fault *fault)
{
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                           MHD_USE_ERROR_LOG | (http->config.tls ? MHD_USE_TLS : 0);
    struct MHD_OptionItem more[8];
    /* The logger stands first, to hear of the others; the library's own timeout is off. */
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_library, NULL},
        {MHD_OPTION_LISTEN_SOCKET, http->listener, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)http->config.connection_limit, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connection_changed, http},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)request_begun, http},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_ended, http},
        {MHD_OPTION_ARRAY, 0, more},
        {MHD_OPTION_END, 0, NULL},
    };
    size_t count = add_threads(http, more);
    count += add_tls(http, more + count);
    more[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    MHD_set_panic_func(library_panics, NULL);
    http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, http, MHD_OPTION_ARRAY, options,
                                    MHD_OPTION_END);
    return http->daemon != NULL || fault_set(fault, 503, "could not start the HTTP threads");
}

static bool start(struct http *http, struct fault *fault)
{
    const struct connections_config config = {
        .limit = http->config.connection_limit,
        .ignore_half_close = http->config.ignore_half_close,
        .silent = http->config.tls,
        .give_up = give_up,
        .resume = resume,
    };
    if (!listener_open(&http->config.address, &http->listener, fault))
        return false;
    if (connections_start(&http->connections, &config, fault)) {
        if (start_daemon(http, fault))
            return true;
        connections_stop(http->connections);
    }
    close(http->listener);
    return false;
}

static void destroy(struct http *http)
{
    pthread_cond_destroy(&http->none_suspended);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

bool http_start(struct http **started, const struct http_config *config, struct service *service,
                struct fault *fault)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return fault_set(fault, 503, "out of memory");
    http->config = *config;
    http->service = service;
    atomic_init(&http->closing, false);
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->none_suspended, NULL);
    if (start(http, fault)) {
        *started = http;
        return true;
    }
    destroy(http);
    return false;
}

const struct address *http_address(const struct http *http)
{
    return &http->config.address;
}

static void close_door(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    http->door_closed = true;
    while (http->suspended != 0)
        pthread_cond_wait(&http->none_suspended, &http->lock);
    pthread_mutex_unlock(&http->lock);
}

void http_stop(struct http *http, uint64_t deadline)
{
    /* No more connections before replies close theirs: clients that come back are then refused and
     * know that nothing of their request was read. */
    MHD_quiesce_daemon(http->daemon);
    shutdown(http->listener, SHUT_RDWR);
    atomic_store(&http->closing, true);
    connections_close_idle(http->connections, clock_now() + IDLE_GRACE);
    if (!connections_wait_empty(http->connections, deadline)) {
        connections_give_up(http->connections);
        connections_wait_empty(http->connections, clock_now() + LAST_WORDS);
        connections_cut(http->connections);
    }
    close_door(http);
    MHD_stop_daemon(http->daemon);
    connections_stop(http->connections);
    close(http->listener);
    destroy(http);
}
