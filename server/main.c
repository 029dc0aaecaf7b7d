/* lstmd: starts in one chain, waits for a signal, stops in reverse. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/kernel.h"
#include "proto/excerpt.h"
#include "server/access.h"
#include "server/check.h"
#include "server/clock.h"
#include "server/curve_keys.h"
#include "server/events.h"
#include "server/http.h"
#include "server/log.h"
#include "server/machine.h"
#include "server/model_control.h"
#include "server/model_store.h"
#include "server/notify.h"
#include "server/options.h"
#include "server/probe.h"
#include "server/sandbox.h"
#include "server/scheduler.h"
#include "server/sequence_evictor.h"
#include "server/sequence_file.h"
#include "server/service.h"
#include "server/supervisor.h"
#include "server/tls.h"
#include "server/zmq_front.h"

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2 };

/* Files open beside the connections': models, logs, epoll, the libraries'. ZeroMQ's connections
 * are not bounded; so many have room beside HTTP's. */
#define SPARE_FILES     64
#define ZMQ_CONNECTIONS 1024

/* Of the admin address. */
#define ADMIN_CONNECTIONS 64
#define ADMIN_BODY        ((size_t)1 << 20)

/* After everything was answered, a worker may be in the middle of a sequence that cannot be cut.
 * Nobody waits for it. */
#define LAST_TASK (2 * CLOCK_NS_PER_S)

static int fail(enum exit_code code, const struct fault *fault)
{
    log_line("lstmd: %s", fault->text);
    return (int)code;
}

/* ---- serving ---- */

struct setup {
    struct options options;
    bool has_http;
    struct http_config http, admin;
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
    struct http *http, *admin; /* NULL: not there */
    struct zmq_front *zmq;     /* the same */
};

/* Probes are answered to the end. */
static void stop_fronts(const struct fronts *fronts, uint64_t deadline)
{
    if (fronts->zmq != NULL)
        zmq_front_drain(fronts->zmq);
    if (fronts->http != NULL)
        http_stop(fronts->http, deadline);
    if (fronts->zmq != NULL)
        zmq_front_stop(fronts->zmq, deadline);
    if (fronts->admin != NULL)
        http_stop(fronts->admin, clock_now());
}

static bool open_fronts(const struct setup *setup, struct service *service, struct fronts *fronts,
                        struct fault *fault)
{
    const bool wants_zmq = setup->zmq.endpoint_count != 0 || setup->zmq.has_events;
    if (setup->options.admin != NULL && !http_start(&fronts->admin, &setup->admin, service, fault))
        return fault_prefix(fault, "admin");
    return (!wants_zmq || zmq_front_start(&fronts->zmq, &setup->zmq, service, fault)) &&
           (!setup->has_http || http_start(&fronts->http, &setup->http, service, fault));
}

static bool start_fronts(const struct setup *setup, struct service *service, struct fronts *fronts,
                         struct fault *fault)
{
    *fronts = (struct fronts){0};
    if (open_fronts(setup, service, fronts, fault))
        return true;
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
    char http[ADDRESS_TEXT_MAX] = "none", admin[ADDRESS_TEXT_MAX], zmq[LOG_LINE_MAX / 2];
    struct model_table *table = model_store_table(&setup->models);
    if (fronts->http != NULL)
        address_print(http_address(fronts->http), http);
    if (fronts->admin != NULL)
        address_print(http_address(fronts->admin), admin);
    print_zmq(fronts->zmq, zmq, sizeof zmq);
    log_line("lstmd ready http=%s zmq=%s workers=%zu kernel=%s models=%zu%s%s", http, zmq,
             setup->options.workers, setup->kernel->name, table->count,
             fronts->admin != NULL ? " admin=" : "", fronts->admin != NULL ? admin : "");
    for (size_t i = 0; i < table->count; i++)
        events_tell(EVENT_MODEL_LOADED, table->entries[i].name, NULL);
    model_table_release(table);
}

