/* Sequences by name: an ordered index of what stands in a table, by model and then by id. It is a
 * skip list, so that whoever chooses the ids has no say in how long a look-up takes, and so that a
 * listing can go on where the one before it ended.
 *
 * Threads: none of its business; the caller locks. */
#ifndef SERVER_SEQUENCE_INDEX_H
#define SERVER_SEQUENCE_INDEX_H

#include <stdint.h>

#include "proto/model_config.h"
#include "proto/sequence_id.h"

/* One node in four reaches the next level: good for some millions. */
#define SEQUENCE_INDEX_LEVELS 12

struct sequence_node {
    char model_name[MODEL_NAME_MAX];
    struct sequence_id id;
    struct sequence_node *next[SEQUENCE_INDEX_LEVELS];
};

struct sequence_index {
    struct sequence_node head; /* stands before all */
    uint64_t random;
};

/* seed: any number, best one that nobody can guess. */
void sequence_index_init(struct sequence_index *index, uint64_t seed);

/* NULL when there is none. */
struct sequence_node *sequence_index_find(struct sequence_index *index, const char *model_name,
                                          const struct sequence_id *id);
/* The first of the model's behind that id, whether that is there or not; NULL when there is none.
 * An id of kind NONE stands before all others. */
struct sequence_node *sequence_index_after(struct sequence_index *index, const char *model_name,
                                           const struct sequence_id *id);

/* The node's model_name and id are set and not in the index yet. */
void sequence_index_add(struct sequence_index *index, struct sequence_node *node);
void sequence_index_remove(struct sequence_index *index, struct sequence_node *node);

#endif
