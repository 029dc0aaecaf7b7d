#include "server/api_v2.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PLATFORM "lstmd_safetensors"

bool api_v2_server(struct api_call *call, struct fault *fault)
{
    static const char *const extensions[] = {
        "classification",      "binary_tensor_data",
        "parameters",          "sequence",
        "sequence(string_id)", "schedule_policy",
        "model_configuration", "model_repository",
        "statistics",          "logging",
    };
    struct json_writer *writer = call->writer;
    (void)fault;
    json_open_object(writer);
    api_write_member(writer, "name", SERVICE_NAME);
    api_write_member(writer, "version", LSTMD_VERSION);
    json_key(writer, "extensions");
    json_open_array(writer);
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        json_string(writer, extensions[i]);
    json_close_array(writer);
    json_close_object(writer);
    return true;
}

/* ---- health ---- */

/* Clients that look at the status alone show the error of what is not 200. */
static void write_ready(struct api_call *call)
{
    const bool absent = call->route->model != NULL && call->served == NULL;
    const bool ready = !absent && !atomic_load(&call->service->draining);
    json_key(call->writer, "ready");
    json_bool(call->writer, ready);
    if (!ready)
        api_write_member(call->writer, "error",
                         absent ? "the model is not loaded" : "the server is shutting down");
    call->status = ready ? 200 : 503;
}

bool api_v2_live(struct api_call *call, struct fault *fault)
{
    (void)fault;
    json_open_object(call->writer);
    json_key(call->writer, "live");
    json_bool(call->writer, true);
    json_close_object(call->writer);
    return true;
}

bool api_v2_ready(struct api_call *call, struct fault *fault)
{
    (void)fault;
    json_open_object(call->writer);
    write_ready(call);
    json_key(call->writer, "live");
    json_bool(call->writer, true);
    json_close_object(call->writer);
    return true;
}

bool api_v2_model_ready(struct api_call *call, struct fault *fault)
{
    (void)fault;
    json_open_object(call->writer);
    json_key(call->writer, "name");
    json_string_n(call->writer, call->route->model, call->route->model_size);
    write_ready(call);
    json_close_object(call->writer);
    return true;
}

/* ---- metadata ---- */

bool api_v2_model_list(struct api_call *call, struct fault *fault)
{
    struct model_table *models = model_store_table(call->service->models);
    (void)fault;
    json_open_object(call->writer);
    json_key(call->writer, "models");
    json_open_array(call->writer);
    for (size_t i = 0; i < models->count; i++)
        if (models->entries[i].served != NULL)
            json_string(call->writer, models->entries[i].name);
    json_close_array(call->writer);
    json_close_object(call->writer);
    model_table_release(models);
    return true;
}

static void write_shape(struct json_writer *writer, const char *key,
                        const struct signature_tensor *tensor)
{
    json_key(writer, key);
    json_open_array(writer);
    for (size_t i = 0; i < tensor->rank; i++)
        json_int64(writer, tensor->shape[i]);
    json_close_array(writer);
}

static void write_labels(struct json_writer *writer, const struct signature *signature,
                         const struct signature_tensor *tensor)
{
    if (tensor->role != ROLE_OUTPUT || signature->labels == NULL)
        return;
    json_key(writer, "labels");
    json_open_array(writer);
    for (size_t i = 0; i < signature->label_count; i++)
        json_string(writer, signature->labels[i]);
    json_close_array(writer);
}

static void write_tensors(struct json_writer *writer, const char *key,
                          const struct signature *signature, const struct signature_tensor *tensors,
                          size_t count)
{
    json_key(writer, key);
    json_open_array(writer);
    for (size_t i = 0; i < count; i++) {
        json_open_object(writer);
        api_write_member(writer, "name", tensors[i].name);
        api_write_member(writer, "datatype", datatype_name(tensors[i].datatype));
        write_shape(writer, "shape", &tensors[i]);
        write_labels(writer, signature, &tensors[i]);
        json_close_object(writer);
    }
    json_close_array(writer);
}

