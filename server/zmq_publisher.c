#include "server/zmq_publisher.h"

#include <stdio.h>
#include <string.h>

#include "server/events.h"

static void send_event(struct zeromq_socket *publisher, const struct event *event)
{
    char topic[64 + MODEL_NAME_MAX];
    struct json_writer writer;
    snprintf(topic, sizeof topic, "%s/%s", event_name(event->kind), event->model);
    json_writer_init(&writer);
    event_write(event, &writer);
    struct zeromq_part parts[] = {
        {.data = topic, .size = strlen(topic)},
        {.data = writer.text, .size = writer.size},
    };
    if (!writer.failed)
        zeromq_send(publisher, parts, sizeof parts / sizeof *parts);
    json_writer_fini(&writer);
}

void zmq_publish(struct zeromq_socket *publisher)
{
    struct event event;
    zeromq_attend(publisher);
    while (events_take(&event))
        send_event(publisher, &event);
}
