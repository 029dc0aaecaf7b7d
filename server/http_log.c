/* What became of a request, as a line of the log. */
#include <stdio.h>

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
static void log_exchange(const struct exchange *exchange, const char *event, const char *method,
                         const char *target, uint64_t ns)
{
    const struct request_times *times = &exchange->times;
    char shown_method[METHOD_SHOWN], shown_path[PATH_SHOWN];
    snprintf(shown_method, sizeof shown_method, "%s", method);
    snprintf(shown_path, sizeof shown_path, "%s", target);
    const struct log_field fields[] = {
        {"id", exchange->id, 0},
        {"method", shown_method, 0},
        {"path", shown_path, 0},
        {"status", NULL, (uint64_t)exchange->reply.status},
        {"received", NULL, exchange->received},
        {"sent", NULL, exchange->reply.size},
        {"us", NULL, us(ns)},
        {"queue_us", NULL, us(times->queue)},
        {"input_us", NULL, us(times->compute_input)},
        {"infer_us", NULL, us(times->compute_infer)},
        {"output_us", NULL, us(times->compute_output)},
    };
    log_event(event, fields, sizeof fields / sizeof *fields - (times->request != 0 ? 0 : 4));
}

void http_log_answered(const struct exchange *exchange, const char *method, const char *target)
{
    const uint64_t slow = exchange->http->config.slow_request;
    if (!log_requests() && slow == 0)
        return;
    const uint64_t ns = clock_now() - exchange->begun;
    if (slow != 0 && ns >= slow)
        log_exchange(exchange, "slow request", method, target, ns);
    else if (log_requests())
        log_exchange(exchange, "request", method, target, ns);
}
