#include "deploy/convert/onnx_expression.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/activation.h"
#include "deploy/convert/onnx.pb-c.h"

/* Sources between a function's argument and its value: others may stand among its parts. */
#define SPAN_MAX 64

/* ---- which sources are functions of others, element by element ---- */

static const struct onnx_layer *function_layer(const struct onnx_chain *chain, uint32_t source)
{
    const struct onnx_source *s = &chain->sources[source];
    const struct onnx_layer *layer = s->kind == ONNX_SOURCE_LAYER ? s->layer : NULL;
    if (layer == NULL)
        return NULL;
    if (layer->kind == ONNX_LAYER_PART)
        return layer->part == ONNX_PART_FUNCTION || layer->part == ONNX_PART_JOIN ? layer : NULL;
    struct activation_function function;
    return layer->kind == ONNX_LAYER_ACTIVATION &&
                   activation_from_name(layer->function.name, &function) &&
                   !activation_is_vector(function.kind)
               ? layer
               : NULL;
}

static bool is_function_of(const struct onnx_chain *chain, uint32_t source, uint32_t argument)
{
    while (source > argument) {
        const struct onnx_layer *layer = function_layer(chain, source);
        if (layer == NULL)
            return false;
        source = layer->before;
    }
    return source == argument;
}

/* What all are functions of, as near to the first of them as can be; false where nothing is. */
static bool find_argument(const struct onnx_chain *chain, const uint32_t *sources, size_t count,
                          uint32_t *argument)
{
    for (*argument = sources[0];;) {
        bool all = true;
        for (size_t i = 1; i < count; i++)
            all = all && is_function_of(chain, sources[i], *argument);
        if (all)
            return true;
        const struct onnx_layer *layer = function_layer(chain, *argument);
        if (layer == NULL)
            return false;
        *argument = layer->before;
    }
}

/* ---- values ---- */

static float part_value(const struct onnx_layer *part, float x)
{
    const char *op = part->op;
    const float operand = (float)part->operand;
    return strcmp(op, "Abs") == 0              ? fabsf(x)
           : strcmp(op, "Erf") == 0            ? erff(x)
           : strcmp(op, "Log") == 0            ? logf(x)
           : strcmp(op, "Pow") == 0            ? powf(x, operand)
           : strcmp(op, "Greater") == 0        ? (x > operand ? 1 : 0)
           : strcmp(op, "GreaterOrEqual") == 0 ? (x >= operand ? 1 : 0)
           : strcmp(op, "Less") == 0           ? (x < operand ? 1 : 0)
           : strcmp(op, "LessOrEqual") == 0    ? (x <= operand ? 1 : 0)
                                               : NAN;
}

static float join_value(const struct onnx_layer *join, const float in[ONNX_JOINED_MAX])
{
    const char *op = join->op;
    return strcmp(op, "Add") == 0     ? in[0] + in[1]
           : strcmp(op, "Sub") == 0   ? in[0] - in[1]
           : strcmp(op, "Mul") == 0   ? in[0] * in[1]
           : strcmp(op, "Div") == 0   ? in[0] / in[1]
           : strcmp(op, "Where") == 0 ? (in[0] != 0 ? in[1] : in[2])
                                      : NAN;
}

static float activation_value(const struct onnx_function *function, float x)
{
    struct activation_function known;
    const bool found = activation_from_name(function->name, &known);
    assert(found);
    if (function->has_alpha)
        known.alpha = (float)function->alpha;
    if (function->has_beta)
        known.beta = (float)function->beta;
    return activation_apply(&known, x);
}

/* The source's value, in float32 as the graph computes it, where the argument is x. What stands
 * between them and is no function of it is not looked at. */
static float value_at(const struct onnx_chain *chain, uint32_t source, uint32_t argument, float x)
{
    float values[SPAN_MAX + 1] = {x}, in[ONNX_JOINED_MAX] = {0};
    assert(source - argument <= SPAN_MAX);
    for (uint32_t s = argument + 1; s <= source; s++) {
        const struct onnx_layer *layer = function_layer(chain, s);
        float *value = &values[s - argument];
        *value = NAN;
        if (layer == NULL || layer->before < argument)
            continue;
        for (size_t i = 0; i < layer->joined_count; i++)
            in[i] = layer->joined[i] < argument ? NAN : values[layer->joined[i] - argument];
        const float before = values[layer->before - argument];
        *value = layer->kind == ONNX_LAYER_ACTIVATION ? activation_value(&layer->function, before)
                 : layer->part == ONNX_PART_JOIN      ? join_value(layer, in)
                                                      : part_value(layer, before);
    }
    return values[source - argument];
}

/* ---- which function it is ---- */

/* Where functions differ at all they do so near 0; far away in their limits. */
static float point(size_t i)
{
    const size_t near = 2048, powers = 160;
    if (i < near)
        return ((float)i - (float)near / 2 + 0.37f) / 32;
    const float power = ldexpf(1, (int)((i - near) % powers) - (int)powers / 2);
    return i - near < powers ? power : -power;
}
#define POINTS (2048 + 2 * 160)

/* The graph's own rounding, of x or of what comes out, is no difference. Far from 0 it may have no
 * finite value where the function has. */
static bool agrees(float found, float wanted, float x)
{
    if (!isfinite(found))
        return fabsf(x) > 60;
    return fabs((double)found - (double)wanted) <=
           2e-6 * fabs((double)wanted) + 4e-7 * fabs((double)x);
}

