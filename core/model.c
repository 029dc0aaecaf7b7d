/* A model as a whole: made of its layers, and asked about its sizes. */
#include "core/model.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/checked.h"
#include "core/model_ops.h"

/* ---- building ---- */

static bool count_ops(const struct layer_spec *layers, size_t layer_count, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < layer_count; i++)
        if (!checked_add(*count, model_layer_ops(&layers[i]), count))
            return false;
    return true;
}

static bool take_lists(struct model *model, const struct layer_spec *layers, size_t layer_count)
{
    size_t ops;
    if (!count_ops(layers, layer_count, &ops))
        return false;
    model->ops = calloc(ops, sizeof *model->ops);
    model->lstms = calloc(layer_count, sizeof *model->lstms);
    return model->ops != NULL && model->lstms != NULL;
}

/* What must be remembered beside h and c stands behind all of them. */
static bool place_flags(struct model *model)
{
    for (size_t i = 0; i < model->op_count; i++)
        if (model->ops[i].carries) {
            model->ops[i].seen_offset = model->state_size;
            if (!checked_add(model->state_size, 1, &model->state_size))
                return false;
        }
    return true;
}

static size_t memory_held(const struct model *model)
{
    size_t bytes = sizeof *model + model->op_count * sizeof *model->ops;
    for (size_t i = 0; i < model->op_count; i++) {
        const struct op *op = &model->ops[i];
        for (size_t d = 0; d < op->direction_count; d++)
            bytes += lstm_cell_memory(&op->cells[d]);
        bytes += panels_memory(&op->weight);
        bytes += op->vocabulary * op->output_size * sizeof *op->table;
        if (op->norm != NULL)
            bytes += 3 * op->output_size * sizeof *op->norm;
    }
    return bytes;
}

/* Between two operations while there are steps. */
static size_t widest_step(const struct model *model)
{
    size_t widest = 0;
    for (size_t i = 0; i + 1 < model->op_count && model->ops[i].type != OP_LAST_STEP; i++)
        if (model->ops[i].output_size > widest)
            widest = model->ops[i].output_size;
    return widest;
}

struct model *model_create(const struct layer_spec *layers, size_t layer_count,
                           const struct kernel *kernel)
{
    assert(layer_count > 0 && kernel != NULL);
    struct model *model = calloc(1, sizeof *model);
    if (model == NULL)
        return NULL;
    model->kernel = kernel;
    model->causal = true;
    struct model_build build = {.model = model};
    bool built = take_lists(model, layers, layer_count);
    for (size_t i = 0; built && i < layer_count; i++)
        built = model_add_layer(&build, &layers[i]);
    if (!built || !place_flags(model)) {
        model_destroy(model);
        return NULL;
    }
    model->is_vector = build.vector;
    model->widest = widest_step(model);
    model->memory = memory_held(model);
    return model;
}

void model_destroy(struct model *model)
{
    if (model == NULL)
        return;
    for (size_t i = 0; i < model->op_count; i++)
        op_fini(&model->ops[i]);
    free(model->ops);
    free(model->lstms);
    free(model);
}

/* ---- asking ---- */

size_t model_input_size(const struct model *model)
{
    return model->ops[0].input_size;
}

size_t model_output_size(const struct model *model)
{
    return model->ops[model->op_count - 1].output_size;
}

bool model_is_causal(const struct model *model)
{
    return model->causal;
}

size_t model_output_directions(const struct model *model)
{
    return model->ops[model->op_count - 1].direction_count;
}

bool model_output_is_vector(const struct model *model)
{
    return model->is_vector;
}

size_t model_vocabulary(const struct model *model)
{
    return model->ops[0].vocabulary;
}

size_t op_output_steps(const struct op *op, size_t steps)
{
    switch (op->type) {
    case OP_LAST_STEP:
        return 1;
    case OP_REPEAT:
        return op->steps;
    case OP_RESHAPE:
        if (op->steps != 0)
            return op->steps * op->input_size / op->output_size;
        return checked_mul(steps, op->input_size / op->output_size, &steps) ? steps : SIZE_MAX;
    case OP_CONV:
        return window_output_steps(&op->window, steps);
    case OP_POOL:
        return op->global ? 1 : window_output_steps(&op->window, steps);
    default:
        return steps;
    }
}

