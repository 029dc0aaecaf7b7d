/* Reads a stream of server-sent events while it comes (WHATWG HTML, "Server-sent events", as much
 * of it as the daemon writes), over HTTP/1.1 in chunks or over HTTP/1.0 until the connection
 * closes. */
#ifndef TESTS_SUPPORT_EVENT_CLIENT_H
#define TESTS_SUPPORT_EVENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct event_client {
    int fd;
    int status;   /* of the answer's head */
    bool chunked; /* else: until it closes */
    char *head;   /* its lines, NUL-terminated */
    char *text;   /* what came behind the head and is not used up, chunks put together */
    size_t size, capacity;
    size_t chunk_left; /* bytes of the chunk that is being received */
    size_t chunks;     /* received, but for the last, empty one */
    bool ended;        /* the last chunk was there, or the close */
};

/* One event, NUL-terminated. */
struct event {
    const char *name; /* "message" unless it says otherwise */
    const char *data;
    char *memory; /* both are in it */
};

/* Sends a POST with these further header lines ("" or each ended by CRLF). */
void event_client_post(struct event_client *client, unsigned port, const char *path,
                       const char *headers, const char *body);
/* The same over HTTP/1.0. */
void event_client_post_1_0(struct event_client *client, unsigned port, const char *path,
                           const char *body);

/* Waits for the head. false: the connection was closed before. */
bool event_client_head(struct event_client *client);

enum event_got {
    EVENT,
    EVENTS_END, /* the answer is complete */
    EVENTS_CUT, /* the connection closed in the middle of it */
};

/* Waits for the next event (after the head has been read); a minute without anything is the test's
 * end. */
enum event_got event_client_next(struct event_client *client, struct event *event);
void event_fini(struct event *event);

void event_client_close(struct event_client *client);

#endif
