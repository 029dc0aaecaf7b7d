/* An answer in parts, sent as server-sent events while it is computed. */
#include <assert.h>
#include <string.h>

#include "server/clock.h"
#include "server/http_exchange.h"

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
        server_event_begin_error(&events->event, http_no_memory, strlen(http_no_memory),
                                 part->status);
    events->last = last;
    events->status = part->status;
    events->bytes += part->size;
    set_events_deadline(exchange);
    if (last && exchange->job != NULL)
        exchange->times = *job_times(exchange->job);
}

/* The job was given up after some of its events. */
static void add_refusal(struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;
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
    if (exchange->job != NULL && http_suspend(exchange)) {
        wait_for_event(exchange);
        return false;
    }
    if (exchange->job != NULL)
        http_infer_drop(exchange); /* which counts what had not ended */
    add_refusal(exchange);
    return true;
}

static void begin_sending(struct exchange *exchange)
{
    exchange->events.waits = false;
    exchange->events.since = clock_now();
    set_events_deadline(exchange); /* after this, connections leaves the exchange alone */
}

size_t http_events_read(struct exchange *exchange, char *out, size_t room)
{
    struct event_stream *events = &exchange->events;
    if (events->waits)
        begin_sending(exchange);
    for (;;) {
        const size_t size = server_event_read(&events->event, out, room);
        events->sent += size;
        if (size != 0)
            return size;
        if (events->last || !next_event(exchange))
            return 0;
    }
}

/* What goes wrong before the first part has a status of its own. */
bool http_events_begin(struct exchange *exchange)
{
    struct job_part part;
    const enum job_part_taken taken = job_take_part(exchange->job, &part);
    assert(taken != JOB_NO_PART);
    if (part.status != 200)
        return http_infer_send(exchange);
    begin_sending(exchange);
    add_event(exchange, &part, taken == JOB_LAST_PART);
    return http_send_events(exchange);
}
