#include "server/probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/excerpt.h"
#include "server/address.h"
#include "server/clock.h"

#define PATIENCE (5 * CLOCK_NS_PER_S)
#define URL_MAX  512

static const char scheme[] = "http://";

/* *path is left as it is when the URL has none. */
static bool parse(const char *url, struct address *address, char host[ADDRESS_TEXT_MAX],
                  const char **path, struct fault *fault)
{
    static const char name[] = "localhost:";
    const char *at = url + strlen(scheme);
    if (strncmp(url, scheme, strlen(scheme)) != 0 || strlen(url) > URL_MAX)
        return fault_set(fault, 400, "http://ADDR:PORT/PATH expected, got '%s'",
                         excerpt_of(url).text);
    const bool local = strncmp(at, name, strlen(name)) == 0;
    const size_t skip = local ? strlen(name) - 1 : 0;
    const size_t size = strcspn(at, "/");
    if (at[size] == '/')
        *path = at + size;
    snprintf(host, ADDRESS_TEXT_MAX, "%s%.*s", local ? "127.0.0.1" : "", (int)(size - skip),
             at + skip);
    return address_parse(address, host, fault);
}

/* false when the deadline comes first. */
static bool wait_for(int fd, short events, uint64_t deadline)
{
    struct pollfd pollfd = {.fd = fd, .events = events};
    for (;;) {
        const uint64_t now = clock_now();
        const int left = now < deadline ? (int)((deadline - now) / CLOCK_NS_PER_MS) + 1 : 0;
        const int ready = poll(&pollfd, 1, left);
        if (ready > 0)
            return true;
        if (ready == 0) {
            errno = ETIMEDOUT;
            return false;
        }
        if (errno != EINTR)
            return false;
    }
}

static bool open_connection(int fd, const struct address *address, uint64_t deadline)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0)
        return true;
    if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, deadline) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return false;
    errno = error;
    return error == 0;
}

/* The status line is all that matters. */
static bool ask(int fd, const char *host, const char *path, char answer[16], uint64_t deadline)
{
    char request[URL_MAX + ADDRESS_TEXT_MAX + 64];
    const int size =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
    size_t got = 0;
    if (send(fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        return false;
    memset(answer, 0, 16);
    while (got < 12) {
        if (!wait_for(fd, POLLIN, deadline))
            return false;
        const ssize_t count = recv(fd, answer + got, 12 - got, 0);
        if (count <= 0)
            return false;
        got += (size_t)count;
    }
    return true;
}

bool probe(const char *url, struct fault *fault)
{
    const uint64_t deadline = clock_now() + PATIENCE;
    struct address address;
    char host[ADDRESS_TEXT_MAX], answer[16];
    const char *path = "/";
    if (!parse(url, &address, host, &path, fault))
        return fault_prefix(fault, "probe");
    const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool answered =
        fd >= 0 && open_connection(fd, &address, deadline) && ask(fd, host, path, answer, deadline);
    if (!answered)
        fault_set(fault, 503, "%s: %s", url, errno != 0 ? strerror(errno) : "no answer");
    if (fd >= 0)
        close(fd);
    if (!answered)
        return false;
    return strncmp(answer, "HTTP/1.1 200", 12) == 0 ||
           fault_set(fault, 503, "%s: answered '%s'", url, answer);
}
