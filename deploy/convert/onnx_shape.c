/* Sizes of values, and the same elements in another shape. */
#include <inttypes.h>
#include <string.h>

#include "core/checked.h"
#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"

static struct onnx_value *make_integers(struct onnx_call *call, size_t rank, size_t count)
{
    return onnx_value_make(&call->chain->arena, ONNX_INTEGERS, rank, &count, NULL, call->fault);
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

bool onnx_shape(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    if (value == NULL)
        return false;
    const int64_t rank = (int64_t)value->rank;
    int64_t begin = onnx_int(call, "start", 0), end = onnx_int(call, "end", rank);
    begin = clamp(begin < 0 ? begin + rank : begin, 0, rank);
    end = clamp(end < 0 ? end + rank : end, begin, rank);
    struct onnx_value *shape = make_integers(call, 1, (size_t)(end - begin));
    for (int64_t i = begin; shape != NULL && i < end; i++)
        shape->integers[i - begin] = (struct onnx_integer){(int64_t)value->dims[i], value->free[i]};
    return onnx_give(call, shape);
}

bool onnx_size(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_value *size = value != NULL ? make_integers(call, 0, 0) : NULL;
    if (size == NULL)
        return false;
    size->integers[0].value = (int64_t)value->elements;
    for (size_t i = 0; i < value->rank; i++)
        size->integers[0].sized = size->integers[0].sized || value->free[i];
    return onnx_give(call, size);
}

/* ---- the same elements in another shape ---- */

struct shape {
    size_t rank;
    size_t dims[ONNX_RANK_MAX];
    bool free[ONNX_RANK_MAX];
};

static bool reshape_to(struct onnx_call *call, const struct onnx_value *value,
                       const struct shape *shape)
{
    return onnx_give(call, onnx_value_reshape(&call->chain->arena, value, shape->rank, shape->dims,
                                              shape->free, call->fault));
}

bool onnx_identity(struct onnx_call *call)
{
    return onnx_give(call, onnx_need(call, 0));
}

/* Does nothing outside of training; its mask is for training alone. */
bool onnx_dropout(struct onnx_call *call)
{
    const struct onnx_value *training = onnx_input(call, 2);
    if (training != NULL && (training->content != ONNX_INTEGERS || training->elements != 1 ||
                             training->integers[0].value != 0))
        return onnx_refuse(call, "training_mode: false expected");
    if (call->output_count > 1) {
        const struct fault why = {400, "Dropout's mask is not given by lstmd"};
        call->outputs[1] = onnx_value_unknown(&call->chain->arena, &why, call->fault);
        if (call->outputs[1] == NULL)
            return false;
    }
    return onnx_give(call, onnx_need(call, 0));
}

static bool any_free(const struct onnx_value *value)
{
    bool any = false;
    for (size_t i = 0; i < value->rank; i++)
        any = any || value->free[i];
    return any;
}

/* The dimension that is -1: what the others leave. */
static bool solve(const struct onnx_call *call, const struct onnx_value *value, struct shape *shape,
                  size_t unknown)
{
    size_t known = 1;
    bool fits = true;
    for (size_t i = 0; i < shape->rank; i++)
        if (i != unknown)
            fits = fits && checked_mul(known, shape->dims[i], &known);
    if (unknown < shape->rank && known != 0) {
        shape->dims[unknown] = value->elements / known;
        fits = fits && checked_mul(known, shape->dims[unknown], &known);
    }
    return (fits && known == value->elements) ||
           onnx_refuse(call, "a value of shape %s does not fit the shape it is to have",
                       onnx_shape_of(value).text);
}

static bool read_shape(const struct onnx_call *call, const struct onnx_value *value,
                       const struct onnx_integers *wanted, struct shape *shape, size_t *unknown)
{
    const bool zero_is_zero = onnx_int(call, "allowzero", 0) != 0;
    *shape = (struct shape){.rank = wanted->count};
    *unknown = wanted->count;
    for (size_t i = 0; i < wanted->count; i++) {
        const int64_t size = wanted->list[i].value;
        shape->free[i] = wanted->list[i].sized;
        if (size == -1 && *unknown == wanted->count) {
            *unknown = i;
            shape->free[i] = any_free(value);
        } else if (size == 0 && !zero_is_zero && i < value->rank) {
            shape->dims[i] = value->dims[i];
            shape->free[i] = value->free[i];
        } else if (size >= 0) {
            shape->dims[i] = (size_t)size;
        } else {
            return onnx_refuse(call, "a dimension of %" PRId64, size);
        }
    }
    return true;
}

bool onnx_reshape(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers wanted;
    struct shape shape;
    size_t unknown;
    if (value == NULL || !onnx_integers(call, "shape", 1, &wanted))
        return false;
    if (wanted.list == NULL || wanted.count > ONNX_RANK_MAX)
        return onnx_refuse(call, "a shape of at most %d dimensions expected", ONNX_RANK_MAX);
    return read_shape(call, value, &wanted, &shape, &unknown) &&
           solve(call, value, &shape, unknown) && reshape_to(call, value, &shape);
}

bool onnx_flatten(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct shape shape = {.rank = 2, .dims = {1, 1}};
    int64_t axis = onnx_int(call, "axis", 1);
    if (value == NULL)
        return false;
    if (axis < 0)
        axis += (int64_t)value->rank;
    if (axis < 0 || axis > (int64_t)value->rank)
        return onnx_refuse(call, "axis %" PRId64 " of %zu dimensions", axis, value->rank);
    for (size_t i = 0; i < value->rank; i++) {
        const size_t to = (int64_t)i < axis ? 0 : 1;
        shape.dims[to] *= value->dims[i]; /* a divisor of elements */
        shape.free[to] = shape.free[to] || value->free[i];
    }
    return reshape_to(call, value, &shape);
}

static bool mark_axes(const struct onnx_call *call, const struct onnx_integers *axes, size_t rank,
                      bool marked[ONNX_RANK_MAX])
{
    memset(marked, 0, ONNX_RANK_MAX * sizeof marked[0]);
    for (size_t i = 0; i < axes->count; i++) {
        size_t axis;
        if (!onnx_axis(call, axes->list[i].value, rank, &axis))
            return false;
        marked[axis] = true;
    }
    return true;
}

bool onnx_squeeze(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers axes;
    bool marked[ONNX_RANK_MAX];
    struct shape shape = {0};
    if (value == NULL || !onnx_integers(call, "axes", 1, &axes) ||
        !mark_axes(call, &axes, value->rank, marked))
        return false;
    for (size_t i = 0; i < value->rank; i++) {
        const bool gone = axes.list != NULL ? marked[i] : value->dims[i] == 1;
        if (gone)
            onnx_want_width(call, value, i, 1);
        if (gone && value->dims[i] != 1)
            return onnx_refuse(call, "axes: dimension %zu is %zu rather than 1", i, value->dims[i]);
        if (gone)
            continue;
        shape.dims[shape.rank] = value->dims[i];
        shape.free[shape.rank++] = value->free[i];
    }
    return reshape_to(call, value, &shape);
}

bool onnx_unsqueeze(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers axes;
    bool marked[ONNX_RANK_MAX];
    if (value == NULL || !onnx_integers(call, "axes", 1, &axes))
        return false;
    struct shape shape = {.rank = value->rank + axes.count};
    if (axes.count > ONNX_RANK_MAX || shape.rank > ONNX_RANK_MAX)
        return onnx_refuse(call, "more than %d dimensions", ONNX_RANK_MAX);
    if (!mark_axes(call, &axes, shape.rank, marked))
        return false;
    for (size_t i = 0, from = 0; i < shape.rank; i++) {
        if (!marked[i] && from == value->rank)
            return onnx_refuse(call, "axes: one is there twice");
        shape.dims[i] = marked[i] ? 1 : value->dims[from];
        shape.free[i] = !marked[i] && value->free[from];
        from += marked[i] ? 0 : 1;
    }
    return reshape_to(call, value, &shape);
}
