/* The operator LSTM: a layer, its outputs' and final states' places. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"
#include "proto/excerpt.h"
#include "proto/utf8.h"

enum { X, W, R, B, SEQUENCE_LENS, INITIAL_H, INITIAL_C, P };

/* While one node is read. */
struct reading {
    struct onnx_call *call;
    struct onnx_layer layer;
    bool batch_first; /* layout 1 */
};

/* ---- attributes ---- */

static bool text_is(const ProtobufCBinaryData *text, const char *wanted)
{
    return text->len == strlen(wanted) &&
           strncasecmp((const char *)text->data, wanted, text->len) == 0;
}

static bool read_direction(struct reading *reading)
{
    const OnnxAttribute *attribute = onnx_attribute(reading->call, "direction");
    struct onnx_lstm *lstm = &reading->layer.lstm;
    lstm->directions = 1;
    if (attribute == NULL || text_is(&attribute->s, "forward"))
        return true;
    lstm->reverse = text_is(&attribute->s, "reverse");
    lstm->directions = lstm->reverse ? 1 : 2;
    return lstm->reverse || text_is(&attribute->s, "bidirectional") ||
           onnx_refuse(reading->call, "direction: forward, reverse or bidirectional expected");
}

/* Functions as the operator names them; parameters are taken off the lists by those that have them,
 * in order. */
static const struct gate_function {
    const char *name, *ours;
    bool has_alpha, has_beta;
    double alpha, beta;
} functions[] = {
    {"Sigmoid", "sigmoid", false, false, 0, 0},
    {"Tanh", "tanh", false, false, 0, 0},
    {"Relu", "relu", false, false, 0, 0},
    {"Softsign", "softsign", false, false, 0, 0},
    {"Softplus", "softplus", false, false, 0, 0},
    {"HardSigmoid", "hard_sigmoid", true, true, 0.2, 0.5},
    {"LeakyRelu", "leaky_relu", true, false, 0.01, 0},
    {"Elu", "elu", true, false, 1, 0},
    {"ThresholdedRelu", "thresholded_relu", true, false, 1, 0},
    {"ScaledTanh", "scaled_tanh", true, true, 1, 1},
    {"Affine", "affine", true, true, 1, 0},
};

static double take(const OnnxAttribute *list, size_t *used, double otherwise)
{
    return list != NULL && *used < list->n_floats ? (double)list->floats[(*used)++] : otherwise;
}

static const struct gate_function *find_function(const ProtobufCBinaryData *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (text_is(name, functions[i].name))
            return &functions[i];
    return NULL;
}

/* For the text of a fault. */
static struct excerpt name_of_function(const ProtobufCBinaryData *name)
{
    char text[64];
    const bool fits = name->len < sizeof text && utf8_is_valid((const char *)name->data, name->len);
    snprintf(text, sizeof text, "%.*s", fits ? (int)name->len : 1, fits ? (char *)name->data : "?");
    return excerpt_of(text);
}

static bool read_activations(struct reading *reading)
{
    const struct onnx_call *call = reading->call;
    struct onnx_lstm *lstm = &reading->layer.lstm;
    const OnnxAttribute *names = onnx_attribute(call, "activations");
    const OnnxAttribute *alphas = onnx_attribute(call, "activation_alpha");
    const OnnxAttribute *betas = onnx_attribute(call, "activation_beta");
    size_t alphas_used = 0, betas_used = 0;
    if (names == NULL || names->n_strings == 0)
        return true;
    if (names->n_strings != 3 * lstm->directions)
        return onnx_refuse(call, "activations: %zu expected, got %zu", 3 * lstm->directions,
                           names->n_strings);
    lstm->activations_given = true;
    for (size_t i = 0; i < names->n_strings; i++) {
        const struct gate_function *function = find_function(&names->strings[i]);
        if (function == NULL)
            return onnx_refuse(call, "activations: number %zu, '%s', is none that lstmd has", i,
                               name_of_function(&names->strings[i]).text);
        lstm->activations[i] = (struct onnx_function){
            function->ours, function->has_alpha, function->has_beta,
            function->has_alpha ? take(alphas, &alphas_used, function->alpha) : 0,
            function->has_beta ? take(betas, &betas_used, function->beta) : 0};
    }
    return true;
}

