#include "deploy/convert/onnx_chain.h"

#include <assert.h>

#include "proto/excerpt.h"

bool onnx_chain_add_source(struct onnx_chain *chain, const struct onnx_source *source,
                           uint32_t *number, struct fault *fault)
{
    if (chain->source_count == ONNX_SOURCES_MAX)
        return fault_set(fault, 400, "more than %d layers and inputs", ONNX_SOURCES_MAX);
    *number = (uint32_t)chain->source_count;
    chain->sources[chain->source_count++] = *source;
    return true;
}

static bool add_states(struct onnx_chain *chain, struct onnx_layer *layer, struct fault *fault)
{
    struct onnx_source state = {.kind = ONNX_SOURCE_H,
                                .layer = layer,
                                .width = layer->lstm.hidden_size,
                                .cells = layer->lstm.directions};
    if (!onnx_chain_add_source(chain, &state, &layer->h, fault))
        return false;
    state.kind = ONNX_SOURCE_C;
    return onnx_chain_add_source(chain, &state, &layer->c, fault);
}

const struct onnx_layer *onnx_chain_add_layer(struct onnx_chain *chain,
                                              const struct onnx_layer *layer, size_t width,
                                              bool vector, struct fault *fault)
{
    struct onnx_layer *added = onnx_arena_take(&chain->arena, sizeof *added);
    if (added == NULL) {
        fault_set(fault, 503, "out of memory for a layer");
        return NULL;
    }
    *added = *layer;
    chain->layer_count += layer->name[0] != '\0';
    const size_t steps = layer->steps != 0 ? layer->steps : chain->sources[layer->before].steps;
    const struct onnx_source source = {.kind = ONNX_SOURCE_LAYER,
                                       .layer = added,
                                       .width = width,
                                       .steps = vector ? 1 : steps,
                                       .vector = vector};
    if (!onnx_chain_add_source(chain, &source, &added->after, fault))
        return NULL;
    const bool has_states = layer->kind == ONNX_LAYER_LSTM && layer->original == NULL;
    return !has_states || add_states(chain, added, fault) ? added : NULL;
}

bool onnx_chain_knows_lengths(const struct onnx_chain *chain, uint32_t source)
{
    const struct onnx_layer *layer = chain->sources[source].layer;
    for (; layer != NULL; layer = chain->sources[layer->before].layer)
        if (layer->kind == ONNX_LAYER_LSTM && layer->lstm.lengths)
            return true;
    return false;
}

bool onnx_chain_has_windows(const struct onnx_chain *chain, uint32_t source)
{
    const struct onnx_layer *layer = chain->sources[source].layer;
    for (; layer != NULL; layer = chain->sources[layer->before].layer)
        if (layer->kind == ONNX_LAYER_CONV || layer->kind == ONNX_LAYER_MAX_WINDOWS ||
            layer->kind == ONNX_LAYER_AVERAGE_WINDOWS)
            return true;
    return false;
}

/* ---- what features are ---- */

/* While the features of one value are looked at. */
struct look {
    struct onnx_chain *chain;
    const struct onnx_place *cells; /* [count][width] */
    size_t count, width;
    struct onnx_features *features;
    struct fault *fault;
};

static const struct onnx_source *source_of(const struct look *look, uint32_t number)
{
    assert(number < look->chain->source_count);
    return &look->chain->sources[number];
}

static bool same(struct onnx_place a, uint32_t source, uint32_t step, uint32_t row, size_t feature)
{
    return a.source == source && a.step == step && a.row == row && a.feature == feature;
}

/* All features of one source at one step of a row. */
static bool is_plain(const struct look *look)
{
    const struct onnx_place first = look->cells[0];
    const struct onnx_source *source = source_of(look, first.source);
    const bool taken = source->kind == ONNX_SOURCE_INPUT || source->kind == ONNX_SOURCE_LAYER;
    if (!taken || source->width != look->width)
        return false;
    for (size_t i = 0; i < look->count; i++) {
        const struct onnx_place *cells = look->cells + i * look->width;
        for (size_t f = 0; f < look->width; f++)
            if (!same(cells[f], first.source, cells[0].step, cells[0].row, f))
                return false;
    }
    return true;
}

/* The final h of all of an LSTM's directions, or its outputs at the steps where each direction's
 * walk ends. */
