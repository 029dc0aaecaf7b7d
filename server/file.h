/* Files: reads a whole one into memory, tells whether one has changed. Files are read, never
 * mapped: a file that a deployment truncates under a mapping would kill the process. */
#ifndef SERVER_FILE_H
#define SERVER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "proto/fault.h"

/* The regular file at path (links are followed: that is how Kubernetes mounts configs), of at most
 * max_size bytes. On success *data is the caller's to free, with a NUL after the last byte. The
 * texts of failures start with the path. */
bool file_read(const char *path, size_t max_size, char **data, size_t *size, struct fault *fault);

/* What a file was like at a moment. */
struct file_stamp {
    bool certain; /* a change after that moment shows in what follows */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

/* Taken before the file is read. One that cannot be looked at has a stamp that is like no other,
 * and so has one that was changed this very moment: the clock of file times may stand still while
 * it is changed again. */
void file_stamp_read(struct file_stamp *stamp, const char *path);
bool file_stamp_is_same(const struct file_stamp *a, const struct file_stamp *b);

#endif
