#include "server/compute.h"

#include <assert.h>
#include <string.h>

#include "core/checked.h"

/* Between two looks at given_up: some ten milliseconds' work, so that the look costs nothing and an
 * abandoned request is soon off the worker. */
#define PIECE_FLOPS 4e8

/* From so much work in a piece on, half a millisecond and more, waking idle workers to share it
 * pays. */
#define TEAM_FLOPS 2e7

/* ---- the block ---- */

/* Walked twice: without a base to sum up sizes, with one to hand out places. */
struct layout {
    char *base;
    size_t size;
    bool fits;
};

static void *take_bytes(struct layout *layout, size_t bytes)
{
    const size_t at = layout->size;
    if (!checked_add(bytes, MODEL_SCRATCH_ALIGNMENT - 1, &bytes) ||
        !checked_add(at, bytes & ~(size_t)(MODEL_SCRATCH_ALIGNMENT - 1), &layout->size))
        layout->fits = false;
    return layout->base != NULL ? layout->base + at : NULL;
}

static void *take(struct layout *layout, size_t a, size_t b, size_t c, size_t element)
{
    size_t bytes = 0;
    if (!checked_mul(a, b, &bytes) || !checked_mul(bytes, c, &bytes) ||
        !checked_mul(bytes, element, &bytes))
        layout->fits = false;
    return take_bytes(layout, layout->fits ? bytes : 0);
}

static bool wants(const struct binding *binding, enum tensor_role role, size_t state)
{
    for (size_t i = 0; i < binding->output_count; i++)
        if (binding->outputs[i]->role == role && binding->outputs[i]->state == state)
            return true;
    return false;
}

static void lay_out_states(struct compute *compute, struct layout *layout)
{
    const struct binding *binding = &compute->binding;
    for (size_t i = 0; i < compute->signature->state_count; i++) {
        const struct signature_state *state = &compute->signature->states[i];
        compute->h[i] = compute->c[i] = NULL;
        if (binding->h_0[i] != NULL || wants(binding, ROLE_H, i))
            compute->h[i] = take(layout, state->cells, binding->rows, state->h_size, sizeof(float));
        if (binding->c_0[i] != NULL || wants(binding, ROLE_C, i))
            compute->c[i] = take(layout, state->cells, binding->rows, state->c_size, sizeof(float));
    }
}

static void lay_out(struct compute *compute, struct layout *layout)
{
    const size_t steps = compute->binding.steps, rows = compute->binding.rows;
    size_t scratch = 0;
    compute->input = take(layout, steps, rows, compute->signature->input_size, sizeof(float));
    compute->output_steps = model_output_steps(compute->model, steps);
    compute->output =
        take(layout, compute->output_steps, rows, compute->signature->output_size, sizeof(float));
    compute->apart = take(layout, compute->signature->output_apart ? rows : 0,
                          compute->signature->output_size, 1, sizeof(float));
    compute->lengths = take(layout, rows, 1, 1, sizeof *compute->lengths);
    compute->states = take(layout, rows, model_state_size(compute->model), 1, sizeof(float));
    compute->rows = take(layout, rows, 1, 1, sizeof *compute->rows);
    lay_out_states(compute, layout);
    if (layout->fits &&
        !model_team_scratch_size(compute->model, compute->team, rows, compute->piece, &scratch))
        layout->fits = false;
    compute->scratch = take_bytes(layout, scratch);
}

/* Steps a call; the answer's bits do not depend on it. */
static size_t piece_of(const struct model *model, const struct binding *binding)
{
    if (binding->rows == 0 || binding->steps == 0)
        return 0;
    if (!model_is_causal(model))
        return binding->steps;
    const double steps = PIECE_FLOPS / ((model_flops_per_step(model) + 1) * (double)binding->rows);
    return steps >= (double)binding->steps ? binding->steps : steps > 1 ? (size_t)steps : 1;
}

static size_t team_of(const struct compute *compute)
{
    const double rows = (double)compute->binding.rows, steps = (double)compute->piece;
    if (compute->pool == NULL || model_flops_per_step(compute->model) * rows * steps < TEAM_FLOPS)
        return 1;
    return model_team_size(compute->model, compute->binding.rows, compute->piece,
                           pool_size(compute->pool));
}

bool compute_plan(struct compute *compute, const struct model *model,
                  const struct signature *signature, const struct binding *binding,
                  struct pool *pool, size_t *bytes)
{
    struct layout layout = {.fits = true};
    compute->model = model;
    compute->signature = signature;
    compute->binding = *binding;
    compute->piece = piece_of(model, binding);
    compute->pool = pool;
    compute->team = team_of(compute);
    lay_out(compute, &layout);
    *bytes = layout.size != 0 ? layout.size : MODEL_SCRATCH_ALIGNMENT;
    return layout.fits;
}

void compute_place(struct compute *compute, void *block)
{
    struct layout layout = {.base = block, .fits = true};
    assert((uintptr_t)block % MODEL_SCRATCH_ALIGNMENT == 0);
    lay_out(compute, &layout);
}

