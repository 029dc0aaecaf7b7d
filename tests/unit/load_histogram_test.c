#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/bench/load_histogram.h"
#include "tests/support/random.h"

static struct load_histogram histogram;

static int clear(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    return 0;
}

static void an_empty_one_answers_0(void **state)
{
    (void)state;
    assert_int_equal(load_histogram_quantile(&histogram, 0.5), 0);
    assert_int_equal(load_histogram_quantile(&histogram, 1), 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 100; value++)
        load_histogram_add(&histogram, value);
    assert_int_equal(load_histogram_quantile(&histogram, 0), 1);
    assert_int_equal(load_histogram_quantile(&histogram, 0.5), 50);
    assert_int_equal(load_histogram_quantile(&histogram, 0.99), 99);
    assert_int_equal(load_histogram_quantile(&histogram, 1), 100);
}

static void one_value_is_every_quantile(void **state)
{
    (void)state;
    load_histogram_add(&histogram, 123456789);
    assert_int_equal(load_histogram_quantile(&histogram, 0), 123456789);
    assert_int_equal(load_histogram_quantile(&histogram, 0.999), 123456789);
    assert_int_equal(histogram.max, 123456789);
}

/* Alone in its bucket below a larger one, a value comes back as the bucket's upper edge. */
static void every_size_comes_back_within_its_width(void **state)
{
    (void)state;
    struct random random = {7};
    for (int i = 0; i < 20000; i++) {
        const unsigned shift = (unsigned)random_size(&random, 23, 63);
        const uint64_t value = random_bits(&random) >> shift;
        clear(state);
        load_histogram_add(&histogram, value);
        load_histogram_add(&histogram, UINT64_C(1) << 43);
        const uint64_t found = load_histogram_quantile(&histogram, 0.5);
        if (found < value || (double)(found - value) > (double)value / 128)
            fail_msg("%ju came back as %ju", (uintmax_t)value, (uintmax_t)found);
    }
}

static void beyond_the_top_the_largest_is_known(void **state)
{
    (void)state;
    load_histogram_add(&histogram, UINT64_MAX);
    load_histogram_add(&histogram, 5);
    assert_int_equal(load_histogram_quantile(&histogram, 0.5), 5);
    assert_int_equal(load_histogram_quantile(&histogram, 1), UINT64_MAX);
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void quantiles_are_those_of_the_sorted_values(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    static uint64_t values[COUNT];
    struct random random = {11};
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = random_bits(&random) >> random_size(&random, 24, 60);
        load_histogram_add(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof *values, compare);
    for (size_t permille = 1; permille <= 1000; permille++) {
        const uint64_t exact = values[permille * (COUNT / 1000) - 1];
        /* Just below a rank, so that rounding does not lead to the next. */
        const double share = ((double)permille - 0.001) / 1000;
        const uint64_t found = load_histogram_quantile(&histogram, share);
        assert_true(found >= exact);
        assert_true((double)(found - exact) <= (double)exact / 128);
    }
}

static void merged_is_as_if_added_to_one(void **state)
{
    (void)state;
    static struct load_histogram parts[2];
    struct random random = {13};
    for (int i = 0; i < 1000; i++) {
        const uint64_t value = random_bits(&random) >> random_size(&random, 24, 60);
        load_histogram_add(&parts[i % 2], value);
        load_histogram_add(&histogram, value);
    }
    load_histogram_merge(&parts[0], &parts[1]);
    assert_memory_equal(&parts[0], &histogram, sizeof histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_one_answers_0, clear),
        cmocka_unit_test_setup(small_values_are_exact, clear),
        cmocka_unit_test_setup(one_value_is_every_quantile, clear),
        cmocka_unit_test_setup(every_size_comes_back_within_its_width, clear),
        cmocka_unit_test_setup(beyond_the_top_the_largest_is_known, clear),
        cmocka_unit_test_setup(quantiles_are_those_of_the_sorted_values, clear),
        cmocka_unit_test_setup(merged_is_as_if_added_to_one, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
