#include "server/events.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "server/clock.h"

enum { KEPT = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool listening; /* read without the lock: most of the time nobody does */
static void (*wake)(void *context);
static void *wake_context;
static struct event kept[KEPT]; /* a ring */
static size_t first, count;
static uint64_t last_number;

/* Under the lock. */
static void keep(enum event_kind kind, const char *model, const struct sequence_id *sequence)
{
    last_number++;
    if (count == KEPT)
        return;
    struct event *event = &kept[(first + count++) % KEPT];
    *event = (struct event){.kind = kind, .number = last_number, .time_ms = clock_wall_ms()};
    snprintf(event->model, sizeof event->model, "%s", model);
    if (sequence != NULL)
        event->sequence = *sequence;
    if (count == 1)
        wake(wake_context);
}

void events_tell(enum event_kind kind, const char *model, const struct sequence_id *sequence)
{
    if (!atomic_load_explicit(&listening, memory_order_relaxed))
        return;
    pthread_mutex_lock(&lock);
    if (wake != NULL)
        keep(kind, model, sequence);
    pthread_mutex_unlock(&lock);
}

void events_listen(void (*new_wake)(void *context), void *context)
{
    pthread_mutex_lock(&lock);
    wake = new_wake;
    wake_context = context;
    first = count = 0;
    atomic_store(&listening, new_wake != NULL);
    pthread_mutex_unlock(&lock);
}

bool events_take(struct event *event)
{
    pthread_mutex_lock(&lock);
    const bool any = count > 0;
    if (any) {
        *event = kept[first];
        first = (first + 1) % KEPT;
        count--;
    }
    pthread_mutex_unlock(&lock);
    return any;
}

const char *event_name(enum event_kind kind)
{
    static const char *const names[] = {
        [EVENT_MODEL_LOADED] = "model/loaded",
        [EVENT_MODEL_RELOADED] = "model/reloaded",
        [EVENT_MODEL_UNLOADED] = "model/unloaded",
        [EVENT_SEQUENCE_EVICTED] = "sequence/evicted",
        [EVENT_OVERLOAD_STARTED] = "overload/started",
        [EVENT_OVERLOAD_ENDED] = "overload/ended",
    };
    assert((size_t)kind < sizeof names / sizeof *names);
    return names[kind];
}

void event_write(const struct event *event, struct json_writer *writer)
{
    json_open_object(writer);
    json_key(writer, "event");
    json_string(writer, event_name(event->kind));
    json_key(writer, "model");
    json_string(writer, event->model);
    if (event->sequence.kind != SEQUENCE_ID_NONE) {
        json_key(writer, "sequence_id");
        sequence_id_write(&event->sequence, writer);
    }
    json_key(writer, "number");
    json_uint64(writer, event->number);
    json_key(writer, "time_ms");
    json_uint64(writer, event->time_ms);
    json_close_object(writer);
}
