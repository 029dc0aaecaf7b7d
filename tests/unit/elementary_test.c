/* Against the C library's functions in double, over dense samples. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>

#include "core/elementary.h"

static double relative_error(double found, double exact)
{
    return exact == 0 ? fabs(found) : fabs(found / exact - 1);
}

static void exp_and_expm1_are_precise_everywhere(void **state)
{
    (void)state;
    double worst = 0, worst_near_zero = 0;
    for (double x = -699.9; x < 700; x += 0.000731)
        worst = fmax(worst, relative_error(elementary_exp(x), exp(x)));
    for (double x = 1e-30; x < 40; x *= 1.0001) {
        worst_near_zero = fmax(worst_near_zero, relative_error(elementary_expm1(x), expm1(x)));
        worst_near_zero = fmax(worst_near_zero, relative_error(elementary_expm1(-x), expm1(-x)));
    }
    assert_true(worst < 1e-15);
    assert_true(worst_near_zero < 3e-11);
    assert_true(elementary_exp(0) == 1.0 && elementary_expm1(0) == 0.0);
    assert_true(elementary_exp(INFINITY) > (double)FLT_MAX);
    assert_true(elementary_exp(-INFINITY) < 0x1p-160);
    assert_true(isnan(elementary_exp(NAN)) && isnan(elementary_expm1(NAN)));
}

static void log1p_is_precise_from_tiny_to_huge(void **state)
{
    (void)state;
    double worst = 0;
    for (double x = 1e-300; x < 1e300; x *= 1.00037)
        worst = fmax(worst, relative_error(elementary_log1p(x), log1p(x)));
    assert_true(worst < 2e-15);
    assert_true(elementary_log1p(0) == 0.0 && elementary_log1p(INFINITY) == INFINITY);
    assert_true(isnan(elementary_log1p(NAN)));
}

static void the_normal_tail_is_precise_to_its_end(void **state)
{
    (void)state;
    double worst = 0;
    for (double z = 0; z <= 16; z += 0.00001)
        worst = fmax(worst, relative_error(elementary_normal_tail(z), erfc(z / sqrt(2)) / 2));
    assert_true(worst < 1e-12);
    assert_true(elementary_normal_tail(17) == 0.0 && elementary_normal_tail(INFINITY) == 0.0);
    assert_true(isnan(elementary_normal_tail(NAN)));
}

static void rounding_is_to_nearest_and_overflows_to_infinity(void **state)
{
    (void)state;
    assert_true(elementary_round(0x1.fffffep127) == FLT_MAX);
    assert_true(elementary_round(0x1.fffffefffffffp127) == FLT_MAX);
    assert_true(elementary_round(0x1.ffffffp127) == INFINITY);
    assert_true(elementary_round(-1e300) == -INFINITY);
    assert_true(elementary_round(1.0 + 0x1p-24) == 1.0f);
    assert_true(elementary_round(1e-300) == 0.0f);
    assert_true(isnan(elementary_round(NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_and_expm1_are_precise_everywhere),
        cmocka_unit_test(log1p_is_precise_from_tiny_to_huge),
        cmocka_unit_test(the_normal_tail_is_precise_to_its_end),
        cmocka_unit_test(rounding_is_to_nearest_and_overflows_to_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
