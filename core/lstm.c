/* A step needs the one before it, but the input terms of many steps do not: they are computed as
 * one product per group of steps, into `gates`, and each step then continues its chains from there.
 */
#include "core/lstm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/lstm_step.h"
#include "core/scratch.h"

/* Input terms kept at once: small enough to stay in a core's second-level cache, or, where the
 * weights are too large for it anyway, enough to make reading them for each group worth it. */
#define GATES_BYTES       ((size_t)192 * 1024)
#define GATES_PER_WEIGHTS 4

static const struct lstm_activations torch_activations = {
    {.kind = ACTIVATION_SIGMOID}, {.kind = ACTIVATION_TANH}, {.kind = ACTIVATION_TANH}};

static bool is_plain(const struct lstm_cell *cell)
{
    return cell->activations.gates.kind == ACTIVATION_SIGMOID &&
           cell->activations.candidate.kind == ACTIVATION_TANH &&
           cell->activations.hidden.kind == ACTIVATION_TANH && cell->clip == 0.0f &&
           !cell->input_forget && cell->peephole == NULL;
}

/* The peephole weights' copy; NULL where there are none, *ok false without memory. */
static float *copy_peephole(const float *weights, size_t hidden_size, bool *ok)
{
    size_t bytes = 0;
    float *copy = NULL;
    if (weights == NULL)
        return NULL;
    if (checked_mul(hidden_size, LSTM_PEEPHOLES * sizeof *copy, &bytes))
        copy = malloc(bytes);
    *ok = copy != NULL;
    if (copy != NULL)
        memcpy(copy, weights, bytes);
    return copy;
}

bool lstm_cell_init(struct lstm_cell *cell, enum panels_layout layout, const struct lstm_spec *spec,
                    size_t d, const struct lstm_weights *weights, size_t input_size)
{
    bool ok = true;
    *cell = (struct lstm_cell){
        .input_size = input_size,
        .hidden_size = spec->hidden_size,
        .output_size = spec->proj_size != 0 ? spec->proj_size : spec->hidden_size,
        .projected = spec->proj_size != 0,
        .reverse = d == 1 || spec->reverse || spec->go_backwards,
        .as_computed = spec->go_backwards,
        .activations = spec->activations != NULL ? spec->activations[d] : torch_activations,
        .clip = spec->clip,
        .input_forget = spec->input_forget,
        .peephole = copy_peephole(weights->weight_peephole, spec->hidden_size, &ok),
    };
    cell->plain = is_plain(cell);
    if (ok &&
        panels_pack_gates(&cell->input, layout, weights->weight_ih, NULL, NULL, cell->hidden_size,
                          input_size) &&
        panels_pack_gates(&cell->recurrent, layout, weights->weight_hh, weights->bias_ih,
                          weights->bias_hh, cell->hidden_size, cell->output_size) &&
        (!cell->projected || panels_pack_linear(&cell->projection, layout, weights->weight_hr, NULL,
                                                cell->output_size, cell->hidden_size)))
        return true;
    lstm_cell_fini(cell);
    return false;
}

void lstm_cell_fini(struct lstm_cell *cell)
{
    panels_fini(&cell->input);
    panels_fini(&cell->recurrent);
    panels_fini(&cell->projection);
    free(cell->peephole);
    cell->peephole = NULL;
}

size_t lstm_cell_memory(const struct lstm_cell *cell)
{
    const size_t peepholes =
        cell->peephole == NULL ? 0 : LSTM_PEEPHOLES * cell->hidden_size * sizeof(float);
    return panels_memory(&cell->input) + panels_memory(&cell->recurrent) +
           panels_memory(&cell->projection) + peepholes;
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
    struct lstm_step_scratch step; /* where not plain */
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
                                      size_t max_steps, struct scratch *shared, struct scratch *own)
{
    struct workspace w = {0};
    size_t terms = 0;
    if (!terms_at_once(cell, row_count, max_steps, &terms))
        shared->overflow = true;
    w.group_steps = row_count == 0 ? 0 : terms / row_count;
    w.gates = scratch_take(shared, terms, gates_per_row(cell) * sizeof *w.gates);
    w.gates_stride = terms * PANEL_WIDTH;
    if (cell->projected)
        w.hidden = scratch_take(shared, row_count, cell->hidden_size * sizeof *w.hidden);
    w.x = scratch_take(own, terms, sizeof *w.x);
    w.y = scratch_take(own, terms, sizeof *w.y);
    w.h_before = scratch_take(own, row_count, sizeof *w.h_before);
    w.c = scratch_take(own, row_count, sizeof *w.c);
    w.h_after = scratch_take(own, row_count, sizeof *w.h_after);
    if (!cell->plain)
        w.step = lstm_step_scratch_cut(cell, row_count, shared, own);
    return w;
}

bool lstm_cell_scratch(const struct lstm_cell *cell, size_t row_count, size_t max_steps,
                       struct lstm_scratch_size *size)
{
    struct scratch shared = {0}, own = {0};
    workspace_cut(cell, row_count, max_steps, &shared, &own);
    *size = (struct lstm_scratch_size){shared.used, own.used};
    return !shared.overflow && !own.overflow;
}

/* The time index of a row's s-th step in the cell's direction. */
static size_t time_of(const struct lstm_cell *cell, const struct lstm_span *span, size_t s)
{
    const size_t n = cell->reverse ? span->steps - 1 - s : s;
    return span->times != NULL ? span->times[n] : n;
}

