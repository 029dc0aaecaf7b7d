#include "proto/model_plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/checked.h"
#include "proto/excerpt.h"

/* While layers are planned, one after the other. */
struct planner {
    struct model_plan *plan;
    const struct model_config *config;
    const struct safetensors *weights;
    struct fault *fault;
    struct layer_plan *layer; /* the one at hand */
    size_t width;             /* floats per step after the layer before; 0: not known yet */
    const char *width_place;  /* of the layer that said so */
    size_t steps;             /* 0: any */
    bool vector;
    const char *vector_place; /* of the layer that made it one */
};

static bool fail_memory(const struct planner *p)
{
    return fault_set(p->fault, 503, "not enough memory for model '%s'", p->config->name);
}

/* ---- what goes from layer to layer ---- */

/* Layers that take any width, and give it on. */
static size_t *features_of(struct layer_spec *spec)
{
    switch (spec->type) {
    case LAYER_ACTIVATION:
        return &spec->as.activation.features;
    case LAYER_MASKING:
        return &spec->as.masking.features;
    case LAYER_LAYER_NORM:
        return &spec->as.norm.features;
    case LAYER_LAST_STEP:
        return &spec->as.last_step.features;
    case LAYER_REPEAT_VECTOR:
        return &spec->as.repeat_vector.features;
    case LAYER_POOL1D:
        return &spec->as.pool1d.features;
    default:
        return NULL;
    }
}

/* What stands before the first weights has its width from them. */
static void tell_earlier_layers(const struct planner *p, size_t in)
{
    for (struct layer_plan *layer = p->plan->layers; layer < p->layer; layer++) {
        size_t *features = layer->computes ? features_of(&layer->spec) : NULL;
        layer->features = in;
        if (features != NULL)
            *features = in;
    }
}

/* The layer takes in floats per step, as the tensor says, and gives out. */
static bool connect(struct planner *p, const struct safetensors_tensor *tensor, size_t in,
                    size_t out)
{
    if (p->width != 0 && p->width != in) {
        char shape[SAFETENSORS_SHAPE_TEXT_MAX];
        safetensors_shape_text(tensor, shape, sizeof shape);
        return fault_set(p->fault, 400,
                         "%s: an input of size %zu expected from %s, got %zu from %s %s",
                         p->layer->config->place, p->width, p->width_place, in,
                         excerpt_of(tensor->name).text, shape);
    }
    if (p->width == 0)
        tell_earlier_layers(p, in);
    p->width = out;
    p->width_place = p->layer->config->place;
    return true;
}

static bool need_steps(const struct planner *p)
{
    return !p->vector || fault_set(p->fault, 400, "%s: steps expected, got a vector from %s",
                                   p->layer->config->place, p->vector_place);
}

static bool need_width(const struct planner *p)
{
    return p->width != 0 ||
           fault_set(p->fault, 400, "%s: a layer with weights, like lstm or dense, expected before",
                     p->layer->config->place);
}

static void become_vector(struct planner *p)
{
    p->vector = true;
    p->vector_place = p->layer->config->place;
    p->steps = 1;
}

/* Adds the spec of the layer at hand. */
static struct layer_spec *compute_with(struct planner *p, enum layer_type type)
{
    p->layer->computes = true;
    p->layer->spec = (struct layer_spec){.type = type};
    size_t *features = features_of(&p->layer->spec);
    if (features != NULL)
        *features = p->width;
    return &p->layer->spec;
}

/* ---- tensors ---- */

static const char *const tensor_names[PLAN_TENSORS] = {
    [PLAN_WEIGHT] = "weight",
    [PLAN_BIAS] = "bias",
    [PLAN_MEAN] = "running_mean",
    [PLAN_VAR] = "running_var",
};

struct tensor_name {
    char text[SAFETENSORS_NAME_MAX];
};

static struct tensor_name name_of(const struct planner *p, enum plan_tensor tensor)
{
    struct tensor_name name;
    const int size = snprintf(name.text, sizeof name.text, "%s%s", p->layer->config->prefix,
                              tensor_names[tensor]);
    assert(size > 0 && size < SAFETENSORS_NAME_MAX);
    return name;
}

