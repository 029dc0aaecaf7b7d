#include "server/http.h"

#include <assert.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/acceptor.h"
#include "server/api.h"
#include "server/clock.h"
#include "server/http_epoll.h"
#include "server/http_exchange.h"
#include "server/http_library.h"
#include "server/http_library_log.h"
#include "server/http_refusals.h"
#include "server/http_wire.h"
#include "server/lingering.h"
#include "server/listener.h"
#include "server/preemption.h"
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

/* The library's for a request's head and the pieces of its body, and for the head of the answer: so
 * it is more than a request's head may take, else there would be none. All of it is overwritten
 * with zeros, half of it twice, for every request. */
#define CONNECTION_MEMORY (HTTP_GUARD_HEAD_MAX + (2 << 10))

/* Seconds, an eternity that as milliseconds fits 32 bits (see http_suspend). */
#define SUSPENDED_TIMEOUT 1000000U

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

/* Called by whoever settled the job, from any thread. From the library's resume on, the
 * exchange belongs to the library's thread and may be gone. */
void http_resume(void *argument)
{
    struct exchange *exchange = argument;
    struct http *http = exchange->http;
    MHD_resume_connection(exchange->connection);
    pthread_mutex_lock(&http->lock);
    if (--http->suspended == 0)
        pthread_cond_broadcast(&http->none_suspended);
    pthread_mutex_unlock(&http->lock);
}

