#include "deploy/convert/companions.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/excerpt.h"

/* One answer: a fault's text, or nothing and the file. */
union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
};

int companions_open(int folder, const char *name, struct fault *fault)
{
    struct stat st;
    if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        fault_set(fault, 400, "%s: the name of a file beside the input expected",
                  excerpt_of(name).text);
        return -1;
    }
    const int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        fault_set(fault, 400, "%s: %s", excerpt_of(name).text, strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        fault_set(fault, 400, "%s: a regular file expected", excerpt_of(name).text);
        return -1;
    }
    return fd;
}

static bool answer(int socket, int fd, struct fault *fault)
{
    union control control = {0};
    struct iovec text = {.iov_base = fault, .iov_len = sizeof *fault};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)sizeof *fault;
}

void companions_serve(int socket, int folder)
{
    char name[NAME_MAX + 1];
    bool good = true;
    while (good) {
        struct fault fault = {0};
        const ssize_t size = recv(socket, name, sizeof name - 1, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return;
        name[size] = '\0';
        const int fd = companions_open(folder, name, &fault);
        good = answer(socket, fd, &fault);
        if (fd >= 0)
            close(fd);
    }
}

static int received_file(struct msghdr *message)
{
    int fd = -1;
    const struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

int companions_ask(int socket, const char *name, struct fault *fault)
{
    union control control = {0};
    struct iovec text = {.iov_base = fault, .iov_len = sizeof *fault};
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    const size_t size = strlen(name);
    if (size == 0 || size > NAME_MAX) {
        fault_set(fault, 400, "%s: the name of a file beside the input expected",
                  excerpt_of(name).text);
        return -1;
    }
    if (send(socket, name, size, MSG_NOSIGNAL) != (ssize_t)size ||
        recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof *fault) {
        fault_set(fault, 503, "%s: %s", excerpt_of(name).text, strerror(errno));
        return -1;
    }
    const int fd = received_file(&message);
    assert(fd >= 0 || fault->status != 0);
    return fd;
}
