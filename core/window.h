/* Windows along the steps of a row, as convolution and pooling move them. */
#ifndef CORE_WINDOW_H
#define CORE_WINDOW_H

#include <stddef.h>

enum padding {
    PADDING_EXPLICIT, /* pad_left, pad_right steps beside the row; 0 and 0 is Keras' "valid" */
    PADDING_SAME,     /* ceil(steps / stride) come out; the odd step is on the right */
};

struct window {
    size_t size; /* steps it looks at, at least 1, like stride and dilation */
    size_t stride, dilation;
    enum padding padding;
    size_t pad_left, pad_right;
};

/* Windows there are in a row of so many steps; none in a row without any. Never fewer in a longer
 * one. */
size_t window_output_steps(const struct window *window, size_t steps);

/* Steps beside the row before its first. */
size_t window_pad_left(const struct window *window, size_t steps);

#endif
