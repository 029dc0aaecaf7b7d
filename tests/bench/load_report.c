#include "tests/bench/load_report.h"

#include <inttypes.h>
#include <string.h>

#include "tests/support/die.h"

struct report {
    FILE *out;
    enum load_report_form form;
    const char *prefix; /* of the names that follow */
    bool begun;
};

static void put_name(struct report *report, const char *name)
{
    const bool json = report->form == LOAD_REPORT_JSON;
    if (report->begun)
        fputs(json ? ",\n" : " ", report->out);
    report->begun = true;
    fprintf(report->out, json ? "  \"%s%s\": " : "%s%s=", report->prefix, name);
}

/* Texts here are words: nothing in them needs escaping. */
static void put_text(struct report *report, const char *name, const char *text)
{
    put_name(report, name);
    fprintf(report->out, report->form == LOAD_REPORT_JSON ? "\"%s\"" : "%s", text);
}

static void put_count(struct report *report, const char *name, uint64_t count)
{
    put_name(report, name);
    fprintf(report->out, "%" PRIu64, count);
}

static void put_real(struct report *report, const char *name, double value)
{
    put_name(report, name);
    fprintf(report->out, "%.*f", value < 10 ? 3 : 1, value);
}

static void put_latency(struct report *report, const struct load_histogram *latency)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50_us", 0.5}, {"p90_us", 0.9}, {"p99_us", 0.99}, {"p999_us", 0.999}};
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        put_real(report, quantiles[i].name,
                 (double)load_histogram_quantile(latency, quantiles[i].share) * 1e-3);
    put_real(report, "max_us", (double)latency->max * 1e-3);
}

static void put_settings(struct report *report, const struct load_options *options)
{
    put_text(report, "loop", options->rate > 0 ? "open" : "closed");
    if (options->rate > 0)
        put_real(report, "rate", options->rate);
    put_count(report, "connections", options->connections);
    put_count(report, "batch", options->batch);
    put_text(report, "tensors", options->binary ? "binary" : "json");
    put_real(report, "seconds", options->seconds);
}

static void put_totals(struct report *report, const struct load_options *options,
                       const struct load_result *result)
{
    static struct load_histogram all; /* too large for a stack */
    double good = 0, steps = 0;
    memset(&all, 0, sizeof all);
    for (size_t i = 0; i < options->mix.count; i++) {
        load_histogram_merge(&all, &result->good[i].latency);
        good += (double)result->good[i].in_time;
        steps += (double)result->good[i].in_time * (double)options->mix.steps[i];
    }
    put_real(report, "good_s", good / options->seconds);
    put_real(report, "row_steps_s", steps * (double)options->batch / options->seconds);
    put_latency(report, &all);
}

static void put_refused(struct report *report, const struct load_options *options,
                        const struct load_result *result)
{
    put_real(report, "refused_s", (double)result->refused.in_time / options->seconds);
    report->prefix = "refused_";
    put_latency(report, &result->refused.latency);
    put_count(report, "silently", result->refused_silently);
    report->prefix = "";
}

static void put_rest(struct report *report, const struct load_options *options,
                     const struct load_result *result)
{
    put_count(report, "errors", result->errors);
    put_count(report, "unanswered", result->unanswered);
    put_count(report, "unsent", result->unsent);
    put_count(report, "retries", result->retries);
    put_real(report, "bytes_out_s", (double)result->bytes_out / options->seconds);
    put_real(report, "bytes_in_s", (double)result->bytes_in / options->seconds);
    put_real(report, "own_cpu", result->own_cpu);
}

static void put_classes(struct report *report, const struct load_options *options,
                        const struct load_result *result)
{
    for (size_t i = 0; i < options->mix.count; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "steps%zu_", options->mix.steps[i]);
        report->prefix = prefix;
        put_real(report, "good_s", (double)result->good[i].in_time / options->seconds);
        put_latency(report, &result->good[i].latency);
        report->prefix = "";
    }
}

void load_report_write(FILE *out, enum load_report_form form, const struct load_options *options,
                       const struct load_result *result)
{
    struct report report = {.out = out, .form = form, .prefix = ""};
    if (form == LOAD_REPORT_JSON)
        fputs("{\n", out);
    put_settings(&report, options);
    put_totals(&report, options, result);
    if (options->expect_503)
        put_refused(&report, options, result);
    put_rest(&report, options, result);
    if (options->mix.count > 1)
        put_classes(&report, options, result);
    fputs(form == LOAD_REPORT_JSON ? "\n}\n" : "\n", out);
    if (fflush(out) != 0)
        die("lstm-load: the figures could not be written");
}
