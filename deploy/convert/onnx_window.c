#include "deploy/convert/onnx_window.h"

#include <inttypes.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"

/* ---- attributes ---- */

/* Number i of a list that has one for each spatial dimension (ends: two). */
static bool read_size(const struct onnx_windows *windows, const char *name, size_t i, int64_t low,
                      size_t otherwise, size_t *size)
{
    const OnnxAttribute *attribute = onnx_attribute(windows->call, name);
    const size_t count = windows->value->rank - 2, ends = strcmp(name, "pads") == 0 ? 2 : 1;
    *size = otherwise;
    if (attribute == NULL)
        return true;
    if (attribute->n_ints != ends * count)
        return onnx_refuse(windows->call, "%s: %zu numbers expected, got %zu", name, ends * count,
                           attribute->n_ints);
    const int64_t value = attribute->ints[i];
    if (value < low || value > (int64_t)ONNX_REACH_MAX)
        return onnx_refuse(windows->call, "%s: %" PRId64 "..%zu expected, got %" PRId64, name, low,
                           ONNX_REACH_MAX, value);
    *size = (size_t)value;
    return true;
}

static bool read_auto_pad(struct onnx_windows *windows)
{
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    const OnnxAttribute *attribute = onnx_attribute(windows->call, "auto_pad");
    size_t found = 0;
    while (attribute != NULL && found < 4 &&
           (attribute->s.len != strlen(names[found]) ||
            memcmp(attribute->s.data, names[found], attribute->s.len) != 0))
        found++;
    if (found == 4)
        return onnx_refuse(windows->call, "auto_pad: NOTSET, VALID, SAME_UPPER or SAME_LOWER "
                                          "expected");
    windows->pads = found == 2 ? ONNX_PADS_UPPER : found == 3 ? ONNX_PADS_LOWER : ONNX_PADS;
    if (found > 0)
        windows->window.pad_left = windows->window.pad_right = 0;
    return true;
}

/* Along another spatial dimension than that of the steps there is but one place for it. */
bool onnx_windows_read(struct onnx_windows *windows, size_t size)
{
    const size_t count = windows->value->rank - 2;
    for (size_t i = 0; i < count; i++) {
        struct window window = {.padding = PADDING_EXPLICIT};
        if (!read_size(windows, "kernel_shape", i, 1, i + 2 == windows->axis ? size : 1,
                       &window.size) ||
            !read_size(windows, "strides", i, 1, 1, &window.stride) ||
            !read_size(windows, "dilations", i, 1, 1, &window.dilation) ||
            !read_size(windows, "pads", i, 0, 0, &window.pad_left) ||
            !read_size(windows, "pads", count + i, 0, 0, &window.pad_right))
            return false;
        if (i + 2 == windows->axis)
            windows->window = window;
        else if (window.size != 1 || window.pad_left != 0 || window.pad_right != 0)
            return onnx_refuse(windows->call,
                               "windows of steps alone expected, got one of %zu "
                               "along axis %zu too",
                               window.size, i + 2);
    }
    const struct window *window = &windows->window;
    if (window->size == 0)
        return onnx_refuse(windows->call, "kernel_shape is missing");
    if (window->size > ONNX_REACH_MAX || (window->size - 1) * window->dilation >= ONNX_REACH_MAX)
        return onnx_refuse(windows->call, "kernel_shape: windows of at most %zu steps expected",
                           ONNX_REACH_MAX);
    windows->round_up = onnx_int(windows->call, "ceil_mode", 0) != 0;
    return read_auto_pad(windows);
}

/* ---- the same window in the words of a config ---- */

/* With a last window that is not full, but not one that lies behind the row: whether that counts
 * depends on the runtime and its version, so that it is no number of windows that a layer has. */
static size_t round_up(const struct window *window, size_t steps, size_t count)
{
    const size_t padded = steps + window->pad_left + window->pad_right;
    const size_t reach = (window->size - 1) * window->dilation + 1;
    if ((padded - reach) % window->stride == 0)
        return count;
    return count * window->stride < steps + window->pad_left ? count + 1 : SIZE_MAX;
}

/* Where the node's first window begins before a row of so many steps, and how many windows there
 * are; none: no answer of the node's. */
