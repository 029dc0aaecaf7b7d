/* An LSTM layer over the rows of a chunk. Masked steps (Keras): a row is the list of the steps that
 * are not masked, walked like any other; the others' outputs are filled in around them. */
#include <string.h>

#include "core/model_ops.h"

/* The index, in the order of the walk, of a time, and back: the map is its own inverse. */
static size_t walk_index(const struct lstm_cell *cell, const struct lstm_span *span, size_t time)
{
    return cell->reverse ? span->length - 1 - time : time;
}

/* Where the output of the walk's p-th step stands. */
static float *output_of_walk(const struct lstm_cell *cell, const struct lstm_span *span, size_t p)
{
    const size_t place = cell->as_computed ? p : walk_index(cell, span, p);
    return span->output + place * span->output_stride;
}

/* Of the walk, the place of the s-th step that is not masked; the walk's end after the last. */
static size_t unmasked_in_walk(const struct lstm_cell *cell, const struct lstm_span *span, size_t s)
{
    if (s == span->steps)
        return span->length;
    return walk_index(cell, span, span->times[cell->reverse ? span->steps - 1 - s : s]);
}

/* Masked steps before the first other one: what was put out last, or zeros when nothing was. */
static void fill_before(const struct lstm_cell *cell, const struct lstm_span *span, bool seen)
{
    const size_t end = unmasked_in_walk(cell, span, 0);
    for (size_t p = 0; p < end; p++) {
        float *output = output_of_walk(cell, span, p);
        if (seen)
            memcpy(output, span->h, cell->output_size * sizeof *output);
        else
            memset(output, 0, cell->output_size * sizeof *output);
    }
}

/* Masked steps behind those: the output of the step before, or zeros. */
static void fill_after(const struct lstm_cell *cell, const struct lstm_span *span, bool zero)
{
    for (size_t s = 0; s < span->steps; s++) {
        const size_t from = unmasked_in_walk(cell, span, s);
        const size_t end = unmasked_in_walk(cell, span, s + 1);
        for (size_t p = from + 1; p < end; p++) {
            float *output = output_of_walk(cell, span, p);
            if (zero)
                memset(output, 0, cell->output_size * sizeof *output);
            else
                memcpy(output, output_of_walk(cell, span, from),
                       cell->output_size * sizeof *output);
        }
    }
}

/* Rows come sorted by their length; of what masks leave that need not be so. */
static void order_rows(const struct op_call *call)
{
    const struct op *op = call->op;
    for (size_t r = 0; r < call->row_count; r++)
        call->lengths[r] =
            (struct row_length){op->masked ? call->masks.count[r] : call->views[r].steps, r};
    sort_longest_first(call->lengths, call->row_count);
}

static struct lstm_span span_of(const struct op_call *call, size_t d, struct row_length length)
{
    const struct op *op = call->op;
    const struct lstm_cell *cell = &op->cells[d];
    const struct view *view = &call->views[length.row];
    float *state =
        view->row->state + op->state_offset + d * (cell->output_size + cell->hidden_size);
    return (struct lstm_span){
        .input = view->input,
        .output = view->output + d * cell->output_size,
        .input_stride = view->input_stride,
        .output_stride = view->output_stride,
        .steps = length.steps,
        .length = view->steps,
        .times = op->masked ? call->masks.times + length.row * call->masks.stride : NULL,
        .h = state,
        .c = state + cell->output_size,
    };
}

static void run_cell(const struct op_call *call, size_t d, const struct share *share)
{
    lstm_cell_run(&call->op->cells[d], call->model->kernel, call->spans, call->row_count,
                  call->cell_shared[d], call->cell_own, share);
}

/* The row's flag: was there a step that was not masked? NULL where none is kept. */
static float *seen_flag(const struct op_call *call, size_t r)
{
    const struct op *op = call->op;
    return op->carries ? call->views[call->lengths[r].row].row->state + op->seen_offset : NULL;
}

/* The member's share of the rows. h is read before the walk replaces it: no member ends its walk
 * before all have begun theirs. */
static void run_masked(const struct op_call *call, size_t d, const struct share *share)
{
    const struct lstm_cell *cell = &call->op->cells[d];
    const struct slice rows = share_slice(share, call->row_count);
    for (size_t r = rows.begin; r < rows.end; r++) {
        const float *seen = seen_flag(call, r);
        fill_before(cell, &call->spans[r], seen != NULL && *seen != 0.0f);
    }
    run_cell(call, d, share);
    for (size_t r = rows.begin; r < rows.end; r++) {
        float *seen = seen_flag(call, r);
        fill_after(cell, &call->spans[r], call->op->zero_masked);
        if (seen != NULL && call->spans[r].steps > 0)
            *seen = 1.0f;
    }
}

static void run_direction(const struct op_call *call, size_t d, const struct share *share)
{
    order_rows(call);
    for (size_t r = 0; r < call->row_count; r++)
        call->spans[r] = span_of(call, d, call->lengths[r]);
    if (call->op->masked)
        run_masked(call, d, share);
    else
        run_cell(call, d, share);
}

/* Two directions need nothing from each other: a team of two takes one each and never meets between
 * steps. */
void layer_lstm_run(const struct op_call *call)
{
    const struct team alone = {.size = 1};
    const struct share *share = call->share;
    if (call->op->direction_count == 2 && share->team->size == 2) {
        run_direction(call, share->member, &(struct share){&alone, 0});
        return;
    }
    for (size_t d = 0; d < call->op->direction_count; d++)
        run_direction(call, d, share);
}
