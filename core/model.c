/* A model is a list of operations; each turns the floats of a step into those of the next
 * operation. An activation is a part of the operation before it, where there is one. */
#include "core/model.h"

#include <assert.h>
#include <stdlib.h>

#include "core/checked.h"
#include "core/model_ops.h"

/* ---- building ---- */

static size_t op_bound(const struct layer_spec *layers, size_t layer_count)
{
    size_t count = 0;
    for (size_t i = 0; i < layer_count; i++)
        count += layers[i].type == LAYER_LSTM ? layers[i].as.lstm.num_layers : 1;
    return count;
}

static size_t model_width(const struct model *model)
{
    return model->op_count == 0 ? 0 : model->ops[model->op_count - 1].output_size;
}

static bool add_lstm_layer(struct model *model, const struct lstm_spec *spec, size_t layer,
                           size_t input_size)
{
    const size_t directions = spec->bidirectional ? 2 : 1;
    const size_t output_size = spec->proj_size != 0 ? spec->proj_size : spec->hidden_size;
    struct op *op = &model->ops[model->op_count++]; /* counted first: what it holds is freed */
    *op = (struct op){
        .type = OP_LSTM,
        .input_size = input_size,
        .output_size = directions * output_size,
        .activation = ACTIVATION_LINEAR,
        .direction_count = directions,
        .state_offset = model->state_size,
    };
    for (size_t d = 0; d < directions; d++)
        if (!lstm_cell_init(&op->cells[d], &spec->weights[layer * directions + d], input_size,
                            spec->hidden_size, spec->proj_size, d == 1))
            return false;
    size_t cell_state, state;
    if (!checked_add(output_size, spec->hidden_size, &cell_state) ||
        !checked_mul(cell_state, directions, &state))
        return false;
    return checked_add(model->state_size, state, &model->state_size);
}

static bool add_lstm(struct model *model, const struct lstm_spec *spec)
{
    assert(spec->num_layers > 0 && spec->hidden_size > 0 && spec->input_size > 0);
    assert(spec->proj_size < spec->hidden_size);
    const size_t directions = spec->bidirectional ? 2 : 1;
    model->lstms[model->lstm_count++] = (struct model_lstm_state){
        .offset = model->state_size,
        .cells = spec->num_layers * directions,
        .h_size = spec->proj_size != 0 ? spec->proj_size : spec->hidden_size,
        .c_size = spec->hidden_size,
    };
    if (spec->bidirectional)
        model->causal = false;
    for (size_t layer = 0; layer < spec->num_layers; layer++)
        if (!add_lstm_layer(model, spec, layer, layer == 0 ? spec->input_size : model_width(model)))
            return false;
    return true;
}

static bool add_dense(struct model *model, const struct dense_spec *spec)
{
    struct op *op = &model->ops[model->op_count];
    *op = (struct op){
        .type = OP_DENSE,
        .input_size = spec->in_features,
        .output_size = spec->out_features,
        .activation = spec->activation,
    };
    if (!panels_pack_linear(&op->dense, spec->weight, spec->bias, spec->out_features,
                            spec->in_features))
        return false;
    model->op_count++;
    model->has_dense = true;
    return true;
}

static bool add_activation(struct model *model, const struct activation_spec *spec)
{
    if (spec->activation == ACTIVATION_LINEAR && model->op_count > 0)
        return true;
    if (model->op_count > 0 && model->ops[model->op_count - 1].activation == ACTIVATION_LINEAR) {
        model->ops[model->op_count - 1].activation = spec->activation;
        return true;
    }
    model->ops[model->op_count++] = (struct op){
        .type = OP_COPY,
        .input_size = spec->features,
        .output_size = spec->features,
        .activation = spec->activation,
    };
    return true;
}

static size_t layer_input_size(const struct layer_spec *layer)
{
    switch (layer->type) {
    case LAYER_LSTM:
        return layer->as.lstm.input_size;
    case LAYER_DENSE:
        return layer->as.dense.in_features;
    case LAYER_ACTIVATION:
        return layer->as.activation.features;
    }
    return 0;
}

static bool add_layer(struct model *model, const struct layer_spec *layer)
{
    assert(model->op_count == 0 || layer_input_size(layer) == model_width(model));
    switch (layer->type) {
    case LAYER_LSTM:
        return add_lstm(model, &layer->as.lstm);
    case LAYER_DENSE:
        return add_dense(model, &layer->as.dense);
    case LAYER_ACTIVATION:
        return add_activation(model, &layer->as.activation);
    }
    return false;
}

static size_t memory_held(const struct model *model)
{
    size_t bytes = sizeof *model + model->op_count * sizeof *model->ops;
    for (size_t i = 0; i < model->op_count; i++) {
        const struct op *op = &model->ops[i];
        for (size_t d = 0; d < op->direction_count; d++)
            bytes += lstm_cell_memory(&op->cells[d]);
        if (op->type == OP_DENSE)
            bytes += panels_memory(&op->dense);
    }
    return bytes;
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
    model->ops = calloc(op_bound(layers, layer_count), sizeof *model->ops);
    model->lstms = calloc(layer_count, sizeof *model->lstms);
    bool built = model->ops != NULL && model->lstms != NULL;
    for (size_t i = 0; built && i < layer_count; i++)
        built = add_layer(model, &layers[i]);
    if (!built) {
        model_destroy(model);
        return NULL;
    }
    for (size_t i = 0; i + 1 < model->op_count; i++)
        if (model->ops[i].output_size > model->widest)
            model->widest = model->ops[i].output_size;
    model->memory = memory_held(model);
    return model;
}

void model_destroy(struct model *model)
{
    if (model == NULL)
        return;
    for (size_t i = 0; i < model->op_count; i++) {
        lstm_cell_fini(&model->ops[i].cells[0]);
        lstm_cell_fini(&model->ops[i].cells[1]);
        panels_fini(&model->ops[i].dense);
    }
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
    return model_width(model);
}

bool model_is_causal(const struct model *model)
{
    return model->causal;
}

size_t model_output_steps(const struct model *model, size_t steps)
{
    (void)model;
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

static double cell_flops(const struct lstm_cell *cell)
{
    const double hidden = (double)cell->hidden_size;
    const double output = (double)cell->output_size;
    return 2.0 * LSTM_GATES * hidden * ((double)cell->input_size + output) +
           (cell->projected ? 2.0 * hidden * output : 0.0);
}

double model_flops_per_step(const struct model *model)
{
    double flops = 0;
    for (size_t i = 0; i < model->op_count; i++) {
        const struct op *op = &model->ops[i];
        for (size_t d = 0; d < op->direction_count; d++)
            flops += cell_flops(&op->cells[d]);
        if (op->type == OP_DENSE)
            flops += 2.0 * (double)op->input_size * (double)op->output_size;
    }
    return flops;
}

/* Work that makes one more member worth having, between two meetings. Measured with two: from 2e5
 * operations on they are 1.4 to 1.8 times as fast as one, at 2e3 half to 1.3 times. */
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
