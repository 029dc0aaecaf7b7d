/* Layers that look at windows of a row's steps: convolution and pooling. */
#include <string.h>

#include "core/model_ops.h"

/* ---- convolution ---- */

/* One window's floats, step after step; zeros outside of the row. */
static void gather_window(const struct op *op, const struct view *view, size_t t, float *to)
{
    const struct window *window = &op->window;
    const size_t left = window_pad_left(window, view->steps);
    for (size_t k = 0; k < window->size; k++, to += op->input_size) {
        const size_t padded = t * window->stride + k * window->dilation;
        if (padded >= left && padded - left < view->steps)
            memcpy(to, view->input + (padded - left) * view->input_stride,
                   op->input_size * sizeof *to);
        else
            memset(to, 0, op->input_size * sizeof *to);
    }
}

/* Output steps are rows of a product with the windows; a few windows are laid out at a time. */
static void convolve(const struct op_call *call, const struct view *view, size_t begin, size_t end)
{
    const struct panels *weight = &call->op->weight;
    for (size_t i = 0; i < end - begin; i++) {
        float *window = call->windows + i * weight->depth;
        gather_window(call->op, view, begin + i, window);
        call->x[i] = window;
        call->y[i] = view->output + (begin + i) * view->output_stride;
    }
    call->model->kernel->linear(&(struct kernel_linear){
        .w = weight,
        .x = call->x,
        .y = call->y,
        .y_stride = PANEL_WIDTH,
        .row_count = end - begin,
        .end_panel = weight->panel_count,
    });
}

void layer_conv_run(const struct op_call *call)
{
    for (size_t r = 0; r < call->row_count; r++) {
        const struct view *view = &call->views[r];
        const struct slice steps = share_slice(call->share, view->output_steps);
        for (size_t t = steps.begin; t < steps.end; t += CONV_WINDOWS)
            convolve(call, view, t, steps.end - t < CONV_WINDOWS ? steps.end : t + CONV_WINDOWS);
    }
}

/* ---- pooling ---- */

static void pool_add(const struct op *op, const float *input, bool first, float *output)
{
    for (size_t i = 0; i < op->output_size; i++)
        if (first)
            output[i] = input[i];
        else if (op->pooling == POOLING_AVERAGE)
            output[i] += input[i];
        else if (!(input[i] <= output[i]) && output[i] == output[i]) /* NaN stays */
            output[i] = input[i];
}

static void pool_end(const struct op *op, size_t count, float *output)
{
    if (count == 0)
        memset(output, 0, op->output_size * sizeof *output);
    else if (op->pooling == POOLING_AVERAGE)
        for (size_t i = 0; i < op->output_size; i++)
            output[i] /= (float)count;
}

static void pool_window(const struct op *op, const struct view *view, size_t t)
{
    const size_t left = window_pad_left(&op->window, view->steps);
    float *output = view->output + t * view->output_stride;
    size_t count = 0;
    for (size_t k = 0; k < op->window.size; k++) {
        const size_t padded = t * op->window.stride + k;
        if (padded < left || padded - left >= view->steps)
            continue;
        pool_add(op, view->input + (padded - left) * view->input_stride, count == 0, output);
        count++;
    }
    pool_end(op, count, output);
}

static void pool_row(const struct op_call *call, size_t r)
{
    const struct op *op = call->op;
    const struct view *view = &call->views[r];
    const bool masked = op->masked && op->pooling == POOLING_AVERAGE;
    const uint32_t *times = call->masks.times + r * call->masks.stride;
    const size_t count = masked ? call->masks.count[r] : view->steps;
    for (size_t i = 0; i < count; i++)
        pool_add(op, view->input + (masked ? times[i] : i) * view->input_stride, i == 0,
                 view->output);
    pool_end(op, count, view->output);
}

void layer_pool_run(const struct op_call *call)
{
    const struct slice rows = share_slice(call->share, call->row_count);
    for (size_t r = rows.begin; call->op->global && r < rows.end; r++)
        pool_row(call, r);
    for (size_t r = 0; !call->op->global && r < call->row_count; r++) {
        const struct view *view = &call->views[r];
        const struct slice steps = share_slice(call->share, view->output_steps);
        for (size_t t = steps.begin; t < steps.end; t++)
            pool_window(call->op, view, t);
    }
}
