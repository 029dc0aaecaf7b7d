/* The inner loops, one set of them per instruction set, behind one table.
 *
 * What every kernel computes, bit for bit:
 *   - a sum is one chain of float32 fused multiply-adds: it starts with the bias (0 where there is
 *     none), then adds x[k] * w[k] for k = 0, 1, 2...;
 *   - a gate's pre-activation is two such sums, of the inputs and of the recurrent terms with the
 *     biases, added;
 *   - the cell is that of core/cell.h;
 *   - the activations are those of core/activation.h.
 * The scalar kernel (kernel_scalar.c) is the definition. */
#ifndef CORE_KERNEL_H
#define CORE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/activation.h"
#include "core/panels.h"

/* y[r][n] = bias[n] + sum over k of x[r][k] * w[n][k], for the columns of panels
 * [first_panel, end_panel). */
struct kernel_linear {
    const struct panels *w;
    const float *const *x; /* [row_count] -> [depth] */
    float *const *y;       /* [row_count]; columns of panel p are written at y[r] + p * y_stride */
    size_t y_stride;       /* 32 for plain rows; more where panels lie apart */
    size_t row_count;
    size_t first_panel, end_panel;
    bool descending; /* visit the panels last to first: see MODEL.md; the bits are the same */
};

/* One step of one direction of one LSTM layer, for rows [0, row_count) and the units of panels
 * [first_panel, end_panel). H is hidden_size, P the length of h_before. */
struct kernel_lstm_step {
    const struct panels *recurrent; /* weight_hh and the biases, gate panels: depth P */
    const float *gates;             /* input terms: row r of panel p at
                                     * gates + p * gates_stride + r * 32 */
    size_t gates_stride;
    const float *const *h_before; /* [row_count] -> [P] */
    float *const *c;              /* [row_count] -> [H], updated in place */
    float *const *h_after;        /* [row_count] -> [H], o * tanh(c); never overlaps h_before */
    size_t hidden_size;
    size_t row_count;
    size_t first_panel, end_panel;
    bool descending;
    bool cold; /* other weights were read since the last step; the bits are the same */
};

struct kernel {
    const char *name;
    bool (*supported)(void);   /* can this machine run it? */
    enum panels_layout layout; /* of the panels it is given; the scalar one takes any */
    double flops_per_ns;       /* of one core, about: to guess how long work will take */
    size_t second_level_bytes; /* of cache, that the cores which run it have to themselves */

    void (*linear)(const struct kernel_linear *linear);

    void (*lstm_step)(const struct kernel_lstm_step *step);

    /* In place, values[0, count); an elementwise kind. */
    void (*activate)(const struct activation_function *function, float *values, size_t count);
};

/* All kernels built into this program, best first, ended by NULL. */
extern const struct kernel *const kernel_table[];

/* The kernel of that name, or with NULL the best one this machine supports. NULL when there is none
 * of that name or the machine does not support it. */
const struct kernel *kernel_find(const char *name);

#endif
