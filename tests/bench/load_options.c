#include "tests/bench/load_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/die.h"

static const char usage[] =
    "usage: lstm-load --url http://HOST:PORT --model NAME [options]\n"
    "  --url tcp://HOST:PORT         ZeroMQ, all over one connection; so ipc://PATH: --shape is\n"
    "                                wanted then\n"
    "  --steps N | mix:N@WEIGHT,...  input lengths (1)\n"
    "  --batch B                     rows of a request (1)\n"
    "  --shape I                     input size; default: the model's metadata tells\n"
    "  --path PATH                   instead of /v2/models/NAME/infer; needs --shape\n"
    "  --json, --binary              how tensors are sent and asked for (JSON)\n"
    "  --states                      h_0 and c_0 are sent along\n"
    "  --sequences N                 each connection: one sequence of N requests after the other\n"
    "  --connections C               (1)\n"
    "  --rate R                      requests/s, arriving at random (Poisson), latencies counted\n"
    "                                from the planned moment; default: each connection sends when\n"
    "                                it has its answer\n"
    "  --seconds S --warmup S        how long is measured (5), and what goes before (1)\n"
    "  --drain S                     afterwards: how long to send what was due, and as long again\n"
    "                                to wait for the last answers (5)\n"
    "  --expect-503                  503 is a refusal, counted apart, not an error\n"
    "  --seed N                      of input values and arrivals (1)\n"
    "  --json-out FILE               the figures as a JSON object\n"
    "Prints one line of name=value; exits 1 when there was an error.\n";

static void refuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("lstm-load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs(" (--help lists the options)\n", stderr);
    va_end(arguments);
    exit(2);
}

static size_t parse_size(const char *name, const char *text, size_t max)
{
    char *rest;
    errno = 0;
    const unsigned long long value = strtoull(text, &rest, 10);
    if (*text < '0' || *text > '9' || *rest != '\0' || errno != 0 || value < 1 || value > max)
        refuse("--%s: a number from 1 to %zu expected, got '%s'", name, max, text);
    return (size_t)value;
}

static double parse_real(const char *name, const char *text, double min, double max)
{
    char *rest;
    const double value = strtod(text, &rest);
    if (rest == text || *rest != '\0' || !(value >= min && value <= max))
        refuse("--%s: a number from %g to %g expected, got '%s'", name, min, max, text);
    return value;
}

static char *copy_of(const char *text, size_t size)
{
    char *copy = strndup(text, size);
    if (copy == NULL)
        die("lstm-load: no memory");
    return copy;
}

/* "127.0.0.1:8080" */
static void set_address(struct load_options *options, const char *url, const char *host)
{
    const char *colon = strrchr(host, ':');
    const size_t port_size = colon != NULL ? strspn(colon + 1, "0123456789") : 0;
    const char *end = colon != NULL ? colon + 1 + port_size : NULL;
    if (port_size == 0 || colon == host || (strcmp(end, "") != 0 && strcmp(end, "/") != 0))
        refuse("--url: HOST:PORT expected, got '%s'", url);
    options->target.host = copy_of(host, (size_t)(colon - host));
    options->target.port = copy_of(colon + 1, port_size);
}

static void set_url(struct load_options *options, const char *url)
{
    static const struct {
        const char *scheme;
        const struct load_transport *transport;
        bool is_path;
    } schemes[] = {
        {"http://", &load_http, false}, {"tcp://", &load_zmq, false}, {"ipc://", &load_zmq, true}};
    if (options->target.host != NULL)
        refuse("--url: given twice");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const size_t size = strlen(schemes[i].scheme);
        if (strncmp(url, schemes[i].scheme, size) != 0)
            continue;
        options->transport = schemes[i].transport;
        if (schemes[i].is_path)
            options->target.host = copy_of(url + size, strlen(url + size));
        else
            set_address(options, url, url + size);
        return;
    }
    refuse("--url: http://, tcp:// or ipc:// expected, got '%s'", url);
}

enum option_name {
    URL,
    MODEL,
    SHAPE,
    PATH,
    STEPS,
    BATCH,
    CONNECTIONS,
    RATE,
    SECONDS,
    WARMUP,
    DRAIN,
    JSON,
    BINARY,
    STATES,
    SEQUENCES,
    EXPECT_503,
    SEED,
    JSON_OUT,
    HELP,
};