/* Finds the layer's tensor; NULL where it has none of that name. */
static const struct safetensors_tensor *find(struct planner *p, enum plan_tensor tensor)
{
    const struct safetensors_tensor *found = safetensors_find(p->weights, name_of(p, tensor).text);
    p->layer->tensors[tensor] = found;
    if (found != NULL)
        p->layer->parameters += found->elements;
    return found;
}

static const struct safetensors_tensor *need(struct planner *p, enum plan_tensor tensor)
{
    const struct safetensors_tensor *found = find(p, tensor);
    if (found == NULL)
        fault_set(p->fault, 400, "%s: tensor '%s' is missing", p->layer->config->place,
                  excerpt_of(name_of(p, tensor).text).text);
    return found;
}

static bool fail_shape(const struct planner *p, const struct safetensors_tensor *tensor,
                       const char *wanted)
{
    char shape[SAFETENSORS_SHAPE_TEXT_MAX];
    safetensors_shape_text(tensor, shape, sizeof shape);
    return fault_set(p->fault, 400, "%s: %s expected, got %s", excerpt_of(tensor->name).text,
                     wanted, shape);
}

/* [count], or not there. */
static bool check_vector(const struct planner *p, const struct safetensors_tensor *tensor,
                         size_t count)
{
    char wanted[32];
    if (tensor == NULL || (tensor->rank == 1 && tensor->shape[0] == count))
        return true;
    snprintf(wanted, sizeof wanted, "[%zu]", count);
    return fail_shape(p, tensor, wanted);
}

/* What the config says of a size, held against a dimension of the weight. */
static bool check_size(const struct planner *p, const char *key, struct optional_size said,
                       const struct safetensors_tensor *weight, size_t found)
{
    char shape[SAFETENSORS_SHAPE_TEXT_MAX];
    if (!said.given || said.value == found)
        return true;
    safetensors_shape_text(weight, shape, sizeof shape);
    return fault_set(p->fault, 400, "%s.%s: %zu expected from %s %s, got %zu",
                     p->layer->config->place, key, found, excerpt_of(weight->name).text, shape,
                     said.value);
}

static bool check_bias(struct planner *p, size_t units)
{
    const struct safetensors_tensor *bias = find(p, PLAN_BIAS);
    const struct optional_bool said = p->layer->config->bias;
    if (said.given && said.value != (bias != NULL))
        return fault_set(p->fault, 400, "%s.bias: %s expected, as there is %s%s, got %s",
                         p->layer->config->place, bias != NULL ? "true" : "false",
                         bias != NULL ? "" : "no ", excerpt_of(name_of(p, PLAN_BIAS).text).text,
                         said.value ? "true" : "false");
    return check_vector(p, bias, units);
}

/* ---- lstm ---- */

static bool check_directions(const struct planner *p)
{
    const struct layer_config *config = p->layer->config;
    const struct lstm_layout *lstm = &p->layer->lstm;
    if (lstm->bidirectional && config->go_backwards)
        return fault_set(p->fault, 400, "%s.go_backwards: false expected with two directions",
                         config->place);
    if (!lstm->bidirectional && config->merge != LSTM_CONCAT)
        return fault_set(p->fault, 400, "%s.merge_mode: concat expected with one direction",
                         config->place);
    if (!lstm->bidirectional && config->activations_given == 2)
        return fault_set(p->fault, 400,
                         "%s.activations: 3 expected, as there is one direction, got 6",
                         config->place);
    if (lstm->num_layers > 1 && (config->merge != LSTM_CONCAT || config->return_state))
        return fault_set(p->fault, 400, "%s.%s: not for more than one layer, got %zu",
                         config->place, config->return_state ? "return_state" : "merge_mode",
                         lstm->num_layers);
    return true;
}

