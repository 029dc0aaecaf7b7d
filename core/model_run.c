/* Causal models go through all operations in chunks of steps, so that what lies between two of them
 * stays in the cache and scratch stays small however long a sequence is. A model with a reverse
 * direction sees whole sequences: its chunk is the longest row. */
#include <assert.h>
#include <string.h>

#include "core/model_ops.h"
#include "core/scratch.h"

/* Bytes between two operations kept at once, for all rows of a chunk together: little enough to
 * stay in a core's second-level cache, or, where the weights do not, enough to make fetching each
 * operation's weights again for every chunk worth it. */
#define CHUNK_BYTES       ((size_t)128 * 1024)
#define CHUNK_PER_WEIGHTS 4

/* A row's floats at one operation of one chunk. */
struct view {
    const float *input;
    float *output;
    size_t input_stride, output_stride;
    size_t steps;
};

struct plan {
    size_t chunk_steps;
    const struct model_row **rows; /* [row_count], longest first */
    struct view *views;            /* [row_count] */
    struct lstm_span *spans;       /* [row_count] */
    const float **x;               /* [row_count * chunk_steps]: for dense layers */
    float **y;
    float *between[2]; /* [row_count][chunk_steps][widest]: read one, write the other; shared */
    void *cell_shared[2], *cell_own; /* lstm_cell_run's, one for each direction */
};

static size_t chunk_steps(const struct model *model, size_t row_count, size_t max_steps)
{
    const size_t large = model->memory / CHUNK_PER_WEIGHTS;
    const size_t bytes = large > CHUNK_BYTES ? large : CHUNK_BYTES;
    size_t bytes_per_step;
    if (!model->causal || model->op_count == 1 || row_count == 0)
        return max_steps;
    if (!checked_mul(row_count, model->widest * sizeof(float), &bytes_per_step) ||
        bytes_per_step > bytes)
        return max_steps < 1 ? max_steps : 1;
    const size_t fitting = bytes / bytes_per_step;
    return fitting < max_steps ? fitting : max_steps;
}

static struct lstm_scratch_size largest_cell_scratch(const struct model *model, size_t row_count,
                                                     size_t max_steps, struct scratch *scratch)
{
    struct lstm_scratch_size largest = {0, 0}, size;
    for (size_t i = 0; i < model->op_count; i++)
        for (size_t d = 0; d < model->ops[i].direction_count; d++) {
            if (!lstm_cell_scratch(&model->ops[i].cells[d], row_count, max_steps, &size))
                scratch->overflow = true;
            if (size.shared > largest.shared)
                largest.shared = size.shared;
            if (size.own > largest.own)
                largest.own = size.own;
        }
    return largest;
}

/* A member's bookkeeping; every member has its own, so that none waits for another's. */
static void cut_own(const struct model *model, size_t row_count, size_t steps, size_t cell_own,
                    struct scratch *scratch, struct plan *plan)
{
    const size_t dense_terms = model->has_dense ? steps : 0;
    plan->rows = scratch_take(scratch, row_count, sizeof *plan->rows);
    plan->views = scratch_take(scratch, row_count, sizeof *plan->views);
    plan->spans = scratch_take(scratch, row_count, sizeof *plan->spans);
    plan->x = scratch_take(scratch, dense_terms, sizeof *plan->x);
    plan->y = scratch_take(scratch, dense_terms, sizeof *plan->y);
    plan->cell_own = scratch_take(scratch, cell_own, 1);
}

static struct plan plan_cut(const struct model *model, size_t row_count, size_t max_steps,
                            const struct share *share, struct scratch *scratch)
{
    struct plan plan = {.chunk_steps = chunk_steps(model, row_count, max_steps)}, other;
    size_t steps, between;
    if (!checked_mul(row_count, plan.chunk_steps, &steps) ||
        !checked_mul(steps, model->widest, &between)) {
        scratch->overflow = true;
        return plan;
    }
    const struct lstm_scratch_size cell =
        largest_cell_scratch(model, row_count, plan.chunk_steps, scratch);
    plan.between[0] = scratch_take(scratch, between, sizeof(float));
    plan.between[1] = scratch_take(scratch, between, sizeof(float));
    plan.cell_shared[0] = scratch_take(scratch, cell.shared, 1);
    plan.cell_shared[1] = scratch_take(scratch, model->causal ? 0 : cell.shared, 1);
    for (size_t m = 0; m < share->team->size && !scratch->overflow; m++)
        cut_own(model, row_count, steps, cell.own, scratch, m == share->member ? &plan : &other);
    return plan;
}

