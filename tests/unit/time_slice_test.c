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

#include "server/time_slice.h"

/* As sched_getattr(2) has it. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

struct run {
    int policy, nice;
    struct attributes before, after;
};

static void look(struct attributes *attributes)
{
    assert_int_equal(syscall(SYS_sched_getattr, 0, attributes, sizeof *attributes, 0), 0);
}

/* In a thread of its own, whose policy nobody else has. */
static void *shorten(void *argument)
{
    struct run *run = argument;
    const struct sched_param none = {0};
    sched_setscheduler(0, run->policy, &none);
    setpriority(PRIO_PROCESS, (id_t)gettid(), run->nice);
    look(&run->before);
    time_slice_shorten();
    look(&run->after);
    return NULL;
}

static void run_as(struct run *run)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, shorten, run), 0);
    pthread_join(thread, NULL);
}

/* Systems before Linux 6.12 know no slices, and show none. */
static void slices_become_short_and_nothing_else_changes(void **state)
{
    struct run run = {.policy = SCHED_OTHER, .nice = 7};
    (void)state;
    run_as(&run);
    assert_int_equal(run.after.policy, SCHED_OTHER);
    assert_int_equal(run.after.nice, 7);
    if (run.before.runtime != 0)
        assert_int_equal(run.after.runtime, 100000);
}

static void other_policies_are_left_alone(void **state)
{
    struct run run = {.policy = SCHED_BATCH, .nice = 3};
    (void)state;
    run_as(&run);
    assert_int_equal(run.after.policy, SCHED_BATCH);
    assert_int_equal(run.after.nice, 3);
    assert_int_equal(run.after.runtime, run.before.runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_become_short_and_nothing_else_changes),
        cmocka_unit_test(other_policies_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