/* Seconds; 0: the library's own, which is none. */
static void set_library_timeout(const struct exchange *exchange, unsigned seconds)
{
    MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

/* Before anything is handed over: from then on another thread may resume the connection at any
 * moment. It is not served before this thread is back in the library, so the exchange is still ours
 * here.
 *
 * What it resumes the library first reads from, and where it finds that the client has closed its
 * sending side it drops the connection, whether or not there is an answer. But connections with a
 * timeout of their own it looks at before it reads, so it calls us first. */
bool http_suspend(struct exchange *exchange)
{
    if (!enter_suspension(exchange->http))
        return fault_set(&exchange->refusal, 503, "the server is shutting down");
    MHD_suspend_connection(exchange->connection);
    exchange->library_timeout = exchange->state != ANSWERED;
    if (exchange->library_timeout)
        set_library_timeout(exchange, SUSPENDED_TIMEOUT);
    return true;
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

/* What was refused to a model's request; client_left tells what 503 does not. */
void http_count_refusal(const struct exchange *exchange)
{
    const uint64_t accepted = exchange->accepted;
    if (exchange->served != NULL)
        model_stats_failure(exchange->served->lane->stats,
                            exchange->client_left ? FAILURE_CANCELED
                                                  : request_failure_of(exchange->refusal.status),
                            accepted != 0 ? clock_now() - accepted : 0);
}

/* With a client that has left goes its request, computed half or not at all. Counted here: of one
 * that has left the library may have nothing more to tell but that the request is over. */
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
    http_count_refusal(exchange);
    return true;
}

/* ---- answering ---- */

/* Where there was none to say it with. */
const char http_no_memory[] = "{\"error\":\"out of memory\"}";

static const char *content_type(const struct reply *reply)
{
    if (reply->content_type != NULL)
        return reply->content_type;
    return reply->json_size != 0 ? "application/octet-stream" : "application/json";
}

/* The headers of an answer: all of them or, without memory, none of it. */
struct headers {
    struct MHD_Response *response;
    bool complete;
};

static void add_header(struct headers *headers, const char *name, const char *value)
{
    headers->complete =
        headers->complete && MHD_add_response_header(headers->response, name, value) == MHD_YES;
}

static bool add_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    const struct reply *reply = &exchange->reply;
    struct headers headers = {response, true};
    add_header(&headers, MHD_HTTP_HEADER_CONTENT_TYPE, content_type(reply));
    if (reply->json_size != 0) {
        char size[24];
        snprintf(size, sizeof size, "%zu", reply->json_size);
        add_header(&headers, "Inference-Header-Content-Length", size);
    }
    if (reply->page != NULL) {
        add_header(&headers, "Content-Security-Policy", "default-src 'self'");
        add_header(&headers, "X-Content-Type-Options", "nosniff");
        add_header(&headers, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    }
    if (exchange->route.kind == ROUTE_INFER_STREAM && reply->status == 200) {
        add_header(&headers, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
        add_header(&headers, "X-Accel-Buffering", "no"); /* nginx would collect events */
    }
    if (exchange->route.kind == ROUTE_V1_LIVE || exchange->route.kind == ROUTE_CONSOLE)
        add_header(&headers, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
    if (reply->coding != CODING_IDENTITY)
        add_header(&headers, MHD_HTTP_HEADER_CONTENT_ENCODING, content_coding_name(reply->coding));
    if (reply->status == 415)
        add_header(&headers, MHD_HTTP_HEADER_ACCEPT_ENCODING, "gzip, deflate");
    add_header(&headers, "X-Request-Id", exchange->id);
    if (reply->allow != NULL)
        add_header(&headers, MHD_HTTP_HEADER_ALLOW, reply->allow);
    if (reply->challenge != NULL)
        add_header(&headers, MHD_HTTP_HEADER_WWW_AUTHENTICATE, reply->challenge);
    if (reply->retry_after)
        add_header(&headers, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (atomic_load(&exchange->http->closing) || exchange->facts.length_missing)
        add_header(&headers, MHD_HTTP_HEADER_CONNECTION, "close");
    return headers.complete;
}

/* The text stays in the exchange until the library says that the request is over. */
static struct MHD_Response *make_response(const struct reply *reply)
{
    const char *body = reply->page != NULL ? reply->page : reply->body;
    const size_t size = body != NULL ? reply->size : strlen(http_no_memory);
    /* The library's interface knows no const; memory that is persistent it only reads. */
    const uintptr_t bytes = (uintptr_t)(body != NULL ? body : http_no_memory);
    return MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_PERSISTENT);
}

static void set_reply_deadline(const struct exchange *exchange)
{
    const struct http *http = exchange->http;
    connections_set(http->connections, exchange->slot, CONNECTION_REPLY,
                    clock_now() + http->config.reply_timeout +
                        exchange->reply.size / http->config.min_rate * CLOCK_NS_PER_S);
}

/* With the status of exchange->reply. The response is freed in any case. */
static bool queue(struct exchange *exchange, struct MHD_Response *response, bool complete)
{
    const int status = exchange->reply.status;
    status_counts_add(&exchange->http->service->http_responses, status);
    const bool queued =
        complete && http_refusals_queue(exchange->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

/* Sends exchange->reply. */
bool http_send_reply(struct exchange *exchange)
{
    exchange->state = ANSWERED;
    struct MHD_Response *response = make_response(&exchange->reply);
    if (response == NULL)
        return false;
    const bool complete = add_headers(exchange, response);
    set_reply_deadline(exchange);
    return queue(exchange, response, complete);
}

/* It is counted already. */
static bool send_refusal(struct exchange *exchange)
{
    reply_fault(&exchange->reply, &exchange->refusal);
    if (exchange->refusal.status == 405)
        exchange->reply.allow = exchange->route.allow;
    exchange->reply.challenge =
        access_challenge(exchange->refusal.status, exchange->authorization != NULL);
    return http_send_reply(exchange);
}

bool http_send_refusal(struct exchange *exchange)
{
    http_count_refusal(exchange);
    return send_refusal(exchange);
}

bool http_refuse_now(struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;
    reply_fault(&exchange->reply, &exchange->refusal);
    http_count_refusal(exchange);
    exchange->refused_at_head = true;
    exchange->state = ANSWERED;
    if (reply->body != NULL)
        http_refusals_send(exchange->connection, reply->status, reply->body, reply->size,
                           !exchange->is_head);
    else
        http_refusals_send(exchange->connection, reply->status, http_no_memory,
                           strlen(http_no_memory), !exchange->is_head);
    return false;
}

/* The library asks for more of the answer, whenever it has sent what it had. */
static ssize_t read_events(void *argument, uint64_t position, char *out, size_t room)
{
    struct exchange *exchange = argument;
    (void)position;
    const size_t size = http_events_read(exchange, out, room);
    return size == 0 && exchange->events.last ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)size;
}

bool http_send_events(struct exchange *exchange)
{
    exchange->state = ANSWERED;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, EVENTS_BLOCK, read_events, exchange, NULL);
    if (response == NULL)
        return false;
    exchange->reply = (struct reply){.status = 200, .content_type = "text/event-stream"};
    exchange->events.begun = true;
    return queue(exchange, response, add_headers(exchange, response));
}

static const struct sockaddr *client_address(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

uint64_t http_client(const struct exchange *exchange)
{
    return address_client(client_address(exchange->connection));
}

/* ---- one request ---- */

/* The connection was resumed, or was held and its turn has come: what it waited for is done, was
 * given up, or is done now. */
static bool finish_work(struct exchange *exchange)
{
    set_reply_deadline(exchange); /* after this, connections leaves the exchange alone */
    if (exchange->library_timeout)
        set_library_timeout(exchange, 0);
    http_light_finish(exchange);
    if (exchange->command != NULL)
        return http_command_send(exchange);
    if (exchange->job == NULL)
        return send_refusal(exchange);
    if (exchange->route.kind == ROUTE_INFER_STREAM)
        return http_events_begin(exchange);
    return http_infer_send(exchange);
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
    if (!exchange->http->config.tls || tls_client_ca() == NULL ||
        connection_is_known(exchange->slot))
        return true;
    if (!tls_client_is_known(http_library_session(exchange->connection)))
        return fault_set(&exchange->refusal, 403, "a client certificate is needed");
    connection_set_known(exchange->slot); /* checking its chain takes longer than a small request */
    return true;
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
    else if (exchange->served != NULL)
        http_infer_announce(exchange);
}

/* A reply that is queued now makes the library throw the body away and close the connection. That
 * is right where the head is in doubt or announces too much. Other refusals wait until the body
 * went by, so that the client is not cut off while it sends and the connection stays; unless it
 * asked first whether to send at all. */
static bool refuse_at_head(struct exchange *exchange)
{
    if (exchange->crowded)
        return http_refuse_now(exchange);
    exchange->refused_at_head = true;
    return http_send_refusal(exchange);
}

static bool head_arrived(struct exchange *exchange, const char *method, const char *target,
                         const char *version)
{
    exchange->method = method;
    exchange->is_head = strcmp(method, "HEAD") == 0;
    request_id_take(
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "X-Request-Id"),
        exchange->id);
    const bool found = route_find(&exchange->route, method, target, &exchange->refusal);
    if (!http_head_check(exchange, method, target, version))
        return refuse_at_head(exchange);
    if (found)
        check_request(exchange);
    if (exchange->refusal.status != 0 && exchange->facts.expects_continue)
        return refuse_at_head(exchange);
    exchange->state = BODY;
    if (!exchange->facts.has_body)
        return true;
    if (exchange->refusal.status == 0)
        http_body_begin(exchange);
    exchange->body_since = clock_now();
    http_body_set_deadline(exchange);
    return true;
}

/* Browsers name text/html; clients that ask whether the server is alive do not. */
static void note_accept(struct exchange *exchange)
{
    const char *accept =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    if (accept != NULL && strstr(accept, "text/html") != NULL)
        exchange->route.kind = ROUTE_CONSOLE;
}

static bool body_arrived(struct exchange *exchange)
{
    if (exchange->inflater != NULL)
        inflater_finish(exchange->inflater, &exchange->refusal);
    http_body_end(exchange);
    if (exchange->refusal.status != 0)
        return http_send_refusal(exchange);
    if (exchange->codec != NULL)
        return http_infer_start(exchange);
    if (exchange->route.kind == ROUTE_MODEL_LOAD || exchange->route.kind == ROUTE_MODEL_UNLOAD)
        return http_command_start(exchange);
    if (exchange->route.kind == ROUTE_SEQUENCE_LIST)
        http_head_note_query(exchange);
    if (exchange->route.kind == ROUTE_V1_LIVE)
        note_accept(exchange);
    api_answer(exchange->http->service, &exchange->route, exchange->body.text, exchange->body.size,
               &exchange->reply);
    return http_send_reply(exchange);
}

static bool go_on(struct exchange *exchange, const char *target, const char *method,
                  const char *version, const char *data, size_t *size)
{
    switch (exchange->state) {
    case HEAD:
        return head_arrived(exchange, method, target, version);
    case BODY:
        return *size != 0 ? http_body_take(exchange, data, size) : body_arrived(exchange);
    case WORK:
        return finish_work(exchange);
    case ANSWERED:
        break;
    }
    return false;
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
    const bool good = go_on(exchange, target, method, version, data, size);
    if (exchange->state == ANSWERED && !exchange->events.begun)
        http_log_answered(exchange);
    return good ? MHD_YES : MHD_NO;
}

/* ---- what the library calls beside that ---- */

/* A request's first line has arrived. */
static void *request_begun(void *argument, const char *uri, struct MHD_Connection *connection)
{
    struct http_thread *thread = argument;
    struct http *http = thread->http;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info == NULL || info->socket_context == NULL)
        return NULL;
    const int fd = http_library_descriptor(connection);
    assert(http_wire_has_read(fd) && http_epoll_is_used());
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    if (!http_head_begin(exchange, uri)) {
        free(exchange);
        return NULL;
    }
    exchange->http = http;
    exchange->thread = thread;
    exchange->connection = connection;
    exchange->slot = info->socket_context;
    exchange->target = uri; /* the library ends it before its query */
    exchange->is_head = http_wire_is_head(fd);
    exchange->begun = clock_now();
    preemption_look(exchange->begun);
    connections_begin(http->connections, exchange->slot, exchange->is_head,
                      exchange->begun + http->config.header_timeout);
    return exchange;
}

/* It may have been told so already, by connections or by what refuses for the library. Where the
 * client closed its side in the middle of it, it is told now. */
static void end_incomplete(const struct exchange *exchange, bool aborted)
{
    struct MHD_Connection *connection = exchange->connection;
    int told = connections_told(exchange->http->connections, exchange->slot);
    if (told == 0)
        told = http_wire_swap_refusal(http_library_descriptor(connection), 0);
    if (told == 0 && aborted) {
        told = 400;
        http_refusals_send(connection, told, CONNECTIONS_CUT_SHORT,
                           sizeof CONNECTIONS_CUT_SHORT - 1, !exchange->is_head);
    }
    if (told != 0)
        http_log_refused(exchange, client_address(connection), told);
}

/* The request is over, answered or not; aborted where the client closed its side in the middle of
 * it. Never while it is suspended; but a job may have been done and resumed for a client that was
 * found to have left before the answer was asked for. */
static void request_ended(void *argument, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *context;
    (void)argument;
    if (exchange == NULL)
        return;
    if (exchange->state == HEAD || exchange->state == BODY)
        end_incomplete(exchange, code == MHD_REQUEST_TERMINATED_CLIENT_ABORT);
    else if (exchange->events.begun)
        http_log_answered(exchange);
    const bool leaving = exchange->refused_at_head || exchange->state == HEAD;
    const uint64_t now = clock_now();
    http_wire_answered(connection);
    connection_set_answered(exchange->slot, now);
    connections_set(exchange->http->connections, exchange->slot,
                    leaving ? CONNECTION_LEAVING : CONNECTION_IDLE,
                    now + exchange->http->config.idle_timeout);
    http_light_finish(exchange);
    if (exchange->job != NULL)
        http_infer_drop(exchange);
    if (exchange->command != NULL)
        http_command_drop(exchange);
    if (exchange->served != NULL)
        served_model_release(exchange->served);
    http_body_end(exchange);
    if (exchange->body.budget != NULL)
        body_fini(&exchange->body);
    reply_fini(&exchange->reply);
    free(exchange->query);
    free(exchange);
    *context = NULL;
}

static bool has_unread(int fd)
{
    int bytes;
    return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/* The library may itself have refused what it could not read. */
static void connection_closed(struct http *http, struct connection *slot, int fd)
{
    const bool faulty = http_wire_close(fd);
    const bool leaving = slot != NULL && connections_remove(http->connections, slot);
    if (leaving || faulty || has_unread(fd))
        lingering_take(http->lingering, fd);
}

/* A new connection gets as long for its first line as for all headers. */
static void connection_changed(void *argument, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code)
{
    const struct http_thread *thread = argument;
    struct http *http = thread->http;
    const size_t number = (size_t)(thread - http->threads);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        acceptor_started(http->acceptor, number);
        if (http_wire_open(info->connect_fd, http->config.tls))
            *context = connections_add(http->connections, info->connect_fd,
                                       clock_now() + http->config.header_timeout);
        if (*context == NULL)
            shutdown(info->connect_fd, SHUT_RDWR);
        return;
    }
    const int refused = http_wire_swap_refusal(info->connect_fd, 0);
    if (refused != 0) /* before there was an exchange for it */
        http_log_refused(NULL, client_address(connection), refused);
    connection_closed(http, *context, info->connect_fd);
    *context = NULL;
    acceptor_closed(http->acceptor, number);
}

/* Paths are matched as they came: an escape that were resolved could end or climb them. */
static size_t leave_escaped(void *argument, struct MHD_Connection *connection, char *text)
{
    (void)argument;
    (void)connection;
    return strlen(text);
}

/* ---- start and stop ---- */

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

/* A daemon of the library's for each thread: of a pool it cannot be said which of them a connection
 * goes to. */
static bool start_thread(struct http_thread *thread, struct fault *fault)
{
    struct http *http = thread->http;
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                           MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                           (http->config.tls ? MHD_USE_TLS : 0);
    struct MHD_OptionItem more[8];
    /* The logger stands first, to hear of the others; the library's own timeout is off. */
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)http_library_log, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)http->config.connection_limit, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connection_changed, thread},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)request_begun, thread},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_ended, http},
        {MHD_OPTION_ARRAY, 0, more},
        {MHD_OPTION_END, 0, NULL},
    };
    const size_t count = add_tls(http, more);
    more[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    thread->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, http, MHD_OPTION_ARRAY, options,
                                      MHD_OPTION_END);
    return thread->daemon != NULL || fault_set(fault, 503, "could not start the HTTP threads");
}

