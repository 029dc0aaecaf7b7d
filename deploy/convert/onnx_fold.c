/* Arithmetic on what is known: weights that are put together when the graph runs, and shapes. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_element.h"
#include "deploy/convert/onnx_operators.h"

/* ---- Cast ---- */

/* To a bool every number but 0 is true, those that are no integer too. */
static bool to_integers(struct onnx_call *call, const struct onnx_value *value, bool boolean)
{
    struct onnx_value *cast = onnx_value_make(&call->chain->arena, ONNX_INTEGERS, value->rank,
                                              value->dims, value->free, call->fault);
    for (size_t i = 0; cast != NULL && i < cast->elements; i++) {
        if (value->content == ONNX_INTEGERS)
            cast->integers[i] = value->integers[i];
        else if (boolean)
            cast->integers[i].value = value->floats[i] != 0.0f;
        else if (fabsf(value->floats[i]) < 0x1p62f)
            cast->integers[i].value = (int64_t)value->floats[i];
        else
            return onnx_refuse(call, "a float that is no integer of 64 bits");
        if (boolean)
            cast->integers[i].value = cast->integers[i].value != 0;
    }
    return onnx_give(call, cast);
}

static bool to_floats(struct onnx_call *call, const struct onnx_value *value)
{
    if (value->content == ONNX_FLOATS)
        return onnx_give(call, value);
    struct onnx_value *cast = onnx_value_make(&call->chain->arena, ONNX_FLOATS, value->rank,
                                              value->dims, value->free, call->fault);
    for (size_t i = 0; cast != NULL && i < cast->elements; i++) {
        if (value->integers[i].sized)
            return onnx_refuse(call, "a float that differs with the sizes of a request");
        cast->floats[i] = (float)value->integers[i].value;
    }
    return onnx_give(call, cast);
}

/* A float stays one; numbers that an embedding takes, or lengths, are whole whatever their type. */
static bool cast_places(struct onnx_call *call, const struct onnx_value *value, int64_t to)
{
    bool whole = true;
    for (size_t i = 0; i < value->elements; i++) {
        const struct onnx_source *source = &call->chain->sources[value->places[i].source];
        whole = whole && (source->whole_numbers || source->kind == ONNX_SOURCE_LENGTHS);
    }
    const bool fits = whole ? to == ONNX_ELEMENT_INT32 || to == ONNX_ELEMENT_INT64
                            : to == ONNX_ELEMENT_FLOAT || to == ONNX_ELEMENT_DOUBLE;
    return fits ? onnx_give(call, value)
                : onnx_refuse(call, "to: type %" PRId64 ", where float32 is computed with", to);
}

bool onnx_cast(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    const int64_t to = onnx_int(call, "to", 0);
    if (value == NULL)
        return false;
    if (value->content == ONNX_PLACES)
        return cast_places(call, value, to);
    switch (to) {
    case ONNX_ELEMENT_FLOAT:
    case ONNX_ELEMENT_DOUBLE:
        return to_floats(call, value);
    case ONNX_ELEMENT_INT32:
    case ONNX_ELEMENT_INT64:
        return to_integers(call, value, false);
    case ONNX_ELEMENT_BOOL:
        return to_integers(call, value, true);
    default:
        return onnx_refuse(call, "to: type %" PRId64, to);
    }
}

/* ---- two operands ---- */

enum binary {
    ADD,
    SUB,
    MUL,
    DIV,
    MOD,
    MIN,
    MAX,
    POW,
    EQUAL,
    LESS,
    GREATER,
    LESS_OR_EQUAL,
    GREATER_OR_EQUAL,
    AND,
    OR
};

static const char *const binary_names[] = {
    [ADD] = "Add",         [SUB] = "Sub",
    [MUL] = "Mul",         [DIV] = "Div",
    [MOD] = "Mod",         [MIN] = "Min",
    [MAX] = "Max",         [POW] = "Pow",
    [EQUAL] = "Equal",     [LESS] = "Less",
    [GREATER] = "Greater", [LESS_OR_EQUAL] = "LessOrEqual",
    [AND] = "And",         [GREATER_OR_EQUAL] = "GreaterOrEqual",
    [OR] = "Or",
};

