#include "server/work.h"

#include <assert.h>

#include "server/clock.h"
#include "server/compute.h"

#define FIRST_LEVEL_NS  (1 * CLOCK_NS_PER_MS)
#define SECOND_LEVEL_NS (10 * CLOCK_NS_PER_MS)

void work_return_strand(struct work *work, struct strand *strand)
{
    assert(strand->live > 0);
    strand->next = NULL;
    if (work->ready == NULL)
        work->ready = strand;
    else
        work->ready_last->next = strand;
    work->ready_last = strand;
    work->ready_rows += strand->live;
}

void work_add_strand(struct work *work, struct strand *strand)
{
    work_return_strand(work, strand);
    work->unfinished++;
}

struct strand *work_take_strand(struct work *work)
{
    struct strand *strand = work->ready;
    work->ready = strand->next;
    work->ready_rows -= strand->live;
    return strand;
}

unsigned work_queue_of(const struct work *work)
{
    const uint64_t ns = work->attained > work->expected ? work->attained : work->expected;
    const unsigned level = ns < FIRST_LEVEL_NS ? 0 : ns < SECOND_LEVEL_NS ? 1 : 2;
    return (unsigned)work->priority * WORK_LEVEL_COUNT + level;
}
