/* Reads a whole file into memory. Files are read, never mapped: a file that a deployment truncates
 * under a mapping would kill the process. */
#ifndef SERVER_FILE_H
#define SERVER_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

/* The regular file at path (links are followed: that is how Kubernetes mounts configs), of at most
 * max_size bytes. On success *data is the caller's to free, with a NUL after the last byte. The
 * texts of failures start with the path. */
bool file_read(const char *path, size_t max_size, char **data, size_t *size, struct fault *fault);

#endif
