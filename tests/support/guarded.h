/* A buffer of floats with a canary on both sides, at a chosen offset from alignment: a kernel that
 * writes one float too far, or expects alignment it was not promised, is caught. */
#ifndef TESTS_SUPPORT_GUARDED_H
#define TESTS_SUPPORT_GUARDED_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_FLOATS = 16 };
#define GUARD_BITS UINT32_C(0x7fdecade) /* a NaN: reading it into a sum shows as well */

struct guarded {
    float *floats; /* [count] */
    size_t count;
    float *block;
    size_t offset;
};

static inline void guard_fill(float *at)
{
    const uint32_t bits = GUARD_BITS;
    for (size_t i = 0; i < GUARD_FLOATS; i++)
        memcpy(at + i, &bits, sizeof bits);
}

static inline bool guard_intact(const float *at)
{
    const uint32_t bits = GUARD_BITS;
    for (size_t i = 0; i < GUARD_FLOATS; i++)
        if (memcmp(at + i, &bits, sizeof bits) != 0)
            return false;
    return true;
}

/* offset: floats past 64-byte alignment, 0..15 */
static inline struct guarded guarded_create(size_t count, size_t offset)
{
    struct guarded g = {.count = count, .offset = offset};
    const size_t bytes = (count + offset + 2 * GUARD_FLOATS) * sizeof(float);
    g.block = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert(g.block != NULL && offset < GUARD_FLOATS);
    g.floats = g.block + GUARD_FLOATS + offset;
    guard_fill(g.floats - GUARD_FLOATS);
    guard_fill(g.floats + count);
    return g;
}

static inline bool guarded_intact(const struct guarded *g)
{
    return guard_intact(g->floats - GUARD_FLOATS) && guard_intact(g->floats + g->count);
}

static inline void guarded_destroy(struct guarded *g)
{
    free(g->block);
    g->block = NULL;
}

#endif
