#include "server/model_table.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"

struct model_table *model_table_create(size_t capacity)
{
    size_t bytes;
    if (!checked_mul(capacity, sizeof(struct model_entry), &bytes) ||
        !checked_add(bytes, sizeof(struct model_table), &bytes))
        return NULL;
    struct model_table *table = malloc(bytes);
    if (table == NULL)
        return NULL;
    atomic_init(&table->references, 1);
    table->count = 0;
    table->capacity = capacity;
    return table;
}

void model_table_acquire(struct model_table *table)
{
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
}

void model_table_release(struct model_table *table)
{
    const size_t references = atomic_fetch_sub(&table->references, 1);
    assert(references > 0);
    if (references > 1)
        return;
    for (size_t i = 0; i < table->count; i++) {
        if (table->entries[i].served != NULL)
            served_model_release(table->entries[i].served);
        model_record_release(table->entries[i].record);
    }
    free(table);
}

static struct model_entry *add(struct model_table *table, const char *name,
                               struct model_record *record)
{
    assert(table->count < table->capacity);
    struct model_entry *entry = &table->entries[table->count++];
    *entry = (struct model_entry){.record = record};
    snprintf(entry->name, sizeof entry->name, "%s", name);
    model_record_acquire(record);
    return entry;
}

struct model_entry *model_table_add(struct model_table *table, struct served_model *served)
{
    struct model_entry *entry = add(table, served->name, served->record);
    served_model_acquire(served);
    entry->served = served;
    entry->state = MODEL_READY;
    return entry;
}

struct model_entry *model_table_add_absent(struct model_table *table, const char *name,
                                           struct model_record *record, enum model_state state,
                                           const char *reason)
{
    struct model_entry *entry = add(table, name, record);
    assert(state != MODEL_READY);
    entry->state = state;
    snprintf(entry->reason, sizeof entry->reason, "%s", reason);
    return entry;
}

void model_table_add_copy(struct model_table *table, const struct model_entry *entry)
{
    struct model_entry *copy =
        entry->served != NULL
            ? model_table_add(table, entry->served)
            : model_table_add_absent(table, entry->name, entry->record, entry->state, "");
    memcpy(copy->reason, entry->reason, sizeof copy->reason);
}

const struct model_entry *model_table_find(const struct model_table *table, const char *name,
                                           size_t name_size)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct model_entry *entry = &table->entries[i];
        if (strlen(entry->name) == name_size && memcmp(entry->name, name, name_size) == 0)
            return entry;
    }
    return NULL;
}
