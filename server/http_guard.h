/* The check every HTTP request passes before anything else looks at it: does its head leave only
 * one way to see where its body ends and whom it is for? libmicrohttpd 0.9.75 lets through heads
 * that a proxy in front may read otherwise (two lengths, a length and chunks, absolute targets...);
 * each such doubt is an error here, after which the connection must be closed. Its lines are as
 * they should be already (http_stream).
 *
 * A pure function over what the library parsed; knows nothing of it. */
#ifndef SERVER_HTTP_GUARD_H
#define SERVER_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "server/content_coding.h"

#define HTTP_GUARD_HEADERS_MAX    100
#define HTTP_GUARD_HEAD_MAX       16384 /* bytes, HTTP_GUARD_HEADER_COST for each header among them */
#define HTTP_GUARD_HEADER_COST    64
#define HTTP_GUARD_TIMEOUT_MAX_MS 86400000

struct http_header {
    const char *name, *value; /* value may be NULL when value_size is 0 */
    size_t name_size, value_size;
};

struct http_head {
    const char *method, *target, *version; /* NUL-terminated; target without its query */
    const char *query;                     /* NULL: there is none */
    const struct http_header *headers;
    size_t header_count;
    bool body_optional; /* a POST without a length is one without a body there */
};

/* What the rest of the server needs to know of a good head. */
struct http_head_facts {
    bool has_body;         /* chunked, or a length above 0 */
    bool chunked;          /* the length is not known before the end */
    uint64_t length;       /* Content-Length; 0 when there is none */
    bool length_missing;   /* a POST that was let through without one: close after the answer */
    bool expects_continue; /* the client waits for a word before it sends the body */
    enum content_coding coding; /* of the body */
    bool coding_unknown;
    enum content_coding answer_coding; /* that the client prefers */
    bool prefers_json;                 /* to application/octet-stream */
    bool json_size_given;              /* Inference-Header-Content-Length */
    uint64_t json_size;
    uint64_t timeout_ms; /* X-Request-Timeout-Ms; 0 when there is none */
};

/* false, with a fault: 400 for what is in doubt, 405 without a verb of HTTP, 411 a POST without a
 * length where a body is wanted, 413 a length over max_body, 417 an expectation we do not know, 431
 * too many headers or too long ones, 505 another version than 1.0 and 1.1. */
bool http_guard_check(const struct http_head *head, uint64_t max_body,
                      struct http_head_facts *facts, struct fault *fault);

#endif
