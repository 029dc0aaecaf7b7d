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

/* There is one version of each model: it is the stable one. */
static bool check_label(const struct route *route, struct fault *fault)
{
    static const char stable[] = "stable";
    if (route->label == NULL || (route->label_size == strlen(stable) &&
                                 memcmp(route->label, stable, route->label_size) == 0))
        return true;
    return fault_set(fault, 404, "unknown label '%.*s': the one there is, is '%s'",
                     (int)(route->label_size < 64 ? route->label_size : 64), route->label, stable);
}

/* Whether a model is ready may also be asked of one that is known but not loaded. */
static bool find_model(struct api_call *call, struct fault *fault)
{
    const struct route *route = call->route;
    struct model_store *models = call->service->models;
    if (route->model == NULL)
        return true;
    call->served = model_store_acquire(models, route->model, route->model_size, route->version,
                                       route->version_size, fault);
    if (call->served == NULL)
        return route->kind == ROUTE_MODEL_READY &&
               model_store_is_absent(models, route->model, route->model_size);
    return check_label(route, fault);
}

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
