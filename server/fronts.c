#include "server/fronts.h"

#include <stdio.h>

#include "server/clock.h"

/* The admin's address first, so that what starts slowly can be watched. */
static bool open_fronts(struct fronts *fronts, const struct setup *setup, struct service *service,
                        struct fault *fault)
{
    const bool wants_http = setup->has_admin || setup->has_http;
    const bool wants_zmq = setup->zmq.endpoint_count != 0 || setup->zmq.has_events;
    if (wants_http && !http_init(service, fault))
        return false;
    if (setup->has_admin && !http_start(&fronts->admin, &setup->admin, service, fault))
        return fault_prefix(fault, "admin");
    return (!wants_zmq || zmq_front_start(&fronts->zmq, &setup->zmq, service, fault)) &&
           (!setup->has_http || http_start(&fronts->http, &setup->http, service, fault));
}

bool fronts_start(struct fronts *fronts, const struct setup *setup, struct service *service,
                  struct fault *fault)
{
    *fronts = (struct fronts){0};
    if (open_fronts(fronts, setup, service, fault))
        return true;
    fronts_stop(fronts, clock_now());
    return false;
}

void fronts_stop(struct fronts *fronts, uint64_t deadline)
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

static void print_http(const struct http *http, char text[ADDRESS_TEXT_MAX])
{
    if (http != NULL)
        address_print(http_address(http), text);
    else
        snprintf(text, ADDRESS_TEXT_MAX, "none");
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

static void print_events(const struct zmq_front *front, char text[ZMQ_ENDPOINT_MAX])
{
    const struct zmq_config *config = front != NULL ? zmq_front_config(front) : NULL;
    snprintf(text, ZMQ_ENDPOINT_MAX, "%s",
             config != NULL && config->has_events ? config->events.text : "none");
}

void fronts_print(const struct fronts *fronts, struct fronts_text *text)
{
    print_http(fronts->http, text->http);
    print_http(fronts->admin, text->admin);
    print_zmq(fronts->zmq, text->zmq, sizeof text->zmq);
    print_events(fronts->zmq, text->events);
}
