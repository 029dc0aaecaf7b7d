#include "tests/support/die.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void *must_allocate(size_t size)
{
    return must_allocate_zeros(size, 1);
}

void *must_allocate_zeros(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
    if (memory == NULL)
        die("no memory for %zu times %zu bytes", count, size);
    return memory;
}
