#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/kernels.h"
#include "server/clock.h"
#include "server/tick_rule.h"

/* The kernel runs nothing here. */
static struct model *make_model(size_t input, size_t hidden, const struct kernel *kernel,
                                bool bidirectional)
{
    float *ih = calloc(4 * hidden * input, sizeof *ih);
    float *hh = calloc(4 * hidden * hidden, sizeof *hh);
    assert_true(ih != NULL && hh != NULL);
    const struct lstm_weights one = {.weight_ih = ih, .weight_hh = hh};
    const struct lstm_weights weights[2] = {one, one};
    const struct layer_spec layer = {
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = input,
                    .hidden_size = hidden,
                    .num_layers = 1,
                    .bidirectional = bidirectional,
                    .weights = weights},
    };
    struct model *model = model_create(&layer, 1, kernel);
    assert_non_null(model);
    free(ih);
    free(hh);
    return model;
}

/* 2 * 4 * 128 * 256 operations a step and a row. */
static void a_tick_is_a_fifth_of_a_millisecond_of_arithmetic(void **state)
{
    (void)state;
    struct model *model = make_model(128, 128, &kernel_avx2, false);
    struct tick_rule rule;
    tick_rule_init(&rule, model);
    assert_true(rule.causal);
    assert_in_range(tick_rule_steps(&rule, 1, TICK_SHORT), 68, 74);
    assert_in_range(tick_rule_steps(&rule, 32, TICK_SHORT), 2, 3);
    assert_in_range(tick_rule_steps(&rule, 1, TICK_PATIENT), 540, 600);
    assert_in_range(tick_rule_guess_ns(&rule, 32, 5), 400000, 500000);
    assert_false(tick_rule_is_for_team(&rule, 1, 20));
    assert_true(tick_rule_is_for_team(&rule, 1, 100));
    model_destroy(model);
}

/* However fast it is. */
static void a_tick_of_any_kernel_takes_as_long(void **state)
{
    (void)state;
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++) {
        struct model *model = make_model(2, 3, *k, false);
        struct tick_rule rule;
        tick_rule_init(&rule, model);
        const size_t steps = tick_rule_steps(&rule, 1, TICK_SHORT);
        assert_in_range(tick_rule_guess_ns(&rule, 1, steps), 190000, 200000);
        model_destroy(model);
    }
}

static void at_least_one_step_is_taken(void **state)
{
    (void)state;
    struct model *model = make_model(512, 512, &kernel_avx2, false);
    struct tick_rule rule;
    tick_rule_init(&rule, model);
    assert_int_equal(tick_rule_steps(&rule, TICK_ROWS, TICK_SHORT), 1);
    assert_int_equal(tick_rule_steps(&rule, TICK_ROWS, TICK_PATIENT), 1);
    model_destroy(model);
}

