#include "proto/signature.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"

/* ---- what a model takes and gives ---- */

/* While a signature is made. */
struct maker {
    struct signature *signature;
    const struct model_config *config;
    struct fault *fault;
};

/* A tensor of rank 3 whose dimensions are the caller's to set. */
static struct signature_tensor *add_tensor(struct signature_tensor *tensors, size_t *count,
                                           enum tensor_role role, const char *name)
{
    assert(*count < INFER_TENSOR_MAX);
    struct signature_tensor *tensor = &tensors[(*count)++];
    *tensor = (struct signature_tensor){
        .datatype = DATATYPE_FP32,
        .role = role,
        .rank = 3,
        .shape = {-1, -1, -1, -1},
        .steps_axis = SIGNATURE_NO_AXIS,
    };
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    return tensor;
}

static struct signature_tensor *add_input(struct maker *m, enum tensor_role role, const char *name)
{
    return add_tensor(m->signature->inputs, &m->signature->input_count, role, name);
}

static struct signature_tensor *add_output(struct maker *m, enum tensor_role role, const char *name)
{
    return add_tensor(m->signature->outputs, &m->signature->output_count, role, name);
}

static const char *name_of(const struct maker *m, enum model_tensor tensor, const char *usual)
{
    const char *name = m->config->tensors.names[tensor];
    return name[0] != '\0' ? name : usual;
}

static bool is_hidden(const struct maker *m, enum model_tensor tensor)
{
    return m->config->tensors.hidden[tensor];
}

/* ---- input, lengths, output ---- */

static void add_inputs(struct maker *m)
{
    const struct signature *s = m->signature;
    struct signature_tensor *input = add_input(m, ROLE_INPUT, name_of(m, MODEL_INPUT, "input"));
    input->rows_axis = s->batch_first ? 0 : 1;
    input->steps_axis = s->batch_first ? 1 : 0;
    if (m->config->steps != 0)
        input->shape[input->steps_axis] = (int64_t)m->config->steps;
    if (s->vocabulary != 0) {
        input->datatype = DATATYPE_INT64;
        input->rank = 2;
    } else {
        input->shape[2] = (int64_t)s->input_size;
    }
}

static void add_lengths(struct maker *m)
{
    if (is_hidden(m, MODEL_LENGTHS))
        return;
    struct signature_tensor *lengths =
        add_input(m, ROLE_LENGTHS, name_of(m, MODEL_LENGTHS, "lengths"));
    lengths->datatype = DATATYPE_INT64;
    lengths->optional = true;
    lengths->rank = 1;
}

static bool fail_layout(const struct maker *m, const char *why)
{
    return fault_set(m->fault, 400, "tensors.output_layout: not expected, as %s", why);
}

static enum output_layout layout_of(const struct maker *m)
{
    const enum output_layout layout = m->config->tensors.output_layout;
    if (layout != OUTPUT_BY_BATCH_FIRST)
        return layout;
    return m->config->batch_first ? OUTPUT_BTF : OUTPUT_TBF;
}

static bool shape_output(struct maker *m, struct signature_tensor *output)
{
    struct signature *s = m->signature;
    const enum output_layout layout = layout_of(m);
    const size_t directions = model_output_directions(s->model);
    const bool apart = layout == OUTPUT_TDBH || layout == OUTPUT_BTDH;
    if (apart && directions == 0)
        return fail_layout(m, "the last layer is no LSTM with its directions side by side");
    output->rank = apart ? 4 : 3;
    s->output_batch_first = layout == OUTPUT_BTF || layout == OUTPUT_BTDH;
    s->output_apart = layout == OUTPUT_TDBH && directions > 1;
    output->rows_axis = s->output_batch_first ? 0 : layout == OUTPUT_TDBH ? 2 : 1;
    output->steps_axis = s->output_batch_first ? 1 : 0;
    if (apart)
        output->shape[layout == OUTPUT_TDBH ? 1 : 2] = (int64_t)directions;
    output->shape[output->rank - 1] = (int64_t)(s->output_size / (apart ? directions : 1));
    if (m->config->steps != 0)
        output->shape[output->steps_axis] = (int64_t)model_output_steps(s->model, m->config->steps);
    return true;
}

