/* Whose turn it is. Work waits in lists (one for each model and kind of work), lists in a queue for
 * each class and level of service. Between the queues time is shared by weight (self-clocked fair
 * queueing, Golestani 1994), so that what is short goes first and nothing ever starves; in a queue
 * the lists take turns; in a list it is first come, first served.
 *
 * Threads: none of its business; the scheduler locks. */
#ifndef SERVER_WORK_QUEUE_H
#define SERVER_WORK_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/work.h"

/* Zeroed, with its queue set: empty. */
struct work_list {
    unsigned queue; /* whose turn it shares; WORK_QUEUE_COUNT: it waits outside all of them */
    bool shut;      /* it has no turn for the time being */
    struct work *first, *last;
    struct work_list *next, *prev; /* in its queue's ring, while it is not empty */
};

/* Zeroed: empty. */
struct work_queue {
    struct work_list *rings[WORK_QUEUE_COUNT]; /* the list that has waited longest, or NULL */
    unsigned open[WORK_QUEUE_COUNT];           /* lists in the ring that are not shut */
    uint64_t ahead[WORK_QUEUE_COUNT];          /* weighted ns that it has had more than others */
};

/* At the list's end. The work must be in no list. */
void work_queue_put(struct work_queue *queue, struct work_list *list, struct work *work);
/* Out of the list it is in. */
void work_queue_remove(struct work_queue *queue, struct work *work);

/* It has no turn until it is opened again; it and what is put into it wait as the others do. Of a
 * list that is in one of the queues, and open; or shut. */
void work_queue_shut(struct work_queue *queue, struct work_list *list);
void work_queue_open(struct work_queue *queue, struct work_list *list);

/* No list has a turn. */
bool work_queue_is_empty(const struct work_queue *queue);

/* Is that queue's work of the first level: short? And does any such wait, shut or not? */
bool work_queue_is_short(unsigned index);
bool work_queue_has_short(const struct work_queue *queue);

/* The list whose turn it is; the others of its queue have theirs before it has another. NULL when
 * nothing waits. */
struct work_list *work_queue_turn(struct work_queue *queue);

/* What that turn took. May be guessed first and put right later: then with the difference. */
void work_queue_charge(struct work_queue *queue, unsigned index, int64_t ns);

#endif