static size_t count_windows(const struct onnx_windows *windows, size_t steps, size_t *left)
{
    struct window window = windows->window;
    if (windows->pads != ONNX_PADS)
        window.padding = PADDING_SAME;
    *left = window_pad_left(&window, steps);
    size_t count = window_output_steps(&window, steps);
    if (windows->pads == ONNX_PADS && windows->round_up && count > 0)
        count = round_up(&window, steps, count);
    if (windows->pads == ONNX_PADS_LOWER && count > 0) { /* the odd step at the beginning */
        const size_t reach = (count - 1) * window.stride + (window.size - 1) * window.dilation + 1;
        *left = reach > steps ? (reach - steps + 1) / 2 : 0;
    }
    return count;
}

static bool same_for(const struct onnx_windows *windows, const struct window *window, size_t steps)
{
    size_t left;
    const size_t count = count_windows(windows, steps, &left);
    return count == 0 ||
           (count == window_output_steps(window, steps) && left == window_pad_left(window, steps));
}

/* For all rows: from the reach on both go on alike, one window more for each stride. */
static bool same_windows(const struct onnx_windows *windows, const struct window *window)
{
    const struct window *own = &windows->window;
    const size_t reach = (own->size - 1) * own->dilation + 1;
    const size_t end = reach + own->pad_left + own->pad_right + 2 * own->stride;
    if (windows->known_steps)
        return same_for(windows, window, windows->steps);
    for (size_t steps = 1; steps <= end; steps++)
        if (!same_for(windows, window, steps))
            return false;
    return true;
}

static struct window window_for(const struct onnx_windows *windows, const char *padding)
{
    struct window window = windows->window;
    const bool causal = strcmp(padding, "causal") == 0, number = padding[0] == '\0';
    window.padding = strcmp(padding, "same") == 0 ? PADDING_SAME : PADDING_EXPLICIT;
    window.pad_left = causal   ? (window.size - 1) * window.dilation
                      : number ? windows->window.pad_left
                               : 0;
    window.pad_right = number ? windows->window.pad_left : 0;
    return window;
}

static bool fail_padding(const struct onnx_windows *windows, const char *first)
{
    const struct window *own = &windows->window;
    if (windows->pads == ONNX_PADS_LOWER)
        return onnx_refuse(windows->call, "auto_pad: SAME_LOWER, where in lstmd the odd step is at "
                                          "the end of a row");
    if (windows->round_up)
        return onnx_refuse(windows->call,
                           "ceil_mode: a last window that is not full, which lstmd's "
                           "layer does not have where the others are these");
    if (first[0] != '\0')
        return onnx_refuse(
            windows->call,
            "pads: none, or as many steps at both ends, or those of SAME_UPPER, that "
            "are not counted, expected, got %zu and %zu",
            own->pad_left, own->pad_right);
    return onnx_refuse(windows->call,
                       "pads: as many steps at both ends, or all %zu at the beginning, or those of "
                       "SAME_UPPER, expected, got %zu and %zu",
                       (own->size - 1) * own->dilation, own->pad_left, own->pad_right);
}

static bool find_padding(const struct onnx_windows *windows, const char *const *paddings,
                         struct onnx_window *found)
{
    const struct window *own = &windows->window;
    *found = (struct onnx_window){own->size, own->stride, own->dilation, NULL, own->pad_left};
    for (size_t i = 0; paddings[i] != NULL; i++) {
        const struct window window = window_for(windows, paddings[i]);
        if (!same_windows(windows, &window))
            continue;
        found->padding = paddings[i][0] != '\0' ? paddings[i] : NULL;
        return true;
    }
    return fail_padding(windows, paddings[0]);
}

/* ---- what goes in and comes out ---- */

/* Of the spatial dimensions the one that is steps: where there are two, one is 1. */
bool onnx_windows_begin(struct onnx_windows *windows, struct onnx_call *call)
{
    const struct onnx_value *value = onnx_need(call, 0);
    *windows = (struct onnx_windows){.call = call, .value = value};
    if (value == NULL)
        return false;
    if (value->content != ONNX_PLACES || value->elements == 0 || value->rank < 3 || value->rank > 4)
        return onnx_refuse(windows->call, "[B,C,T] of what comes from a request expected, got %s",
                           onnx_shape_of(value).text);
    windows->axis = value->rank - 1;
    if (value->rank == 4 && value->dims[3] == 1 && value->dims[2] != 1)
        windows->axis = 2;
    return value->rank == 3 || value->dims[5 - windows->axis] == 1 ||
           onnx_refuse(windows->call, "steps of features expected, got two dimensions, %s",
                       onnx_shape_of(value).text);
}

