#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <time.h>

#include "server/clock.h"
#include "server/model_stats.h"

static struct model_stats stats;
static struct histogram_counts counts;

static int setup(void **state)
{
    (void)state;
    model_stats_init(&stats);
    return 0;
}

static uint64_t passes_at(size_t index)
{
    return atomic_load(&stats.batches[index].passes);
}

static void a_new_one_has_counted_nothing(void **state)
{
    (void)state;
    assert_int_equal(atomic_load(&stats.rows), 0);
    assert_int_equal(atomic_load(&stats.last_inference), 0);
    assert_int_equal(atomic_load(&stats.failed), 0);
    for (size_t i = 0; i < FAILURE_COUNT; i++)
        assert_int_equal(atomic_load(&stats.failures[i]), 0);
    for (size_t i = 0; i < BATCH_SIZES; i++)
        assert_int_equal(passes_at(i), 0);
    histogram_read(&stats.request, &counts);
    assert_int_equal(counts.count, 0);
}

static void an_answer_adds_its_times_and_rows(void **state)
{
    const struct request_times times = {.queue = 1000,
                                        .compute_input = 20,
                                        .compute_infer = 300000,
                                        .compute_output = 40,
                                        .request = 310000};
    const uint64_t before = (uint64_t)time(NULL);
    (void)state;
    model_stats_success(&stats, &times, 3);
    model_stats_success(&stats, &times, 4);
    assert_int_equal(atomic_load(&stats.rows), 7);
    assert_int_equal(atomic_load(&stats.compute_input), 40);
    assert_int_equal(atomic_load(&stats.compute_output), 80);
    histogram_read(&stats.queue, &counts);
    assert_int_equal(counts.count, 2);
    assert_int_equal(counts.sum, 2000);
    histogram_read(&stats.infer, &counts);
    assert_int_equal(counts.sum, 600000);
    histogram_read(&stats.request, &counts);
    assert_int_equal(counts.sum, 620000);
    assert_true(atomic_load(&stats.last_inference) / 1000 + 1 >= before);
    assert_true(atomic_load(&stats.last_inference) / 1000 <= (uint64_t)time(NULL) + 1);
}

/* Read off a coarse clock, it was up to 4 ms before the request had been sent. */
static void bug_610_the_last_inference_is_not_before_its_request(void **state)
{
    const struct request_times times = {.request = 1};
    const uint64_t end = clock_now() + 50 * CLOCK_NS_PER_MS;
    (void)state;
    while (clock_now() < end) {
        const uint64_t sent = clock_wall_ms();
        model_stats_success(&stats, &times, 1);
        assert_true(atomic_load(&stats.last_inference) >= sent);
    }
}

static void a_failure_is_no_inference(void **state)
{
    (void)state;
    model_stats_failure(&stats, FAILURE_REJECTED, 0);
    model_stats_failure(&stats, FAILURE_TIMEOUT, 500);
    model_stats_failure(&stats, FAILURE_TIMEOUT, 600);
    assert_int_equal(atomic_load(&stats.failures[FAILURE_REJECTED]), 1);
    assert_int_equal(atomic_load(&stats.failures[FAILURE_TIMEOUT]), 2);
    assert_int_equal(atomic_load(&stats.failures[FAILURE_OTHER]), 0);
    assert_int_equal(atomic_load(&stats.failed), 1100);
    assert_int_equal(atomic_load(&stats.last_inference), 0);
    histogram_read(&stats.request, &counts);
    assert_int_equal(counts.count, 0);
}

static void errors_are_sorted_by_their_status(void **state)
{
    (void)state;
    assert_int_equal(request_failure_of(400), FAILURE_INVALID);
    assert_int_equal(request_failure_of(404), FAILURE_INVALID);
    assert_int_equal(request_failure_of(413), FAILURE_REJECTED);
    assert_int_equal(request_failure_of(503), FAILURE_REJECTED);
    assert_int_equal(request_failure_of(504), FAILURE_TIMEOUT);
    assert_int_equal(request_failure_of(500), FAILURE_OTHER);
}

static void passes_are_counted_by_their_rows(void **state)
{
    (void)state;
    for (size_t rows = 1; rows <= BATCH_SIZES_EXACT; rows++) {
        model_stats_tick(&stats, rows, 10 * rows, 7);
        assert_int_equal(passes_at(rows - 1), 1);
        assert_int_equal(atomic_load(&stats.batches[rows - 1].ns), 7);
        assert_int_equal(model_stats_batch_size(rows - 1), rows);
    }
    assert_int_equal(atomic_load(&stats.pass_rows), 64 * 65 / 2);
    assert_int_equal(atomic_load(&stats.pass_steps), 10 * 64 * 65 / 2);
}

/* Rows up to a size are that size's, one more is the next one's. */
static void many_rows_are_counted_by_powers_of_two(void **state)
{
    (void)state;
    for (size_t i = BATCH_SIZES_EXACT; i < BATCH_SIZES; i++) {
        const size_t size = model_stats_batch_size(i);
        assert_int_equal(size, 2 * model_stats_batch_size(i - 1));
        model_stats_init(&stats);
        model_stats_tick(&stats, size / 2 + 1, 1, 1);
        model_stats_tick(&stats, size, 1, 1);
        assert_int_equal(passes_at(i), 2);
    }
    model_stats_tick(&stats, SIZE_MAX, 1, 1);
    assert_int_equal(passes_at(BATCH_SIZES - 1), 3);
}

static void a_pass_over_nothing_is_none(void **state)
{
    (void)state;
    model_stats_tick(&stats, 0, 5, 9);
    assert_int_equal(atomic_load(&stats.pass_steps), 0);
    assert_int_equal(passes_at(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_one_has_counted_nothing, setup),
        cmocka_unit_test_setup(an_answer_adds_its_times_and_rows, setup),
        cmocka_unit_test_setup(bug_610_the_last_inference_is_not_before_its_request, setup),
        cmocka_unit_test_setup(a_failure_is_no_inference, setup),
        cmocka_unit_test(errors_are_sorted_by_their_status),
        cmocka_unit_test_setup(passes_are_counted_by_their_rows, setup),
        cmocka_unit_test_setup(many_rows_are_counted_by_powers_of_two, setup),
        cmocka_unit_test_setup(a_pass_over_nothing_is_none, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
