#include "core/lstm_step.h"

#include <math.h>
#include <string.h>

static size_t padded_units(const struct lstm_cell *cell)
{
    return cell->recurrent.panel_count * PANEL_LANES;
}

struct lstm_step_scratch lstm_step_scratch_cut(const struct lstm_cell *cell, size_t row_count,
                                               struct scratch *shared, struct scratch *own)
{
    const size_t row_floats = cell->recurrent.panel_count * PANEL_WIDTH;
    struct lstm_step_scratch s = {.recurrent_stride = row_count * PANEL_WIDTH};
    s.recurrent = scratch_take(shared, row_count, row_floats * sizeof *s.recurrent);
    s.y = scratch_take(own, row_count, sizeof *s.y);
    s.gates = scratch_take(own, LSTM_GATES * padded_units(cell), sizeof *s.gates);
    return s;
}

static void recurrent_terms(const struct kernel *kernel, const struct kernel_lstm_step *step,
                            const struct lstm_step_scratch *scratch)
{
    for (size_t r = 0; r < step->row_count; r++)
        scratch->y[r] = scratch->recurrent + r * PANEL_WIDTH;
    kernel->linear(&(struct kernel_linear){
        .w = step->recurrent,
        .x = step->h_before,
        .y = scratch->y,
        .y_stride = scratch->recurrent_stride,
        .row_count = step->row_count,
        .first_panel = step->first_panel,
        .end_panel = step->end_panel,
        .descending = step->descending,
    });
}

/* One row's units of the step's panels. */
struct units {
    size_t first, count;
    float *i, *f, *g, *o; /* [count] */
    float *c, *h;         /* [count] */
};

static struct units units_of(const struct kernel_lstm_step *step, size_t r,
                             const struct lstm_step_scratch *scratch)
{
    const size_t first = step->first_panel * PANEL_LANES, end = step->end_panel * PANEL_LANES;
    const size_t stride = step->recurrent->panel_count * PANEL_LANES;
    return (struct units){
        .first = first,
        .count = (end < step->hidden_size ? end : step->hidden_size) - first,
        .i = scratch->gates,
        .f = scratch->gates + stride,
        .g = scratch->gates + 2 * stride,
        .o = scratch->gates + 3 * stride,
        .c = step->c[r] + first,
        .h = step->h_after[r] + first,
    };
}

/* Adds the two sums of every gate, panel by panel, and sorts them gate by gate. */
static void sum_gates(const struct kernel_lstm_step *step, size_t r,
                      const struct lstm_step_scratch *scratch, const struct units *u)
{
    static const size_t columns[LSTM_GATES] = {PANEL_I, PANEL_F, PANEL_G, PANEL_O};
    float *const gates[LSTM_GATES] = {u->i, u->f, u->g, u->o};
    for (size_t p = step->first_panel; p < step->end_panel; p++) {
        const size_t offset = (p - step->first_panel) * PANEL_LANES;
        const float *input = step->gates + p * step->gates_stride + r * PANEL_WIDTH;
        const float *recurrent =
            scratch->recurrent + p * scratch->recurrent_stride + r * PANEL_WIDTH;
        for (size_t q = 0; q < LSTM_GATES; q++)
            for (size_t j = 0; j < PANEL_LANES; j++)
                gates[q][offset + j] = recurrent[columns[q] + j] + input[columns[q] + j];
    }
}

enum peephole { PEEPHOLE_I, PEEPHOLE_O, PEEPHOLE_F };

static void look_at_cell(const struct lstm_cell *cell, enum peephole which, const struct units *u,
                         float *gate)
{
    if (cell->peephole == NULL)
        return;
    const float *weights = cell->peephole + which * cell->hidden_size + u->first;
    for (size_t j = 0; j < u->count; j++)
        gate[j] = fmaf(weights[j], u->c[j], gate[j]);
}

static void clip(const struct lstm_cell *cell, float *values, size_t count)
{
    if (cell->clip == 0.0f)
        return;
    for (size_t j = 0; j < count; j++) {
        values[j] = values[j] < -cell->clip ? -cell->clip : values[j];
        values[j] = values[j] > cell->clip ? cell->clip : values[j];
    }
}

static void finish_row(const struct lstm_cell *cell, const struct kernel *kernel,
                       const struct units *u)
{
    const struct lstm_activations *a = &cell->activations;
    look_at_cell(cell, PEEPHOLE_I, u, u->i);
    clip(cell, u->i, u->count);
    kernel->activate(&a->gates, u->i, u->count);
    if (cell->input_forget) {
        for (size_t j = 0; j < u->count; j++)
            u->f[j] = 1.0f - u->i[j];
    } else {
        look_at_cell(cell, PEEPHOLE_F, u, u->f);
        clip(cell, u->f, u->count);
        kernel->activate(&a->gates, u->f, u->count);
    }
    clip(cell, u->g, u->count);
    kernel->activate(&a->candidate, u->g, u->count);
    for (size_t j = 0; j < u->count; j++)
        u->c[j] = fmaf(u->f[j], u->c[j], u->i[j] * u->g[j]);
    look_at_cell(cell, PEEPHOLE_O, u, u->o);
    clip(cell, u->o, u->count);
    kernel->activate(&a->gates, u->o, u->count);
    memcpy(u->h, u->c, u->count * sizeof(float));
    kernel->activate(&a->hidden, u->h, u->count);
    for (size_t j = 0; j < u->count; j++)
        u->h[j] = u->o[j] * u->h[j];
}

void lstm_step_run(const struct lstm_cell *cell, const struct kernel *kernel,
                   const struct kernel_lstm_step *step, const struct lstm_step_scratch *scratch)
{
    if (step->first_panel == step->end_panel)
        return;
    recurrent_terms(kernel, step, scratch);
    for (size_t r = 0; r < step->row_count; r++) {
        const struct units units = units_of(step, r, scratch);
        sum_gates(step, r, scratch, &units);
        finish_row(cell, kernel, &units);
    }
}
