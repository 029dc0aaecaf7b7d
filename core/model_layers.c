/* From the layers' specs to operations. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/model_ops.h"

/* ---- operations ---- */

/* Counted first: what it holds is freed with the model. */
static struct op *add_op(struct model_build *b, enum op_type type, size_t input_size,
                         size_t output_size)
{
    struct op *op = &b->model->ops[b->model->op_count++];
    *op = (struct op){
        .type = type, .input_size = input_size, .output_size = output_size, .masked = b->masked};
    return op;
}

void op_fini(struct op *op)
{
    lstm_cell_fini(&op->cells[0]);
    lstm_cell_fini(&op->cells[1]);
    panels_fini(&op->weight);
    free(op->table);
    free(op->norm);
}

static size_t width(const struct model_build *b)
{
    return b->model->op_count == 0 ? 0 : b->model->ops[b->model->op_count - 1].output_size;
}

/* ---- lstm ---- */

static enum panels_layout layout_of(const struct model_build *b)
{
    return b->model->kernel->layout;
}

static bool add_lstm_op(struct model_build *b, const struct lstm_spec *spec, size_t layer,
                        size_t input_size)
{
    struct model *model = b->model;
    const size_t directions = spec->bidirectional ? 2 : 1;
    const size_t output_size = spec->proj_size != 0 ? spec->proj_size : spec->hidden_size;
    struct op *op = add_op(b, OP_LSTM, input_size, directions * output_size);
    op->direction_count = directions;
    op->state_offset = model->state_size;
    for (size_t d = 0; d < directions; d++)
        if (!lstm_cell_init(&op->cells[d], layout_of(b), spec, d,
                            &spec->weights[layer * directions + d], input_size))
            return false;
    op->zero_masked = spec->zero_masked;
    op->carries = b->masked && directions == 1 && !op->cells[0].reverse && !spec->zero_masked;
    size_t cell_state, state;
    if (!checked_add(output_size, spec->hidden_size, &cell_state) ||
        !checked_mul(cell_state, directions, &state))
        return false;
    return checked_add(model->state_size, state, &model->state_size);
}

static void add_last_step(struct model_build *b, size_t features, size_t from_first)
{
    add_op(b, OP_LAST_STEP, features, features)->from_first = from_first;
    b->vector = true;
    b->masked = false;
}

static bool add_lstm(struct model_build *b, const struct lstm_spec *spec)
{
    struct model *model = b->model;
    assert(spec->num_layers > 0 && spec->hidden_size > 0 && spec->input_size > 0);
    assert(spec->proj_size < spec->hidden_size);
    assert(!spec->bidirectional || !(spec->reverse || spec->go_backwards));
    assert(!(spec->zero_masked && spec->last_only));
    assert(spec->merge == LSTM_CONCAT || (spec->bidirectional && spec->num_layers == 1));
    const size_t directions = spec->bidirectional ? 2 : 1;
    const size_t output_size = spec->proj_size != 0 ? spec->proj_size : spec->hidden_size;
    model->lstms[model->lstm_count++] = (struct model_lstm_state){
        .offset = model->state_size,
        .cells = spec->num_layers * directions,
        .h_size = output_size,
        .c_size = spec->hidden_size,
    };
    if (spec->bidirectional || spec->reverse || spec->go_backwards || b->vector)
        model->causal = false;
    for (size_t layer = 0; layer < spec->num_layers; layer++)
        if (!add_lstm_op(b, spec, layer, layer == 0 ? spec->input_size : width(b)))
            return false;
    if (spec->last_only) /* the walk of a reverse direction ends at step 0 */
        add_last_step(b, directions * output_size,
                      spec->bidirectional || spec->reverse ? output_size : 0);
    if (spec->merge != LSTM_CONCAT)
        add_op(b, OP_MERGE, 2 * output_size, output_size)->merge = spec->merge;
    return true;
}

/* ---- layers with weights ---- */

static bool add_dense(struct model_build *b, const struct dense_spec *spec)
{
    struct op *op = add_op(b, OP_DENSE, spec->in_features, spec->out_features);
    op->activation = spec->activation;
    return panels_pack_linear(&op->weight, layout_of(b), spec->weight, spec->bias,
                              spec->out_features, spec->in_features);
}

