#include "server/huge_pages.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uintptr_t)2 * 1024 * 1024)

/* Since Linux 6.1; the C library's headers may be older. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* MADV_HUGEPAGE would only tell of memory yet to be touched, and weights are there by now. */
static void hold(void *context, const float *weights, size_t bytes)
{
    size_t *held = context;
    const uintptr_t begin = ((uintptr_t)weights + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    const uintptr_t end = ((uintptr_t)weights + bytes) / HUGE_PAGE * HUGE_PAGE;
    if (begin < end && madvise((void *)begin, end - begin, MADV_COLLAPSE) == 0)
        *held += end - begin;
}

size_t huge_pages_hold(const struct model *model)
{
    size_t held = 0;
    model_visit_weights(model, hold, &held);
    return held;
}
