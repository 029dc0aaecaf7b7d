/* What happens to models and sequences, told to whoever publishes it. Like the log, one for the
 * process, so that whatever sees something happen can say so; without a listener nothing is kept.
 * What a listener does not take in time is dropped, which it sees by the numbers.
 *
 * Threads: events_tell may be called from any thread; it takes no memory and does not wait. The
 * rest is the listener's. */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/json_writer.h"
#include "proto/model_config.h"
#include "proto/sequence_id.h"

enum event_kind {
    EVENT_MODEL_LOADED,
    EVENT_MODEL_RELOADED,
    EVENT_MODEL_UNLOADED,
    EVENT_SEQUENCE_EVICTED,
    EVENT_OVERLOAD_STARTED, /* a request of the model found its queue full */
    EVENT_OVERLOAD_ENDED,   /* the queue is half empty again */
};

struct event {
    enum event_kind kind;
    char model[MODEL_NAME_MAX];
    struct sequence_id sequence; /* kind NONE: it is about the whole model */
    uint64_t number;             /* one more than that of the event before it */
    uint64_t time_ms;            /* wall clock, since 1970 */
};

/* sequence: NULL for none. */
void events_tell(enum event_kind kind, const char *model, const struct sequence_id *sequence);

/* From now on events are kept; wake(context) is called, with the events' lock held, when there was
 * none and one comes. Once; NULL ends it, and forgets what was not taken. */
void events_listen(void (*wake)(void *context), void *context);

/* The oldest; false: there is none. */
bool events_take(struct event *event);

/* "sequence/evicted" */
const char *event_name(enum event_kind kind);

/* {"event": name, "model": ..., "sequence_id"?: ..., "number": ..., "time_ms": ...} */
void event_write(const struct event *event, struct json_writer *writer);

#endif
