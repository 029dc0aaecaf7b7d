/* Cutting one block of scratch memory into aligned pieces, and counting beforehand how much is
 * wanted: the same sequence of scratch_take calls does both, so the two cannot disagree. */
#ifndef CORE_SCRATCH_H
#define CORE_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/checked.h"
#include "core/model.h"

struct scratch {
    unsigned char *base; /* NULL: only counting */
    size_t used;         /* bytes, a multiple of MODEL_SCRATCH_ALIGNMENT */
    bool overflow;       /* a size did not fit */
};

/* Room for count things of size bytes each; NULL while counting or after an overflow. */
static inline void *scratch_take(struct scratch *scratch, size_t count, size_t size)
{
    const size_t start = scratch->used;
    size_t bytes, end;
    if (!checked_mul(count, size, &bytes) ||
        !checked_add(bytes, MODEL_SCRATCH_ALIGNMENT - 1, &bytes) ||
        !checked_add(start, bytes - bytes % MODEL_SCRATCH_ALIGNMENT, &end)) {
        scratch->overflow = true;
        return NULL;
    }
    scratch->used = end;
    return scratch->base == NULL ? NULL : scratch->base + start;
}

#endif
