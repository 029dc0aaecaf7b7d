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
    compute->output = take(layout, steps, rows, compute->signature->output_size, sizeof(float));
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

/* Calls nothing for NULL tensors. */
static void scatter(const float *tensor, float *states, size_t state_size, size_t cell_size,
                    size_t rows, size_t cells, size_t n)
{
    for (size_t j = 0; tensor != NULL && j < cells; j++)
        for (size_t b = 0; b < rows; b++, tensor += n)
            memcpy(states + b * state_size + j * cell_size, tensor, n * sizeof *tensor);
}

static void gather(float *tensor, const float *states, size_t state_size, size_t cell_size,
                   size_t rows, size_t cells, size_t n)
{
    for (size_t j = 0; tensor != NULL && j < cells; j++)
        for (size_t b = 0; b < rows; b++, tensor += n)
            memcpy(tensor, states + b * state_size + j * cell_size, n * sizeof *tensor);
}

static void scatter_states(struct compute *compute)
{
    const size_t size = model_state_size(compute->model), rows = compute->binding.rows;
    for (size_t i = 0; i < compute->signature->state_count; i++) {
        const struct signature_state *state = &compute->signature->states[i];
        const size_t cell = state->h_size + state->c_size;
        float *h = compute->states + state->offset;
        if (compute->binding.h_0[i] != NULL)
            scatter(compute->h[i], h, size, cell, rows, state->cells, state->h_size);
        if (compute->binding.c_0[i] != NULL)
            scatter(compute->c[i], h + state->h_size, size, cell, rows, state->cells,
                    state->c_size);
    }
}

static void gather_states(struct compute *compute)
{
    const size_t size = model_state_size(compute->model), rows = compute->binding.rows;
    for (size_t i = 0; i < compute->signature->state_count; i++) {
        const struct signature_state *state = &compute->signature->states[i];
        const size_t cell = state->h_size + state->c_size;
        const float *h = compute->states + state->offset;
        gather(compute->h[i], h, size, cell, rows, state->cells, state->h_size);
        gather(compute->c[i], h + state->h_size, size, cell, rows, state->cells, state->c_size);
    }
}

/* ---- rows ---- */

/* Where a row's steps stand in [T,B,n] and [B,T,n]. */
static size_t first_of_row(const struct compute *compute, size_t row, size_t n)
{
    return (compute->signature->batch_first ? row * compute->binding.steps : row) * n;
}

static size_t stride(const struct compute *compute, size_t n)
{
    return compute->signature->batch_first ? n : compute->binding.rows * n;
}

static void set_rows(struct compute *compute)
{
    const size_t in = compute->signature->input_size, out = compute->signature->output_size;
    const size_t state_size = model_state_size(compute->model);
    for (size_t b = 0; b < compute->binding.rows; b++)
        compute->rows[b] = (struct model_row){
            .input = compute->input + first_of_row(compute, b, in),
            .output = compute->output + first_of_row(compute, b, out),
            .input_stride = stride(compute, in),
            .output_stride = stride(compute, out),
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

bool compute_decode(struct compute *compute, struct fault *fault)
{
    return infer_input_decode_f32(compute->binding.input, compute->input, fault) &&
           decode_lengths(compute, fault) && decode_states(compute, fault);
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
    }
    if (compute->team > 1)
        pool_share(compute->pool, compute->team, run_share, compute);
    else
        model_run(compute->model, compute->rows, compute->binding.rows, compute->scratch);
    for (size_t b = 0; b < compute->binding.rows; b++) {
        struct model_row *row = &compute->rows[b];
        row->input += row->steps * row->input_stride;
        row->output += row->steps * row->output_stride;
    }
}

/* Outputs past a row's end are zeros. After the last piece each row's output stands at its end. */
static void clear_padding(struct compute *compute)
{
    const size_t out = compute->signature->output_size;
    for (size_t b = 0; b < compute->binding.rows; b++) {
        const struct model_row *row = &compute->rows[b];
        float *at = row->output;
        for (size_t t = (size_t)compute->lengths[b]; t < compute->binding.steps; t++) {
            memset(at, 0, out * sizeof *at);
            at += row->output_stride;
        }
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
    gather_states(compute);
    return true;
}

/* ---- the answer ---- */

static const float *data_of(const struct compute *compute, const struct signature_tensor *tensor)
{
    switch (tensor->role) {
    case ROLE_H:
        return compute->h[tensor->state];
    case ROLE_C:
        return compute->c[tensor->state];
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
        *out = (struct infer_answer_tensor){.datatype = DATATYPE_FP32};
        out->name = tensor->name;
        out->rank = tensor->rank;
        out->data = data_of(compute, tensor);
        signature_output_shape(compute->signature, tensor, binding->steps, binding->rows,
                               out->shape);
    }
}
