/* Elements moved, whatever they are: what exporters put between layers. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "core/checked.h"
#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"

/* A value read by steps of its elements: dimension i of the result goes by strides[i]. */
struct view {
    size_t rank;
    size_t dims[ONNX_RANK_MAX];
    bool free[ONNX_RANK_MAX];
    ptrdiff_t strides[ONNX_RANK_MAX];
    ptrdiff_t offset;
};

static struct view view_of(const struct onnx_value *value)
{
    struct view view = {.rank = value->rank};
    ptrdiff_t stride = 1;
    for (size_t i = value->rank; i-- > 0; stride *= (ptrdiff_t)value->dims[i]) {
        view.dims[i] = value->dims[i];
        view.free[i] = value->free[i];
        view.strides[i] = stride;
    }
    return view;
}

/* Counts index up by one, the last dimension fastest, and keeps the place in step with it. */
static void advance(const struct view *view, size_t index[ONNX_RANK_MAX], ptrdiff_t *at)
{
    for (size_t i = view->rank; i-- > 0;) {
        *at += view->strides[i];
        if (++index[i] < view->dims[i])
            return;
        *at -= view->strides[i] * (ptrdiff_t)view->dims[i];
        index[i] = 0;
    }
}

static struct onnx_value *copy_view(struct onnx_call *call, const struct onnx_value *value,
                                    const struct view *view)
{
    const size_t size = onnx_cell_size(value->content);
    size_t index[ONNX_RANK_MAX] = {0};
    ptrdiff_t at = view->offset;
    struct onnx_value *copy = onnx_value_make(&call->chain->arena, value->content, view->rank,
                                              view->dims, view->free, call->fault);
    for (size_t i = 0; copy != NULL && i < copy->elements; i++) {
        memcpy((char *)copy->cells + i * size, (const char *)value->cells + (size_t)at * size,
               size);
        advance(view, index, &at);
    }
    return copy;
}

const struct onnx_value *onnx_turned(struct onnx_call *call, const struct onnx_value *value,
                                     const size_t *order)
{
    const struct view from = view_of(value);
    struct view view = {.rank = value->rank};
    for (size_t i = 0; i < value->rank; i++) {
        view.dims[i] = from.dims[order[i]];
        view.free[i] = from.free[order[i]];
        view.strides[i] = from.strides[order[i]];
    }
    return copy_view(call, value, &view);
}

bool onnx_transpose(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers order;
    bool taken[ONNX_RANK_MAX] = {false};
    size_t axes[ONNX_RANK_MAX];
    if (value == NULL || !onnx_integers(call, "perm", 0, &order))
        return false;
    if (order.list != NULL && order.count != value->rank)
        return onnx_refuse(call, "perm: %zu axes expected, got %zu", value->rank, order.count);
    for (size_t i = 0; i < value->rank; i++) {
        axes[i] = value->rank - 1 - i;
        if (order.list != NULL && !onnx_axis(call, order.list[i].value, value->rank, &axes[i]))
            return false;
        if (taken[axes[i]])
            return onnx_refuse(call, "perm: axis %zu is there twice", axes[i]);
        taken[axes[i]] = true;
    }
    return onnx_give(call, onnx_turned(call, value, axes));
}

/* ---- Slice ---- */

/* A bound within 0..size (walking backwards: -1..size-1). One that a dimension of any size is cut
 * to must be meant as "to the end", or other sizes would be cut elsewhere. */
static bool bound(const struct onnx_call *call, const struct onnx_value *value, size_t axis,
                  struct onnx_integer said, bool backwards, int64_t *at)
{
    const int64_t size = (int64_t)value->dims[axis], low = backwards ? -1 : 0;
    const int64_t high = backwards ? size - 1 : size;
    const bool is_end = said.value >= INT32_MAX || said.value <= -(int64_t)INT32_MAX;
    const int64_t from_front = said.value < 0 && !is_end ? said.value + size : said.value;
    *at = from_front < low ? low : from_front > high ? high : from_front;
    if (*at != from_front && value->free[axis] && !is_end && !said.sized)
        return onnx_refuse(call, "%" PRId64 " along axis %zu, which may have any size", said.value,
                           axis);
    return true;
}