static void serve_and_drain(struct setup *setup, struct service *service,
                            const struct fronts *fronts)
{
    tell_ready(setup, fronts);
    supervisor_wait(service, setup->http.tls);
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
        .reloaded = supervisor_reloaded,
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
static bool serve_fronts(struct setup *setup, struct service *service, bool *stopped,
                         struct fault *fault)
{
    struct fronts fronts;
    *stopped = true;
    if (!start_control(setup, service, fault))
        return false;
    const bool started = start_fronts(setup, service, &fronts, fault);
    if (started)
        serve_and_drain(setup, service, &fronts);
    *stopped = model_control_stop(service->control, clock_now() + LAST_TASK);
    return started;
}

/* *started: it has served until the signal. false: a request is still running. */
static bool serve_requests(struct setup *setup, struct service *service, bool *started)
{
    struct fault fault;
    bool stopped = true;
    *started = start_scheduler(setup, &service->scheduler, &fault);
    if (!*started) {
        fail(EXIT_FAILED, &fault);
        return true;
    }
    *started = reserve_scratch(setup, service->scheduler, &fault) &&
               serve_fronts(setup, service, &stopped, &fault);
    if (!*started)
        fail(EXIT_FAILED, &fault);
    return scheduler_stop(service->scheduler, clock_now() + LAST_TASK) && stopped;
}

static int serve_with_sequences(struct setup *setup, struct service *service)
{
    struct sequence_evictor evictor;
    struct fault fault;
    bool started = false, stopped = true;
    if (sequence_evictor_start(&evictor, service->sequences, &fault)) {
        stopped = serve_requests(setup, service, &started);
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

static int serve(struct setup *setup, struct access *access)
{
    struct service service = {.models = &setup->models,
                              .kernel = setup->kernel->name,
                              .workers = setup->options.workers,
                              .access = access};
    struct fault fault;
    budget_init(&service.budget, setup->options.max_memory_bytes);
    status_counts_init(&service.http_responses);
    zmq_counts_init(&service.zmq);
    atomic_init(&service.draining, false);
    if (!open_sequences(setup, &service.sequences, &fault))
        return fail(fault.status == 400 ? EXIT_CONFIG : EXIT_FAILED, &fault);
    const int code = serve_with_sequences(setup, &service);
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
        .slow_request = options->slow_request_ms * CLOCK_NS_PER_MS,
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
    return setup->options.connection_limit + ADMIN_CONNECTIONS + SPARE_FILES +
           (setup->zmq.endpoint_count != 0 ? ZMQ_CONNECTIONS : 0);
}

/* Few, short and never large: they need no more than one thread. */
static struct http_config admin_config(const struct options *options)
{
    struct http_config config = http_config(options);
    config.role = HTTP_ADMIN;
    config.threads = 1;
    config.connection_limit = ADMIN_CONNECTIONS;
    if (config.max_body > ADMIN_BODY)
        config.max_body = ADMIN_BODY;
    return config;
}

/* Others than this machine may connect to it only when somebody has said so. */
static bool check_exposure(const struct options *options, const struct address *address,
                           const char *text, struct fault *fault)
{
    if (address_is_loopback(address) || options->tokens_file != NULL)
        return true;
    if (options->auth == NULL)
        return fault_set(fault, 400,
                         "%s can be reached from other machines: give --tokens-file FILE, or say "
                         "--auth none to serve whoever connects",
                         text);
    log_line("lstmd: warning: whoever can connect to %s may use it (auth: none)", text);
    return true;
}

static bool check_auth(const struct options *options, struct fault *fault)
{
    const char *auth = options->auth;
    if (auth == NULL)
        return true;
    if (strcmp(auth, "none") != 0 && strcmp(auth, "tokens") != 0)
        return fault_set(fault, 400, "auth: tokens or none expected, got '%s'",
                         excerpt_of(auth).text);
    if (auth[0] == 'n' && options->tokens_file != NULL)
        return fault_set(fault, 400, "auth: none, but there is a tokens_file");
    return auth[0] == 'n' || options->tokens_file != NULL ||
           fault_set(fault, 400, "auth: tokens, but there is no tokens_file");
}

static bool check_tls(const struct options *options, struct fault *fault)
{
    if ((options->tls_certificate == NULL) != (options->tls_key == NULL))
        return fault_set(fault, 400, "tls_certificate and tls_key: both or neither expected");
    return options->tls_client_ca == NULL || options->tls_certificate != NULL ||
           fault_set(fault, 400, "tls_client_ca: without tls_certificate there is no TLS");
}

static bool check_addresses(struct setup *setup, struct fault *fault)
{
    const struct options *options = &setup->options;
    setup->http = http_config(options);
    setup->http.tls = options->tls_certificate != NULL;
    setup->http.role = options->admin != NULL ? HTTP_SERVING : HTTP_ALL;
    setup->admin = admin_config(options);
    setup->has_http = strcmp(options->http, "none") != 0;
    if (setup->has_http && (!address_parse(&setup->http.address, options->http, fault) ||
                            !check_exposure(options, &setup->http.address, options->http, fault)))
        return fault_prefix(fault, "http");
    if (!zmq_config_read(&setup->zmq, options, fault))
        return false;
    if (!setup->has_http && setup->zmq.endpoint_count == 0 && !options->check)
        return fault_set(fault, 400, "http: none, and no other endpoint is there to serve on");
    return options->admin == NULL ||
           (address_parse(&setup->admin.address, options->admin, fault) &&
            check_exposure(options, &setup->admin.address, options->admin, fault)) ||
           fault_prefix(fault, "admin");
}

/* What options say about each other and about this build. */
static bool check_options(struct setup *setup, struct fault *fault)
{
    const struct options *options = &setup->options;
    if (strcmp(options->sandbox, "on") != 0 && strcmp(options->sandbox, "off") != 0)
        return fault_set(fault, 400, "sandbox: on or off expected, got '%s'",
                         excerpt_of(options->sandbox).text);
    if (strcmp(options->log_format, "text") != 0 && strcmp(options->log_format, "json") != 0)
        return fault_set(fault, 400, "log_format: text or json expected, got '%s'",
                         excerpt_of(options->log_format).text);
    if (!check_auth(options, fault) || !check_tls(options, fault) || !check_addresses(setup, fault))
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

/* A socket's file is made and removed where it stands. */
static void allow_endpoint(struct sandbox_plan *plan, const struct zmq_endpoint *endpoint)
{
    const char *path = zmq_endpoint_path(endpoint);
    if (path != NULL)
        sandbox_allow_beside(plan, path, true);
}

/* Threads that are started from now on are bound by it. */
static void enter_sandbox(struct setup *setup)
{
    const struct options *options = &setup->options;
    const char *const files[] = {options->tokens_file, options->tls_certificate, options->tls_key};
    struct sandbox_plan plan;
    if (strcmp(options->sandbox, "off") == 0)
        return;
    sandbox_plan_init(&plan);
    const struct model_places places = places_of(setup);
    for (size_t i = 0; i < places.folder_count; i++)
        sandbox_allow(&plan, places.folders[i], false);
    for (size_t i = 0; i < places.file_count; i++)
        sandbox_allow_beside(&plan, places.files[i], false);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] != NULL)
            sandbox_allow_beside(&plan, files[i], false);
    if (options->sequence_file != NULL)
        sandbox_allow_beside(&plan, options->sequence_file, true);
    for (size_t i = 0; i < setup->zmq.endpoint_count; i++)
        allow_endpoint(&plan, &setup->zmq.endpoints[i]);
    if (setup->zmq.has_events)
        allow_endpoint(&plan, &setup->zmq.events);
    struct model_table *table = model_store_table(&setup->models);
    for (size_t i = 0; i < table->count; i++)
        sandbox_allow_beside(&plan, table->entries[i].served->source.weights_path, false);
    model_table_release(table);
    sandbox_enter(&plan);
}

static int serve_models(struct setup *setup)
{
    struct access *access = NULL;
    struct fault fault;
    const char *tokens = setup->options.tokens_file;
    if (!zmq_config_clear(&setup->zmq, &fault))
        return fail(EXIT_FAILED, &fault);
    if (tokens != NULL && !access_open(&access, tokens, &fault)) {
        fault_prefix(&fault, "tokens_file");
        return fail(EXIT_CONFIG, &fault);
    }
    enter_sandbox(setup);
    const int code = serve(setup, access);
    if (access != NULL)
        access_close(access);
    return code;
}

static int serve_with_tls(struct setup *setup)
{
    const struct tls_files files = {setup->options.tls_certificate, setup->options.tls_key,
                                    setup->options.tls_client_ca};
    struct fault fault;
    if (!setup->http.tls)
        return serve_models(setup);
    if (!tls_open(&files, &fault))
        return fail(EXIT_CONFIG, &fault);
    const int code = serve_models(setup);
    tls_close();
    return code;
}

static int load_and_serve(struct setup *setup)
{
    const struct model_places places = places_of(setup);
    struct model_table *table;
    struct fault fault;
    supervisor_hold_signals();
    notify_open();
    if (!model_control_load(&places, &table, &fault))
        return fail(EXIT_CONFIG, &fault);
    model_store_init(&setup->models, table);
    const int code = serve_with_tls(setup);
    model_store_fini(&setup->models);
    notify_close();
    return code;
}

static int run(struct setup *setup)
{
    struct fault fault;
    log_set_json(strcmp(setup->options.log_format, "json") == 0);
    log_set_requests(setup->options.access_log);
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

static int ask(const char *url)
{
    struct fault fault;
    return probe(url, &fault) ? EXIT_GOOD : fail(EXIT_FAILED, &fault);
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
    else if (setup.options.probe != NULL)
        code = ask(setup.options.probe);
    else
        code = run(&setup);
    zmq_config_fini(&setup.zmq);
    options_fini(&setup.options);
    return code;
}
