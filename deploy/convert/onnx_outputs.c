#include "deploy/convert/onnx_outputs.h"

#include <stdio.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"
#include "proto/excerpt.h"

/* While the outputs are read. */
struct reading {
    struct onnx_walk *walk;
    struct onnx_outputs *outputs;
    struct fault *fault;
};

static const struct onnx_source *source_of(const struct reading *reading,
                                           const struct onnx_value *value)
{
    return &reading->walk->chain.sources[value->places[0].source];
}

static bool is_state(const struct reading *reading, const struct onnx_value *value)
{
    const enum onnx_source_kind kind = source_of(reading, value)->kind;
    return kind == ONNX_SOURCE_H || kind == ONNX_SOURCE_C;
}

/* ---- what comes out of a layer ---- */

/* Y of an LSTM, [T,D,B,H] or [B,T,D,H]. */
static bool is_apart(const struct reading *reading, const struct onnx_value *value,
                     bool batch_first)
{
    const struct onnx_source *source = source_of(reading, value);
    const struct onnx_layer *layer = source->layer;
    const size_t steps = source->steps, rows = reading->walk->chain.rows;
    if (value->rank != 4 || layer == NULL || layer->kind != ONNX_LAYER_LSTM || source->vector)
        return false;
    const size_t directions = layer->lstm.directions, hidden = layer->lstm.hidden_size;
    const size_t *dims = value->dims;
    if (dims[0] != (batch_first ? rows : steps) || dims[1] != (batch_first ? steps : directions) ||
        dims[2] != (batch_first ? directions : rows) || dims[3] != hidden)
        return false;
    for (size_t i = 0; i < value->elements; i++) {
        const size_t h = i % hidden, c = i / hidden % dims[2], b = i / hidden / dims[2] % dims[1];
        const size_t a = i / hidden / dims[2] / dims[1], d = batch_first ? c : b;
        const struct onnx_place *at = &value->places[i];
        if (at->source != layer->after || at->step != (batch_first ? b : a) ||
            at->row != (batch_first ? a : c) || at->feature != d * hidden + h)
            return false;
    }
    return true;
}

static bool is_vector_of_rows(const struct reading *reading, const struct onnx_value *value,
                              const struct onnx_features *features)
{
    bool rows = value->rank == 2 && features->count == reading->walk->chain.rows;
    for (size_t i = 0; rows && i < features->count; i++)
        rows = features->places[i].row == i;
    return rows;
}

/* [T,B,F], [B,T,F], or [B,F] of a vector. */
static const char *plain_layout(struct reading *reading, const struct onnx_value *value,
                                const struct onnx_features *features, bool *vector)
{
    struct onnx_chain *chain = &reading->walk->chain;
    const struct onnx_source *source = &chain->sources[features->source];
    const struct onnx_value *whole =
        onnx_chain_places(chain, value, features, features->source, reading->fault);
    *vector = source->vector && is_vector_of_rows(reading, value, features);
    if (whole == NULL || source->vector)
        return NULL;
    return onnx_chain_is_whole(chain, whole, features->source, false)  ? "TBF"
           : onnx_chain_is_whole(chain, whole, features->source, true) ? "BTF"
                                                                       : NULL;
}

/* Of one step alone (the graph is of so many) [B,F] is a vector too. */
static bool take_only_step(struct reading *reading, const struct onnx_value *value,
                           struct onnx_features *features)
{
    struct onnx_chain *chain = &reading->walk->chain;
    const struct onnx_source source = chain->sources[features->source];
    if (source.vector || source.steps != 1 || !is_vector_of_rows(reading, value, features))
        return true;
    const struct onnx_layer layer = {
        .kind = ONNX_LAYER_LAST_STEP, .name = "", .before = features->source};
    const struct onnx_layer *added =
        onnx_chain_add_layer(chain, &layer, source.width, true, reading->fault);
    if (added != NULL)
        features->source = added->after;
    return added != NULL;
}

static bool fail_shape(const struct reading *reading, const struct onnx_value *value)
{
    return fault_set(reading->fault, 400,
                     "[T,B,F] or [B,T,F] of all steps, or [B,F] of a vector, expected, got %s",
                     onnx_shape_of(value).text);
}

static bool read_plain(struct reading *reading, const struct onnx_value *value)
{
    struct onnx_features features;
    bool vector;
    if (value->rank < 2)
        return fail_shape(reading, value);
    if (!onnx_chain_features(&reading->walk->chain, value, &features, reading->fault) ||
        !take_only_step(reading, value, &features))
        return false;
    const char *layout = plain_layout(reading, value, &features, &vector);
    if (layout == NULL && !vector)
        return fail_shape(reading, value);
    reading->outputs->layout = layout;
    reading->outputs->last = features.source;
    return true;
}

