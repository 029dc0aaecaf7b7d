#include "server/job_parts.h"

#include <assert.h>

void job_parts_init(struct job_parts *parts)
{
    *parts = (struct job_parts){.waits = true};
    pthread_mutex_init(&parts->lock, NULL);
    for (size_t i = 0; i < JOB_PARTS_ROOM; i++)
        json_writer_init(&parts->slots[i].writer);
}

void job_parts_fini(struct job_parts *parts)
{
    for (size_t i = 0; i < JOB_PARTS_ROOM; i++)
        json_writer_fini(&parts->slots[i].writer);
    pthread_mutex_destroy(&parts->lock);
}

bool job_parts_reserve(struct job_parts *parts, size_t bytes)
{
    bool reserved = true;
    for (size_t i = 0; i < JOB_PARTS_ROOM; i++) {
        json_reserve(&parts->slots[i].writer, bytes);
        reserved = reserved && !parts->slots[i].writer.failed;
    }
    return reserved;
}

/* ---- under the lock ---- */

static struct job_parts_slot *slot_of(struct job_parts *parts, size_t part)
{
    return &parts->slots[part % JOB_PARTS_ROOM];
}

static bool has_room(const struct job_parts *parts)
{
    return parts->written - parts->taken + parts->held < JOB_PARTS_ROOM;
}

static bool take_wake(struct job_parts *parts)
{
    const bool wake = parts->waits;
    parts->waits = false;
    return wake;
}

/* ---- the worker's ---- */

/* No lock: none but the worker changes written. */
struct job_parts_slot *job_parts_slot(struct job_parts *parts)
{
    return slot_of(parts, parts->written);
}

bool job_parts_put(struct job_parts *parts, size_t json_size, bool *wake)
{
    pthread_mutex_lock(&parts->lock);
    slot_of(parts, parts->written++)->json_size = json_size;
    const bool room = has_room(parts);
    parts->stopped = !room;
    *wake = take_wake(parts);
    pthread_mutex_unlock(&parts->lock);
    return room;
}

bool job_parts_settle(struct job_parts *parts)
{
    pthread_mutex_lock(&parts->lock);
    const bool first = !parts->settled;
    parts->settled = true;
    pthread_mutex_unlock(&parts->lock);
    return first;
}

bool job_parts_end(struct job_parts *parts, size_t json_size, bool *wake)
{
    pthread_mutex_lock(&parts->lock);
    slot_of(parts, parts->written)->json_size = json_size;
    parts->ended = true;
    const bool left = parts->left;
    *wake = take_wake(parts);
    pthread_mutex_unlock(&parts->lock);
    return !left;
}

/* ---- the waiter's ---- */

static void give_back(struct job_parts *parts, bool *resume)
{
    if (parts->held)
        json_clear(&slot_of(parts, parts->taken - 1)->writer);
    parts->held = false;
    *resume = parts->stopped && has_room(parts);
    if (*resume)
        parts->stopped = false;
}

enum job_parts_taken job_parts_take(struct job_parts *parts, const struct job_parts_slot **slot,
                                    bool *resume)
{
    enum job_parts_taken taken = JOB_PARTS_NONE;
    pthread_mutex_lock(&parts->lock);
    assert(!parts->waits && !parts->left);
    give_back(parts, resume);
    *slot = slot_of(parts, parts->taken);
    if (parts->taken < parts->written) {
        parts->taken++;
        parts->held = true;
        taken = JOB_PARTS_ONE;
    } else if (parts->ended) {
        taken = JOB_PARTS_LAST;
    }
    pthread_mutex_unlock(&parts->lock);
    return taken;
}

bool job_parts_wait(struct job_parts *parts)
{
    pthread_mutex_lock(&parts->lock);
    assert(!parts->waits);
    parts->waits = parts->taken == parts->written && !parts->ended;
    const bool waits = parts->waits;
    pthread_mutex_unlock(&parts->lock);
    return waits;
}

bool job_parts_stop_waiting(struct job_parts *parts)
{
    pthread_mutex_lock(&parts->lock);
    const bool waited = !parts->settled && take_wake(parts);
    parts->settled = parts->settled || waited;
    pthread_mutex_unlock(&parts->lock);
    return waited;
}

bool job_parts_leave(struct job_parts *parts, bool *settled)
{
    pthread_mutex_lock(&parts->lock);
    *settled = parts->settled;
    parts->settled = true;
    const bool ended = parts->ended;
    parts->left = true;
    pthread_mutex_unlock(&parts->lock);
    return ended;
}