static bool add_embedding(struct model_build *b, const struct embedding_spec *spec)
{
    size_t bytes;
    assert(b->model->op_count == 0);
    assert(spec->num_embeddings > 0 && spec->num_embeddings <= MODEL_VOCABULARY_MAX);
    struct op *op = add_op(b, OP_EMBEDDING, 1, spec->embedding_dim);
    op->vocabulary = spec->num_embeddings;
    op->makes_mask = b->masked = spec->mask_zero;
    if (!checked_mul(spec->num_embeddings, spec->embedding_dim, &bytes) ||
        !checked_mul(bytes, sizeof *op->table, &bytes))
        return false;
    op->table = malloc(bytes);
    if (op->table != NULL)
        memcpy(op->table, spec->weight, bytes);
    return op->table != NULL;
}

static void add_masking(struct model_build *b, const struct masking_spec *spec)
{
    struct op *op = add_op(b, OP_MASKING, spec->features, spec->features);
    op->mask_value = spec->mask_value;
    op->makes_mask = b->masked = true;
}

/* In double: what the trained statistics and weights come to for each feature. */
static void fill_norm(struct op *op, const struct norm_spec *spec)
{
    const size_t n = spec->features;
    double *const mean = op->norm, *const scale = mean + n, *const shift = scale + n;
    for (size_t i = 0; i < n; i++) {
        mean[i] = spec->running_mean != NULL ? (double)spec->running_mean[i] : 0.0;
        scale[i] = spec->weight != NULL ? (double)spec->weight[i] : 1.0;
        if (spec->running_var != NULL)
            scale[i] /= sqrt((double)spec->running_var[i] + spec->epsilon);
        shift[i] = spec->bias != NULL ? (double)spec->bias[i] : 0.0;
    }
}

static bool add_norm(struct model_build *b, enum op_type type, const struct norm_spec *spec)
{
    size_t bytes;
    assert((type == OP_BATCH_NORM) == (spec->running_mean != NULL && spec->running_var != NULL));
    struct op *op = add_op(b, type, spec->features, spec->features);
    op->epsilon = spec->epsilon;
    if (!checked_mul(spec->features, 3 * sizeof *op->norm, &bytes))
        return false;
    op->norm = malloc(bytes);
    if (op->norm != NULL)
        fill_norm(op, spec);
    return op->norm != NULL;
}

/* [out][in][size], torch's, to [out][size][in]: the order of a row's floats. */
static float *turn_conv_weight(const struct conv1d_spec *spec)
{
    const size_t in = spec->in_channels, size = spec->window.size;
    size_t count, bytes;
    float *turned = NULL;
    if (checked_mul(in, size, &count) && checked_mul(count, spec->out_channels, &count) &&
        checked_mul(count, sizeof *turned, &bytes))
        turned = malloc(bytes);
    if (turned == NULL)
        return NULL;
    for (size_t o = 0; o < spec->out_channels; o++)
        for (size_t i = 0; i < in; i++)
            for (size_t k = 0; k < size; k++)
                turned[(o * size + k) * in + i] = spec->weight[(o * in + i) * size + k];
    return turned;
}

static bool add_conv(struct model_build *b, const struct conv1d_spec *spec)
{
    assert(spec->window.size > 0 && spec->window.stride > 0 && spec->window.dilation > 0);
    struct op *op = add_op(b, OP_CONV, spec->in_channels, spec->out_channels);
    op->activation = spec->activation;
    op->window = spec->window;
    b->masked = false;
    b->model->causal = false;
    float *weight = turn_conv_weight(spec);
    const bool packed = weight != NULL && panels_pack_linear(&op->weight, layout_of(b), weight,
                                                             spec->bias, spec->out_channels,
                                                             spec->window.size * spec->in_channels);
    free(weight);
    return packed;
}

/* ---- layers without ---- */

