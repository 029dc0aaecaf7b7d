#include "server/http_refusals.h"

#include <assert.h>
#include <dlfcn.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "server/http_guard.h"

static enum MHD_Result (*queue_response)(struct MHD_Connection *, unsigned, struct MHD_Response *);

/* The text of a macro's value. */
#define AS_TEXT(macro)  AS_TEXT_(macro)
#define AS_TEXT_(value) #value

static const struct refusal {
    const char *page; /* a part of it */
    const char *error;
    bool goes_on; /* the library forgets that it has refused, and sends the head twice */
} refusals[] = {
    {"wrong value for <b>Content-Length</b>", "{\"error\":\"Content-Length: a number expected\"}",
     true},
    {"too large value for <b>Content-Length</b>",
     "{\"error\":\"Content-Length: less than 2^64 expected\"}", true},
    {"chunked encoding was syntactically incorrect", "{\"error\":\"malformed chunk\"}", false},
    {"chunk size", "{\"error\":\"the size of a chunk: less than 2^64 expected\"}", false},
    {"header was too big",
     "{\"error\":\"a head of at most " AS_TEXT(HTTP_GUARD_HEAD_MAX) " bytes expected, " AS_TEXT(
         HTTP_GUARD_HEADER_COST) " more for each header\"}",
     false},
    {"HTTP version", "{\"error\":\"HTTP/1.0 or HTTP/1.1 expected\"}", false},
    {"", "{\"error\":\"malformed request line or header\"}", false},
};

/* Which one this thread's library is about to send: it logs the page first. */
static _Thread_local const struct refusal *refusal =
    &refusals[sizeof refusals / sizeof *refusals - 1];

void http_refusals_note(const char *text)
{
    for (refusal = refusals; strstr(text, refusal->page) == NULL;)
        refusal++;
}

/* One try: a client that reads nothing gets nothing. */
static void send_bytes(struct MHD_Connection *connection, const char *text, size_t size)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const ssize_t sent = tls != NULL
                             ? gnutls_record_send(tls->tls_session, text, size)
                             : send(info->connect_fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
}

void http_refusals_send(struct MHD_Connection *connection, int status, const char *error)
{
    char text[HTTP_REFUSALS_ERROR_MAX + 256];
    const int size =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: "
                 "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 status, MHD_get_reason_phrase_for((unsigned)status), strlen(error), error);
    assert(size > 0 && (size_t)size < sizeof text);
    send_bytes(connection, text, (size_t)size);
}

/* Called by the library alone. MHD_NO: it closes the connection. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned status,
                                   struct MHD_Response *page)
{
    (void)page;
    if (refusal->goes_on) {
        http_refusals_send(connection, (int)status, refusal->error);
        return MHD_NO;
    }
    /* The library's interface knows no const; memory that is persistent it only reads. */
    const uintptr_t error = (uintptr_t)refusal->error;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(refusal->error), (void *)error, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    const enum MHD_Result queued = queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

bool http_refusals_queue(struct MHD_Connection *connection, unsigned status,
                         struct MHD_Response *response)
{
    return queue_response(connection, status, response) == MHD_YES;
}

bool http_refusals_init(struct fault *fault)
{
    void *found = dlsym(RTLD_NEXT, "MHD_queue_response");
    if (found == NULL)
        return fault_set(fault, 503, "libmicrohttpd is not there as a library");
    memcpy(&queue_response, &found, sizeof queue_response); /* ISO C knows no cast for it */
    return true;
}
