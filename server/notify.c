#include "server/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/clock.h"

static int fd = -1;
static struct sockaddr_un to;
static socklen_t to_size;
static uint64_t interval;

/* "/path", or "@name" for one that is not in the file system. */
static void open_socket(const char *path)
{
    const size_t size = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || size >= sizeof to.sun_path)
        return;
    to.sun_family = AF_UNIX;
    memcpy(to.sun_path, path, size);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* The variable may be meant for the process that started this one. */
static void read_watchdog(void)
{
    const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (text == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return;
    const unsigned long long wait = strtoull(text, NULL, 10);
    if (wait > 0 && wait < UINT64_MAX / CLOCK_NS_PER_US)
        interval = wait * CLOCK_NS_PER_US / 2;
}

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path != NULL)
        open_socket(path);
    if (fd >= 0)
        read_watchdog();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(void)
{
    if (fd >= 0)
        close(fd);
    fd = -1;
}

uint64_t notify_watchdog_interval(void)
{
    return interval;
}

/* A manager that does not read must not hold the server up. */
static void tell(const char *text)
{
    if (fd < 0)
        return;
    const ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                                (const struct sockaddr *)&to, to_size);
    (void)sent;
}

void notify_ready(const char *status)
{
    char text[256];
    snprintf(text, sizeof text, "READY=1\nSTATUS=%s", status);
    tell(text);
}

void notify_reloading(void)
{
    char text[64];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(clock_now() / CLOCK_NS_PER_US));
    tell(text);
}

void notify_stopping(void)
{
    tell("STOPPING=1");
}

void notify_alive(void)
{
    tell("WATCHDOG=1");
}
