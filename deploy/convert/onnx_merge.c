/* What both directions of an LSTM give, added or multiplied: a merge_mode of its layer. */
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"

/* While two values are looked at: of which LSTM, and where in its walk they stand. */
struct merge {
    const struct onnx_layer *lstm;
    bool at_end; /* of each direction's walk; otherwise at the same step */
};

/* The one direction's feature of a place: its outputs are forward's, then backward's; final states
 * are cells. false where it is not of that direction. */
static bool is_of(const struct onnx_chain *chain, const struct onnx_layer *lstm,
                  const struct onnx_place *place, size_t direction, size_t feature)
{
    const size_t hidden = lstm->lstm.hidden_size;
    if (chain->sources[place->source].kind == ONNX_SOURCE_H)
        return place->source == lstm->h && place->step == direction && place->feature == feature;
    return place->source == lstm->after && place->feature == direction * hidden + feature;
}

/* Does a direction's output at that place stand where its walk ends? */
static bool is_end(const struct onnx_chain *chain, const struct onnx_layer *lstm,
                   const struct onnx_place *place, size_t direction)
{
    const size_t last = chain->sources[lstm->after].steps - 1;
    return chain->sources[place->source].kind == ONNX_SOURCE_H ||
           (!lstm->lstm.lengths && place->step == (direction == 0 ? last : 0));
}

/* Is forward all features of the first direction, and backward the other's at the same places? */
static bool read_merge(const struct onnx_chain *chain, const struct onnx_value *forward,
                       const struct onnx_value *backward, struct merge *merge)
{
    const struct onnx_source *source = &chain->sources[forward->places[0].source];
    const struct onnx_layer *lstm = source->layer;
    const bool whole = lstm != NULL && lstm->kind == ONNX_LAYER_LSTM && lstm->original == NULL &&
                       source->kind != ONNX_SOURCE_C && lstm->lstm.directions == 2;
    const size_t hidden = whole ? lstm->lstm.hidden_size : 0;
    if (!whole || forward->dims[forward->rank - 1] != hidden)
        return false;
    bool same = true, ends = true;
    for (size_t i = 0; i < forward->elements; i++) {
        const struct onnx_place *a = &forward->places[i], *b = &backward->places[i];
        if (!is_of(chain, lstm, a, 0, i % hidden) || !is_of(chain, lstm, b, 1, i % hidden) ||
            a->row != b->row)
            return false;
        same = same && a->source == lstm->after && b->source == lstm->after && a->step == b->step;
        ends = ends && is_end(chain, lstm, a, 0) && is_end(chain, lstm, b, 1);
    }
    *merge = (struct merge){lstm, !same};
    return same || ends;
}

static bool give_merged(struct onnx_call *call, const struct onnx_value *value,
                        const struct merge *merge)
{
    struct onnx_layer layer = *merge->lstm;
    layer.lstm.merge = strcmp(call->node->op_type, "Add") == 0 ? "sum" : "mul";
    layer.lstm.last_only = merge->at_end;
    layer.original = merge->lstm;
    const struct onnx_layer *added = onnx_chain_add_layer(
        call->chain, &layer, layer.lstm.hidden_size, merge->at_end, call->fault);
    struct onnx_value *merged = onnx_value_make(&call->chain->arena, ONNX_PLACES, value->rank,
                                                value->dims, value->free, call->fault);
    for (size_t i = 0; added != NULL && merged != NULL && i < merged->elements; i++) {
        merged->places[i] = value->places[i];
        merged->places[i].source = added->after;
        if (merge->at_end)
            merged->places[i].step = 0;
    }
    return added != NULL && onnx_give(call, merged);
}

bool onnx_merge(struct onnx_call *call, const struct onnx_value *a, const struct onnx_value *b,
                bool *done)
{
    const char *op = call->node->op_type;
    struct merge merge;
    *done = (strcmp(op, "Add") == 0 || strcmp(op, "Mul") == 0) && a->rank > 0 && a->elements > 0 &&
            a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
    if (!*done)
        return true;
    if (read_merge(call->chain, a, b, &merge))
        return give_merged(call, a, &merge);
    *done = read_merge(call->chain, b, a, &merge);
    return !*done || give_merged(call, b, &merge);
}
