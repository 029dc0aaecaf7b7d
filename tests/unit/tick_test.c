#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/kernels.h"
#include "server/clock.h"
#include "server/tick.h"

enum { HIDDEN = 64, ROWS = 8, HELPERS = 3 };

/* One that is not causal and worth a team. The kernel runs nothing here. */
static struct model *make_model(const struct kernel *kernel)
{
    static const float zeros[4 * HIDDEN * HIDDEN];
    const struct lstm_weights one = {.weight_ih = zeros, .weight_hh = zeros};
    const struct lstm_weights weights[2] = {one, one};
    const struct layer_spec layer = {
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = HIDDEN,
                    .hidden_size = HIDDEN,
                    .num_layers = 1,
                    .bidirectional = true,
                    .weights = weights},
    };
    struct model *model = model_create(&layer, 1, kernel);
    assert_non_null(model);
    return model;
}

static size_t members_for(const struct model *model, uint64_t ns)
{
    struct tick_rule rule;
    tick_rule_init(&rule, model);
    struct tick tick = {.row_count = ROWS};
    while (tick_rule_guess_ns(&rule, ROWS, tick.longest) < ns)
        tick.longest++;
    tick_set_steps(&tick, &rule, model, TICK_SHORT, HELPERS);
    return tick.members;
}

/* It was after 5e9 operations: seconds of the scalar kernel, a moment of a fast one. */
static void bug_535_whole_rows_leave_a_worker_to_others_after_as_long_with_any_kernel(void **state)
{
    (void)state;
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++) {
        struct model *model = make_model(*k);
        assert_int_equal(members_for(model, 40 * CLOCK_NS_PER_MS), HELPERS + 1);
        assert_int_equal(members_for(model, 60 * CLOCK_NS_PER_MS), HELPERS);
        model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bug_535_whole_rows_leave_a_worker_to_others_after_as_long_with_any_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
