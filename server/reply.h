/* What goes back to a client, whatever the wire: a status in HTTP's numbers and a body, JSON as a
 * rule, behind which binary tensors may stand. */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "proto/infer_message.h"
#include "proto/json_writer.h"
#include "server/budget.h"
#include "server/content_coding.h"

struct reply {
    int status;       /* 0: there is no reply yet */
    char *body;       /* owned; NULL when there was no memory for it, the status then says 503 */
    size_t size;      /* bytes of body, or of page */
    const char *page; /* instead of body: what a browser is shown, static */
    size_t json_size; /* so many of them are JSON, the rest binary tensors; 0: all are JSON */
    size_t tensor_count;
    size_t tensor_sizes[INFER_TENSOR_MAX]; /* of the binary tensors, in order */
    enum content_coding coding; /* that body is in; size counts it packed, json_size unpacked */
    const char *content_type;   /* static text; NULL: what json_size says */
    const char *allow;          /* 405: the verbs there are, static text; else NULL */
    const char *challenge;      /* 401, 403: how to say who one is, static text; else NULL */
    bool retry_after;           /* the client may try again at once */

    struct budget *budget; /* where charge bytes are given back by reply_fini, or NULL */
    size_t charge;
};

/* {"error": text} with the fault's status; a 503 may be tried again. */
void reply_fault(struct reply *reply, const struct fault *fault);

/* Takes what was written so far out of the writer, which is then empty. */
void reply_json(struct reply *reply, int status, struct json_writer *writer);

/* Frees the body, gives the charge back; the reply is then empty. */
void reply_fini(struct reply *reply);

#endif
