#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/time_slice.h"

/* As sched_getattr(2) has it. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

#define SHORT UINT64_C(100000)
#define LONG  UINT64_C(5000000)
#define MS    CLOCK_NS_PER_MS

struct run {
    int policy, nice;
    uint64_t before;            /* slices, ns; 0: the system shows none */
    uint64_t begun, late, calm; /* after that */
    struct attributes after;    /* all of it */
};

static struct attributes look(void)
{
    struct attributes attributes;
    assert_int_equal(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0), 0);
    return attributes;
}

/* Offers at every ms from the first to the last moment, each back after so many ns. */
static uint64_t slice_after(uint64_t first, uint64_t last, uint64_t away)
{
    for (uint64_t at = first; at <= last; at += MS)
        time_slice_offered(at, at + away);
    return look().runtime;
}

/* In a thread of its own, whose policy nobody else has. */
static void *offer(void *argument)
{
    struct run *run = argument;
    const struct sched_param none = {0};
    sched_setscheduler(0, run->policy, &none);
    setpriority(PRIO_PROCESS, (id_t)gettid(), run->nice);
    run->before = look().runtime;
    time_slice_begin(1000 * MS);
    run->begun = slice_after(1001 * MS, 1299 * MS, MS);
    run->calm = slice_after(1300 * MS, 1310 * MS, MS);
    run->late = slice_after(1320 * MS, 1320 * MS, 2 * MS + 1);
    run->after = look();
    return NULL;
}

static void run_as(struct run *run)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, offer, run), 0);
    pthread_join(thread, NULL);
}

/* Systems before Linux 6.12 know no slices, and show none. */
static void slices_are_long_while_the_processor_is_soon_back(void **state)
{
    struct run run = {.policy = SCHED_OTHER, .nice = 7};
    (void)state;
    run_as(&run);
    assert_int_equal(run.after.policy, SCHED_OTHER);
    assert_int_equal(run.after.nice, 7);
    if (run.before == 0)
        return;
    assert_int_equal(run.begun, SHORT);
    assert_int_equal(run.calm, LONG);
    assert_int_equal(run.late, SHORT);
}

/* Seen by one thread: until 300 ms have passed without being kept away. */
static void *be_kept_away(void *argument)
{
    uint64_t *slices = argument;
    time_slice_begin(0);
    slices[0] = slice_after(400 * MS, 400 * MS, 0);
    slices[1] = slice_after(500 * MS, 500 * MS, 3 * MS);
    slices[2] = slice_after(504 * MS, 803 * MS, 0);
    slices[3] = slice_after(804 * MS, 804 * MS, 0);
    return NULL;
}

static void being_kept_away_counts_for_300_ms(void **state)
{
    uint64_t slices[4];
    pthread_t thread;
    (void)state;
    if (look().runtime == 0)
        skip();
    assert_int_equal(pthread_create(&thread, NULL, be_kept_away, slices), 0);
    pthread_join(thread, NULL);
    assert_int_equal(slices[0], LONG);
    assert_int_equal(slices[1], SHORT);
    assert_int_equal(slices[2], SHORT);
    assert_int_equal(slices[3], LONG);
}

static void other_policies_are_left_alone(void **state)
{
    struct run run = {.policy = SCHED_BATCH, .nice = 3};
    (void)state;
    run_as(&run);
    assert_int_equal(run.after.policy, SCHED_BATCH);
    assert_int_equal(run.after.nice, 3);
    assert_int_equal(run.begun, run.before);
    assert_int_equal(run.calm, run.before);
    assert_int_equal(run.late, run.before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_long_while_the_processor_is_soon_back),
        cmocka_unit_test(being_kept_away_counts_for_300_ms),
        cmocka_unit_test(other_policies_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
