/* The order in which rows are computed: longest first, so that those still running at a step are
 * always the first few. */
#ifndef CORE_LONGEST_FIRST_H
#define CORE_LONGEST_FIRST_H

#include <stddef.h>

struct row_length {
    size_t steps;
    size_t row;
};

/* In place, without memory or recursion. Rows of one length in no particular order. */
void sort_longest_first(struct row_length *rows, size_t count);

#endif
