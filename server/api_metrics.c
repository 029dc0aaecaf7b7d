#include "server/api_metrics.h"

#include <stdlib.h>

#include "server/metrics.h"

static void fill(struct metrics_model *models, const struct service *service)
{
    for (size_t i = 0; i < service->models->count; i++) {
        const struct served_model *served = service->models->models[i];
        const struct lane_load load = scheduler_load(service->scheduler, served->lane);
        models[i] = (struct metrics_model){.name = served->name,
                                           .version = MODEL_VERSION,
                                           .stats = &served->lane->stats,
                                           .memory = model_memory(served->model),
                                           .queue_requests = load.requests,
                                           .queue_rows = load.rows};
    }
}

static void print(FILE *out, struct service *service, const struct metrics_model *models)
{
    struct process_usage process;
    struct sequences_counts sequences;
    sequences_count(service->sequences, &sequences);
    const struct metrics_source source = {
        .build_version = LSTMD_VERSION,
        .kernel = service->kernel,
        .workers = service->workers,
        .models = models,
        .model_count = service->models->count,
        .memory_in_flight = atomic_load(&service->budget.used),
        .memory_limit = service->budget.limit,
        .http_responses = &service->http_responses,
        .zmq = &service->zmq,
        .sequences = &sequences,
        .process = process_usage_read(&process) ? &process : NULL,
    };
    metrics_print(out, &source);
}

/* false: there is no memory for the text. */
static bool print_to_memory(struct service *service, const struct metrics_model *models,
                            struct reply *reply)
{
    FILE *out = open_memstream(&reply->body, &reply->size);
    if (out == NULL)
        return false;
    print(out, service, models);
    const bool done = ferror(out) == 0;
    if (fclose(out) == 0 && done)
        return true;
    free(reply->body);
    return false;
}

void api_metrics(struct service *service, struct reply *reply)
{
    struct fault fault;
    struct metrics_model *models = calloc(service->models->count + 1, sizeof *models);
    *reply = (struct reply){.status = 200, .content_type = METRICS_CONTENT_TYPE};
    if (models != NULL)
        fill(models, service);
    if (models == NULL || !print_to_memory(service, models, reply)) {
        fault_set(&fault, 503, "out of memory");
        reply_fault(reply, &fault);
    }
    free(models);
}
