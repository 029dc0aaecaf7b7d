/* lstmd: starts in one chain, waits for a signal, stops in reverse. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/kernel.h"
#include "server/check.h"
#include "server/clock.h"
#include "server/http.h"
#include "server/log.h"
#include "server/machine.h"
#include "server/model_store.h"
#include "server/options.h"
#include "server/scheduler.h"
#include "server/sequence_evictor.h"
#include "server/sequence_file.h"
#include "server/service.h"

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2 };

/* Files open beside the connections': models, logs, epoll, the library's. */
#define SPARE_FILES 64

/* After everything was answered, a worker may be in the middle of a sequence that cannot be cut.
 * Nobody waits for it. */
#define LAST_TASK (2 * CLOCK_NS_PER_S)

static int fail(enum exit_code code, const struct fault *fault)
{
    log_line("lstmd: %s", fault->text);
    return (int)code;
}

/* ---- signals ---- */

static void exit_at_once(int signal)
{
    (void)signal;
    _exit(EXIT_FAILED);
}

/* Before the first thread: all of them inherit the mask, and only wait_for_signal takes any. */
static void hold_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* From the first signal on, a second one ends the process. */
static void wait_for_signal(const sigset_t *set)
{
    int got;
    while (sigwait(set, &got) != 0)
        continue;
    signal(SIGTERM, exit_at_once);
    signal(SIGINT, exit_at_once);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
    log_line("lstmd: %s, stopping", got == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* ---- serving ---- */

struct setup {
    struct options options;
    struct http_config http;
    const struct kernel *kernel;
    struct model_store models;
};

static void pause_ms(size_t ms)
{
    struct timespec left = clock_timespec(ms * CLOCK_NS_PER_MS);
    while (nanosleep(&left, &left) != 0)
        continue;
}

static void serve_until_signal(const struct setup *setup, struct service *service,
                               struct http *http, const sigset_t *signals)
{
    char address[ADDRESS_TEXT_MAX];
    address_print(http_address(http), address);
    log_line("lstmd ready http=%s zmq=none workers=%zu kernel=%s models=%zu", address,
             setup->options.workers, setup->kernel->name, setup->models.count);
    wait_for_signal(signals);
    atomic_store(&service->draining, true);
    pause_ms(setup->options.drain_delay_ms);
    http_stop(http, clock_now() + setup->options.drain_timeout_ms * CLOCK_NS_PER_MS);
}

static bool start_scheduler(const struct setup *setup, struct scheduler **scheduler,
                            struct fault *fault)
{
    const struct scheduler_config config = {
        .workers = setup->options.workers,
        .queue_limit = setup->options.queue_limit,
        .queue_rows_limit = setup->options.queue_rows_limit,
        .client_percent = (unsigned)setup->options.queue_client_percent,
        .tick_rows = setup->options.tick_rows,
    };
    return scheduler_start(scheduler, &config, fault);
}

static bool reserve_scratch(const struct setup *setup, struct scheduler *scheduler,
                            struct fault *fault)
{
    for (size_t i = 0; i < setup->models.count; i++)
        if (!scheduler_reserve(scheduler, setup->models.models[i]->model, fault))
            return false;
    return true;
}

/* ---- sequences ---- */

/* In their file a model has a line of its own, shorter than this. */
#define MODEL_IN_FILE ((size_t)64 << 10)

/* Takes up what the last run has left. From here on it is this run's to leave. */
static bool take_up_sequences(const struct setup *setup, struct sequences *sequences,
                              struct fault *fault)
{
    const struct options *options = &setup->options;
    const size_t max_size = options->sequence_bytes_limit + setup->models.count * MODEL_IN_FILE;
    size_t count;
    if (!sequence_file_load(options->sequence_file, max_size, sequences, &setup->models, &count,
                            fault))
        return fault_prefix(fault, "sequence_file (move it away to start without it)");
    if (!sequence_file_remove(options->sequence_file, fault))
        return fault_prefix(fault, "sequence_file");
    if (count != 0)
        log_line("lstmd: %zu sequences go on from %s", count, options->sequence_file);
    return true;
}

static bool open_sequences(const struct setup *setup, struct sequences **sequences,
                           struct fault *fault)
{
    const struct options *options = &setup->options;
    const struct sequences_config config = {
        .count_limit = options->sequence_limit,
        .bytes_limit = options->sequence_bytes_limit,
        .idle_timeout = options->sequence_idle_timeout_ms * CLOCK_NS_PER_MS,
    };
    if (!sequences_create(sequences, &config, fault))
        return false;
    if (options->sequence_file == NULL || take_up_sequences(setup, *sequences, fault))
        return true;
    sequences_destroy(*sequences);
    return false;
}

/* No request is running any more; those that were given up change no sequence. */
static bool leave_sequences(const struct setup *setup, struct sequences *sequences,
                            struct fault *fault)
{
    const char *path = setup->options.sequence_file;
    size_t count;
    if (path == NULL)
        return true;
    if (!sequence_file_save(path, sequences, &setup->models, &count, fault))
        return fault_prefix(fault, "the sequences are lost: sequence_file");
    log_line("lstmd: %zu sequences kept in %s", count, path);
    return true;
}

/* ---- start and stop ---- */

/* *started: it has served until the signal. false: a request is still running. */
static bool serve_requests(struct setup *setup, struct service *service, const sigset_t *signals,
                           bool *started)
{
    struct http *http;
    struct fault fault;
    *started = start_scheduler(setup, &service->scheduler, &fault);
    if (!*started) {
        fail(EXIT_FAILED, &fault);
        return true;
    }
    *started = reserve_scratch(setup, service->scheduler, &fault) &&
               http_start(&http, &setup->http, service, &fault);
    if (*started)
        serve_until_signal(setup, service, http, signals);
    else
        fail(EXIT_FAILED, &fault);
    return scheduler_stop(service->scheduler, clock_now() + LAST_TASK);
}

static int serve_with_sequences(struct setup *setup, struct service *service,
                                const sigset_t *signals)
{
    struct sequence_evictor evictor;
    struct fault fault;
    bool started = false, stopped = true;
    if (sequence_evictor_start(&evictor, service->sequences, &fault)) {
        stopped = serve_requests(setup, service, signals, &started);
        sequence_evictor_stop(&evictor);
    } else {
        fail(EXIT_FAILED, &fault);
    }
    const bool left = leave_sequences(setup, service->sequences, &fault);
    const int code = !left ? fail(EXIT_FAILED, &fault) : started ? EXIT_GOOD : EXIT_FAILED;
    if (!stopped) {
        log_line("lstmd: stopped, leaving a request that was given up");
        _exit(code);
    }
    if (started)
        log_line("lstmd: stopped");
    return code;
}

static int serve(struct setup *setup)
{
    struct service service = {
        .models = &setup->models, .kernel = setup->kernel->name, .workers = setup->options.workers};
    struct fault fault;
    sigset_t signals;
    hold_signals(&signals);
    budget_init(&service.budget, setup->options.max_memory_bytes);
    status_counts_init(&service.http_responses);
    atomic_init(&service.draining, false);
    if (!open_sequences(setup, &service.sequences, &fault))
        return fail(fault.status == 400 ? EXIT_CONFIG : EXIT_FAILED, &fault);
    const int code = serve_with_sequences(setup, &service, &signals);
    sequences_destroy(service.sequences);
    return code;
}

/* ---- set-up ---- */

static bool find_kernel(const char *name, const struct kernel **kernel, struct fault *fault)
{
    char known[256] = "";
    *kernel = kernel_find(name);
    if (*kernel != NULL)
        return true;
    for (size_t i = 0, size = 0; kernel_table[i] != NULL && size < sizeof known; i++)
        size += (size_t)snprintf(known + size, sizeof known - size, "%s%s", i == 0 ? "" : ", ",
                                 kernel_table[i]->name);
    return fault_set(fault, 400, "kernel: one of %s that this machine can run expected, got '%s'",
                     known, name);
}

static struct http_config http_config(const struct options *options)
{
    return (struct http_config){
        .threads = options->http_threads,
        .connection_limit = options->connection_limit,
        .max_body = options->max_body_bytes,
        .compress_from = options->compress_from_bytes,
        .ignore_half_close = options->ignore_half_close,
        .header_timeout = options->header_timeout_ms * CLOCK_NS_PER_MS,
        .body_timeout = options->body_timeout_ms * CLOCK_NS_PER_MS,
        .reply_timeout = options->reply_timeout_ms * CLOCK_NS_PER_MS,
        .idle_timeout = options->idle_timeout_ms * CLOCK_NS_PER_MS,
        .request_timeout = options->request_timeout_ms * CLOCK_NS_PER_MS,
        .min_rate = options->min_rate_bytes,
    };
}

/* What options say about each other and about this build. */
static bool check_options(struct setup *setup, struct fault *fault)
{
    const struct options *options = &setup->options;
    setup->http = http_config(options);
    if (strcmp(options->zmq, "none") != 0)
        return fault_set(fault, 400,
                         "zmq: this build has no ZeroMQ endpoint yet, only none is possible");
    if (strcmp(options->http, "none") != 0) {
        if (!address_parse(&setup->http.address, options->http, fault))
            return fault_prefix(fault, "http");
    } else if (!options->check) {
        return fault_set(fault, 400, "http: none, and no other endpoint is there to serve on");
    }
    if (options->models.count + options->model.count == 0)
        return fault_set(fault, 400,
                         "no model to serve: name a folder of model configs with --models DIR or "
                         "one config with --model FILE");
    return find_kernel(options->kernel, &setup->kernel, fault) &&
           machine_allow_files(options->connection_limit + SPARE_FILES, fault);
}

static bool load_models(struct setup *setup, struct fault *fault)
{
    const struct options *options = &setup->options;
    return model_store_load(&setup->models, (const char *const *)options->models.items,
                            options->models.count, (const char *const *)options->model.items,
                            options->model.count, setup->kernel, fault);
}

static int check(const struct setup *setup)
{
    struct fault fault;
    if (!check_models(&setup->models, stdout, &fault))
        return fail(EXIT_FAILED, &fault);
    if (fflush(stdout) == 0)
        return EXIT_GOOD;
    fault_set(&fault, 503, "standard output: %s", strerror(errno));
    return fail(EXIT_FAILED, &fault);
}

static int run(struct setup *setup)
{
    struct fault fault;
    if (!check_options(setup, &fault))
        return fail(EXIT_CONFIG, &fault);
    if (!load_models(setup, &fault))
        return fail(setup->options.check ? EXIT_FAILED : EXIT_CONFIG, &fault);
    const int code = setup->options.check ? check(setup) : serve(setup);
    model_store_fini(&setup->models);
    return code;
}

int main(int argc, char **argv)
{
    struct setup setup = {0};
    struct fault fault;
    int code = EXIT_GOOD;
    if (!options_read(&setup.options, argc, argv, environ, &fault))
        return fail(EXIT_CONFIG, &fault);
    if (setup.options.help)
        options_print_help(stdout);
    else if (setup.options.version)
        puts("lstmd " LSTMD_VERSION);
    else
        code = run(&setup);
    options_fini(&setup.options);
    return code;
}
