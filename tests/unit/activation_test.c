#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/activation.h"
#include "tests/support/float_bits.h"

/* Every 251st bit pattern: 17 million floats of every exponent and sign. `make exhaustive` takes
 * all.
 */
enum { SAMPLE_STEP = 251 };

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
        for (int a = 0; a < ACTIVATIONS; a++) {
            struct activation_function function;
            assert_true(activation_from_name(activation_name((enum activation)a), &function));
            if (!activation_is_vector(function.kind))
                assert_true(isnan(activation_apply(&function, float_of(nans[i]))));
        }
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

/* ---- the others, against the library's double ---- */

struct reference {
    const char *name;
    double (*exact)(double x);
    double ulps; /* of the result; 2^-149 below the normal numbers */
};

static double softsign(double x)
{
    return isinf(x) ? copysign(1, x) : x / (1 + fabs(x));
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double elu(double x)
{
    return x < 0 ? expm1(x) : x;
}

static double selu(double x)
{
    return 1.05070098735548049342 * (x < 0 ? 1.67326324235437728481 * expm1(x) : x);
}

static double swish(double x)
{
    return x < -1000 ? 0 : x / (1 + exp(-x));
}

static double mish(double x)
{
    return x < -1000 ? 0 : x * tanh(softplus(x));
}

static double log_sigmoid(double x)
{
    return -softplus(-x);
}

static double hard_swish(double x)
{
    return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
}

static double gelu(double x)
{
    return x < -1000 ? 0 : x * erfc(-x / sqrt(2)) / 2;
}

static double gelu_tanh(double x)
{
    const double u = sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x);
    return x < -1000 ? 0 : x > 1000 ? x : x / (1 + exp(-2 * u));
}

static const struct reference references[] = {
    {"softsign", softsign, 0.5001},   {"softplus", softplus, 0.5001},
    {"exponential", exp, 0.5001},     {"elu", elu, 0.5001},
    {"selu", selu, 0.5001},           {"swish", swish, 0.5001},
    {"mish", mish, 0.5001},           {"log_sigmoid", log_sigmoid, 0.5001},
    {"hard_swish", hard_swish, 0.51}, {"gelu", gelu, 0.5001},
    {"gelu_tanh", gelu_tanh, 0.5001},
};

static bool close_enough(float found, double exact, double ulps)
{
    if (fabs(exact) >= 0x1.ffffffp127)
        return isinf(found) && signbit(found) == signbit(exact);
    return error_in_ulps(found, exact) <= ulps;
}

static void the_others_are_rounded_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        const struct reference *reference = &references[i];
        struct activation_function function;
        assert_true(activation_from_name(reference->name, &function));
        for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 16381) {
            const float x = float_of((uint32_t)bits);
            const float found = activation_apply(&function, x);
            if (isnan(x) ? !isnan(found)
                         : !close_enough(found, reference->exact((double)x), reference->ulps))
                fail_msg("%s(%a) is %a, %a in double", reference->name, (double)x, (double)found,
                         reference->exact((double)x));
        }
        for (double x = -30; x < 30; x += 1.0 / 4099)
            if (!close_enough(activation_apply(&function, (float)x),
                              reference->exact((double)(float)x), reference->ulps))
                fail_msg("%s(%a) is %a", reference->name, (double)(float)x,
                         (double)activation_apply(&function, (float)x));
    }
}

/* kind(x) with those parameters. */
static float apply(enum activation kind, float alpha, float beta, float x)
{
    return activation_apply(&(struct activation_function){kind, alpha, beta}, x);
}

static void pieces_of_lines_are_exact(void **state)
{
    (void)state;
    assert_true(apply(ACTIVATION_RELU, 0, 0, 1.5f) == 1.5f);
    assert_true(apply(ACTIVATION_RELU, 0, 0, -1.5f) == 0.0f);
    assert_true(apply(ACTIVATION_RELU, 0, 0, -INFINITY) == 0.0f);
    assert_true(apply(ACTIVATION_LINEAR, 0, 0, -1.5f) == -1.5f);
    assert_true(apply(ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f, 1.0f) == fmaf(0.2f, 1.0f, 0.5f));
    assert_true(apply(ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f, 2.6f) == 1.0f);
    assert_true(apply(ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f, -2.6f) == 0.0f);
    assert_true(apply(ACTIVATION_HARD_SIGMOID, 1.0f / 6, 0.5f, INFINITY) == 1.0f);
    assert_true(apply(ACTIVATION_RELU6, 0, 0, 5.5f) == 5.5f);
    assert_true(apply(ACTIVATION_RELU6, 0, 0, 6.5f) == 6.0f);
    assert_true(apply(ACTIVATION_LEAKY_RELU, 0.25f, 0, -2.0f) == -0.5f);
    assert_true(apply(ACTIVATION_LEAKY_RELU, 0.25f, 0, 2.0f) == 2.0f);
    assert_true(apply(ACTIVATION_THRESHOLDED_RELU, 1, 0, 1.0f) == 0.0f);
    assert_true(apply(ACTIVATION_THRESHOLDED_RELU, 1, 0, 1.5f) == 1.5f);
    assert_true(apply(ACTIVATION_CLIP, -2, 3, -7.0f) == -2.0f);
    assert_true(apply(ACTIVATION_CLIP, -2, 3, 7.0f) == 3.0f);
    assert_true(apply(ACTIVATION_AFFINE, 2, 3, 7.0f) == 17.0f);
    assert_true(apply(ACTIVATION_SCALED_TANH, 2, 3, 0.5f) == 2 * activation_tanh(1.5f));
}