static void count_lstm(struct planner *p)
{
    struct layer_plan *layer = p->layer;
    for (size_t l = 0; l < layer->lstm.num_layers; l++)
        for (int reverse = 0; reverse <= layer->lstm.bidirectional; reverse++)
            for (enum lstm_part part = 0; part < LSTM_PARTS; part++) {
                const struct safetensors_tensor *tensor = lstm_layout_find(
                    &layer->lstm, layer->config, p->weights, part, l, reverse == 1);
                layer->parameters += tensor != NULL ? tensor->elements : 0;
            }
}

static bool plan_lstm(struct planner *p)
{
    const struct layer_config *config = p->layer->config;
    struct lstm_layout *lstm = &p->layer->lstm;
    if (!need_steps(p) || !lstm_layout_infer(lstm, config, p->weights, p->fault) ||
        !check_directions(p))
        return false;
    const size_t out = lstm->proj_size > 0 ? lstm->proj_size : lstm->hidden_size;
    const size_t merged = lstm->bidirectional && config->merge == LSTM_CONCAT ? 2 * out : out;
    if (!connect(p, lstm_layout_find(lstm, config, p->weights, LSTM_WEIGHT_IH, 0, false),
                 lstm->input_size, merged))
        return false;
    count_lstm(p);
    compute_with(p, LAYER_LSTM)->as.lstm = (struct lstm_spec){
        .input_size = lstm->input_size,
        .hidden_size = lstm->hidden_size,
        .num_layers = lstm->num_layers,
        .proj_size = lstm->proj_size,
        .bidirectional = lstm->bidirectional,
        .reverse = config->reverse,
        .go_backwards = config->go_backwards,
        .last_only = !config->return_sequences,
        .zero_masked = config->zero_output_for_mask,
        .merge = config->merge,
        .clip = config->clip,
        .input_forget = config->input_forget,
    };
    if (!config->return_sequences)
        become_vector(p);
    return true;
}

/* ---- layers of each step ---- */

/* [units,in], or a convolution's of width 1, [units,in,1]. */
static bool plan_dense(struct planner *p)
{
    const struct layer_config *config = p->layer->config;
    const struct safetensors_tensor *weight = need(p, PLAN_WEIGHT);
    if (weight == NULL)
        return false;
    const bool matrix = weight->rank == 2 || (weight->rank == 3 && weight->shape[2] == 1);
    if (!matrix || weight->elements == 0)
        return fail_shape(p, weight, "[units,features]");
    const size_t units = weight->shape[0], in = weight->shape[1];
    if (!check_size(p, "units", config->units, weight, units) || !check_bias(p, units) ||
        !connect(p, weight, in, units))
        return false;
    compute_with(p, LAYER_DENSE)->as.dense = (struct dense_spec){
        .in_features = in, .out_features = units, .activation = config->activation};
    return true;
}

static bool plan_activation(struct planner *p)
{
    compute_with(p, LAYER_ACTIVATION)->as.activation.activation = p->layer->config->activation;
    return true;
}

static bool is_first(const struct planner *p)
{
    for (const struct layer_plan *layer = p->plan->layers; layer < p->layer; layer++)
        if (layer->computes)
            return false;
    return true;
}

static bool plan_embedding(struct planner *p)
{
    const struct layer_config *config = p->layer->config;
    if (!is_first(p))
        return fault_set(p->fault, 400, "%s: an embedding is expected to be the first layer",
                         config->place);
    if (p->width != 0)
        return fault_set(p->fault, 400, "input_size: not expected before an embedding, got %zu",
                         p->width);
    const struct safetensors_tensor *weight = need(p, PLAN_WEIGHT);
    if (weight == NULL)
        return false;
    if (weight->rank != 2 || weight->elements == 0 || weight->shape[0] > MODEL_VOCABULARY_MAX)
        return fail_shape(p, weight, "[num_embeddings,embedding_dim], the first at most 2^24,");
    if (!check_size(p, "num_embeddings", config->num_embeddings, weight, weight->shape[0]) ||
        !check_size(p, "embedding_dim", config->embedding_dim, weight, weight->shape[1]))
        return false;
    p->width = weight->shape[1];
    p->width_place = config->place;
    compute_with(p, LAYER_EMBEDDING)->as.embedding = (struct embedding_spec){
        .num_embeddings = weight->shape[0],
        .embedding_dim = weight->shape[1],
        .mask_zero = config->mask_zero,
    };
    return true;
}