static bool is_comparison(enum binary what)
{
    return what >= EQUAL;
}

/* false when the result is none. */
static bool fold_integers(enum binary what, int64_t a, int64_t b, int64_t *result)
{
    switch (what) {
    case ADD:
        return !__builtin_add_overflow(a, b, result);
    case SUB:
        return !__builtin_sub_overflow(a, b, result);
    case MUL:
        return !__builtin_mul_overflow(a, b, result);
    case DIV:
    case MOD:
        if (b == 0 || (a == INT64_MIN && b == -1))
            return false;
        *result = what == DIV ? a / b : a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);
        return true;
    case MIN:
        *result = a < b ? a : b;
        return true;
    case MAX:
        *result = a > b ? a : b;
        return true;
    case EQUAL:
        *result = a == b;
        return true;
    case LESS:
        *result = a < b;
        return true;
    case GREATER:
        *result = a > b;
        return true;
    case LESS_OR_EQUAL:
        *result = a <= b;
        return true;
    case GREATER_OR_EQUAL:
        *result = a >= b;
        return true;
    case AND:
        *result = a != 0 && b != 0;
        return true;
    case OR:
        *result = a != 0 || b != 0;
        return true;
    case POW:
        break;
    }
    return false;
}

static bool fold_floats(enum binary what, float a, float b, float *result)
{
    switch (what) {
    case ADD:
        *result = a + b;
        return true;
    case SUB:
        *result = a - b;
        return true;
    case MUL:
        *result = a * b;
        return true;
    case DIV:
        *result = a / b;
        return true;
    case MIN:
        *result = a < b ? a : b;
        return true;
    case MAX:
        *result = a > b ? a : b;
        return true;
    case POW:
        *result = powf(a, b);
        return true;
    default:
        return false;
    }
}

/* One of the operands made as large as the other wants: Expand's work. */
static const struct onnx_value *expanded(struct onnx_call *call, const struct onnx_value *value,
                                         const struct onnx_value *other)
{
    struct onnx_value *shape =
        onnx_value_make(&call->chain->arena, ONNX_INTEGERS, 1, &other->rank, NULL, call->fault);
    if (shape == NULL)
        return NULL;
    for (size_t i = 0; i < other->rank; i++)
        shape->integers[i] = (struct onnx_integer){(int64_t)other->dims[i], other->free[i]};
    const struct onnx_value *const inputs[] = {value, shape};
    struct onnx_call expand = *call;
    expand.inputs = inputs;
    expand.input_count = 2;
    expand.outputs[0] = NULL;
    return onnx_expand(&expand) ? expand.outputs[0] : NULL;
}

static bool find_binary(const char *name, enum binary *what)
{
    for (size_t i = 0; i < sizeof binary_names / sizeof binary_names[0]; i++)
        if (strcmp(binary_names[i], name) == 0) {
            *what = (enum binary)i;
            return true;
        }
    return false;
}

static bool fold_all(struct onnx_call *call, enum binary what, const struct onnx_value *a,
                     const struct onnx_value *b, struct onnx_value *result)
{
    for (size_t i = 0; i < result->elements; i++) {
        bool done;
        if (a->content == ONNX_INTEGERS) {
            done = fold_integers(what, a->integers[i].value, b->integers[i].value,
                                 &result->integers[i].value);
            result->integers[i].sized = a->integers[i].sized || b->integers[i].sized;
        } else {
            done = fold_floats(what, a->floats[i], b->floats[i], &result->floats[i]);
        }
        if (!done)
            return onnx_refuse(call, "its result cannot be told beforehand");
    }
    return true;
}

bool onnx_fold_binary(struct onnx_call *call)
{
    const struct onnx_value *a = onnx_need(call, 0), *b = onnx_need(call, 1);
    enum binary what;
    if (a == NULL || b == NULL)
        return false;
    if (a->content != b->content || a->content == ONNX_PLACES || call->input_count != 2 ||
        !find_binary(call->node->op_type, &what))
        return onnx_refuse(call, "of what comes from a request it is no layer");
    if (a->content == ONNX_FLOATS && is_comparison(what))
        return onnx_refuse(call, "floats are not compared");
    a = expanded(call, a, b);
    b = a != NULL ? expanded(call, b, a) : NULL;
    if (a == NULL || b == NULL)
        return false;
    struct onnx_value *result =
        onnx_value_make(&call->chain->arena, a->content, a->rank, a->dims, a->free, call->fault);
    return result != NULL && fold_all(call, what, a, b, result) && onnx_give(call, result);
}

