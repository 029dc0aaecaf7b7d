#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "core/window.h"

/* How many windows fit, by moving one along. */
static size_t count_windows(const struct window *w, size_t steps)
{
    size_t count = 0;
    const size_t padded = w->pad_left + steps + w->pad_right;
    for (size_t at = 0; at + (w->size - 1) * w->dilation < padded; at += w->stride)
        count++;
    return steps == 0 ? 0 : count;
}

static void windows_are_as_many_as_fit(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 4; size++)
        for (size_t stride = 1; stride <= 3; stride++)
            for (size_t dilation = 1; dilation <= 3; dilation++)
                for (size_t pad = 0; pad < 9; pad++)
                    for (size_t steps = 0; steps <= 20; steps++) {
                        const struct window window = {.size = size,
                                                      .stride = stride,
                                                      .dilation = dilation,
                                                      .pad_left = pad % 3,
                                                      .pad_right = pad / 3};
                        assert_int_equal(window_output_steps(&window, steps),
                                         count_windows(&window, steps));
                        assert_int_equal(window_pad_left(&window, steps), pad % 3);
                    }
}

static void same_gives_a_window_for_every_stride_begun(void **state)
{
    (void)state;
    /* TensorFlow's: 5 steps, windows of 4, stride 2: 3 come out, 3 are padded, 1 before and 2
     * behind. */
    const struct window window = {.size = 4, .stride = 2, .dilation = 1, .padding = PADDING_SAME};
    assert_int_equal(window_output_steps(&window, 5), 3);
    assert_int_equal(window_pad_left(&window, 5), 1);
    for (size_t steps = 0; steps <= 20; steps++)
        assert_int_equal(window_output_steps(&window, steps), (steps + 1) / 2);
    const struct window apart = {.size = 1, .stride = 5, .dilation = 1, .padding = PADDING_SAME};
    assert_int_equal(window_output_steps(&apart, 11), 3);
    assert_int_equal(window_pad_left(&apart, 11), 0);
}

static void longer_rows_never_have_fewer(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 5; size++)
        for (size_t stride = 1; stride <= 4; stride++)
            for (int padding = PADDING_EXPLICIT; padding <= PADDING_SAME; padding++) {
                const struct window window = {.size = size,
                                              .stride = stride,
                                              .dilation = 2,
                                              .padding = (enum padding)padding};
                for (size_t steps = 0; steps < 30; steps++)
                    assert_true(window_output_steps(&window, steps) <=
                                window_output_steps(&window, steps + 1));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_as_many_as_fit),
        cmocka_unit_test(same_gives_a_window_for_every_stride_begun),
        cmocka_unit_test(longer_rows_never_have_fewer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