static void infinities_have_limits(void **state)
{
    (void)state;
    static const struct {
        enum activation kind;
        float low, high;
    } limits[] = {
        {ACTIVATION_SOFTSIGN, -1, 1},
        {ACTIVATION_SOFTPLUS, 0, INFINITY},
        {ACTIVATION_EXPONENTIAL, 0, INFINITY},
        {ACTIVATION_ELU, -1, INFINITY},
        {ACTIVATION_SWISH, 0, INFINITY},
        {ACTIVATION_MISH, 0, INFINITY},
        {ACTIVATION_LOG_SIGMOID, -INFINITY, 0},
        {ACTIVATION_HARD_SWISH, 0, INFINITY},
        {ACTIVATION_GELU, 0, INFINITY},
        {ACTIVATION_GELU_TANH, 0, INFINITY},
        {ACTIVATION_CLIP, -1, 1},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct activation_function function;
        assert_true(activation_from_name(activation_name(limits[i].kind), &function));
        assert_true(activation_apply(&function, -INFINITY) == limits[i].low);
        assert_true(activation_apply(&function, INFINITY) == limits[i].high);
    }
}

static void check_softmax(const float *values, size_t count)
{
    float soft[64], logs[64];
    double sum = 0, largest = -INFINITY;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, (double)values[i]);
    for (size_t i = 0; i < count; i++)
        sum += exp((double)values[i] - largest);
    memcpy(soft, values, count * sizeof *values);
    memcpy(logs, values, count * sizeof *values);
    activation_apply_vector(ACTIVATION_SOFTMAX, soft, count);
    activation_apply_vector(ACTIVATION_LOG_SOFTMAX, logs, count);
    for (size_t i = 0; i < count; i++) {
        const double x = (double)values[i] - largest;
        assert_true(error_in_ulps(soft[i], exp(x) / sum) <= 0.5001);
        if (x < -0x1.ffffffp127)
            assert_true(isinf(logs[i]) && logs[i] < 0);
        else
            assert_true(fabs((double)logs[i] - (x - log(sum))) <=
                        6e-8 * fabs(x - log(sum)) + 1e-15);
    }
}

static void softmax_is_exact_for_all_sizes_and_scales(void **state)
{
    (void)state;
    float values[64];
    uint32_t random = 1;
    for (size_t count = 1; count <= 64; count++)
        for (float scale = 0.001f; scale < 50; scale *= 7) {
            for (size_t i = 0; i < count; i++) {
                random = random * 1664525u + 1013904223u;
                values[i] = ((float)(random >> 8) / 0x1p24f - 0.5f) * scale;
            }
            check_softmax(values, count);
        }
    check_softmax((const float[]){3e38f, -3e38f, 3e38f}, 3);
    check_softmax((const float[]){0, -INFINITY}, 2);
}

static void a_nan_reaches_all_of_a_softmax(void **state)
{
    (void)state;
    for (size_t place = 0; place < 3; place++) {
        float values[3] = {1, 2, 3};
        values[place] = NAN;
        activation_apply_vector(ACTIVATION_SOFTMAX, values, 3);
        assert_true(isnan(values[0]) && isnan(values[1]) && isnan(values[2]));
    }
}

static void names_go_both_ways(void **state)
{
    (void)state;
    struct activation_function found;
    for (int a = 0; a < ACTIVATIONS; a++) {
        assert_true(activation_from_name(activation_name((enum activation)a), &found));
        assert_int_equal(found.kind, a);
    }
    assert_true(activation_from_name("silu", &found) && found.kind == ACTIVATION_SWISH);
    assert_true(activation_from_name("hard_sigmoid", &found) && found.alpha == 0.2f &&
                found.beta == 0.5f);
    assert_true(activation_from_name("hard_sigmoid_keras3", &found) &&
                found.kind == ACTIVATION_HARD_SIGMOID && found.alpha == 1.0f / 6);
    assert_false(activation_from_name("Tanh", &found));
    assert_false(activation_from_name("", &found));
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
        cmocka_unit_test(the_others_are_rounded_once),
        cmocka_unit_test(pieces_of_lines_are_exact),
        cmocka_unit_test(infinities_have_limits),
        cmocka_unit_test(softmax_is_exact_for_all_sizes_and_scales),
        cmocka_unit_test(a_nan_reaches_all_of_a_softmax),
        cmocka_unit_test(names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
