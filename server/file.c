#include "server/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to size bytes; fewer only at the end of the file. -1 with errno on failure. */
static ssize_t read_all(int fd, char *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t got = read(fd, data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static bool check_size(int fd, const char *path, size_t max_size, size_t *size, struct fault *fault)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fault_set(fault, 400, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fault_set(fault, 400, "%s: not a regular file", path);
    if ((uintmax_t)st.st_size > max_size)
        return fault_set(fault, 400, "%s: at most %zu bytes expected, got %jd", path, max_size,
                         (intmax_t)st.st_size);
    *size = (size_t)st.st_size;
    return true;
}

static bool read_open(int fd, const char *path, size_t max_size, char **data, size_t *size,
                      struct fault *fault)
{
    size_t wanted = 0;
    if (!check_size(fd, path, max_size, &wanted, fault))
        return false;
    char *text = malloc(wanted + 1);
    if (text == NULL)
        return fault_set(fault, 503, "%s: no memory for its %zu bytes", path, wanted);
    const ssize_t got = read_all(fd, text, wanted);
    if (got < 0) {
        free(text);
        return fault_set(fault, 400, "%s: %s", path, strerror(errno));
    }
    text[got] = '\0';
    *data = text;
    *size = (size_t)got;
    return true;
}

bool file_read(const char *path, size_t max_size, char **data, size_t *size, struct fault *fault)
{
    /* O_NONBLOCK: opening a pipe or a device must not hang before it is seen not to be a file. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fault_set(fault, 400, "%s: %s", path, strerror(errno));
    const bool done = read_open(fd, path, max_size, data, size, fault);
    close(fd);
    return done;
}
