#include "server/http_epoll.h"

#include <stddef.h>
#include <sys/epoll.h>

static _Thread_local struct {
    bool used, full;
} waiting;

int epoll_wait(int epoll, struct epoll_event *events, int room, int ms)
{
    const int count = epoll_pwait(epoll, events, room, waiting.full ? 0 : ms, NULL);
    waiting.used = true;
    waiting.full = count == room;
    return count;
}

bool http_epoll_is_used(void)
{
    return waiting.used;
}
