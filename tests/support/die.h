/* The end of a test program whose own footing gave way: a file that is not there, no memory. What a
 * test is about is asserted instead. */
#ifndef TESTS_SUPPORT_DIE_H
#define TESTS_SUPPORT_DIE_H

#include <stddef.h>

/* Prints the text to stderr and exits 1, which the runner counts as a failure. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* malloc and calloc that do not fail. free() what they give. */
void *must_allocate(size_t size);
void *must_allocate_zeros(size_t count, size_t size);

#endif
