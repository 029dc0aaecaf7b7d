/* A step needs the one before it, but the input terms of many steps do not: they are computed as
 * one product per group of steps, into `gates`, and each step then continues its chains from there.
 */
#include "core/lstm.h"

#include <assert.h>
#include <string.h>

#include "core/scratch.h"

/* Input terms kept at once: small enough to stay in a core's second-level cache, or, where the
 * weights are too large for it anyway, enough to make reading them for each group worth it. */
#define GATES_BYTES       ((size_t)192 * 1024)
#define GATES_PER_WEIGHTS 4

bool lstm_cell_init(struct lstm_cell *cell, const struct lstm_weights *weights, size_t input_size,
                    size_t hidden_size, size_t proj_size, bool reverse)
{
    *cell = (struct lstm_cell){
        .input_size = input_size,
        .hidden_size = hidden_size,
        .output_size = proj_size != 0 ? proj_size : hidden_size,
        .projected = proj_size != 0,
        .reverse = reverse,
    };
    if (panels_pack_gates(&cell->input, weights->weight_ih, weights->bias_ih, weights->bias_hh,
                          hidden_size, input_size) &&
        panels_pack_gates(&cell->recurrent, weights->weight_hh, NULL, NULL, hidden_size,
                          cell->output_size) &&
        (!cell->projected ||
         panels_pack_linear(&cell->projection, weights->weight_hr, NULL, proj_size, hidden_size)))
        return true;
    lstm_cell_fini(cell);
    return false;
}

void lstm_cell_fini(struct lstm_cell *cell)
{
    panels_fini(&cell->input);
    panels_fini(&cell->recurrent);
    panels_fini(&cell->projection);
}

size_t lstm_cell_memory(const struct lstm_cell *cell)
{
    return panels_memory(&cell->input) + panels_memory(&cell->recurrent) +
           panels_memory(&cell->projection);
}

struct workspace {
    size_t group_steps;  /* steps whose input terms are computed together */
    const float **x;     /* [terms]: one for each step of each row in the group */
    float **y;           /* [terms] -> gates */
    float *gates;        /* [panels][terms][32] */
    size_t gates_stride; /* terms * 32 */
    const float **h_before;
    float **c;
    float **h_after;
    float *hidden; /* [row_count][H], where projected: o * tanh(c) before the projection */
};

static size_t gates_per_row(const struct lstm_cell *cell)
{
    return cell->input.panel_count * PANEL_WIDTH;
}

/* How many (step, row) pairs' input terms are kept at once: at least one step of all rows. Never
 * more for fewer rows or steps, so that scratch sized for the largest call serves every smaller
 * one. */
static bool terms_at_once(const struct lstm_cell *cell, size_t row_count, size_t max_steps,
                          size_t *terms)
{
    const size_t large = panels_memory(&cell->input) / GATES_PER_WEIGHTS;
    const size_t bytes = large > GATES_BYTES ? large : GATES_BYTES;
    const size_t fitting = bytes / (gates_per_row(cell) * sizeof(float));
    if (!checked_mul(row_count, max_steps, terms))
        return false;
    if (*terms > fitting)
        *terms = fitting > row_count ? fitting : row_count;
    return true;
}

static struct workspace workspace_cut(const struct lstm_cell *cell, size_t row_count,
                                      size_t max_steps, struct scratch *scratch)
{
    struct workspace w = {0};
    size_t terms = 0;
    if (!terms_at_once(cell, row_count, max_steps, &terms))
        scratch->overflow = true;
    w.group_steps = row_count == 0 ? 0 : terms / row_count;
    w.x = scratch_take(scratch, terms, sizeof *w.x);
    w.y = scratch_take(scratch, terms, sizeof *w.y);
    w.gates = scratch_take(scratch, terms, gates_per_row(cell) * sizeof *w.gates);
    w.gates_stride = terms * PANEL_WIDTH;
    w.h_before = scratch_take(scratch, row_count, sizeof *w.h_before);
    w.c = scratch_take(scratch, row_count, sizeof *w.c);
    w.h_after = scratch_take(scratch, row_count, sizeof *w.h_after);
    if (cell->projected)
        w.hidden = scratch_take(scratch, row_count, cell->hidden_size * sizeof *w.hidden);
    return w;
}