/* ---- the same but for dimensions of 1 ---- */

/* With the one feature that the graph has squeezed, without ones that it has put in. NULL with a
 * fault. */
static const struct onnx_value *with_usual_dims(struct reading *reading,
                                                const struct onnx_value *value)
{
    struct onnx_chain *chain = &reading->walk->chain;
    const bool no_feature = source_of(reading, value)->width == 1 && value->rank < ONNX_RANK_MAX &&
                            (value->rank == 0 || value->dims[value->rank - 1] != 1);
    size_t dims[ONNX_RANK_MAX] = {0}, rank = 0, left = value->rank + (no_feature ? 1 : 0);
    bool free[ONNX_RANK_MAX] = {false};
    if (left == 1 && chain->rows == 1) /* the one row is squeezed */
        dims[rank++] = 1;
    for (size_t i = 0; i < value->rank; i++) {
        const bool last = i + 1 == value->rank && !no_feature;
        if (value->dims[i] == 1 && !value->free[i] && !last && rank + left > 2) {
            left--;
            continue;
        }
        dims[rank] = value->dims[i];
        free[rank++] = value->free[i];
        left--;
    }
    if (no_feature)
        dims[rank++] = 1;
    return onnx_value_reshape(&chain->arena, value, rank, dims, free, reading->fault);
}

/* Has the next element along the axis another row? */
static bool counts_rows(const struct onnx_value *value, size_t axis)
{
    size_t inner = 1;
    for (size_t i = axis + 1; i < value->rank; i++)
        inner *= value->dims[i];
    return value->dims[axis] > 1 && value->places[inner].row != value->places[0].row;
}

/* Dimensions of any size by their names. */
static struct onnx_shape_text shape_of_any(const struct onnx_value *value)
{
    struct onnx_shape_text shape = {"["};
    size_t used = 1;
    for (size_t i = 0; i < value->rank; i++) {
        const char *comma = i > 0 ? "," : "";
        const size_t room = sizeof shape.text - used;
        used += (size_t)(value->free[i]
                             ? snprintf(shape.text + used, room, "%s%s", comma,
                                        counts_rows(value, i) ? "B" : "T")
                             : snprintf(shape.text + used, room, "%s%zu", comma, value->dims[i]));
    }
    snprintf(shape.text + used, sizeof shape.text - used, "]");
    return shape;
}

static bool read_usual(struct reading *reading, const struct onnx_value *value)
{
    const struct onnx_value *usual = with_usual_dims(reading, value);
    return usual != NULL && usual->rank != value->rank && read_plain(reading, usual);
}

/* [B,F,T], as convolutions give it. */
static bool read_turned(struct reading *reading, const struct onnx_value *value)
{
    static const size_t order[] = {0, 2, 1};
    struct onnx_call call = {.chain = &reading->walk->chain, .fault = reading->fault};
    const struct onnx_value *turned = value->rank == 3 ? onnx_turned(&call, value, order) : NULL;
    return turned != NULL && read_plain(reading, turned);
}

/* As it is, with usual dimensions or features last: what is wrong is told of it as it is. */
static bool read_any(struct reading *reading, const struct onnx_value *value)
{
    struct fault why = {0};
    if (read_plain(reading, value))
        return true;
    struct reading again = *reading;
    again.fault = &why;
    if (!read_usual(&again, value) && (why.status == 503 || !read_turned(&again, value)))
        return why.status == 503 ? fault_set(reading->fault, 503, "%s", why.text) : false;
    reading->outputs->graphs_shape = shape_of_any(value);
    return true;
}

static bool read_layer(struct reading *reading, const char *name, const struct onnx_value *value)
{
    struct onnx_outputs *outputs = reading->outputs;
    if (outputs->name != NULL)
        return fault_set(reading->fault, 400,
                         "one output that is not an LSTM's states expected, got '%s' before",
                         excerpt_of(outputs->name).text);
    outputs->name = name;
    for (int batch_first = 0; batch_first < 2; batch_first++)
        if (is_apart(reading, value, batch_first == 1)) {
            outputs->layout = batch_first == 1 ? "BTDH" : "TDBH";
            outputs->last = value->places[0].source;
            return true;
        }
    return read_any(reading, value);
}

/* ---- states ---- */

