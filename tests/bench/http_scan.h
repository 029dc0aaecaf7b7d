/* Reads an HTTP/1.1 answer as it comes in, in pieces of any size, and keeps of it only what a load
 * generator needs: the status, where it ends, whether the connection lives on. The body is counted
 * and passed over.
 *
 * Not read: chunked bodies (refused; none of the servers measured here sends them). */
#ifndef TESTS_BENCH_HTTP_SCAN_H
#define TESTS_BENCH_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_SCAN_LINE_MAX = 128, HTTP_SCAN_EXCERPT_MAX = 200 };

enum http_scan_result {
    HTTP_SCAN_MORE, /* the answer goes on */
    HTTP_SCAN_DONE,
    HTTP_SCAN_BAD, /* no HTTP answer, or none this scanner reads */
};

struct http_scan {
    int status; /* 0: its line is not there yet */
    bool keep_alive;
    bool retry_after; /* the header was there, as a number of seconds */
    uint64_t retry_after_s;
    uint64_t bytes;                      /* of the answer so far, head and body */
    char excerpt[HTTP_SCAN_EXCERPT_MAX]; /* the body's beginning when status >= 400; else "" */

    /* private */
    bool in_body, length_given;
    uint64_t left; /* of the body */
    size_t excerpt_size, line_size;
    char line[HTTP_SCAN_LINE_MAX]; /* as much of an unfinished line as counts */
};

void http_scan_init(struct http_scan *scan);

/* Reads up to size bytes; *used is how many belong to this answer. After DONE or BAD only init may
 * follow. */
enum http_scan_result http_scan_feed(struct http_scan *scan, const char *data, size_t size,
                                     size_t *used);

/* The connection ended here: DONE for a body that lasts until then, else BAD. */
enum http_scan_result http_scan_end(const struct http_scan *scan);

#endif
