/* A sequence as JSON, to be carried from one server to another or put away and brought back:
 *
 *   {"model_name", "sequence_id", "rows": B, "steps",
 *    "inputs": [{"name": "h_0", "datatype": "FP32", "shape": [..], "data": [..]}, ...],
 *    "memory": {"datatype": "FP32", "shape": [B,m], "data": [..]}}
 *
 * inputs are the model's state inputs by its signature, so that they may be sent along with a
 * request as they are. memory is what of a row's state no input holds (the m floats that are left,
 * in their order); absent where there is none. Numbers come back bit for bit, but for what is
 * beside NaN in a NaN. */
#ifndef PROTO_SEQUENCE_MESSAGE_H
#define PROTO_SEQUENCE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "proto/infer_message.h"
#include "proto/json_writer.h"
#include "proto/sequence_id.h"
#include "proto/signature.h"

/* Whose states: S floats a row. */
struct sequence_model {
    const char *name;
    const struct signature *signature;
    size_t state_size;
};

/* ---- reading ---- */

struct sequence_message {
    struct sequence_id id; /* kind NONE: it was not said */
    size_t rows;
    uint64_t steps; /* at most SEQUENCE_STEPS_MAX; 0 when it was not said */

    /* private */
    struct infer_request request;
    struct infer_input memory; /* no data: there is none */
    bool rows_given;
};

/* json must outlive the message. On success everything but the numbers themselves was checked: the
 * names, types and shapes are the model's, and there is text for rows * S numbers. Unknown keys are
 * skipped. Status 400. */
bool sequence_message_parse(struct sequence_message *message, const char *json, size_t size,
                            const struct sequence_model *model, struct fault *fault);

/* Reads the numbers into states[rows][S], core/model.h's order; scratch[rows * S]. */
bool sequence_message_read(const struct sequence_message *message,
                           const struct sequence_model *model, float *states, float *scratch,
                           struct fault *fault);

/* ---- writing ---- */

/* At most so many bytes it takes; false when the number does not fit. */
bool sequence_message_size(const struct sequence_model *model, size_t rows, size_t *bytes);

/* states[rows][S]; scratch[rows * S]. Memory failures are the writer's to report. */
void sequence_message_write(struct json_writer *writer, const struct sequence_model *model,
                            const struct sequence_id *id, size_t rows, uint64_t steps,
                            const float *states, float *scratch);

#endif
