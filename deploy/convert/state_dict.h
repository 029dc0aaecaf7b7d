/* Named arrays as they lie in a file: what a PyTorch state_dict, an .npz and a safetensors file
 * have in common. Arrays are views (several may lie in one storage, with strides of their own), and
 * nothing is copied until the values are asked for. */
#ifndef DEPLOY_CONVERT_STATE_DICT_H
#define DEPLOY_CONVERT_STATE_DICT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

#define STATE_DICT_ARRAYS_MAX 4096
#define STATE_DICT_RANK_MAX   8
#define STATE_DICT_NAME_MAX   256 /* with the NUL */

enum array_type {
    ARRAY_F64,
    ARRAY_F32,
    ARRAY_F16,
    ARRAY_BF16,
    ARRAY_I64,
    ARRAY_I32,
    ARRAY_I16,
    ARRAY_I8,
    ARRAY_U8,
    ARRAY_BOOL,
    ARRAY_TYPES,
};

/* Little-endian elements. */
struct array {
    char name[STATE_DICT_NAME_MAX];
    enum array_type type;
    size_t rank;
    size_t shape[STATE_DICT_RANK_MAX];
    size_t strides[STATE_DICT_RANK_MAX]; /* in elements */
    size_t elements;
    const unsigned char *bytes; /* of the element at all zeros; borrowed */
};

struct state_dict {
    size_t count, capacity;
    struct array *arrays; /* in the order added; after state_dict_sort by strcmp of names */
};

void state_dict_fini(struct state_dict *dict);

/* Adds an array whose name, type, rank, shape and strides are set: fills in the rest. storage is
 * where it lies, offset its first element there; every element is checked to be within. Refused
 * (400): too many arrays, a name that is empty, too long, has control characters or is not UTF-8,
 * a shape that overflows, elements outside of the storage, more elements than it has. */
bool state_dict_add(struct state_dict *dict, const struct array *array,
                    const unsigned char *storage, size_t storage_size, size_t offset,
                    struct fault *fault);

/* Strides of an array without gaps: the last index runs fastest, or with fortran the first. false
 * when they overflow. */
bool array_set_strides(struct array *array, bool fortran);

/* Sorts by name; refused (400): a name given twice. */
bool state_dict_sort(struct state_dict *dict, struct fault *fault);

/* Of a sorted dict; NULL when there is none of that name. */
const struct array *state_dict_find(const struct state_dict *dict, const char *name);

/* Bytes of an element; its name ("float32"). */
size_t array_type_size(enum array_type type);
const char *array_type_name(enum array_type type);

/* "[512,128]" */
#define ARRAY_SHAPE_TEXT_MAX (STATE_DICT_RANK_MAX * 21 + 3)
struct array_shape_text {
    char text[ARRAY_SHAPE_TEXT_MAX];
};
struct array_shape_text array_shape(const struct array *array);

/* All elements to out[elements], row-major; F64 is rounded to nearest (one beyond float32 becomes
 * infinite). Refused (400): types that are not floating-point. */
bool array_read(const struct array *array, float *out, struct fault *fault);

#endif
