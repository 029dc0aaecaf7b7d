#include "server/preemption.h"

#include <sched.h>
#include <stdbool.h>

#include "server/clock.h"

#define WHILE (100 * CLOCK_NS_PER_MS)

static _Thread_local struct {
    bool given_up;
    uint64_t refused_at; /* the last one */
} preemption;

/* Where it is not allowed everything stays as it was, only slower. */
static bool change(int from, int to)
{
    const struct sched_param none = {0};
    return sched_getscheduler(0) == from && sched_setscheduler(0, to, &none) == 0;
}

void preemption_give_up(uint64_t now)
{
    preemption.refused_at = now;
    if (!preemption.given_up)
        preemption.given_up = change(SCHED_OTHER, SCHED_BATCH);
}

void preemption_look(uint64_t now)
{
    if (preemption.given_up && now - preemption.refused_at > WHILE)
        preemption.given_up = !change(SCHED_BATCH, SCHED_OTHER);
}