static const struct option table[] = {
    {"url", required_argument, NULL, URL},
    {"model", required_argument, NULL, MODEL},
    {"shape", required_argument, NULL, SHAPE},
    {"path", required_argument, NULL, PATH},
    {"steps", required_argument, NULL, STEPS},
    {"batch", required_argument, NULL, BATCH},
    {"connections", required_argument, NULL, CONNECTIONS},
    {"rate", required_argument, NULL, RATE},
    {"seconds", required_argument, NULL, SECONDS},
    {"warmup", required_argument, NULL, WARMUP},
    {"drain", required_argument, NULL, DRAIN},
    {"json", no_argument, NULL, JSON},
    {"binary", no_argument, NULL, BINARY},
    {"states", no_argument, NULL, STATES},
    {"sequences", required_argument, NULL, SEQUENCES},
    {"expect-503", no_argument, NULL, EXPECT_503},
    {"seed", required_argument, NULL, SEED},
    {"json-out", required_argument, NULL, JSON_OUT},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static void set_requests(struct load_options *options, enum option_name name, const char *value)
{
    if (name == MODEL) {
        options->model = value;
    } else if (name == SHAPE) {
        options->input_size = parse_size("shape", value, 1 << 20);
    } else if (name == PATH) {
        if (options->target.path != NULL)
            refuse("--path: given twice");
        options->target.path = copy_of(value, strlen(value));
    } else if (name == STEPS) {
        if (!load_mix_parse(&options->mix, value))
            refuse("--steps: a number from 1 to %d, or mix:32@0.9,2000@0.1 expected, got '%s'",
                   LOAD_MIX_STEPS_MAX, value);
    } else if (name == BATCH) {
        options->batch = parse_size("batch", value, 1 << 20);
    } else if (name == STATES) {
        options->states = true;
    } else if (name == SEQUENCES) {
        options->sequence_length = parse_size("sequences", value, 1 << 30);
    } else {
        options->binary = name == BINARY;
    }
}

static void set_run(struct load_options *options, enum option_name name, const char *value)
{
    if (name == CONNECTIONS)
        options->connections = parse_size("connections", value, 50000);
    else if (name == RATE)
        options->rate = parse_real("rate", value, 1e-3, 1e7);
    else if (name == SECONDS)
        options->seconds = parse_real("seconds", value, 1e-3, 1e6);
    else if (name == WARMUP)
        options->warmup = parse_real("warmup", value, 0, 1e6);
    else if (name == DRAIN)
        options->drain = parse_real("drain", value, 0, 1e6);
    else if (name == EXPECT_503)
        options->expect_503 = true;
    else if (name == SEED)
        options->seed = parse_size("seed", value, SIZE_MAX);
    else
        options->json_out = value;
}

static void set(struct load_options *options, enum option_name name, const char *value)
{
    switch (name) {
    case HELP:
        fputs(usage, stdout);
        exit(0);
    case URL:
        set_url(options, value);
        break;
    case CONNECTIONS:
    case RATE:
    case SECONDS:
    case WARMUP:
    case DRAIN:
    case EXPECT_503:
    case SEED:
    case JSON_OUT:
        set_run(options, name, value);
        break;
    default:
        set_requests(options, name, value);
    }
}

/* What is missing, and what does not go together. */
static void complete(struct load_options *options)
{
    if (options->target.host == NULL)
        refuse("--url is missing");
    if (options->target.path != NULL && options->input_size == 0)
        refuse("--path: --shape is wanted with it: only the model's own path leads to metadata");
    if (options->model == NULL && options->target.path == NULL)
        refuse("--model is missing");
    if (options->states && options->input_size != 0)
        refuse("--states: the model's metadata tells their shapes, --shape prevents asking for it");
    if (options->transport == &load_zmq && options->input_size == 0)
        refuse("--shape is missing: over ZeroMQ the model's metadata is not asked for");
    if (options->transport == &load_zmq && options->target.path == NULL)
        options->target.path = copy_of(options->model, strlen(options->model));
    if (options->target.path == NULL &&
        asprintf(&options->target.path, "/v2/models/%s/infer", options->model) < 0)
        die("lstm-load: no memory");
}

void load_options_parse(int argc, char **argv, struct load_options *options)
{
    *options = (struct load_options){
        .mix = {.count = 1, .steps = {1}, .until = {1}},
        .batch = 1,
        .connections = 1,
        .seconds = 5,
        .warmup = 1,
        .drain = 5,
        .seed = 1,
    };
    for (;;) {
        const int name = getopt_long(argc, argv, "", table, NULL);
        if (name == -1)
            break;
        if (name == '?') /* said on stderr by getopt_long */
            exit(2);
        set(options, (enum option_name)name, optarg);
    }
    if (optind < argc)
        refuse("unknown argument '%s'", argv[optind]);
    complete(options);
}

void load_options_fini(struct load_options *options)
{
    free(options->target.host);
    free(options->target.port);
    free(options->target.path);
}