static bool read_attributes(struct reading *reading)
{
    const struct onnx_call *call = reading->call;
    struct onnx_lstm *lstm = &reading->layer.lstm;
    const int64_t layout = onnx_int(call, "layout", 0);
    if (layout != 0 && layout != 1)
        return onnx_refuse(call, "layout: 0 or 1 expected, got %" PRId64, layout);
    reading->batch_first = layout == 1;
    lstm->clip = onnx_float(call, "clip", 0);
    lstm->input_forget = onnx_int(call, "input_forget", 0) != 0;
    /* A clip of 0 would be a cell of constants by the standard, is none in its reference
     * implementation and an error in ONNX Runtime: nobody can mean it. */
    if (onnx_attribute(call, "clip") != NULL && !(lstm->clip > 0 && isfinite(lstm->clip)))
        return onnx_refuse(call, "clip: a finite number above 0 (or no clip) expected, got %g",
                           lstm->clip);
    return read_direction(reading) && read_activations(reading);
}

/* ---- weights ---- */

static bool is_shape(const struct onnx_value *value, size_t a, size_t b, size_t c)
{
    const size_t rank = c == 0 ? 2 : 3;
    return value->content == ONNX_FLOATS && value->rank == rank && value->dims[0] == a &&
           value->dims[1] == b && (c == 0 || value->dims[2] == c);
}

static bool fail_weight(const struct reading *reading, const char *name,
                        const struct onnx_value *value)
{
    return onnx_refuse(reading->call,
                       "%s: numbers that are known, of the shape that goes with the others, "
                       "expected, got %s%s",
                       name, onnx_shape_of(value).text,
                       value->content == ONNX_FLOATS ? "" : " of a request's");
}

static bool read_weights(struct reading *reading)
{
    const struct onnx_call *call = reading->call;
    struct onnx_lstm *lstm = &reading->layer.lstm;
    const size_t directions = lstm->directions;
    lstm->weight = onnx_need(call, W);
    lstm->recurrent = lstm->weight != NULL ? onnx_need(call, R) : NULL;
    lstm->bias = onnx_input(call, B);
    lstm->peephole = onnx_input(call, P);
    if (lstm->recurrent == NULL)
        return false;
    const size_t hidden = lstm->recurrent->rank == 3 ? lstm->recurrent->dims[2] : 0;
    const size_t input = lstm->weight->rank == 3 ? lstm->weight->dims[2] : 0;
    if (hidden == 0 || !is_shape(lstm->recurrent, directions, 4 * hidden, hidden))
        return fail_weight(reading, "R", lstm->recurrent);
    if (input == 0 || !is_shape(lstm->weight, directions, 4 * hidden, input))
        return fail_weight(reading, "W", lstm->weight);
    if (lstm->bias != NULL && !is_shape(lstm->bias, directions, 8 * hidden, 0))
        return fail_weight(reading, "B", lstm->bias);
    if (lstm->peephole != NULL && !is_shape(lstm->peephole, directions, 3 * hidden, 0))
        return fail_weight(reading, "P", lstm->peephole);
    const int64_t said = onnx_int(call, "hidden_size", (int64_t)hidden);
    if (said != (int64_t)hidden)
        return onnx_refuse(call, "hidden_size: %zu expected from R, got %" PRId64, hidden, said);
    lstm->hidden_size = hidden;
    lstm->input_size = input;
    return true;
}

/* ---- lengths and initial states ---- */

static bool read_lengths(struct reading *reading)
{
    const struct onnx_call *call = reading->call;
    const struct onnx_chain *chain = call->chain;
    const size_t steps = chain->sources[reading->layer.before].steps;
    const struct onnx_value *lengths = onnx_input(call, SEQUENCE_LENS);
    if (lengths == NULL)
        return true;
    bool all = lengths->content == ONNX_INTEGERS, given = lengths->content == ONNX_PLACES;
    if (lengths->rank != 1 || lengths->elements != chain->rows)
        return onnx_refuse(call, "sequence_lens: one for each row expected, got %s",
                           onnx_shape_of(lengths).text);
    for (size_t i = 0; i < lengths->elements; i++) {
        all = all && lengths->integers[i].value == (int64_t)steps;
        given = given && lengths->places[i].row == i &&
                lengths->places[i].source == lengths->places[0].source &&
                chain->sources[lengths->places[i].source].kind == ONNX_SOURCE_LENGTHS;
    }
    reading->layer.lstm.lengths = given;
    if (given)
        reading->layer.lstm.lengths_source = lengths->places[0].source;
    if (given && onnx_chain_has_windows(chain, reading->layer.before))
        return onnx_refuse(call, "sequence_lens: none expected behind windows of steps, which make "
                                 "other lengths of those of the input");
    return all || given ||
           onnx_refuse(call, "sequence_lens: an input of the graph, or all steps, expected");
}

