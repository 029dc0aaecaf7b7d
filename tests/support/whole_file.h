/* A file's bytes, all at once. */
#ifndef TESTS_SUPPORT_WHOLE_FILE_H
#define TESTS_SUPPORT_WHOLE_FILE_H

#include <stddef.h>

/* The bytes with a NUL behind them, the caller's to free. Dies when it cannot be read. */
char *whole_file_read(const char *path, size_t *size);

/* The same for an open file, from its beginning, its position untouched. */
char *whole_file_read_open(int fd, size_t *size);

#endif
