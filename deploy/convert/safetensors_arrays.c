#include "deploy/convert/safetensors_arrays.h"

#include <string.h>

#include "proto/excerpt.h"

static bool find_type(const struct safetensors_tensor *tensor, enum array_type *type,
                      struct fault *fault)
{
    static const struct {
        const char *name;
        enum array_type type;
    } types[] = {{"F64", ARRAY_F64}, {"F32", ARRAY_F32},  {"F16", ARRAY_F16}, {"BF16", ARRAY_BF16},
                 {"I64", ARRAY_I64}, {"I32", ARRAY_I32},  {"I16", ARRAY_I16}, {"I8", ARRAY_I8},
                 {"U8", ARRAY_U8},   {"BOOL", ARRAY_BOOL}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, tensor->dtype_name) == 0) {
            *type = types[i].type;
            return true;
        }
    return fault_set(fault, 400, "tensor '%s': dtype %s is not supported",
                     excerpt_of(tensor->name).text, tensor->dtype_name);
}

static bool add_tensor(const struct safetensors_tensor *tensor, struct state_dict *dict,
                       struct fault *fault)
{
    struct array array = {.rank = tensor->rank};
    _Static_assert(SAFETENSORS_NAME_MAX == STATE_DICT_NAME_MAX, "a name fits");
    _Static_assert(SAFETENSORS_RANK_MAX == STATE_DICT_RANK_MAX, "a shape fits");
    if (!find_type(tensor, &array.type, fault))
        return false;
    memcpy(array.name, tensor->name, sizeof array.name);
    memcpy(array.shape, tensor->shape, sizeof array.shape);
    return (array_set_strides(&array, false) ||
            fault_set(fault, 400, "tensor '%s': its shape overflows",
                      excerpt_of(tensor->name).text)) &&
           state_dict_add(dict, &array, tensor->bytes, tensor->size, 0, fault);
}

bool safetensors_arrays(const struct safetensors *tensors, struct state_dict *dict,
                        struct fault *fault)
{
    for (size_t i = 0; i < tensors->count; i++)
        if (!add_tensor(&tensors->tensors[i], dict, fault))
            return false;
    return state_dict_sort(dict, fault);
}