static bool plan_masking(struct planner *p)
{
    if (!need_steps(p))
        return false;
    compute_with(p, LAYER_MASKING)->as.masking.mask_value = p->layer->config->mask_value;
    return true;
}

/* Weights that are named are there, if only one of them. */
static bool check_norm_weights(const struct planner *p)
{
    const struct layer_plan *layer = p->layer;
    return !layer->config->weights_given || layer->tensors[PLAN_WEIGHT] != NULL ||
           layer->tensors[PLAN_BIAS] != NULL || layer->tensors[PLAN_MEAN] != NULL ||
           fault_set(p->fault, 400, "%s: tensor '%s' is missing, and so is its bias",
                     layer->config->place, excerpt_of(name_of(p, PLAN_WEIGHT).text).text);
}

/* All tensors of a norm are [F]; any of them may be the one that says what F is. */
static bool plan_norm(struct planner *p, enum layer_type type)
{
    const struct safetensors_tensor *known = NULL;
    const bool batch = type == LAYER_BATCH_NORM;
    find(p, PLAN_WEIGHT);
    find(p, PLAN_BIAS);
    if (batch && (need(p, PLAN_MEAN) == NULL || need(p, PLAN_VAR) == NULL))
        return false;
    if (!check_norm_weights(p))
        return false;
    for (enum plan_tensor t = 0; t < PLAN_TENSORS && known == NULL; t++)
        known = p->layer->tensors[t];
    const size_t features = known != NULL && known->rank == 1 ? known->shape[0] : p->width;
    if (known != NULL && (known->rank != 1 || known->shape[0] == 0))
        return fail_shape(p, known, "[features]");
    for (enum plan_tensor t = 0; t < PLAN_TENSORS; t++)
        if (!check_vector(p, p->layer->tensors[t], features))
            return false;
    if (known != NULL && !connect(p, known, features, features))
        return false;
    struct norm_spec *norm = &compute_with(p, type)->as.norm;
    norm->epsilon = p->layer->config->epsilon;
    norm->features = features;
    return true;
}

/* ---- layers of shapes ---- */

static bool plan_last_step(struct planner *p)
{
    if (!need_steps(p))
        return false;
    compute_with(p, LAYER_LAST_STEP);
    become_vector(p);
    return true;
}

static bool plan_repeat(struct planner *p)
{
    const struct layer_config *config = p->layer->config;
    if (!p->vector)
        return fault_set(p->fault, 400, "%s: a vector expected, got steps; last_step makes one",
                         config->place);
    compute_with(p, LAYER_REPEAT_VECTOR)->as.repeat_vector.n = config->repeats;
    p->vector = false;
    p->steps = config->repeats;
    return true;
}

static bool fail_unfixed(const struct planner *p)
{
    return fault_set(p->fault, 400, "%s: the model's \"steps\" expected, how many every row has",
                     p->layer->config->place);
}

static bool set_reshape(struct planner *p, size_t in_steps, size_t out_steps, size_t features,
                        bool vector)
{
    compute_with(p, LAYER_RESHAPE)->as.reshape = (struct reshape_spec){
        .in_features = p->width,
        .out_features = features,
        .steps = in_steps,
        .vector = vector,
    };
    p->width = features;
    p->width_place = p->layer->config->place;
    p->vector = false;
    p->steps = out_steps;
    if (vector)
        become_vector(p);
    return true;
}

/* Floats of a whole row, where all rows have as many. */
static bool count_row(const struct planner *p, size_t *total)
{
    if (p->steps == 0)
        return fail_unfixed(p);
    return (checked_mul(p->steps, p->width, total) && *total <= MODEL_SIZE_MAX) ||
           fault_set(p->fault, 400, "%s: at most %u floats a row expected, got %zu steps of %zu",
                     p->layer->config->place, MODEL_SIZE_MAX, p->steps, p->width);
}

