/* Layer and batch normalisation, in double, each number rounded once. */
#include <math.h>

#include "core/elementary.h"
#include "core/model_ops.h"

/* Mean and variance in two passes, in the order of the features. */
static void layer_norm_step(const struct op *op, const float *input, float *output)
{
    const size_t n = op->input_size;
    const double *scale = op->norm + n, *shift = scale + n;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)input[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        variance += ((double)input[i] - mean) * ((double)input[i] - mean);
    const double deviation = sqrt(variance / (double)n + op->epsilon);
    for (size_t i = 0; i < n; i++)
        output[i] = elementary_round(((double)input[i] - mean) / deviation * scale[i] + shift[i]);
}

static void batch_norm_step(const struct op *op, const float *input, float *output)
{
    const size_t n = op->input_size;
    const double *mean = op->norm, *scale = mean + n, *shift = scale + n;
    for (size_t i = 0; i < n; i++)
        output[i] = elementary_round(((double)input[i] - mean[i]) * scale[i] + shift[i]);
}

void layer_norm_run(const struct op_call *call)
{
    for (size_t r = 0; r < call->row_count; r++) {
        const struct view *view = &call->views[r];
        const struct slice steps = share_slice(call->share, view->steps);
        for (size_t t = steps.begin; t < steps.end; t++) {
            const float *input = view->input + t * view->input_stride;
            float *output = view->output + t * view->output_stride;
            if (call->op->type == OP_LAYER_NORM)
                layer_norm_step(call->op, input, output);
            else
                batch_norm_step(call->op, input, output);
        }
    }
}
