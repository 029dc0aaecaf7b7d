/* HTTP as a well-behaved client speaks it (libcurl). */
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H
#define TESTS_SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct http_client {
    void *curl;
    unsigned port;
};

struct http_response {
    long status;
    char *headers; /* the last answer's lines as they came, NUL-terminated */
    char *body;    /* NUL-terminated */
    size_t body_size;
};

/* Talks to 127.0.0.1:port, over one connection while the server keeps it open. */
void http_client_init(struct http_client *client, unsigned port);
void http_client_fini(struct http_client *client);

/* body: NULL for none. headers: NULL, or NULL-ended "Name: value" lines. false when no whole answer
 * came. On success the response is the caller's: http_response_fini. */
bool http_send(struct http_client *client, const char *method, const char *path, const char *body,
               size_t body_size, const char *const *headers, struct http_response *response);
bool http_get(struct http_client *client, const char *path, struct http_response *response);
bool http_post(struct http_client *client, const char *path, const char *body, size_t body_size,
               struct http_response *response);

/* The header's value (up to the line's end is copied), false when there is none. */
bool http_header(const struct http_response *response, const char *name, char *value,
                 size_t capacity);

void http_response_fini(struct http_response *response);

#endif
