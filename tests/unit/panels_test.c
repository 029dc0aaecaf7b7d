
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
    const size_t panel = column / 32, half = column % 32 / 16, lane = column % 16;
    const size_t depth = panels->depth;
    if (panels->layout == PANELS_BY_PAIRS) {
        const bool lone = panel % 2 == 0 && panel + 1 == panels->panel_count;
        const float *pair = panels->weights + panel / 2 * 64 * depth;
        return pair[k * (lone ? 32 : 64) + panel % 2 * 32 + half * 16 + lane];
    }
    const float *weights = panels->weights + panel * 32 * depth;
    return depth <= 128 ? weights[k * 32 + half * 16 + lane]
                        : weights[half * 16 * depth + k * 16 + lane];
}

static void check_linear(enum panels_layout layout, size_t columns, size_t depth)
{
    float *const weight = calloc(columns, depth * sizeof *weight);
    float *const bias = calloc(columns, sizeof *bias);
    assert_true(weight != NULL && bias != NULL);
    for (size_t n = 0; n < columns; n++) {
        bias[n] = 1000.0f + (float)n;
        for (size_t k = 0; k < depth; k++)
            weight[n * depth + k] = (float)(n * 1000 + k + 1);
    }
    struct panels panels;
    assert_true(panels_pack_linear(&panels, layout, weight, bias, columns, depth));
    const size_t last = panels.panel_count - 1;
    assert_int_equal(panels.panel_count, (columns + 31) / 32);
    assert_int_equal(panels_columns(&panels, last), columns - last * 32);
    for (size_t n = 0; n < panels.panel_count * 32; n++) {
        assert_true(panels.bias[n] == (n < columns ? bias[n] : 0.0f));
        for (size_t k = 0; k < depth; k++)
            assert_true(weight_at(&panels, n, k) == (n < columns ? weight[n * depth + k] : 0.0f));
    }
    panels_fini(&panels);
    free(weight);
    free(bias);
}

static void linear_panels_hold_each_weight_once_and_zeros_past_the_end(void **state)
{
    (void)state;
    for (size_t panels = 1; panels <= 4; panels++) {
        check_linear(PANELS_BY_HALVES, 32 * panels - 23, 3);
        check_linear(PANELS_BY_HALVES, 32 * panels - 23, 128);
        check_linear(PANELS_BY_HALVES, 32 * panels, 129);
        check_linear(PANELS_BY_PAIRS, 32 * panels - 23, 3);
        check_linear(PANELS_BY_PAIRS, 32 * panels, 129);
    }
}

static void check_gates(enum panels_layout layout, size_t depth)
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
    assert_true(panels_pack_gates(&panels, layout, weight, bias_ih, bias_hh, HIDDEN, depth));
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
    check_gates(PANELS_BY_HALVES, 2);
    check_gates(PANELS_BY_HALVES, 150);
    check_gates(PANELS_BY_PAIRS, 2);
    check_gates(PANELS_BY_PAIRS, 150);
}

static void the_two_biases_are_added_in_double_and_rounded_once(void **state)
{
    (void)state;
    float weight[4] = {0}, bias_ih[4] = {1.0f, 0, 0, 0}, bias_hh[4] = {0x1.000002p-24f, 0, 0, 0};
    struct panels panels;
    assert_true(panels_pack_gates(&panels, PANELS_BY_HALVES, weight, bias_ih, bias_hh, 1, 1));
    assert_true(panels.bias[0] == 0x1.000002p+0f);
    panels_fini(&panels);
    assert_true(panels_pack_gates(&panels, PANELS_BY_HALVES, weight, NULL, bias_hh, 1, 1));
    assert_true(panels.bias[0] == bias_hh[0]);
    panels_fini(&panels);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    const float weight[1] = {0};
    struct panels panels;
    assert_false(panels_pack_linear(&panels, PANELS_BY_HALVES, weight, NULL, SIZE_MAX / 4, 8));
    assert_false(panels_pack_linear(&panels, PANELS_BY_HALVES, weight, NULL, SIZE_MAX - 3, 1));
    assert_false(panels_pack_gates(&panels, PANELS_BY_HALVES, weight, NULL, NULL, SIZE_MAX / 4, 1));
    assert_false(
        panels_pack_gates(&panels, PANELS_BY_HALVES, weight, NULL, NULL, SIZE_MAX / 64, 1024));
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
