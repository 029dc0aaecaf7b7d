#include "server/work_queue.h"

#include <assert.h>
#include <stddef.h>

/* What a turn takes, about. */
#define TURN_NS UINT64_C(500000)

/* A nanosecond counts 4 times as much from level to level, and 16 times as much from class to
 * class: so much smaller is the share of time when both want it. */
static uint64_t weight_of(unsigned index)
{
    return UINT64_C(1) << (4 * (index / WORK_LEVEL_COUNT) + 2 * (index % WORK_LEVEL_COUNT));
}

static void enter_ring(struct work_queue *queue, struct work_list *list)
{
    struct work_list *head = queue->rings[list->queue];
    queue->open[list->queue] += !list->shut;
    if (head == NULL) {
        list->next = list->prev = list;
        queue->rings[list->queue] = list;
        return;
    }
    list->next = head;
    list->prev = head->prev;
    head->prev->next = list;
    head->prev = list;
}

static void leave_ring(struct work_queue *queue, struct work_list *list)
{
    queue->open[list->queue] -= !list->shut;
    if (queue->rings[list->queue] == list)
        queue->rings[list->queue] = list->next != list ? list->next : NULL;
    list->prev->next = list->next;
    list->next->prev = list->prev;
}

void work_queue_put(struct work_queue *queue, struct work_list *list, struct work *work)
{
    assert(work->list == NULL);
    work->list = list;
    work->next = NULL;
    work->prev = list->last;
    if (list->last != NULL)
        list->last->next = work;
    else
        list->first = work;
    list->last = work;
    if (list->first == work && list->queue < WORK_QUEUE_COUNT)
        enter_ring(queue, list);
}

void work_queue_remove(struct work_queue *queue, struct work *work)
{
    struct work_list *list = work->list;
    if (work->prev != NULL)
        work->prev->next = work->next;
    else
        list->first = work->next;
    if (work->next != NULL)
        work->next->prev = work->prev;
    else
        list->last = work->prev;
    work->list = NULL;
    if (list->first == NULL && list->queue < WORK_QUEUE_COUNT)
        leave_ring(queue, list);
}

void work_queue_shut(struct work_queue *queue, struct work_list *list)
{
    assert(!list->shut && list->queue < WORK_QUEUE_COUNT);
    queue->open[list->queue] -= list->first != NULL;
    list->shut = true;
}

void work_queue_open(struct work_queue *queue, struct work_list *list)
{
    assert(list->shut);
    list->shut = false;
    queue->open[list->queue] += list->first != NULL;
}

bool work_queue_is_empty(const struct work_queue *queue)
{
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++)
        if (queue->open[i] > 0)
            return false;
    return true;
}

bool work_queue_is_short(unsigned index)
{
    return index % WORK_LEVEL_COUNT == 0;
}

bool work_queue_has_short(const struct work_queue *queue)
{
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++)
        if (work_queue_is_short(i) && queue->rings[i] != NULL)
            return true;
    return false;
}

/* Leads are counted from the waiting queue that has had least. So one that comes back after a long
 * time is neither owed for that time nor owing more than it took. */
static void count_from_least(struct work_queue *queue)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++)
        if (queue->rings[i] != NULL && queue->ahead[i] < least)
            least = queue->ahead[i];
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++)
        queue->ahead[i] -= queue->ahead[i] < least ? queue->ahead[i] : least;
}

/* The turn is that queue's which would be ahead least after it: what counts for much waits, even
 * when it has just come, until the others have had as much. */
static unsigned whose_turn(const struct work_queue *queue)
{
    unsigned index = WORK_QUEUE_COUNT;
    uint64_t least = 0;
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++) {
        const uint64_t after = queue->ahead[i] + TURN_NS * weight_of(i);
        if (queue->open[i] == 0 || (index != WORK_QUEUE_COUNT && after >= least))
            continue;
        index = i;
        least = after;
    }
    return index;
}

struct work_list *work_queue_turn(struct work_queue *queue)
{
    const unsigned index = whose_turn(queue);
    if (index == WORK_QUEUE_COUNT)
        return NULL;
    count_from_least(queue);
    struct work_list *list = queue->rings[index];
    while (list->shut)
        list = list->next;
    leave_ring(queue, list);
    enter_ring(queue, list);
    return list;
}

void work_queue_charge(struct work_queue *queue, unsigned index, int64_t ns)
{
    uint64_t *ahead = &queue->ahead[index];
    const uint64_t weighted = (uint64_t)(ns < 0 ? -ns : ns) * weight_of(index);
    if (ns >= 0)
        *ahead += weighted;
    else
        *ahead -= *ahead < weighted ? *ahead : weighted;
}
