#include "deploy/convert/onnx_inputs.h"

#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_element.h"
#include "proto/excerpt.h"

#define WIDTH_GUESSED 11

struct onnx_declared onnx_declared_of(const OnnxValueInfo *info)
{
    struct onnx_declared declared = {0};
    const OnnxTensorType *type = info->type != NULL ? info->type->tensor_type : NULL;
    if (type == NULL)
        return declared;
    declared.type = type->elem_type;
    if (type->shape == NULL || type->shape->n_dim > ONNX_RANK_MAX)
        return declared;
    declared.has_shape = true;
    declared.rank = type->shape->n_dim;
    for (size_t i = 0; i < declared.rank; i++) {
        const OnnxDimension *dim = type->shape->dim[i];
        declared.dims[i] = dim->has_dim_value && dim->dim_value > 0 ? dim->dim_value : -1;
        declared.params[i] = dim->dim_param;
    }
    return declared;
}

bool onnx_declared_is_float(const struct onnx_declared *declared)
{
    return declared->type == ONNX_ELEMENT_FLOAT;
}

bool onnx_declared_is_integer(const struct onnx_declared *declared)
{
    return declared->type == ONNX_ELEMENT_INT32 || declared->type == ONNX_ELEMENT_INT64;
}

/* Place i, row-major, of the source in dimensions that are these. */
static struct onnx_place place_of(uint32_t source, const char *axes, const size_t *dims, size_t i)
{
    struct onnx_place place = {.source = source};
    for (size_t axis = strlen(axes); axis-- > 0; i /= dims[axis]) {
        const uint32_t at = (uint32_t)(i % dims[axis]);
        *(axes[axis] == 'T' ? &place.step : axes[axis] == 'B' ? &place.row : &place.feature) = at;
    }
    return place;
}

/* A value of the source's places in dimensions that are these; T are the cells of states. */
static struct onnx_value *make_places(struct onnx_walk *walk, const struct onnx_source *source,
                                      const char *axes, struct fault *fault)
{
    const struct onnx_sizes *sizes = &walk->sizes;
    size_t dims[3];
    bool free[3];
    uint32_t number;
    for (size_t i = 0; axes[i] != '\0'; i++) {
        const bool rows = axes[i] == 'B', steps = axes[i] == 'T' && source->cells == 0;
        dims[i] = rows             ? sizes->rows
                  : steps          ? sizes->steps
                  : axes[i] == 'T' ? source->cells
                                   : source->width;
        free[i] = (rows && sizes->any_rows) || (steps && sizes->any_steps);
    }
    if (!onnx_chain_add_source(&walk->chain, source, &number, fault))
        return NULL;
    struct onnx_value *value =
        onnx_value_make(&walk->chain.arena, ONNX_PLACES, strlen(axes), dims, free, fault);
    for (size_t i = 0; value != NULL && i < value->elements; i++)
        value->places[i] = place_of(number, axes, dims, i);
    return value;
}

static struct onnx_value *unknown(struct onnx_walk *walk, const OnnxValueInfo *info,
                                  const char *what, struct fault *fault)
{
    struct fault why;
    fault_set(&why, 400, "graph input '%s' is needed: %s",
              excerpt_of(info->name != NULL ? info->name : "").text, what);
    return onnx_value_unknown(&walk->chain.arena, &why, fault);
}

/* Features of a step: as many as nothing else for a first walk that does not know better, so that
 * the layer that takes them, and whose weights tell, finds them. */
static size_t width_of(const struct onnx_declared *declared, const struct onnx_sizes *sizes)
{
    const size_t axis = onnx_axis_of(sizes->axes, 'F');
    if (axis == declared->rank)
        return 1;
    return declared->dims[axis] > 0 ? (size_t)declared->dims[axis]
           : sizes->width > 0       ? sizes->width
                                    : WIDTH_GUESSED;
}

static struct onnx_value *main_input(struct onnx_walk *walk, const OnnxValueInfo *info,
                                     const struct onnx_declared *declared, struct fault *fault)
{
    const struct onnx_sizes *sizes = &walk->sizes;
    const struct onnx_source source = {.kind = ONNX_SOURCE_INPUT,
                                       .input = info,
                                       .width = width_of(declared, sizes),
                                       .steps = sizes->steps,
                                       .whole_numbers = sizes->numbers,
                                       .batch_first = onnx_axes_batch_first(sizes->axes)};
    return make_places(walk, &source, sizes->axes, fault);
}

/* Which dimension of a states' input is the rows: the one named like the input's, else the one that
 * the graph leaves open, else the second. */
static bool state_is_batch_first(const struct onnx_walk *walk, const struct onnx_declared *state)
{
    const OnnxGraph *graph = walk->model->graph;
    const struct onnx_declared input = onnx_declared_of(graph->input[walk->sizes.input]);
    const char *rows = input.params[onnx_axis_of(walk->sizes.axes, 'B')];
    for (size_t i = 0; i < 2 && rows != NULL; i++)
        if (state->params[i] != NULL && strcmp(state->params[i], rows) == 0)
            return i == 0;
    if ((state->dims[0] < 0) != (state->dims[1] < 0))
        return state->dims[0] < 0;
    return state->dims[1] != (int64_t)walk->sizes.rows && !walk->sizes.any_rows &&
           state->dims[0] == (int64_t)walk->sizes.rows;
}

static struct onnx_value *state_input(struct onnx_walk *walk, const OnnxValueInfo *info,
                                      const struct onnx_declared *declared, struct fault *fault)
{
    const bool first = state_is_batch_first(walk, declared);
    const int64_t cells = declared->dims[first ? 1 : 0], width = declared->dims[2];
    if (cells < 0 || width < 0)
        return unknown(walk, info, "states of a size that is known expected, [L*D,B,H]", fault);
    const struct onnx_source source = {.kind = ONNX_SOURCE_STATE,
                                       .input = info,
                                       .width = (size_t)width,
                                       .cells = (size_t)cells,
                                       .batch_first = first};
    return make_places(walk, &source, first ? "BTF" : "TBF", fault);
}

static struct onnx_value *lengths_input(struct onnx_walk *walk, const OnnxValueInfo *info,
                                        struct fault *fault)
{
    const struct onnx_source source = {
        .kind = ONNX_SOURCE_LENGTHS, .input = info, .width = 1, .batch_first = true};
    return make_places(walk, &source, "B", fault);
}

struct onnx_value *onnx_inputs_value(struct onnx_walk *walk, size_t i, struct fault *fault)
{
    const OnnxValueInfo *info = walk->model->graph->input[i];
    const struct onnx_declared declared = onnx_declared_of(info);
    if (i == walk->sizes.input)
        return main_input(walk, info, &declared, fault);
    if (onnx_declared_is_float(&declared) && declared.rank == 3)
        return state_input(walk, info, &declared, fault);
    if (onnx_declared_is_integer(&declared) && declared.rank == 1)
        return lengths_input(walk, info, fault);
    return unknown(walk, info, "it is neither the network's input nor initial states or lengths",
                   fault);
}
