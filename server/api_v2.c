#include "server/api_v2.h"

#include <assert.h>
#include <string.h>

#define PLATFORM "lstmd_safetensors"

static void write_member(struct json_writer *writer, const char *key, const char *value)
{
    json_key(writer, key);
    json_string(writer, value);
}

static void write_server(struct json_writer *writer)
{
    json_open_object(writer);
    write_member(writer, "name", SERVICE_NAME);
    write_member(writer, "version", LSTMD_VERSION);
    json_key(writer, "extensions");
    json_open_array(writer);
    json_close_array(writer);
    json_close_object(writer);
}

static void write_live(struct json_writer *writer)
{
    json_open_object(writer);
    json_key(writer, "live");
    json_bool(writer, true);
    json_close_object(writer);
}

static void write_ready(struct json_writer *writer, bool ready)
{
    json_open_object(writer);
    json_key(writer, "ready");
    json_bool(writer, ready);
    json_key(writer, "live");
    json_bool(writer, true);
    json_close_object(writer);
}

static void write_model_ready(struct json_writer *writer, const struct served_model *served,
                              bool ready)
{
    json_open_object(writer);
    write_member(writer, "name", served->name);
    json_key(writer, "ready");
    json_bool(writer, ready);
    json_close_object(writer);
}

static void write_models(struct json_writer *writer, const struct model_store *models)
{
    json_open_object(writer);
    json_key(writer, "models");
    json_open_array(writer);
    for (size_t i = 0; i < models->count; i++)
        json_string(writer, models->models[i]->name);
    json_close_array(writer);
    json_close_object(writer);
}

static void write_tensors(struct json_writer *writer, const char *key,
                          const struct signature_tensor *tensors, size_t count)
{
    json_key(writer, key);
    json_open_array(writer);
    for (size_t i = 0; i < count; i++) {
        json_open_object(writer);
        write_member(writer, "name", tensors[i].name);
        write_member(writer, "datatype", datatype_name(tensors[i].datatype));
        json_key(writer, "shape");
        json_open_array(writer);
        for (size_t j = 0; j < tensors[i].rank; j++)
            json_int64(writer, tensors[i].shape[j]);
        json_close_array(writer);
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

static void write_model(struct json_writer *writer, const struct served_model *served)
{
    const struct signature *signature = &served->signature;
    json_open_object(writer);
    write_member(writer, "name", served->name);
    json_key(writer, "versions");
    json_open_array(writer);
    json_string(writer, MODEL_VERSION);
    json_close_array(writer);
    write_member(writer, "platform", PLATFORM);
    write_tensors(writer, "inputs", signature->inputs, signature->input_count);
    write_tensors(writer, "outputs", signature->outputs, signature->output_count);
    json_key(writer, "properties");
    json_open_object(writer);
    write_optional_inputs(writer, signature);
    write_member(writer, "batch_first", signature->batch_first ? "true" : "false");
    write_member(writer, "causal", model_is_causal(served->model) ? "true" : "false");
    json_close_object(writer);
    json_close_object(writer);
}

/* Returns the status. */
static int write_body(struct json_writer *writer, const struct service *service,
                      const struct route *route, const struct served_model *served)
{
    const bool ready = !atomic_load(&service->draining);
    switch (route->kind) {
    case ROUTE_SERVER_METADATA:
        write_server(writer);
        return 200;
    case ROUTE_LIVE:
        write_live(writer);
        return 200;
    case ROUTE_READY:
        write_ready(writer, ready);
        return ready ? 200 : 503;
    case ROUTE_MODEL_LIST:
        write_models(writer, service->models);
        return 200;
    case ROUTE_MODEL_METADATA:
        write_model(writer, served);
        return 200;
    case ROUTE_MODEL_READY:
        write_model_ready(writer, served, ready);
        return ready ? 200 : 503;
    case ROUTE_NONE:
    case ROUTE_INFER:
    case ROUTE_SEQUENCE_LIST:
    case ROUTE_SEQUENCE:
        break;
    }
    assert(!"a route of this file");
    return 500;
}

void api_v2_answer(const struct service *service, const struct route *route, struct reply *reply)
{
    const struct served_model *served = NULL;
    struct fault fault;
    if (route->model != NULL) {
        served = model_store_find(service->models, route->model, route->model_size, route->version,
                                  route->version_size, &fault);
        if (served == NULL) {
            reply_fault(reply, &fault);
            return;
        }
    }
    struct json_writer writer;
    json_writer_init(&writer);
    const int status = write_body(&writer, service, route, served);
    reply_json(reply, status, &writer);
    json_writer_fini(&writer);
}
