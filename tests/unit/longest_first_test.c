#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdbool.h>

#include "core/longest_first.h"
#include "tests/support/random.h"

enum { ROWS_MAX = 70 };

static void fill(struct row_length *rows, size_t count, size_t longest, struct random *random)
{
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct row_length){random_size(random, 0, longest), i};
}

static void rows_come_longest_first_and_each_once(void **state)
{
    (void)state;
    struct random random = {1};
    for (size_t round = 0; round < 2000; round++) {
        const size_t count = random_size(&random, 0, ROWS_MAX);
        struct row_length rows[ROWS_MAX], before[ROWS_MAX];
        bool seen[ROWS_MAX] = {false};
        fill(rows, count, round % 9, &random);
        for (size_t i = 0; i < count; i++)
            before[i] = rows[i];
        sort_longest_first(rows, count);
        for (size_t i = 0; i < count; i++) {
            assert_true(i == 0 || rows[i - 1].steps >= rows[i].steps);
            assert_false(seen[rows[i].row]);
            seen[rows[i].row] = true;
            assert_int_equal(rows[i].steps, before[rows[i].row].steps);
        }
    }
}

static void rows_in_order_stay_where_they_are(void **state)
{
    (void)state;
    struct row_length rows[] = {{5, 0}, {5, 1}, {3, 2}, {0, 3}};
    sort_longest_first(rows, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rows[i].row, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_longest_first_and_each_once),
        cmocka_unit_test(rows_in_order_stay_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