/* ---- one operand ---- */

bool onnx_fold_unary(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    const char *op = call->node->op_type;
    const bool negates = strcmp(op, "Not") == 0;
    if (value == NULL)
        return false;
    if (value->content == ONNX_PLACES || (negates && value->content != ONNX_INTEGERS))
        return onnx_refuse(call, "of what comes from a request it is no layer");
    if (strcmp(op, "Erf") == 0 || strcmp(op, "Log") == 0)
        return onnx_refuse(call, "of known numbers it is not computed");
    struct onnx_value *result = onnx_value_make(&call->chain->arena, value->content, value->rank,
                                                value->dims, value->free, call->fault);
    for (size_t i = 0; result != NULL && i < result->elements; i++) {
        if (value->content == ONNX_FLOATS) {
            const float x = value->floats[i];
            result->floats[i] = strcmp(op, "Neg") == 0    ? -x
                                : strcmp(op, "Sqrt") == 0 ? sqrtf(x)
                                                          : fabsf(x);
            continue;
        }
        const int64_t x = value->integers[i].value;
        if (strcmp(op, "Sqrt") == 0 || x == INT64_MIN)
            return onnx_refuse(call, "of an integer");
        result->integers[i] = (struct onnx_integer){negates                           ? x == 0
                                                    : strcmp(op, "Neg") == 0 || x < 0 ? -x
                                                                                      : x,
                                                    value->integers[i].sized};
    }
    return onnx_give(call, result);
}

/* ---- ReduceProd, ReduceSum and their like, of a vector of integers ---- */

static bool find_reduction(const char *name, enum binary *what)
{
    *what = strcmp(name, "ReduceProd") == 0  ? MUL
            : strcmp(name, "ReduceSum") == 0 ? ADD
            : strcmp(name, "ReduceMin") == 0 ? MIN
                                             : MAX;
    return *what != MAX || strcmp(name, "ReduceMax") == 0;
}

/* Over the one axis, which need not be named: unless that is to mean none. */
static bool read_axes(struct onnx_call *call, bool *none)
{
    struct onnx_integers axes;
    size_t axis;
    if (!onnx_integers(call, "axes", 1, &axes))
        return false;
    if (axes.count > 1)
        return onnx_refuse(call, "axes: the one of a vector expected, got %zu", axes.count);
    *none = axes.count == 0 && onnx_int(call, "noop_with_empty_axes", 0) != 0;
    return axes.count == 0 || onnx_axis(call, axes.list[0].value, 1, &axis);
}

static bool fold_vector(struct onnx_call *call, enum binary what, const struct onnx_value *value)
{
    const size_t one = 1;
    struct onnx_value *result =
        onnx_value_make(&call->chain->arena, ONNX_INTEGERS,
                        onnx_int(call, "keepdims", 1) != 0 ? 1 : 0, &one, NULL, call->fault);
    if (result == NULL)
        return false;
    result->integers[0] = value->integers[0];
    for (size_t i = 1; i < value->elements; i++) {
        struct onnx_integer *sum = &result->integers[0];
        if (!fold_integers(what, sum->value, value->integers[i].value, &sum->value))
            return onnx_refuse(call, "too large a number");
        sum->sized = sum->sized || value->integers[i].sized;
    }
    return onnx_give(call, result);
}

bool onnx_fold_reduce(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    enum binary what;
    bool none = false;
    if (value == NULL)
        return false;
    if (value->content != ONNX_INTEGERS || value->rank != 1 || value->elements == 0)
        return onnx_refuse(call, "of what comes from a request it is no layer");
    if (!find_reduction(call->node->op_type, &what))
        return onnx_refuse(call, "of known integers it is not computed");
    if (!read_axes(call, &none))
        return false;
    return none ? onnx_give(call, value) : fold_vector(call, what, value);
}