/* With as_computed a masked row's outputs keep their places among all steps, hence length. */
static float *output_at(const struct lstm_cell *cell, const struct lstm_span *span, size_t s)
{
    const size_t time = time_of(cell, span, s);
    return span->output +
           (cell->as_computed ? span->length - 1 - time : time) * span->output_stride;
}

/* How many of the rows still run at step s; they are the first ones. */
static size_t running(const struct lstm_span *spans, size_t row_count, size_t s)
{
    while (row_count > 0 && spans[row_count - 1].steps <= s)
        row_count--;
    return row_count;
}

/* What one member's run works with. */
struct run {
    const struct lstm_cell *cell;
    const struct kernel *kernel;
    const struct lstm_span *spans;
    struct workspace w;
    struct slice gate_panels; /* this member's */
    struct slice projection_panels;
    const struct share *share;
};

static void linear(const struct run *run, const struct panels *panels, struct slice slice,
                   size_t y_stride, size_t row_count, bool descending)
{
    run->kernel->linear(&(struct kernel_linear){
        .w = panels,
        .x = run->w.x,
        .y = run->w.y,
        .y_stride = y_stride,
        .row_count = row_count,
        .first_panel = slice.begin,
        .end_panel = slice.end,
        .descending = descending,
    });
}

/* gates = W_ih x, for steps [begin, end) of all rows that reach them, step after step. A
 * member computes the panels whose steps it will take, so nobody needs to wait for it. */
static void input_terms(const struct run *run, size_t row_count, size_t begin, size_t end)
{
    const bool descending = begin / run->w.group_steps % 2 == 1;
    const struct workspace *w = &run->w;
    size_t terms = 0;
    for (size_t s = begin; s < end; s++) {
        row_count = running(run->spans, row_count, s);
        for (size_t r = 0; r < row_count; r++, terms++) {
            const struct lstm_span *span = &run->spans[r];
            w->x[terms] = span->input + time_of(run->cell, span, s) * span->input_stride;
            w->y[terms] = w->gates + terms * PANEL_WIDTH;
        }
    }
    linear(run, &run->cell->input, run->gate_panels, w->gates_stride, terms, descending);
}

static void project(const struct run *run, size_t row_count, size_t s)
{
    share_meet(run->share); /* every member's units of `hidden` are there */
    for (size_t r = 0; r < row_count; r++) {
        run->w.x[r] = run->w.h_after[r];
        run->w.y[r] = output_at(run->cell, &run->spans[r], s);
    }
    linear(run, &run->cell->projection, run->projection_panels, PANEL_WIDTH, row_count, s % 2 == 1);
}

/* Every other step goes through the panels backwards: it begins with those that the step before it
 * used last, which are still in whatever cache holds a part of the weights. Always going forwards,
 * each weight would be the one thrown out just before it is wanted. */
static void one_step(const struct run *run, size_t row_count, size_t s, bool cold, float *gates)
{
    const struct lstm_cell *cell = run->cell;
    const struct workspace *w = &run->w;
    for (size_t r = 0; r < row_count; r++) {
        const struct lstm_span *span = &run->spans[r];
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
        .first_panel = run->gate_panels.begin,
        .end_panel = run->gate_panels.end,
        .descending = s % 2 == 1,
        .cold = cold,
    };
    if (cell->plain)
        run->kernel->lstm_step(&step);
    else
        lstm_step_run(cell, run->kernel, &step, &w->step);
    if (cell->projected)
        project(run, row_count, s);
    share_meet(run->share); /* all of h is there for the next step */
}

/* h after each row's last step becomes its state. */
static void keep_states(const struct run *run, size_t row_count)
{
    const struct slice rows = share_slice(run->share, row_count);
    for (size_t r = rows.begin; r < rows.end; r++) {
        const struct lstm_span *span = &run->spans[r];
        if (span->steps > 0)
            memcpy(span->h, output_at(run->cell, span, span->steps - 1),
                   run->cell->output_size * sizeof(float));
    }
}

void lstm_cell_run(const struct lstm_cell *cell, const struct kernel *kernel,
                   const struct lstm_span *spans, size_t row_count, void *shared, void *own,
                   const struct share *share)
{
    const size_t max_steps = row_count == 0 ? 0 : spans[0].steps;
    if (max_steps == 0)
        return;
    struct scratch cut_shared = {.base = shared}, cut_own = {.base = own};
    const struct run run = {
        .cell = cell,
        .kernel = kernel,
        .spans = spans,
        .w = workspace_cut(cell, row_count, max_steps, &cut_shared, &cut_own),
        .gate_panels = share_slice(share, cell->recurrent.panel_count),
        .projection_panels = share_slice(share, cell->projection.panel_count),
        .share = share,
    };
    assert(!cut_shared.overflow && !cut_own.overflow);

    for (size_t begin = 0; begin < max_steps; begin += run.w.group_steps) {
        const size_t left = max_steps - begin;
        const size_t end = begin + (left < run.w.group_steps ? left : run.w.group_steps);
        input_terms(&run, row_count, begin, end);
        float *gates = run.w.gates;
        for (size_t s = begin; s < end; s++) {
            const size_t rows = running(spans, row_count, s);
            one_step(&run, rows, s, s == begin, gates);
            gates += rows * PANEL_WIDTH;
        }
    }
    keep_states(&run, row_count);
}