static void stop_threads(struct http *http)
{
    while (http->started > 0) {
        struct http_thread *thread = &http->threads[--http->started];
        MHD_stop_daemon(thread->daemon);
        tick_batch_fini(&thread->light.batch);
    }
    free(http->threads);
}

static bool start_threads(struct http *http, struct fault *fault)
{
    MHD_set_panic_func(http_library_log_panic, NULL);
    http->threads = calloc(http->config.threads, sizeof *http->threads);
    if (http->threads == NULL)
        return fault_set(fault, 503, "out of memory");
    for (; http->started < http->config.threads; http->started++) {
        struct http_thread *thread = &http->threads[http->started];
        thread->http = http;
        tick_batch_init(&thread->light.batch, scheduler_tick_rows(http->service->scheduler));
        if (!start_thread(thread, fault)) {
            stop_threads(http);
            return false;
        }
    }
    return true;
}

static bool give_connection(void *context, size_t thread, int fd, const struct sockaddr *peer,
                            socklen_t size)
{
    const struct http *http = context;
    return MHD_add_connection(http->threads[thread].daemon, fd, peer, size) == MHD_YES;
}

static bool start_acceptor(struct http *http, struct fault *fault)
{
    const struct acceptor_config config = {
        .listener = http->listener,
        .threads = http->config.threads,
        .limit = http->config.connection_limit,
        .context = http,
        .give = give_connection,
    };
    return acceptor_start(&http->acceptor, &config, fault);
}

