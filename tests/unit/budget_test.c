#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/budget.h"

static struct fault fault;

static void bytes_are_taken_until_none_are_left(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 100);
    assert_true(budget_take(&budget, 60, 0, &fault));
    assert_true(budget_take(&budget, 40, 0, &fault));
    assert_true(budget_take(&budget, 0, 0, &fault));
    assert_false(budget_take(&budget, 1, 0, &fault));
    assert_int_equal(fault.status, 503);
    assert_string_equal(fault.text, "the server's memory budget is used up, try again");
    budget_give(&budget, 1);
    assert_true(budget_take(&budget, 1, 0, &fault));
    budget_give(&budget, 100);
    assert_true(budget_take(&budget, 100, 0, &fault));
}

static void what_can_never_fit_is_413(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 100);
    assert_false(budget_take(&budget, 101, 0, &fault));
    assert_int_equal(fault.status, 413);
    assert_string_equal(fault.text, "the request needs more memory than the server's whole budget "
                                    "of 100 bytes (max_memory_bytes)");
    assert_false(budget_take(&budget, SIZE_MAX, 0, &fault));
    assert_int_equal(fault.status, 413);
}

static void what_the_request_holds_already_counts_against_it(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 100);
    assert_true(budget_take(&budget, 50, 0, &fault));
    assert_false(budget_take(&budget, 51, 50, &fault));
    assert_int_equal(fault.status, 413);
    assert_false(budget_take(&budget, SIZE_MAX, SIZE_MAX, &fault));
    assert_int_equal(fault.status, 413);
    assert_true(budget_take(&budget, 50, 50, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_taken_until_none_are_left),
        cmocka_unit_test(what_can_never_fit_is_413),
        cmocka_unit_test(what_the_request_holds_already_counts_against_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