/* [B,C,T] as [B,T,C]. */
static const struct onnx_value *steps_of_features(const struct onnx_windows *windows)
{
    static const size_t order[] = {0, 2, 1};
    struct onnx_call *call = windows->call;
    const struct onnx_value *value = windows->value;
    const size_t dims[] = {value->dims[0], value->dims[1], value->dims[windows->axis]};
    const bool free[] = {value->free[0], value->free[1], value->free[windows->axis]};
    const struct onnx_value *flat =
        onnx_value_reshape(&call->chain->arena, value, 3, dims, free, call->fault);
    return flat != NULL ? onnx_turned(call, flat, order) : NULL;
}

static bool fail_channels(const struct onnx_windows *windows)
{
    return onnx_refuse(windows->call, "all steps of all rows as [B,C,T] expected, got %s",
                       onnx_shape_of(windows->value).text);
}

bool onnx_windows_input(struct onnx_windows *windows)
{
    struct onnx_call *call = windows->call;
    struct onnx_features features;
    const struct onnx_value *value = steps_of_features(windows);
    if (value == NULL)
        return false;
    if (call->chain->sources[value->places[0].source].kind == ONNX_SOURCE_INPUT &&
        !onnx_chain_is_whole(call->chain, value, value->places[0].source, true))
        return fail_channels(windows);
    if (!onnx_chain_features(call->chain, value, &features, call->fault))
        return false;
    const struct onnx_value *whole =
        onnx_chain_places(call->chain, value, &features, features.source, call->fault);
    windows->before = features.source;
    if (whole == NULL)
        return false;
    if (call->chain->sources[features.source].vector ||
        !onnx_chain_is_whole(call->chain, whole, features.source, true))
        return fail_channels(windows);
    if (onnx_chain_knows_lengths(call->chain, features.source))
        return onnx_refuse(call, "windows of steps, those past a row's length among them, which "
                                 "lstmd leaves out");
    windows->steps = call->chain->sources[features.source].steps;
    windows->known_steps = call->chain->fixed_steps;
    call->chain->layer_count++;
    return true;
}

/* How many steps come out. A walk that stands for any number needs some of them, or a step would be
 * taken for all. */
static bool count_steps(const struct onnx_windows *windows, size_t *steps)
{
    size_t left;
    *steps = count_windows(windows, windows->steps, &left);
    if (!windows->known_steps && *steps < 3)
        *windows->call->wants_steps = true;
    return *steps > 0 || onnx_refuse(windows->call, "a window of %zu of %zu steps",
                                     windows->window.size, windows->steps);
}

const struct onnx_value *onnx_windows_places(const struct onnx_windows *windows,
                                             const struct onnx_layer *layer)
{
    struct onnx_chain *chain = windows->call->chain;
    const struct onnx_value *value = windows->value;
    const size_t width = chain->sources[layer->after].width, steps = layer->steps;
    size_t dims[ONNX_RANK_MAX] = {value->dims[0], width, 1, 1};
    bool free[ONNX_RANK_MAX] = {value->free[0]};
    dims[windows->axis] = steps;
    free[windows->axis] = value->free[windows->axis];
    struct onnx_value *places =
        onnx_value_make(&chain->arena, ONNX_PLACES, value->rank, dims, free, windows->call->fault);
    for (size_t i = 0; places != NULL && i < places->elements; i++)
        places->places[i] =
            (struct onnx_place){layer->after, (uint32_t)(i % steps), (uint32_t)(i / steps / width),
                                (uint32_t)(i / steps % width)};
    return places;
}

bool onnx_windows_give(const struct onnx_windows *windows, struct onnx_layer *layer,
                       const char *const *paddings, size_t width)
{
    struct onnx_call *call = windows->call;
    if (!find_padding(windows, paddings, &layer->window) || !count_steps(windows, &layer->steps))
        return false;
    layer->name = call->name;
    layer->before = windows->before;
    const struct onnx_layer *added =
        onnx_chain_add_layer(call->chain, layer, width, false, call->fault);
    return added != NULL && onnx_give(call, onnx_windows_places(windows, added));
}
