#include "server/api.h"

#include <assert.h>
#include <string.h>

#include "server/api_logging.h"
#include "server/api_metrics.h"
#include "server/api_repository.h"
#include "server/api_sequences.h"
#include "server/api_stats.h"
#include "server/api_v1.h"
#include "server/api_v2.h"
#include "server/pages.h"

static bool (*const handlers[ROUTE_COUNT])(struct api_call *call, struct fault *fault) = {
    [ROUTE_SERVER_METADATA] = api_v2_server,
    [ROUTE_LIVE] = api_v2_live,
    [ROUTE_READY] = api_v2_ready,
    [ROUTE_MODEL_LIST] = api_v2_model_list,
    [ROUTE_MODEL_METADATA] = api_v2_model,
    [ROUTE_MODEL_READY] = api_v2_model_ready,
    [ROUTE_MODEL_CONFIG] = api_v2_model_config,
    [ROUTE_MODEL_STATS] = api_stats_model,
    [ROUTE_ALL_STATS] = api_stats_all,
    [ROUTE_SEQUENCE_LIST] = api_sequences_list,
    [ROUTE_SEQUENCE_EXPORT] = api_sequences_export,
    [ROUTE_SEQUENCE_IMPORT] = api_sequences_import,
    [ROUTE_SEQUENCE_DROP] = api_sequences_drop,
    [ROUTE_REPOSITORY_INDEX] = api_repository_index,
    [ROUTE_LOGGING] = api_logging,
    [ROUTE_LOGGING_UPDATE] = api_logging_update,
    [ROUTE_V1_LIVE] = api_v1_live,
    [ROUTE_V1_MODEL_STATUS] = api_v1_status,
    [ROUTE_V1_MODEL_METADATA] = api_v1_metadata,
};

void api_write_member(struct json_writer *writer, const char *key, const char *value)
{
    json_key(writer, key);
    json_string(writer, value);
}

/* ---- models ---- */

/* So many of a name's bytes are worth repeating to whoever sent it. */
static int shown_size(size_t size)
{
    return size < 64 ? (int)size : 64;
}

/* There is one version of each model: it is the stable one. */
static bool check_label(const struct route *route, struct fault *fault)
{
    static const char stable[] = "stable";
    if (route->label == NULL || (route->label_size == strlen(stable) &&
                                 memcmp(route->label, stable, route->label_size) == 0))
        return true;
    return fault_set(fault, 404, "unknown label '%.*s': the one there is, is '%s'",
                     shown_size(route->label_size), route->label, stable);
}

/* In TensorFlow Serving's words, which its clients look for. */
static void say_servable_not_found(const struct route *route, struct fault *fault)
{
    const int model_size = shown_size(route->model_size);
    if (route->version == NULL)
        fault_set(fault, 404, "Servable not found for request: Latest(%.*s)", model_size,
                  route->model);
    else
        fault_set(fault, 404, "Servable not found for request: Specific(%.*s, %.*s)", model_size,
                  route->model, shown_size(route->version_size), route->version);
}

struct served_model *api_find_model(const struct service *service, const struct route *route,
                                    struct fault *fault)
{
    struct served_model *served =
        model_store_acquire(service->models, route->model, route->model_size, route->version,
                            route->version_size, fault);
    if (served == NULL && fault->status == 404 &&
        (route->kind == ROUTE_V1_PREDICT || route->kind == ROUTE_V1_MODEL_METADATA))
        say_servable_not_found(route, fault);
    if (served == NULL || check_label(route, fault))
        return served;
    served_model_release(served);
    return NULL;
}

/* Whether a model is ready may also be asked of one that is known but not loaded. */
static bool find_model(struct api_call *call, struct fault *fault)
{
    const struct route *route = call->route;
    if (route->model == NULL)
        return true;
    call->served = api_find_model(call->service, route, fault);
    return call->served != NULL ||
           (route->kind == ROUTE_MODEL_READY &&
            model_store_is_absent(call->service->models, route->model, route->model_size));
}

/* ---- answers ---- */

static void answer_json(struct api_call *call, struct reply *reply)
{
    struct json_writer writer;
    struct fault fault;
    assert(handlers[call->route->kind] != NULL);
    json_writer_init(&writer);
    call->writer = &writer;
    if (find_model(call, &fault) && handlers[call->route->kind](call, &fault)) {
        reply_json(reply, call->status, &writer);
        reply->budget = &call->service->budget;
        reply->charge = call->charge;
    } else {
        reply_fault(reply, &fault);
    }
    json_writer_fini(&writer);
    if (call->served != NULL)
        served_model_release(call->served);
}

void api_answer(struct service *service, const struct route *route, const char *body,
                size_t body_size, struct reply *reply)
{
    struct api_call call = {.service = service,
                            .route = route,
                            .body = body_size != 0 ? body : "",
                            .body_size = body_size,
                            .status = 200};
    if (route->kind == ROUTE_METRICS)
        api_metrics(service, reply);
    else if (!pages_answer(route->kind, reply))
        answer_json(&call, reply);
}
