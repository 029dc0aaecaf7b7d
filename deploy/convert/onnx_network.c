#include "deploy/convert/onnx_network.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_inputs.h"
#include "deploy/convert/onnx_states.h"
#include "proto/excerpt.h"
#include "proto/model_config.h"

#define LAYERS_MAX MODEL_LAYERS_MAX

/* While the network is filled. */
struct filling {
    const struct onnx_walk *walk;
    const struct onnx_outputs *outputs;
    struct network *network;
    struct fault *fault;
    uint32_t input; /* the source that the chain begins with */
    size_t count;
    const struct onnx_layer *layers[LAYERS_MAX]; /* [count], from input to output */
    size_t lstm_count;
    const struct onnx_layer *lstms[LAYERS_MAX]; /* the originals, which have the states */
    size_t types[ONNX_LAYER_PART + 1];          /* layers of each kind so far */
};

static const struct onnx_source *source_of(const struct filling *f, uint32_t source)
{
    return &f->walk->chain.sources[source];
}

/* ---- the way from the input to the output ---- */

static bool fail_part(const struct filling *f, const struct onnx_layer *layer)
{
    const struct excerpt name = excerpt_of(layer->name);
    if (layer->part == ONNX_PART_PADDED)
        return fault_set(f->fault, 400,
                         "Pad '%s': zeros beside the steps, which of lstmd's layers a convolution "
                         "alone has",
                         name.text);
    if (layer->part == ONNX_PART_JOIN)
        return fault_set(f->fault, 400, "%s '%s': joins two branches: a chain of layers expected",
                         excerpt_of(layer->op).text, name.text);
    if (layer->part == ONNX_PART_FUNCTION)
        return fault_set(
            f->fault, 400,
            "%s '%s': of what comes from a request it is no layer, nor with the others "
            "a function that lstmd has",
            excerpt_of(layer->op).text, name.text);
    return fault_set(f->fault, 400, "'%s': of a normalization in parts, the others are missing",
                     name.text);
}

/* Told as of the output, where there is one. */
static bool refuse_part(const struct filling *f, const struct onnx_layer *layer)
{
    fail_part(f, layer);
    return f->outputs->name == NULL ||
           fault_prefix(f->fault, "output '%s'", excerpt_of(f->outputs->name).text);
}

static bool find_way(struct filling *f)
{
    uint32_t source = f->outputs->last;
    for (; source_of(f, source)->layer != NULL; source = source_of(f, source)->layer->before) {
        if (f->count == LAYERS_MAX)
            return fault_set(f->fault, 400, "more than %d layers", LAYERS_MAX);
        if (source_of(f, source)->layer->kind == ONNX_LAYER_PART)
            return refuse_part(f, source_of(f, source)->layer);
        f->layers[f->count++] = source_of(f, source)->layer;
    }
    f->input = source;
    for (size_t i = 0; i < f->count / 2; i++) {
        const struct onnx_layer *layer = f->layers[i];
        f->layers[i] = f->layers[f->count - 1 - i];
        f->layers[f->count - 1 - i] = layer;
    }
    for (size_t i = 0; i < f->count; i++)
        if (f->layers[i]->kind == ONNX_LAYER_LSTM)
            f->lstms[f->lstm_count++] =
                f->layers[i]->original != NULL ? f->layers[i]->original : f->layers[i];
    return f->lstm_count > 0 || fault_set(f->fault, 400, "no LSTM leads to the output");
}

/* ---- layers ---- */

static const char *const type_names[] = {
    [ONNX_LAYER_LSTM] = "lstm",
    [ONNX_LAYER_EMBEDDING] = "embedding",
    [ONNX_LAYER_DENSE] = "dense",
    [ONNX_LAYER_ACTIVATION] = "activation",
    [ONNX_LAYER_SCALE] = "batch_norm",
    [ONNX_LAYER_LAYER_NORM] = "layer_norm",
    [ONNX_LAYER_LAST_STEP] = "last_step",
    [ONNX_LAYER_FLATTEN] = "flatten",
    [ONNX_LAYER_REPEAT] = "repeat_vector",
    [ONNX_LAYER_MEAN_POOL] = "global_average_pool1d",
    [ONNX_LAYER_MAX_POOL] = "global_max_pool1d",
    [ONNX_LAYER_CONV] = "conv1d",
    [ONNX_LAYER_MAX_WINDOWS] = "max_pool1d",
    [ONNX_LAYER_AVERAGE_WINDOWS] = "avg_pool1d",
};

