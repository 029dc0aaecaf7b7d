
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "core/panels.h"

/* Where the layout says that a column's k-th weight is. */
static float weight_at(const struct panels *panels, size_t column, size_t k)
{
    const float *panel = panels->weights + column / 32 * 32 * panels->depth;
    const size_t half = column % 32 / 16, lane = column % 16;
    return panels->depth <= 128 ? panel[k * 32 + half * 16 + lane]
                                : panel[half * 16 * panels->depth + k * 16 + lane];
}

static void check_linear(size_t depth)
{
    enum { COLUMNS = 41 };
    float *const weight = calloc(COLUMNS, depth * sizeof *weight), bias[COLUMNS];
    assert_non_null(weight);
    for (size_t n = 0; n < COLUMNS; n++) {
        bias[n] = 1000.0f + (float)n;
        for (size_t k = 0; k < depth; k++)
            weight[n * depth + k] = (float)(n * 1000 + k + 1);
    }
    struct panels panels;
    assert_true(panels_pack_linear(&panels, weight, bias, COLUMNS, depth));
    assert_int_equal(panels.panel_count, 2);
    assert_int_equal(panels_columns(&panels, 0), 32);
    assert_int_equal(panels_columns(&panels, 1), 9);
    for (size_t n = 0; n < 64; n++) {
        assert_true(panels.bias[n] == (n < COLUMNS ? bias[n] : 0.0f));
        for (size_t k = 0; k < depth; k++)
            assert_true(weight_at(&panels, n, k) == (n < COLUMNS ? weight[n * depth + k] : 0.0f));
    }
    panels_fini(&panels);
    free(weight);
}

static void linear_panels_hold_each_weight_once_and_zeros_past_the_end(void **state)
{
    (void)state;
    check_linear(3);
    check_linear(128);
    check_linear(129);
}

static void check_gates(size_t depth)
{
    enum { HIDDEN = 9, ROWS = 4 * HIDDEN };
    /* i, f, g, o of a weight's rows stand as i, g, f, o in a panel */
    static const size_t first_column[] = {0, 16, 8, 24};
    float *const weight = calloc(ROWS, depth * sizeof *weight), bias_ih[ROWS], bias_hh[ROWS];
    assert_non_null(weight);
    for (size_t row = 0; row < ROWS; row++) {
        bias_ih[row] = (float)row;
        bias_hh[row] = 0.5f;
        for (size_t k = 0; k < depth; k++)
            weight[row * depth + k] = (float)(row * depth + k + 1);
    }
    struct panels panels;
    assert_true(panels_pack_gates(&panels, weight, bias_ih, bias_hh, HIDDEN, depth));
    assert_int_equal(panels.panel_count, 2);
    assert_int_equal(panels.columns, 64);
    for (size_t unit = 0; unit < 16; unit++)
        for (size_t gate = 0; gate < 4; gate++) {
            const size_t column = unit / 8 * 32 + first_column[gate] + unit % 8;
            const size_t row = gate * HIDDEN + unit;
            for (size_t k = 0; k < depth; k++)
                assert_true(weight_at(&panels, column, k) ==
                            (unit < HIDDEN ? weight[row * depth + k] : 0.0f));
            assert_true(panels.bias[column] == (unit < HIDDEN ? (float)row + 0.5f : 0.0f));
        }
    panels_fini(&panels);
    free(weight);
}

static void gate_panels_put_a_units_four_gates_into_one_panel(void **state)
{
    (void)state;
    check_gates(2);
    check_gates(150);
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
