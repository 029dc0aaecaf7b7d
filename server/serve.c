#include "server/serve.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/events.h"
#include "server/fronts.h"
#include "server/log.h"
#include "server/machine.h"
#include "server/model_update.h"
#include "server/notify.h"
#include "server/sandbox_files.h"
#include "server/sequence_evictor.h"
#include "server/sequence_handover.h"
#include "server/service.h"
#include "server/supervisor.h"
#include "server/tls.h"

/* After everything was answered, a worker may be in the middle of a sequence that cannot be cut.
 * Nobody waits for it. */
#define LAST_TASK (2 * CLOCK_NS_PER_S)

struct server {
    const struct setup *setup;
    struct model_store models;
    struct service service;
    struct sequence_evictor evictor;
    struct fronts fronts;
    bool is_stuck; /* a request, or a model being loaded, goes on: what they use stays */
    enum exit_code code;
};

/* ---- the steps, as in the table below ---- */

static bool hold_signals(struct server *server, struct fault *fault)
{
    (void)server;
    (void)fault;
    supervisor_hold_signals();
    notify_open();
    return true;
}

static void leave_manager(struct server *server)
{
    (void)server;
    notify_close();
}

static bool load_models(struct server *server, struct fault *fault)
{
    const struct model_places places = setup_places(server->setup);
    struct model_table *table;
    if (!model_update_first(&places, &table, fault))
        return false;
    model_store_init(&server->models, table);
    return true;
}

static void drop_models(struct server *server)
{
    model_store_fini(&server->models);
}

static bool open_tls(struct server *server, struct fault *fault)
{
    const struct options *options = server->setup->options;
    const struct tls_files files = {options->tls_certificate, options->tls_key,
                                    options->tls_client_ca};
    return !server->setup->http.tls || tls_open(&files, fault);
}

static void close_tls(struct server *server)
{
    if (server->setup->http.tls)
        tls_close();
}

static bool clear_endpoints(struct server *server, struct fault *fault)
{
    return zmq_config_clear(&server->setup->zmq, fault);
}

static bool open_tokens(struct server *server, struct fault *fault)
{
    const char *path = server->setup->options->tokens_file;
    return path == NULL || access_open(&server->service.access, path, fault) ||
           fault_prefix(fault, "tokens_file");
}

static void close_tokens(struct server *server)
{
    if (server->service.access != NULL)
        access_close(server->service.access);
}

static bool enter_sandbox(struct server *server, struct fault *fault)
{
    struct sandbox_plan plan;
    if (!server->setup->has_sandbox)
        return true;
    struct model_table *table = model_store_table(&server->models);
    sandbox_plan_init(&plan);
    sandbox_files_allow(&plan, server->setup, table);
    model_table_release(table);
    return sandbox_enter(&plan, fault);
}

static bool create_sequences(struct server *server, struct fault *fault)
{
    const struct options *options = server->setup->options;
    const struct sequences_config config = {
        .count_limit = options->sequence_limit,
        .bytes_limit = options->sequence_bytes_limit,
        .idle_timeout = options->sequence_idle_timeout_ms * CLOCK_NS_PER_MS,
    };
    return sequences_create(&server->service.sequences, &config, fault);
}

static void destroy_sequences(struct server *server)
{
    sequences_destroy(server->service.sequences);
}

static bool take_up_sequences(struct server *server, struct fault *fault)
{
    const struct options *options = server->setup->options;
    if (options->sequence_file == NULL)
        return true;
    struct model_table *table = model_store_table(&server->models);
    const bool done = sequence_handover_take(options->sequence_file, options->sequence_bytes_limit,
                                             server->service.sequences, table, fault);
    model_table_release(table);
    return done;
}

/* What goes on in spite of all, a request or a load, uses the scheduler, which is then left as it
 * is, and what was started before the sequences: nothing of that is taken away from it. */
static void end_now(const struct server *server)
{
    log_line("lstmd: stopped, leaving work that was given up");
    _exit((int)server->code);
}

/* No request is running any more; those that were given up change no sequence. */
static void write_sequences(struct server *server, const char *path)
{
    struct model_table *table = model_store_table(&server->models);
    struct fault fault;
    if (!sequence_handover_leave(path, server->service.sequences, table, &fault)) {
        log_line("lstmd: %s", fault.text);
        server->code = EXIT_FAILED;
    }
    model_table_release(table);
}

static void leave_sequences(struct server *server)
{
    const char *path = server->setup->options->sequence_file;
    if (path != NULL)
        write_sequences(server, path);
    if (server->is_stuck)
        end_now(server);
}

static bool start_evictor(struct server *server, struct fault *fault)
{
    return sequence_evictor_start(&server->evictor, server->service.sequences, fault);
}

static void stop_evictor(struct server *server)
{
    sequence_evictor_stop(&server->evictor);
}

static bool start_scheduler(struct server *server, struct fault *fault)
{
    const struct options *options = server->setup->options;
    const struct scheduler_config config = {
        .workers = options->workers,
        .processors = machine_cpus(),
        .queue_limit = options->queue_limit,
        .queue_rows_limit = options->queue_rows_limit,
        .client_percent = (unsigned)options->queue_client_percent,
        .tick_rows = options->tick_rows,
    };
    return scheduler_start(&server->service.scheduler, &config, fault);
}

