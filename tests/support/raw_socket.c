#include "tests/support/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/die.h"

int raw_connect(unsigned port)
{
    return raw_connect_from(1, port);
}

int raw_connect_from(unsigned host, unsigned port)
{
    const struct sockaddr_in own = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~0xFFu) | host)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof own) != 0)
        die("no socket at 127.0.0.%u", host);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

bool raw_send(int fd, const void *bytes, size_t size)
{
    for (const char *at = bytes; size > 0;) {
        const ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool raw_post(int fd, const char *path, const char *body)
{
    char head[256];
    const int size = snprintf(head, sizeof head,
                              "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                              "Content-Length: %zu\r\n\r\n",
                              path, strlen(body));
    return raw_send(fd, head, (size_t)size) && raw_send(fd, body, strlen(body));
}

char *raw_receive(int fd, int milliseconds, bool *closed)
{
    size_t size = 0, capacity = 1 << 16;
    char *text = must_allocate(capacity);
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    *closed = false;
    while (!*closed && size + 1 < capacity && poll(&readable, 1, milliseconds) > 0) {
        const ssize_t n = recv(fd, text + size, capacity - 1 - size, 0);
        *closed = n <= 0;
        size += n > 0 ? (size_t)n : 0;
    }
    text[size] = '\0';
    return text;
}
