#include "deploy/convert/onnx_whole.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_element.h"

/* Sources between the input and what is computed of it. */
#define SPAN_MAX 64
/* Floats are whole up to here: some of this is cast to one and back. */
#define WHOLE_MAX ((int64_t)1 << 24)

/* ---- operators ---- */

static bool bounded(int64_t value, int64_t *out)
{
    *out = value;
    return value <= 2 * WHOLE_MAX && value >= -2 * WHOLE_MAX;
}

static bool add(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] + in[1], out);
}

static bool subtract(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] - in[1], out);
}

static bool multiply(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] * in[1], out);
}

static bool less(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] < in[1], out);
}

static bool greater(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] > in[1], out);
}

static bool less_or_equal(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] <= in[1], out);
}

static bool greater_or_equal(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] >= in[1], out);
}

static bool negation(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] == 0, out);
}

static bool choice(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] != 0 ? in[1] : in[2], out);
}

static bool smaller(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] < in[1] ? in[0] : in[1], out);
}

static bool larger(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] > in[1] ? in[0] : in[1], out);
}

/* To a float and back nothing changes. */
static bool cast(const int64_t in[3], int64_t *out)
{
    *out = in[0];
    return in[0] <= WHOLE_MAX && in[0] >= -WHOLE_MAX;
}

static bool truth(const int64_t in[3], int64_t *out)
{
    return bounded(in[0] != 0, out);
}

static const struct computation {
    const char *name;
    size_t inputs;
    onnx_whole_function *compute;
} computations[] = {
    {"Add", 2, add},         {"Cast", 1, cast},
    {"Greater", 2, greater}, {"GreaterOrEqual", 2, greater_or_equal},
    {"Less", 2, less},       {"LessOrEqual", 2, less_or_equal},
    {"Max", 2, larger},      {"Min", 2, smaller},
    {"Mul", 2, multiply},    {"Not", 1, negation},
    {"Sub", 2, subtract},    {"Where", 3, choice},
};

static const struct computation *find_computation(const char *name)
{
    for (size_t i = 0; i < sizeof computations / sizeof computations[0]; i++)
        if (strcmp(computations[i].name, name) == 0)
            return &computations[i];
    return NULL;
}

static bool find_cast(const struct onnx_call *call, onnx_whole_function **compute)
{
    const int64_t to = onnx_int(call, "to", 0);
    *compute = to == ONNX_ELEMENT_BOOL ? truth : cast;
    return to == ONNX_ELEMENT_FLOAT || to == ONNX_ELEMENT_INT32 || to == ONNX_ELEMENT_INT64 ||
           to == ONNX_ELEMENT_BOOL || to == ONNX_ELEMENT_DOUBLE ||
           onnx_refuse(call, "to: type %" PRId64 " of whole numbers", to);
}

/* ---- what goes in ---- */

static bool is_whole(const struct onnx_call *call, const struct onnx_value *value)
{
    return value != NULL && value->content == ONNX_PLACES && value->elements > 0 &&
           call->chain->sources[value->places[0].source].whole_numbers;
}

bool onnx_whole_is_for(const struct onnx_call *call)
{
    bool any = false;
    for (size_t i = 0; i < call->input_count; i++)
        any = any || is_whole(call, call->inputs[i]);
    return any && call->node->op_type != NULL && find_computation(call->node->op_type) != NULL;
}

static bool read_known(const struct onnx_call *call, size_t i, int64_t *number)
{
    const struct onnx_value *value = call->inputs[i];
    const bool one = value->elements == 1 && value->content != ONNX_PLACES;
    bool whole = one;
    if (one && value->content == ONNX_INTEGERS) {
        *number = value->integers[0].value;
        whole = !value->integers[0].sized;
    } else if (one) {
        whole = fabsf(value->floats[0]) <= (float)WHOLE_MAX &&
                floorf(value->floats[0]) == value->floats[0];
        *number = whole ? (int64_t)value->floats[0] : 0;
    }
    return (whole && *number <= WHOLE_MAX && *number >= -WHOLE_MAX) ||
           onnx_refuse(call, "input %zu, %s: with whole numbers one known one expected", i,
                       onnx_shape_of(value).text);
}

/* All of one source, at the places of the first such input. */
static bool check_places(const struct onnx_call *call, const struct onnx_value *first,
                         const struct onnx_value *value)
{
    bool same = value->rank == first->rank &&
                memcmp(value->dims, first->dims, value->rank * sizeof value->dims[0]) == 0;
    for (size_t i = 0; same && i < value->elements; i++)
        same = value->places[i].source == value->places[0].source &&
               value->places[i].step == first->places[i].step &&
               value->places[i].row == first->places[i].row;
    return same || onnx_refuse(call, "of whole numbers, other ones at other places");
}

