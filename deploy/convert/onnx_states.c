#include "deploy/convert/onnx_states.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "proto/excerpt.h"

enum tensor { H_0, C_0, H_N, C_N, TENSORS };

static const char *const keys[TENSORS] = {"h_0", "c_0", "h_n", "c_n"};

/* While names are given. */
struct naming {
    const struct onnx_walk *walk;
    const struct onnx_lstms *lstms;
    struct fault *fault;
    const char *whole[TENSORS]; /* one tensor of all LSTMs' cells */
    const char **each[TENSORS]; /* [lstms->count], a tensor of one LSTM's, or NULL */
    bool layout_known, batch_first;
};

static bool refuse(const struct naming *naming, const char *name, const char *why)
{
    return fault_set(naming->fault, 400, "'%s': %s", excerpt_of(name).text, why);
}

/* All state tensors are of one layout. */
static bool agree(struct naming *naming, const char *name, bool batch_first)
{
    if (naming->layout_known && naming->batch_first != batch_first)
        return refuse(naming, name,
                      "states as the other tensors have them expected, got them "
                      "with rows and cells exchanged");
    naming->layout_known = true;
    naming->batch_first = batch_first;
    return true;
}

static size_t count_cells(const struct onnx_lstms *lstms)
{
    size_t cells = 0;
    for (size_t k = 0; k < lstms->count; k++)
        cells += lstms->layers[k]->lstm.directions;
    return cells;
}

static bool same_sizes(const struct onnx_lstms *lstms)
{
    bool same = true;
    for (size_t k = 1; k < lstms->count; k++)
        same = same && lstms->layers[k]->lstm.hidden_size == lstms->layers[0]->lstm.hidden_size;
    return same;
}

/* ---- inputs ---- */

static const struct onnx_state *state_of(const struct onnx_layer *layer, enum tensor tensor)
{
    return tensor == H_0 ? &layer->lstm.h : &layer->lstm.c;
}

/* One graph's input for all: its cells go to the LSTMs in order, none is left. */
static bool is_for_all(const struct naming *naming, enum tensor tensor)
{
    const struct onnx_lstms *lstms = naming->lstms;
    const struct onnx_state *first = state_of(lstms->layers[0], tensor);
    size_t cell = 0;
    for (size_t k = 0; k < lstms->count; k++) {
        const struct onnx_state *state = state_of(lstms->layers[k], tensor);
        if (!state->given || state->source != first->source || state->first_cell != cell)
            return false;
        cell += lstms->layers[k]->lstm.directions;
    }
    return naming->walk->chain.sources[first->source].cells == cell;
}

static bool name_input(struct naming *naming, enum tensor tensor, size_t k)
{
    const struct onnx_layer *layer = naming->lstms->layers[k];
    const struct onnx_state *state = state_of(layer, tensor);
    const struct onnx_source *source = &naming->walk->chain.sources[state->source];
    if (state->first_cell != 0 || source->cells != layer->lstm.directions)
        return refuse(naming, source->input->name,
                      "the states of one LSTM, or of all in order, "
                      "expected");
    for (size_t before = 0; before < k; before++)
        if (naming->each[tensor][before] == source->input->name)
            return refuse(naming, source->input->name, "it is the initial state of two LSTMs");
    naming->each[tensor][k] = source->input->name;
    return agree(naming, source->input->name, source->batch_first);
}

static bool name_inputs(struct naming *naming, enum tensor tensor)
{
    const struct onnx_lstms *lstms = naming->lstms;
    if (is_for_all(naming, tensor) && (lstms->count == 1 || same_sizes(lstms))) {
        const struct onnx_source *source =
            &naming->walk->chain.sources[state_of(lstms->layers[0], tensor)->source];
        naming->whole[tensor] = source->input->name;
        return agree(naming, source->input->name, source->batch_first);
    }
    for (size_t k = 0; k < lstms->count; k++)
        if (state_of(lstms->layers[k], tensor)->given && !name_input(naming, tensor, k))
            return false;
    return true;
}

/* ---- outputs ---- */

/* The LSTM of the chain whose state a place is; count when it is none's. */
static size_t find_lstm(const struct naming *naming, const struct onnx_place *place)
{
    const struct onnx_layer *layer = naming->walk->chain.sources[place->source].layer;
    size_t k = 0;
    while (k < naming->lstms->count && naming->lstms->layers[k] != layer)
        k++;
    return k;
}

static const struct onnx_place *cell_of(const struct onnx_state_output *output, size_t cell)
{
    const struct onnx_value *value = output->value;
    if (output->single)
        return value->places;
    return &value->places[(output->batch_first ? cell : cell * value->dims[1]) * value->dims[2]];
}

/* Are the output's cells, from the first of LSTM k on, those of the LSTMs in order? */
static bool runs_from(const struct naming *naming, const struct onnx_state_output *output, size_t k,
                      size_t cells)
{
    for (size_t c = 0, d = 0; c < cells; c++, d++) {
        if (k < naming->lstms->count && d == naming->lstms->layers[k]->lstm.directions) {
            k++;
            d = 0;
        }
        const struct onnx_place *place = cell_of(output, c);
        if (k == naming->lstms->count || find_lstm(naming, place) != k || place->step != d)
            return false;
    }
    return true;
}

