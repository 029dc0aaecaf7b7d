/* Values out of nothing: tensors of the file, and what is filled with one number. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_element.h"
#include "deploy/convert/onnx_operators.h"
#include "proto/half_float.h"
#include "proto/little_endian.h"

/* How an element type stands in raw_data, and in which field without. */
static const struct element {
    enum onnx_element type;
    size_t size;
    bool is_float;
} elements[] = {
    {ONNX_ELEMENT_FLOAT, 4, true},   {ONNX_ELEMENT_DOUBLE, 8, true},
    {ONNX_ELEMENT_FLOAT16, 2, true}, {ONNX_ELEMENT_BFLOAT16, 2, true},
    {ONNX_ELEMENT_INT64, 8, false},  {ONNX_ELEMENT_INT32, 4, false},
    {ONNX_ELEMENT_INT8, 1, false},   {ONNX_ELEMENT_UINT8, 1, false},
    {ONNX_ELEMENT_BOOL, 1, false},
};

static const struct element *find_element(int32_t type)
{
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++)
        if ((int32_t)elements[i].type == type)
            return &elements[i];
    return NULL;
}

static float float_of(enum onnx_element type, uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float single;
    double wide;
    switch (type) {
    case ONNX_ELEMENT_FLOAT16:
        return half_float_from_f16((uint16_t)bits);
    case ONNX_ELEMENT_BFLOAT16:
        return half_float_from_bf16((uint16_t)bits);
    case ONNX_ELEMENT_DOUBLE:
        memcpy(&wide, &bits, sizeof wide);
        return (float)wide;
    default:
        memcpy(&single, &low, sizeof single);
        return single;
    }
}

static int64_t integer_of(enum onnx_element type, uint64_t bits)
{
    switch (type) {
    case ONNX_ELEMENT_INT32:
        return (int32_t)(uint32_t)bits;
    case ONNX_ELEMENT_INT8:
        return (int8_t)(uint8_t)bits;
    case ONNX_ELEMENT_BOOL:
        return bits != 0;
    default:
        return (int64_t)bits;
    }
}

static void read_raw(struct onnx_value *value, const struct element *element,
                     const unsigned char *bytes)
{
    for (size_t i = 0; i < value->elements; i++, bytes += element->size) {
        const uint64_t bits = little_endian_read_sized(bytes, element->size);
        if (element->is_float)
            value->floats[i] = float_of(element->type, bits);
        else
            value->integers[i].value = integer_of(element->type, bits);
    }
}

/* The repeated field that holds elements of the type; how many it holds. */
static size_t field_count(const OnnxTensor *tensor, enum onnx_element type)
{
    switch (type) {
    case ONNX_ELEMENT_FLOAT:
        return tensor->n_float_data;
    case ONNX_ELEMENT_DOUBLE:
        return tensor->n_double_data;
    case ONNX_ELEMENT_INT64:
        return tensor->n_int64_data;
    default:
        return tensor->n_int32_data;
    }
}

static void read_field(struct onnx_value *value, const OnnxTensor *tensor, enum onnx_element type)
{
    for (size_t i = 0; i < value->elements; i++)
        switch (type) {
        case ONNX_ELEMENT_FLOAT:
            value->floats[i] = tensor->float_data[i];
            break;
        case ONNX_ELEMENT_DOUBLE:
            value->floats[i] = (float)tensor->double_data[i];
            break;
        case ONNX_ELEMENT_FLOAT16:
        case ONNX_ELEMENT_BFLOAT16:
            value->floats[i] = float_of(type, (uint32_t)tensor->int32_data[i]);
            break;
        case ONNX_ELEMENT_INT64:
            value->integers[i].value = tensor->int64_data[i];
            break;
        default:
            value->integers[i].value = tensor->int32_data[i];
            break;
        }
}