static bool slice_axis(const struct onnx_call *call, const struct onnx_value *value,
                       struct view *view, size_t axis, struct onnx_integer from,
                       struct onnx_integer to, int64_t step)
{
    int64_t begin, end;
    if (step == 0 || step > INT32_MAX || step < -INT32_MAX)
        return onnx_refuse(call, "steps: %" PRId64, step);
    if (!bound(call, value, axis, from, step < 0, &begin) ||
        !bound(call, value, axis, to, step < 0, &end))
        return false;
    const int64_t span = step > 0 ? end - begin : begin - end, stride = step > 0 ? step : -step;
    const int64_t count = span > 0 ? (span + stride - 1) / stride : 0;
    if (count > 0)
        view->offset += (ptrdiff_t)begin * view->strides[axis];
    view->strides[axis] *= (ptrdiff_t)step;
    view->dims[axis] = (size_t)count;
    view->free[axis] = view->free[axis] && count > 1;
    return true;
}

static bool check_slice(const struct onnx_call *call, const struct onnx_integers *from,
                        const struct onnx_integers *to, const struct onnx_integers *axes,
                        const struct onnx_integers *steps, size_t rank)
{
    const size_t count = from->count;
    const bool whole = from->list != NULL && to->list != NULL && to->count == count &&
                       (axes->list == NULL ? count <= rank : axes->count == count) &&
                       (steps->list == NULL || steps->count == count);
    return whole || onnx_refuse(call, "starts, ends, axes and steps disagree");
}

bool onnx_slice(struct onnx_call *call)
{
    static const struct onnx_integer one = {1, false};
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers from, to, axes, steps;
    bool taken[ONNX_RANK_MAX] = {false};
    if (value == NULL || !onnx_integers(call, "starts", 1, &from) ||
        !onnx_integers(call, "ends", 2, &to) || !onnx_integers(call, "axes", 3, &axes) ||
        !onnx_integers(call, "steps", 4, &steps) ||
        !check_slice(call, &from, &to, &axes, &steps, value->rank))
        return false;
    struct view view = view_of(value);
    for (size_t i = 0; i < from.count; i++) {
        size_t axis = i;
        if (axes.list != NULL && !onnx_axis(call, axes.list[i].value, value->rank, &axis))
            return false;
        if (taken[axis])
            return onnx_refuse(call, "axes: %zu is there twice", axis);
        taken[axis] = true;
        const struct onnx_integer step = steps.list != NULL ? steps.list[i] : one;
        if (!slice_axis(call, value, &view, axis, from.list[i], to.list[i], step.value))
            return false;
    }
    return onnx_give(call, copy_view(call, value, &view));
}

/* ---- Split ---- */

static bool split_size(const struct onnx_call *call, const struct onnx_integers *sizes, size_t i,
                       size_t total, size_t begin, size_t *size)
{
    const size_t parts = call->output_count, even = (total + parts - 1) / parts;
    *size = total - begin < even ? total - begin : even;
    if (sizes->list == NULL)
        return true;
    if (sizes->count != parts || sizes->list[i].value < 0 ||
        (uint64_t)sizes->list[i].value > total - begin)
        return onnx_refuse(call, "split: sizes that add up to %zu expected", total);
    *size = (size_t)sizes->list[i].value;
    return true;
}

bool onnx_split(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers sizes;
    size_t axis, begin = 0;
    if (value == NULL || !onnx_integers(call, "split", 1, &sizes) ||
        !onnx_axis(call, onnx_int(call, "axis", 0), value->rank, &axis))
        return false;
    if (value->free[axis])
        return onnx_refuse(call, "axis %zu may have any size", axis);
    for (size_t i = 0; i < call->output_count; i++) {
        struct view view = view_of(value);
        if (!split_size(call, &sizes, i, value->dims[axis], begin, &view.dims[axis]))
            return false;
        view.offset = (ptrdiff_t)begin * view.strides[axis];
        begin += view.dims[axis];
        call->outputs[i] = copy_view(call, value, &view);
        if (call->outputs[i] == NULL)
            return false;
    }
    return begin == value->dims[axis] || onnx_refuse(call, "split: not all of axis %zu", axis);
}

/* ---- Concat ---- */

static bool fits_beside(const struct onnx_value *a, const struct onnx_value *b, size_t axis)
{
    bool fits = a->content == b->content && a->rank == b->rank;
    for (size_t i = 0; fits && i < a->rank; i++)
        fits = i == axis || a->dims[i] == b->dims[i];
    return fits;
}

