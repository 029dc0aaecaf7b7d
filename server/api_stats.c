#include "server/api_stats.h"

static uint64_t load(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void write_number(struct json_writer *writer, const char *key, uint64_t value)
{
    json_key(writer, key);
    json_uint64(writer, value);
}

static void write_duration(struct json_writer *writer, const char *key, uint64_t count, uint64_t ns)
{
    json_key(writer, key);
    json_open_object(writer);
    write_number(writer, "count", count);
    write_number(writer, "ns", ns);
    json_close_object(writer);
}

/* perf_analyzer wants all eight, also those of a cache that there is not. */
static void write_inference(struct json_writer *writer, struct model_stats *stats)
{
    struct histogram_counts queue, infer, request;
    uint64_t failures = 0;
    for (size_t i = 0; i < FAILURE_COUNT; i++)
        failures += load(&stats->failures[i]);
    histogram_read(&stats->queue, &queue);
    histogram_read(&stats->infer, &infer);
    histogram_read(&stats->request, &request);
    json_key(writer, "inference_stats");
    json_open_object(writer);
    write_duration(writer, "success", request.count, request.sum);
    write_duration(writer, "fail", failures, load(&stats->failed));
    write_duration(writer, "queue", queue.count, queue.sum);
    write_duration(writer, "compute_input", request.count, load(&stats->compute_input));
    write_duration(writer, "compute_infer", infer.count, infer.sum);
    write_duration(writer, "compute_output", request.count, load(&stats->compute_output));
    write_duration(writer, "cache_hit", 0, 0);
    write_duration(writer, "cache_miss", 0, 0);
    json_close_object(writer);
}

/* Returns the number of all passes. */
static uint64_t write_batches(struct json_writer *writer, struct model_stats *stats)
{
    uint64_t all = 0;
    json_key(writer, "batch_stats");
    json_open_array(writer);
    for (size_t i = 0; i < BATCH_SIZES; i++) {
        const uint64_t passes = load(&stats->batches[i].passes);
        if (passes == 0)
            continue;
        all += passes;
        json_open_object(writer);
        write_number(writer, "batch_size", model_stats_batch_size(i));
        write_duration(writer, "compute_input", 0, 0);
        write_duration(writer, "compute_infer", passes, load(&stats->batches[i].ns));
        write_duration(writer, "compute_output", 0, 0);
        json_close_object(writer);
    }
    json_close_array(writer);
    return all;
}

static void write_memory(struct json_writer *writer, size_t bytes)
{
    json_key(writer, "memory_usage");
    json_open_array(writer);
    json_open_object(writer);
    api_write_member(writer, "type", "CPU");
    write_number(writer, "id", 0);
    write_number(writer, "byte_size", bytes);
    json_close_object(writer);
    json_close_array(writer);
}

static void write_model(struct json_writer *writer, const struct served_model *served)
{
    struct model_stats *stats = served->lane->stats;
    json_open_object(writer);
    api_write_member(writer, "name", served->name);
    api_write_member(writer, "version", MODEL_VERSION);
    write_number(writer, "last_inference", load(&stats->last_inference));
    write_number(writer, "inference_count", load(&stats->rows));
    write_inference(writer, stats);
    json_key(writer, "response_stats");
    json_open_object(writer);
    json_close_object(writer);
    write_number(writer, "execution_count", write_batches(writer, stats));
    write_memory(writer, model_memory(served->model));
    json_close_object(writer);
}

static void open_list(struct json_writer *writer)
{
    json_open_object(writer);
    json_key(writer, "model_stats");
    json_open_array(writer);
}

static void close_list(struct json_writer *writer)
{
    json_close_array(writer);
    json_close_object(writer);
}

bool api_stats_model(struct api_call *call, struct fault *fault)
{
    (void)fault;
    open_list(call->writer);
    write_model(call->writer, call->served);
    close_list(call->writer);
    return true;
}

bool api_stats_all(struct api_call *call, struct fault *fault)
{
    struct model_table *models = model_store_table(call->service->models);
    (void)fault;
    open_list(call->writer);
    for (size_t i = 0; i < models->count; i++)
        if (models->entries[i].served != NULL)
            write_model(call->writer, models->entries[i].served);
    close_list(call->writer);
    model_table_release(models);
    return true;
}
