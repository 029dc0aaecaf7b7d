#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "server/clock.h"
#include "server/preemption.h"

#define AT(ms) (CLOCK_NS_PER_S + (ms)*CLOCK_NS_PER_MS)

enum { ASKED_MAX = 8 };

/* In a thread of its own, whose policy nobody else has; it starts with `policy`. */
struct run {
    int policy;
    void (*steps)(struct run *run);
    int asked[ASKED_MAX];
    size_t count;
};

static void ask(struct run *run)
{
    run->asked[run->count++] = sched_getscheduler(0);
}

static void *begin(void *argument)
{
    struct run *run = argument;
    const struct sched_param none = {0};
    sched_setscheduler(0, run->policy, &none);
    run->steps(run);
    return NULL;
}

static void expect_policies(int policy, void (*steps)(struct run *run), size_t count,
                            const int *expected)
{
    struct run run = {.policy = policy, .steps = steps};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, begin, &run), 0);
    pthread_join(thread, NULL);
    assert_int_equal(run.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(run.asked[i], expected[i]);
}

static void refuse_now_and_then(struct run *run)
{
    preemption_look(AT(0));
    ask(run);
    preemption_give_up(AT(1));
    ask(run);
    preemption_look(AT(90));
    preemption_give_up(AT(95));
    preemption_look(AT(180));
    ask(run);
    preemption_look(AT(200));
    ask(run);
    preemption_give_up(AT(201));
    ask(run);
}

static void a_thread_that_refuses_waits_its_turn_until_it_has_not_for_a_while(void **state)
{
    static const int expected[] = {SCHED_OTHER, SCHED_BATCH, SCHED_BATCH, SCHED_OTHER, SCHED_BATCH};
    (void)state;
    expect_policies(SCHED_OTHER, refuse_now_and_then, 5, expected);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER); /* others do not */
}

static void refuse_once(struct run *run)
{
    preemption_give_up(AT(0));
    ask(run);
    preemption_look(AT(1000));
    ask(run);
}

static void another_policy_is_left_alone(void **state)
{
    static const int expected[] = {SCHED_IDLE, SCHED_IDLE};
    (void)state;
    expect_policies(SCHED_IDLE, refuse_once, 2, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_refuses_waits_its_turn_until_it_has_not_for_a_while),
        cmocka_unit_test(another_policy_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
