#include "server/sequence_index.h"

#include <assert.h>
#include <string.h>

void sequence_index_init(struct sequence_index *index, uint64_t seed)
{
    *index = (struct sequence_index){.random = seed | 1}; /* the generator stays at 0 for ever */
}

static int compare(const struct sequence_node *node, const char *model_name,
                   const struct sequence_id *id)
{
    const int by_model = strcmp(node->model_name, model_name);
    return by_model != 0 ? by_model : sequence_id_compare(&node->id, id);
}

/* On each level, the last node that stands before that name. Returns what follows on the lowest. */
static struct sequence_node *walk(struct sequence_index *index, const char *model_name,
                                  const struct sequence_id *id,
                                  struct sequence_node *before[SEQUENCE_INDEX_LEVELS])
{
    struct sequence_node *at = &index->head;
    for (size_t level = SEQUENCE_INDEX_LEVELS; level-- > 0;) {
        while (at->next[level] != NULL && compare(at->next[level], model_name, id) < 0)
            at = at->next[level];
        before[level] = at;
    }
    return at->next[0];
}

struct sequence_node *sequence_index_find(struct sequence_index *index, const char *model_name,
                                          const struct sequence_id *id)
{
    struct sequence_node *before[SEQUENCE_INDEX_LEVELS];
    struct sequence_node *node = walk(index, model_name, id, before);
    return node != NULL && compare(node, model_name, id) == 0 ? node : NULL;
}

struct sequence_node *sequence_index_after(struct sequence_index *index, const char *model_name,
                                           const struct sequence_id *id)
{
    struct sequence_node *before[SEQUENCE_INDEX_LEVELS];
    struct sequence_node *node = walk(index, model_name, id, before);
    if (node != NULL && compare(node, model_name, id) == 0)
        node = node->next[0];
    return node != NULL && strcmp(node->model_name, model_name) == 0 ? node : NULL;
}

/* Marsaglia's xorshift64. */
static size_t random_levels(struct sequence_index *index)
{
    uint64_t x = index->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    index->random = x;
    size_t levels = 1;
    for (; levels < SEQUENCE_INDEX_LEVELS && (x >> 40 & 3) == 0; x >>= 2)
        levels++;
    return levels;
}

void sequence_index_add(struct sequence_index *index, struct sequence_node *node)
{
    struct sequence_node *before[SEQUENCE_INDEX_LEVELS];
    const size_t levels = random_levels(index);
    struct sequence_node *next = walk(index, node->model_name, &node->id, before);
    assert(next == NULL || compare(next, node->model_name, &node->id) != 0);
    for (size_t level = 0; level < SEQUENCE_INDEX_LEVELS; level++) {
        node->next[level] = NULL;
        if (level >= levels)
            continue;
        node->next[level] = before[level]->next[level];
        before[level]->next[level] = node;
    }
}

void sequence_index_remove(struct sequence_index *index, struct sequence_node *node)
{
    struct sequence_node *before[SEQUENCE_INDEX_LEVELS];
    struct sequence_node *found = walk(index, node->model_name, &node->id, before);
    assert(found == node);
    for (size_t level = 0; level < SEQUENCE_INDEX_LEVELS; level++)
        if (before[level]->next[level] == node)
            before[level]->next[level] = node->next[level];
}
