#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "server/clock.h"
#include "server/pool.h"

enum { TASKS = 100, PRODUCERS = 4, TASKS_EACH = 2000 };

static struct pool *start(size_t workers)
{
    struct pool *pool;
    struct fault fault;
    assert_true(pool_start(&pool, workers, &fault));
    return pool;
}

static uint64_t soon(void)
{
    return clock_now() + 10 * CLOCK_NS_PER_S;
}

/* Keeps a worker busy until opened. */
struct gate {
    struct pool_task task;
    sem_t entered, open;
};

static void gate_run(struct pool_task *task)
{
    struct gate *gate = (struct gate *)task;
    sem_post(&gate->entered);
    while (sem_wait(&gate->open) != 0)
        continue;
}

static void gate_close(struct gate *gate, struct pool *pool)
{
    *gate = (struct gate){.task.run = gate_run};
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->open, 0, 0);
    assert_true(pool_submit(pool, &gate->task));
    while (sem_wait(&gate->entered) != 0)
        continue;
}

/* Notes the order it was run in. */
struct note {
    struct pool_task task;
    int order; /* from 1; 0: not run */
};

static int notes_run; /* by a single worker; read after it was joined */

static void note_run(struct pool_task *task)
{
    ((struct note *)task)->order = ++notes_run;
}

static void notes_init(struct note *notes, size_t count)
{
    notes_run = 0;
    for (size_t i = 0; i < count; i++)
        notes[i] = (struct note){.task.run = note_run};
}

static void tasks_run_in_the_order_submitted(void **state)
{
    (void)state;
    struct pool *pool = start(1);
    struct note notes[TASKS];
    notes_init(notes, TASKS);
    for (size_t i = 0; i < TASKS; i++)
        assert_true(pool_submit(pool, &notes[i].task));
    assert_true(pool_stop(pool, soon()));
    for (size_t i = 0; i < TASKS; i++)
        assert_int_equal(notes[i].order, i + 1);
}

static void stopping_waits_no_longer_than_told(void **state)
{
    (void)state;
    struct pool *pool = start(2);
    struct gate gate;
    struct note note;
    notes_init(&note, 1);
    gate_close(&gate, pool);
    assert_false(pool_stop(pool, clock_now() + 20 * CLOCK_NS_PER_MS));
    assert_false(pool_submit(pool, &note.task));
    sem_post(&gate.open);
    assert_true(pool_stop(pool, soon()));
}

static atomic_int counted;

static void count_run(struct pool_task *task)
{
    (void)task;
    atomic_fetch_add(&counted, 1);
}

struct producer {
    struct pool *pool;
    struct pool_task tasks[TASKS_EACH];
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (size_t i = 0; i < TASKS_EACH; i++) {
        producer->tasks[i] = (struct pool_task){.run = count_run};
        assert_true(pool_submit(producer->pool, &producer->tasks[i]));
    }
    return NULL;
}

static void many_producers_lose_no_task_and_run_none_twice(void **state)
{
    (void)state;
    static struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    struct pool *pool = start(3);
    atomic_store(&counted, 0);
    for (size_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.pool = pool};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (size_t i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(pool_stop(pool, soon()));
    assert_int_equal(atomic_load(&counted), PRODUCERS * TASKS_EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_in_the_order_submitted),
        cmocka_unit_test(stopping_waits_no_longer_than_told),
        cmocka_unit_test(many_producers_lose_no_task_and_run_none_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
