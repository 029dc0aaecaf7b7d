#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/classification.h"
#include "proto/little_endian.h"
#include "tests/support/random.h"

/* The strings of values, joined by spaces. */
static void expect(const struct classification *classification, const float *values, size_t groups,
                   const char *wanted)
{
    size_t bound, best[16], used = 0;
    char joined[512] = "";
    assert_true(classification_size(classification, groups, &bound));
    char *out = malloc(bound + 1);
    assert_non_null(out);
    const size_t size = classification_write(classification, values, groups, best, out);
    assert_true(size <= bound);
    for (size_t at = 0; at < size;) {
        const size_t length = little_endian_read_u32(out + at);
        memcpy(joined + used, out + at + 4, length);
        used += length;
        at += 4 + length;
        joined[used++] = at < size ? ' ' : '\0';
    }
    assert_string_equal(joined, wanted);
    free(out);
}

static void largest_come_first(void **state)
{
    (void)state;
    static const float values[] = {0.25f, 3, -1, 2e-7f, 5, 5, -INFINITY, 0.1f};
    const struct classification two = {.classes = 4, .count = 2}, all = {4, 4, NULL};
    expect(&two, values, 2, "3.0:1 0.25:0 5.0:0 5.0:1");
    expect(&all, values, 1, "3.0:1 0.25:0 2e-7:3 -1.0:2");
    expect(&all, values, 0, "");
}

static void labels_follow_the_index(void **state)
{
    (void)state;
    static const float values[] = {1, 2, 3};
    static const char *const labels[] = {"cat", "", "d:o\"g"};
    const struct classification classification = {3, 3, labels};
    expect(&classification, values, 1, "3.0:2:d:o\"g 2.0:1: 1.0:0:cat");
}

static void nan_comes_last_and_ties_by_index(void **state)
{
    (void)state;
    static const float values[] = {NAN, -INFINITY, NAN, 0, -0.0f, 0};
    const struct classification classification = {6, 6, NULL};
    expect(&classification, values, 1, "0.0:3 -0.0:4 0.0:5 -Infinity:1 NaN:0 NaN:2");
}

static void every_count_is_the_beginning_of_the_whole_order(void **state)
{
    (void)state;
    enum { N = 13 };
    struct random random = {1};
    for (int round = 0; round < 200; round++) {
        float values[N];
        size_t best[N];
        char whole[N * 64], part[N * 64];
        for (size_t i = 0; i < N; i++)
            values[i] = (float)(random_size(&random, 0, 7));
        struct classification classification = {N, N, NULL};
        const size_t size = classification_write(&classification, values, 1, best, whole);
        for (size_t i = 1; i < N; i++) {
            assert_true(values[best[i - 1]] > values[best[i]] ||
                        (values[best[i - 1]] == values[best[i]] && best[i - 1] < best[i]));
        }
        for (classification.count = 0; classification.count < N; classification.count++) {
            const size_t less = classification_write(&classification, values, 1, best, part);
            assert_true(less < size);
            assert_memory_equal(part, whole, less);
        }
    }
}

static void size_that_does_not_fit_is_said(void **state)
{
    (void)state;
    const struct classification classification = {1u << 20, 1u << 20, NULL};
    size_t bytes;
    assert_false(classification_size(&classification, (size_t)1 << 44, &bytes));
    assert_false(classification_size(&classification, (size_t)1 << 40, &bytes));
    assert_true(classification_size(&classification, (size_t)1 << 30, &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_come_first),
        cmocka_unit_test(labels_follow_the_index),
        cmocka_unit_test(nan_comes_last_and_ties_by_index),
        cmocka_unit_test(every_count_is_the_beginning_of_the_whole_order),
        cmocka_unit_test(size_that_does_not_fit_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
