#include "server/zmq_endpoint.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/excerpt.h"
#include "server/address.h"

static const char tcp[] = "tcp://";
static const char ipc[] = "ipc://";

static const char *after(const char *text, const char *prefix)
{
    const size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

static bool fail(const char *text, struct fault *fault)
{
    return fault_set(fault, 400, "tcp://ADDRESS:PORT or ipc://PATH expected, got '%s'",
                     excerpt_of(text).text);
}

/* The library's "any address" and "any port" are numbers too. */
static bool replace_stars(const char *place, char *out, size_t capacity)
{
    const char *colon = strrchr(place, ':');
    if (colon == NULL)
        return false;
    const bool any_address = colon == place + 1 && place[0] == '*';
    const bool any_port = strcmp(colon + 1, "*") == 0;
    const int size = snprintf(out, capacity, "%.*s:%s", any_address ? 7 : (int)(colon - place),
                              any_address ? "0.0.0.0" : place, any_port ? "0" : colon + 1);
    return size > 0 && (size_t)size < capacity;
}

static bool parse_tcp(struct zmq_endpoint *endpoint, const char *text, const char *place,
                      struct fault *fault)
{
    char numbers[ADDRESS_TEXT_MAX];
    struct address address;
    if (!replace_stars(place, numbers, sizeof numbers) || !address_parse(&address, numbers, fault))
        return fail(text, fault);
    endpoint->is_public = !address_is_loopback(&address);
    endpoint->ipv6 = address.storage.ss_family == AF_INET6;
    snprintf(endpoint->text, sizeof endpoint->text, "%s%s", tcp, numbers);
    return true;
}

static bool parse_ipc(struct zmq_endpoint *endpoint, const char *text, const char *path,
                      struct fault *fault)
{
    const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (*path == '\0' || strcmp(path, "*") == 0)
        return fail(text, fault);
    if (strlen(path) > most)
        return fault_set(fault, 400, "a path of at most %zu bytes expected, got '%s'", most,
                         excerpt_of(path).text);
    snprintf(endpoint->text, sizeof endpoint->text, "%s", text);
    return true;
}

bool zmq_endpoint_parse(struct zmq_endpoint *endpoint, const char *text, struct fault *fault)
{
    const char *place;
    *endpoint = (struct zmq_endpoint){0};
    if ((place = after(text, tcp)) != NULL)
        return parse_tcp(endpoint, text, place, fault);
    if ((place = after(text, ipc)) != NULL)
        return parse_ipc(endpoint, text, place, fault);
    return fail(text, fault);
}

/* ---- the file of an ipc endpoint ---- */

const char *zmq_endpoint_path(const struct zmq_endpoint *endpoint)
{
    const char *path = after(endpoint->text, ipc);
    return path != NULL && *path != '@' ? path : NULL;
}

static bool is_listened_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    const bool refused = connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
                         errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

bool zmq_endpoint_clear(const struct zmq_endpoint *endpoint, struct fault *fault)
{
    const char *path = zmq_endpoint_path(endpoint);
    struct stat status;
    if (path == NULL)
        return true;
    if (lstat(path, &status) != 0)
        return errno == ENOENT ||
               fault_set(fault, 503, "cannot listen on %s: %s", endpoint->text, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return fault_set(fault, 503, "cannot listen on %s: a file that is no socket stands there",
                         endpoint->text);
    if (is_listened_on(path))
        return fault_set(fault, 503, "cannot listen on %s: another process does", endpoint->text);
    return unlink(path) == 0 || errno == ENOENT ||
           fault_set(fault, 503, "cannot listen on %s: %s", endpoint->text, strerror(errno));
}

void zmq_endpoint_bound(struct zmq_endpoint *endpoint)
{
    const char *path = zmq_endpoint_path(endpoint);
    struct stat status;
    if (path == NULL || lstat(path, &status) != 0)
        return;
    endpoint->device = status.st_dev;
    endpoint->inode = status.st_ino;
}

void zmq_endpoint_remove(const struct zmq_endpoint *endpoint)
{
    const char *path = zmq_endpoint_path(endpoint);
    struct stat status;
    if (path != NULL && lstat(path, &status) == 0 && status.st_dev == endpoint->device &&
        status.st_ino == endpoint->inode)
        unlink(path);
}