static bool plan_flatten(struct planner *p)
{
    size_t total;
    if (p->vector)
        return true;
    return need_width(p) && count_row(p, &total) && set_reshape(p, p->steps, 1, total, true);
}

/* The two dimensions, -1 solved, of a row of total floats. */
static bool solve_target(const struct planner *p, size_t total, size_t *steps, size_t *features)
{
    const struct layer_config *config = p->layer->config;
    *steps = config->target_rank == 2 ? config->target[0] : 1;
    *features = config->target[config->target_rank - 1];
    if (*steps == 0 && total % *features == 0)
        *steps = total / *features;
    if (*features == 0 && total % *steps == 0)
        *features = total / *steps;
    size_t product = 0;
    return (checked_mul(*steps, *features, &product) && product == total && total > 0) ||
           fault_set(p->fault, 400,
                     "%s.target_shape: %zu floats a row expected from %s, got another number",
                     config->place, total, p->width_place);
}

/* Each step becomes so many. */
static bool cut_steps(struct planner *p, size_t pieces, size_t features)
{
    size_t steps;
    if (!checked_mul(p->steps, pieces, &steps))
        return fault_set(p->fault, 400, "%s.target_shape: fewer steps expected, got %zu times %zu",
                         p->layer->config->place, p->steps, pieces);
    return set_reshape(p, 0, steps, features, false);
}

static bool plan_reshape(struct planner *p)
{
    const struct layer_config *config = p->layer->config;
    size_t total, steps, features;
    if (!need_width(p))
        return false;
    features = config->target[1];
    if (!p->vector && config->target_rank == 2 && config->target[0] == 0 &&
        p->width % features == 0) /* each step for itself */
        return cut_steps(p, p->width / features, features);
    return count_row(p, &total) && solve_target(p, total, &steps, &features) &&
           set_reshape(p, p->steps, steps, features, config->target_rank == 1);
}

/* ---- windows ---- */

static struct window window_of(const struct layer_config *config, size_t size)
{
    struct window window = {
        .size = size,
        .stride = config->stride,
        .dilation = config->dilation,
        .padding = config->padding == LAYER_PADDING_SAME ? PADDING_SAME : PADDING_EXPLICIT,
    };
    if (config->padding == LAYER_PADDING_COUNT)
        window.pad_left = window.pad_right = config->padding_count;
    if (config->padding == LAYER_PADDING_CAUSAL)
        window.pad_left = (size - 1) * config->dilation;
    return window;
}

static bool slide(struct planner *p, const struct window *window)
{
    if (p->steps == 0)
        return true;
    const size_t steps = window_output_steps(window, p->steps);
    if (steps == 0)
        return fault_set(p->fault, 400, "%s: more steps expected, got %zu", p->layer->config->place,
                         p->steps);
    p->steps = steps;
    return true;
}

static bool plan_conv1d(struct planner *p)
{
    const struct layer_config *config = p->layer->config;
    const struct safetensors_tensor *weight = need_steps(p) ? need(p, PLAN_WEIGHT) : NULL;
    if (weight == NULL)
        return false;
    if (weight->rank != 3 || weight->elements == 0)
        return fail_shape(p, weight, "[out_channels,in_channels,kernel_size]");
    const size_t out = weight->shape[0], in = weight->shape[1], size = weight->shape[2];
    if (size > MODEL_SIZE_MAX)
        return fail_shape(p, weight, "a kernel_size of at most 2^24");
    const struct window window = window_of(config, size);
    if (!check_size(p, "out_channels", config->units, weight, out) ||
        !check_size(p, "kernel_size", config->window_size, weight, size) || !check_bias(p, out) ||
        !connect(p, weight, in, out) || !slide(p, &window))
        return false;
    compute_with(p, LAYER_CONV1D)->as.conv1d = (struct conv1d_spec){
        .in_channels = in, .out_channels = out, .window = window, .activation = config->activation};
    return true;
}

