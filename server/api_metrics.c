#include "server/api_metrics.h"

#include <stdlib.h>

#include "server/log.h"
#include "server/metrics.h"

/* Returns how many. */
static size_t fill(struct metrics_model *models, const struct model_table *table,
                   struct scheduler *scheduler)
{
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct served_model *served = table->entries[i].served;
        if (served == NULL)
            continue;
        const struct lane_load load = scheduler_load(scheduler, served->lane);
        models[count++] = (struct metrics_model){.name = served->name,
                                                 .version = MODEL_VERSION,
                                                 .stats = served->lane->stats,
                                                 .memory = model_memory(served->model),
                                                 .queue_requests = load.requests,
                                                 .queue_rows = load.rows};
    }
    return count;
}

static void print(FILE *out, struct service *service, const struct metrics_model *models,
                  size_t model_count)
{
    struct model_control_counts reloads;
    struct process_usage process;
    struct sequences_counts sequences;
    sequences_count(service->sequences, &sequences);
    model_control_count(service->control, &reloads);
    const struct metrics_source source = {
        .build_version = LSTMD_VERSION,
        .kernel = service->kernel,
        .workers = service->workers,
        .models = models,
        .model_count = model_count,
        .reloads = &reloads,
        .log_dropped = log_dropped(),
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
                            size_t model_count, struct reply *reply)
{
    FILE *out = open_memstream(&reply->body, &reply->size);
    if (out == NULL)
        return false;
    print(out, service, models, model_count);
    const bool done = ferror(out) == 0;
    if (fclose(out) == 0 && done)
        return true;
    free(reply->body);
    return false;
}

void api_metrics(struct service *service, struct reply *reply)
{
    struct fault fault;
    struct model_table *table = model_store_table(service->models);
    struct metrics_model *models = calloc(table->count + 1, sizeof *models);
    const size_t count = models != NULL ? fill(models, table, service->scheduler) : 0;
    *reply = (struct reply){.status = 200, .content_type = METRICS_CONTENT_TYPE};
    if (models == NULL || !print_to_memory(service, models, count, reply)) {
        fault_set(&fault, 503, "out of memory");
        reply_fault(reply, &fault);
    }
    free(models);
    model_table_release(table);
}
