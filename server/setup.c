#include "server/setup.h"

#include <stdio.h>
#include <string.h>

#include "proto/excerpt.h"
#include "server/clock.h"
#include "server/lingering.h"
#include "server/log.h"
#include "server/machine.h"

/* Files open beside the connections': models, logs, epoll, the libraries'. ZeroMQ's connections
 * are not bounded; so many have room beside HTTP's, or fewer where the process may not have so many
 * files. */
#define SPARE_FILES     64
#define ZMQ_CONNECTIONS 1024

/* Of the admin address. */
#define ADMIN_CONNECTIONS 64
#define ADMIN_BODY        ((size_t)1 << 20)

/* ---- words ---- */

/* Which of two words an option says; *is_first. */
static bool choose(const char *key, const char *value, const char *first, const char *second,
                   bool *is_first, struct fault *fault)
{
    *is_first = strcmp(value, first) == 0;
    return *is_first || strcmp(value, second) == 0 ||
           fault_set(fault, 400, "%s: %s or %s expected, got '%s'", key, first, second,
                     excerpt_of(value).text);
}

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

/* ---- who may connect ---- */

static bool check_auth(const struct options *options, struct fault *fault)
{
    bool by_tokens;
    if (options->auth == NULL)
        return true;
    if (!choose("auth", options->auth, "tokens", "none", &by_tokens, fault))
        return false;
    if (!by_tokens && options->tokens_file != NULL)
        return fault_set(fault, 400, "auth: none, but there is a tokens_file");
    return !by_tokens || options->tokens_file != NULL ||
           fault_set(fault, 400, "auth: tokens, but there is no tokens_file");
}

static bool check_tls(const struct options *options, struct fault *fault)
{
    if (options->tls_certificate != NULL && options->tls_key == NULL)
        return fault_set(fault, 400, "tls_certificate: a tls_key expected beside it");
    if (options->tls_key != NULL && options->tls_certificate == NULL)
        return fault_set(fault, 400, "tls_key: a tls_certificate expected beside it");
    return options->tls_client_ca == NULL || options->tls_certificate != NULL ||
           fault_set(fault, 400, "tls_client_ca: without tls_certificate there is no TLS");
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

/* ---- addresses ---- */

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

static bool read_address(const struct options *options, const char *key, const char *text,
                         struct address *address, struct fault *fault)
{
    return (address_parse(address, text, fault) && check_exposure(options, address, text, fault)) ||
           fault_prefix(fault, "%s", key);
}

static bool read_http(struct setup *setup, struct fault *fault)
{
    const struct options *options = setup->options;
    setup->has_http = strcmp(options->http, "none") != 0;
    setup->http = http_config(options);
    setup->http.tls = options->tls_certificate != NULL;
    setup->http.role = options->admin != NULL ? HTTP_SERVING : HTTP_ALL;
    return !setup->has_http ||
           read_address(options, "http", options->http, &setup->http.address, fault);
}

static bool read_admin(struct setup *setup, struct fault *fault)
{
    const struct options *options = setup->options;
    setup->has_admin = options->admin != NULL;
    setup->admin = admin_config(options);
    return !setup->has_admin ||
           read_address(options, "admin", options->admin, &setup->admin.address, fault);
}

static size_t files_needed(const struct setup *setup)
{
    const size_t needed =
        setup->options->connection_limit + ADMIN_CONNECTIONS + 2 * LINGERING_MAX + SPARE_FILES;
    const size_t allowed = machine_files(), left = allowed > needed ? allowed - needed : 0;
    const bool has_zmq = setup->zmq.endpoint_count != 0 || setup->zmq.has_events;
    return needed + (!has_zmq ? 0 : left < ZMQ_CONNECTIONS ? left : ZMQ_CONNECTIONS);
}

/* ---- all of it ---- */

static bool check_words(struct setup *setup, struct fault *fault)
{
    const struct options *options = setup->options;
    bool is_text;
    return choose("sandbox", options->sandbox, "on", "off", &setup->has_sandbox, fault) &&
           choose("log_format", options->log_format, "text", "json", &is_text, fault) &&
           check_auth(options, fault) && check_tls(options, fault);
}

static bool check_something_to_serve(const struct setup *setup, struct fault *fault)
{
    const struct options *options = setup->options;
    if (!setup->has_http && setup->zmq.endpoint_count == 0 && !options->check)
        return fault_set(fault, 400, "http: none, and no other endpoint is there to serve on");
    return options->models.count + options->model.count != 0 ||
           fault_set(fault, 400,
                     "no model to serve: name a folder of model configs with --models DIR or "
                     "one config with --model FILE");
}

bool setup_init(struct setup *setup, const struct options *options, struct fault *fault)
{
    *setup = (struct setup){.options = options};
    if (check_words(setup, fault) && read_http(setup, fault) &&
        zmq_config_read(&setup->zmq, options, fault) && read_admin(setup, fault) &&
        check_something_to_serve(setup, fault) &&
        find_kernel(options->kernel, &setup->kernel, fault) &&
        machine_allow_files(files_needed(setup), fault))
        return true;
    options_place(options, fault);
    setup_fini(setup);
    return false;
}

void setup_fini(struct setup *setup)
{
    zmq_config_fini(&setup->zmq);
}

struct model_places setup_places(const struct setup *setup)
{
    const struct options *options = setup->options;
    return (struct model_places){
        .folders = (const char *const *)options->models.items,
        .folder_count = options->models.count,
        .files = (const char *const *)options->model.items,
        .file_count = options->model.count,
        .kernel = setup->kernel,
    };
}
