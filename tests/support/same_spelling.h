/* Two spellings of one number (proto/float_spelling.h). */
#ifndef TESTS_SUPPORT_SAME_SPELLING_H
#define TESTS_SUPPORT_SAME_SPELLING_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/float_spelling.h"

/* Are the i-th of both the same? */
static inline bool same_spelling(const struct float_spellings *one,
                                 const struct float_spellings *other, size_t i)
{
    return one->firsts[i] == other->firsts[i] && one->tails[i] == other->tails[i] &&
           one->points[i] == other->points[i];
}

#endif