/* Zeros for so many cells; of how many rows does not matter. */
static bool is_zero(const struct reading *reading, const struct onnx_value *value)
{
    bool zero = value->content == ONNX_FLOATS && value->rank == 3 &&
                value->dims[reading->batch_first ? 1 : 0] == reading->layer.lstm.directions &&
                value->dims[2] == reading->layer.lstm.hidden_size;
    for (size_t i = 0; zero && i < value->elements; i++)
        zero = value->floats[i] == 0.0f;
    return zero;
}

/* [D,B,H], layout 1: [B,D,H], of one graph's input, cells one after the other. */
static bool is_state(const struct reading *reading, const struct onnx_value *value,
                     struct onnx_state *state)
{
    const struct onnx_chain *chain = reading->call->chain;
    const size_t directions = reading->layer.lstm.directions, rows = chain->rows;
    const size_t hidden = reading->layer.lstm.hidden_size;
    if (value->content != ONNX_PLACES || value->rank != 3 || value->dims[2] != hidden ||
        value->dims[reading->batch_first ? 1 : 0] != directions ||
        value->dims[reading->batch_first ? 0 : 1] != rows)
        return false;
    const struct onnx_place first = value->places[0];
    if (chain->sources[first.source].kind != ONNX_SOURCE_STATE)
        return false;
    for (size_t i = 0; i < directions * rows; i++) {
        const size_t cell = reading->batch_first ? i % directions : i / rows;
        const size_t row = reading->batch_first ? i / directions : i % rows;
        for (size_t f = 0; f < hidden; f++) {
            const struct onnx_place *at = &value->places[i * hidden + f];
            if (at->source != first.source || at->step != first.step + cell || at->row != row ||
                at->feature != f)
                return false;
        }
    }
    *state = (struct onnx_state){true, first.source, first.step};
    return true;
}

static bool read_state(struct reading *reading, size_t i, const char *name,
                       struct onnx_state *state)
{
    const struct onnx_value *value = onnx_input(reading->call, i);
    if (value == NULL || is_zero(reading, value) || is_state(reading, value, state))
        return true;
    if (value->content == ONNX_FLOATS)
        return onnx_refuse(reading->call,
                           "%s: zeros or an input of the graph expected, got other known numbers, "
                           "%s",
                           name, onnx_shape_of(value).text);
    return onnx_refuse(reading->call,
                       "%s: zeros, or [D,B,H] of an input of the graph, expected, got %s", name,
                       onnx_shape_of(value).text);
}

/* ---- input and outputs ---- */

/* A vector at every step, which a decoder is given: a layer of its own between. */
static bool take_repeated(struct reading *reading)
{
    struct onnx_call *call = reading->call;
    const uint32_t vector = reading->layer.before;
    const struct onnx_layer repeat = {
        .kind = ONNX_LAYER_REPEAT, .name = "", .before = vector, .steps = call->chain->steps};
    if (!call->chain->fixed_steps)
        return onnx_refuse(call, "X: a vector for each step, of which there may be any number");
    if (onnx_chain_knows_lengths(call->chain, vector))
        return onnx_refuse(call, "X: a vector for each step, of rows with sequence_lens");
    const struct onnx_layer *added = onnx_chain_add_layer(
        call->chain, &repeat, call->chain->sources[vector].width, false, call->fault);
    if (added == NULL)
        return false;
    reading->layer.before = added->after;
    return true;
}

static bool read_input(struct reading *reading)
{
    struct onnx_call *call = reading->call;
    const struct onnx_value *value = onnx_need(call, X);
    struct onnx_features features;
    if (value == NULL)
        return false;
    if (value->content != ONNX_PLACES || value->elements == 0 || value->rank != 3)
        return onnx_refuse(call, "X: steps of what comes from a request expected");
    onnx_want_width(call, value, 2, reading->layer.lstm.input_size);
    if (value->dims[2] != reading->layer.lstm.input_size)
        return onnx_refuse(call, "X: %zu features expected from W, got %s",
                           reading->layer.lstm.input_size, onnx_shape_of(value).text);
    if (!onnx_chain_features(call->chain, value, &features, call->fault))
        return false;
    const struct onnx_value *whole =
        onnx_chain_places(call->chain, value, &features, features.source, call->fault);
    reading->layer.before = features.source;
    if (whole == NULL)
        return false;
    if (onnx_chain_is_repeated(call->chain, whole, features.source, reading->batch_first))
        return take_repeated(reading);
    if (call->chain->sources[features.source].vector)
        return onnx_refuse(call, "X: a vector at every step of a request expected, got it as %s",
                           onnx_shape_of(value).text);
    return onnx_chain_is_whole(call->chain, whole, features.source, reading->batch_first) ||
           onnx_refuse(call, "X: all steps of all rows, as [%s,I], expected",
                       reading->batch_first ? "B,T" : "T,B");
}

