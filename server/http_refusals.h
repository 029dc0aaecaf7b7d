/* What libmicrohttpd refuses by itself, before it asks us, because it cannot read it: in JSON, as
 * all errors are. It sends pages of HTML and has no hook for that. But it queues them by a function
 * of its interface, MHD_queue_response, and of a function that the program has too the dynamic
 * linker takes the program's. So while these are part of a program, only the library calls it. From
 * one that is bound otherwise (-Bsymbolic) clients would get its pages; a test tells.
 *
 * Threads: each of the library's for itself; http_refusals_init before there are any. */
#ifndef SERVER_HTTP_REFUSALS_H
#define SERVER_HTTP_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

struct MHD_Connection;
struct MHD_Response;
struct status_counts;

/* What is sent here is counted there. */
bool http_refusals_init(struct status_counts *counts, struct fault *fault);

/* The library has said to the log of this thread which page it is about to send. */
void http_refusals_note(const char *text);

/* Queues a response of ours, which is not counted. */
bool http_refusals_queue(struct MHD_Connection *connection, unsigned status,
                         struct MHD_Response *response);

/* Beside the library, see raw_answer.h. error: JSON, of that size. */
void http_refusals_send(struct MHD_Connection *connection, int status, const char *error,
                        size_t size, bool with_body);
/* Of the request that is to be answered; session: a gnutls_session_t, NULL without TLS. */
void http_refusals_send_to(int fd, void *session, int status, const char *error, size_t size);

#endif
