#include "server/deadline_heap.h"

#include <assert.h>
#include <stdlib.h>

bool deadline_heap_init(struct deadline_heap *heap, size_t capacity)
{
    *heap = (struct deadline_heap){.capacity = capacity};
    heap->nodes = calloc(capacity, sizeof *heap->nodes);
    return heap->nodes != NULL;
}

void deadline_heap_fini(struct deadline_heap *heap)
{
    free((void *)heap->nodes);
    *heap = (struct deadline_heap){0};
}

/* Places count from 1, so that the parent of p is p / 2. */
static void put(struct deadline_heap *heap, struct deadline *node, size_t place)
{
    heap->nodes[place - 1] = node;
    node->place = place;
}

static void sift_up(struct deadline_heap *heap, struct deadline *node)
{
    size_t place = node->place;
    while (place > 1 && heap->nodes[place / 2 - 1]->at > node->at) {
        put(heap, heap->nodes[place / 2 - 1], place);
        place /= 2;
    }
    put(heap, node, place);
}

static void sift_down(struct deadline_heap *heap, struct deadline *node)
{
    size_t place = node->place;
    while (place * 2 <= heap->count) {
        size_t child = place * 2;
        if (child < heap->count && heap->nodes[child]->at < heap->nodes[child - 1]->at)
            child++;
        if (heap->nodes[child - 1]->at >= node->at)
            break;
        put(heap, heap->nodes[child - 1], place);
        place = child;
    }
    put(heap, node, place);
}

void deadline_heap_set(struct deadline_heap *heap, struct deadline *node, uint64_t at)
{
    node->at = at;
    if (node->place == 0) {
        assert(heap->count < heap->capacity);
        put(heap, node, ++heap->count);
    }
    sift_up(heap, node);
    sift_down(heap, node);
}

void deadline_heap_remove(struct deadline_heap *heap, struct deadline *node)
{
    const size_t place = node->place;
    if (place == 0)
        return;
    assert(heap->nodes[place - 1] == node);
    struct deadline *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last == node)
        return;
    put(heap, last, place);
    sift_up(heap, last);
    sift_down(heap, last);
}

struct deadline *deadline_heap_first(const struct deadline_heap *heap)
{
    return heap->count != 0 ? heap->nodes[0] : NULL;
}
