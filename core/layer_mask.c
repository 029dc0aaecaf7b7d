/* The two layers that make masks: embedding and masking. A member takes whole rows, so that each
 * row's list of steps is one member's work. */
#include <assert.h>
#include <string.h>

#include "core/model_ops.h"

static void embed_row(const struct op_call *call, size_t r)
{
    const struct op *op = call->op;
    const struct view *view = &call->views[r];
    uint32_t *times = op->makes_mask ? call->masks.times + r * call->masks.stride : NULL;
    size_t count = 0;
    for (size_t t = 0; t < view->steps; t++) {
        const float number = view->input[t * view->input_stride];
        assert(number >= 0.0f && number < (float)op->vocabulary);
        const size_t index = (size_t)number;
        memcpy(view->output + t * view->output_stride, op->table + index * op->output_size,
               op->output_size * sizeof(float));
        if (op->makes_mask && index != 0)
            times[count++] = (uint32_t)t;
    }
    if (op->makes_mask)
        call->masks.count[r] = count;
}

void layer_embedding_run(const struct op_call *call)
{
    const struct slice rows = share_slice(call->share, call->row_count);
    for (size_t r = rows.begin; r < rows.end; r++)
        embed_row(call, r);
}

static bool all_equal(const float *values, size_t count, float value)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] != value)
            return false;
    return true;
}

static void mask_row(const struct op_call *call, size_t r)
{
    const struct op *op = call->op;
    const struct view *view = &call->views[r];
    const size_t n = op->input_size;
    uint32_t *times = call->masks.times + r * call->masks.stride;
    size_t count = 0;
    for (size_t t = 0; t < view->steps; t++) {
        const float *input = view->input + t * view->input_stride;
        float *output = view->output + t * view->output_stride;
        if (all_equal(input, n, op->mask_value)) {
            memset(output, 0, n * sizeof *output);
        } else {
            memcpy(output, input, n * sizeof *output);
            times[count++] = (uint32_t)t;
        }
    }
    call->masks.count[r] = count;
}

void layer_masking_run(const struct op_call *call)
{
    const struct slice rows = share_slice(call->share, call->row_count);
    for (size_t r = rows.begin; r < rows.end; r++)
        mask_row(call, r);
}