static uint32_t input_of(const struct onnx_chain *chain, uint32_t source)
{
    const struct onnx_layer *layer = chain->sources[source].layer;
    return layer != NULL ? layer->before : source;
}

static bool read_inputs(const struct onnx_call *call, size_t count, struct onnx_layer *layer,
                        const struct onnx_value **first)
{
    const struct onnx_chain *chain = call->chain;
    *first = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct onnx_value *value = onnx_need(call, i);
        if (value == NULL)
            return false;
        layer->joined[i] = ONNX_KNOWN;
        if (!is_whole(call, value)) {
            if (!read_known(call, i, &layer->numbers[i]))
                return false;
            continue;
        }
        *first = *first == NULL ? value : *first;
        if (!check_places(call, *first, value))
            return false;
        layer->joined[i] = value->places[0].source;
        if (input_of(chain, layer->joined[i]) != input_of(chain, (*first)->places[0].source))
            return onnx_refuse(call, "of whole numbers, those of two inputs");
    }
    layer->joined_count = count;
    layer->before = input_of(chain, (*first)->places[0].source);
    return true;
}

/* It is no layer that is counted: how far a walk got does not show in it. */
static bool give_numbers(struct onnx_call *call, const struct onnx_layer *layer,
                         const struct onnx_value *value)
{
    struct onnx_layer *added = onnx_arena_take(&call->chain->arena, sizeof *added);
    if (added == NULL)
        return fault_set(call->fault, 503, "out of memory");
    struct onnx_source source = call->chain->sources[layer->before];
    *added = *layer;
    source.kind = ONNX_SOURCE_LAYER;
    source.layer = added;
    if (!onnx_chain_add_source(call->chain, &source, &added->after, call->fault))
        return false;
    struct onnx_value *numbers = onnx_value_make(&call->chain->arena, ONNX_PLACES, value->rank,
                                                 value->dims, value->free, call->fault);
    for (size_t i = 0; numbers != NULL && i < numbers->elements; i++) {
        numbers->places[i] = value->places[i];
        numbers->places[i].source = added->after;
    }
    return onnx_give(call, numbers);
}

bool onnx_whole(struct onnx_call *call)
{
    const struct computation *const node = find_computation(call->node->op_type);
    struct onnx_layer layer = {.kind = ONNX_LAYER_PART,
                               .part = ONNX_PART_WHOLE,
                               .name = call->name,
                               .op = call->node->op_type,
                               .whole = node->compute};
    const struct onnx_value *first;
    if (call->input_count != node->inputs)
        return onnx_refuse(call, "%zu inputs expected, got %zu", node->inputs, call->input_count);
    if (strcmp(node->name, "Cast") == 0 && !find_cast(call, &layer.whole))
        return false;
    return read_inputs(call, node->inputs, &layer, &first) && give_numbers(call, &layer, first);
}

/* ---- what comes out ---- */

/* What the source is where its input is number; false where it is too large. */
static bool number_at(const struct onnx_chain *chain, uint32_t source, uint32_t input,
                      int64_t number, int64_t *found)
{
    int64_t values[SPAN_MAX + 1] = {number};
    for (uint32_t s = input + 1; s <= source; s++) {
        const struct onnx_layer *layer = chain->sources[s].layer;
        int64_t in[3] = {0};
        if (layer == NULL || layer->kind != ONNX_LAYER_PART || layer->part != ONNX_PART_WHOLE ||
            layer->before != input)
            continue;
        for (size_t i = 0; i < layer->joined_count; i++)
            in[i] = layer->joined[i] == ONNX_KNOWN ? layer->numbers[i]
                                                   : values[layer->joined[i] - input];
        if (!layer->whole(in, &values[s - input]))
            return false;
    }
    *found = values[source - input];
    return true;
}

bool onnx_whole_source(const struct onnx_call *call, size_t count, uint32_t *source)
{
    const struct onnx_chain *chain = call->chain;
    const uint32_t input = input_of(chain, *source);
    if (input == *source)
        return true;
    if (count > (size_t)WHOLE_MAX || *source - input > SPAN_MAX)
        return onnx_refuse(call,
                           "indices that are the graph's input expected, got what is computed "
                           "of it in too many steps, or for too many numbers");
    for (size_t i = 0; i < count; i++) {
        int64_t found = 0;
        if (!number_at(chain, *source, input, (int64_t)i, &found) || found != (int64_t)i)
            return onnx_refuse(
                call,
                "indices that are the graph's input expected, got what is computed of "
                "it: of %zu another number",
                i);
    }
    *source = input;
    return true;
}
