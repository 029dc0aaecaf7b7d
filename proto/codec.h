/* The form that a request and its answer have on the wire. What is done with the numbers between
 * the two (server/job.h) is the same for all forms; each form is a table of functions, a codec.
 *
 * How the bytes came is no part of a form: one body or several frames, they are spans here. So the
 * Open Inference Protocol's JSON with binary tensors behind it is one codec over HTTP and over
 * ZeroMQ.
 *
 * To add a form: a file NAME_codec.c with its table, declared below; what it has to keep for a
 * request goes into the union of struct message. Whoever routes requests chooses the codec
 * (struct job_terms). */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/answer_classes.h"
#include "proto/fault.h"
#include "proto/infer_message.h"
#include "proto/json_writer.h"
#include "proto/signature.h"
#include "proto/v1_predict.h"

/* Everything a request consists of; borrowed. */
struct message_bytes {
    struct infer_span head; /* JSON, where the form has some */
    size_t tail_count;
    struct infer_span tail[INFER_TENSOR_MAX]; /* what is behind it, see infer_request_parse */
};

/* For whom a request is; must outlive it. */
struct message_model {
    const char *name; /* for texts */
    const struct signature *signature;
};

struct message;

/* Functions on one message, called by one thread at a time, in this order; parse, plan and place
 * once each. None takes memory. */
struct codec {
    /* Says what is asked for in message->request, without decoding a number. Pointers go into
     * bytes, which must outlive the reading of numbers. On failure status 400. */
    bool (*parse)(struct message *message, const struct message_bytes *bytes,
                  const struct message_model *model, struct fault *fault);

    /* answer has all but its data, as compute_answer describes it; what the client chose of its
     * form is added. *scratch: bytes that place wants. *size: at most so many has the written
     * answer. false when the numbers do not fit. */
    bool (*plan)(struct message *message, struct infer_answer *answer, size_t *scratch,
                 size_t *size);

    /* memory: of plan's size, aligned for anything, the caller's throughout. Before any number of
     * the request is read. */
    void (*place)(struct message *message, void *memory);

    /* A new answer, into a writer that is empty. A message may have several, one after the other.
     */
    void (*begin)(struct message *message);

    /* Writes about limit further numbers, limit > 0, and what stands around them. answer: complete,
     * the same in every call but for the form, which is added. true when all is written, of which
     * *json_size bytes are JSON and the rest binary tensors. Memory failures are the writer's to
     * report; the answer is then complete at once. */
    bool (*write)(struct message *message, struct json_writer *writer, struct infer_answer *answer,
                  size_t limit, size_t *json_size);
};

/* One request, in one form. */
struct message {
    const struct codec *codec;
    struct infer_request request;
    union {
        struct {
            struct answer_classes classes;
            struct infer_answer_cursor answering;
        } infer;
        struct {
            struct v1_request asked;
            struct v1_answer_cursor answering;
        } v1;
    } own; /* the codec's */
};

/* The Open Inference Protocol's infer message (proto/infer_message.h). */
extern const struct codec infer_codec;
/* The same where there is room for text only: a request that wants binary outputs is refused. */
extern const struct codec infer_text_codec;

/* Its form without JSON: the request is the bytes of the model's input, in head or in the only
 * tail, for one row of as many steps as they make up; for models of a fixed number of steps, for as
 * many rows. Answered as a request that says nothing of its outputs but that they are to be binary,
 * or JSON. */
extern const struct codec raw_codec, raw_json_codec;

/* TensorFlow Serving's and KServe's predict message (proto/v1_predict.h). */
extern const struct codec v1_codec;

#endif