/* Of each cell all features of all rows, in order. */
static bool is_of_cells(const struct reading *reading, const struct onnx_value *value,
                        bool batch_first)
{
    const size_t rows = reading->walk->chain.rows;
    const size_t cells = value->dims[batch_first ? 1 : 0], width = value->dims[2];
    const enum onnx_source_kind kind = source_of(reading, value)->kind;
    if (value->dims[batch_first ? 0 : 1] != rows)
        return false;
    for (size_t i = 0; i < cells * rows; i++) {
        const size_t cell = batch_first ? i % cells : i / rows;
        const size_t row = batch_first ? i / cells : i % rows;
        const struct onnx_place first = value->places[(batch_first ? cell : cell * rows) * width];
        const struct onnx_source *source = &reading->walk->chain.sources[first.source];
        if (source->kind != kind || source->width != width)
            return false;
        for (size_t f = 0; f < width; f++) {
            const struct onnx_place *at = &value->places[i * width + f];
            if (at->source != first.source || at->step != first.step || at->row != row ||
                at->feature != f)
                return false;
        }
    }
    return true;
}

/* [B,H] of the only direction of a layer. */
static bool is_single(const struct reading *reading, const struct onnx_value *value)
{
    const struct onnx_source *source = source_of(reading, value);
    if (value->rank != 2 || value->dims[0] != reading->walk->chain.rows ||
        value->dims[1] != source->width || source->cells != 1)
        return false;
    for (size_t i = 0; i < value->elements; i++)
        if (value->places[i].source != value->places[0].source ||
            value->places[i].row != i / source->width ||
            value->places[i].feature != i % source->width)
            return false;
    return true;
}

static bool read_states(struct reading *reading, const char *name, const struct onnx_value *value)
{
    struct onnx_outputs *outputs = reading->outputs;
    struct onnx_state_output state = {.name = name, .value = value};
    if (outputs->state_count == ONNX_STATE_OUTPUTS_MAX)
        return fault_set(reading->fault, 400, "at most %d outputs expected",
                         ONNX_STATE_OUTPUTS_MAX);
    state.is_c = source_of(reading, value)->kind == ONNX_SOURCE_C;
    state.single = is_single(reading, value);
    if (!state.single && value->rank == 3) {
        state.batch_first = !is_of_cells(reading, value, false);
        if (state.batch_first && !is_of_cells(reading, value, true))
            return fault_set(reading->fault, 400, "states of all rows, [L*D,B,H], expected");
    } else if (!state.single) {
        return fault_set(reading->fault, 400, "states as [L*D,B,H] expected, got %s",
                         onnx_shape_of(value).text);
    }
    outputs->states[outputs->state_count++] = state;
    return true;
}

/* ---- all of them ---- */

static bool check_known(const struct reading *reading, const struct onnx_value *value)
{
    if (value->content == ONNX_UNKNOWN) {
        *reading->fault = *value->why;
        return false;
    }
    return (value->content == ONNX_PLACES && value->elements > 0) ||
           fault_set(reading->fault, 400, "it does not depend on the input");
}

/* Without an output of a layer, a first one that is the last outputs of an LSTM is it. */
static bool is_vector_of_states(const struct reading *reading, const struct onnx_value *value)
{
    return reading->outputs->name == NULL && value->rank == 2 &&
           source_of(reading, value)->kind == ONNX_SOURCE_H;
}

/* Two passes: what is not states first. */
static bool read_all(struct reading *reading, bool states)
{
    const OnnxGraph *graph = reading->walk->model->graph;
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = graph->output[i]->name;
        const struct onnx_value *value = reading->walk->outputs[i];
        bool done = check_known(reading, value);
        if (done && is_state(reading, value) == states)
            done = !states                               ? read_layer(reading, name, value)
                   : is_vector_of_states(reading, value) ? read_layer(reading, name, value)
                                                         : read_states(reading, name, value);
        if (!done)
            return fault_prefix(reading->fault, "output '%s'", excerpt_of(name).text);
    }
    return true;
}

/* States alone: the network ends with the LSTM that the others lead to. */
static void find_last(const struct reading *reading)
{
    const struct onnx_chain *chain = &reading->walk->chain;
    const struct onnx_outputs *outputs = reading->outputs;
    for (size_t s = 0; s < outputs->state_count; s++) {
        const struct onnx_value *value = outputs->states[s].value;
        for (size_t i = 0; i < value->elements; i++) {
            const uint32_t after = chain->sources[value->places[i].source].layer->after;
            if (after > reading->outputs->last)
                reading->outputs->last = after;
        }
    }
}

bool onnx_outputs_read(struct onnx_walk *walk, struct onnx_outputs *outputs, struct fault *fault)
{
    struct reading reading = {walk, outputs, fault};
    *outputs = (struct onnx_outputs){0};
    if (walk->model->graph->n_output == 0)
        return fault_set(fault, 400, "a graph with outputs expected");
    if (!read_all(&reading, false) || !read_all(&reading, true))
        return false;
    if (outputs->name == NULL)
        find_last(&reading);
    return true;
}
