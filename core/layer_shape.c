/* Layers that move floats and, but for the merging of two directions, compute nothing. */
#include <string.h>

#include "core/model_ops.h"

void layer_copy_run(const struct op_call *call)
{
    for (size_t r = 0; r < call->row_count; r++) {
        const struct view *view = &call->views[r];
        const struct slice steps = share_slice(call->share, view->steps);
        for (size_t t = steps.begin; t < steps.end; t++)
            memcpy(view->output + t * view->output_stride, view->input + t * view->input_stride,
                   call->op->output_size * sizeof(float));
    }
}

static void merge_step(const struct op *op, const float *input, float *output)
{
    const float *a = input, *b = input + op->output_size;
    for (size_t i = 0; i < op->output_size; i++)
        switch (op->merge) {
        case LSTM_SUM:
            output[i] = a[i] + b[i];
            break;
        case LSTM_MUL:
            output[i] = a[i] * b[i];
            break;
        case LSTM_AVE:
            output[i] = (a[i] + b[i]) * 0.5f;
            break;
        case LSTM_CONCAT: /* is no operation */
            break;
        }
}

void layer_merge_run(const struct op_call *call)
{
    for (size_t r = 0; r < call->row_count; r++) {
        const struct view *view = &call->views[r];
        const struct slice steps = share_slice(call->share, view->steps);
        for (size_t t = steps.begin; t < steps.end; t++)
            merge_step(call->op, view->input + t * view->input_stride,
                       view->output + t * view->output_stride);
    }
}

void layer_last_step_run(const struct op_call *call)
{
    const struct op *op = call->op;
    const size_t from_last = op->output_size - op->from_first;
    const struct slice rows = share_slice(call->share, call->row_count);
    for (size_t r = rows.begin; r < rows.end; r++) {
        const struct view *view = &call->views[r];
        if (view->output_steps == 0) /* the row goes on in another call */
            continue;
        if (view->steps == 0) {
            memset(view->output, 0, op->output_size * sizeof(float));
            continue;
        }
        const float *last = view->input + (view->steps - 1) * view->input_stride;
        memcpy(view->output, last, from_last * sizeof(float));
        memcpy(view->output + from_last, view->input + from_last, op->from_first * sizeof(float));
    }
}

/* Both sides are rows of floats with gaps; pieces reach to the next gap of either. */
static void reshape_row(const struct op *op, const struct view *view)
{
    const size_t in = op->input_size, out = op->output_size;
    const size_t given = view->steps * in, total = view->output_steps * out;
    for (size_t at = 0, count; at < total; at += count) {
        const size_t in_left = in - at % in, out_left = out - at % out;
        float *output = view->output + at / out * view->output_stride + at % out;
        count = in_left < out_left ? in_left : out_left;
        if (at < given)
            memcpy(output, view->input + at / in * view->input_stride + at % in,
                   count * sizeof *output);
        else
            memset(output, 0, count * sizeof *output);
    }
}

void layer_reshape_run(const struct op_call *call)
{
    const struct slice rows = share_slice(call->share, call->row_count);
    for (size_t r = rows.begin; r < rows.end; r++)
        reshape_row(call->op, &call->views[r]);
}

void layer_repeat_run(const struct op_call *call)
{
    for (size_t r = 0; r < call->row_count; r++) {
        const struct view *view = &call->views[r];
        const struct slice steps = share_slice(call->share, view->output_steps);
        for (size_t t = steps.begin; t < steps.end; t++)
            memcpy(view->output + t * view->output_stride, view->input,
                   call->op->output_size * sizeof(float));
    }
}
