#include "server/metrics.h"

#include <inttypes.h>

/* ---- lines ---- */

static void print_family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_label(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            fputs("\\n", out);
        else if (*value == '\\' || *value == '"')
            fprintf(out, "\\%c", *value);
        else
            fputc(*value, out);
    }
    fputc('"', out);
}

static void print_model_labels(FILE *out, const struct metrics_model *model)
{
    print_label(out, "model", model->name);
    fputc(',', out);
    print_label(out, "version", model->version);
}

/* count / scale, exactly; scale is a power of ten. Not printf's %f: it follows the locale. */
static void print_decimal(FILE *out, uint64_t count, uint64_t scale)
{
    fprintf(out, "%" PRIu64, count / scale);
    count %= scale;
    if (count != 0)
        fputc('.', out);
    while (count != 0) {
        scale /= 10;
        fputc((int)('0' + count / scale), out);
        count %= scale;
    }
}

static void print_number(FILE *out, const char *name, const char *type, const char *help,
                         uint64_t count, uint64_t scale)
{
    print_family(out, name, type, help);
    fprintf(out, "%s ", name);
    print_decimal(out, count, scale);
    fputc('\n', out);
}

/* A fact that is text: the value of a label, at the number 1. */
static void print_info(FILE *out, const char *name, const char *help, const char *label,
                       const char *value)
{
    print_family(out, name, "gauge", help);
    fprintf(out, "%s{", name);
    print_label(out, label, value);
    fputs("} 1\n", out);
}

/* ---- one number a model ---- */

static uint64_t load(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct histogram_counts counts_of(struct histogram *histogram)
{
    struct histogram_counts counts;
    histogram_read(histogram, &counts);
    return counts;
}

static uint64_t successes(const struct metrics_model *model)
{
    return counts_of(&model->stats->request).count;
}

static uint64_t rows(const struct metrics_model *model)
{
    return load(&model->stats->rows);
}

static uint64_t passes(const struct metrics_model *model)
{
    uint64_t count = 0;
    for (size_t i = 0; i < BATCH_SIZES; i++)
        count += load(&model->stats->batches[i].passes);
    return count;
}

static uint64_t request_us(const struct metrics_model *model)
{
    return counts_of(&model->stats->request).sum / 1000;
}

static uint64_t queue_us(const struct metrics_model *model)
{
    return counts_of(&model->stats->queue).sum / 1000;
}

static uint64_t input_us(const struct metrics_model *model)
{
    return load(&model->stats->compute_input) / 1000;
}

static uint64_t infer_us(const struct metrics_model *model)
{
    return counts_of(&model->stats->infer).sum / 1000;
}

static uint64_t output_us(const struct metrics_model *model)
{
    return load(&model->stats->compute_output) / 1000;
}

static uint64_t steps(const struct metrics_model *model)
{
    return load(&model->stats->pass_steps);
}

static uint64_t queue_requests(const struct metrics_model *model)
{
    return model->queue_requests;
}

static uint64_t queue_rows(const struct metrics_model *model)
{
    return model->queue_rows;
}

static uint64_t memory(const struct metrics_model *model)
{
    return model->memory;
}

static const struct {
    const char *name, *type, *help;
    uint64_t (*value)(const struct metrics_model *model);
} model_numbers[] = {
    {"nv_inference_request_success", "counter", "Requests answered", successes},
    {"nv_inference_count", "counter", "Rows of the requests answered", rows},
    {"nv_inference_exec_count", "counter", "Passes over the model's rows", passes},
    {"nv_inference_request_duration_us", "counter",
     "Microseconds from accepting requests to having their answers", request_us},
    {"nv_inference_queue_duration_us", "counter", "Microseconds that requests waited", queue_us},
    {"nv_inference_compute_input_duration_us", "counter",
     "Microseconds spent on decoding requests' tensors", input_us},
    {"nv_inference_compute_infer_duration_us", "counter",
     "Microseconds that requests were being computed", infer_us},
    {"nv_inference_compute_output_duration_us", "counter", "Microseconds spent on encoding answers",
     output_us},
    {"nv_inference_pending_request_count", "gauge", "Requests accepted and not answered yet",
     queue_requests},
    {"lstmd_queue_rows", "gauge", "Rows of the requests accepted and not answered yet", queue_rows},
    {"lstmd_steps_total", "counter", "Steps computed, of all rows together", steps},
    {"lstmd_model_memory_bytes", "gauge", "Memory that the model's weights take", memory},
};

static void print_model_numbers(FILE *out, const struct metrics_source *source)
{
    for (size_t i = 0; i < sizeof model_numbers / sizeof *model_numbers; i++) {
        print_family(out, model_numbers[i].name, model_numbers[i].type, model_numbers[i].help);
        for (size_t j = 0; j < source->model_count; j++) {
            fprintf(out, "%s{", model_numbers[i].name);
            print_model_labels(out, &source->models[j]);
            fprintf(out, "} %" PRIu64 "\n", model_numbers[i].value(&source->models[j]));
        }
    }
}

/* ---- failures ---- */

static void print_failures(FILE *out, const struct metrics_source *source)
{
    static const char name[] = "nv_inference_request_failure";
    static const char *const reasons[FAILURE_COUNT] = {
        [FAILURE_REJECTED] = "REJECTED", [FAILURE_CANCELED] = "CANCELED",
        [FAILURE_TIMEOUT] = "TIMEOUT",   [FAILURE_INVALID] = "INVALID",
        [FAILURE_OTHER] = "OTHER",
    };
    print_family(out, name, "counter", "Requests not answered, by reason");
    for (size_t i = 0; i < source->model_count; i++) {
        for (size_t j = 0; j < FAILURE_COUNT; j++) {
            fprintf(out, "%s{", name);
            print_model_labels(out, &source->models[i]);
            fputc(',', out);
            print_label(out, "reason", reasons[j]);
            fprintf(out, "} %" PRIu64 "\n", load(&source->models[i].stats->failures[j]));
        }
    }
}

/* ---- histograms ---- */

static void open_bucket(FILE *out, const char *name, const struct metrics_model *model)
{
    fprintf(out, "%s_bucket{", name);
    print_model_labels(out, model);
    fputs(",le=\"", out);
}

/* What every histogram ends with. */
static void print_totals(FILE *out, const char *name, const struct metrics_model *model,
                         uint64_t count, uint64_t sum, uint64_t scale)
{
    open_bucket(out, name, model);
    fprintf(out, "+Inf\"} %" PRIu64 "\n%s_sum{", count, name);
    print_model_labels(out, model);
    fputs("} ", out);
    print_decimal(out, sum, scale);
    fprintf(out, "\n%s_count{", name);
    print_model_labels(out, model);
    fprintf(out, "} %" PRIu64 "\n", count);
}

static void print_durations(FILE *out, const char *name, const struct metrics_model *model,
                            struct histogram *histogram)
{
    static const uint64_t second = 1000000000;
    const struct histogram_counts counts = counts_of(histogram);
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        open_bucket(out, name, model);
        print_decimal(out, histogram_bounds[i], second);
        fprintf(out, "\"} %" PRIu64 "\n", counts.cumulative[i]);
    }
    print_totals(out, name, model, counts.count, counts.sum, second);
}

