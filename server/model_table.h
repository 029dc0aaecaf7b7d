/* The models there are at one moment: a list that is made whole and then never changed. Counted, so
 * that whoever reads one keeps it while the server goes on to the next. */
#ifndef SERVER_MODEL_TABLE_H
#define SERVER_MODEL_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/served_model.h"

enum model_state { MODEL_READY, MODEL_LOADING, MODEL_UNAVAILABLE };

#define MODEL_REASON_MAX 256

struct model_entry {
    struct served_model *served; /* MODEL_READY, else NULL */
    struct model_record *record;
    enum model_state state;
    char name[MODEL_NAME_MAX];
    char reason[MODEL_REASON_MAX]; /* why it is not ready, or not what its files say; or "" */
};

struct model_table {
    atomic_size_t references;
    size_t count, capacity;
    struct model_entry entries[]; /* [count], in the order loaded; no name twice */
};

/* Empty, with one reference; NULL without memory. */
struct model_table *model_table_create(size_t capacity);
void model_table_acquire(struct model_table *table);
/* The last one lets all its models go. */
void model_table_release(struct model_table *table);

/* While it is made; there must be capacity for it. The table takes references of its own. */
struct model_entry *model_table_add(struct model_table *table, struct served_model *served);
struct model_entry *model_table_add_absent(struct model_table *table, const char *name,
                                           struct model_record *record, enum model_state state,
                                           const char *reason);
/* One like that of another table. */
void model_table_add_copy(struct model_table *table, const struct model_entry *entry);

/* The name need not be NUL-terminated. NULL: there is none. */
const struct model_entry *model_table_find(const struct model_table *table, const char *name,
                                           size_t name_size);

#endif
