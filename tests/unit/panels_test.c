
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "core/panels.h"

static void linear_panels_hold_each_weight_once_and_zeros_past_the_end(void **state)
{
    (void)state;
    enum { COLUMNS = 41, DEPTH = 3 };
    float weight[COLUMNS * DEPTH], bias[COLUMNS];
    for (int n = 0; n < COLUMNS; n++) {
        bias[n] = 1000.0f + (float)n;
        for (int k = 0; k < DEPTH; k++)
            weight[n * DEPTH + k] = (float)(n * 10 + k + 1);
    }
    struct panels panels;
    assert_true(panels_pack_linear(&panels, weight, bias, COLUMNS, DEPTH));
    assert_int_equal(panels.panel_count, 2);
    assert_int_equal(panels_width(&panels, 0), 32);
    assert_int_equal(panels_width(&panels, 1), 16);
    for (size_t n = 0; n < 48; n++)
        for (size_t k = 0; k < DEPTH; k++) {
            const float *panel = panels.weights + n / 32 * 32 * DEPTH;
            const float expected = n < COLUMNS ? (float)(n * 10 + k + 1) : 0.0f;
            assert_true(panel[k * panels_width(&panels, n / 32) + n % 32] == expected);
        }
    assert_true(panels.bias[40] == 1040.0f && panels.bias[41] == 0.0f);
    panels_fini(&panels);
}

static void gate_panels_put_a_units_four_gates_into_one_panel(void **state)
{
    (void)state;
    enum { HIDDEN = 9, DEPTH = 2 };
    float weight[4 * HIDDEN * DEPTH], bias_ih[4 * HIDDEN], bias_hh[4 * HIDDEN];
    for (int row = 0; row < 4 * HIDDEN; row++) {
        bias_ih[row] = (float)row;
        bias_hh[row] = 0.5f;
        for (int k = 0; k < DEPTH; k++)
            weight[row * DEPTH + k] = (float)(row * DEPTH + k + 1);
    }
    struct panels panels;
    assert_true(panels_pack_gates(&panels, weight, bias_ih, bias_hh, HIDDEN, DEPTH));
    assert_int_equal(panels.panel_count, 2);
    assert_int_equal(panels.columns, 64);
    for (size_t unit = 0; unit < 16; unit++)
        for (size_t gate = 0; gate < 4; gate++) {
            const size_t column = unit / 8 * 32 + gate * 8 + unit % 8;
            const size_t row = gate * HIDDEN + unit;
            const float *panel = panels.weights + unit / 8 * 32 * DEPTH;
            for (size_t k = 0; k < DEPTH; k++)
                assert_true(panel[k * 32 + column % 32] ==
                            (unit < HIDDEN ? (float)(row * DEPTH + k + 1) : 0.0f));
            assert_true(panels.bias[column] == (unit < HIDDEN ? (float)row + 0.5f : 0.0f));
        }
    panels_fini(&panels);
}

static void the_two_biases_are_added_in_double_and_rounded_once(void **state)
{
    (void)state;
    float weight[4] = {0}, bias_ih[4] = {1.0f, 0, 0, 0}, bias_hh[4] = {0x1.000002p-24f, 0, 0, 0};
    struct panels panels;
    assert_true(panels_pack_gates(&panels, weight, bias_ih, bias_hh, 1, 1));
    assert_true(panels.bias[0] == 0x1.000002p+0f);
    panels_fini(&panels);
    assert_true(panels_pack_gates(&panels, weight, NULL, bias_hh, 1, 1));
    assert_true(panels.bias[0] == bias_hh[0]);
    panels_fini(&panels);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    const float weight[1] = {0};
    struct panels panels;
    assert_false(panels_pack_linear(&panels, weight, NULL, SIZE_MAX / 4, 8));
    assert_false(panels_pack_linear(&panels, weight, NULL, SIZE_MAX - 3, 1));
    assert_false(panels_pack_gates(&panels, weight, NULL, NULL, SIZE_MAX / 4, 1));
    assert_false(panels_pack_gates(&panels, weight, NULL, NULL, SIZE_MAX / 64, 1024));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_panels_hold_each_weight_once_and_zeros_past_the_end),
        cmocka_unit_test(gate_panels_put_a_units_four_gates_into_one_panel),
        cmocka_unit_test(the_two_biases_are_added_in_double_and_rounded_once),
        cmocka_unit_test(sizes_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
