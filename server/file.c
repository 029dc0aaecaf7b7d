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

/* ---- stamps ---- */

/* Coarser than any file system's clock that matters. */
#define CLOCK_GRAIN_S 2

static bool is_before(const struct timespec *time, const struct timespec *now)
{
    return time->tv_sec < now->tv_sec - CLOCK_GRAIN_S;
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

void file_stamp_read(struct file_stamp *stamp, const char *path)
{
    struct stat st;
    struct timespec now;
    *stamp = (struct file_stamp){0};
    if (stat(path, &st) != 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    *stamp = (struct file_stamp){
        .certain = is_before(&st.st_mtim, &now) && is_before(&st.st_ctim, &now),
        .device = st.st_dev,
        .inode = st.st_ino,
        .size = st.st_size,
        .modified = st.st_mtim,
        .changed = st.st_ctim,
    };
}

bool file_stamp_is_same(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->certain && b->certain && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && is_same_time(&a->modified, &b->modified) &&
           is_same_time(&a->changed, &b->changed);
}
