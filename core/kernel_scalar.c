/* The definition of correct: plain C, one float at a time, nothing reordered. It runs everywhere
 * and every other kernel is compared with it bit for bit. */
#include <math.h>

#include "core/cell.h"
#include "core/kernels.h"

/* acc = the sums of panel p for one row: its columns' chains side by side, each in the order of k.
 */
static void panel_sums(float acc[PANEL_WIDTH], const struct panels *panels, size_t p,
                       const float *x)
{
    const struct panel_place place = panels_place(panels, p);
    const float *w = place.weights;
    for (size_t j = 0; j < PANEL_WIDTH; j++)
        acc[j] = panels->bias[p * PANEL_WIDTH + j];
    for (size_t k = 0; k < panels->depth; k++, w += place.step)
        for (size_t j = 0; j < PANEL_HALF; j++) {
            acc[j] = fmaf(x[k], w[j], acc[j]);
            acc[PANEL_HALF + j] = fmaf(x[k], w[place.second + j], acc[PANEL_HALF + j]);
        }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void scalar_linear(const struct kernel_linear *linear)
{
    const struct panels *w = linear->w;
    for (size_t p = linear->first_panel; p < linear->end_panel; p++) {
        const size_t columns = panels_columns(w, p);
        for (size_t r = 0; r < linear->row_count; r++) {
            float acc[PANEL_WIDTH];
            panel_sums(acc, w, p, linear->x[r]);
            for (size_t j = 0; j < columns; j++)
                linear->y[r][p * linear->y_stride + j] = acc[j];
        }
    }
}

/* Units [0, units) of one panel: their four gates' pre-activations become the new c and h. */
static void finish(const float gates[PANEL_WIDTH], float *c, float *h, size_t units)
{
    for (size_t j = 0; j < units; j++)
        cell_step(gates[PANEL_I + j], gates[PANEL_F + j], gates[PANEL_G + j], gates[PANEL_O + j],
                  &c[j], &h[j]);
}

static void scalar_lstm_step(const struct kernel_lstm_step *step)
{
    const struct panels *w = step->recurrent;
    for (size_t p = step->first_panel; p < step->end_panel; p++) {
        const size_t first_unit = p * PANEL_LANES;
        const size_t units = smaller(step->hidden_size - first_unit, PANEL_LANES);
        for (size_t r = 0; r < step->row_count; r++) {
            const float *gates = step->gates + p * step->gates_stride + r * PANEL_WIDTH;
            float acc[PANEL_WIDTH];
            panel_sums(acc, w, p, step->h_before[r]);
            for (size_t j = 0; j < PANEL_WIDTH; j++)
                acc[j] += gates[j];
            finish(acc, step->c[r] + first_unit, step->h_after[r] + first_unit, units);
        }
    }
}

static void scalar_activate(const struct activation_function *function, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = activation_apply(function, values[i]);
}

static bool always(void)
{
    return true;
}

/* A fused multiply-add is an instruction everywhere (ARM), or a call, of 25 ns where this kernel is
 * the best there is; with the instruction behind the call it is 20 times as fast as said here. */
#ifdef __FP_FAST_FMAF
#define FLOPS_PER_NS 2
#else
#define FLOPS_PER_NS 0.1
#endif

const struct kernel kernel_scalar = {
    .name = "scalar",
    .layout = PANELS_BY_HALVES,
    .flops_per_ns = FLOPS_PER_NS,
    .second_level_bytes = (size_t)512 << 10,
    .supported = always,
    .linear = scalar_linear,
    .lstm_step = scalar_lstm_step,
    .activate = scalar_activate,
};