static bool is_end_of_walk(const struct look *look, const struct onnx_layer *layer)
{
    const size_t hidden = layer->lstm.hidden_size;
    const uint32_t last = (uint32_t)source_of(look, layer->after)->steps - 1;
    if (look->width != layer->lstm.directions * hidden)
        return false;
    const bool final = look->cells[0].source == layer->h;
    if (!final && (look->cells[0].source != layer->after || layer->lstm.lengths))
        return false;
    for (size_t i = 0; i < look->count; i++) {
        const struct onnx_place *cells = look->cells + i * look->width;
        for (size_t f = 0; f < look->width; f++) {
            const uint32_t direction = (uint32_t)(f / hidden);
            const bool back = direction == 1 || layer->lstm.reverse;
            const uint32_t step = final ? direction : back ? 0 : last;
            if (!same(cells[f], look->cells[0].source, step, cells[0].row, final ? f % hidden : f))
                return false;
        }
    }
    return true;
}

/* All steps of a row, one after the other. */
static bool is_flat(const struct look *look)
{
    const struct onnx_place first = look->cells[0];
    const struct onnx_source *source = source_of(look, first.source);
    if (source->kind != ONNX_SOURCE_LAYER && source->kind != ONNX_SOURCE_INPUT)
        return false;
    if (source->vector || look->width != source->steps * source->width)
        return false;
    for (size_t i = 0; i < look->count; i++) {
        const struct onnx_place *cells = look->cells + i * look->width;
        for (size_t f = 0; f < look->width; f++)
            if (!same(cells[f], first.source, (uint32_t)(f / source->width), cells[0].row,
                      f % source->width))
                return false;
    }
    return true;
}

static bool is_at_last_step(const struct look *look)
{
    const struct onnx_source *source = source_of(look, look->features->source);
    const size_t last = source->steps - 1;
    if (source->vector || last == 0)
        return false;
    for (size_t i = 0; i < look->count; i++)
        if (look->features->places[i].step != last)
            return false;
    return true;
}

/* The same picked before: two values of it are of one layer. */
static const struct onnx_layer *find_alike(const struct look *look, const struct onnx_layer *layer)
{
    for (size_t i = 0; i < look->chain->source_count; i++) {
        const struct onnx_source *source = source_of(look, (uint32_t)i);
        if (source->kind == ONNX_SOURCE_LAYER && source->layer->kind == layer->kind &&
            source->layer->before == layer->before && source->layer->original == layer->original &&
            source->layer->lstm.merge == layer->lstm.merge)
            return source->layer;
    }
    return NULL;
}

/* From here on the features are the vector that the layer makes of each row. */
static bool become_vector(const struct look *look, const struct onnx_layer *layer, size_t width)
{
    const struct onnx_layer *added = find_alike(look, layer);
    if (added == NULL)
        added = onnx_chain_add_layer(look->chain, layer, width, true, look->fault);
    if (added == NULL)
        return false;
    look->features->source = added->after;
    for (size_t i = 0; i < look->count; i++)
        look->features->places[i].step = 0;
    return true;
}

static bool take_last_outputs(const struct look *look, const struct onnx_layer *lstm)
{
    struct onnx_layer layer = *lstm;
    layer.lstm.last_only = true;
    layer.original = lstm;
    return become_vector(look, &layer, look->width);
}

static bool take_last_step(const struct look *look)
{
    const uint32_t before = look->features->source;
    if (onnx_chain_knows_lengths(look->chain, before))
        return fault_set(look->fault, 400,
                         "it takes the step that is last of all, which of shorter rows is none");
    return become_vector(
        look, &(struct onnx_layer){.kind = ONNX_LAYER_LAST_STEP, .name = "", .before = before},
        source_of(look, before)->width);
}

/* Past a row's length lstmd flattens zeros: what an LSTM that is given the lengths puts out there,
 * but no layer behind it. */
static bool is_filled_alike(const struct look *look, uint32_t source)
{
    const struct onnx_layer *layer = source_of(look, source)->layer;
    return !onnx_chain_knows_lengths(look->chain, source) ||
           (layer->kind == ONNX_LAYER_LSTM && layer->lstm.lengths);
}

static bool take_flat(const struct look *look)
{
    const uint32_t before = look->cells[0].source;
    if (!look->chain->fixed_steps)
        return fault_set(look->fault, 400,
                         "it flattens the steps, of which there may be any number");
    if (!is_filled_alike(look, before))
        return fault_set(look->fault, 400,
                         "it flattens the steps past a row's length, which are zeros only right "
                         "behind an LSTM");
    return become_vector(
        look, &(struct onnx_layer){.kind = ONNX_LAYER_FLATTEN, .name = "", .before = before},
        look->width);
}