static bool check_tensor(const OnnxTensor *tensor, const struct element *element,
                         struct fault *fault)
{
    if (tensor->data_location != 0) /* an initializer's have been read: onnx_external.h */
        return fault_set(fault, 400,
                         "its numbers are in another file, though it is no initializer of the "
                         "model's graph");
    if (element == NULL)
        return fault_set(fault, 400,
                         "elements of type %" PRId32 ", which are neither floats nor integers that "
                         "can be read",
                         tensor->data_type);
    if (tensor->n_dims > ONNX_RANK_MAX)
        return fault_set(fault, 400, "at most %d dimensions expected, got %zu", ONNX_RANK_MAX,
                         tensor->n_dims);
    for (size_t i = 0; i < tensor->n_dims; i++)
        if (tensor->dims[i] < 0 || (uint64_t)tensor->dims[i] > ONNX_ELEMENTS_MAX)
            return fault_set(fault, 400, "a dimension of %" PRId64, tensor->dims[i]);
    if (tensor->has_raw_data && field_count(tensor, element->type) > 0)
        return fault_set(fault, 400, "its numbers are there twice, as raw data and as a list");
    return true;
}

/* Before memory is taken for them: are there as many elements as the dimensions say? */
static bool check_count(const OnnxTensor *tensor, const struct element *element,
                        struct fault *fault)
{
    size_t wanted = 1;
    bool fits = true;
    for (size_t i = 0; i < tensor->n_dims; i++)
        fits = fits && checked_mul(wanted, (size_t)tensor->dims[i], &wanted);
    const size_t found = tensor->has_raw_data ? tensor->raw_data.len / element->size
                                              : field_count(tensor, element->type);
    const bool whole = !tensor->has_raw_data || tensor->raw_data.len % element->size == 0;
    return (fits && whole && found == wanted) ||
           fault_set(fault, 400, "as many numbers as its dimensions say expected, got %zu", found);
}

struct onnx_value *onnx_constant_value(struct onnx_arena *arena, const struct OnnxTensor *tensor,
                                       struct fault *fault)
{
    const struct element *element = find_element(tensor->data_type);
    size_t dims[ONNX_RANK_MAX];
    if (!check_tensor(tensor, element, fault) || !check_count(tensor, element, fault))
        return NULL;
    for (size_t i = 0; i < tensor->n_dims; i++)
        dims[i] = (size_t)tensor->dims[i];
    struct onnx_value *value = onnx_value_make(
        arena, element->is_float ? ONNX_FLOATS : ONNX_INTEGERS, tensor->n_dims, dims, NULL, fault);
    if (value == NULL)
        return NULL;
    if (tensor->has_raw_data)
        read_raw(value, element, tensor->raw_data.data);
    else
        read_field(value, tensor, element->type);
    return value;
}

/* ---- Constant ---- */

static struct onnx_value *make(struct onnx_call *call, enum onnx_content content, size_t rank,
                               size_t count)
{
    return onnx_value_make(&call->chain->arena, content, rank, &count, NULL, call->fault);
}

static struct onnx_value *floats_of(struct onnx_call *call, const OnnxAttribute *attribute)
{
    const bool one = attribute->n_floats == 0 && attribute->has_f;
    struct onnx_value *value = make(call, ONNX_FLOATS, one ? 0 : 1, attribute->n_floats);
    for (size_t i = 0; value != NULL && i < value->elements; i++)
        value->floats[i] = one ? attribute->f : attribute->floats[i];
    return value;
}

static struct onnx_value *integers_of(struct onnx_call *call, const OnnxAttribute *attribute)
{
    const bool one = attribute->n_ints == 0 && attribute->has_i;
    struct onnx_value *value = make(call, ONNX_INTEGERS, one ? 0 : 1, attribute->n_ints);
    for (size_t i = 0; value != NULL && i < value->elements; i++)
        value->integers[i].value = one ? attribute->i : attribute->ints[i];
    return value;
}

