/* One server-sent event (WHATWG HTML, "Server-sent events"), which holds a line of JSON, read out
 * piece by piece:
 *
 *     data: {...}
 *
 * or, where that says what went wrong, with the status, as nothing else can any more:
 *
 *     event: error
 *     data: {"error":"...","status":504}
 *
 * and an empty line behind it. */
#ifndef PROTO_SERVER_EVENT_H
#define PROTO_SERVER_EVENT_H

#include <stdbool.h>
#include <stddef.h>

struct server_event {
    /* private */
    const char *json;
    size_t json_size;
    char before[32], after[32];
    size_t before_size, after_size;
    size_t read;
};

/* json[size]: a JSON value without a line break; borrowed until the event has been read. */
void server_event_begin(struct server_event *event, const char *json, size_t size);
/* json[size]: an object with members, to which the status is added. */
void server_event_begin_error(struct server_event *event, const char *json, size_t size,
                              int status);

/* The next bytes, as many as there is room for; 0 when all have been read. room > 0. */
size_t server_event_read(struct server_event *event, char *out, size_t room);

#endif