bool lstm_cell_scratch(const struct lstm_cell *cell, size_t row_count, size_t max_steps,
                       size_t *bytes)
{
    struct scratch counting = {0};
    workspace_cut(cell, row_count, max_steps, &counting);
    *bytes = counting.used;
    return !counting.overflow;
}

/* The time index of a row's s-th step in the cell's direction. */
static size_t time_of(const struct lstm_cell *cell, const struct lstm_span *span, size_t s)
{
    return cell->reverse ? span->steps - 1 - s : s;
}

static float *output_at(const struct lstm_cell *cell, const struct lstm_span *span, size_t s)
{
    return span->output + time_of(cell, span, s) * span->output_stride;
}

/* How many of the rows still run at step s; they are the first ones. */
static size_t running(const struct lstm_span *spans, size_t row_count, size_t s)
{
    while (row_count > 0 && spans[row_count - 1].steps <= s)
        row_count--;
    return row_count;
}

static void linear(const struct kernel *kernel, const struct panels *panels,
                   const struct workspace *w, size_t y_stride, size_t row_count)
{
    kernel->linear(&(struct kernel_linear){
        .w = panels,
        .x = w->x,
        .y = w->y,
        .y_stride = y_stride,
        .row_count = row_count,
        .end_panel = panels->panel_count,
    });
}

/* gates = bias + W_ih x, for steps [begin, end) of all rows that reach them, step after step. */
static void input_terms(const struct lstm_cell *cell, const struct kernel *kernel,
                        const struct lstm_span *spans, size_t row_count, size_t begin, size_t end,
                        struct workspace *w)
{
    size_t terms = 0;
    for (size_t s = begin; s < end; s++) {
        row_count = running(spans, row_count, s);
        for (size_t r = 0; r < row_count; r++, terms++) {
            const struct lstm_span *span = &spans[r];
            w->x[terms] = span->input + time_of(cell, span, s) * span->input_stride;
            w->y[terms] = w->gates + terms * PANEL_WIDTH;
        }
    }
    linear(kernel, &cell->input, w, w->gates_stride, terms);
}

static void one_step(const struct lstm_cell *cell, const struct kernel *kernel,
                     const struct lstm_span *spans, size_t row_count, size_t s, const float *gates,
                     struct workspace *w)
{
    for (size_t r = 0; r < row_count; r++) {
        const struct lstm_span *span = &spans[r];
        w->h_before[r] = s == 0 ? span->h : output_at(cell, span, s - 1);
        w->c[r] = span->c;
        w->h_after[r] =
            cell->projected ? w->hidden + r * cell->hidden_size : output_at(cell, span, s);
    }
    const struct kernel_lstm_step step = {
        .recurrent = &cell->recurrent,
        .gates = gates,
        .gates_stride = w->gates_stride,
        .h_before = w->h_before,
        .c = w->c,
        .h_after = w->h_after,
        .hidden_size = cell->hidden_size,
        .row_count = row_count,
        .end_panel = cell->recurrent.panel_count,
    };
    kernel->lstm_step(&step);
    if (!cell->projected)
        return;
    for (size_t r = 0; r < row_count; r++) {
        w->x[r] = w->h_after[r];
        w->y[r] = output_at(cell, &spans[r], s);
    }
    linear(kernel, &cell->projection, w, PANEL_WIDTH, row_count);
}

void lstm_cell_run(const struct lstm_cell *cell, const struct kernel *kernel,
                   const struct lstm_span *spans, size_t row_count, void *scratch)
{
    const size_t max_steps = row_count == 0 ? 0 : spans[0].steps;
    if (max_steps == 0)
        return;
    struct scratch cut = {.base = scratch};
    struct workspace w = workspace_cut(cell, row_count, max_steps, &cut);
    assert(!cut.overflow);

    for (size_t begin = 0; begin < max_steps; begin += w.group_steps) {
        const size_t left = max_steps - begin;
        const size_t end = begin + (left < w.group_steps ? left : w.group_steps);
        input_terms(cell, kernel, spans, row_count, begin, end, &w);
        const float *gates = w.gates;
        for (size_t s = begin; s < end; s++) {
            const size_t rows = running(spans, row_count, s);
            one_step(cell, kernel, spans, rows, s, gates, &w);
            gates += rows * PANEL_WIDTH;
        }
    }
    for (size_t r = 0; r < row_count && spans[r].steps > 0; r++)
        memcpy(spans[r].h, output_at(cell, &spans[r], spans[r].steps - 1),
               cell->output_size * sizeof(float));
}