static bool copy_tensor(struct filling *f, size_t layer, const char *name, size_t rank,
                        const struct onnx_value *value)
{
    float *to = network_add_tensor(f->network, layer, name, rank, value->dims, f->fault);
    if (to != NULL)
        memcpy(to, value->floats, value->elements * sizeof *to);
    return to != NULL;
}

static bool fill_tensor(struct filling *f, size_t layer, const char *name, size_t count, float fill)
{
    float *to = network_add_tensor(f->network, layer, name, 1, &count, f->fault);
    for (size_t i = 0; to != NULL && i < count; i++)
        to[i] = fill;
    return to != NULL;
}

static cJSON *function_json(const struct onnx_function *function)
{
    if (!function->has_alpha && !function->has_beta)
        return cJSON_CreateString(function->name);
    cJSON *json = cJSON_CreateObject();
    bool done = cJSON_AddStringToObject(json, "function", function->name) != NULL;
    if (function->has_alpha)
        done = done && cJSON_AddNumberToObject(json, "alpha", function->alpha) != NULL;
    if (function->has_beta)
        done = done && cJSON_AddNumberToObject(json, "beta", function->beta) != NULL;
    if (done)
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* Rows of gates, i o f c in the operator, to i f g o; width floats each. */
static void turn_gates(float *to, const float *from, size_t hidden, size_t width)
{
    static const size_t order[] = {0, 2, 3, 1};
    for (size_t gate = 0; gate < 4; gate++)
        memcpy(to + gate * hidden * width, from + order[gate] * hidden * width,
               hidden * width * sizeof *to);
}

/* One direction's tensor of four gates. */
static bool add_gates(struct filling *f, size_t layer, const char *name, size_t d,
                      const float *from, size_t hidden, size_t width)
{
    char whole[64];
    const size_t shape[] = {4 * hidden, width};
    snprintf(whole, sizeof whole, "%s_l0%s", name, d == 1 ? "_reverse" : "");
    float *to = network_add_tensor(f->network, layer, whole, width == 1 && name[0] == 'b' ? 1 : 2,
                                   shape, f->fault);
    if (to != NULL)
        turn_gates(to, from, hidden, width);
    return to != NULL;
}

static bool add_direction(struct filling *f, size_t layer, const struct onnx_lstm *lstm, size_t d)
{
    const size_t hidden = lstm->hidden_size, input = lstm->input_size;
    if (!add_gates(f, layer, "weight_ih", d, lstm->weight->floats + d * 4 * hidden * input, hidden,
                   input) ||
        !add_gates(f, layer, "weight_hh", d, lstm->recurrent->floats + d * 4 * hidden * hidden,
                   hidden, hidden))
        return false;
    if (lstm->bias != NULL) {
        const float *bias = lstm->bias->floats + d * 8 * hidden;
        if (!add_gates(f, layer, "bias_ih", d, bias, hidden, 1) ||
            !add_gates(f, layer, "bias_hh", d, bias + 4 * hidden, hidden, 1))
            return false;
    }
    if (lstm->peephole == NULL)
        return true;
    const size_t count = 3 * hidden;
    float *to = network_add_tensor(f->network, layer,
                                   d == 1 ? "weight_peephole_l0_reverse" : "weight_peephole_l0", 1,
                                   &count, f->fault);
    if (to != NULL)
        memcpy(to, lstm->peephole->floats + d * count, count * sizeof *to);
    return to != NULL;
}

static void set_lstm_options(struct filling *f, size_t layer, const struct onnx_lstm *lstm)
{
    struct network *network = f->network;
    if (lstm->reverse)
        network_set_string(network, layer, "direction", "reverse");
    if (lstm->last_only)
        network_set_bool(network, layer, "return_sequences", false);
    if (lstm->merge != NULL)
        network_set_string(network, layer, "merge_mode", lstm->merge);
    if (lstm->clip > 0)
        network_set_number(network, layer, "clip", lstm->clip);
    if (lstm->input_forget)
        network_set_bool(network, layer, "input_forget", true);
    if (!lstm->activations_given)
        return;
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; array != NULL && i < 3 * lstm->directions; i++) {
        cJSON *function = function_json(&lstm->activations[i]);
        if (function == NULL || !cJSON_AddItemToArray(array, function)) {
            cJSON_Delete(array);
            array = NULL;
        }
    }
    network_set_json(network, layer, "activations", array);
}

