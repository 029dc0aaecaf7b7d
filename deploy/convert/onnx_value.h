/* What a value of an ONNX graph is while the graph is walked: numbers that are known, or for every
 * element the place in the network that it comes from. Moving elements (Transpose, Slice, Concat,
 * Reshape...) is one and the same thing for both, so that what exporters put between layers runs as
 * it is, and what comes out shows where everything went. */
#ifndef DEPLOY_CONVERT_ONNX_VALUE_H
#define DEPLOY_CONVERT_ONNX_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"

#define ONNX_RANK_MAX     8
#define ONNX_ELEMENTS_MAX ((size_t)1 << 28)

/* Memory of one walk: given back all at once. */
struct onnx_arena {
    struct onnx_block *blocks;
    size_t left; /* bytes that may still be taken */
};

/* Zeroed, aligned for anything; NULL when there is none, or no more may be taken. */
void *onnx_arena_take(struct onnx_arena *arena, size_t bytes);
void onnx_arena_fini(struct onnx_arena *arena);

enum onnx_content {
    ONNX_UNKNOWN, /* all that is known is why */
    ONNX_FLOATS,
    ONNX_INTEGERS, /* booleans too */
    ONNX_PLACES,
};

/* sized: it was computed from a dimension that differs from request to request, and stands here for
 * the sizes of this walk alone. */
struct onnx_integer {
    int64_t value;
    bool sized;
};

/* One float of the network: of that source (onnx_chain.h) the feature of a row's step; of states,
 * step is the cell. */
struct onnx_place {
    uint32_t source, step, row, feature;
};

struct onnx_value {
    enum onnx_content content;
    size_t rank;
    size_t dims[ONNX_RANK_MAX];
    bool free[ONNX_RANK_MAX]; /* which dimensions differ from request to request */
    size_t elements;
    union { /* [elements], row-major */
        void *cells;
        float *floats;
        struct onnx_integer *integers;
        struct onnx_place *places;
    };
    const struct fault *why; /* ONNX_UNKNOWN: what it was refused for */
};

size_t onnx_cell_size(enum onnx_content content);

/* A value of zeros; free NULL: no dimension is. NULL with a fault when it is too large (400) or
 * there is no memory (503). */
struct onnx_value *onnx_value_make(struct onnx_arena *arena, enum onnx_content content, size_t rank,
                                   const size_t *dims, const bool *free, struct fault *fault);

/* The same elements in other dimensions, as many of them. */
struct onnx_value *onnx_value_reshape(struct onnx_arena *arena, const struct onnx_value *value,
                                      size_t rank, const size_t *dims, const bool *free,
                                      struct fault *fault);

/* A value of which nothing is known but why: the fault is copied. NULL without memory. */
struct onnx_value *onnx_value_unknown(struct onnx_arena *arena, const struct fault *why,
                                      struct fault *fault);

/* "[3,5,8]" */
#define ONNX_SHAPE_TEXT_MAX (ONNX_RANK_MAX * 21 + 3)
struct onnx_shape_text {
    char text[ONNX_SHAPE_TEXT_MAX];
};
struct onnx_shape_text onnx_shape_of(const struct onnx_value *value);

#endif