static bool concat_dims(struct onnx_call *call, size_t axis, struct view *view)
{
    *view = view_of(call->inputs[0]);
    for (size_t i = 1; i < call->input_count; i++) {
        const struct onnx_value *value = onnx_need(call, i);
        if (value == NULL)
            return false;
        if (!fits_beside(call->inputs[0], value, axis))
            return onnx_refuse(call, "input %zu, %s, is of another kind or shape than input 0, %s",
                               i, onnx_shape_of(value).text, onnx_shape_of(call->inputs[0]).text);
        if (!checked_add(view->dims[axis], value->dims[axis], &view->dims[axis]))
            return onnx_refuse(call, "too large");
        view->free[axis] = view->free[axis] || value->free[axis];
    }
    return true;
}

bool onnx_concat(struct onnx_call *call)
{
    const struct onnx_value *first = onnx_need(call, 0);
    struct view view;
    size_t axis, outer = 1, at = 0;
    if (first == NULL || !onnx_axis(call, onnx_int(call, "axis", 1), first->rank, &axis) ||
        !concat_dims(call, axis, &view))
        return false;
    struct onnx_value *whole = onnx_value_make(&call->chain->arena, first->content, view.rank,
                                               view.dims, view.free, call->fault);
    const size_t size = onnx_cell_size(first->content);
    if (whole == NULL)
        return false;
    for (size_t i = 0; i < axis; i++)
        outer *= first->dims[i];
    for (size_t i = 0; i < call->input_count; i++) {
        const struct onnx_value *part = call->inputs[i];
        const size_t run = outer > 0 ? part->elements / outer : 0;
        for (size_t o = 0; o < outer; o++)
            memcpy((char *)whole->cells + (o * (whole->elements / outer) + at) * size,
                   (const char *)part->cells + o * run * size, run * size);
        at += run;
    }
    return onnx_give(call, whole);
}

/* ---- Expand, Tile, Where: elements said more than once ---- */

/* The value with its dimensions at the end of the wanted ones, its ones repeated. */
static bool spread(const struct onnx_call *call, const struct onnx_value *value, struct view *view,
                   const struct view *wanted)
{
    const struct view from = view_of(value);
    const size_t lead = wanted->rank - value->rank;
    *view = *wanted;
    view->offset = 0;
    for (size_t i = 0; i < wanted->rank; i++) {
        const size_t dim = i < lead ? 1 : from.dims[i - lead];
        if (dim != 1 && dim != wanted->dims[i])
            return onnx_refuse(call, "shapes that do not go together: %s",
                               onnx_shape_of(value).text);
        view->strides[i] = dim == 1 ? 0 : from.strides[i - lead];
    }
    return true;
}

/* Makes wanted as large as the value where it is one. */
static void widen(struct view *wanted, const struct onnx_value *value)
{
    const size_t rank = value->rank > wanted->rank ? value->rank : wanted->rank;
    struct view wide = {.rank = rank};
    for (size_t i = 0; i < rank; i++) {
        const size_t a = i + wanted->rank, b = i + value->rank; /* minus rank: the index there */
        const size_t size = a >= rank ? wanted->dims[a - rank] : 1;
        const size_t other = b >= rank ? value->dims[b - rank] : 1;
        wide.dims[i] = size == 1 ? other : size;
        wide.free[i] =
            (a >= rank && wanted->free[a - rank]) || (b >= rank && value->free[b - rank]);
    }
    *wanted = wide;
}

bool onnx_expand(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers shape;
    struct view view, wanted = {0};
    if (value == NULL || !onnx_integers(call, "shape", 1, &shape))
        return false;
    if (shape.list == NULL || shape.count > ONNX_RANK_MAX)
        return onnx_refuse(call, "a shape of at most %d dimensions expected", ONNX_RANK_MAX);
    wanted.rank = shape.count;
    for (size_t i = 0; i < shape.count; i++) {
        if (shape.list[i].value < 0)
            return onnx_refuse(call, "a dimension of %" PRId64, shape.list[i].value);
        wanted.dims[i] = (size_t)shape.list[i].value;
        wanted.free[i] = shape.list[i].sized;
    }
    widen(&wanted, value);
    return spread(call, value, &view, &wanted) && onnx_give(call, copy_view(call, value, &view));
}

