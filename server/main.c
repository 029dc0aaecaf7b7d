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
#include "server/curve_keys.h"
#include "server/events.h"
#include "server/http.h"
#include "server/log.h"
#include "server/machine.h"
#include "server/model_control.h"
#include "server/model_store.h"
#include "server/options.h"
#include "server/scheduler.h"
#include "server/sequence_evictor.h"
#include "server/sequence_file.h"
#include "server/service.h"
#include "server/zmq_front.h"

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2 };

/* Files open beside the connections': models, logs, epoll, the libraries'. ZeroMQ's connections
 * are not bounded; so many have room beside HTTP's. */
#define SPARE_FILES     64
#define ZMQ_CONNECTIONS 1024

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

/* Before the first thread: all of them inherit the mask, and only next_signal takes any. */
static void hold_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int next_signal(const sigset_t *set)
{
    int got;
    while (sigwait(set, &got) != 0)
        continue;
    return got;
}

/* Told to stop: from now on a second word ends the process. What is asked by SIGHUP then comes too
 * late, and stays blocked. */
static void heed_second_signal(void)
{
    sigset_t set;
    signal(SIGTERM, exit_at_once);
    signal(SIGINT, exit_at_once);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- serving ---- */

struct setup {
    struct options options;
    bool has_http;
    struct http_config http;
    struct zmq_config zmq;
    const struct kernel *kernel;
    struct model_store models;
};

static struct model_places places_of(const struct setup *setup)
{
    const struct options *options = &setup->options;
    return (struct model_places){
        .folders = (const char *const *)options->models.items,
        .folder_count = options->models.count,
        .files = (const char *const *)options->model.items,
        .file_count = options->model.count,
        .kernel = setup->kernel,
    };
}

static void pause_ms(size_t ms)
{
    struct timespec left = clock_timespec(ms * CLOCK_NS_PER_MS);
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* Where requests come in. */
struct fronts {
    struct http *http; /* NULL: not there */
    struct zmq_front *zmq;
};

static void stop_fronts(const struct fronts *fronts, uint64_t deadline)
{
    if (fronts->zmq != NULL)
        zmq_front_drain(fronts->zmq);
    if (fronts->http != NULL)
        http_stop(fronts->http, deadline);
    if (fronts->zmq != NULL)
        zmq_front_stop(fronts->zmq, deadline);
}

static bool start_fronts(const struct setup *setup, struct service *service, struct fronts *fronts,
                         struct fault *fault)
{
    *fronts = (struct fronts){0};
    if ((setup->zmq.endpoint_count != 0 || setup->zmq.has_events) &&
        !zmq_front_start(&fronts->zmq, &setup->zmq, service, fault))
        return false;
    if (!setup->has_http || http_start(&fronts->http, &setup->http, service, fault))
        return true;
    fronts->http = NULL;
    stop_fronts(fronts, clock_now());
    return false;
}

static void print_zmq(const struct zmq_front *front, char *text, size_t capacity)
{
    const struct zmq_config *config = front != NULL ? zmq_front_config(front) : NULL;
    const size_t count = config != NULL ? config->endpoint_count : 0;
    snprintf(text, capacity, "none");
    for (size_t i = 0, size = 0; i < count && size < capacity; i++)
        size += (size_t)snprintf(text + size, capacity - size, "%s%s", i == 0 ? "" : ",",
                                 config->endpoints[i].text);
}

static void tell_ready(struct setup *setup, const struct fronts *fronts)
{
    char http[ADDRESS_TEXT_MAX] = "none", zmq[LOG_LINE_MAX / 2];
    struct model_table *table = model_store_table(&setup->models);
    if (fronts->http != NULL)
        address_print(http_address(fronts->http), http);
    print_zmq(fronts->zmq, zmq, sizeof zmq);
    log_line("lstmd ready http=%s zmq=%s workers=%zu kernel=%s models=%zu", http, zmq,
             setup->options.workers, setup->kernel->name, table->count);
    for (size_t i = 0; i < table->count; i++)
        events_tell(EVENT_MODEL_LOADED, table->entries[i].name, NULL);
    model_table_release(table);
}

static void serve_until_told(struct service *service, const sigset_t *signals)
{
    int signal;
    while ((signal = next_signal(signals)) == SIGHUP) {
        log_line("lstmd: SIGHUP, reloading");
        model_control_reload(service->control);
    }
    heed_second_signal();
    log_line("lstmd: %s, stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void serve_and_drain(struct setup *setup, struct service *service,
                            const struct fronts *fronts, const sigset_t *signals)
{
    tell_ready(setup, fronts);
    serve_until_told(service, signals);
    atomic_store(&service->draining, true);
    pause_ms(setup->options.drain_delay_ms);
    stop_fronts(fronts, clock_now() + setup->options.drain_timeout_ms * CLOCK_NS_PER_MS);
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

static bool reserve_scratch(struct setup *setup, struct scheduler *scheduler, struct fault *fault)
{
    struct model_table *table = model_store_table(&setup->models);
    bool done = true;
    for (size_t i = 0; done && i < table->count; i++)
        done = scheduler_reserve(scheduler, table->entries[i].served->model, fault);
    model_table_release(table);
    return done;
}

static bool start_control(struct setup *setup, struct service *service, struct fault *fault)
{
    const struct model_control_config config = {
        .models = &setup->models,
        .scheduler = service->scheduler,
        .sequences = service->sequences,
        .places = places_of(setup),
        .allowed = setup->options.allow_model_control,
    };
    return model_control_start(&service->control, &config, fault);
}

/* ---- sequences ---- */

/* In their file a model has a line of its own, shorter than this. */
#define MODEL_IN_FILE ((size_t)64 << 10)

/* Takes up what the last run has left. From here on it is this run's to leave. */
static bool take_up_sequences(struct setup *setup, struct sequences *sequences, struct fault *fault)
{
    const struct options *options = &setup->options;
    struct model_table *table = model_store_table(&setup->models);
    const size_t max_size = options->sequence_bytes_limit + table->count * MODEL_IN_FILE;
    size_t count;
    const bool loaded =
        sequence_file_load(options->sequence_file, max_size, sequences, table, &count, fault);
    model_table_release(table);
    if (!loaded)
        return fault_prefix(fault, "sequence_file (move it away to start without it)");
    if (!sequence_file_remove(options->sequence_file, fault))
        return fault_prefix(fault, "sequence_file");
    if (count != 0)
        log_line("lstmd: %zu sequences go on from %s", count, options->sequence_file);
    return true;
}

static bool open_sequences(struct setup *setup, struct sequences **sequences, struct fault *fault)
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
static bool leave_sequences(struct setup *setup, struct sequences *sequences, struct fault *fault)
{
    const char *path = setup->options.sequence_file;
    size_t count;
    if (path == NULL)
        return true;
    struct model_table *table = model_store_table(&setup->models);
    const bool saved = sequence_file_save(path, sequences, table, &count, fault);
    model_table_release(table);
    if (!saved)
        return fault_prefix(fault, "the sequences are lost: sequence_file");
    log_line("lstmd: %zu sequences kept in %s", count, path);
    return true;
}

/* ---- start and stop ---- */

/* false: something could not be started. *stopped: not when a model is still being loaded. */
static bool serve_fronts(struct setup *setup, struct service *service, const sigset_t *signals,
                         bool *stopped, struct fault *fault)
{
    struct fronts fronts;
    *stopped = true;
    if (!start_control(setup, service, fault))
        return false;
    const bool started = start_fronts(setup, service, &fronts, fault);
    if (started)
        serve_and_drain(setup, service, &fronts, signals);
    *stopped = model_control_stop(service->control, clock_now() + LAST_TASK);
    return started;
}

/* *started: it has served until the signal. false: a request is still running. */
static bool serve_requests(struct setup *setup, struct service *service, const sigset_t *signals,
                           bool *started)
{
    struct fault fault;
    bool stopped = true;
    *started = start_scheduler(setup, &service->scheduler, &fault);
    if (!*started) {
        fail(EXIT_FAILED, &fault);
        return true;
    }
    *started = reserve_scratch(setup, service->scheduler, &fault) &&
               serve_fronts(setup, service, signals, &stopped, &fault);
    if (!*started)
        fail(EXIT_FAILED, &fault);
    return scheduler_stop(service->scheduler, clock_now() + LAST_TASK) && stopped;
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
    zmq_counts_init(&service.zmq);
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

static size_t files_needed(const struct setup *setup)
{
    return setup->options.connection_limit + SPARE_FILES +
           (setup->zmq.endpoint_count != 0 ? ZMQ_CONNECTIONS : 0);
}

static bool read_endpoints(struct setup *setup, struct fault *fault)
{
    const struct options *options = &setup->options;
    setup->http = http_config(options);
    setup->has_http = strcmp(options->http, "none") != 0;
    if (setup->has_http && !address_parse(&setup->http.address, options->http, fault))
        return fault_prefix(fault, "http");
    if (!zmq_config_read(&setup->zmq, options, fault))
        return false;
    return setup->has_http || setup->zmq.endpoint_count != 0 || options->check ||
           fault_set(fault, 400, "http: none, and no other endpoint is there to serve on");
}

/* What options say about each other and about this build. */
static bool check_options(struct setup *setup, struct fault *fault)
{
    const struct options *options = &setup->options;
    if (!read_endpoints(setup, fault))
        return false;
    if (options->models.count + options->model.count == 0)
        return fault_set(fault, 400,
                         "no model to serve: name a folder of model configs with --models DIR or "
                         "one config with --model FILE");
    return find_kernel(options->kernel, &setup->kernel, fault) &&
           machine_allow_files(files_needed(setup), fault);
}

/* Tries every model without serving, and says what it found. */
static int check(const struct setup *setup)
{
    const struct model_places places = places_of(setup);
    struct model_list list;
    struct fault fault;
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

static int load_and_serve(struct setup *setup)
{
    const struct model_places places = places_of(setup);
    struct model_table *table;
    struct fault fault;
    if (!model_control_load(&places, &table, &fault))
        return fail(EXIT_CONFIG, &fault);
    model_store_init(&setup->models, table);
    const int code = serve(setup);
    model_store_fini(&setup->models);
    return code;
}

static int run(struct setup *setup)
{
    struct fault fault;
    if (!check_options(setup, &fault))
        return fail(EXIT_CONFIG, &fault);
    return setup->options.check ? check(setup) : load_and_serve(setup);
}

static int make_curve_keys(const char *path)
{
    char public_key[ZEROMQ_KEY_TEXT];
    struct fault fault;
    if (!curve_keys_make(path, public_key, &fault))
        return fail(fault.status == 400 ? EXIT_CONFIG : EXIT_FAILED, &fault);
    puts(public_key);
    return EXIT_GOOD;
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
    else if (setup.options.make_curve_keys != NULL)
        code = make_curve_keys(setup.options.make_curve_keys);
    else
        code = run(&setup);
    zmq_config_fini(&setup.zmq);
    options_fini(&setup.options);
    return code;
}
