/* Deadlines in order: a binary heap of at most a fixed number of them, earliest first. The nodes
 * are the caller's, usually inside a larger struct; the heap keeps pointers to them.
 *
 * Threads: none of its business; the caller locks. */
#ifndef SERVER_DEADLINE_HEAP_H
#define SERVER_DEADLINE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline {
    uint64_t at;  /* clock_now's nanoseconds; changed by deadline_heap_set only */
    size_t place; /* in the heap, from 1; 0: in none. Zeroed before the first use */
};

struct deadline_heap {
    struct deadline **nodes; /* [capacity] */
    size_t count, capacity;
};

/* false: no memory. */
bool deadline_heap_init(struct deadline_heap *heap, size_t capacity);
void deadline_heap_fini(struct deadline_heap *heap);

/* Puts the node in, or moves it. There must be room for it. */
void deadline_heap_set(struct deadline_heap *heap, struct deadline *node, uint64_t at);
/* A node that is not in the heap is let be. */
void deadline_heap_remove(struct deadline_heap *heap, struct deadline *node);

/* The earliest, which stays in; NULL when there is none. */
struct deadline *deadline_heap_first(const struct deadline_heap *heap);

#endif