static bool add_output_tensor(struct maker *m)
{
    struct signature *s = m->signature;
    if (is_hidden(m, MODEL_OUTPUT)) {
        if (m->config->tensors.output_layout != OUTPUT_BY_BATCH_FIRST)
            return fail_layout(m, "the output is not offered");
        s->output_batch_first = s->batch_first;
        return true;
    }
    struct signature_tensor *output =
        add_output(m, ROLE_OUTPUT, name_of(m, MODEL_OUTPUT, "output"));
    output->returned = true;
    if (!s->vector)
        return shape_output(m, output);
    if (m->config->tensors.output_layout != OUTPUT_BY_BATCH_FIRST)
        return fail_layout(m, "a row's output is a vector, [B,F]");
    s->output_batch_first = true;
    output->rank = 2;
    output->shape[1] = (int64_t)s->output_size;
    return true;
}

/* ---- states ---- */

/* The name of state k's tensor: the config's for this LSTM layer, or one for all, with its number
 * when the model has several. "" where it is not offered. */
static void name_state(const struct maker *m, enum model_tensor which, size_t k,
                       char name[TENSOR_NAME_MAX])
{
    static const char *const usual[MODEL_TENSORS] = {
        [MODEL_H_0] = "h_0", [MODEL_C_0] = "c_0", [MODEL_H_N] = "h_n", [MODEL_C_N] = "c_n"};
    const struct model_state_names *each = &m->config->tensors.each[which];
    const char *base = each->count > 0       ? each->names[k]
                       : is_hidden(m, which) ? ""
                                             : name_of(m, which, usual[which]);
    snprintf(name, TENSOR_NAME_MAX, "%s", base);
    if (m->signature->state_count > 1 && each->count == 0 && base[0] != '\0')
        snprintf(name + strlen(name), TENSOR_NAME_MAX - strlen(name), ".%zu", k);
}

static void add_state_tensor(struct maker *m, enum model_tensor which, size_t k)
{
    const bool output = which == MODEL_H_N || which == MODEL_C_N;
    const bool is_h = which == MODEL_H_0 || which == MODEL_H_N;
    const struct signature_state *state = &m->signature->states[k];
    char name[TENSOR_NAME_MAX];
    name_state(m, which, k, name);
    if (name[0] == '\0')
        return;
    struct signature_tensor *tensor = output ? add_output(m, is_h ? ROLE_H : ROLE_C, name)
                                             : add_input(m, is_h ? ROLE_H : ROLE_C, name);
    tensor->optional = !output;
    tensor->returned =
        output && (m->config->bare_lstm || m->config->tensors.names[which][0] != '\0');
    tensor->state = k;
    tensor->rows_axis = m->signature->states_batch_first ? 0 : 1;
    tensor->shape[1 - tensor->rows_axis] = (int64_t)state->cells;
    tensor->shape[2] = (int64_t)(is_h ? state->h_size : state->c_size);
}

static void add_states(struct maker *m, enum model_tensor h, enum model_tensor c)
{
    for (size_t k = 0; k < m->signature->state_count; k++) {
        add_state_tensor(m, h, k);
        add_state_tensor(m, c, k);
    }
}

static bool same_sizes(struct model_lstm_state a, struct model_lstm_state b)
{
    return a.h_size == b.h_size && a.c_size == b.c_size;
}

static bool all_alike(const struct model *model)
{
    bool alike = true;
    for (size_t k = 1; k < model_lstm_count(model); k++)
        alike = alike && same_sizes(model_lstm_state(model, 0), model_lstm_state(model, k));
    return alike;
}

/* Does the config name the tensors of each LSTM layer? There must be a name for each then. */
static bool check_each(const struct maker *m, bool *named)
{
    static const char *const keys[MODEL_TENSORS] = {
        [MODEL_H_0] = "h_0", [MODEL_C_0] = "c_0", [MODEL_H_N] = "h_n", [MODEL_C_N] = "c_n"};
    const size_t count = model_lstm_count(m->signature->model);
    *named = false;
    for (enum model_tensor which = MODEL_H_0; which < MODEL_TENSORS; which++) {
        const size_t names = m->config->tensors.each[which].count;
        *named = *named || names > 0;
        if (names > 0 && names != count)
            return fault_set(m->fault, 400,
                             "tensors.%s: %zu names expected, one for each LSTM layer, got %zu",
                             keys[which], count, names);
    }
    return true;
}

