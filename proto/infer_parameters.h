/* The "parameters" object of an infer message: what all protocols say about a request and its
 * answer beside the tensors. */
#ifndef PROTO_INFER_PARAMETERS_H
#define PROTO_INFER_PARAMETERS_H

#include <stdbool.h>

#include "proto/infer_message.h"
#include "proto/json_reader.h"

/* Reads the object that is next; what it does not name stays as it was in parameters. Unknown
 * members are skipped, duplicates and names beginning with "triton_" are refused. On failure the
 * reader's fault has status 400 and the place of what it is about: proto/json_members.h. */
bool infer_parameters_read(struct json_reader *reader, struct infer_parameters *parameters);

/* Does the answer have any? */
bool infer_answer_has_parameters(const struct infer_answer *answer);

/* Key and object, into an object that is open: {"sequence_id", "steps"} of a sequence's answer,
 * {"first_step", "final"} of a part. At most INFER_PARAMETERS_MAX bytes. */
void infer_answer_write_parameters(const struct infer_answer *answer, struct json_writer *writer);

/* A byte of an id is at most "\u0001". */
#define INFER_PARAMETERS_MAX (160 + 6 * SEQUENCE_ID_MAX)

#endif
