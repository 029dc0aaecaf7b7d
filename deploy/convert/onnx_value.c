#include "deploy/convert/onnx_value.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"

struct onnx_block {
    struct onnx_block *next;
    alignas(max_align_t) unsigned char bytes[];
};

void *onnx_arena_take(struct onnx_arena *arena, size_t bytes)
{
    if (bytes > arena->left)
        return NULL;
    struct onnx_block *block = calloc(1, sizeof *block + bytes);
    if (block == NULL)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->left -= bytes;
    return block->bytes;
}

void onnx_arena_fini(struct onnx_arena *arena)
{
    for (struct onnx_block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    *arena = (struct onnx_arena){0};
}

size_t onnx_cell_size(enum onnx_content content)
{
    switch (content) {
    case ONNX_FLOATS:
        return sizeof(float);
    case ONNX_INTEGERS:
        return sizeof(struct onnx_integer);
    case ONNX_PLACES:
        return sizeof(struct onnx_place);
    case ONNX_UNKNOWN:
        break;
    }
    return 0;
}

static struct onnx_value *no_memory(struct fault *fault)
{
    fault_set(fault, 503, "the graph's values take more memory than there is");
    return NULL;
}

/* A value whose cells are the caller's to give. */
static struct onnx_value *make_frame(struct onnx_arena *arena, enum onnx_content content,
                                     size_t rank, const size_t *dims, const bool *free,
                                     struct fault *fault)
{
    assert(rank <= ONNX_RANK_MAX);
    struct onnx_value *value = onnx_arena_take(arena, sizeof *value);
    if (value == NULL)
        return no_memory(fault);
    value->content = content;
    value->rank = rank;
    value->elements = 1;
    for (size_t i = 0; i < rank; i++) {
        value->dims[i] = dims[i];
        value->free[i] = free != NULL && free[i];
        if (!checked_mul(value->elements, dims[i], &value->elements) ||
            value->elements > ONNX_ELEMENTS_MAX) {
            fault_set(fault, 400, "at most %zu elements expected, got more", ONNX_ELEMENTS_MAX);
            return NULL;
        }
    }
    return value;
}

struct onnx_value *onnx_value_make(struct onnx_arena *arena, enum onnx_content content, size_t rank,
                                   const size_t *dims, const bool *free, struct fault *fault)
{
    struct onnx_value *value = make_frame(arena, content, rank, dims, free, fault);
    if (value == NULL)
        return NULL;
    value->cells = onnx_arena_take(arena, value->elements * onnx_cell_size(content));
    return value->cells != NULL ? value : no_memory(fault);
}

struct onnx_value *onnx_value_reshape(struct onnx_arena *arena, const struct onnx_value *value,
                                      size_t rank, const size_t *dims, const bool *free,
                                      struct fault *fault)
{
    struct onnx_value *shaped = make_frame(arena, value->content, rank, dims, free, fault);
    if (shaped == NULL)
        return NULL;
    assert(shaped->elements == value->elements);
    shaped->cells = value->cells;
    return shaped;
}

struct onnx_value *onnx_value_unknown(struct onnx_arena *arena, const struct fault *why,
                                      struct fault *fault)
{
    struct onnx_value *value = onnx_arena_take(arena, sizeof *value);
    struct fault *copy = onnx_arena_take(arena, sizeof *copy);
    if (value == NULL || copy == NULL)
        return no_memory(fault);
    *copy = *why;
    value->why = copy;
    return value;
}

struct onnx_shape_text onnx_shape_of(const struct onnx_value *value)
{
    struct onnx_shape_text shape = {"["};
    size_t used = 1;
    for (size_t i = 0; i < value->rank; i++)
        used += (size_t)snprintf(shape.text + used, sizeof shape.text - used, "%s%zu",
                                 i > 0 ? "," : "", value->dims[i]);
    snprintf(shape.text + used, sizeof shape.text - used, "]");
    return shape;
}