static void print_histograms(FILE *out, const struct metrics_source *source)
{
    static const char request[] = "lstmd_request_duration_seconds";
    static const char queue[] = "lstmd_queue_duration_seconds";
    static const char compute[] = "lstmd_compute_duration_seconds";
    print_family(out, request, "histogram", "From accepting a request to having its answer");
    for (size_t i = 0; i < source->model_count; i++)
        print_durations(out, request, &source->models[i], &source->models[i].stats->request);
    print_family(out, queue, "histogram", "How long a request waited");
    for (size_t i = 0; i < source->model_count; i++)
        print_durations(out, queue, &source->models[i], &source->models[i].stats->queue);
    print_family(out, compute, "histogram", "How long a request was being computed");
    for (size_t i = 0; i < source->model_count; i++)
        print_durations(out, compute, &source->models[i], &source->models[i].stats->infer);
}

/* Bounds are the powers of two. What lies over the last one counted for itself is in +Inf alone. */
static void print_model_batches(FILE *out, const char *name, const struct metrics_model *model)
{
    uint64_t count = 0;
    for (size_t i = 0; i < BATCH_SIZES; i++) {
        const size_t size = model_stats_batch_size(i);
        count += load(&model->stats->batches[i].passes);
        if ((size & (size - 1)) != 0 || i == BATCH_SIZES - 1)
            continue;
        open_bucket(out, name, model);
        fprintf(out, "%zu\"} %" PRIu64 "\n", size, count);
    }
    print_totals(out, name, model, count, load(&model->stats->pass_rows), 1);
}

static void print_batches(FILE *out, const struct metrics_source *source)
{
    static const char name[] = "lstmd_batch_rows";
    print_family(out, name, "histogram", "Rows that a pass took together");
    for (size_t i = 0; i < source->model_count; i++)
        print_model_batches(out, name, &source->models[i]);
}

/* ---- the server ---- */

static void print_responses(FILE *out, const char *name, const char *help,
                            struct status_counts *counts)
{
    print_family(out, name, "counter", help);
    for (int status = STATUS_FIRST; status <= STATUS_LAST; status++) {
        const uint64_t count = status_counts_of(counts, status);
        if (count != 0)
            fprintf(out, "%s{code=\"%d\"} %" PRIu64 "\n", name, status, count);
    }
}