static bool fail_mixed(const struct look *look)
{
    const struct onnx_source *source = source_of(look, look->cells[0].source);
    const char *from = source->layer != NULL ? source->layer->name : "the graph's input";
    return fault_set(look->fault, 400,
                     "its input is not all %zu features of '%s', in order, for each step",
                     source->width, excerpt_of(from).text);
}

static bool find_form(const struct look *look)
{
    const struct onnx_source *source = source_of(look, look->cells[0].source);
    const struct onnx_layer *layer = source->layer;
    look->features->source = look->cells[0].source;
    if (source->whole_numbers)
        return fault_set(look->fault, 400, "it takes the graph's input, which is whole numbers");
    if (is_plain(look))
        return !is_at_last_step(look) || take_last_step(look);
    if (layer != NULL && layer->kind == ONNX_LAYER_LSTM && source->kind != ONNX_SOURCE_C &&
        is_end_of_walk(look, layer))
        return take_last_outputs(look, layer);
    return is_flat(look) ? take_flat(look) : fail_mixed(look);
}

bool onnx_chain_features(struct onnx_chain *chain, const struct onnx_value *value,
                         struct onnx_features *features, struct fault *fault)
{
    assert(value->content == ONNX_PLACES);
    if (value->rank == 0 || value->elements == 0)
        return fault_set(fault, 400, "its input has no features, its shape is %s",
                         onnx_shape_of(value).text);
    const size_t width = value->dims[value->rank - 1];
    *features = (struct onnx_features){.count = value->elements / width};
    features->places = onnx_arena_take(&chain->arena, features->count * sizeof *features->places);
    if (features->places == NULL)
        return fault_set(fault, 503, "out of memory");
    for (size_t i = 0; i < features->count; i++)
        features->places[i] = value->places[i * width];
    const struct look look = {chain, value->places, features->count, width, features, fault};
    return find_form(&look);
}

struct onnx_value *onnx_chain_places(struct onnx_chain *chain, const struct onnx_value *value,
                                     const struct onnx_features *features, uint32_t source,
                                     struct fault *fault)
{
    size_t dims[ONNX_RANK_MAX];
    const size_t width = chain->sources[source].width;
    for (size_t i = 0; i < value->rank; i++)
        dims[i] = value->dims[i];
    dims[value->rank - 1] = width;
    struct onnx_value *places =
        onnx_value_make(&chain->arena, ONNX_PLACES, value->rank, dims, value->free, fault);
    for (size_t i = 0; places != NULL && i < features->count; i++)
        for (size_t f = 0; f < width; f++)
            places->places[i * width + f] = (struct onnx_place){
                source, features->places[i].step, features->places[i].row, (uint32_t)f};
    return places;
}

/* For so many steps of all rows, that of each or (repeated) step 0 of them all. */
static bool is_of_steps(const struct onnx_chain *chain, const struct onnx_value *value,
                        uint32_t number, bool batch_first, size_t steps, bool repeated)
{
    const size_t rows = chain->rows, width = chain->sources[number].width;
    if (value->content != ONNX_PLACES || value->rank != 3 ||
        value->dims[batch_first ? 1 : 0] != steps || value->dims[batch_first ? 0 : 1] != rows ||
        value->dims[2] != width)
        return false;
    for (size_t i = 0; i < steps * rows; i++) {
        const size_t step = repeated ? 0 : batch_first ? i % steps : i / rows;
        const size_t row = batch_first ? i / steps : i % rows;
        for (size_t f = 0; f < width; f++)
            if (!same(value->places[i * width + f], number, (uint32_t)step, (uint32_t)row, f))
                return false;
    }
    return true;
}

bool onnx_chain_is_whole(const struct onnx_chain *chain, const struct onnx_value *value,
                         uint32_t number, bool batch_first)
{
    const struct onnx_source *source = &chain->sources[number];
    const size_t steps = source->cells > 0 ? source->cells : source->steps;
    return is_of_steps(chain, value, number, batch_first, steps, false);
}

bool onnx_chain_is_repeated(const struct onnx_chain *chain, const struct onnx_value *value,
                            uint32_t number, bool batch_first)
{
    return chain->sources[number].vector &&
           is_of_steps(chain, value, number, batch_first, chain->steps, true);
}
