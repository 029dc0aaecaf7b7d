#include "deploy/convert/file_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 100 /* a model's name, a dot before it, suffixes behind it */

struct pair {
    const char *shown; /* the folder, for texts */
    int folder;
    char config[NAME_SIZE], weights[NAME_SIZE];
    char new_config[NAME_SIZE], new_weights[NAME_SIZE]; /* until both are whole */
};

static bool fail(const struct pair *pair, const char *name, struct fault *fault)
{
    return fault_set(fault, 503, "%s/%s: %s", pair->shown, name, strerror(errno));
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

static bool copy(int from, int to)
{
    char block[1 << 16];
    if (lseek(from, 0, SEEK_SET) != 0)
        return false;
    for (;;) {
        const ssize_t size = read(from, block, sizeof block);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size == 0;
        if (!write_all(to, block, (size_t)size))
            return false;
    }
}

static bool write_new(const struct pair *pair, const char *name, int from, struct fault *fault)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
    const int to = openat(pair->folder, name, flags, 0666);
    if (to < 0)
        return fail(pair, name, fault);
    /* A failure to write may show as late as here. */
    bool done = copy(from, to) && fsync(to) == 0;
    const int error = errno;
    close(to);
    errno = error;
    return done || fail(pair, name, fault);
}

static bool put(const struct pair *pair, const char *from, const char *to, struct fault *fault)
{
    return renameat(pair->folder, from, pair->folder, to) == 0 || fail(pair, to, fault);
}

/* Of what could keep one of two new files from its place, this alone can be known before. */
static bool is_free(const struct pair *pair, const char *name, struct fault *fault)
{
    struct stat there;
    if (fstatat(pair->folder, name, &there, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(there.st_mode))
        return true;
    errno = EISDIR;
    return fail(pair, name, fault);
}

static bool write_pair(const struct pair *pair, int config, int weights, struct fault *fault)
{
    /* The config comes last: a daemon that looks in between finds no model without weights. */
    const bool done = is_free(pair, pair->weights, fault) && is_free(pair, pair->config, fault) &&
                      write_new(pair, pair->new_weights, weights, fault) &&
                      write_new(pair, pair->new_config, config, fault) &&
                      put(pair, pair->new_weights, pair->weights, fault) &&
                      put(pair, pair->new_config, pair->config, fault);
    if (!done) {
        unlinkat(pair->folder, pair->new_weights, 0);
        unlinkat(pair->folder, pair->new_config, 0);
    }
    return done;
}

bool file_pair_write(const char *folder, const char *name, int config, int weights,
                     struct fault *fault)
{
    struct pair pair = {.shown = folder};
    snprintf(pair.config, NAME_SIZE, "%s.json", name);
    snprintf(pair.weights, NAME_SIZE, "%s.safetensors", name);
    snprintf(pair.new_config, NAME_SIZE, ".%s.json.new", name);
    snprintf(pair.new_weights, NAME_SIZE, ".%s.safetensors.new", name);
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fault_set(fault, 400, "%s: %s", folder, strerror(errno));
    pair.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pair.folder < 0)
        return fault_set(fault, 400, "%s: %s", folder, strerror(errno));
    const bool done = write_pair(&pair, config, weights, fault);
    close(pair.folder);
    return done;
}
