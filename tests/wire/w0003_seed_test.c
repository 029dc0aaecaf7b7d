/* What torch.nn.LSTM(10, 7) says about shapes and states, kept by the daemon: one LSTM, a
 * bidirectional one, three stacked bidirectional ones, all given an input of [17,2,10]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/support/expect.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"
#include "tests/support/fixture.h"

enum { T = 17, B = 2, I = 10, H = 7 };

static struct fixture fixture;

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    fixture_add_golden_as(&fixture, "seed_bidirectional", "bidirectional");
    fixture_add_golden_as(&fixture, "seed_stacked3_bidirectional", "stacked");
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static void ask(const char *model, struct infer_result *result)
{
    struct golden_case golden;
    struct infer_body body;
    golden_case_open(&golden, "seed_simple");
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, (const size_t[]){T, B, I}, golden.input);
    assert_true(infer_post(&fixture.client, model, &body, result));
    golden_case_close(&golden);
}

static void one_lstm_ends_its_output_with_h_n(void **state)
{
    struct infer_result result;
    (void)state;
    ask("simple", &result);
    const float *output = expect_tensor(&result, "output", T, B, H);
    const float *h_n = expect_tensor(&result, "h_n", 1, B, H);
    expect_tensor(&result, "c_n", 1, B, H);
    assert_memory_equal(output + (T - 1) * B * H, h_n, B * H * sizeof(float));
    infer_result_fini(&result);
}

/* In a bidirectional layer's output, each row holds the forward H floats, then the backward ones.
 * The forward direction ends at the last step, the backward one at the first. */
static void assert_ends(const float *output, const float *forward, const float *backward)
{
    for (size_t row = 0; row < B; row++) {
        const float *last = output + ((T - 1) * B + row) * 2 * H, *first = output + row * 2 * H;
        assert_memory_equal(last, forward + row * H, H * sizeof(float));
        assert_memory_equal(first + H, backward + row * H, H * sizeof(float));
    }
}

static void a_bidirectional_lstm_ends_at_both_ends(void **state)
{
    struct infer_result result;
    (void)state;
    ask("bidirectional", &result);
    const float *output = expect_tensor(&result, "output", T, B, 2 * H);
    const float *h_n = expect_tensor(&result, "h_n", 2, B, H);
    expect_tensor(&result, "c_n", 2, B, H);
    assert_ends(output, h_n, h_n + B * H);
    infer_result_fini(&result);
}

static void three_stacked_bidirectional_lstms_have_six_states(void **state)
{
    struct infer_result result;
    (void)state;
    ask("stacked", &result);
    const float *output = expect_tensor(&result, "output", T, B, 2 * H);
    const float *h_n = expect_tensor(&result, "h_n", 6, B, H);
    expect_tensor(&result, "c_n", 6, B, H);
    assert_ends(output, h_n + 4 * B * H, h_n + 5 * B * H);
    infer_result_fini(&result);
}

static void the_same_question_has_the_same_answer(void **state)
{
    struct infer_result first, second;
    (void)state;
    ask("stacked", &first);
    ask("stacked", &second);
    for (size_t i = 0; i < first.tensor_count; i++) {
        assert_int_equal(first.tensors[i].elements, second.tensors[i].elements);
        assert_memory_equal(first.tensors[i].values, second.tensors[i].values,
                            first.tensors[i].elements * sizeof(float));
    }
    infer_result_fini(&first);
    infer_result_fini(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_lstm_ends_its_output_with_h_n),
        cmocka_unit_test(a_bidirectional_lstm_ends_at_both_ends),
        cmocka_unit_test(three_stacked_bidirectional_lstms_have_six_states),
        cmocka_unit_test(the_same_question_has_the_same_answer),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
