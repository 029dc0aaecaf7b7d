#include "tests/support/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/die.h"

char *whole_file_read_open(int fd, size_t *size)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        die("fstat: %s", strerror(errno));

    char *bytes = must_allocate((size_t)status.st_size + 1);
    size_t done = 0;
    while (done < (size_t)status.st_size) {
        ssize_t n = pread(fd, bytes + done, (size_t)status.st_size - done, (off_t)done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    *size = done;
    return bytes;
}

char *whole_file_read(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    char *bytes = whole_file_read_open(fd, size);
    close(fd);
    return bytes;
}
