/* What travels over ZeroMQ, frame by frame; the infer message in it is HTTP's (proto/codec.h).
 *
 * A request is [envelope] header tensor...: the envelope ends with an empty frame, as REQ sockets
 * and proxies send it, or is left out, as a DEALER may. The header is the JSON object of an infer
 * request with "model_name", "model_version"? and "op"? beside "id"? and the rest; the frames
 * behind it are the tensors that have a binary_data_size, in order. op is "infer" where it is not
 * given; the others need no inputs:
 *
 *   live, ready, metadata, stats   of the server, or of the model that model_name names
 *
 * "stream": true, in the header or its parameters, asks for the answer in parts: messages in order,
 * each with a run of steps, "final": true in the parameters of the last one. An error is the last.
 *
 * An answer mirrors it: the same envelope, a JSON object, each binary tensor in a frame of its own.
 * It has "id" when the request had one that could be read, and "status", in HTTP's numbers, when
 * that is not 200; an error is {"error": text, "status": number}. */
#ifndef PROTO_ZMQ_MESSAGE_H
#define PROTO_ZMQ_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "proto/infer_message.h"

#define ZMQ_MODEL_NAME_MAX    256 /* with the NUL; no model has a name so long */
#define ZMQ_MODEL_VERSION_MAX 64

enum zmq_op { ZMQ_INFER, ZMQ_LIVE, ZMQ_READY, ZMQ_METADATA, ZMQ_STATS };

/* What a header says beside the infer request in it. */
struct zmq_header {
    enum zmq_op op;
    bool stream;                               /* the answer may come in parts */
    char id[INFER_ID_MAX];                     /* empty: none */
    char model_name[ZMQ_MODEL_NAME_MAX];       /* empty: none; not for ZMQ_INFER */
    char model_version[ZMQ_MODEL_VERSION_MAX]; /* empty: any */
};

/* How many frames the envelope has, its empty one included. What may be the envelope of a proxy
 * counts as one only when it does not begin as a header does. frames[count], count > 0. */
size_t zmq_envelope_size(const struct infer_span *frames, size_t count);

/* Reads over everything else, which is checked only as far as it is in the way. false: 400; the id
 * is there if the text is JSON up to it, wherever the fault is, else empty. */
bool zmq_header_read(struct zmq_header *header, const struct infer_span *text, struct fault *fault);

/* Adds to a JSON object with members what makes it an answer over ZeroMQ. *body is reallocated.
 * false: no memory; *body is as it was. */
bool zmq_answer_complete(char **body, size_t *size, int status, const char *id);

#endif