static bool set_once(const struct naming *naming, const char **place, const char *name)
{
    if (*place != NULL)
        return refuse(naming, name, "states that another output is already");
    *place = name;
    return true;
}

static bool name_output(struct naming *naming, const struct onnx_state_output *output)
{
    const enum tensor tensor = output->is_c ? C_N : H_N;
    const size_t k = find_lstm(naming, cell_of(output, 0));
    const size_t cells = output->single ? 1 : output->value->dims[output->batch_first ? 1 : 0];
    if (k == naming->lstms->count)
        return refuse(naming, output->name, "states of an LSTM that does not lead to the output");
    if (!output->single && !agree(naming, output->name, output->batch_first))
        return false;
    if (k == 0 && cells == count_cells(naming->lstms) && runs_from(naming, output, 0, cells))
        return set_once(naming, &naming->whole[tensor], output->name);
    if (cells == naming->lstms->layers[k]->lstm.directions && runs_from(naming, output, k, cells))
        return set_once(naming, &naming->each[tensor][k], output->name);
    return refuse(naming, output->name, "the states of one LSTM, or of all in order, expected");
}

/* ---- the config ---- */

static bool any_each(const struct naming *naming)
{
    for (enum tensor t = 0; t < TENSORS; t++)
        for (size_t k = 0; k < naming->lstms->count; k++)
            if (naming->each[t][k] != NULL)
                return true;
    return false;
}

static cJSON *text_or_null(const char *text)
{
    return text != NULL ? cJSON_CreateString(text) : cJSON_CreateNull();
}

static cJSON *each_json(const struct naming *naming, enum tensor tensor)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t k = 0; array != NULL && k < naming->lstms->count; k++) {
        cJSON *item = text_or_null(naming->each[tensor][k]);
        if (item == NULL || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            cJSON_Delete(array);
            return NULL;
        }
    }
    return array;
}

static bool write(const struct naming *naming, bool apart, cJSON *tensors)
{
    for (enum tensor t = 0; t < TENSORS; t++) {
        bool any = false;
        for (size_t k = 0; k < naming->lstms->count; k++)
            any = any || naming->each[t][k] != NULL;
        cJSON *json = apart && any ? each_json(naming, t) : text_or_null(naming->whole[t]);
        if (json == NULL || !cJSON_AddItemToObject(tensors, keys[t], json)) {
            cJSON_Delete(json);
            return fault_set(naming->fault, 503, "out of memory");
        }
    }
    return !naming->batch_first ||
           cJSON_AddStringToObject(tensors, "state_layout", "BLH") != NULL ||
           fault_set(naming->fault, 503, "out of memory");
}

/* With tensors of their own for each LSTM there can be none for all. */
static bool settle(struct naming *naming, bool *apart)
{
    const size_t count = naming->lstms->count;
    *apart = count > 1 && any_each(naming);
    for (enum tensor t = 0; t < TENSORS; t++) {
        if (count == 1 && naming->whole[t] == NULL)
            naming->whole[t] = naming->each[t][0];
        if (count > 1 && naming->whole[t] != NULL && (*apart || !same_sizes(naming->lstms)))
            return refuse(naming, naming->whole[t],
                          "states of all LSTMs, while other tensors are of one each");
    }
    return true;
}

static bool name_all(struct naming *naming, const struct onnx_outputs *outputs, bool *apart)
{
    for (enum tensor t = H_0; t <= C_0; t++)
        if (!name_inputs(naming, t))
            return false;
    for (size_t i = 0; i < outputs->state_count; i++)
        if (!name_output(naming, &outputs->states[i]))
            return false;
    return settle(naming, apart);
}

bool onnx_states_returning(const struct onnx_walk *walk, const struct onnx_outputs *outputs,
                           const struct onnx_lstms *lstms, size_t *returning, struct fault *fault)
{
    const struct naming naming = {.walk = walk, .lstms = lstms, .fault = fault};
    *returning = lstms->count;
    for (size_t i = 0; i < outputs->state_count; i++) {
        const struct onnx_state_output *output = &outputs->states[i];
        const size_t k = output->single ? find_lstm(&naming, cell_of(output, 0)) : lstms->count;
        if (k != lstms->count && *returning != lstms->count && *returning != k)
            return refuse(&naming, output->name,
                          "one LSTM that returns its states as [B,H] "
                          "expected");
        if (k != lstms->count)
            *returning = k;
    }
    for (size_t i = 0; i < outputs->state_count; i++)
        if (*returning != lstms->count && !outputs->states[i].single)
            return refuse(&naming, outputs->states[i].name,
                          "states as [B,H], like the others, "
                          "expected");
    return true;
}

bool onnx_states_write(const struct onnx_walk *walk, const struct onnx_outputs *outputs,
                       const struct onnx_lstms *lstms, struct cJSON *tensors, struct fault *fault)
{
    struct naming naming = {.walk = walk, .lstms = lstms, .fault = fault};
    bool apart, done = true;
    for (enum tensor t = 0; t < TENSORS; t++) {
        naming.each[t] = calloc(lstms->count, sizeof *naming.each[t]);
        done = done && naming.each[t] != NULL;
    }
    done = done ? name_all(&naming, outputs, &apart) && write(&naming, apart, tensors)
                : fault_set(fault, 503, "out of memory");
    for (enum tensor t = 0; t < TENSORS; t++)
        free(naming.each[t]);
    return done;
}