/* Y [T,D,B,H], layout 1: [B,T,D,H]. */
static struct onnx_value *output_places(const struct reading *reading,
                                        const struct onnx_layer *layer)
{
    struct onnx_call *call = reading->call;
    const size_t steps = call->chain->sources[layer->after].steps, rows = call->chain->rows;
    const size_t directions = layer->lstm.directions, hidden = layer->lstm.hidden_size;
    const bool batch_first = reading->batch_first;
    const size_t dims[] = {batch_first ? rows : steps, batch_first ? steps : directions,
                           batch_first ? directions : rows, hidden};
    const bool *in = onnx_input(call, X)->free;
    const bool free[] = {in[0], batch_first && in[1], !batch_first && in[1], false};
    struct onnx_value *y =
        onnx_value_make(&call->chain->arena, ONNX_PLACES, 4, dims, free, call->fault);
    for (size_t i = 0; y != NULL && i < y->elements; i++) {
        const size_t h = i % hidden, c = i / hidden % dims[2], b = i / hidden / dims[2] % dims[1];
        const size_t a = i / hidden / dims[2] / dims[1], d = batch_first ? c : b;
        y->places[i] =
            (struct onnx_place){layer->after, (uint32_t)(batch_first ? b : a),
                                (uint32_t)(batch_first ? a : c), (uint32_t)(d * hidden + h)};
    }
    return y;
}

/* Y_h and Y_c [D,B,H], layout 1: [B,D,H]. */
static struct onnx_value *state_places(const struct reading *reading,
                                       const struct onnx_layer *layer, uint32_t source)
{
    struct onnx_call *call = reading->call;
    const size_t rows = call->chain->rows, directions = layer->lstm.directions;
    const size_t hidden = layer->lstm.hidden_size;
    const bool batch_first = reading->batch_first;
    const size_t dims[] = {batch_first ? rows : directions, batch_first ? directions : rows,
                           hidden};
    const bool *in = onnx_input(call, X)->free;
    const bool free[] = {batch_first && in[0], !batch_first && in[1], false};
    struct onnx_value *state =
        onnx_value_make(&call->chain->arena, ONNX_PLACES, 3, dims, free, call->fault);
    for (size_t i = 0; state != NULL && i < state->elements; i++) {
        const size_t b = i / hidden % dims[1], a = i / hidden / dims[1];
        state->places[i] =
            (struct onnx_place){source, (uint32_t)(batch_first ? b : a),
                                (uint32_t)(batch_first ? a : b), (uint32_t)(i % hidden)};
    }
    return state;
}

static bool give_outputs(const struct reading *reading, const struct onnx_layer *layer)
{
    struct onnx_call *call = reading->call;
    const uint32_t states[] = {layer->h, layer->c};
    if (call->output_count > 3)
        return onnx_refuse(call, "at most 3 outputs expected");
    call->outputs[0] = output_places(reading, layer);
    for (size_t i = 1; call->outputs[i - 1] != NULL && i < call->output_count; i++)
        call->outputs[i] = state_places(reading, layer, states[i - 1]);
    return call->outputs[call->output_count > 0 ? call->output_count - 1 : 0] != NULL;
}

bool onnx_lstm(struct onnx_call *call)
{
    struct reading reading = {.call = call, .layer = {.kind = ONNX_LAYER_LSTM, .name = call->name}};
    struct onnx_lstm *lstm = &reading.layer.lstm;
    if (!read_attributes(&reading) || !read_weights(&reading) || !read_input(&reading) ||
        !read_lengths(&reading) || !read_state(&reading, INITIAL_H, "initial_h", &lstm->h) ||
        !read_state(&reading, INITIAL_C, "initial_c", &lstm->c))
        return false;
    const struct onnx_layer *layer = onnx_chain_add_layer(
        call->chain, &reading.layer, lstm->directions * lstm->hidden_size, false, call->fault);
    return layer != NULL && give_outputs(&reading, layer);
}