static bool is_function(const struct onnx_chain *chain, uint32_t source, uint32_t argument,
                        const char *name)
{
    const struct onnx_function function = {.name = name};
    for (size_t i = 0; i < POINTS; i++) {
        const float x = point(i);
        if (!agrees(value_at(chain, source, argument, x), activation_value(&function, x), x))
            return false;
    }
    return true;
}

static const char *name_function(const struct onnx_chain *chain, uint32_t source, uint32_t argument)
{
    static const char *const names[] = {"swish", "gelu",       "gelu_tanh", "softsign",
                                        "mish",  "hard_swish", "softplus",  "log_sigmoid"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (is_function(chain, source, argument, names[i]))
            return names[i];
    return NULL;
}

/* Of the arguments below the last part the nearest that it is a known function of. */
static const char *find_function(const struct onnx_chain *chain, uint32_t source,
                                 uint32_t *argument)
{
    uint32_t below = source, first = source; /* first: below the lowest part */
    for (const struct onnx_layer *layer; (layer = function_layer(chain, below)) != NULL;) {
        below = layer->before;
        if (layer->kind == ONNX_LAYER_PART)
            first = below;
    }
    const char *name = NULL;
    for (*argument = first; name == NULL && *argument != source;) {
        const struct onnx_layer *layer = function_layer(chain, *argument);
        if (source - *argument > SPAN_MAX)
            return NULL;
        name = name_function(chain, source, *argument);
        if (name == NULL && layer == NULL)
            return NULL;
        if (name == NULL)
            *argument = layer->before;
    }
    return name;
}

static struct onnx_value *with_source(struct onnx_call *call, const struct onnx_value *value,
                                      uint32_t source)
{
    struct onnx_value *moved = onnx_value_make(&call->chain->arena, ONNX_PLACES, value->rank,
                                               value->dims, value->free, call->fault);
    for (size_t i = 0; moved != NULL && i < moved->elements; i++) {
        moved->places[i] = value->places[i];
        moved->places[i].source = source;
    }
    return moved;
}

bool onnx_settle(struct onnx_call *call)
{
    const struct onnx_value *value = call->outputs[0];
    const uint32_t source = value->places[0].source;
    uint32_t argument;
    const char *name = find_function(call->chain, source, &argument);
    if (name == NULL)
        return true;
    const struct onnx_source of = call->chain->sources[argument];
    const struct onnx_layer layer = {.kind = ONNX_LAYER_ACTIVATION,
                                     .name = call->name,
                                     .before = argument,
                                     .function = {.name = name}};
    const struct onnx_layer *added =
        onnx_chain_add_layer(call->chain, &layer, of.width, of.vector, call->fault);
    return added != NULL && onnx_give(call, with_source(call, value, added->after));
}

/* ---- parts ---- */

bool onnx_give_part(struct onnx_call *call, const struct onnx_value *value, double operand)
{
    struct onnx_layer layer = {.kind = ONNX_LAYER_PART,
                               .part = ONNX_PART_FUNCTION,
                               .op = call->node->op_type,
                               .operand = operand};
    return onnx_give_layer(call, value, &layer, 0) && onnx_settle(call);
}

static bool same_places(const struct onnx_value *a, const struct onnx_value *b)
{
    bool same = a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
    for (size_t i = 0; same && i < a->elements; i++)
        same = a->places[i].step == b->places[i].step && a->places[i].row == b->places[i].row &&
               a->places[i].feature == b->places[i].feature;
    return same;
}

/* Each as all features of its source. *done: at the same places. */
static bool read_joined(struct onnx_call *call, const struct onnx_value *const *values,
                        size_t count, const struct onnx_value *places[ONNX_JOINED_MAX],
                        uint32_t sources[ONNX_JOINED_MAX], bool *done)
{
    struct fault why = {0};
    for (size_t i = 0; i < count; i++) {
        struct onnx_features features;
        *done = values[i]->content == ONNX_PLACES && values[i]->rank > 0 &&
                onnx_chain_features(call->chain, values[i], &features, &why);
        if (!*done)
            return why.status != 503 || fault_set(call->fault, 503, "%s", why.text);
        sources[i] = features.source;
        places[i] =
            onnx_chain_places(call->chain, values[i], &features, features.source, call->fault);
        if (places[i] == NULL)
            return false;
        *done = same_places(places[i], places[0]);
        if (!*done)
            return true;
    }
    return true;
}

bool onnx_join(struct onnx_call *call, const struct onnx_value *const *values, size_t count,
               bool *done)
{
    const struct onnx_value *places[ONNX_JOINED_MAX];
    struct onnx_layer layer = {.kind = ONNX_LAYER_PART,
                               .part = ONNX_PART_JOIN,
                               .op = call->node->op_type,
                               .name = call->name,
                               .joined_count = count};
    assert(count <= ONNX_JOINED_MAX);
    if (!read_joined(call, values, count, places, layer.joined, done))
        return false;
    *done = *done && find_argument(call->chain, layer.joined, count, &layer.before);
    if (!*done)
        return true;
    const struct onnx_source of = call->chain->sources[layer.before];
    const struct onnx_layer *added =
        onnx_chain_add_layer(call->chain, &layer, of.width, of.vector, call->fault);
    return added != NULL && onnx_give(call, with_source(call, places[0], added->after)) &&
           onnx_settle(call);
}
