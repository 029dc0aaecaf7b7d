/* Causal models go through all operations in chunks of steps, so that what lies between two of them
 * stays in the cache and scratch stays small however long a sequence is; what follows a last step
 * is computed in the chunk in which the row ends. A model that is not causal sees whole sequences:
 * its chunk is the longest row. */
#include <assert.h>
#include <string.h>

#include "core/model_ops.h"
#include "core/scratch.h"

/* Bytes between two operations kept at once, for all rows of a chunk together: little enough to
 * stay in a core's second-level cache, or, where the weights do not, enough to make fetching each
 * operation's weights again for every chunk worth it. */
#define CHUNK_BYTES       ((size_t)128 * 1024)
#define CHUNK_PER_WEIGHTS 4

struct plan {
    size_t chunk_steps;
    size_t row_floats;             /* of a row between two operations */
    const struct model_row **rows; /* [row_count], longest first */
    struct view *views;            /* [row_count] */
    float *between[2];             /* [row_count][row_floats]: read one, write the other; shared */
    struct op_call call;
};

/* What the operations want for a chunk, at most. */
struct demand {
    struct lstm_scratch_size cell;
    size_t row_floats;
    bool masks;
    size_t mask_steps; /* of a row */
    size_t terms;      /* of products */
    size_t window_floats;
};

static size_t chunk_bytes(const struct model *model)
{
    const size_t large = model->memory / CHUNK_PER_WEIGHTS;
    return large > CHUNK_BYTES ? large : CHUNK_BYTES;
}

