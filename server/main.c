/* lstmd: what was asked for, and who does it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/check.h"
#include "server/curve_keys.h"
#include "server/exit_code.h"
#include "server/log.h"
#include "server/options.h"
#include "server/probe.h"
#include "server/serve.h"
#include "server/setup.h"

static enum exit_code fail(enum exit_code code, const struct fault *fault)
{
    log_line("lstmd: %s", fault->text);
    return code;
}

/* Tries every model without serving, and says what it found. */
static enum exit_code check(const struct setup *setup)
{
    const struct model_places places = setup_places(setup);
    struct model_list list;
    struct fault fault;
    if (!check_files(setup->options, &fault))
        return fail(exit_code_of(&fault), &fault);
    if (!model_loader_load_all(&places, NULL, &list, &fault))
        return fail(EXIT_FAILED, &fault);
    struct model_table *table = model_list_table(&list);
    model_list_fini(&list);
    bool done = table != NULL ? check_models(table, stdout, &fault)
                              : fault_set(&fault, 503, "out of memory");
    if (table != NULL)
        model_table_release(table);
    if (done && fflush(stdout) != 0)
        done = fault_set(&fault, 503, "standard output: %s", strerror(errno));
    return done ? EXIT_GOOD : fail(EXIT_FAILED, &fault);
}

static enum exit_code check_or_serve(const struct options *options)
{
    struct setup setup;
    struct fault fault;
    log_set_json(strcmp(options->log_format, "json") == 0);
    log_set_requests(options->access_log);
    if (!setup_init(&setup, options, &fault))
        return fail(exit_code_of(&fault), &fault);
    const enum exit_code code = options->check ? check(&setup) : serve(&setup);
    setup_fini(&setup);
    return code;
}

static enum exit_code make_curve_keys(const char *path)
{
    char public_key[ZEROMQ_KEY_TEXT];
    struct fault fault;
    if (!curve_keys_make(path, public_key, &fault))
        return fail(exit_code_of(&fault), &fault);
    puts(public_key);
    return EXIT_GOOD;
}

static enum exit_code ask(const char *url)
{
    struct fault fault;
    return probe(url, &fault) ? EXIT_GOOD : fail(EXIT_FAILED, &fault);
}

int main(int argc, char **argv)
{
    struct options options;
    struct fault fault;
    enum exit_code code = EXIT_GOOD;
    if (!options_read(&options, argc, argv, environ, &fault))
        return (int)fail(exit_code_of(&fault), &fault);
    if (options.help)
        options_print_help(stdout);
    else if (options.version)
        puts("lstmd " LSTMD_VERSION);
    else if (options.make_curve_keys != NULL)
        code = make_curve_keys(options.make_curve_keys);
    else if (options.probe != NULL)
        code = ask(options.probe);
    else
        code = check_or_serve(&options);
    options_fini(&options);
    return (int)code;
}