static bool add_lstm(struct filling *f, size_t layer, const struct onnx_lstm *lstm)
{
    set_lstm_options(f, layer, lstm);
    for (size_t d = 0; d < lstm->directions; d++)
        if (!add_direction(f, layer, lstm, d))
            return false;
    return true;
}

static bool add_norm(struct filling *f, size_t number, const struct onnx_layer *layer)
{
    network_set_number(f->network, number, "epsilon", layer->epsilon);
    if ((layer->weight != NULL && !copy_tensor(f, number, "weight", 1, layer->weight)) ||
        (layer->bias != NULL && !copy_tensor(f, number, "bias", 1, layer->bias)))
        return false;
    return layer->kind == ONNX_LAYER_LAYER_NORM ||
           (fill_tensor(f, number, "running_mean", layer->weight->elements, 0) &&
            fill_tensor(f, number, "running_var", layer->weight->elements, 1));
}

static void set_function(struct filling *f, size_t number, const struct onnx_function *function)
{
    network_set_string(f->network, number, "function", function->name);
    if (function->has_alpha)
        network_set_number(f->network, number, "alpha", function->alpha);
    if (function->has_beta)
        network_set_number(f->network, number, "beta", function->beta);
}

static void set_window(struct filling *f, size_t number, const struct onnx_window *window)
{
    network_set_size(f->network, number, "stride", window->stride);
    if (window->padding != NULL)
        network_set_string(f->network, number, "padding", window->padding);
    else
        network_set_size(f->network, number, "padding", window->pad);
}

/* What the layer has beside its type. */
static bool fill_layer(struct filling *f, size_t number, const struct onnx_layer *layer)
{
    switch (layer->kind) {
    case ONNX_LAYER_LSTM:
        return add_lstm(f, number, &layer->lstm);
    case ONNX_LAYER_EMBEDDING:
        return copy_tensor(f, number, "weight", 2, layer->weight);
    case ONNX_LAYER_DENSE:
        return copy_tensor(f, number, "weight", 2, layer->weight) &&
               (layer->bias == NULL || copy_tensor(f, number, "bias", 1, layer->bias));
    case ONNX_LAYER_MAX_WINDOWS:
    case ONNX_LAYER_AVERAGE_WINDOWS:
        network_set_size(f->network, number, "pool_size", layer->window.size);
        set_window(f, number, &layer->window);
        return true;
    case ONNX_LAYER_CONV:
        set_window(f, number, &layer->window);
        network_set_size(f->network, number, "dilation", layer->window.dilation);
        return copy_tensor(f, number, "weight", 3, layer->weight) &&
               (layer->bias == NULL || copy_tensor(f, number, "bias", 1, layer->bias));
    case ONNX_LAYER_ACTIVATION:
        set_function(f, number, &layer->function);
        return true;
    case ONNX_LAYER_SCALE:
    case ONNX_LAYER_LAYER_NORM:
        return add_norm(f, number, layer);
    case ONNX_LAYER_REPEAT:
        network_set_size(f->network, number, "n", layer->steps);
        return true;
    case ONNX_LAYER_LAST_STEP:
    case ONNX_LAYER_FLATTEN:
    case ONNX_LAYER_MEAN_POOL:
    case ONNX_LAYER_MAX_POOL:
    case ONNX_LAYER_PART:
        break;
    }
    return true;
}

