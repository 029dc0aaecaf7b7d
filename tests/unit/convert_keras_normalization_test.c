/* Keras' Normalization: numbers that stand among the options, and the variances that are divided by
 * the roots of. What is computed from them tests/golden compares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <string.h>

#include "deploy/convert/keras_normalization.h"

/* Of mean and variance as JSON; the fault's text is "" when all went well. */
static void read_given(const char *mean, const char *variance, const char *version,
                       struct float_array *means, struct float_array *variances,
                       struct fault *fault)
{
    cJSON *trees[] = {cJSON_Parse(mean), cJSON_Parse(variance)};
    struct keras_layer layer = {
        .class_name = "Normalization",
        .name = "a",
        .as.normalization = {.mean = trees[0], .variance = trees[1]},
    };
    const struct keras_version writer = keras_version_parse(version);
    *fault = (struct fault){0};
    if (keras_normalization_given(&layer, means, variances, fault) &&
        !keras_normalization_raise(&layer, &writer, variances, fault)) {
        float_array_fini(means);
        float_array_fini(variances);
    }
    cJSON_Delete(trees[0]);
    cJSON_Delete(trees[1]);
}

static void numbers_are_read_in_every_shape(void **state)
{
    static const char *const cases[][2] = {
        {"[1, -2.5]", "[4, 0]"}, {"[[1, -2.5]]", "[[4, 0]]"}, {"[[[1, -2.5]]]", "[4, 1e-15]"}};
    struct float_array mean, variance;
    struct fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        read_given(cases[i][0], cases[i][1], "3.0.0", &mean, &variance, &fault);
        assert_string_equal(fault.text, "");
        assert_int_equal(mean.elements, 2);
        assert_true(mean.values[0] == 1.0f && mean.values[1] == -2.5f);
        assert_true(variance.values[0] == 4.0f && variance.values[1] == 1e-14f);
        float_array_fini(&mean);
        float_array_fini(&variance);
    }
    read_given("[[3]]", "2", "2.9.0", &mean, &variance, &fault);
    assert_true(mean.elements == 1 && mean.values[0] == 3.0f && variance.values[0] == 2.0f);
    float_array_fini(&mean);
    float_array_fini(&variance);
}

static void other_numbers_are_refused(void **state)
{
    static const char *const cases[][4] = {
        {"[]", "[]", "3.0.0", "Normalization a: as many numbers in variance as in mean expected"},
        {"[1, \"2\"]", "[1, 2]", "3.0.0", "Normalization a.mean: a number, or"},
        {"[1, 2]", "[1, 1e39]", "3.0.0", "Normalization a.variance: a number, or"},
        {"[1, 2]", "[1, 1e999]", "3.0.0", "Normalization a.variance: a number, or"},
        {"[[1], [2]]", "[[1], [2]]", "3.0.0", "Normalization a.mean: a number, or"},
        {"[1, 2]", "[1, 2, 3]", "3.0.0", "as many numbers in variance as in mean"},
        {"[1, 2]", "[1, -2]", "3.0.0", "Normalization a: variances of at least 0"},
        {"[1, 2]", "[1, 0]", "2.4.0", "Normalization a: variances above 1e-14"},
    };
    struct float_array mean, variance;
    struct fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        read_given(cases[i][0], cases[i][1], cases[i][2], &mean, &variance, &fault);
        if (strstr(fault.text, cases[i][3]) == NULL)
            fail_msg("'%s' expected, got '%s'", cases[i][3], fault.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_in_every_shape),
        cmocka_unit_test(other_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
