#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/company.h"

enum { TICK = 1000 };

/* Whose tick took TICK, and of which so many requests came so long after the last answer. */
static struct company known(int requests, uint64_t after)
{
    struct company company = {0};
    company_expect(&company, 0, 0, TICK, 0);
    for (int i = 0; i < requests; i++)
        company_note(&company, after);
    return company;
}

static void those_who_come_back_at_once_are_waited_for(void **state)
{
    struct company company = known(100, 2 * TICK);
    (void)state;
    assert_true(company_expect(&company, 5, 2, TICK, 7000));
    assert_true(company_is_awaited(&company, 4, 7000 + TICK - 1));
    assert_false(company_is_awaited(&company, 5, 7001));
    assert_false(company_is_awaited(&company, 4, 7001)); /* it has begun */
}

static void nobody_is_waited_for_longer_than_a_tick(void **state)
{
    struct company company = known(100, 0);
    (void)state;
    assert_true(company_expect(&company, 5, 0, 500, 7000));
    assert_true(company_is_awaited(&company, 0, 7499));
    assert_false(company_is_awaited(&company, 0, 7500));
}

static void who_takes_his_time_is_not_waited_for(void **state)
{
    struct company company = known(100, 2 * TICK + 2);
    (void)state;
    assert_false(company_expect(&company, 5, 2, TICK, 0));
    company = known(100, UINT64_MAX);
    assert_false(company_expect(&company, 5, 2, TICK, 0));
}

static void a_lone_row_and_a_full_house_wait_for_nobody(void **state)
{
    struct company company = known(100, 0);
    (void)state;
    assert_false(company_expect(&company, 1, 0, TICK, 0));
    assert_false(company_is_awaited(&company, 0, 0));
    assert_false(company_expect(&company, 4, 4, TICK, 0));
    assert_true(company_expect(&company, 2, 1, TICK, 0));
}

/* As many of one kind as of the other have been seen when it changes. */
static void habits_change(void **state)
{
    struct company company = known(5, 0);
    (void)state;
    assert_false(company_expect(&company, 5, 2, TICK, 0));
    for (int i = 0; i < 20; i++)
        company_note(&company, 0);
    assert_true(company_expect(&company, 5, 2, TICK, 0));
    for (int i = 0; i < 20; i++)
        company_note(&company, 10 * TICK);
    assert_false(company_expect(&company, 5, 2, TICK, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_come_back_at_once_are_waited_for),
        cmocka_unit_test(nobody_is_waited_for_longer_than_a_tick),
        cmocka_unit_test(who_takes_his_time_is_not_waited_for),
        cmocka_unit_test(a_lone_row_and_a_full_house_wait_for_nobody),
        cmocka_unit_test(habits_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