bool onnx_tile(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    struct onnx_integers repeats;
    struct view wanted = {0}, view;
    if (value == NULL || !onnx_integers(call, "repeats", 1, &repeats))
        return false;
    if (repeats.list == NULL || repeats.count != value->rank)
        return onnx_refuse(call, "repeats: %zu expected", value->rank);
    wanted.rank = value->rank;
    for (size_t i = 0; i < value->rank; i++) {
        const int64_t count = repeats.list[i].value;
        if (count < 0 || (count > 1 && value->dims[i] != 1))
            return onnx_refuse(call, "repeats: %" PRId64 " of dimension %zu, which is %zu", count,
                               i, value->dims[i]);
        wanted.dims[i] = count > 1 ? (size_t)count : value->dims[i];
        wanted.free[i] = value->free[i] || repeats.list[i].sized;
    }
    return spread(call, value, &view, &wanted) && onnx_give(call, copy_view(call, value, &view));
}

static struct onnx_value *spread_copy(struct onnx_call *call, const struct onnx_value *value,
                                      const struct view *wanted)
{
    struct view view;
    return spread(call, value, &view, wanted) ? copy_view(call, value, &view) : NULL;
}

bool onnx_where(struct onnx_call *call)
{
    const struct onnx_value *which = onnx_need(call, 0), *a = onnx_need(call, 1);
    const struct onnx_value *b = onnx_need(call, 2);
    struct view wanted = {0};
    if (which == NULL || a == NULL || b == NULL)
        return false;
    if (which->content != ONNX_INTEGERS || a->content != b->content)
        return onnx_refuse(call, "a condition that is known, and two values of one kind, expected");
    widen(&wanted, which);
    widen(&wanted, a);
    widen(&wanted, b);
    const struct onnx_value *condition = spread_copy(call, which, &wanted);
    const struct onnx_value *other = spread_copy(call, b, &wanted);
    struct onnx_value *chosen = spread_copy(call, a, &wanted);
    if (condition == NULL || other == NULL || chosen == NULL)
        return false;
    const size_t size = onnx_cell_size(a->content);
    for (size_t i = 0; i < chosen->elements; i++) {
        if (condition->integers[i].sized)
            return onnx_refuse(call, "its condition differs with the sizes of a request");
        if (condition->integers[i].value == 0)
            memcpy((char *)chosen->cells + i * size, (const char *)other->cells + i * size, size);
    }
    return onnx_give(call, chosen);
}

/* ---- Gather of elements that are known to stand somewhere ---- */

static bool check_index(const struct onnx_call *call, const struct onnx_value *value, size_t axis,
                        struct onnx_integer index, size_t *at)
{
    const int64_t size = (int64_t)value->dims[axis];
    if (index.value < -size || index.value >= size)
        return onnx_refuse(call, "index %" PRId64 " along axis %zu of %s", index.value, axis,
                           onnx_shape_of(value).text);
    *at = (size_t)(index.value < 0 ? index.value + size : index.value);
    return true;
}

static void pick_dims(const struct onnx_value *value, const struct onnx_value *indices, size_t axis,
                      struct view *view)
{
    *view = (struct view){0};
    for (size_t i = 0; i < value->rank; i++) {
        if (i != axis) {
            view->dims[view->rank] = value->dims[i];
            view->free[view->rank++] = value->free[i];
            continue;
        }
        for (size_t j = 0; j < indices->rank; j++) {
            view->dims[view->rank] = indices->dims[j];
            view->free[view->rank++] = indices->free[j];
        }
    }
}

/* Gather whose indices are known. */
bool onnx_pick(struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0), *indices = onnx_need(call, 1);
    struct view view;
    size_t axis, outer = 1;
    if (value == NULL || indices == NULL ||
        !onnx_axis(call, onnx_int(call, "axis", 0), value->rank, &axis))
        return false;
    if (indices->content != ONNX_INTEGERS || value->rank + indices->rank > ONNX_RANK_MAX + 1)
        return onnx_refuse(call, "indices that are known expected");
    pick_dims(value, indices, axis, &view);
    struct onnx_value *picked = onnx_value_make(&call->chain->arena, value->content, view.rank,
                                                view.dims, view.free, call->fault);
    if (picked == NULL)
        return false;
    for (size_t i = 0; i < axis; i++)
        outer *= value->dims[i];
    const size_t along = value->dims[axis];
    const size_t run = outer * along > 0 ? value->elements / (outer * along) : 0;
    const size_t size = onnx_cell_size(value->content) * run, count = indices->elements;
    for (size_t k = 0; k < count; k++) {
        size_t at = 0;
        if (!check_index(call, value, axis, indices->integers[k], &at))
            return false;
        for (size_t o = 0; o < outer; o++)
            memcpy((char *)picked->cells + (o * count + k) * size,
                   (const char *)value->cells + (o * along + at) * size, size);
    }
    return onnx_give(call, picked);
}
