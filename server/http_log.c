/* What became of a request, as a line of the log. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "server/address.h"
#include "server/clock.h"
#include "server/http_exchange.h"
#include "server/log.h"

/* A client's texts are cut here already, else they could leave no room for what follows. */
enum { METHOD_SHOWN = 32, PATH_SHOWN = 512 };

static uint64_t us(uint64_t ns)
{
    return ns / CLOCK_NS_PER_US;
}

/* Of a request that was computed, with the parts of its time. */
static void log_exchange(const struct exchange *exchange, const char *event, uint64_t ns)
{
    const struct request_times *times = &exchange->times;
    const struct event_stream *events = &exchange->events;
    const int status = events->begun ? events->status : exchange->reply.status;
    char shown_method[METHOD_SHOWN], shown_path[PATH_SHOWN];
    snprintf(shown_method, sizeof shown_method, "%s", exchange->method);
    snprintf(shown_path, sizeof shown_path, "%s", exchange->target);
    const struct log_field fields[] = {
        {"id", exchange->id, 0},
        {"method", shown_method, 0},
        {"path", shown_path, 0},
        {"status", NULL, (uint64_t)status},
        {"received", NULL, exchange->received},
        {"sent", NULL, events->begun ? events->sent : exchange->reply.size},
        {"us", NULL, us(ns)},
        {"queue_us", NULL, us(times->queue)},
        {"input_us", NULL, us(times->compute_input)},
        {"infer_us", NULL, us(times->compute_infer)},
        {"output_us", NULL, us(times->compute_output)},
    };
    log_event(event, fields, sizeof fields / sizeof *fields - (times->request != 0 ? 0 : 4));
}

void http_log_answered(const struct exchange *exchange)
{
    const uint64_t slow = exchange->http->config.slow_request;
    if (!log_requests() && slow == 0)
        return;
    const uint64_t ns = clock_now() - exchange->begun;
    if (slow != 0 && ns >= slow)
        log_exchange(exchange, "slow request", ns);
    else if (log_requests())
        log_exchange(exchange, "request", ns);
}

static void print_client(const struct sockaddr *client, char text[ADDRESS_TEXT_MAX])
{
    struct address address = {.size = client->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                    : sizeof(struct sockaddr_in)};
    memcpy(&address.storage, client, address.size);
    address_print(&address, text);
}

static const char *or_dash(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : "-";
}

void http_log_refused(const struct exchange *exchange, const struct sockaddr *client, int status)
{
    static const struct exchange unknown;
    const struct exchange *known = exchange != NULL ? exchange : &unknown;
    char shown_method[METHOD_SHOWN], shown_path[PATH_SHOWN], shown_client[ADDRESS_TEXT_MAX];
    if (!log_requests())
        return;
    snprintf(shown_method, sizeof shown_method, "%s", or_dash(known->method));
    snprintf(shown_path, sizeof shown_path, "%s", or_dash(known->target));
    print_client(client, shown_client);
    const struct log_field fields[] = {
        {"id", or_dash(known->id), 0},
        {"method", shown_method, 0},
        {"path", shown_path, 0},
        {"status", NULL, (uint64_t)status},
        {"received", NULL, known->received},
        {"client", shown_client, 0},
    };
    log_event("request", fields, sizeof fields / sizeof *fields);
}