/* Tensors are named after the type and how many of it come before; a layer alone needs no prefix.
 * The node's own name, where it is not too long, is what people see. */
static bool add_layer(struct filling *f, const struct onnx_layer *layer)
{
    char prefix[64];
    const char *type = type_names[layer->kind];
    snprintf(prefix, sizeof prefix, "%s_%zu.", type, f->types[layer->kind]++);
    char *const dot = strrchr(prefix, '.');
    *dot = '\0';
    const size_t size = strlen(layer->name);
    const char *name = size > 0 && size < MODEL_LAYER_NAME_MAX ? layer->name : prefix;
    const size_t number = f->network->layer_count;
    char whole[80];
    snprintf(whole, sizeof whole, "%s.", prefix);
    network_add_layer(f->network, type, name, f->count == 1 ? "" : whole);
    return f->network->out_of_memory ? fault_set(f->fault, 503, "out of memory")
                                     : fill_layer(f, number, layer);
}

/* ---- tensors ---- */

static bool lengths_name(const struct filling *f, const char **name)
{
    const struct onnx_lstm *first = &f->lstms[0]->lstm;
    *name = first->lengths ? source_of(f, first->lengths_source)->input->name : NULL;
    for (size_t k = 1; k < f->lstm_count; k++) {
        const struct onnx_lstm *lstm = &f->lstms[k]->lstm;
        if (lstm->lengths != first->lengths || lstm->lengths_source != first->lengths_source)
            return fault_set(f->fault, 400,
                             "LSTM '%s': sequence_lens as of '%s' expected: of a chain all LSTMs "
                             "have them or none",
                             excerpt_of(f->lstms[k]->name).text,
                             excerpt_of(f->lstms[0]->name).text);
    }
    return true;
}

static bool set_text(cJSON *object, const char *key, const char *text)
{
    return (text != NULL ? cJSON_AddStringToObject(object, key, text)
                         : cJSON_AddNullToObject(object, key)) != NULL;
}

static bool needs_layout(const struct filling *f)
{
    const char *usual = source_of(f, f->input)->batch_first ? "BTF" : "TBF";
    return f->outputs->layout != NULL && strcmp(f->outputs->layout, usual) != 0;
}

static bool fill_tensors(struct filling *f, cJSON *tensors)
{
    const char *lengths;
    const struct onnx_lstms lstms = {f->lstm_count, f->lstms};
    if (!lengths_name(f, &lengths))
        return false;
    if (!set_text(tensors, "input", source_of(f, f->input)->input->name) ||
        !set_text(tensors, "output", f->outputs->name) || !set_text(tensors, "lengths", lengths) ||
        (needs_layout(f) && !set_text(tensors, "output_layout", f->outputs->layout)))
        return fault_set(f->fault, 503, "out of memory");
    return onnx_states_write(f->walk, f->outputs, &lstms, tensors, f->fault);
}

static bool set_tensors(struct filling *f)
{
    cJSON *tensors = cJSON_CreateObject();
    if (tensors == NULL)
        return fault_set(f->fault, 503, "out of memory");
    if (!fill_tensors(f, tensors)) {
        cJSON_Delete(tensors);
        return false;
    }
    network_set_json(f->network, NETWORK_ROOT, "tensors", tensors);
    return true;
}

/* The LSTM that returns its states as [B,H]. */
static bool set_return_state(struct filling *f)
{
    const struct onnx_lstms lstms = {f->lstm_count, f->lstms};
    size_t returning;
    if (!onnx_states_returning(f->walk, f->outputs, &lstms, &returning, f->fault))
        return false;
    for (size_t i = 0, k = 0; i < f->count; i++) {
        if (f->layers[i]->kind != ONNX_LAYER_LSTM)
            continue;
        if (k++ == returning)
            network_set_bool(f->network, i, "return_state", true);
    }
    return true;
}

