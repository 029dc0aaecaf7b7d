#include "server/time_slice.h"

#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/clock.h"

#define SHORT (100 * CLOCK_NS_PER_US) /* the least that the system takes */
#define LONG  (5 * CLOCK_NS_PER_MS)

/* Threads that read and write are done sooner, all that are waiting together; a program that
 * computes takes until the next tick of the system's clock. */
#define KEPT_AWAY (2 * CLOCK_NS_PER_MS)
/* Finding out that such a program is still there costs a long slice: a sixtieth of the time. */
#define CALM (300 * CLOCK_NS_PER_MS)

/* As sched_setattr(2) has it, which the C library does not know yet. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

static _Thread_local struct {
    bool are_long;
    uint64_t kept_away; /* when it came back then last, or began */
} slices;

static void set(uint64_t ns)
{
    struct attributes own = {.size = sizeof own};
    if (syscall(SYS_sched_getattr, 0, &own, sizeof own, 0) != 0 || own.policy != SCHED_OTHER)
        return;
    own.flags = 0;
    own.runtime = ns;
    syscall(SYS_sched_setattr, 0, &own, 0);
}

void time_slice_begin(uint64_t now)
{
    slices.kept_away = now;
    slices.are_long = false;
    set(SHORT);
}

void time_slice_offered(uint64_t at, uint64_t back)
{
    if (back - at > KEPT_AWAY)
        slices.kept_away = back;
    const bool calm = back - slices.kept_away > CALM;
    if (calm == slices.are_long)
        return;
    slices.are_long = calm;
    set(calm ? LONG : SHORT);
}