static bool start(struct http *http, struct fault *fault)
{
    const struct connections_config config = {
        .limit = http->config.connection_limit,
        .ignore_half_close = http->config.ignore_half_close,
        .silent = http->config.tls,
        .responses = &http->service->http_responses,
        .give_up = give_up,
        .resume = http_resume,
    };
    const char *option = http->config.role == HTTP_ADMIN ? "--admin" : "--http";
    if (!listener_open(&http->config.address, option, &http->listener, fault))
        return false;
    if (lingering_start(&http->lingering, fault)) {
        if (connections_start(&http->connections, &config, fault)) {
            if (start_threads(http, fault)) {
                if (start_acceptor(http, fault))
                    return true;
                stop_threads(http);
            }
            connections_stop(http->connections);
        }
        lingering_stop(http->lingering);
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

bool http_init(struct service *service, struct fault *fault)
{
    return http_refusals_init(&service->http_responses, fault) && http_head_init(fault) &&
           http_wire_init(fault);
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
    acceptor_close(http->acceptor);
    atomic_store(&http->closing, true);
    connections_close_idle(http->connections, clock_now() + IDLE_GRACE);
    if (!connections_wait_empty(http->connections, deadline)) {
        connections_give_up(http->connections);
        connections_wait_empty(http->connections, clock_now() + LAST_WORDS);
        connections_cut(http->connections);
    }
    close_door(http);
    stop_threads(http);
    acceptor_free(http->acceptor);
    connections_stop(http->connections);
    lingering_stop(http->lingering);
    close(http->listener);
    destroy(http);
}
