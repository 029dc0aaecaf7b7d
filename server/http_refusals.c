#include "server/http_refusals.h"

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "server/http_guard.h"
#include "server/http_library.h"
#include "server/http_wire.h"
#include "server/raw_answer.h"
#include "server/status_counts.h"

static struct status_counts *responses;
static enum MHD_Result (*queue_response)(struct MHD_Connection *, unsigned, struct MHD_Response *);

/* The text of a macro's value. */
#define AS_TEXT(macro)  AS_TEXT_(macro)
#define AS_TEXT_(value) #value

/* The library forgets that it has refused a length, and would send the head twice; where a head is
 * too long it may have no memory left for that of an answer. In both it may be closed from within.
 */
static const struct refusal {
    const char *page; /* a part of it */
    const char *error;
    bool beside;     /* it is sent beside the library, and the connection closed */
    unsigned status; /* where the library's is not right; else 0 */
} refusals[] = {
    {.page = "wrong value for <b>Content-Length</b>",
     .error = "{\"error\":\"Content-Length: a number expected\"}",
     .beside = true},
    {.page = "too large value for <b>Content-Length</b>",
     .error = "{\"error\":\"Content-Length: less than 2^64 expected\"}",
     .beside = true},
    {.page = "chunked encoding was syntactically incorrect",
     .error = "{\"error\":\"malformed chunk\"}"},
    {.page = "chunk size", .error = "{\"error\":\"the size of a chunk: less than 2^64 expected\"}"},
    /* Its memory is full; as we take all data at once, of a line that does not end. */
    {.page = "connection management",
     .error = "{\"error\":\"malformed chunk: the line before it is too long\"}",
     .status = 400},
    {.page = "header was too big",
     .error =
         "{\"error\":\"a head of at most " AS_TEXT(HTTP_GUARD_HEAD_MAX) " bytes expected, " AS_TEXT(
             HTTP_GUARD_HEADER_COST) " more for each header\"}",
     .beside = true},
    {.page = "HTTP version", .error = "{\"error\":\"HTTP/1.0 or HTTP/1.1 expected\"}"},
    {.page = "", .error = "{\"error\":\"malformed request line or header\"}"},
};

/* Which one this thread's library is about to send: it logs the page first. */
static _Thread_local const struct refusal *refusal =
    &refusals[sizeof refusals / sizeof *refusals - 1];

void http_refusals_note(const char *text)
{
    for (refusal = refusals; strstr(text, refusal->page) == NULL;)
        refusal++;
}

static void send_answer(int fd, void *session, int status, const char *error, size_t size,
                        bool with_body)
{
    struct raw_answer answer;
    status_counts_add(responses, status);
    raw_answer_set(&answer, status, MHD_get_reason_phrase_for((unsigned)status), error, size,
                   with_body);
    /* One try: a client that reads nothing gets nothing. */
    const ssize_t sent = session != NULL
                             ? gnutls_record_send(session, answer.bytes, answer.size)
                             : send(fd, answer.bytes, answer.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
}

void http_refusals_send_to(int fd, void *session, int status, const char *error, size_t size)
{
    send_answer(fd, session, status, error, size, !http_wire_is_head(fd));
    http_wire_swap_refusal(fd, status);
}

void http_refusals_send(struct MHD_Connection *connection, int status, const char *error,
                        size_t size, bool with_body)
{
    send_answer(http_library_descriptor(connection), http_library_session(connection), status,
                error, size, with_body);
}

/* Called by the library alone. MHD_NO: it closes the connection. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned status,
                                   struct MHD_Response *page)
{
    (void)page;
    if (refusal->beside) {
        http_refusals_send_to(http_library_descriptor(connection), http_library_session(connection),
                              (int)status, refusal->error, strlen(refusal->error));
        return MHD_NO;
    }
    /* The library's interface knows no const; memory that is persistent it only reads. */
    const uintptr_t error = (uintptr_t)refusal->error;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(refusal->error), (void *)error, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (refusal->status != 0)
        status = refusal->status;
    const enum MHD_Result queued = queue_response(connection, status, response);
    if (queued == MHD_YES) {
        status_counts_add(responses, (int)status);
        http_wire_swap_refusal(http_library_descriptor(connection), (int)status);
    }
    MHD_destroy_response(response);
    return queued;
}

bool http_refusals_queue(struct MHD_Connection *connection, unsigned status,
                         struct MHD_Response *response)
{
    return queue_response(connection, status, response) == MHD_YES;
}

bool http_refusals_init(struct status_counts *counts, struct fault *fault)
{
    responses = counts;
    return http_library_find("MHD_queue_response", &queue_response, fault);
}
