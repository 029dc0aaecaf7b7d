/* Reads the safetensors format (an 8-byte little-endian header length N, N bytes of JSON, then the
 * tensors' bytes) from memory, every rule of it checked: header within the file and under a cap,
 * valid UTF-8 JSON that starts with '{', known dtypes, offsets in order without gap or overlap, the
 * last one at the end of the file, each tensor's bytes equal to dtype times shape, no name twice.
 */
#ifndef PROTO_SAFETENSORS_H
#define PROTO_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"

#define SAFETENSORS_HEADER_MAX  (1u << 20)
#define SAFETENSORS_TENSORS_MAX 4096
#define SAFETENSORS_RANK_MAX    8
#define SAFETENSORS_NAME_MAX    256 /* with the NUL */

enum safetensors_dtype {
    SAFETENSORS_F64,
    SAFETENSORS_F32,
    SAFETENSORS_F16,
    SAFETENSORS_BF16,
    SAFETENSORS_I64,
    SAFETENSORS_I32,
    SAFETENSORS_OTHER, /* valid in the format, carried by files, of no use as weights */
};

struct safetensors_tensor {
    char name[SAFETENSORS_NAME_MAX];
    enum safetensors_dtype dtype;
    const char *dtype_name; /* "F32"; lives for ever */
    size_t rank;
    size_t shape[SAFETENSORS_RANK_MAX];
    size_t elements;
    size_t size;                /* in bytes */
    const unsigned char *bytes; /* in the caller's buffer, any alignment */
};

struct safetensors {
    size_t count;
    struct safetensors_tensor *tensors;        /* in file order */
    const struct safetensors_tensor **by_name; /* the same in strcmp's order of names */
};

/* file must stay readable until safetensors_fini; it is not copied. On failure nothing is held.
 * Status 400, or 503 when memory does not suffice. */
bool safetensors_init(struct safetensors *st, const void *file, size_t size, struct fault *fault);
void safetensors_fini(struct safetensors *st);

/* NULL when there is none of that name. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *st, const char *name);

/* Converts F64, F32, F16 or BF16 to out[elements]; F64 is rounded to nearest. Refused, with the
 * tensor's name and the element's index: other dtypes, NaN or infinite values, F64 values that
 * overflow a float32. */
bool safetensors_read_f32(const struct safetensors_tensor *tensor, float *out, struct fault *fault);

/* "[512,128]", cut at capacity; SAFETENSORS_SHAPE_TEXT_MAX bytes hold any. */
#define SAFETENSORS_SHAPE_TEXT_MAX (SAFETENSORS_RANK_MAX * 21 + 3)
void safetensors_shape_text(const struct safetensors_tensor *tensor, char *out, size_t capacity);

#endif