bool model_team_scratch_size(const struct model *model, size_t team_size, size_t row_count,
                             size_t max_steps, size_t *bytes)
{
    struct scratch counting = {0};
    const struct team team = {.size = team_size};
    plan_cut(model, row_count, max_steps, &(struct share){&team, 0}, &counting);
    *bytes = counting.used;
    return !counting.overflow;
}

bool model_scratch_size(const struct model *model, size_t row_count, size_t max_steps,
                        size_t *bytes)
{
    return model_team_scratch_size(model, 1, row_count, max_steps, bytes);
}

/* Restores the heap order below `root`: shortest row on top. */
static void sift_down(const struct model_row **rows, size_t root, size_t count)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && rows[child + 1]->steps < rows[child]->steps)
            child++;
        if (rows[root]->steps <= rows[child]->steps)
            return;
        const struct model_row *swap = rows[root];
        rows[root] = rows[child];
        rows[child] = swap;
    }
}

/* Longest first, in place (heapsort: the library's qsort may take memory). */
static void sort_rows(const struct model_row **rows, size_t count)
{
    bool sorted = true;
    for (size_t i = 1; i < count && sorted; i++)
        sorted = rows[i]->steps <= rows[i - 1]->steps;
    if (sorted)
        return;
    for (size_t root = count / 2; root-- > 0;)
        sift_down(rows, root, count);
    for (size_t left = count - 1; left > 0; left--) {
        const struct model_row *shortest = rows[0];
        rows[0] = rows[left];
        rows[left] = shortest;
        sift_down(rows, 0, left);
    }
}

static void run_direction(const struct model *model, const struct op *op, size_t d,
                          const struct plan *plan, size_t row_count, const struct share *share)
{
    const struct lstm_cell *cell = &op->cells[d];
    const size_t column = d * cell->output_size;
    const size_t state = op->state_offset + d * (cell->output_size + cell->hidden_size);
    for (size_t r = 0; r < row_count; r++) {
        const struct view *view = &plan->views[r];
        plan->spans[r] = (struct lstm_span){
            .input = view->input,
            .output = view->output + column,
            .input_stride = view->input_stride,
            .output_stride = view->output_stride,
            .steps = view->steps,
            .h = plan->rows[r]->state + state,
            .c = plan->rows[r]->state + state + cell->output_size,
        };
    }
    lstm_cell_run(cell, model->kernel, plan->spans, row_count, plan->cell_shared[d], plan->cell_own,
                  share);
}

/* Two directions need nothing from each other: a team of two takes one each and never meets between
 * steps. */
static void run_lstm(const struct model *model, const struct op *op, const struct plan *plan,
                     size_t row_count, const struct share *share)
{
    const struct team alone = {.size = 1};
    if (op->direction_count == 2 && share->team->size == 2) {
        run_direction(model, op, share->member, plan, row_count, &(struct share){&alone, 0});
        return;
    }
    for (size_t d = 0; d < op->direction_count; d++)
        run_direction(model, op, d, plan, row_count, share);
}

/* Steps do not depend on each other here: all of them are rows of one product. */
static void run_dense(const struct model *model, const struct op *op, const struct plan *plan,
                      size_t row_count, const struct share *share)
{
    size_t terms = 0;
    for (size_t r = 0; r < row_count; r++) {
        const struct view *view = &plan->views[r];
        for (size_t t = 0; t < view->steps; t++, terms++) {
            plan->x[terms] = view->input + t * view->input_stride;
            plan->y[terms] = view->output + t * view->output_stride;
        }
    }
    const struct slice slice = share_slice(share, terms);
    model->kernel->linear(&(struct kernel_linear){
        .w = &op->dense,
        .x = plan->x + slice.begin,
        .y = plan->y + slice.begin,
        .y_stride = PANEL_WIDTH,
        .row_count = slice.end - slice.begin,
        .end_panel = op->dense.panel_count,
    });
}