/* Cells of one size follow each other without gaps, so that they make one group. */
static bool group_states(struct maker *m)
{
    struct signature *s = m->signature;
    const size_t count = model_lstm_count(s->model);
    bool named;
    if (!check_each(m, &named))
        return false;
    const bool alike = all_alike(s->model) && !named;
    if (!alike && count > SIGNATURE_STATES_MAX)
        return fault_set(m->fault, 400,
                         "layers: at most %d LSTM layers of different sizes expected, got %zu",
                         SIGNATURE_STATES_MAX, count);
    for (size_t k = 0; k < count; k++) {
        const struct model_lstm_state lstm = model_lstm_state(s->model, k);
        if (k > 0 && alike) {
            s->states[0].cells += lstm.cells;
            continue;
        }
        s->states[s->state_count++] =
            (struct signature_state){lstm.offset, lstm.cells, lstm.h_size, lstm.c_size};
    }
    return true;
}

/* ---- states as Keras returns them ---- */

static size_t count_returning(const struct model_config *config)
{
    size_t count = 0;
    for (size_t i = 0; i < config->layer_count; i++)
        count += config->layers[i].kind == LAYER_KIND_LSTM && config->layers[i].return_state;
    return count;
}

/* One cell's h or c. several: layers that return their states, this being the nth. */
static void add_cell_tensor(struct maker *m, enum tensor_role role, const char *base, size_t state,
                            size_t cell, size_t nth, bool several)
{
    char name[TENSOR_NAME_MAX];
    snprintf(name, sizeof name, "%s", base);
    if (several)
        snprintf(name + strlen(name), sizeof name - strlen(name), ".%zu", nth);
    struct signature_tensor *tensor = add_output(m, role, name);
    tensor->returned = true;
    const struct signature_state *group = &m->signature->states[state];
    tensor->state = state;
    tensor->cell = cell;
    tensor->rank = 2;
    tensor->shape[1] = (int64_t)(role == ROLE_H ? group->h_size : group->c_size);
}

/* Layer k of the model's LSTMs, whose first cell is `cell` of group `state`. */
static void add_returned_states(struct maker *m, size_t k, size_t state, size_t cell, size_t nth,
                                bool several)
{
    static const char *const names[2][2] = {{"forward_h", "forward_c"},
                                            {"backward_h", "backward_c"}};
    const size_t directions = model_lstm_state(m->signature->model, k).cells;
    for (size_t d = 0; d < directions; d++) {
        const char *h = directions > 1 ? names[d][0] : name_of(m, MODEL_H_N, "h_n");
        const char *c = directions > 1 ? names[d][1] : name_of(m, MODEL_C_N, "c_n");
        if (!is_hidden(m, MODEL_H_N))
            add_cell_tensor(m, ROLE_H, h, state, cell + d, nth, several);
        if (!is_hidden(m, MODEL_C_N))
            add_cell_tensor(m, ROLE_C, c, state, cell + d, nth, several);
    }
}

static bool add_final_states(struct maker *m)
{
    const struct model_config *config = m->config;
    const size_t returning = count_returning(config);
    const bool grouped = m->signature->state_count == 1;
    if (returning == 0) {
        add_states(m, MODEL_H_N, MODEL_C_N);
        return true;
    }
    if (config->tensors.each[MODEL_H_N].count + config->tensors.each[MODEL_C_N].count > 0)
        return fault_set(m->fault, 400,
                         "tensors: one name of h_n and of c_n expected, as layers "
                         "return their state");
    if (returning > (INFER_TENSOR_MAX - 1) / 4)
        return fault_set(m->fault, 400, "layers: at most %d with return_state expected, got %zu",
                         (INFER_TENSOR_MAX - 1) / 4, returning);
    for (size_t i = 0, k = 0, cell = 0, nth = 0; i < config->layer_count; i++) {
        if (config->layers[i].kind != LAYER_KIND_LSTM)
            continue;
        if (config->layers[i].return_state)
            add_returned_states(m, k, grouped ? 0 : k, grouped ? cell : 0, nth++, returning > 1);
        cell += model_lstm_state(m->signature->model, k).cells;
        k++;
    }
    return true;
}