size_t model_output_steps(const struct model *model, size_t steps)
{
    for (size_t i = 0; i < model->op_count; i++)
        steps = op_output_steps(&model->ops[i], steps);
    return steps;
}

size_t model_state_size(const struct model *model)
{
    return model->state_size;
}

size_t model_lstm_count(const struct model *model)
{
    return model->lstm_count;
}

struct model_lstm_state model_lstm_state(const struct model *model, size_t lstm_index)
{
    assert(lstm_index < model->lstm_count);
    return model->lstms[lstm_index];
}

size_t model_memory(const struct model *model)
{
    return model->memory;
}

static void visit_panels(const struct panels *panels,
                         void (*visit)(void *context, const float *weights, size_t bytes),
                         void *context)
{
    if (panels->weights != NULL)
        visit(context, panels->weights,
              panels_memory(panels) - panels->panel_count * PANEL_WIDTH * sizeof(float));
}

void model_visit_weights(const struct model *model,
                         void (*visit)(void *context, const float *weights, size_t bytes),
                         void *context)
{
    for (size_t i = 0; i < model->op_count; i++) {
        const struct op *op = &model->ops[i];
        for (size_t d = 0; d < op->direction_count; d++) {
            visit_panels(&op->cells[d].input, visit, context);
            visit_panels(&op->cells[d].recurrent, visit, context);
            visit_panels(&op->cells[d].projection, visit, context);
        }
        visit_panels(&op->weight, visit, context);
    }
}

static double cell_flops(const struct lstm_cell *cell)
{
    const double hidden = (double)cell->hidden_size;
    const double output = (double)cell->output_size;
    return 2.0 * LSTM_GATES * hidden * ((double)cell->input_size + output) +
           (cell->projected ? 2.0 * hidden * output : 0.0);
}

static double op_flops(const struct op *op)
{
    double flops = 2.0 * (double)op->weight.columns * (double)op->weight.depth;
    for (size_t d = 0; d < op->direction_count; d++)
        flops += cell_flops(&op->cells[d]);
    return flops;
}

/* What is done once a row counts as done at every step, what is done at each of n repeated steps n
 * times: never less than the truth for rows of a step or more. */
double model_flops_per_step(const struct model *model)
{
    double flops = 0, repeats = 1;
    for (size_t i = 0; i < model->op_count; i++) {
        const struct op *op = &model->ops[i];
        if (op->type == OP_REPEAT)
            repeats *= (double)op->steps;
        flops += repeats * op_flops(op);
    }
    return flops;
}

const struct kernel *model_kernel(const struct model *model)
{
    return model->kernel;
}

/* Work that makes one more member worth having, between two meetings. Measured with two: from 2e5
 * operations on they are 1.4 to 1.8 times as fast as one, at 2e3 half to 1.3 times (AVX2); with
 * AVX-512, which computes faster and meets no sooner, 1.2 times at 2.6e5. */
#define FLOPS_PER_MEETING 1e5

size_t model_team_size(const struct model *model, size_t row_count, size_t max_steps,
                       size_t available)
{
    size_t meetings_per_step = 0, panels = 0;
    for (size_t i = 0; i < model->op_count; i++)
        for (size_t d = 0; d < model->ops[i].direction_count; d++) {
            const struct lstm_cell *cell = &model->ops[i].cells[d];
            meetings_per_step += cell->projected ? 2 : 1;
            if (cell->recurrent.panel_count > panels)
                panels = cell->recurrent.panel_count;
        }
    if (max_steps == 0 || row_count == 0 || meetings_per_step == 0)
        return 1;
    const double flops = model_flops_per_step(model) * (double)row_count;
    const double worth = flops / (double)meetings_per_step / FLOPS_PER_MEETING;
    size_t size = worth < (double)available ? (size_t)worth : available;
    if (size > panels)
        size = panels;
    return size > 1 ? size : 1;
}