static size_t chunk_steps(const struct model *model, size_t row_count, size_t max_steps)
{
    const size_t bytes = chunk_bytes(model);
    size_t bytes_per_step;
    if (!model->causal || model->widest == 0 || row_count == 0)
        return max_steps;
    if (!checked_mul(row_count, model->widest * sizeof(float), &bytes_per_step) ||
        bytes_per_step > bytes)
        return max_steps < 1 ? max_steps : 1;
    const size_t fitting = bytes / bytes_per_step;
    return fitting < max_steps ? fitting : max_steps;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool demand_cells(const struct op *op, size_t row_count, size_t steps,
                         struct lstm_scratch_size *largest)
{
    struct lstm_scratch_size size;
    for (size_t d = 0; d < op->direction_count; d++) {
        if (!lstm_cell_scratch(&op->cells[d], row_count, steps, &size))
            return false;
        largest->shared = larger(largest->shared, size.shared);
        largest->own = larger(largest->own, size.own);
    }
    return true;
}

static bool demand_op(const struct op *op, size_t row_count, size_t steps, struct demand *demand)
{
    size_t terms = 0;
    if (op->type == OP_DENSE && !checked_mul(row_count, steps, &terms))
        return false;
    if (op->type == OP_CONV) {
        terms = CONV_WINDOWS;
        demand->window_floats = larger(demand->window_floats, CONV_WINDOWS * op->weight.depth);
    }
    demand->terms = larger(demand->terms, terms);
    if (op->makes_mask) {
        demand->masks = true;
        demand->mask_steps = larger(demand->mask_steps, steps);
    }
    return steps <= UINT32_MAX / 2 || !op->makes_mask;
}

/* Follows a row of so many steps through the operations. */
static bool demand_of(const struct model *model, size_t row_count, size_t steps,
                      struct demand *demand)
{
    *demand = (struct demand){0};
    for (size_t i = 0; i < model->op_count; i++) {
        const struct op *op = &model->ops[i];
        size_t floats = 0;
        if (!demand_cells(op, row_count, steps, &demand->cell) ||
            !demand_op(op, row_count, steps, demand))
            return false;
        steps = op_output_steps(op, steps);
        if (i + 1 < model->op_count && !checked_mul(steps, op->output_size, &floats))
            return false;
        demand->row_floats = larger(demand->row_floats, floats);
    }
    return true;
}

/* A member's bookkeeping; every member has its own, so that none waits for another's. */
static void cut_own(size_t row_count, const struct demand *demand, struct scratch *scratch,
                    struct plan *plan)
{
    struct op_call *call = &plan->call;
    plan->rows = scratch_take(scratch, row_count, sizeof *plan->rows);
    plan->views = scratch_take(scratch, row_count, sizeof *plan->views);
    call->lengths = scratch_take(scratch, row_count, sizeof *call->lengths);
    call->spans = scratch_take(scratch, row_count, sizeof *call->spans);
    call->x = scratch_take(scratch, demand->terms, sizeof *call->x);
    call->y = scratch_take(scratch, demand->terms, sizeof *call->y);
    call->windows = scratch_take(scratch, demand->window_floats, sizeof *call->windows);
    call->cell_own = scratch_take(scratch, demand->cell.own, 1);
}

static void cut_masks(size_t row_count, const struct demand *demand, struct scratch *scratch,
                      struct masks *masks)
{
    const size_t rows = demand->masks ? row_count : 0;
    masks->stride = demand->mask_steps;
    masks->times = scratch_take(scratch, rows, demand->mask_steps * sizeof *masks->times);
    masks->count = scratch_take(scratch, rows, sizeof *masks->count);
}

static struct plan plan_cut(const struct model *model, size_t row_count, size_t max_steps,
                            const struct share *share, struct scratch *scratch)
{
    struct plan plan = {.chunk_steps = chunk_steps(model, row_count, max_steps)}, other;
    struct demand demand;
    size_t between;
    if (!demand_of(model, row_count, plan.chunk_steps, &demand) ||
        !checked_mul(row_count, demand.row_floats, &between)) {
        scratch->overflow = true;
        return plan;
    }
    plan.row_floats = demand.row_floats;
    plan.between[0] = scratch_take(scratch, between, sizeof(float));
    plan.between[1] = scratch_take(scratch, between, sizeof(float));
    plan.call.cell_shared[0] = scratch_take(scratch, demand.cell.shared, 1);
    plan.call.cell_shared[1] = scratch_take(scratch, model->causal ? 0 : demand.cell.shared, 1);
    cut_masks(row_count, &demand, scratch, &plan.call.masks);
    for (size_t m = 0; m < share->team->size && !scratch->overflow; m++)
        cut_own(row_count, &demand, scratch, m == share->member ? &plan : &other);
    return plan;
}

/* The most rows that go by longer chunks than of so many steps: fewer than those that go by them.
 */
static size_t rows_of_longer_chunks(const struct model *model, size_t steps)
{
    return chunk_bytes(model) / ((steps + 1) * model->widest * sizeof(float));
}

/* Fewer rows go by longer chunks, and may want more for that. */
bool model_team_scratch_size(const struct model *model, size_t team_size, size_t row_count,
                             size_t max_steps, size_t *bytes)
{
    const struct team team = {.size = team_size};
    size_t steps;
    *bytes = 0;
    do {
        struct scratch counting = {0};
        steps =
            plan_cut(model, row_count, max_steps, &(struct share){&team, 0}, &counting).chunk_steps;
        if (counting.overflow)
            return false;
        *bytes = larger(*bytes, counting.used);
        row_count = steps < max_steps ? rows_of_longer_chunks(model, steps) : 0;
    } while (row_count > 0);
    return true;
}

bool model_scratch_size(const struct model *model, size_t row_count, size_t max_steps,
                        size_t *bytes)
{
    return model_team_scratch_size(model, 1, row_count, max_steps, bytes);
}

static void order_rows(const struct plan *plan, const struct model_row *rows, size_t row_count)
{
    struct row_length *lengths = plan->call.lengths;
    for (size_t r = 0; r < row_count; r++)
        lengths[r] = (struct row_length){rows[r].steps, r};
    sort_longest_first(lengths, row_count);
    for (size_t r = 0; r < row_count; r++)
        plan->rows[r] = &rows[lengths[r].row];
}

static void activate_row(const struct op_call *call, const struct view *view)
{
    const struct activation_function *function = &call->op->activation;
    const struct slice steps = share_slice(call->share, view->output_steps);
    const size_t width = call->op->output_size;
    float *output = view->output + steps.begin * view->output_stride;
    size_t pieces = steps.end - steps.begin, floats = width;
    if (view->output_stride == width && !activation_is_vector(function->kind)) {
        floats *= pieces;
        pieces = 1;
    }
    for (; pieces > 0; pieces--, output += view->output_stride)
        if (activation_is_vector(function->kind))
            activation_apply_vector(function->kind, output, floats);
        else
            call->model->kernel->activate(function, output, floats);
}

static void run_op(const struct op_call *call)
{
    static void (*const layers[])(const struct op_call *call) = {
        [OP_LSTM] = layer_lstm_run,           [OP_DENSE] = layer_dense_run,
        [OP_COPY] = layer_copy_run,           [OP_EMBEDDING] = layer_embedding_run,
        [OP_MASKING] = layer_masking_run,     [OP_LAYER_NORM] = layer_norm_run,
        [OP_BATCH_NORM] = layer_norm_run,     [OP_MERGE] = layer_merge_run,
        [OP_LAST_STEP] = layer_last_step_run, [OP_RESHAPE] = layer_reshape_run,
        [OP_REPEAT] = layer_repeat_run,       [OP_CONV] = layer_conv_run,
        [OP_POOL] = layer_pool_run,
    };
    layers[call->op->type](call);
    if (call->op->activation.kind == ACTIVATION_LINEAR)
        return;
    share_meet(call->share); /* the outputs are there */
    for (size_t r = 0; r < call->row_count; r++)
        activate_row(call, &call->views[r]);
}

/* Does the row end in the chunk that begins at step `begin`? */
static bool ends_in_chunk(const struct plan *plan, const struct model_row *row, size_t begin)
{
    return row->ends && row->steps - begin <= plan->chunk_steps;
}

/* Where each row reads and writes at operation i of the chunk that begins at step `begin`. Called
 * for the operations in order: each takes the steps that the one before it gives. */
static void point_views(const struct model *model, size_t i, size_t begin, const struct plan *plan,
                        size_t row_count)
{
    const struct op *op = &model->ops[i];
    for (size_t r = 0; r < row_count; r++) {
        const struct model_row *row = plan->rows[r];
        struct view *view = &plan->views[r];
        if (i == 0) {
            const size_t left = row->steps - begin;
            *view = (struct view){
                .row = row,
                .input = row->input + begin * row->input_stride,
                .input_stride = row->input_stride,
                .steps = left < plan->chunk_steps ? left : plan->chunk_steps,
            };
        } else {
            view->input = view->output;
            view->input_stride = op->input_size;
            view->steps = view->output_steps;
        }
        if (i + 1 == model->op_count) {
            view->output = row->output + (model->is_vector ? 0 : begin * row->output_stride);
            view->output_stride = row->output_stride;
        } else {
            view->output = plan->between[i % 2] + r * plan->row_floats;
            view->output_stride = op->output_size;
        }
        view->output_steps = op_output_steps(op, view->steps);
        if (op->type == OP_LAST_STEP && model->causal && !ends_in_chunk(plan, row, begin))
            view->output_steps = 0;
    }
}

/* A sequence of no steps comes out as zeros. */
static void clear_empty_rows(const struct model *model, const struct model_row *rows,
                             size_t row_count, const struct share *share)
{
    const size_t steps = model_output_steps(model, 0), size = model_output_size(model);
    const struct slice slice = share_slice(share, row_count);
    for (size_t r = slice.begin; r < slice.end; r++)
        for (size_t t = 0; t < steps; t++)
            if (rows[r].steps == 0 && (rows[r].ends || !model->causal))
                memset(rows[r].output + t * rows[r].output_stride, 0, size * sizeof(float));
}

static size_t longest(const struct model_row *rows, size_t row_count)
{
    size_t steps = 0;
    for (size_t r = 0; r < row_count; r++)
        steps = larger(steps, rows[r].steps);
    return steps;
}

/* Behind the last meeting nothing is read but what stands here: the rest may be gone. */
void model_run_member(const struct model *model, const struct model_row *rows, size_t row_count,
                      struct model_scratch scratch, const struct share *share)
{
    const size_t op_count = model->op_count, max_steps = longest(rows, row_count);
    clear_empty_rows(model, rows, row_count, share);
    if (max_steps == 0) {
        share_meet(share);
        return;
    }
    struct scratch cut = {.base = scratch.memory};
    const struct plan plan = plan_cut(model, row_count, max_steps, share, &cut);
    assert(!cut.overflow && cut.used <= scratch.size && share->member < share->team->size);
    order_rows(&plan, rows, row_count);

    struct op_call call = plan.call;
    call.model = model;
    call.share = share;
    call.views = plan.views;
    for (size_t begin = 0; begin < max_steps; begin += plan.chunk_steps) {
        while (plan.rows[row_count - 1]->steps <= begin)
            row_count--;
        call.row_count = row_count;
        for (size_t i = 0; i < op_count; i++) {
            point_views(model, i, begin, &plan, row_count);
            call.op = &model->ops[i];
            run_op(&call);
            share_meet(share); /* the next operation reads it, the next chunk writes over it */
        }
    }
}

void model_run(const struct model *model, const struct model_row *rows, size_t row_count,
               struct model_scratch scratch)
{
    const struct team alone = {.size = 1};
    model_run_member(model, rows, row_count, scratch, &(struct share){&alone, 0});
}