static bool plan_pool(struct planner *p, enum pooling pooling, bool global)
{
    if (!need_steps(p))
        return false;
    struct pool1d_spec *pool = &compute_with(p, LAYER_POOL1D)->as.pool1d;
    pool->pooling = pooling;
    pool->global = global;
    if (global) {
        become_vector(p);
        return true;
    }
    pool->window = window_of(p->layer->config, p->layer->config->window_size.value);
    return slide(p, &pool->window);
}

/* ---- the chain ---- */

static bool plan_layer(struct planner *p)
{
    switch (p->layer->config->kind) {
    case LAYER_KIND_LSTM:
        return plan_lstm(p);
    case LAYER_KIND_DENSE:
        return plan_dense(p);
    case LAYER_KIND_ACTIVATION:
        return plan_activation(p);
    case LAYER_KIND_DROPOUT: /* does something in training only */
        return true;
    case LAYER_KIND_EMBEDDING:
        return plan_embedding(p);
    case LAYER_KIND_MASKING:
        return plan_masking(p);
    case LAYER_KIND_LAYER_NORM:
        return plan_norm(p, LAYER_LAYER_NORM);
    case LAYER_KIND_BATCH_NORM:
        return plan_norm(p, LAYER_BATCH_NORM);
    case LAYER_KIND_FLATTEN:
        return plan_flatten(p);
    case LAYER_KIND_RESHAPE:
        return plan_reshape(p);
    case LAYER_KIND_LAST_STEP:
        return plan_last_step(p);
    case LAYER_KIND_REPEAT_VECTOR:
        return plan_repeat(p);
    case LAYER_KIND_CONV1D:
        return plan_conv1d(p);
    case LAYER_KIND_MAX_POOL1D:
        return plan_pool(p, POOLING_MAX, false);
    case LAYER_KIND_AVG_POOL1D:
        return plan_pool(p, POOLING_AVERAGE, false);
    case LAYER_KIND_GLOBAL_MAX_POOL1D:
        return plan_pool(p, POOLING_MAX, true);
    case LAYER_KIND_GLOBAL_AVERAGE_POOL1D:
        return plan_pool(p, POOLING_AVERAGE, true);
    case LAYER_KINDS:
        break;
    }
    assert(false);
    return false;
}

static bool plan_layers(struct planner *p)
{
    for (size_t i = 0; i < p->config->layer_count; i++) {
        p->layer = &p->plan->layers[i];
        p->layer->config = &p->config->layers[i];
        if (!plan_layer(p))
            return false;
        p->layer->features = p->width;
        p->layer->steps = p->steps;
        p->layer->vector = p->vector;
    }
    return p->width != 0 ||
           fault_set(p->fault, 400, "layers: a layer with weights, lstm or dense, expected");
}

/* Of layers that only train nothing is left. */
static bool need_computing(const struct planner *p)
{
    for (size_t i = 0; i < p->plan->layer_count; i++)
        if (p->plan->layers[i].computes)
            return true;
    return fault_set(p->fault, 400, "layers: a layer that computes something expected");
}

static bool check_labels(const struct planner *p)
{
    const size_t labels = p->config->label_count;
    return labels == 0 || labels == p->width ||
           fault_set(p->fault, 400, "labels: %zu expected, as many as features from %s, got %zu",
                     p->width, p->width_place, labels);
}

bool model_plan_init(struct model_plan *plan, const struct model_config *config,
                     const struct safetensors *weights, struct fault *fault)
{
    *plan = (struct model_plan){.layer_count = config->layer_count};
    struct planner planner = {.plan = plan,
                              .config = config,
                              .weights = weights,
                              .fault = fault,
                              .width = config->input_size,
                              .width_place = "input_size",
                              .steps = config->steps};
    plan->layers = calloc(config->layer_count, sizeof *plan->layers);
    if (plan->layers == NULL)
        return fail_memory(&planner);
    if (plan_layers(&planner) && need_computing(&planner) && check_labels(&planner))
        return true;
    model_plan_fini(plan);
    return false;
}

void model_plan_fini(struct model_plan *plan)
{
    free(plan->layers);
    *plan = (struct model_plan){0};
}