static void rows_are_cheap_while_weights_are_read_from_afar(void **state)
{
    (void)state;
    const struct {
        size_t input, hidden;
        const struct kernel *kernel;
        size_t cheap_rows, least_steps;
    } cases[] = {{10, 7, &kernel_avx2, 1, 1},       {128, 128, &kernel_avx2, 3, 3},
                 {1024, 1024, &kernel_avx2, 9, 4},  {128, 128, &kernel_avx512, 1, 1},
                 {256, 256, &kernel_avx512, 3, 3},  {1024, 1024, &kernel_avx512, 9, 4},
                 {1024, 1024, &kernel_scalar, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model *model = make_model(cases[i].input, cases[i].hidden, cases[i].kernel, false);
        struct tick_rule rule;
        tick_rule_init(&rule, model);
        assert_int_equal(rule.cheap_rows, cases[i].cheap_rows);
        assert_int_equal(rule.least_steps, cases[i].least_steps);
        assert_true(tick_rule_steps(&rule, 1, TICK_SHORT) >= cases[i].least_steps);
        assert_int_equal(tick_rule_goes_together(&rule), rule.cheap_rows == 9);
        model_destroy(model);
    }
}

/* Rows that come whole may take seconds: nobody waits for others' to end. */
static void only_rows_that_can_be_cut_go_together(void **state)
{
    (void)state;
    struct model *model = make_model(1024, 1024, &kernel_avx2, true);
    struct tick_rule rule;
    tick_rule_init(&rule, model);
    assert_true(rule.from_memory && !tick_rule_goes_together(&rule));
    model_destroy(model);
}

static void scratch_is_enough_for_every_tick(void **state)
{
    (void)state;
    for (int bidirectional = 0; bidirectional < 2; bidirectional++) {
        struct model *model = make_model(40, 70, &kernel_avx2, bidirectional != 0);
        struct tick_rule rule;
        size_t all, wanted;
        tick_rule_init(&rule, model);
        assert_int_equal(rule.causal, !bidirectional);
        assert_true(tick_rule_scratch(model, 4, &all));
        for (size_t rows = 1; rows <= TICK_ROWS; rows++) {
            const size_t most = tick_rule_steps(&rule, rows, TICK_PATIENT);
            for (size_t steps = 1; steps <= most; steps += 1 + most / 50)
                for (size_t team = 1; team <= 4; team++) {
                    assert_true(model_team_scratch_size(model, team, rows, steps, &wanted));
                    assert_true(wanted <= all);
                }
        }
        model_destroy(model);
    }
}

/* As long as its weights are read, a tick of one row is as long as one of nine. */
static void reading_from_memory_is_time_that_a_team_shares(void **state)
{
    (void)state;
    struct model *model = make_model(1024, 1024, &kernel_avx2, false);
    struct tick_rule rule;
    tick_rule_init(&rule, model);
    assert_int_equal(tick_rule_guess_ns(&rule, 1, 1), tick_rule_guess_ns(&rule, 9, 1));
    assert_true(tick_rule_guess_ns(&rule, 10, 1) > tick_rule_guess_ns(&rule, 9, 1));
    assert_true(tick_rule_is_for_team(&rule, 1, 1));
    model_destroy(model);
}

/* Repeated steps multiply what a step may take: by 2^24 each. More nanoseconds than a uint64_t
 * holds became none, and the request a light one. */
static void bug_534_no_work_is_too_long_for_a_guess(void **state)
{
    (void)state;
    struct tick_rule rule = {.flops_per_ns = 100, .cheap_rows = 1, .least_steps = 1};
    const double step_flops[] = {2e21, 4e21, 1e25, 1e300};
    for (size_t i = 0; i < sizeof step_flops / sizeof step_flops[0]; i++) {
        rule.step_flops = step_flops[i];
        const uint64_t guess = tick_rule_guess_ns(&rule, 1, 1);
        assert_true(guess >= 3600 * CLOCK_NS_PER_S && guess <= INT64_MAX / 100000);
        assert_true(tick_rule_guess_ns(&rule, 64, 1000) == guess);
        assert_true(tick_rule_is_for_team(&rule, 1, 1));
        assert_int_equal(tick_rule_steps(&rule, 1, TICK_PATIENT), 1);
    }
}

/* A slow one computes each row for longer than its weights are read: nine rows take nine times as
 * long as one, and four steps of them seconds. */
static void bug_536_no_row_is_cheap_with_a_slow_kernel(void **state)
{
    (void)state;
    static const size_t sizes[] = {10, 128, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct model *model = make_model(sizes[i], sizes[i], &kernel_scalar, false);
        struct tick_rule rule;
        tick_rule_init(&rule, model);
        assert_int_equal(rule.cheap_rows, 1);
        assert_int_equal(rule.least_steps, 1);
        const uint64_t one = tick_rule_guess_ns(&rule, 1, 1);
        assert_in_range(tick_rule_guess_ns(&rule, 9, 1), 9 * one, 9 * one + 9);
        model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tick_is_a_fifth_of_a_millisecond_of_arithmetic),
        cmocka_unit_test(a_tick_of_any_kernel_takes_as_long),
        cmocka_unit_test(at_least_one_step_is_taken),
        cmocka_unit_test(rows_are_cheap_while_weights_are_read_from_afar),
        cmocka_unit_test(scratch_is_enough_for_every_tick),
        cmocka_unit_test(only_rows_that_can_be_cut_go_together),
        cmocka_unit_test(reading_from_memory_is_time_that_a_team_shares),
        cmocka_unit_test(bug_534_no_work_is_too_long_for_a_guess),
        cmocka_unit_test(bug_536_no_row_is_cheap_with_a_slow_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