static bool any_given(const struct filling *f)
{
    bool given = false;
    for (size_t k = 0; k < f->lstm_count; k++)
        given = given || f->lstms[k]->lstm.h.given || f->lstms[k]->lstm.c.given;
    return given;
}

/* An output that the graph gives with other dimensions of 1, or with its steps last. */
static void add_shape_note(struct filling *f)
{
    const struct onnx_outputs *outputs = f->outputs;
    const struct onnx_source *last = source_of(f, outputs->last);
    const char *rows = outputs->layout == NULL               ? "B"
                       : strcmp(outputs->layout, "TBF") == 0 ? "T,B"
                                                             : "B,T";
    if (outputs->graphs_shape.text[0] != '\0')
        network_add_note(f->network, "note: %s is [%s,%zu] here, where the graph gives %s",
                         excerpt_of(outputs->name).text, rows, last->width,
                         outputs->graphs_shape.text);
}

/* An input that the graph takes with its steps last, or without steps or features. */
static void add_input_note(struct filling *f)
{
    const struct onnx_sizes *sizes = &f->walk->sizes;
    const struct onnx_source *input = source_of(f, f->input);
    char graphs[64] = "";
    for (const char *axis = sizes->axes; *axis != '\0'; axis++) {
        const size_t used = strlen(graphs);
        const char *comma = used > 0 ? "," : "";
        if (*axis == 'F')
            snprintf(graphs + used, sizeof graphs - used, "%s%zu", comma, input->width);
        else
            snprintf(graphs + used, sizeof graphs - used, "%s%c", comma, *axis);
    }
    const char *steps = strchr(sizes->axes, 'T') != NULL ? "T" : "1";
    if (!sizes->numbers && strcmp(sizes->axes, "TBF") != 0 && strcmp(sizes->axes, "BTF") != 0)
        network_add_note(f->network,
                         "note: clients send %s as [%s,%s,%zu] here, where the graph takes [%s]",
                         excerpt_of(input->input->name).text, input->batch_first ? "B" : steps,
                         input->batch_first ? steps : "B", input->width, graphs);
}

static void add_notes(struct filling *f)
{
    add_input_note(f);
    add_shape_note(f);
    const struct onnx_source *input = source_of(f, f->input);
    const struct onnx_layer *last = f->layers[f->count - 1];
    const struct onnx_declared declared = onnx_declared_of(input->input);
    if (input->whole_numbers && onnx_declared_is_float(&declared))
        network_add_note(f->network, "note: %s is INT64 here, whole numbers of the vocabulary",
                         excerpt_of(input->input->name).text);
    if (f->lstms[0]->lstm.lengths && last->kind != ONNX_LAYER_LSTM &&
        !source_of(f, last->after)->vector)
        network_add_note(f->network, "note: past a row's length the output is 0 here, where the "
                                     "graph computes with the LSTM's zeros");
    if (f->lstms[0]->lstm.lengths && any_given(f))
        network_add_note(f->network, "note: of a row of length 0 the final states are the initial "
                                     "ones that were given here, where ONNX Runtime gives zeros");
}

bool onnx_network_fill(const struct onnx_walk *walk, const struct onnx_outputs *outputs,
                       struct network *network, struct fault *fault)
{
    struct filling filling = {.walk = walk, .outputs = outputs, .network = network, .fault = fault};
    if (!find_way(&filling))
        return false;
    network_set_bool(network, NETWORK_ROOT, "batch_first",
                     source_of(&filling, filling.input)->batch_first);
    if (!walk->sizes.any_steps)
        network_set_size(network, NETWORK_ROOT, "steps", walk->sizes.steps);
    for (size_t i = 0; i < filling.count; i++)
        if (!add_layer(&filling, filling.layers[i]))
            return false;
    add_notes(&filling);
    return set_return_state(&filling) && set_tensors(&filling);
}
