#include "server/lane.h"

#include <assert.h>

#include "server/compute.h"

void lane_init(struct lane *lane, const struct model *model, uint64_t delay,
               struct model_stats *stats)
{
    *lane = (struct lane){
        .model = model, .delay = delay, .stats = stats, .held.queue = WORK_QUEUE_COUNT};
    tick_rule_init(&lane->rule, model);
    overload_init(&lane->overload);
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++)
        lane->slices[i].queue = lane->ticks[i].queue = i;
}

void lane_fini(const struct lane *lane)
{
    assert(lane->admission.requests == 0);
}

void lane_put_slice(struct lane *lane, struct work_queue *queue, struct work *work)
{
    work_queue_put(queue, &lane->slices[work_queue_of(work)], work);
}

void lane_put_strands(struct lane *lane, struct work_queue *queue, struct work *work)
{
    lane->ready_rows += work->ready_rows;
    work_queue_put(queue, &lane->ticks[work_queue_of(work)], work);
}

void lane_hold(struct lane *lane, struct work_queue *queue, struct work *work, uint64_t now)
{
    lane->ready_rows += work->ready_rows;
    work->held_until = now + lane->delay;
    work_queue_put(queue, &lane->held, work);
}

bool lane_is_due(const struct lane *lane, size_t most, uint64_t now)
{
    return lane->held.first != NULL &&
           (lane->held.first->held_until <= now || lane->ready_rows >= most);
}

static bool is_for_ticks(const struct lane *lane, const struct work_list *list)
{
    return list == &lane->held || (list >= lane->ticks && list < lane->ticks + WORK_QUEUE_COUNT);
}

void lane_remove(struct lane *lane, struct work_queue *queue, struct work *work)
{
    if (is_for_ticks(lane, work->list))
        lane->ready_rows -= work->ready_rows;
    work_queue_remove(queue, work);
}

/* While a tick is computed no other begins, however long it takes. */
void lane_enter(struct lane *lane, struct work_queue *queue, enum lane_unit unit, bool together,
                uint64_t now)
{
    lane->at_work++;
    if (!together || lane->shut)
        return;
    lane->shut = true;
    lane->shut_until = unit == LANE_TICK ? UINT64_MAX : now + LANE_SHUT_NS;
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++)
        work_queue_shut(queue, &lane->ticks[i]);
}

static void open_if_due(struct lane *lane, struct work_queue *queue, uint64_t now)
{
    const bool wait = lane->at_work > 0 ? now < lane->shut_until
                                        : company_is_awaited(&lane->company, lane->ready_rows, now);
    if (!lane->shut || wait)
        return;
    lane->shut = false;
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++)
        work_queue_open(queue, &lane->ticks[i]);
}

void lane_leave(struct lane *lane, struct work_queue *queue, enum lane_unit unit, uint64_t now)
{
    assert(lane->at_work > 0);
    lane->at_work--;
    if (unit == LANE_TICK)
        lane->shut_until = now + LANE_SHUT_NS;
    open_if_due(lane, queue, now);
}

void lane_release(struct lane *lane, struct work_queue *queue, uint64_t now)
{
    while (lane->held.first != NULL) {
        struct work *work = lane->held.first;
        work_queue_remove(queue, work);
        work_queue_put(queue, &lane->ticks[work_queue_of(work)], work);
    }
    open_if_due(lane, queue, now);
}

/* Opening changes no ring. */
void lane_open_due(struct work_queue *queue, uint64_t now)
{
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++) {
        struct work_list *list = queue->rings[i];
        if (list == NULL)
            continue;
        do {
            if (list->shut)
                open_if_due(list->first->lane, queue, now);
            list = list->next;
        } while (list != queue->rings[i]);
    }
}

void lane_return_strand(struct lane *lane, struct work *work, struct strand *strand)
{
    work_return_strand(work, strand);
    if (work->list != NULL)
        lane->ready_rows += strand->live;
}

/* ---- filling a tick ---- */

struct filling {
    struct lane *lane;
    struct work_queue *queue;
    uint64_t now;
    struct tick *tick;
    struct work **late;
};

/* Takes what fits of the work's strands; true: all of them. */
static bool take_strands(const struct filling *f, struct work *work, size_t limit)
{
    while (work->ready != NULL) {
        if (!tick_fits(f->tick, &f->lane->rule, work->ready, limit))
            return false;
        f->lane->ready_rows -= work->ready->live;
        tick_add(f->tick, work_take_strand(work), work);
    }
    return true;
}

static void take_late(const struct filling *f, struct work *work)
{
    lane_remove(f->lane, f->queue, work);
    work->next = *f->late;
    *f->late = work;
}

/* Until the list is empty or its first work does not fit whole. */
static void fill_from(const struct filling *f, struct work_list *list, size_t limit)
{
    bool fits = true;
    while (fits && list->first != NULL) {
        struct work *work = list->first;
        const size_t before = f->tick->part_count;
        if (work->deadline <= f->now) {
            take_late(f, work);
            continue;
        }
        fits = take_strands(f, work, limit);
        if (!fits && f->tick->part_count == before)
            return;
        work_queue_remove(f->queue, work);
        if (!fits)
            work_queue_put(f->queue, &f->lane->ticks[work_queue_of(work)], work);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void lane_fill(struct lane *lane, struct work_queue *queue, unsigned index, size_t share,
               size_t most, uint64_t now, struct tick *tick, struct work **late)
{
    const struct filling f = {lane, queue, now, tick, late};
    const size_t cheap = least(lane->rule.cheap_rows, most);
    const size_t limit = least(share, most);
    fill_from(&f, &lane->ticks[index], limit > cheap ? limit : cheap);
    tick->wanted = tick->longest;
    for (unsigned i = 0; i < WORK_QUEUE_COUNT && tick->row_count < cheap; i++)
        fill_from(&f, &lane->ticks[i], cheap);
    if (tick->wanted == 0) /* all whose turn it was are late */
        tick->wanted = tick->longest;
}
