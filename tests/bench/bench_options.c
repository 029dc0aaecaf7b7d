#include "tests/bench/bench_options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_DEFAULT 1.0
#define SECONDS_MAX     3600.0
#define THREADS_MAX     1024

static void print_usage(FILE *to, const char *usage_extra)
{
    fprintf(to, "usage: %s --shape T,B,I,H,L,D --threads N [--seconds S] [--output FILE]%s%s\n",
            program_invocation_short_name, *usage_extra == '\0' ? "" : " ", usage_extra);
}

void bench_options_refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

static void set_shape(struct bench_options *options, const char *value)
{
    if (!lstm_shape_parse(value, &options->shape))
        bench_options_refuse("--shape: steps,batch,input,hidden,layers,directions expected, each "
                             "at least 1, directions at most 2 (25,32,1024,1024,1,1), got '%s'",
                             value);
    options->shape_text = value;
}

static void set_threads(struct bench_options *options, const char *value)
{
    char *rest;
    errno = 0;
    const unsigned long threads = strtoul(value, &rest, 10);
    const bool digits = *value >= '0' && *value <= '9';
    if (!digits || errno != 0 || *rest != '\0' || threads < 1 || threads > THREADS_MAX)
        bench_options_refuse("--threads: a number from 1 to %d expected, got '%s'", THREADS_MAX,
                             value);
    options->threads = threads;
}

static void set_seconds(struct bench_options *options, const char *value)
{
    char *rest;
    const double seconds = strtod(value, &rest);
    if (rest == value || *rest != '\0' || !(seconds > 0 && seconds <= SECONDS_MAX))
        bench_options_refuse("--seconds: a number above 0 and up to %g expected, got '%s'",
                             SECONDS_MAX, value);
    options->seconds = seconds;
}

/* Whether name ("--kernel") is one of the words of usage_extra. */
static bool is_taken(const char *name, const char *usage_extra)
{
    return strstr(usage_extra, name) != NULL;
}

static void set_option(struct bench_options *options, const char *name, const char *value,
                       const char *usage_extra)
{
    if (strcmp(name, "--shape") == 0)
        set_shape(options, value);
    else if (strcmp(name, "--threads") == 0)
        set_threads(options, value);
    else if (strcmp(name, "--seconds") == 0)
        set_seconds(options, value);
    else if (strcmp(name, "--output") == 0)
        options->output = value;
    else if (strcmp(name, "--kernel") == 0 && is_taken(name, usage_extra))
        options->kernel = value;
    else if (strcmp(name, "--model") == 0 && is_taken(name, usage_extra))
        options->model = value;
    else
        bench_options_refuse("unknown option '%s' (--help lists them)", name);
}

static void check_complete(const struct bench_options *options, const char *usage_extra)
{
    if (options->shape_text == NULL)
        bench_options_refuse("--shape is missing");
    if (options->threads == 0)
        bench_options_refuse("--threads is missing");
    if (options->model == NULL && is_taken("--model", usage_extra))
        bench_options_refuse("--model is missing");
}

void bench_options_parse(int argc, char **argv, const char *usage_extra,
                         struct bench_options *options)
{
    *options = (struct bench_options){
        .seconds = SECONDS_DEFAULT,
        .kernel = is_taken("--kernel", usage_extra) ? getenv("LSTMD_KERNEL") : NULL,
    };
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            print_usage(stdout, usage_extra);
            exit(0);
        }
        if (i + 1 == argc)
            bench_options_refuse("'%s' stands last: a value expected behind it, or unknown "
                                 "(--help lists the options)",
                                 argv[i]);
        set_option(options, argv[i], argv[i + 1], usage_extra);
    }
    check_complete(options, usage_extra);
}
