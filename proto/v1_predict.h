/* TensorFlow Serving's and KServe's predict messages, version 1 of the REST protocol, as other
 * words for an infer request and its answer.
 *
 * Request: {"signature_name":s?, "parameters":{}?, "instances":[row, ...]} or {..., "inputs":
 * column}, in which
 *   row     a tensor without its batch dimension; or {name: such a tensor, ...}, all rows with the
 *           same names
 *   column  a list of such tensors; or {name: such a list, ...}
 * Tensors without a name are the model's input. Whatever the model's own layout is, the batch
 * comes first here. Rows of the model's input may differ in their number of steps; where they do,
 * they are the lengths of the sequences.
 *
 * signature_name is "serving_default", or none: what the network itself returns is answered; or
 * "with_states": its final states too, of networks that keep them to themselves.
 *
 * parameters are an infer request's (proto/infer_parameters.h), so that a sequence is kept over
 * predict requests too; binary_data_output is refused.
 *
 * Answer: {"predictions":[row, ...]} to instances, {"outputs": column} to inputs: nested lists, of
 * one output bare, of several as objects. A row has as many steps as it really has. Of a sequence,
 * "parameters" follow: {"sequence_id", "steps"}. */
#ifndef PROTO_V1_PREDICT_H
#define PROTO_V1_PREDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/infer_message.h"
#include "proto/signature.h"

#define V1_SIGNATURE        "serving_default"
#define V1_SIGNATURE_STATES "with_states"

struct v1_request {
    bool columns;     /* "inputs" were given, "outputs" are wanted */
    bool states;      /* signature_name: V1_SIGNATURE_STATES */
    size_t row_count; /* in all inputs together: so many struct tensor_row does the index take */
    /* private */
    const char *body; /* borrowed */
    size_t size;
    const struct signature *signature; /* borrowed */
};

/* Fills request as if it were one of infer_request_parse's, without decoding a number: inputs of
 * form TENSOR_ROWS with names, shapes (in the signature's layout, the longest row's steps) and
 * datatypes as the signature has them, at least one row each, to be held against it by
 * binding_init like any other; the outputs that signature_name says; the parameters; no id. body
 * and signature must outlive request and v1. On failure fault has status 400. */
bool v1_request_parse(struct v1_request *v1, struct infer_request *request, const char *body,
                      size_t size, const struct signature *signature, struct fault *fault);

/* Finds the rows of all inputs. To be called once, after v1_request_parse and before any number is
 * read. rows[v1->row_count] is the caller's and must outlive request. rows[b].steps of the input
 * are then row b's length. */
void v1_request_index(struct v1_request *v1, struct infer_request *request,
                      struct tensor_row *rows);

/* Where the writing of an answer has come to. */
struct v1_answer_cursor {
    /* private */
    int stage;
    size_t output, row; /* being written */
    bool row_open;
    size_t run, runs; /* of numbers, in the row */
    size_t element;   /* of the run */
};

void v1_answer_begin(struct v1_answer_cursor *cursor);

/* Writes up to limit further numbers, limit > 0, and what stands around them. Of answer, only its
 * sequence and its outputs are used, at least one: FP32, all with the same number of rows, at least
 * one, counted by any dimension but the last, unless that is the only one. true when the answer is
 * complete. Memory failures are the writer's to report; the answer is then complete at once. */
bool v1_answer_write(struct v1_answer_cursor *cursor, struct json_writer *writer,
                     const struct infer_answer *answer, bool columns, size_t limit);

/* At most so many bytes has the answer; false when the number does not fit. */
bool v1_answer_size(const struct infer_answer *answer, size_t *bytes);

#endif
