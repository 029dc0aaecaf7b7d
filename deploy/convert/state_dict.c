#include "deploy/convert/state_dict.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/half_float.h"
#include "proto/little_endian.h"

static const struct {
    const char *name;
    size_t size;
} types[ARRAY_TYPES] = {
    [ARRAY_F64] = {"float64", 8},   [ARRAY_F32] = {"float32", 4}, [ARRAY_F16] = {"float16", 2},
    [ARRAY_BF16] = {"bfloat16", 2}, [ARRAY_I64] = {"int64", 8},   [ARRAY_I32] = {"int32", 4},
    [ARRAY_I16] = {"int16", 2},     [ARRAY_I8] = {"int8", 1},     [ARRAY_U8] = {"uint8", 1},
    [ARRAY_BOOL] = {"bool", 1},
};

size_t array_type_size(enum array_type type)
{
    return types[type].size;
}

const char *array_type_name(enum array_type type)
{
    return types[type].name;
}

void state_dict_fini(struct state_dict *dict)
{
    free(dict->arrays);
    *dict = (struct state_dict){0};
}

bool array_set_strides(struct array *array, bool fortran)
{
    size_t stride = 1;
    for (size_t i = 0; i < array->rank; i++) {
        const size_t d = fortran ? i : array->rank - 1 - i;
        array->strides[d] = stride;
        if (!checked_mul(stride, array->shape[d], &stride))
            return false;
    }
    return true;
}

/* ---- adding ---- */

static bool check_name(const char *name, struct fault *fault)
{
    if (name[0] == '\0')
        return fault_set(fault, 400, "a tensor without a name");
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return fault_set(fault, 400, "tensor '%s': its name has control characters",
                             excerpt_of(name).text);
    return true;
}

/* The number of elements, and of the last one's place from the first. */
static bool measure(const struct array *array, size_t *elements, size_t *last)
{
    bool fits = true;
    *elements = 1;
    *last = 0;
    for (size_t i = 0; i < array->rank; i++)
        if (array->shape[i] == 0)
            *elements = 0;
    for (size_t i = 0; fits && *elements > 0 && i < array->rank; i++) {
        size_t reach = 0;
        fits = checked_mul(*elements, array->shape[i], elements) &&
               checked_mul(array->shape[i] - 1, array->strides[i], &reach) &&
               checked_add(*last, reach, last);
    }
    return fits;
}

static bool place(struct array *array, const unsigned char *storage, size_t storage_size,
                  size_t offset, struct fault *fault)
{
    const size_t capacity = storage_size / types[array->type].size;
    size_t last, end;
    if (!measure(array, &array->elements, &last) || !checked_add(last, offset, &end) ||
        end == SIZE_MAX)
        return fault_set(fault, 400, "tensor '%s': its shape %s overflows",
                         excerpt_of(array->name).text, array_shape(array).text);
    if (array->elements > 0 ? end >= capacity : offset > capacity)
        return fault_set(fault, 400,
                         "tensor '%s': %s from element %zu lies outside of its storage of %zu",
                         excerpt_of(array->name).text, array_shape(array).text, offset, capacity);
    /* So that no more is read than the file has. */
    if (array->elements > capacity)
        return fault_set(fault, 400, "tensor '%s': %s repeats the elements of its storage of %zu",
                         excerpt_of(array->name).text, array_shape(array).text, capacity);
    array->bytes = storage + offset * types[array->type].size;
    return true;
}

static bool make_room(struct state_dict *dict, struct fault *fault)
{
    if (dict->count < dict->capacity)
        return true;
    if (dict->count == STATE_DICT_ARRAYS_MAX)
        return fault_set(fault, 400, "at most %d tensors expected", STATE_DICT_ARRAYS_MAX);
    const size_t capacity = dict->capacity == 0 ? 32 : dict->capacity * 2;
    struct array *arrays = realloc(dict->arrays, capacity * sizeof *arrays);
    if (arrays == NULL)
        return fault_set(fault, 503, "out of memory for the list of tensors");
    dict->arrays = arrays;
    dict->capacity = capacity;
    return true;
}

bool state_dict_add(struct state_dict *dict, const struct array *array,
                    const unsigned char *storage, size_t storage_size, size_t offset,
                    struct fault *fault)
{
    assert(array->rank <= STATE_DICT_RANK_MAX && array->type < ARRAY_TYPES);
    if (!check_name(array->name, fault) || !make_room(dict, fault))
        return false;
    struct array *added = &dict->arrays[dict->count];
    *added = *array;
    if (!place(added, storage, storage_size, offset, fault))
        return false;
    dict->count++;
    return true;
}

/* ---- finding ---- */

static int compare_names(const void *a, const void *b)
{
    const struct array *const x = a, *const y = b;
    return strcmp(x->name, y->name);
}

bool state_dict_sort(struct state_dict *dict, struct fault *fault)
{
    if (dict->count > 0)
        qsort(dict->arrays, dict->count, sizeof *dict->arrays, compare_names);
    for (size_t i = 1; i < dict->count; i++)
        if (strcmp(dict->arrays[i - 1].name, dict->arrays[i].name) == 0)
            return fault_set(fault, 400, "tensor '%s': given twice",
                             excerpt_of(dict->arrays[i].name).text);
    return true;
}

const struct array *state_dict_find(const struct state_dict *dict, const char *name)
{
    size_t low = 0, high = dict->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, dict->arrays[middle].name);
        if (order == 0)
            return &dict->arrays[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct array_shape_text array_shape(const struct array *array)
{
    struct array_shape_text shape;
    size_t used = 0;
    shape.text[used++] = '[';
    for (size_t i = 0; i < array->rank; i++)
        used += (size_t)snprintf(shape.text + used, sizeof shape.text - used, "%s%zu",
                                 i > 0 ? "," : "", array->shape[i]);
    memcpy(shape.text + used, "]", 2);
    return shape;
}

/* ---- values ---- */

static float read_f64(const unsigned char *bytes)
{
    return (float)little_endian_read_f64(bytes);
}

static float read_f32(const unsigned char *bytes)
{
    return little_endian_read_f32(bytes);
}

static float read_f16(const unsigned char *bytes)
{
    return half_float_from_f16(little_endian_read_u16(bytes));
}

static float read_bf16(const unsigned char *bytes)
{
    return half_float_from_bf16(little_endian_read_u16(bytes));
}

/* Counts index up by one, the last number first; returns the element's place. */
static size_t step(const struct array *array, size_t *index, size_t at)
{
    for (size_t d = array->rank; d-- > 0;) {
        at += array->strides[d];
        if (++index[d] < array->shape[d])
            break;
        at -= array->strides[d] * array->shape[d];
        index[d] = 0;
    }
    return at;
}

bool array_read(const struct array *array, float *out, struct fault *fault)
{
    static float (*const readers[])(const unsigned char *) = {
        [ARRAY_F64] = read_f64,
        [ARRAY_F32] = read_f32,
        [ARRAY_F16] = read_f16,
        [ARRAY_BF16] = read_bf16,
    };
    size_t index[STATE_DICT_RANK_MAX] = {0};
    size_t at = 0;
    if (array->type > ARRAY_BF16)
        return fault_set(fault, 400,
                         "tensor '%s': float32, float16, bfloat16 or float64 expected, got %s",
                         excerpt_of(array->name).text, array_type_name(array->type));
    for (size_t i = 0; i < array->elements; i++) {
        out[i] = readers[array->type](array->bytes + at * types[array->type].size);
        at = step(array, index, at);
    }
    return true;
}
