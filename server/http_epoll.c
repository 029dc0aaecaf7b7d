#include "server/http_epoll.h"

#include <stddef.h>
#include <sys/epoll.h>

static _Thread_local struct {
    bool used, full;
    struct http_epoll_event *first; /* of its own */
} waiting;

void http_epoll_wake(struct http_epoll_event *event, void *connection)
{
    http_epoll_forget(event);
    *event = (struct http_epoll_event){connection, waiting.first, &waiting.first};
    if (waiting.first != NULL)
        waiting.first->link = &event->next;
    waiting.first = event;
}

void http_epoll_forget(struct http_epoll_event *event)
{
    if (event->link == NULL)
        return;
    *event->link = event->next;
    if (event->next != NULL)
        event->next->link = event->link;
    *event = (struct http_epoll_event){0};
}

static int take_own(struct epoll_event *events, int room)
{
    int count = 0;
    while (count < room && waiting.first != NULL) {
        events[count++] =
            (struct epoll_event){.events = EPOLLIN, .data.ptr = waiting.first->connection};
        http_epoll_forget(waiting.first);
    }
    return count;
}

/* One place is left for the system's, whose error is nobody's if there are own ones. */
int epoll_wait(int epoll, struct epoll_event *events, int room, int ms)
{
    const int own = take_own(events, room - 1);
    const int others =
        epoll_pwait(epoll, events + own, room - own, waiting.full || own > 0 ? 0 : ms, NULL);
    const int count = own == 0 ? others : own + (others > 0 ? others : 0);
    waiting.used = true;
    waiting.full = count == room;
    return count;
}

bool http_epoll_is_used(void)
{
    return waiting.used;
}