/* ---- states: [cells,B,n] on the wire, together row by row in the core ---- */

/* How a state tensor and the rows' states lie in memory, in floats. */
struct state_walk {
    size_t rows, cells, n;
    size_t row_stride, cell_stride; /* in the rows' states */
    size_t tensor_row, tensor_cell; /* in the tensor */
};

static struct state_walk walk_of(const struct compute *compute, const struct signature_state *state,
                                 size_t n)
{
    const bool rows_first = compute->signature->states_batch_first;
    const size_t rows = compute->binding.rows;
    return (struct state_walk){
        .rows = rows,
        .cells = state->cells,
        .n = n,
        .row_stride = model_state_size(compute->model),
        .cell_stride = state->h_size + state->c_size,
        .tensor_row = rows_first ? state->cells * n : n,
        .tensor_cell = rows_first ? n : rows * n,
    };
}

/* Calls nothing for NULL tensors. */
static void scatter(const float *tensor, float *states, struct state_walk w)
{
    for (size_t j = 0; tensor != NULL && j < w.cells; j++)
        for (size_t b = 0; b < w.rows; b++)
            memcpy(states + b * w.row_stride + j * w.cell_stride,
                   tensor + b * w.tensor_row + j * w.tensor_cell, w.n * sizeof *tensor);
}

static void gather(float *tensor, const float *states, struct state_walk w)
{
    for (size_t j = 0; tensor != NULL && j < w.cells; j++)
        for (size_t b = 0; b < w.rows; b++)
            memcpy(tensor + b * w.tensor_row + j * w.tensor_cell,
                   states + b * w.row_stride + j * w.cell_stride, w.n * sizeof *tensor);
}

static void scatter_states(struct compute *compute)
{
    for (size_t i = 0; i < compute->signature->state_count; i++) {
        const struct signature_state *state = &compute->signature->states[i];
        float *h = compute->states + state->offset;
        if (compute->binding.h_0[i] != NULL)
            scatter(compute->h[i], h, walk_of(compute, state, state->h_size));
        if (compute->binding.c_0[i] != NULL)
            scatter(compute->c[i], h + state->h_size, walk_of(compute, state, state->c_size));
    }
}

static void gather_states(struct compute *compute)
{
    for (size_t i = 0; i < compute->signature->state_count; i++) {
        const struct signature_state *state = &compute->signature->states[i];
        const float *h = compute->states + state->offset;
        gather(compute->h[i], h, walk_of(compute, state, state->h_size));
        gather(compute->c[i], h + state->h_size, walk_of(compute, state, state->c_size));
    }
}

/* ---- rows ---- */

/* Where a row's steps stand in [T,B,n] and [B,T,n]. */
static float *output_of_row(const struct compute *compute, size_t row)
{
    const size_t n = compute->signature->output_size;
    return compute->output +
           (compute->signature->output_batch_first ? row * compute->output_steps : row) * n;
}

static size_t output_stride(const struct compute *compute)
{
    const size_t n = compute->signature->output_size;
    return compute->signature->output_batch_first ? n : compute->binding.rows * n;
}

static void set_rows(struct compute *compute)
{
    const size_t in = compute->signature->input_size, steps = compute->binding.steps;
    const bool batch_first = compute->signature->batch_first;
    const size_t state_size = model_state_size(compute->model);
    for (size_t b = 0; b < compute->binding.rows; b++)
        compute->rows[b] = (struct model_row){
            .input = compute->input + (batch_first ? b * steps : b) * in,
            .output = output_of_row(compute, b),
            .input_stride = batch_first ? in : compute->binding.rows * in,
            .output_stride = output_stride(compute),
            .state = compute->states + b * state_size,
        };
}

static void clear_states(struct compute *compute)
{
    memset(compute->states, 0,
           compute->binding.rows * model_state_size(compute->model) * sizeof(float));
}

static void set_full_lengths(struct compute *compute)
{
    for (size_t b = 0; b < compute->binding.rows; b++)
        compute->lengths[b] = (int64_t)compute->binding.steps;
}

void compute_clear(struct compute *compute)
{
    const struct binding *binding = &compute->binding;
    memset(compute->input, 0,
           binding->steps * binding->rows * compute->signature->input_size * sizeof(float));
    clear_states(compute);
    set_full_lengths(compute);
}

/* ---- decoding ---- */

static bool decode_lengths(struct compute *compute, struct fault *fault)
{
    const struct binding *binding = &compute->binding;
    if (binding->lengths == NULL) {
        set_full_lengths(compute);
        return true;
    }
    if (!infer_input_decode_i64(binding->lengths, compute->lengths, fault))
        return false;
    for (size_t b = 0; b < binding->rows; b++)
        if (compute->lengths[b] < 0 || (uint64_t)compute->lengths[b] > binding->steps)
            return fault_set(fault, 400, "input '%s' element %zu: 0 to %zu expected, got %lld",
                             binding->lengths->name, b, binding->steps,
                             (long long)compute->lengths[b]);
    return true;
}

