/* One request as the scheduler sees it: embedded in whatever the request really is (server/job.h).
 *
 * Its life: slices until its strands are ready, ticks until they are finished, slices until its
 * answer is there, the end. Where the answer leaves in parts, slices and ticks take turns until the
 * last one, and the work may pause between two slices. At most one slice of it runs at a time, but
 * as many strands as there are workers. */
#ifndef SERVER_WORK_H
#define SERVER_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/admission.h"

struct lane;
struct strand;
struct work;
struct work_list;

/* Whose requests go before whose. */
enum work_class { WORK_HIGH, WORK_NORMAL, WORK_LOW, WORK_CLASS_COUNT };

/* How much of the workers' time a request has had or, where that is more, is expected to take:
 * below 1 ms, below 10 ms, more. */
enum { WORK_LEVEL_COUNT = 3, WORK_QUEUE_COUNT = WORK_CLASS_COUNT * WORK_LEVEL_COUNT };

enum work_next {
    WORK_SLICE, /* another slice of the same */
    WORK_TICKS, /* its strands (work_add_strand) are ready to be computed */
    WORK_PAUSE, /* another slice after scheduler_resume, which may have been called already */
    WORK_DONE,  /* the answer is there, whatever it says */
};

enum work_end {
    WORK_ANSWERED,
    WORK_LATE,      /* its deadline passed */
    WORK_ABANDONED, /* scheduler_abandon */
};

/* What the request does when it is its turn. Called by workers, without a lock. */
struct work_type {
    /* Takes a small step, half a millisecond at most: what is to be done before the strands can be
     * computed, or afterwards, until WORK_DONE. */
    enum work_next (*slice)(struct work *work);
    /* Called once; from here on the work is its owner's again. Takes no long time. */
    void (*end)(struct work *work, enum work_end end);
};

/* Nanoseconds: of slices up to the first strand, of ticks it was in, of slices after that and
 * pauses, and of it all, from `accepted` to the end. What is missing in between it waited. */
struct work_times {
    uint64_t accepted; /* a moment of clock_now's */
    uint64_t before, ticks, after, total;
};

struct work {
    /* The owner's, before scheduler_accept; all that follows is zero then. */
    const struct work_type *type;
    struct lane *lane;
    size_t rows;       /* counted against the lane's bound */
    uint64_t client;   /* whose request it is: the same number for all of a client's */
    uint64_t answered; /* when its connection's last answer had left; 0: there was none */
    enum work_class priority;
    uint64_t expected; /* ns of workers' time, guessed; 0: only what it has had counts */
    uint64_t deadline; /* a moment of clock_now's, put off by as long as it pauses */

    struct work_times times; /* the owner's to read at the end */

    /* The scheduler's, under its lock. */
    struct admission_place place; /* in the lane's bounds */
    struct work *next, *prev;
    struct work_list *list; /* that it waits in, or NULL */
    struct strand *ready;   /* strands that no tick has taken, in order */
    struct strand *ready_last;
    size_t ready_rows;      /* in them */
    size_t unfinished;      /* strands with steps left, running ones too */
    size_t running;         /* strands in ticks, or its slice */
    uint64_t running_since; /* while any strand runs */
    uint64_t attained;      /* ns of workers' time it has had */
    uint64_t held_until;    /* while its lane waits for company for it */
    bool computed;          /* its strands are finished; also set by a slice that finds none */
    uint64_t paused_since;  /* while it pauses; else 0 */
    bool resumed;           /* before it paused */
    bool dropped, ended;
    enum work_end how; /* when dropped */
};

/* Called by slice before it returns WORK_TICKS, for each strand that has steps to do. */
void work_add_strand(struct work *work, struct strand *strand);

/* A strand that was taken is ready again. */
void work_return_strand(struct work *work, struct strand *strand);

/* The first ready strand, taken out; there must be one. */
struct strand *work_take_strand(struct work *work);

/* Which of the WORK_QUEUE_COUNT queues it waits in: smaller ones go first. */
unsigned work_queue_of(const struct work *work);

#endif
