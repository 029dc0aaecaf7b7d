/* A request's body, piece by piece. */
#include "server/clock.h"
#include "server/http_exchange.h"
#include "server/http_library.h"
#include "server/http_wire.h"

/* The library reads some 9 KB of a connection at a time, looks at the others and copies. What is
 * much longer is read past it, straight to its place: a body of 1 MB by 17 calls instead of 111. No
 * more than PAST_MOST at a time, so that others wait no longer than for a small tick. */
#define PAST_FROM ((size_t)32 << 10)
#define PAST_MOST ((size_t)256 << 10)

void http_body_set_deadline(const struct exchange *exchange)
{
    const struct http *http = exchange->http;
    connections_set(http->connections, exchange->slot, CONNECTION_BODY,
                    exchange->body_since + http->config.body_timeout +
                        exchange->received / http->config.min_rate * CLOCK_NS_PER_S);
}

/* What is packed may become longer than it was announced, but not than is allowed. */
void http_body_begin(struct exchange *exchange)
{
    struct budget *budget = &exchange->http->service->budget;
    const struct http_head_facts *facts = &exchange->facts;
    const bool packed = facts->coding != CODING_IDENTITY;
    body_init(&exchange->body, budget, exchange->http->config.max_body,
              packed ? 0 : (size_t)facts->length);
    if (packed)
        exchange->inflater = inflater_create(facts->coding, budget, &exchange->refusal);
}

/* Where the length is known, and is that of what the body will hold. */
static bool read_past(struct exchange *exchange, int fd)
{
    struct body *body = &exchange->body;
    size_t room;
    if (exchange->inflater != NULL || exchange->facts.length < body->size + PAST_FROM)
        return true;
    char *place = body_room(body, &room, &exchange->refusal);
    if (place != NULL)
        body_extend(body, http_wire_read_past(fd, place, room < PAST_MOST ? room : PAST_MOST));
    return place != NULL;
}

static bool receive(struct exchange *exchange, const char *data, size_t size)
{
    struct body *body = &exchange->body;
    return exchange->inflater != NULL
               ? inflater_append(exchange->inflater, data, size, body, &exchange->refusal)
               : body_append(body, data, size, &exchange->refusal);
}

void http_body_end(struct exchange *exchange)
{
    inflater_destroy(exchange->inflater);
    exchange->inflater = NULL;
}

/* What is refused is thrown away until its end, and the connection stays. But one in chunks, which
 * may have none, is cut at twice the length that is allowed. */
bool http_body_take(struct exchange *exchange, const char *data, size_t *size)
{
    const size_t steps_before = exchange->received / exchange->http->config.min_rate;
    const int fd = http_library_descriptor(exchange->connection);
    const size_t past = http_wire_take_past(fd, *size); /* these are there already */
    exchange->received += *size;
    if (exchange->refusal.status != 0) {
        if (exchange->received / 2 > exchange->http->config.max_body)
            return http_refuse_now(exchange);
    } else if (!receive(exchange, data + past, *size - past) || !read_past(exchange, fd)) {
        http_body_end(exchange);
        body_fini(&exchange->body);
    }
    *size = 0;
    if (exchange->received / exchange->http->config.min_rate != steps_before)
        http_body_set_deadline(exchange);
    return true;
}
