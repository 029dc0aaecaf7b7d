#include "server/curve_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/file.h"

#define FILE_MAX ((size_t)64 << 10)

/* ---- making ---- */

static bool write_file(const char *path, const char *text, struct fault *fault)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return fault_set(fault, 400, "%s: %s", path, strerror(errno));
    const size_t size = strlen(text);
    errno = ENOSPC; /* what a short write means */
    const bool written = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    if (!written)
        fault_set(fault, 503, "%s: %s", path, strerror(errno));
    close(fd);
    if (!written)
        unlink(path);
    return written;
}

bool curve_keys_make(const char *path, char public_key[ZEROMQ_KEY_TEXT], struct fault *fault)
{
    char secret_key[ZEROMQ_KEY_TEXT], text[512];
    if (!zeromq_make_keys(public_key, secret_key, fault))
        return false;
    snprintf(text, sizeof text,
             "# A pair of CURVE keys. The secret one must stay secret.\n"
             "metadata\n"
             "curve\n"
             "    public-key = \"%s\"\n"
             "    secret-key = \"%s\"\n",
             public_key, secret_key);
    const bool done = write_file(path, text, fault);
    explicit_bzero(text, sizeof text);
    explicit_bzero(secret_key, sizeof secret_key);
    return done;
}

/* ---- reading ---- */

/* The file may be a link, as Kubernetes mounts secrets, and its group may read it. */
static bool check_mode(const char *path, struct fault *fault)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return fault_set(fault, 400, "%s: %s", path, strerror(errno));
    return (status.st_mode & S_IRWXO) == 0 ||
           fault_set(fault, 400,
                     "%s: a file that only its owner and group may read expected, got "
                     "mode %04o",
                     path, (unsigned)(status.st_mode & 07777));
}

/* What stands in quotes after the name. */
static bool find_key(const char *text, const char *name, char key[ZEROMQ_KEY_TEXT])
{
    unsigned char bytes[ZEROMQ_KEY_SIZE];
    const char *at = strstr(text, name);
    if (at == NULL)
        return false;
    at += strlen(name);
    at += strspn(at, " \t=");
    if (*at != '"' || strcspn(at + 1, "\"") != ZEROMQ_KEY_TEXT - 1 || at[ZEROMQ_KEY_TEXT] != '"')
        return false;
    memcpy(key, at + 1, ZEROMQ_KEY_TEXT - 1);
    key[ZEROMQ_KEY_TEXT - 1] = '\0';
    return zeromq_read_key(key, bytes);
}

bool curve_keys_read_secret(const char *path, char secret_key[ZEROMQ_KEY_TEXT], struct fault *fault)
{
    char *text;
    size_t size;
    if (!check_mode(path, fault) || !file_read(path, FILE_MAX, &text, &size, fault))
        return false;
    const bool found = find_key(text, "secret-key", secret_key);
    explicit_bzero(text, size);
    free(text);
    return found || fault_set(fault, 400,
                              "%s: a line secret-key = \"...\" with %d Z85 characters "
                              "expected",
                              path, ZEROMQ_KEY_TEXT - 1);
}