bool onnx_constant(struct onnx_call *call)
{
    static const char *const floats[] = {"value_float", "value_floats"};
    static const char *const integers[] = {"value_int", "value_ints"};
    const OnnxAttribute *tensor = onnx_attribute(call, "value");
    if (tensor != NULL && tensor->t != NULL)
        return onnx_give(call, onnx_constant_value(&call->chain->arena, tensor->t, call->fault));
    for (size_t i = 0; i < 2; i++) {
        const OnnxAttribute *attribute = onnx_attribute(call, floats[i]);
        if (attribute != NULL)
            return onnx_give(call, floats_of(call, attribute));
        attribute = onnx_attribute(call, integers[i]);
        if (attribute != NULL)
            return onnx_give(call, integers_of(call, attribute));
    }
    return onnx_refuse(call, "a value that is a tensor, floats or integers expected");
}

/* ---- filled with one number ---- */

static const struct onnx_value *fill_value(struct onnx_call *call)
{
    const OnnxAttribute *attribute = onnx_attribute(call, "value");
    if (attribute == NULL || attribute->t == NULL)
        return make(call, ONNX_FLOATS, 0, 0);
    const struct onnx_value *value =
        onnx_constant_value(&call->chain->arena, attribute->t, call->fault);
    if (value != NULL && value->elements != 1)
        onnx_refuse(call, "value: one number expected");
    return value != NULL && value->elements == 1 ? value : NULL;
}

bool onnx_constant_of_shape(struct onnx_call *call)
{
    struct onnx_integers shape;
    size_t dims[ONNX_RANK_MAX];
    bool free[ONNX_RANK_MAX];
    const struct onnx_value *shape_value = onnx_need(call, 0), *fill;
    if (shape_value == NULL)
        return false;
    shape = (struct onnx_integers){shape_value->integers, shape_value->elements};
    if (shape_value->content != ONNX_INTEGERS || shape.count > ONNX_RANK_MAX)
        return onnx_refuse(call, "a shape of at most %d dimensions expected", ONNX_RANK_MAX);
    for (size_t i = 0; i < shape.count; i++) {
        if (shape.list[i].value < 0 || (uint64_t)shape.list[i].value > ONNX_ELEMENTS_MAX)
            return onnx_refuse(call, "a dimension of %" PRId64, shape.list[i].value);
        dims[i] = (size_t)shape.list[i].value;
        free[i] = shape.list[i].sized;
    }
    fill = fill_value(call);
    if (fill == NULL)
        return false;
    struct onnx_value *value =
        onnx_value_make(&call->chain->arena, fill->content, shape.count, dims, free, call->fault);
    const size_t size = onnx_cell_size(fill->content);
    for (size_t i = 0; value != NULL && i < value->elements; i++)
        memcpy((char *)value->cells + i * size, fill->cells, size);
    return onnx_give(call, value);
}

bool onnx_range(struct onnx_call *call)
{
    struct onnx_integer bounds[3];
    for (size_t i = 0; i < 3; i++) {
        const struct onnx_value *value = onnx_need(call, i);
        if (value == NULL)
            return false;
        if (value->content != ONNX_INTEGERS || value->elements != 1 ||
            value->integers[0].value > INT32_MAX || value->integers[0].value < INT32_MIN)
            return onnx_refuse(call, "integers that are known expected");
        bounds[i] = value->integers[0];
    }
    const int64_t span = bounds[1].value - bounds[0].value, step = bounds[2].value;
    if (step == 0)
        return onnx_refuse(call, "a delta of 0");
    const int64_t count = span / step + (span % step != 0 && (span < 0) == (step < 0) ? 1 : 0);
    const size_t dims = count > 0 ? (size_t)count : 0;
    const bool sized = bounds[0].sized || bounds[1].sized || bounds[2].sized;
    struct onnx_value *value =
        onnx_value_make(&call->chain->arena, ONNX_INTEGERS, 1, &dims, &sized, call->fault);
    for (size_t i = 0; value != NULL && i < dims; i++)
        value->integers[i] =
            (struct onnx_integer){bounds[0].value + (int64_t)i * step, bounds[0].sized};
    return onnx_give(call, value);
}
