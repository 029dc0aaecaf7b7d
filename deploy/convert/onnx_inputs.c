#include "deploy/convert/onnx_inputs.h"

#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "proto/excerpt.h"

enum { TYPE_FLOAT = 1, TYPE_INT32 = 6, TYPE_INT64 = 7 };

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
    return declared->type == TYPE_FLOAT;
}

bool onnx_declared_is_integer(const struct onnx_declared *declared)
{
    return declared->type == TYPE_INT32 || declared->type == TYPE_INT64;
}

/* A value of the source's places: step a or b, row the other, feature c. */
static struct onnx_value *make_places(struct onnx_walk *walk, const struct onnx_source *source,
                                      size_t rank, const size_t *dims, const bool *free,
                                      struct fault *fault)
{
    uint32_t number;
    if (!onnx_chain_add_source(&walk->chain, source, &number, fault))
        return NULL;
    struct onnx_value *value =
        onnx_value_make(&walk->chain.arena, ONNX_PLACES, rank, dims, free, fault);
    const size_t width = rank == 3 ? dims[2] : 1, inner = rank > 1 ? dims[1] : 1;
    for (size_t i = 0; value != NULL && i < value->elements; i++) {
        const uint32_t a = (uint32_t)(i / width / inner), b = (uint32_t)(i / width % inner);
        value->places[i] = (struct onnx_place){number, source->batch_first ? b : a,
                                               source->batch_first ? a : b, (uint32_t)(i % width)};
    }
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

/* Features of a step: one for a first walk that does not know better, for without any the layer
 * that could tell would not find its input. */
static size_t width_of(const struct onnx_declared *declared, const struct onnx_sizes *sizes)
{
    if (declared->rank == 3 && declared->dims[2] > 0)
        return (size_t)declared->dims[2];
    return declared->rank == 3 && sizes->width > 0 ? sizes->width : 1;
}

static struct onnx_value *main_input(struct onnx_walk *walk, const OnnxValueInfo *info,
                                     const struct onnx_declared *declared, struct fault *fault)
{
    const struct onnx_sizes *sizes = &walk->sizes;
    const bool ids = declared->rank == 2;
    const size_t width = width_of(declared, sizes);
    const struct onnx_source source = {.kind = ONNX_SOURCE_INPUT,
                                       .input = info,
                                       .width = width,
                                       .steps = sizes->steps,
                                       .whole_numbers = ids,
                                       .batch_first = sizes->batch_first};
    const bool first = sizes->batch_first;
    const size_t dims[] = {first ? sizes->rows : sizes->steps, first ? sizes->steps : sizes->rows,
                           width};
    const bool free[] = {first ? sizes->any_rows : sizes->any_steps,
                         first ? sizes->any_steps : sizes->any_rows, false};
    return make_places(walk, &source, declared->rank, dims, free, fault);
}

/* Which dimension of a states' input is the rows: the one named like the input's, else the one that
 * the graph leaves open, else the second. */
static bool state_is_batch_first(const struct onnx_walk *walk, const struct onnx_declared *state)
{
    const OnnxGraph *graph = walk->model->graph;
    const struct onnx_declared input = onnx_declared_of(graph->input[walk->sizes.input]);
    const char *rows = input.params[walk->sizes.batch_first ? 0 : 1];
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
    const struct onnx_sizes *sizes = &walk->sizes;
    const bool first = state_is_batch_first(walk, declared);
    const int64_t cells = declared->dims[first ? 1 : 0], width = declared->dims[2];
    if (cells < 0 || width < 0)
        return unknown(walk, info, "states of a size that is known expected, [L*D,B,H]", fault);
    const struct onnx_source source = {.kind = ONNX_SOURCE_STATE,
                                       .input = info,
                                       .width = (size_t)width,
                                       .cells = (size_t)cells,
                                       .batch_first = first};
    const size_t dims[] = {first ? sizes->rows : (size_t)cells, first ? (size_t)cells : sizes->rows,
                           (size_t)width};
    const bool free[] = {first && sizes->any_rows, !first && sizes->any_rows, false};
    return make_places(walk, &source, 3, dims, free, fault);
}

static struct onnx_value *lengths_input(struct onnx_walk *walk, const OnnxValueInfo *info,
                                        struct fault *fault)
{
    const struct onnx_source source = {
        .kind = ONNX_SOURCE_LENGTHS, .input = info, .width = 1, .batch_first = true};
    return make_places(walk, &source, 1, &walk->sizes.rows, &walk->sizes.any_rows, fault);
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
