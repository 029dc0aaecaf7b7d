#include "server/zmq_config.h"

#include <string.h>

#include "server/clock.h"
#include "server/curve_keys.h"

/* Whoever reaches a socket without CURVE may fill the memory: the library bounds no message of many
 * parts. So it is for this machine's own processes. */
static bool check_reach(const struct zmq_endpoint *endpoint, bool curve, struct fault *fault)
{
    return !endpoint->is_public || curve ||
           fault_set(fault, 400,
                     "%s can be reached from outside this machine: that takes CURVE "
                     "(zmq_curve_secret, zmq_curve_clients); without it ZeroMQ is served on "
                     "127.0.0.1, [::1] and ipc://",
                     endpoint->text);
}

static bool add_endpoint(struct zmq_config *config, const char *text, struct fault *fault)
{
    struct zmq_endpoint *endpoint = &config->endpoints[config->endpoint_count];
    if (config->endpoint_count == ZMQ_ENDPOINTS_MAX)
        return fault_set(fault, 400, "at most %d endpoints expected, got more", ZMQ_ENDPOINTS_MAX);
    if (!zmq_endpoint_parse(endpoint, text, fault) || !check_reach(endpoint, config->curve, fault))
        return false;
    config->endpoint_count++;
    return true;
}

static bool read_endpoints(struct zmq_config *config, const struct option_list *list,
                           struct fault *fault)
{
    if (list->count == 1 && strcmp(list->items[0], "none") == 0)
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (!add_endpoint(config, list->items[i], fault))
            return fault_prefix(fault, "zmq");
    return true;
}

static bool read_events(struct zmq_config *config, const char *text, struct fault *fault)
{
    config->has_events = strcmp(text, "none") != 0;
    return !config->has_events ||
           (zmq_endpoint_parse(&config->events, text, fault) &&
            check_reach(&config->events, config->curve, fault)) ||
           fault_prefix(fault, "zmq_events");
}

/* Encrypted for anybody would be neither here nor there. */
static bool read_curve(struct zmq_config *config, const struct options *options,
                       struct fault *fault)
{
    const char *secret = options->zmq_curve_secret, *clients = options->zmq_curve_clients;
    config->curve = secret != NULL;
    if ((secret == NULL) != (clients == NULL))
        return fault_set(fault, 400, "%s is missing: CURVE takes the server's key and its clients'",
                         secret == NULL ? "zmq_curve_secret" : "zmq_curve_clients");
    if (!config->curve)
        return true;
    if (!curve_keys_read_secret(secret, config->secret_key, fault))
        return fault_prefix(fault, "zmq_curve_secret");
    return curve_clients_read(&config->clients, clients, fault) ||
           fault_prefix(fault, "zmq_curve_clients");
}

bool zmq_config_read(struct zmq_config *config, const struct options *options, struct fault *fault)
{
    *config = (struct zmq_config){
        .max_request = options->max_body_bytes,
        .peer_limit = options->zmq_peer_limit,
        .request_timeout = options->request_timeout_ms * CLOCK_NS_PER_MS,
    };
    if (read_curve(config, options, fault) && read_endpoints(config, &options->zmq, fault) &&
        read_events(config, options->zmq_events, fault))
        return true;
    zmq_config_fini(config);
    return false;
}

bool zmq_config_clear(const struct zmq_config *config, struct fault *fault)
{
    for (size_t i = 0; i < config->endpoint_count; i++)
        if (!zmq_endpoint_clear(&config->endpoints[i], fault))
            return false;
    return !config->has_events || zmq_endpoint_clear(&config->events, fault);
}

void zmq_config_fini(struct zmq_config *config)
{
    curve_clients_fini(&config->clients);
    explicit_bzero(config->secret_key, sizeof config->secret_key);
}
