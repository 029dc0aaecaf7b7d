#include "proto/server_event.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void begin(struct server_event *event, const char *json, size_t size)
{
    event->json = json;
    event->json_size = size;
    event->before_size = strlen(event->before);
    event->after_size = strlen(event->after);
    event->read = 0;
}

void server_event_begin(struct server_event *event, const char *json, size_t size)
{
    strcpy(event->before, "data: ");
    strcpy(event->after, "\n\n");
    begin(event, json, size);
}

void server_event_begin_error(struct server_event *event, const char *json, size_t size, int status)
{
    assert(size > 2 && json[size - 1] == '}');
    strcpy(event->before, "event: error\ndata: ");
    snprintf(event->after, sizeof event->after, ",\"status\":%d}\n\n", status);
    begin(event, json, size - 1);
}

/* What of a piece that begins at `at` is due. */
static size_t read_piece(const struct server_event *event, const char *piece, size_t size,
                         size_t at, char *out, size_t room)
{
    if (event->read < at || event->read >= at + size)
        return 0;
    const size_t from = event->read - at;
    const size_t count = size - from < room ? size - from : room;
    memcpy(out, piece + from, count);
    return count;
}

size_t server_event_read(struct server_event *event, char *out, size_t room)
{
    const struct {
        const char *text;
        size_t size;
    } pieces[] = {
        {event->before, event->before_size},
        {event->json, event->json_size},
        {event->after, event->after_size},
    };
    size_t at = 0, sum = 0;
    assert(room > 0);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const size_t count =
            read_piece(event, pieces[i].text, pieces[i].size, at, out + sum, room - sum);
        event->read += count;
        sum += count;
        at += pieces[i].size;
    }
    return sum;
}