static void run_copy(const struct op *op, const struct plan *plan, size_t row_count,
                     const struct share *share)
{
    for (size_t r = 0; r < row_count; r++) {
        const struct view *view = &plan->views[r];
        const struct slice steps = share_slice(share, view->steps);
        for (size_t t = steps.begin; t < steps.end; t++)
            memcpy(view->output + t * view->output_stride, view->input + t * view->input_stride,
                   op->output_size * sizeof(float));
    }
}

static void activate_outputs(const struct model *model, const struct op *op,
                             const struct plan *plan, size_t row_count, const struct share *share)
{
    if (op->activation == ACTIVATION_LINEAR)
        return;
    share_meet(share); /* the outputs are there */
    for (size_t r = 0; r < row_count; r++) {
        const struct view *view = &plan->views[r];
        const struct slice steps = share_slice(share, view->steps);
        float *output = view->output + steps.begin * view->output_stride;
        size_t pieces = steps.end - steps.begin, floats = op->output_size;
        if (view->output_stride == op->output_size) {
            floats *= pieces;
            pieces = 1;
        }
        for (; pieces > 0; pieces--, output += view->output_stride)
            model->kernel->activate(op->activation, output, floats);
    }
}

static void run_op(const struct model *model, const struct op *op, const struct plan *plan,
                   size_t row_count, const struct share *share)
{
    switch (op->type) {
    case OP_LSTM:
        run_lstm(model, op, plan, row_count, share);
        break;
    case OP_DENSE:
        run_dense(model, op, plan, row_count, share);
        break;
    case OP_COPY:
        run_copy(op, plan, row_count, share);
        break;
    }
    activate_outputs(model, op, plan, row_count, share);
}

/* Where each row reads and writes at operation i of the chunk that begins at step `begin`. */
static void point_views(const struct model *model, size_t i, size_t begin, const struct plan *plan,
                        size_t row_count)
{
    const struct op *op = &model->ops[i];
    const size_t row_floats = plan->chunk_steps * model->widest;
    for (size_t r = 0; r < row_count; r++) {
        const struct model_row *row = plan->rows[r];
        struct view *view = &plan->views[r];
        const size_t left = row->steps - begin;
        view->steps = left < plan->chunk_steps ? left : plan->chunk_steps;
        if (i == 0) {
            view->input = row->input + begin * row->input_stride;
            view->input_stride = row->input_stride;
        } else {
            view->input = plan->between[(i - 1) % 2] + r * row_floats;
            view->input_stride = op->input_size;
        }
        if (i + 1 == model->op_count) {
            view->output = row->output + begin * row->output_stride;
            view->output_stride = row->output_stride;
        } else {
            view->output = plan->between[i % 2] + r * row_floats;
            view->output_stride = op->output_size;
        }
    }
}

void model_run_member(const struct model *model, const struct model_row *rows, size_t row_count,
                      void *scratch, const struct share *share)
{
    size_t max_steps = 0;
    for (size_t r = 0; r < row_count; r++)
        if (rows[r].steps > max_steps)
            max_steps = rows[r].steps;
    if (max_steps == 0)
        return;
    struct scratch cut = {.base = scratch};
    const struct plan plan = plan_cut(model, row_count, max_steps, share, &cut);
    assert(!cut.overflow && share->member < share->team->size);
    for (size_t r = 0; r < row_count; r++)
        plan.rows[r] = &rows[r];
    sort_rows(plan.rows, row_count);

    for (size_t begin = 0; begin < max_steps; begin += plan.chunk_steps) {
        while (plan.rows[row_count - 1]->steps <= begin)
            row_count--;
        for (size_t i = 0; i < model->op_count; i++) {
            point_views(model, i, begin, &plan, row_count);
            run_op(model, &model->ops[i], &plan, row_count, share);
            share_meet(share); /* the next operation reads it, the next chunk writes over it */
        }
    }
}

void model_run(const struct model *model, const struct model_row *rows, size_t row_count,
               void *scratch)
{
    const struct team alone = {.size = 1};
    model_run_member(model, rows, row_count, scratch, &(struct share){&alone, 0});
}
