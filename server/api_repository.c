#include "server/api_repository.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json_reader.h"

/* ---- index ---- */

static bool read_query(struct json_reader *reader, bool *ready)
{
    char key[64];
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key)) {
        if (strcmp(key, "ready") != 0)
            return json_fail(reader, "unknown key, only \"ready\" is possible");
        if (!json_read_bool(reader, ready))
            return false;
    }
    return json_finish(reader);
}

/* {"ready": true} asks for those that are ready. */
static bool check_query(const struct api_call *call, bool *ready, struct fault *fault)
{
    struct json_reader reader;
    *ready = false;
    if (call->body_size == 0)
        return true;
    json_reader_init(&reader, call->body, call->body_size, fault);
    return read_query(&reader, ready);
}

/* What was unloaded leaves when the last of its requests has. */
static const char *state_name(const struct model_entry *entry)
{
    if (entry->state == MODEL_READY)
        return "READY";
    if (entry->state == MODEL_LOADING)
        return "LOADING";
    return atomic_load(&entry->record->models) != 0 ? "UNLOADING" : "UNAVAILABLE";
}

static void write_entry(struct json_writer *writer, const struct model_entry *entry)
{
    json_open_object(writer);
    api_write_member(writer, "name", entry->name);
    api_write_member(writer, "version", MODEL_VERSION);
    api_write_member(writer, "state", state_name(entry));
    if (entry->reason[0] != '\0')
        api_write_member(writer, "reason", entry->reason);
    json_close_object(writer);
}

bool api_repository_index(struct api_call *call, struct fault *fault)
{
    bool only_ready;
    if (!check_query(call, &only_ready, fault))
        return false;
    struct model_table *models = model_store_table(call->service->models);
    json_open_array(call->writer);
    for (size_t i = 0; i < models->count; i++)
        if (!only_ready || models->entries[i].state == MODEL_READY)
            write_entry(call->writer, &models->entries[i]);
    json_close_array(call->writer);
    model_table_release(models);
    return true;
}

/* ---- load and unload ---- */

static bool read_parameter(struct json_reader *reader, const char *key, enum route_kind kind)
{
    bool dependents;
    if (kind == ROUTE_MODEL_UNLOAD && strcmp(key, "unload_dependents") == 0)
        return json_read_bool(reader, &dependents); /* no model depends on another */
    if (strcmp(key, "config") == 0 || strncmp(key, "file:", 5) == 0)
        return json_fail(reader,
                         "a model is loaded as the server's own files say: '%s' is not "
                         "taken from a request",
                         key);
    return json_fail(reader, "unknown parameter '%s'", key);
}

static bool read_parameters(struct json_reader *reader, enum route_kind kind)
{
    char key[64];
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key))
        if (!read_parameter(reader, key, kind))
            return false;
    return true;
}

static bool read_order(struct json_reader *reader, enum route_kind kind)
{
    char key[64];
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key)) {
        if (strcmp(key, "parameters") != 0)
            return json_fail(reader, "unknown key, only \"parameters\" is possible");
        if (!read_parameters(reader, kind))
            return false;
    }
    return json_finish(reader);
}

struct model_command *api_repository_command(const struct service *service,
                                             const struct route *route, const char *body,
                                             size_t body_size, struct fault *fault)
{
    struct json_reader reader;
    struct model_command *command = model_command_create(
        service->control, route->kind == ROUTE_MODEL_LOAD ? MODEL_LOAD : MODEL_UNLOAD, route->model,
        route->model_size, fault);
    if (command == NULL || body_size == 0)
        return command;
    json_reader_init(&reader, body, body_size, fault);
    if (read_order(&reader, route->kind))
        return command;
    model_command_destroy(command);
    return NULL;
}

/* An empty body, which is not the same as none. */
static bool answer_nothing(struct reply *reply, struct fault *fault)
{
    *reply = (struct reply){.status = 200, .body = calloc(1, 1)};
    return reply->body != NULL || fault_set(fault, 503, "out of memory");
}

void api_repository_answer(const struct model_command *command, struct reply *reply)
{
    struct fault fault;
    if (!model_command_result(command, &fault) || !answer_nothing(reply, &fault))
        reply_fault(reply, &fault);
}
