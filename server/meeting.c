#include "server/meeting.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/clock.h"

/* Looking before sleeping: some steps of a large model, and less than a sleep and a wake-up cost.
 * By the clock, for a pause takes one processor ten times as long as another. */
#define LOOKING_NS      (30 * CLOCK_NS_PER_US)
#define LOOKS_PER_CLOCK 64

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* true: the next round has come meanwhile. */
static bool look(const struct meeting *meeting, unsigned round)
{
    for (unsigned i = 0; i < LOOKS_PER_CLOCK; i++) {
        if (atomic_load_explicit(&meeting->round, memory_order_acquire) != round)
            return true;
        relax();
    }
    return false;
}

void meeting_init(struct meeting *meeting, unsigned size)
{
    meeting->size = size;
    atomic_init(&meeting->arrived, 0);
    atomic_init(&meeting->round, 0);
    atomic_init(&meeting->sleepers, 0);
}

/* Rounds go on being counted: one that is on its way out looks for a change of them. */
void meeting_resize(struct meeting *meeting, unsigned size)
{
    meeting->size = size;
}

/* The last one to arrive opens the next round. Sleepers announce themselves before they look at the
 * round again, and it is changed before they are counted: one of the two sees the other. */
static void open_round(struct meeting *meeting)
{
    atomic_store_explicit(&meeting->arrived, 0, memory_order_relaxed);
    atomic_fetch_add(&meeting->round, 1);
    if (atomic_load(&meeting->sleepers) > 0)
        syscall(SYS_futex, &meeting->round, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void sleep_until_after(struct meeting *meeting, unsigned round)
{
    atomic_fetch_add(&meeting->sleepers, 1);
    while (atomic_load(&meeting->round) == round)
        syscall(SYS_futex, &meeting->round, FUTEX_WAIT_PRIVATE, round, NULL, NULL, 0);
    atomic_fetch_sub(&meeting->sleepers, 1);
}

/* Once it has arrived others may go on without it, and the size be changed. */
void meeting_wait(struct meeting *meeting)
{
    const unsigned size = meeting->size;
    const unsigned round = atomic_load_explicit(&meeting->round, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&meeting->arrived, 1, memory_order_acq_rel) + 1 == size) {
        open_round(meeting);
        return;
    }
    const uint64_t until = clock_now() + LOOKING_NS;
    while (!look(meeting, round))
        if (clock_now() >= until) {
            sleep_until_after(meeting, round);
            return;
        }
}
