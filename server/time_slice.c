#include "server/time_slice.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/clock.h"

#define SLICE (100 * CLOCK_NS_PER_US) /* the least that the system takes */

/* As sched_setattr(2) has it, which the C library does not know yet. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

void time_slice_shorten(void)
{
    struct attributes own = {.size = sizeof own};
    if (syscall(SYS_sched_getattr, 0, &own, sizeof own, 0) != 0 || own.policy != SCHED_OTHER)
        return;
    own.flags = 0;
    own.runtime = SLICE;
    syscall(SYS_sched_setattr, 0, &own, 0);
}
