#include "core/window.h"

/* Steps from a window's first to its last, ends included. */
static size_t reach(const struct window *window)
{
    return (window->size - 1) * window->dilation + 1;
}

static size_t pad_total(const struct window *window, size_t steps)
{
    if (window->padding == PADDING_EXPLICIT)
        return window->pad_left + window->pad_right;
    if (steps == 0)
        return 0;
    const size_t out = (steps - 1) / window->stride + 1;
    const size_t wanted = (out - 1) * window->stride + reach(window);
    return wanted > steps ? wanted - steps : 0;
}

size_t window_pad_left(const struct window *window, size_t steps)
{
    return window->padding == PADDING_EXPLICIT ? window->pad_left : pad_total(window, steps) / 2;
}

size_t window_output_steps(const struct window *window, size_t steps)
{
    const size_t padded = steps + pad_total(window, steps);
    if (steps == 0 || padded < reach(window))
        return 0;
    return (padded - reach(window)) / window->stride + 1;
}
