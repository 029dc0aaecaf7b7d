#include "core/model_ops.h"

/* Steps do not depend on each other here: all of them are rows of one product. */
void layer_dense_run(const struct op_call *call)
{
    size_t terms = 0;
    for (size_t r = 0; r < call->row_count; r++) {
        const struct view *view = &call->views[r];
        for (size_t t = 0; t < view->steps; t++, terms++) {
            call->x[terms] = view->input + t * view->input_stride;
            call->y[terms] = view->output + t * view->output_stride;
        }
    }
    const struct slice slice = share_slice(call->share, terms);
    call->model->kernel->linear(&(struct kernel_linear){
        .w = &call->op->weight,
        .x = call->x + slice.begin,
        .y = call->y + slice.begin,
        .y_stride = PANEL_WIDTH,
        .row_count = slice.end - slice.begin,
        .end_panel = call->op->weight.panel_count,
    });
}