/* The protocol's tensors know no "optional", so their names stand in a property. */
static void write_optional_inputs(struct json_writer *writer, const struct signature *signature)
{
    char names[INFER_TENSOR_MAX * TENSOR_NAME_MAX] = "";
    char *at = names;
    for (size_t i = 0; i < signature->input_count; i++) {
        const struct signature_tensor *input = &signature->inputs[i];
        const size_t size = strlen(input->name);
        if (!input->optional)
            continue;
        if (at != names)
            *at++ = ',';
        memcpy(at, input->name, size);
        at += size;
    }
    json_key(writer, "optional_inputs");
    json_string_n(writer, names, (size_t)(at - names));
}

/* Properties are texts. */
static void write_parameters(struct json_writer *writer, uint64_t parameters)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, parameters);
    api_write_member(writer, "parameters", text);
}

bool api_v2_model(struct api_call *call, struct fault *fault)
{
    struct json_writer *writer = call->writer;
    const struct served_model *served = call->served;
    const struct signature *signature = &served->signature;
    (void)fault;
    json_open_object(writer);
    api_write_member(writer, "name", served->name);
    json_key(writer, "versions");
    json_open_array(writer);
    json_string(writer, MODEL_VERSION);
    json_close_array(writer);
    api_write_member(writer, "platform", PLATFORM);
    write_tensors(writer, "inputs", signature, signature->inputs, signature->input_count);
    write_tensors(writer, "outputs", signature, signature->outputs, signature->output_count);
    json_key(writer, "layers");
    model_summary_write(&served->summary, writer);
    json_key(writer, "properties");
    json_open_object(writer);
    write_optional_inputs(writer, signature);
    write_parameters(writer, served->summary.parameters);
    api_write_member(writer, "batch_first", signature->batch_first ? "true" : "false");
    api_write_member(writer, "causal", model_is_causal(served->model) ? "true" : "false");
    json_close_object(writer);
    json_close_object(writer);
    return true;
}

/* ---- configuration ---- */

static void write_config_tensors(struct json_writer *writer, const char *key,
                                 const struct signature *signature,
                                 const struct signature_tensor *tensors, size_t count)
{
    json_key(writer, key);
    json_open_array(writer);
    for (size_t i = 0; i < count; i++) {
        char type[16];
        snprintf(type, sizeof type, "TYPE_%s", datatype_name(tensors[i].datatype));
        json_open_object(writer);
        api_write_member(writer, "name", tensors[i].name);
        api_write_member(writer, "data_type", type);
        write_shape(writer, "dims", &tensors[i]);
        write_labels(writer, signature, &tensors[i]);
        if (tensors[i].optional) {
            json_key(writer, "optional");
            json_bool(writer, true);
        }
        json_close_object(writer);
    }
    json_close_array(writer);
}

static void write_instances(struct json_writer *writer, const char *name, size_t workers)
{
    json_key(writer, "instance_group");
    json_open_array(writer);
    json_open_object(writer);
    api_write_member(writer, "name", name);
    api_write_member(writer, "kind", "KIND_CPU");
    json_key(writer, "count");
    json_uint64(writer, workers);
    json_close_object(writer);
    json_close_array(writer);
}

/* One of the two stands there in Triton's configurations, and perf_analyzer sends sequences to
 * models that have the first, plain requests to others. Models that can take both say the first:
 * sequences of one request each (--sequence-length 1) compute the same as plain requests. */
static void write_scheduling(struct json_writer *writer, const struct model *model)
{
    json_key(writer, model_is_causal(model) ? "sequence_batching" : "dynamic_batching");
    json_open_object(writer);
    json_close_object(writer);
}

/* max_batch_size 0 is Triton's word for dims that are the whole shape: the batch need not be the
 * first dimension of ours. */
bool api_v2_model_config(struct api_call *call, struct fault *fault)
{
    struct json_writer *writer = call->writer;
    const struct served_model *served = call->served;
    const struct signature *signature = &served->signature;
    (void)fault;
    json_open_object(writer);
    api_write_member(writer, "name", served->name);
    api_write_member(writer, "platform", PLATFORM);
    api_write_member(writer, "backend", SERVICE_NAME);
    json_key(writer, "max_batch_size");
    json_uint64(writer, 0);
    write_config_tensors(writer, "input", signature, signature->inputs, signature->input_count);
    write_config_tensors(writer, "output", signature, signature->outputs, signature->output_count);
    write_instances(writer, served->name, call->service->workers);
    write_scheduling(writer, served->model);
    json_close_object(writer);
    return true;
}
