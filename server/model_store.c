#include "server/model_store.h"

#include <string.h>
#include <time.h>

#include "server/clock.h"

/* Between two looks at whether anybody still looks. */
#define LOOK_AGAIN (20 * CLOCK_NS_PER_US)

void model_store_init(struct model_store *store, struct model_table *table)
{
    atomic_init(&store->current, table);
    atomic_init(&store->phase, 0);
    atomic_init(&store->looking[0], 0);
    atomic_init(&store->looking[1], 0);
    pthread_mutex_init(&store->replacing, NULL);
}

void model_store_fini(struct model_store *store)
{
    model_table_release(atomic_load(&store->current));
    pthread_mutex_destroy(&store->replacing);
}

/* ---- looking ---- */

/* From here to stop_looking the current table stays. */
static unsigned start_looking(struct model_store *store)
{
    const unsigned phase = atomic_load(&store->phase) & 1;
    atomic_fetch_add(&store->looking[phase], 1);
    return phase;
}

static void stop_looking(struct model_store *store, unsigned phase)
{
    atomic_fetch_sub(&store->looking[phase], 1);
}

static void wait_for_none(struct model_store *store, unsigned phase)
{
    const struct timespec pause = clock_timespec(LOOK_AGAIN);
    while (atomic_load(&store->looking[phase]) != 0)
        nanosleep(&pause, NULL);
}

/* Twice, since somebody may have read the phase before the last change of it and count himself in
 * only now. One who comes later than this sees the new table in any case. */
static void wait_for_those_who_look(struct model_store *store)
{
    for (int i = 0; i < 2; i++)
        wait_for_none(store, atomic_fetch_add(&store->phase, 1) & 1);
}

struct model_table *model_store_table(struct model_store *store)
{
    const unsigned phase = start_looking(store);
    struct model_table *table = atomic_load(&store->current);
    model_table_acquire(table);
    stop_looking(store, phase);
    return table;
}

void model_store_replace(struct model_store *store, struct model_table *table)
{
    pthread_mutex_lock(&store->replacing);
    struct model_table *old = atomic_exchange(&store->current, table);
    wait_for_those_who_look(store);
    pthread_mutex_unlock(&store->replacing);
    model_table_release(old);
}

/* ---- one model ---- */

static bool is_version(const char *version, size_t size)
{
    return version == NULL ||
           (size == strlen(MODEL_VERSION) && memcmp(version, MODEL_VERSION, size) == 0);
}

/* NULL with a fault. */
static struct served_model *take(const struct model_entry *entry, const char *version,
                                 size_t version_size, struct fault *fault)
{
    if (entry->state == MODEL_LOADING)
        fault_set(fault, 503, "Request for unknown model: '%s' is not at ready state", entry->name);
    else if (entry->served == NULL)
        fault_set(fault, 404, "Request for unknown model: '%s' has no available versions",
                  entry->name);
    else if (!is_version(version, version_size))
        fault_set(fault, 404, "Request for unknown model: '%s' version %.*s is not found",
                  entry->name, (int)(version_size < 20 ? version_size : 20), version);
    else
        return entry->served;
    return NULL;
}

struct served_model *model_store_acquire(struct model_store *store, const char *name,
                                         size_t name_size, const char *version, size_t version_size,
                                         struct fault *fault)
{
    struct served_model *served = NULL;
    const unsigned phase = start_looking(store);
    const struct model_entry *entry =
        model_table_find(atomic_load(&store->current), name, name_size);
    if (entry != NULL)
        served = take(entry, version, version_size, fault);
    else
        fault_set(fault, 404, "Request for unknown model: '%.*s' is not found",
                  (int)(name_size < MODEL_NAME_MAX ? name_size : MODEL_NAME_MAX), name);
    if (served != NULL)
        served_model_acquire(served);
    stop_looking(store, phase);
    return served;
}

bool model_store_is_absent(struct model_store *store, const char *name, size_t name_size)
{
    const unsigned phase = start_looking(store);
    const struct model_entry *entry =
        model_table_find(atomic_load(&store->current), name, name_size);
    const bool absent = entry != NULL && entry->served == NULL;
    stop_looking(store, phase);
    return absent;
}
