/* The cell's definition against its equations in double, each of its functions alone over a dense
 * sample of all floats, and together at random. `make exhaustive` takes every float. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "core/cell.h"
#include "tests/support/random.h"

enum { SAMPLE_STEP = 1021, CASES = 1000000 };

/* core/cell.h's promises. */
#define SIGMOID_ULPS      3.3
#define SIGMOID_TAIL_ULPS 5.5
#define TANH_ULPS         2.9

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* |found - exact| in units in the last place of the exact value. */
static double error_in_ulps(float found, double exact)
{
    int exponent;
    frexp(exact, &exponent);
    const double ulp = fabs(exact) < 0x1p-126 ? 0x1p-149 : ldexp(1.0, exponent - 24);
    return fabs((double)found - exact) / ulp;
}

/* A gate as open as this is exactly 1, so each function of the cell can be seen alone. */
#define OPEN 200.0f

static float forget_gate(float f)
{
    float c = 1, h;
    cell_step(OPEN, f, 0, OPEN, &c, &h);
    return c;
}

static float input_gate(float i)
{
    float c = 0, h;
    cell_step(i, OPEN, OPEN, OPEN, &c, &h);
    return c;
}

static float candidate(float g)
{
    float c = 0, h;
    cell_step(OPEN, OPEN, g, OPEN, &c, &h);
    return c;
}

static float output_gate(float o)
{
    float c = OPEN, h;
    cell_step(OPEN, OPEN, 0, o, &c, &h);
    return h;
}

static float hidden(float c)
{
    float h;
    cell_step(OPEN, OPEN, 0, OPEN, &c, &h);
    return h;
}

static void assert_sigmoid(float (*gate)(float))
{
    double worst = 0, worst_below = 0;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += SAMPLE_STEP) {
        const float x = float_of((uint32_t)bits);
        if (isnan(x))
            continue;
        const float found = gate(x);
        assert_true(found >= 0 && found <= 1);
        if (x < -87.0f)
            assert_true(found < 2e-38f);
        else if (x > -20.0f)
            worst = fmax(worst, error_in_ulps(found, sigmoid((double)x)));
        else
            worst_below = fmax(worst_below, error_in_ulps(found, sigmoid((double)x)));
    }
    assert_true(worst <= SIGMOID_ULPS);
    assert_true(worst_below <= SIGMOID_TAIL_ULPS);
}

static void its_gates_are_sigmoids(void **state)
{
    (void)state;
    assert_sigmoid(forget_gate);
    assert_sigmoid(input_gate);
    assert_sigmoid(output_gate);
}

static void assert_tanh(float (*function)(float))
{
    double worst = 0;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += SAMPLE_STEP) {
        const float x = float_of((uint32_t)bits);
        if (isnan(x))
            continue;
        const float found = function(x);
        assert_true(found >= -1 && found <= 1);
        worst = fmax(worst, error_in_ulps(found, tanh((double)x)));
    }
    assert_true(worst <= TANH_ULPS);
}

static void its_candidate_and_output_are_tanh(void **state)
{
    (void)state;
    assert_tanh(candidate);
    assert_tanh(hidden);
}

static void all_together_are_the_equations(void **state)
{
    (void)state;
    struct random random = {1};
    for (size_t n = 0; n < CASES; n++) {
        float x[5], h;
        random_floats(&random, x, 5, n % 2 == 0 ? 3.0f : 30.0f);
        float c = x[4];
        cell_step(x[0], x[1], x[2], x[3], &c, &h);
        const double kept = sigmoid((double)x[1]) * (double)x[4];
        const double added = sigmoid((double)x[0]) * tanh((double)x[2]);
        /* Of two terms that cancel, the error is of their size. */
        const double size = fabs(kept) + fabs(added);
        assert_true(fabs((double)c - (kept + added)) <= 4 * 0x1p-23 * size + 2e-38);
        const double exact = sigmoid((double)x[3]) * tanh((double)c);
        assert_true(fabs((double)h - exact) <= 5 * 0x1p-23 * fabs(exact) + 2e-38);
    }
}

static void saturated_gates_are_exactly_open_and_nothing_when_closed(void **state)
{
    (void)state;
    static const float large[] = {INFINITY, 3e38f, 1e5f, 200.0f};
    for (size_t n = 0; n < sizeof large / sizeof large[0]; n++) {
        float c = 0.25f, h;
        cell_step(-large[n], large[n], large[n], large[n], &c, &h);
        assert_true(c == 0.25f && h == hidden(0.25f));
        c = 0.25f;
        cell_step(large[n], -large[n], -large[n], -large[n], &c, &h);
        assert_true(c == -1.0f && fabsf(h) < 2e-38f);
    }
}

static void nan_anywhere_is_nan_after(void **state)
{
    (void)state;
    for (size_t which = 0; which < 5; which++) {
        float x[5] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f}, h;
        x[which] = NAN;
        cell_step(x[0], x[1], x[2], x[3], &x[4], &h);
        assert_true(isnan(h) && (which == 3 || isnan(x[4])));
    }
}

static void a_large_c_stays_what_it_is(void **state)
{
    (void)state;
    float c = 1e38f, h;
    cell_step(1, OPEN, 1, OPEN, &c, &h);
    assert_true(c == 1e38f && h == 1.0f);
    c = INFINITY;
    cell_step(1, OPEN, 1, OPEN, &c, &h);
    assert_true(isinf(c) && h == 1.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_gates_are_sigmoids),
        cmocka_unit_test(its_candidate_and_output_are_tanh),
        cmocka_unit_test(all_together_are_the_equations),
        cmocka_unit_test(saturated_gates_are_exactly_open_and_nothing_when_closed),
        cmocka_unit_test(nan_anywhere_is_nan_after),
        cmocka_unit_test(a_large_c_stays_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