static void stop_scheduler(struct server *server)
{
    if (server->is_stuck || !scheduler_stop(server->service.scheduler, clock_now() + LAST_TASK))
        server->is_stuck = true;
}

static bool reserve_scratch(struct server *server, struct fault *fault)
{
    struct model_table *table = model_store_table(&server->models);
    bool done = true;
    for (size_t i = 0; done && i < table->count; i++)
        done = scheduler_reserve(server->service.scheduler, table->entries[i].served->model, fault);
    model_table_release(table);
    return done;
}

static bool start_control(struct server *server, struct fault *fault)
{
    const struct model_control_config config = {
        .update = {.models = &server->models,
                   .scheduler = server->service.scheduler,
                   .sequences = server->service.sequences,
                   .places = setup_places(server->setup)},
        .allowed = server->setup->options->allow_model_control,
        .reloaded = supervisor_reloaded,
    };
    return model_control_start(&server->service.control, &config, fault);
}

static void stop_control(struct server *server)
{
    if (!model_control_stop(server->service.control, clock_now() + LAST_TASK))
        server->is_stuck = true;
}

static bool start_fronts(struct server *server, struct fault *fault)
{
    return fronts_start(&server->fronts, server->setup, &server->service, fault);
}

static void stop_fronts(struct server *server)
{
    const uint64_t timeout = server->setup->options->drain_timeout_ms * CLOCK_NS_PER_MS;
    fronts_stop(&server->fronts, clock_now() + timeout);
}

/* Started from top to bottom, stopped from bottom to top. Threads are bound by the sandbox when
 * they start after it; what needs a file outside of it, or a connection, stands above. */
static const struct step {
    bool (*start)(struct server *server, struct fault *fault);
    void (*stop)(struct server *server); /* NULL: nothing is to be stopped */
} steps[] = {
    {hold_signals, leave_manager},
    {load_models, drop_models},
    {open_tls, close_tls},
    {clear_endpoints, NULL},
    {open_tokens, close_tokens},
    {enter_sandbox, NULL},
    {create_sequences, destroy_sequences},
    {take_up_sequences, leave_sequences},
    {start_evictor, stop_evictor},
    {start_scheduler, stop_scheduler},
    {reserve_scratch, NULL},
    {start_control, stop_control},
    {start_fronts, stop_fronts},
};

enum { STEPS = sizeof steps / sizeof *steps };

static size_t start(struct server *server)
{
    struct fault fault;
    for (size_t i = 0; i < STEPS; i++)
        if (!steps[i].start(server, &fault)) {
            log_line("lstmd: %s", fault.text);
            server->code = exit_code_of(&fault);
            return i;
        }
    return STEPS;
}

static void stop(struct server *server, size_t started)
{
    while (started-- > 0)
        if (steps[started].stop != NULL)
            steps[started].stop(server);
}

/* ---- serving ---- */

static void init(struct server *server, const struct setup *setup)
{
    struct service *service = &server->service;
    *server = (struct server){.setup = setup, .code = EXIT_GOOD};
    service->models = &server->models;
    service->kernel = setup->kernel->name;
    service->workers = setup->options->workers;
    budget_init(&service->budget, setup->options->max_memory_bytes);
    status_counts_init(&service->http_responses);
    zmq_counts_init(&service->zmq);
    atomic_init(&service->draining, false);
}

static void tell_ready(struct server *server)
{
    const struct setup *setup = server->setup;
    struct fronts_text at;
    struct model_table *table = model_store_table(&server->models);
    fronts_print(&server->fronts, &at);
    log_line("lstmd ready http=%s zmq=%s workers=%zu kernel=%s models=%zu%s%s%s%s", at.http, at.zmq,
             setup->options->workers, setup->kernel->name, table->count,
             setup->has_admin ? " admin=" : "", setup->has_admin ? at.admin : "",
             setup->zmq.has_events ? " zmq_events=" : "", setup->zmq.has_events ? at.events : "");
    for (size_t i = 0; i < table->count; i++)
        events_tell(EVENT_MODEL_LOADED, table->entries[i].name, NULL);
    model_table_release(table);
}

static void pause_ms(size_t ms)
{
    struct timespec left = clock_timespec(ms * CLOCK_NS_PER_MS);
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* Load balancers take the time between to send their requests elsewhere. */
static void serve_until_told(struct server *server)
{
    tell_ready(server);
    supervisor_wait(&server->service, server->setup->http.tls);
    atomic_store(&server->service.draining, true);
    pause_ms(server->setup->options->drain_delay_ms);
}

enum exit_code serve(const struct setup *setup)
{
    struct server server;
    init(&server, setup);
    const size_t started = start(&server);
    if (started == STEPS)
        serve_until_told(&server);
    stop(&server, started);
    if (started == STEPS)
        log_line("lstmd: stopped");
    return server.code;
}
