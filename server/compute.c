#include "server/compute.h"

#include <assert.h>
#include <string.h>

#include "core/checked.h"
#include "server/tick_rule.h"

/* Floats written in one slice of work: half a millisecond when they are printed numbers that are
 * read, less when they are zeros. */
#define SLICE_FLOATS ((size_t)32 << 10)

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

/* Rows that stand each for itself say by themselves how long they are. */
static bool has_own_rows(const struct binding *binding)
{
    return binding->input != NULL && binding->input->form == TENSOR_ROWS;
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

/* Rows are cut into strands evenly counted, only the last one is shorter. */
static size_t count_strands(size_t rows)
{
    return rows / STRAND_ROWS + (rows % STRAND_ROWS != 0);
}

static size_t widest_strand(size_t rows)
{
    return rows < STRAND_ROWS ? rows : STRAND_ROWS;
}

/* Rows that cannot be cut may want more scratch than the workers have. */
static bool wants_scratch(const struct compute *compute)
{
    struct tick_rule rule;
    if (compute->members == 0 || model_is_causal(compute->model))
        return false;
    tick_rule_init(&rule, compute->model);
    return compute->binding.steps >
           tick_rule_steps(&rule, widest_strand(compute->binding.rows), TICK_WHOLE);
}

/* false: more than a size_t holds. */
static bool plan_scratch(struct compute *compute)
{
    const struct model *model = compute->model;
    const size_t rows = widest_strand(compute->binding.rows), steps = compute->binding.steps;
    compute->scratch_size = compute->strand_scratch_size = 0;
    if (compute->alone && !model_team_scratch_size(model, 1, rows, steps, &compute->scratch_size))
        return false;
    return !wants_scratch(compute) || model_team_scratch_size(model, compute->members, rows, steps,
                                                              &compute->strand_scratch_size);
}

/* Of no bytes: none. */
static struct model_scratch take_scratch(struct layout *layout, size_t bytes)
{
    return (struct model_scratch){bytes != 0 ? take_bytes(layout, bytes) : NULL, bytes};
}

static void lay_out_strands(struct compute *compute, struct layout *layout)
{
    const size_t rows = compute->binding.rows;
    compute->strand_count = count_strands(rows);
    compute->strands = take(layout, compute->strand_count, 1, 1, sizeof *compute->strands);
    compute->scratch = take_scratch(layout, compute->scratch_size);
    if (layout->base == NULL && compute->strand_scratch_size == 0)
        return;
    for (size_t i = 0; layout->fits && i < compute->strand_count; i++) {
        const size_t first = i * STRAND_ROWS;
        const struct model_scratch scratch = take_scratch(layout, compute->strand_scratch_size);
        if (layout->base != NULL)
            compute->strands[i] = (struct strand){
                .compute = compute,
                .first_row = first,
                .row_count = rows - first < STRAND_ROWS ? rows - first : STRAND_ROWS,
                .scratch = scratch,
            };
    }
}

static void lay_out(struct compute *compute, struct layout *layout)
{
    const struct signature *signature = compute->signature;
    const size_t steps = compute->binding.steps, rows = compute->binding.rows;
    compute->input = take(layout, steps, rows, signature->input_size, sizeof(float));
    compute->output =
        take(layout, compute->part_steps, rows, signature->output_size, sizeof(float));
    compute->tokens =
        take(layout, signature->vocabulary != 0 ? steps : 0, rows, 1, sizeof *compute->tokens);
    compute->apart =
        take(layout, signature->output_apart ? rows : 0, signature->output_size, 1, sizeof(float));
    compute->lengths = take(layout, rows, 1, 1, sizeof *compute->lengths);
    compute->row_steps = NULL;
    if (has_own_rows(&compute->binding))
        compute->row_steps = take(layout, rows, 1, 1, sizeof *compute->row_steps);
    compute->states = take(layout, rows, model_state_size(compute->model), 1, sizeof(float));
    lay_out_states(compute, layout);
    lay_out_strands(compute, layout);
}

void compute_init(struct compute *compute, const struct model *model,
                  const struct signature *signature, const struct binding *binding)
{
    const size_t output_steps = model_output_steps(model, binding->steps);
    *compute = (struct compute){
        .model = model,
        .signature = signature,
        .binding = *binding,
        .output_steps = output_steps,
        .part_steps = output_steps,
        .part_end = output_steps,
    };
}

/* ---- parts ---- */

bool compute_is_divisible(const struct compute *compute)
{
    const struct model *model = compute->model;
    return model_is_causal(model) && !model_output_is_vector(model) && compute->binding.rows > 0 &&
           wants(&compute->binding, ROLE_OUTPUT, 0);
}

/* Causal models whose output is steps give one for each that goes in. */
void compute_divide(struct compute *compute, size_t steps)
{
    assert(steps > 0 && compute_is_divisible(compute));
    assert(compute->output_steps == compute->binding.steps);
    if (steps < compute->part_steps)
        compute->part_steps = compute->part_end = steps;
}

bool compute_is_last_part(const struct compute *compute)
{
    return compute->part_end == compute->output_steps;
}

static bool is_whole(const struct compute *compute)
{
    return compute->part_steps == compute->output_steps;
}

bool compute_plan(struct compute *compute, size_t members, bool alone, size_t *bytes)
{
    struct layout layout = {.fits = true};
    compute->members = members;
    compute->alone = alone;
    if (!plan_scratch(compute))
        return false;
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

/* One state tensor of a strand's rows, between [cells,B,n] or [B,cells,n] and the core's form. */
struct state_copy {
    float *tensor; /* or NULL: nothing is copied */
    float *state;  /* row 0's first cell in the core's form */
    size_t state_size, cell_size;
    size_t tensor_row, tensor_cell; /* floats from a row, or cell, of the tensor to the next */
    size_t cells, n;
};

static void copy_in(const struct state_copy *copy, size_t begin, size_t end)
{
    for (size_t j = 0; copy->tensor != NULL && j < copy->cells; j++)
        for (size_t b = begin; b < end; b++)
            memcpy(copy->state + b * copy->state_size + j * copy->cell_size,
                   copy->tensor + b * copy->tensor_row + j * copy->tensor_cell,
                   copy->n * sizeof(float));
}

static void copy_out(const struct state_copy *copy, size_t begin, size_t end)
{
    for (size_t j = 0; copy->tensor != NULL && j < copy->cells; j++)
        for (size_t b = begin; b < end; b++)
            memcpy(copy->tensor + b * copy->tensor_row + j * copy->tensor_cell,
                   copy->state + b * copy->state_size + j * copy->cell_size,
                   copy->n * sizeof(float));
}

/* Cells that are answered each by itself, [B,n], stand one behind the other. */
static bool answers_cells(const struct signature *signature)
{
    for (size_t i = 0; i < signature->output_count; i++)
        if (signature->outputs[i].role != ROLE_OUTPUT && signature->outputs[i].rank == 2)
            return true;
    return false;
}

static struct state_copy state_copy(const struct compute *compute, size_t i, bool is_c,
                                    bool rows_first)
{
    const struct signature_state *state = &compute->signature->states[i];
    const size_t n = is_c ? state->c_size : state->h_size;
    return (struct state_copy){
        .tensor = is_c ? compute->c[i] : compute->h[i],
        .state = compute->states + state->offset + (is_c ? state->h_size : 0),
        .state_size = model_state_size(compute->model),
        .cell_size = state->h_size + state->c_size,
        .tensor_row = rows_first ? state->cells * n : n,
        .tensor_cell = rows_first ? n : compute->binding.rows * n,
        .cells = state->cells,
        .n = n,
    };
}

/* Those that were sent; the others begin at zero, or where their sequence was. */
static void read_states(const struct strand *strand)
{
    const struct compute *compute = strand->compute;
    const size_t size = model_state_size(compute->model);
    const size_t begin = strand->first_row, end = begin + strand->row_count;
    const size_t bytes = strand->row_count * size * sizeof(float);
    if (compute->initial != NULL)
        memcpy(compute->states + begin * size, compute->initial + begin * size, bytes);
    else
        memset(compute->states + begin * size, 0, bytes);
    const bool rows_first = compute->signature->states_batch_first;
    for (size_t i = 0; i < compute->signature->state_count; i++) {
        const struct state_copy h = state_copy(compute, i, false, rows_first);
        const struct state_copy c = state_copy(compute, i, true, rows_first);
        if (compute->binding.h_0[i] != NULL)
            copy_in(&h, begin, end);
        if (compute->binding.c_0[i] != NULL)
            copy_in(&c, begin, end);
    }
}

/* To where h_0 and c_0 of all strands were read from, which may stand otherwise: when all have
 * begun. */
static void write_states(const struct strand *strand)
{
    const struct compute *compute = strand->compute;
    const struct signature *signature = compute->signature;
    const bool rows_first = signature->states_batch_first && !answers_cells(signature);
    const size_t begin = strand->first_row, end = begin + strand->row_count;
    for (size_t i = 0; i < signature->state_count; i++) {
        const struct state_copy h = state_copy(compute, i, false, rows_first);
        const struct state_copy c = state_copy(compute, i, true, rows_first);
        copy_out(&h, begin, end);
        copy_out(&c, begin, end);
    }
}

/* ---- rows ---- */

static size_t length_of(const struct compute *compute, size_t row)
{
    return (size_t)compute->lengths[row];
}

/* How the rows of a tensor stand, [T,B,n] or [B,T,n]: floats from a row to the next, and from a
 * step to the next. */
struct rows_layout {
    size_t row_stride, step_stride;
};

static struct rows_layout rows_layout(bool batch_first, size_t steps, size_t rows, size_t n)
{
    return batch_first ? (struct rows_layout){steps * n, n} : (struct rows_layout){n, rows * n};
}

static struct rows_layout input_layout(const struct compute *compute)
{
    return rows_layout(compute->signature->batch_first, compute->binding.steps,
                       compute->binding.rows, compute->signature->input_size);
}

static struct rows_layout output_layout(const struct compute *compute)
{
    return rows_layout(compute->signature->output_batch_first,
                       compute->part_end - compute->part_begin, compute->binding.rows,
                       compute->signature->output_size);
}

/* The step is one of the part. */
static float *output_of_row(const struct compute *compute, size_t row, size_t step)
{
    const struct rows_layout layout = output_layout(compute);
    return compute->output + row * layout.row_stride +
           (step - compute->part_begin) * layout.step_stride;
}

/* Outputs of the part past what a row comes out with are zeros. A row without steps comes out with
 * none. Returns how many floats were written. */
static size_t clear_padding(const struct compute *compute, size_t row)
{
    const size_t length = length_of(compute, row), out = compute->signature->output_size;
    const size_t own = length > 0 ? model_output_steps(compute->model, length) : 0;
    assert(own <= compute->output_steps);
    const size_t from = own > compute->part_begin ? own : compute->part_begin;
    const size_t begin = from < compute->part_end ? from : compute->part_end;
    if (compute->row_steps != NULL)
        compute->row_steps[row] = (int64_t)(begin - compute->part_begin);
    for (size_t t = begin; t < compute->part_end; t++)
        memset(output_of_row(compute, row, t), 0, out * sizeof(float));
    return (compute->part_end - begin) * out;
}

static void count_live(struct strand *strand)
{
    strand->live = 0;
    if (strand->done == strand->longest)
        return;
    for (size_t b = strand->first_row; b < strand->first_row + strand->row_count; b++)
        strand->live += length_of(strand->compute, b) > strand->done;
}

/* Whole answers may have other steps than those that go in. */
static void begin_part(struct strand *strand)
{
    const struct compute *compute = strand->compute;
    const bool cut = !is_whole(compute) && strand->steps > compute->part_end;
    strand->longest = cut ? compute->part_end : strand->steps;
    count_live(strand);
}

/* Returns how many floats were written. */
static size_t begin_strand(struct strand *strand)
{
    const struct compute *compute = strand->compute;
    size_t floats = strand->row_count * (model_state_size(compute->model) + 1);
    strand->done = strand->steps = 0;
    for (size_t b = strand->first_row; b < strand->first_row + strand->row_count; b++) {
        const size_t length = length_of(compute, b);
        floats += clear_padding(compute, b);
        if (length > strand->steps)
            strand->steps = length;
    }
    read_states(strand);
    begin_part(strand);
    return floats;
}

/* Of a strand without steps the states are there already. Returns how many floats were written. */
static size_t end_if_empty(const struct strand *strand)
{
    if (strand->steps > 0)
        return 1;
    write_states(strand);
    return strand->row_count * model_state_size(strand->compute->model);
}

size_t compute_strand_left(const struct strand *strand)
{
    return strand->longest - strand->done;
}

/* Where the output of the row's step `done` goes: its own place, or, in models that give the last
 * step only, the one place there is. */
static float *output_at(const struct compute *compute, size_t row, size_t done)
{
    const size_t step = done > 0 ? model_output_steps(compute->model, done + 1) - 1 : 0;
    return output_of_row(compute, row, step);
}

size_t compute_strand_rows(const struct strand *strand, size_t steps, struct model_row *rows)
{
    const struct compute *compute = strand->compute;
    const struct rows_layout in = input_layout(compute), out = output_layout(compute);
    const size_t done = strand->done, left = compute_strand_left(strand);
    size_t count = 0;
    if (steps > left)
        steps = left;
    for (size_t b = strand->first_row; b < strand->first_row + strand->row_count; b++) {
        const size_t length = length_of(compute, b);
        if (length <= done)
            continue;
        rows[count++] = (struct model_row){
            .input = compute->input + b * in.row_stride + done * in.step_stride,
            .output = output_at(compute, b, done),
            .input_stride = in.step_stride,
            .output_stride = out.step_stride,
            .steps = length - done < steps ? length - done : steps,
            .ends = length - done <= steps,
            .state = compute->states + b * model_state_size(compute->model),
        };
    }
    return count;
}

void compute_strand_advance(struct strand *strand, size_t steps)
{
    const size_t left = compute_strand_left(strand);
    strand->done += steps < left ? steps : left;
    count_live(strand);
    if (strand->done == strand->steps)
        write_states(strand);
}

void compute_next_part(struct compute *compute)
{
    assert(!compute_is_last_part(compute));
    const size_t left = compute->output_steps - compute->part_end;
    compute->part_begin = compute->part_end;
    compute->part_end += left < compute->part_steps ? left : compute->part_steps;
    for (size_t b = 0; b < compute->binding.rows; b++)
        clear_padding(compute, b);
    for (size_t i = 0; i < compute->strand_count; i++)
        begin_part(&compute->strands[i]);
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
    set_full_lengths(compute);
    for (size_t i = 0; i < compute->strand_count; i++)
        begin_strand(&compute->strands[i]);
    for (size_t i = 0; i < compute->strand_count; i++)
        end_if_empty(&compute->strands[i]);
    compute->progress.stage = DECODED;
}

/* ---- decoding: one stage after the other, until the slice is used up ---- */

static void use(size_t *left, size_t floats)
{
    *left -= floats < *left ? floats : *left;
}

static struct infer_cursor *cursor_at(struct compute *compute, const struct infer_input *input)
{
    struct compute_progress *progress = &compute->progress;
    if (!progress->reading)
        infer_cursor_init(&progress->cursor, input);
    progress->reading = true;
    return &progress->cursor;
}

/* Some more of the tensor's numbers; out is where its first one goes. */
static bool read_floats(struct compute *compute, const struct infer_input *input, float *out,
                        size_t *left, struct fault *fault)
{
    struct infer_cursor *cursor = cursor_at(compute, input);
    const size_t first = cursor->index;
    if (!infer_cursor_read_f32(cursor, out, *left, fault))
        return false;
    use(left, cursor->index - first);
    compute->progress.reading = cursor->index < input->elements;
    return true;
}

static bool check_lengths(const struct compute *compute, size_t begin, size_t end,
                          struct fault *fault)
{
    const struct binding *binding = &compute->binding;
    for (size_t b = begin; b < end; b++)
        if (compute->lengths[b] < 0 || (uint64_t)compute->lengths[b] > binding->steps)
            return fault_set(fault, 400, "input '%s' element %zu: 0 to %zu expected, got %lld",
                             binding->lengths->name, b, binding->steps,
                             (long long)compute->lengths[b]);
    return true;
}

static void set_own_lengths(struct compute *compute)
{
    for (size_t b = 0; b < compute->binding.rows; b++)
        compute->lengths[b] = (int64_t)compute->binding.input->rows[b].steps;
}

static bool read_lengths(struct compute *compute, size_t *left, struct fault *fault)
{
    const struct infer_input *input = compute->binding.lengths;
    if (input == NULL) {
        if (has_own_rows(&compute->binding))
            set_own_lengths(compute);
        else
            set_full_lengths(compute);
        use(left, compute->binding.rows);
        return true;
    }
    struct infer_cursor *cursor = cursor_at(compute, input);
    const size_t first = cursor->index;
    if (!infer_cursor_read_i64(cursor, compute->lengths, *left, fault))
        return false;
    use(left, cursor->index - first);
    compute->progress.reading = cursor->index < input->elements;
    return check_lengths(compute, first, cursor->index, fault);
}

/* The index-th of h_0 and c_0 of state 0, of state 1... */
static bool read_state(struct compute *compute, size_t index, size_t *left, struct fault *fault)
{
    const size_t i = index / 2;
    const bool is_c = index % 2 != 0;
    const struct infer_input *input = is_c ? compute->binding.c_0[i] : compute->binding.h_0[i];
    float *out = is_c ? compute->c[i] : compute->h[i];
    return input == NULL || read_floats(compute, input, out, left, fault);
}

static bool read_tokens(struct compute *compute, size_t *left, struct fault *fault)
{
    const struct infer_input *input = compute->binding.input;
    struct infer_cursor *cursor = cursor_at(compute, input);
    const size_t first = cursor->index;
    if (!infer_cursor_read_i64(cursor, compute->tokens, *left, fault))
        return false;
    use(left, cursor->index - first);
    compute->progress.reading = cursor->index < input->elements;
    return true;
}

/* Of rows that came each for itself, what the shorter ones lack. */
static bool is_left_out(const struct compute *compute, size_t element)
{
    const struct binding *binding = &compute->binding;
    if (!has_own_rows(binding))
        return false;
    const bool rows_first = compute->signature->batch_first;
    const size_t inner = rows_first ? binding->steps : binding->rows;
    const size_t row = rows_first ? element / inner : element % inner;
    const size_t step = rows_first ? element % inner : element / inner;
    return step >= length_of(compute, row);
}

/* An embedding's input: whole numbers that it has vectors for. */
static bool take_tokens(struct compute *compute, size_t slice, size_t *left, struct fault *fault)
{
    const size_t vocabulary = compute->signature->vocabulary;
    const size_t elements = compute->binding.input->elements, begin = slice * SLICE_FLOATS;
    const size_t end = elements - begin < SLICE_FLOATS ? elements : begin + SLICE_FLOATS;
    for (size_t i = begin; i < end; i++) {
        const int64_t token = compute->tokens[i];
        if (is_left_out(compute, i))
            continue;
        if (token < 0 || (uint64_t)token >= vocabulary)
            return fault_set(fault, 400, "input '%s' element %zu: 0 to %zu expected, got %lld",
                             compute->binding.input->name, i, vocabulary - 1, (long long)token);
        compute->input[i] = (float)token;
    }
    use(left, end - begin);
    return true;
}

static size_t token_slices(const struct compute *compute)
{
    const size_t tokens =
        compute->signature->vocabulary != 0 ? compute->binding.input->elements : 0;
    return tokens / SLICE_FLOATS + (tokens % SLICE_FLOATS != 0);
}

static bool read_input(struct compute *compute, size_t *left, struct fault *fault)
{
    return compute->signature->vocabulary != 0
               ? read_tokens(compute, left, fault)
               : read_floats(compute, compute->binding.input, compute->input, left, fault);
}

/* A stage does its things one after the other. */
static size_t things_in(const struct compute *compute)
{
    switch (compute->progress.stage) {
    case TAKE_TOKENS:
        return token_slices(compute);
    case READ_STATES:
        return 2 * compute->signature->state_count;
    case BEGIN_STRANDS:
    case END_EMPTY:
        return compute->strand_count;
    default:
        return 1;
    }
}

static bool do_some(struct compute *compute, size_t *left, struct fault *fault)
{
    const size_t index = compute->progress.index;
    switch (compute->progress.stage) {
    case READ_INPUT:
        return read_input(compute, left, fault);
    case READ_LENGTHS:
        return read_lengths(compute, left, fault);
    case TAKE_TOKENS:
        return take_tokens(compute, index, left, fault);
    case READ_STATES:
        return read_state(compute, index, left, fault);
    case BEGIN_STRANDS:
        use(left, begin_strand(&compute->strands[index]));
        return true;
    case END_EMPTY:
        use(left, end_if_empty(&compute->strands[index]));
        return true;
    case DECODED:
        break;
    }
    return true;
}

enum compute_decoded compute_decode(struct compute *compute, struct fault *fault)
{
    struct compute_progress *progress = &compute->progress;
    for (size_t left = SLICE_FLOATS; left > 0 && progress->stage != DECODED;) {
        if (progress->index < things_in(compute)) {
            if (!do_some(compute, &left, fault))
                return COMPUTE_FAILED;
            progress->index += !progress->reading;
        } else {
            progress->stage++;
            progress->index = 0;
        }
    }
    return progress->stage == DECODED ? COMPUTE_READY : COMPUTE_MORE;
}

/* ---- the answer ---- */

void compute_finish(struct compute *compute)
{
    if (compute->signature->output_apart)
        signature_set_apart(compute->signature, compute->output_steps, compute->binding.rows,
                            compute->output, compute->apart);
}

/* A tensor of rank 2 is one cell's part of its group's. */
static const float *state_of(const struct compute *compute, const struct signature_tensor *tensor,
                             float *const *tensors, size_t n)
{
    const float *all = tensors[tensor->state];
    return all != NULL ? all + tensor->cell * compute->binding.rows * n : NULL;
}

static const float *data_of(const struct compute *compute, const struct signature_tensor *tensor)
{
    const struct signature_state *state = &compute->signature->states[tensor->state];
    switch (tensor->role) {
    case ROLE_H:
        return state_of(compute, tensor, compute->h, state->h_size);
    case ROLE_C:
        return state_of(compute, tensor, compute->c, state->c_size);
    case ROLE_OUTPUT:
    case ROLE_INPUT:
    case ROLE_LENGTHS:
        break;
    }
    assert(tensor->role == ROLE_OUTPUT);
    return compute->output;
}

static void describe(const struct compute *compute, struct infer_answer *answer, bool all)
{
    const struct binding *binding = &compute->binding;
    const size_t steps =
        is_whole(compute) ? binding->steps : compute->part_end - compute->part_begin;
    answer->output_count = 0;
    for (size_t i = 0; i < binding->output_count; i++) {
        const struct signature_tensor *tensor = binding->outputs[i];
        if (tensor->role != ROLE_OUTPUT && !all)
            continue;
        struct infer_answer_tensor *out = &answer->outputs[answer->output_count++];
        *out = (struct infer_answer_tensor){.datatype = DATATYPE_FP32};
        out->name = tensor->name;
        out->wanted = i;
        out->rank = tensor->rank;
        out->row_axis = tensor->rows_axis;
        out->row_steps = tensor->steps_axis != SIGNATURE_NO_AXIS ? compute->row_steps : NULL;
        out->labels = tensor->role == ROLE_OUTPUT ? compute->signature->labels : NULL;
        out->data = data_of(compute, tensor);
        signature_output_shape(compute->signature, tensor, steps, binding->rows, out->shape);
    }
}

void compute_answer(const struct compute *compute, struct infer_answer *answer)
{
    describe(compute, answer, compute_is_last_part(compute));
}

/* The first part has as many steps as any. */
void compute_largest_answer(const struct compute *compute, struct infer_answer *answer)
{
    assert(compute->part_begin == 0);
    describe(compute, answer, true);
}