static bool decode_states(struct compute *compute, struct fault *fault)
{
    const struct binding *binding = &compute->binding;
    clear_states(compute);
    for (size_t i = 0; i < compute->signature->state_count; i++) {
        if (binding->h_0[i] != NULL &&
            !infer_input_decode_f32(binding->h_0[i], compute->h[i], fault))
            return false;
        if (binding->c_0[i] != NULL &&
            !infer_input_decode_f32(binding->c_0[i], compute->c[i], fault))
            return false;
    }
    scatter_states(compute);
    return true;
}

/* An embedding's input: whole numbers that it has vectors for. */
static bool check_vocabulary(const struct compute *compute, struct fault *fault)
{
    const size_t vocabulary = compute->signature->vocabulary;
    const struct infer_input *input = compute->binding.input;
    for (size_t i = 0; vocabulary != 0 && i < input->elements; i++) {
        const double number = (double)compute->input[i];
        if (!(number >= 0 && number < (double)vocabulary && number == (double)(size_t)number))
            return fault_set(fault, 400, "input '%s' element %zu: 0 to %zu expected, got %.9g",
                             input->name, i, vocabulary - 1, number);
    }
    return true;
}

bool compute_decode(struct compute *compute, struct fault *fault)
{
    return infer_input_decode_f32(compute->binding.input, compute->input, fault) &&
           check_vocabulary(compute, fault) && decode_lengths(compute, fault) &&
           decode_states(compute, fault);
}

/* ---- running ---- */

static void run_share(void *context, const struct share *share)
{
    const struct compute *compute = context;
    model_run_member(compute->model, compute->rows, compute->binding.rows, compute->scratch, share);
}

/* Steps [from, from + piece) of every row that has any of them. */
static void run_piece(struct compute *compute, size_t from)
{
    for (size_t b = 0; b < compute->binding.rows; b++) {
        struct model_row *row = &compute->rows[b];
        const size_t length = (size_t)compute->lengths[b];
        const size_t left = length > from ? length - from : 0;
        row->steps = left < compute->piece ? left : compute->piece;
        row->ends = left <= compute->piece && (left > 0 || from == 0);
    }
    if (compute->team > 1)
        pool_share(compute->pool, compute->team, run_share, compute);
    else
        model_run(compute->model, compute->rows, compute->binding.rows, compute->scratch);
    for (size_t b = 0; b < compute->binding.rows; b++) {
        struct model_row *row = &compute->rows[b];
        row->input += row->steps * row->input_stride;
        if (!compute->signature->vector)
            row->output += row->steps * row->output_stride;
    }
}

/* Outputs past a row's end are zeros. */
static void clear_padding(struct compute *compute)
{
    const size_t size = compute->signature->output_size * sizeof *compute->output;
    for (size_t b = 0; b < compute->binding.rows; b++) {
        const size_t length = (size_t)compute->lengths[b];
        const size_t done = length == 0 ? 0 : model_output_steps(compute->model, length);
        float *at = output_of_row(compute, b) + done * output_stride(compute);
        for (size_t t = done; t < compute->output_steps; t++, at += output_stride(compute))
            memset(at, 0, size);
    }
}

bool compute_run(struct compute *compute, const atomic_bool *given_up)
{
    set_rows(compute);
    for (size_t from = 0; compute->piece != 0 && from < compute->binding.steps;
         from += compute->piece) {
        if (atomic_load_explicit(given_up, memory_order_relaxed))
            return false;
        run_piece(compute, from);
    }
    clear_padding(compute);
    if (compute->signature->output_apart)
        signature_set_apart(compute->signature, compute->output_steps, compute->binding.rows,
                            compute->output, compute->apart);
    gather_states(compute);
    return true;
}

/* ---- the answer ---- */

/* A tensor of rank 2 is one cell's part of its group's. */
static const float *data_of(const struct compute *compute, const struct signature_tensor *tensor)
{
    const struct signature_state *state = &compute->signature->states[tensor->state];
    const size_t before = tensor->cell * compute->binding.rows;
    switch (tensor->role) {
    case ROLE_H:
        return compute->h[tensor->state] + before * state->h_size;
    case ROLE_C:
        return compute->c[tensor->state] + before * state->c_size;
    case ROLE_OUTPUT:
    case ROLE_INPUT:
    case ROLE_LENGTHS:
        break;
    }
    assert(tensor->role == ROLE_OUTPUT);
    return compute->output;
}

void compute_answer(const struct compute *compute, struct infer_answer *answer)
{
    const struct binding *binding = &compute->binding;
    answer->output_count = binding->output_count;
    for (size_t i = 0; i < binding->output_count; i++) {
        const struct signature_tensor *tensor = binding->outputs[i];
        struct infer_answer_tensor *out = &answer->outputs[i];
        out->name = tensor->name;
        out->rank = tensor->rank;
        out->data = data_of(compute, tensor);
        signature_output_shape(compute->signature, tensor, binding->steps, binding->rows,
                               out->shape);
    }
}
