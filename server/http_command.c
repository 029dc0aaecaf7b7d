/* A model to be loaded or unloaded, which takes its time. */
#include "server/api_repository.h"
#include "server/clock.h"
#include "server/http_exchange.h"

/* For a model to be loaded. */
#define COMMAND_TIMEOUT (600 * CLOCK_NS_PER_S)

void http_command_drop(struct exchange *exchange)
{
    model_command_destroy(exchange->command);
    exchange->command = NULL;
}

/* As a job that is handed over; a model may be large and the disk slow. */
bool http_command_start(struct exchange *exchange)
{
    struct http *http = exchange->http;
    struct service *service = http->service;
    exchange->command = api_repository_command(service, &exchange->route, exchange->body.text,
                                               exchange->body.size, &exchange->refusal);
    if (exchange->command == NULL)
        return http_send_refusal(exchange);
    if (!http_suspend(exchange)) {
        http_command_drop(exchange);
        return http_send_refusal(exchange);
    }
    exchange->state = WORK;
    if (model_control_submit(service->control, exchange->command, http_resume, exchange,
                             &exchange->refusal)) {
        connections_work(http->connections, exchange->slot, exchange,
                         clock_now() + COMMAND_TIMEOUT);
        return true;
    }
    http_command_drop(exchange);
    http_resume(exchange);
    return true;
}

bool http_command_send(struct exchange *exchange)
{
    api_repository_answer(exchange->command, &exchange->reply);
    http_command_drop(exchange);
    return http_send_reply(exchange);
}
