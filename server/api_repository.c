#include "server/api_repository.h"

#include <string.h>

#include "proto/json_reader.h"

static bool read_members(struct json_reader *reader)
{
    char key[64];
    bool ready;
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key)) {
        if (strcmp(key, "ready") != 0)
            return json_fail(reader, "unknown key, only \"ready\" is possible");
        if (!json_read_bool(reader, &ready))
            return false;
    }
    return json_finish(reader);
}

/* {"ready": true} asks for those that are ready. All there are, are ready. */
static bool check_query(const struct api_call *call, struct fault *fault)
{
    struct json_reader reader;
    if (call->body_size == 0)
        return true;
    json_reader_init(&reader, call->body, call->body_size, fault);
    return read_members(&reader);
}

bool api_repository_index(struct api_call *call, struct fault *fault)
{
    const struct model_store *models = call->service->models;
    if (!check_query(call, fault))
        return false;
    json_open_array(call->writer);
    for (size_t i = 0; i < models->count; i++) {
        json_open_object(call->writer);
        api_write_member(call->writer, "name", models->models[i]->name);
        api_write_member(call->writer, "version", MODEL_VERSION);
        api_write_member(call->writer, "state", "READY");
        json_close_object(call->writer);
    }
    json_close_array(call->writer);
    return true;
}

bool api_repository_control(struct api_call *call, struct fault *fault)
{
    (void)call;
    return fault_set(fault, 503,
                     "explicit model load / unload is not allowed: the models are those given when "
                     "the server was started");
}
