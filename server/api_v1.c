#include "server/api_v1.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/v1_predict.h"

/* ---- status ---- */

/* What KServe's v1 clients ask of "/". */
bool api_v1_live(struct api_call *call, struct fault *fault)
{
    (void)fault;
    json_open_object(call->writer);
    api_write_member(call->writer, "status", "alive");
    json_close_object(call->writer);
    return true;
}

/* TensorFlow Serving's half. */
static void write_version_status(struct json_writer *writer)
{
    json_key(writer, "model_version_status");
    json_open_array(writer);
    json_open_object(writer);
    api_write_member(writer, "version", MODEL_VERSION);
    api_write_member(writer, "state", "AVAILABLE");
    json_key(writer, "status");
    json_open_object(writer);
    api_write_member(writer, "error_code", "OK");
    api_write_member(writer, "error_message", "");
    json_close_object(writer);
    json_close_object(writer);
    json_close_array(writer);
}

/* A server that is about to stop is not ready any more, in KServe's sense; what it still serves is
 * available, in the other's. */
bool api_v1_status(struct api_call *call, struct fault *fault)
{
    const bool ready = !atomic_load(&call->service->draining);
    (void)fault;
    json_open_object(call->writer);
    api_write_member(call->writer, "name", call->served->name);
    json_key(call->writer, "ready");
    json_bool(call->writer, ready);
    if (!ready)
        api_write_member(call->writer, "error", "the server is shutting down");
    write_version_status(call->writer);
    json_close_object(call->writer);
    call->status = ready ? 200 : 503;
    return true;
}

/* ---- metadata ---- */

static const char *tensorflow_type(enum datatype datatype)
{
    switch (datatype) {
    case DATATYPE_INT32:
        return "DT_INT32";
    case DATATYPE_INT64:
        return "DT_INT64";
    default:
        return "DT_FLOAT";
    }
}

static void write_dimension(struct json_writer *writer, int64_t dimension)
{
    char size[24];
    snprintf(size, sizeof size, "%" PRId64, dimension);
    json_open_object(writer);
    api_write_member(writer, "size", size);
    api_write_member(writer, "name", "");
    json_close_object(writer);
}

/* The batch comes first in this protocol, whatever the model's own layout is. */
static void write_shape(struct json_writer *writer, const struct signature_tensor *tensor)
{
    json_key(writer, "tensor_shape");
    json_open_object(writer);
    json_key(writer, "dim");
    json_open_array(writer);
    write_dimension(writer, tensor->shape[tensor->rows_axis]);
    for (size_t i = 0; i < tensor->rank; i++)
        if (i != tensor->rows_axis)
            write_dimension(writer, tensor->shape[i]);
    json_close_array(writer);
    json_key(writer, "unknown_rank");
    json_bool(writer, false);
    json_close_object(writer);
}

static void write_tensor(struct json_writer *writer, const struct signature_tensor *tensor)
{
    char name[TENSOR_NAME_MAX + 2];
    snprintf(name, sizeof name, "%s:0", tensor->name);
    json_key(writer, tensor->name);
    json_open_object(writer);
    api_write_member(writer, "dtype", tensorflow_type(tensor->datatype));
    write_shape(writer, tensor);
    api_write_member(writer, "name", name);
    json_close_object(writer);
}

/* A signature there knows no optional tensor: every one it lists has to be sent, so these are left
 * out. */
static void write_signature(struct json_writer *writer, const struct signature *signature,
                            const char *name, bool states)
{
    json_key(writer, name);
    json_open_object(writer);
    json_key(writer, "inputs");
    json_open_object(writer);
    for (size_t i = 0; i < signature->input_count; i++)
        if (!signature->inputs[i].optional)
            write_tensor(writer, &signature->inputs[i]);
    json_close_object(writer);
    json_key(writer, "outputs");
    json_open_object(writer);
    for (size_t i = 0; i < signature->output_count; i++)
        if (states || signature->outputs[i].returned)
            write_tensor(writer, &signature->outputs[i]);
    json_close_object(writer);
    api_write_member(writer, "method_name", "tensorflow/serving/predict");
    json_key(writer, "defaults");
    json_open_object(writer);
    json_close_object(writer);
    json_close_object(writer);
}

static bool keeps_states(const struct signature *signature)
{
    for (size_t i = 0; i < signature->output_count; i++)
        if (!signature->outputs[i].returned)
            return true;
    return false;
}

static void write_spec(struct json_writer *writer, const char *name)
{
    json_key(writer, "model_spec");
    json_open_object(writer);
    api_write_member(writer, "name", name);
    api_write_member(writer, "signature_name", "");
    api_write_member(writer, "version", MODEL_VERSION);
    json_close_object(writer);
}

bool api_v1_metadata(struct api_call *call, struct fault *fault)
{
    struct json_writer *writer = call->writer;
    const struct signature *signature = &call->served->signature;
    (void)fault;
    json_open_object(writer);
    write_spec(writer, call->served->name);
    json_key(writer, "metadata");
    json_open_object(writer);
    json_key(writer, "signature_def");
    json_open_object(writer);
    json_key(writer, "signature_def");
    json_open_object(writer);
    write_signature(writer, signature, V1_SIGNATURE, false);
    if (keeps_states(signature))
        write_signature(writer, signature, V1_SIGNATURE_STATES, true);
    json_close_object(writer);
    json_close_object(writer);
    json_close_object(writer);
    json_close_object(writer);
    return true;
}
