/* lstm-load: sends infer requests to a server and says how it bore them. One thread, one processor
 * at most, and little of that: bodies are made beforehand, of answers only the ends are found.
 *
 *   lstm-load --url http://127.0.0.1:8080 --model NAME [--steps mix:32@0.9,2000@0.1] [--rate R]...
 *
 * --help lists the options. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fault.h"
#include "server/machine.h"
#include "tests/bench/load_model.h"
#include "tests/bench/load_options.h"
#include "tests/bench/load_report.h"
#include "tests/bench/load_run.h"
#include "tests/support/die.h"

/* Beside the connections: the standard streams, the timer, the epoll set, --json-out. */
#define SPARE_FILES 16

static void find_model(const struct load_options *options, struct load_model *model)
{
    if (options->input_size == 0)
        load_model_fetch(model, &options->target, options->model, options->states);
    else
        *model = (struct load_model){.input = "input", .input_size = options->input_size};
}

static void write_json(const struct load_options *options, const struct load_result *result)
{
    FILE *file = fopen(options->json_out, "w");
    if (file == NULL)
        die("lstm-load: %s: %s", options->json_out, strerror(errno));
    load_report_write(file, LOAD_REPORT_JSON, options, result);
    fclose(file);
}

int main(int argc, char **argv)
{
    static struct load_result result;
    struct load_options options;
    struct load_model model;
    struct fault fault;
    load_options_parse(argc, argv, &options);
    if (!machine_allow_files(options.connections + SPARE_FILES, &fault))
        die("lstm-load: %s", fault.text);
    find_model(&options, &model);
    load_run(&options, &model, &result);
    load_report_write(stdout, LOAD_REPORT_LINE, &options, &result);
    if (options.json_out != NULL)
        write_json(&options, &result);
    if (result.first_error[0] != '\0')
        fprintf(stderr, "lstm-load: first error: %s\n", result.first_error);
    load_options_fini(&options);
    return result.errors == 0 ? 0 : 1;
}