/* ---- the whole ---- */

static bool check_outputs(const struct maker *m)
{
    return m->signature->output_count > 0 ||
           fault_set(m->fault, 400, "tensors.output: null not expected, as no output is left");
}

static bool take_labels(struct maker *m)
{
    if (m->config->labels != NULL && is_hidden(m, MODEL_OUTPUT))
        return fault_set(m->fault, 400, "labels: not expected, as the output is not offered");
    const struct signature_tensor *output = &m->signature->outputs[0];
    const int64_t features = output->shape[output->rank - 1];
    m->signature->labels = (const char *const *)m->config->labels;
    m->signature->label_count = m->config->label_count;
    return m->config->labels == NULL || (uint64_t)features == m->config->label_count ||
           fault_set(m->fault, 400,
                     "labels: %" PRId64 " expected, one for each feature of %s, got %zu", features,
                     output->name, m->config->label_count);
}

static bool check_names(const struct maker *m, const struct signature_tensor *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(tensors[i].name, tensors[j].name) == 0)
                return fault_set(m->fault, 400, "tensors: two of one name, '%s'",
                                 excerpt_of(tensors[i].name).text);
    return true;
}

bool signature_init(struct signature *signature, const struct model *model,
                    const struct model_config *config, struct fault *fault)
{
    struct signature *const s = signature;
    struct maker m = {.signature = s, .config = config, .fault = fault};
    *s = (struct signature){
        .model = model,
        .batch_first = config->batch_first,
        .states_batch_first = config->tensors.states_batch_first,
        .input_size = model_input_size(model),
        .output_size = model_output_size(model),
        .vocabulary = model_vocabulary(model),
        .vector = model_output_is_vector(model),
    };
    if (!group_states(&m))
        return false;
    add_inputs(&m);
    add_states(&m, MODEL_H_0, MODEL_C_0);
    add_lengths(&m);
    return add_output_tensor(&m) && add_final_states(&m) && check_outputs(&m) && take_labels(&m) &&
           check_names(&m, s->inputs, s->input_count) &&
           check_names(&m, s->outputs, s->output_count);
}

void signature_output_shape(const struct signature *signature,
                            const struct signature_tensor *output, size_t steps, size_t rows,
                            uint64_t *shape)
{
    for (size_t i = 0; i < output->rank; i++)
        shape[i] = (uint64_t)output->shape[i];
    if (output->steps_axis != SIGNATURE_NO_AXIS)
        shape[output->steps_axis] = model_output_steps(signature->model, steps);
    shape[output->rows_axis] = rows;
}

void signature_set_apart(const struct signature *signature, size_t output_steps, size_t rows,
                         float *output, float *scratch)
{
    const size_t width = signature->output_size;
    const size_t directions = model_output_directions(signature->model);
    const size_t hidden = width / directions;
    for (size_t t = 0; t < output_steps; t++, output += rows * width) {
        memcpy(scratch, output, rows * width * sizeof *output);
        for (size_t b = 0; b < rows; b++)
            for (size_t d = 0; d < directions; d++)
                memcpy(output + (d * rows + b) * hidden, scratch + b * width + d * hidden,
                       hidden * sizeof *output);
    }
}

/* ---- looking tensors up ---- */

static const struct signature_tensor *find(const struct signature_tensor *tensors, size_t count,
                                           const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return &tensors[i];
    return NULL;
}

const struct signature_tensor *signature_input(const struct signature *signature, const char *name)
{
    return find(signature->inputs, signature->input_count, name);
}

const struct signature_tensor *signature_output(const struct signature *signature, const char *name)
{
    return find(signature->outputs, signature->output_count, name);
}

const struct signature_tensor *signature_main_input(const struct signature *signature)
{
    size_t i = 0;
    while (signature->inputs[i].role != ROLE_INPUT) {
        i++;
        assert(i < signature->input_count);
    }
    return &signature->inputs[i];
}
