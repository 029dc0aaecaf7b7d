#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "core/activation.h"

/* Every 251st bit pattern: 17 million floats of every exponent and sign. `make exhaustive` takes
 * all.
 */
enum { SAMPLE_STEP = 251 };

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* |found - exact| in units in the last place of the exact value. */
static double error_in_ulps(float found, double exact)
{
    int exponent;
    frexp(exact, &exponent);
    const double ulp = fabs(exact) < 0x1p-126 ? 0x1p-149 : ldexp(1.0, exponent - 24);
    return fabs((double)found - exact) / ulp;
}

static double sigmoid_error(float x)
{
    const double exact = 1.0 / (1.0 + exp(-(double)x));
    const float found = activation_sigmoid(x);
    if (exact < 0x1p-126)
        return fabs((double)found - exact) <= 0x1p-126 ? 0.0 : INFINITY;
    return error_in_ulps(found, exact);
}

static double tanh_error(float x)
{
    return error_in_ulps(activation_tanh(x), tanh((double)x));
}

static void sigmoid_and_tanh_keep_their_bounds_over_all_floats(void **state)
{
    (void)state;
    double worst_sigmoid = 0, worst_tail = 0, worst_tanh = 0;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += SAMPLE_STEP) {
        const float x = float_of((uint32_t)bits);
        if (isnan(x))
            continue;
        double *worst = x > -20.0f ? &worst_sigmoid : &worst_tail;
        *worst = fmax(*worst, sigmoid_error(x));
        worst_tanh = fmax(worst_tanh, tanh_error(x));
    }
    assert_true(worst_sigmoid <= 2.7);
    assert_true(worst_tail <= 4.5);
    assert_true(worst_tanh <= 2.4);
}

static void results_stay_inside_their_range(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += SAMPLE_STEP) {
        const float x = float_of((uint32_t)bits);
        if (isnan(x))
            continue;
        const float s = activation_sigmoid(x), t = activation_tanh(x);
        assert_true(s >= 0.0f && s <= 1.0f && t >= -1.0f && t <= 1.0f);
    }
}

static void nan_stays_nan(void **state)
{
    (void)state;
    static const uint32_t nans[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff};
    for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++)
        for (int a = ACTIVATION_LINEAR; a <= ACTIVATION_TANH; a++)
            assert_true(isnan(activation_apply((enum activation)a, float_of(nans[i]))));
}

static void infinities_and_large_values_saturate(void **state)
{
    (void)state;
    static const float large[] = {INFINITY, 3e38f, 1e5f, 200.0f};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        assert_true(activation_sigmoid(large[i]) == 1.0f);
        assert_true(activation_sigmoid(-large[i]) == 0.0f);
        assert_true(activation_tanh(large[i]) == 1.0f);
        assert_true(activation_tanh(-large[i]) == -1.0f);
    }
}

static void tanh_of_zeros_and_denormals_is_the_number_itself(void **state)
{
    (void)state;
    static const uint32_t small[] = {0x00000000, 0x80000000, 0x00000001, 0x80000001,
                                     0x007fffff, 0x807fffff, 0x00123456};
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        const float x = float_of(small[i]);
        const float y = activation_tanh(x);
        assert_memory_equal(&x, &y, sizeof x);
    }
    assert_true(activation_sigmoid(0.0f) == 0.5f && activation_sigmoid(-0.0f) == 0.5f);
}

static void tanh_is_odd_to_the_bit(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7f800000; bits += 99991) {
        const float x = float_of(bits);
        assert_true(activation_tanh(-x) == -activation_tanh(x));
    }
}

static void relu_keeps_what_is_not_negative(void **state)
{
    (void)state;
    assert_true(activation_apply(ACTIVATION_RELU, 1.5f) == 1.5f);
    assert_true(activation_apply(ACTIVATION_RELU, -1.5f) == 0.0f);
    assert_true(activation_apply(ACTIVATION_RELU, -INFINITY) == 0.0f);
    assert_true(activation_apply(ACTIVATION_LINEAR, -1.5f) == -1.5f);
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int a = ACTIVATION_LINEAR; a <= ACTIVATION_TANH; a++) {
        enum activation found;
        assert_true(activation_from_name(activation_name((enum activation)a), &found));
        assert_int_equal(found, a);
    }
    enum activation untouched;
    assert_false(activation_from_name("Tanh", &untouched));
    assert_false(activation_from_name("", &untouched));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigmoid_and_tanh_keep_their_bounds_over_all_floats),
        cmocka_unit_test(results_stay_inside_their_range),
        cmocka_unit_test(nan_stays_nan),
        cmocka_unit_test(infinities_and_large_values_saturate),
        cmocka_unit_test(tanh_of_zeros_and_denormals_is_the_number_itself),
        cmocka_unit_test(tanh_is_odd_to_the_bit),
        cmocka_unit_test(relu_keeps_what_is_not_negative),
        cmocka_unit_test(names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
