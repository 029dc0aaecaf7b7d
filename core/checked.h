/* Arithmetic on sizes that came from outside: every product and sum that decides how much memory
 * is taken goes through here. */
#ifndef CORE_CHECKED_H
#define CORE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *product = a * b; false, with *product untouched, when it does not fit a size_t. */
static inline bool checked_mul(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *product = a * b;
    return true;
}

/* *sum = a + b; false, with *sum untouched, when it does not fit a size_t. */
static inline bool checked_add(size_t a, size_t b, size_t *sum)
{
    if (a > SIZE_MAX - b)
        return false;
    *sum = a + b;
    return true;
}

#endif