static void add_activation(struct model_build *b, const struct activation_spec *spec)
{
    struct model *model = b->model;
    if (spec->activation.kind == ACTIVATION_LINEAR && model->op_count > 0)
        return;
    struct op *last = model->op_count > 0 ? &model->ops[model->op_count - 1] : NULL;
    if (last == NULL || last->activation.kind != ACTIVATION_LINEAR)
        last = add_op(b, OP_COPY, spec->features, spec->features);
    last->activation = spec->activation;
}

static void add_reshape(struct model_build *b, const struct reshape_spec *spec)
{
    assert(spec->steps != 0 || spec->in_features % spec->out_features == 0);
    assert((spec->steps * spec->in_features) % spec->out_features == 0);
    add_op(b, OP_RESHAPE, spec->in_features, spec->out_features)->steps = spec->steps;
    b->vector = spec->vector;
    b->masked = false;
    b->model->causal = false;
}

static void add_repeat(struct model_build *b, const struct repeat_vector_spec *spec)
{
    add_op(b, OP_REPEAT, spec->features, spec->features)->steps = spec->n;
    b->vector = false;
    b->masked = false;
    b->model->causal = false;
}

static void add_pool(struct model_build *b, const struct pool1d_spec *spec)
{
    const struct window *window = &spec->window;
    assert(spec->global || (window->stride > 0 && window->pad_left < window->size &&
                            window->pad_right < window->size));
    struct op *op = add_op(b, OP_POOL, spec->features, spec->features);
    op->pooling = spec->pooling;
    op->global = spec->global;
    op->window = spec->window;
    b->vector = spec->global;
    b->masked = false;
    b->model->causal = false;
}

static size_t input_size_of(const struct layer_spec *layer)
{
    switch (layer->type) {
    case LAYER_LSTM:
        return layer->as.lstm.input_size;
    case LAYER_DENSE:
        return layer->as.dense.in_features;
    case LAYER_ACTIVATION:
        return layer->as.activation.features;
    case LAYER_EMBEDDING:
        return 1;
    case LAYER_MASKING:
        return layer->as.masking.features;
    case LAYER_LAYER_NORM:
    case LAYER_BATCH_NORM:
        return layer->as.norm.features;
    case LAYER_LAST_STEP:
        return layer->as.last_step.features;
    case LAYER_RESHAPE:
        return layer->as.reshape.in_features;
    case LAYER_REPEAT_VECTOR:
        return layer->as.repeat_vector.features;
    case LAYER_CONV1D:
        return layer->as.conv1d.in_channels;
    case LAYER_POOL1D:
        return layer->as.pool1d.features;
    }
    return 0;
}

size_t model_layer_ops(const struct layer_spec *layer)
{
    return layer->type == LAYER_LSTM ? layer->as.lstm.num_layers + 2 : 1;
}

bool model_add_layer(struct model_build *b, const struct layer_spec *layer)
{
    assert(input_size_of(layer) > 0);
    assert(b->model->op_count == 0 || input_size_of(layer) == width(b));
    switch (layer->type) {
    case LAYER_LSTM:
        return add_lstm(b, &layer->as.lstm);
    case LAYER_DENSE:
        return add_dense(b, &layer->as.dense);
    case LAYER_EMBEDDING:
        return add_embedding(b, &layer->as.embedding);
    case LAYER_LAYER_NORM:
        return add_norm(b, OP_LAYER_NORM, &layer->as.norm);
    case LAYER_BATCH_NORM:
        return add_norm(b, OP_BATCH_NORM, &layer->as.norm);
    case LAYER_CONV1D:
        return add_conv(b, &layer->as.conv1d);
    case LAYER_ACTIVATION:
        add_activation(b, &layer->as.activation);
        return true;
    case LAYER_MASKING:
        add_masking(b, &layer->as.masking);
        return true;
    case LAYER_LAST_STEP:
        add_last_step(b, layer->as.last_step.features, 0);
        return true;
    case LAYER_RESHAPE:
        add_reshape(b, &layer->as.reshape);
        return true;
    case LAYER_REPEAT_VECTOR:
        add_repeat(b, &layer->as.repeat_vector);
        return true;
    case LAYER_POOL1D:
        add_pool(b, &layer->as.pool1d);
        return true;
    }
    return false;
}
