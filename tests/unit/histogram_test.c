#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>

#include "server/histogram.h"

static struct histogram histogram;
static struct histogram_counts counts;

static int setup(void **state)
{
    (void)state;
    histogram_init(&histogram);
    return 0;
}

static void an_empty_one_counts_nothing(void **state)
{
    (void)state;
    histogram_read(&histogram, &counts);
    assert_int_equal(counts.count, 0);
    assert_int_equal(counts.sum, 0);
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
        assert_int_equal(counts.cumulative[i], 0);
}

static void bounds_go_from_ten_microseconds_three_a_decade(void **state)
{
    static const uint64_t mantissas[] = {1, 2, 5};
    uint64_t decade = 10000;
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        assert_int_equal(histogram_bounds[i], mantissas[i % 3] * decade);
        if (i % 3 == 2)
            decade *= 10;
    }
}

/* Each bound is its own bucket's last duration. */
static void a_duration_belongs_to_the_first_bound_it_does_not_exceed(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        histogram_init(&histogram);
        histogram_add(&histogram, histogram_bounds[i]);
        histogram_add(&histogram, histogram_bounds[i] + 1);
        histogram_read(&histogram, &counts);
        assert_int_equal(counts.cumulative[i], 1);
        if (i > 0)
            assert_int_equal(counts.cumulative[i - 1], 0);
        if (i + 1 < HISTOGRAM_BOUNDS)
            assert_int_equal(counts.cumulative[i + 1], 2);
        assert_int_equal(counts.count, 2);
        assert_int_equal(counts.sum, 2 * histogram_bounds[i] + 1);
    }
}

static void the_ends_have_room_too(void **state)
{
    (void)state;
    histogram_add(&histogram, 0);
    histogram_add(&histogram, UINT64_MAX / 2);
    histogram_read(&histogram, &counts);
    assert_int_equal(counts.cumulative[0], 1);
    assert_int_equal(counts.cumulative[HISTOGRAM_BOUNDS - 1], 1);
    assert_int_equal(counts.count, 2);
    assert_int_equal(counts.sum, UINT64_MAX / 2);
}

#define THREADS 4
#define EACH    20000

static void *add_many(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < EACH; i++)
        histogram_add(&histogram, histogram_bounds[i % HISTOGRAM_BOUNDS]);
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    pthread_t threads[THREADS];
    uint64_t sum = 0;
    (void)state;
    for (size_t i = 0; i < EACH; i++)
        sum += histogram_bounds[i % HISTOGRAM_BOUNDS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    histogram_read(&histogram, &counts);
    assert_int_equal(counts.count, THREADS * EACH);
    assert_int_equal(counts.cumulative[HISTOGRAM_BOUNDS - 1], THREADS * EACH);
    assert_int_equal(counts.sum, THREADS * sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_one_counts_nothing, setup),
        cmocka_unit_test(bounds_go_from_ten_microseconds_three_a_decade),
        cmocka_unit_test(a_duration_belongs_to_the_first_bound_it_does_not_exceed),
        cmocka_unit_test_setup(the_ends_have_room_too, setup),
        cmocka_unit_test_setup(threads_lose_nothing, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
