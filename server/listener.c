#include "server/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024

static bool bind_and_listen(int fd, struct address *address)
{
    const int on = 1;
    struct sockaddr *at = (struct sockaddr *)&address->storage;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return false;
    /* "[::]" means IPv6 and nothing else, whatever the machine's default. */
    if (at->sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        return false;
    return bind(fd, at, address->size) == 0 && listen(fd, BACKLOG) == 0 &&
           getsockname(fd, at, &address->size) == 0;
}

bool listener_open(struct address *address, const char *option, int *fd, struct fault *fault)
{
    char text[ADDRESS_TEXT_MAX];
    address_print(address, text);
    const int opened =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (opened >= 0 && bind_and_listen(opened, address)) {
        *fd = opened;
        return true;
    }
    if (errno == EADDRINUSE)
        fault_set(fault, 503, "cannot listen on %s: %s; %s ADDR:PORT says another", text,
                  strerror(errno), option);
    else
        fault_set(fault, 503, "cannot listen on %s: %s", text, strerror(errno));
    if (opened >= 0)
        close(opened);
    return false;
}