static void print_zmq(FILE *out, struct zmq_counts *counts)
{
    static const char dropped[] = "lstmd_zmq_dropped_total";
    print_number(out, "lstmd_zmq_requests_total", "counter", "Messages that came over ZeroMQ",
                 load(&counts->requests), 1);
    print_responses(out, "lstmd_zmq_responses_total", "Answers over ZeroMQ, by status",
                    &counts->responses);
    print_family(out, dropped, "counter",
                 "Of these: not sent, since the peer left or did not read, or for want of memory");
    fprintf(out, "%s{reason=\"gone\"} %" PRIu64 "\n", dropped, load(&counts->dropped_gone));
    fprintf(out, "%s{reason=\"full\"} %" PRIu64 "\n", dropped, load(&counts->dropped_full));
    fprintf(out, "%s{reason=\"memory\"} %" PRIu64 "\n", dropped, load(&counts->dropped_no_memory));
    print_number(out, "lstmd_zmq_peers", "gauge", "Connections over ZeroMQ", load(&counts->peers),
                 1);
    print_number(out, "lstmd_zmq_handshakes_failed_total", "counter",
                 "Connections that were not ZeroMQ's, or not let in", load(&counts->bad_handshake),
                 1);
    print_number(out, "lstmd_zmq_accepts_failed_total", "counter",
                 "Connections that could not be accepted", load(&counts->bad_accept), 1);
}

static void print_sequences(FILE *out, const struct sequences_counts *sequences)
{
    print_number(out, "lstmd_sequences_alive", "gauge", "Sequences whose state is kept",
                 sequences->alive, 1);
    print_number(out, "lstmd_sequences_bytes", "gauge", "Memory that their states take",
                 sequences->bytes, 1);
    print_number(out, "lstmd_sequences_started_total", "counter", "Sequences begun",
                 sequences->started, 1);
    print_number(out, "lstmd_sequences_ended_total", "counter", "Sequences their clients ended",
                 sequences->ended, 1);
    print_number(out, "lstmd_sequences_evicted_total", "counter",
                 "Sequences idle for too long, or of a model that is gone", sequences->evicted, 1);
    print_number(out, "lstmd_sequences_rejected_total", "counter",
                 "Sequences there was no room for", sequences->rejected, 1);
}

static void print_reloads(FILE *out, const struct model_control_counts *reloads)
{
    static const char name[] = "lstmd_model_reloads_total";
    print_family(out, name, "counter", "Times that models were loaded anew, by outcome");
    fprintf(out, "%s{result=\"success\"} %" PRIu64 "\n", name, reloads->succeeded);
    fprintf(out, "%s{result=\"failure\"} %" PRIu64 "\n", name, reloads->failed);
    print_number(out, "lstmd_model_last_reload_successful", "gauge",
                 "Whether what the files say is served", reloads->last_failed ? 0 : 1, 1);
    print_number(out, "lstmd_model_last_reload_success_timestamp_seconds", "gauge",
                 "When models were last loaded, in seconds since 1970", reloads->last_success_ms,
                 1000);
}

static void print_process(FILE *out, const struct process_usage *process)
{
    print_number(out, "process_cpu_seconds_total", "counter", "Processor time, user and system",
                 process->cpu_ns, 1000000000);
    print_number(out, "process_resident_memory_bytes", "gauge", "Resident memory",
                 process->resident_bytes, 1);
    print_number(out, "process_virtual_memory_bytes", "gauge", "Virtual memory",
                 process->virtual_bytes, 1);
    print_number(out, "process_open_fds", "gauge", "Open file descriptors", process->open_files, 1);
    print_number(out, "process_max_fds", "gauge", "Limit of open file descriptors",
                 process->open_files_limit, 1);
    print_number(out, "process_start_time_seconds", "gauge", "Start, in seconds since 1970",
                 process->start_ms, 1000);
}

void metrics_print(FILE *out, const struct metrics_source *source)
{
    print_model_numbers(out, source);
    print_failures(out, source);
    print_histograms(out, source);
    print_batches(out, source);
    print_info(out, "lstmd_build_info", "The version", "version", source->build_version);
    print_info(out, "lstmd_kernel_info", "The instruction set computed with", "kernel",
               source->kernel);
    print_number(out, "lstmd_workers", "gauge", "Threads that compute", source->workers, 1);
    print_number(out, "lstmd_memory_in_flight_bytes", "gauge", "Memory that requests hold",
                 source->memory_in_flight, 1);
    print_number(out, "lstmd_memory_limit_bytes", "gauge", "Memory that requests may hold",
                 source->memory_limit, 1);
    print_responses(out, "lstmd_http_responses_total", "Answers over HTTP, by status",
                    source->http_responses);
    print_zmq(out, source->zmq);
    print_sequences(out, source->sequences);
    print_reloads(out, source->reloads);
    print_number(out, "lstmd_log_lines_dropped_total", "counter", "Log lines that nobody took",
                 source->log_dropped, 1);
    if (source->process != NULL)
        print_process(out, source->process);
}
