/* What torch.nn.LSTM(10, 7) and keras.layers.LSTM(7) say about shapes and states, kept by the
 * daemon: one LSTM, a bidirectional one, three stacked ones, given an input of [17,2,10] the
 * PyTorch way (time first; output, h_n, c_n) and of [2,17,10] the Keras way (batch first; what
 * return_sequences and return_state ask for). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/expect.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"
#include "tests/support/fixture.h"
#include "tests/support/tensor_file.h"

enum { T = 17, B = 2, I = 10, H = 7 };

static struct fixture fixture;

#define KERAS "tests/golden/keras_files/k3_seed_"

/* A PyTorch model's weights served again, as Keras' LSTM(7, return_sequences=True,
 * return_state=True) would be. */
static void add_the_keras_way(const char *model)
{
    char weights[64], file[64];
    snprintf(weights, sizeof weights, "%s-weights", model);
    fixture_add_converted(&fixture, weights, "tests/golden/torch/seed_simple/model.pt", NULL);
    snprintf(file, sizeof file, "%s-the-keras-way.json", model);
    temp_dir_write(&fixture.dir, file,
                   "{\"weights\":\"%s.safetensors\",\"batch_first\":true,\"layers\":"
                   "[{\"type\":\"lstm\",\"return_sequences\":true,\"return_state\":true}]}",
                   weights);
}

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    fixture_add_golden_as(&fixture, "seed_bidirectional", "bidirectional");
    fixture_add_golden_as(&fixture, "seed_stacked3_bidirectional", "stacked");
    fixture_add_converted(&fixture, "keras-simple", KERAS "simple_keras/model.keras", NULL);
    fixture_add_converted(&fixture, "keras-states", KERAS "sequences_states_keras/model.keras",
                          NULL);
    fixture_add_converted(&fixture, "keras-bidirectional", KERAS "bidirectional_keras/model.keras",
                          NULL);
    fixture_add_converted(&fixture, "keras-stacked", KERAS "stacked3_keras/model.keras", NULL);
    add_the_keras_way("simple");
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

/* ---- the Keras way ---- */

/* The input of the case's io.safetensors. */
static void ask_keras(const char *model, const char *folder, struct infer_result *result)
{
    char path[128];
    struct tensor_file io;
    struct infer_body body;
    snprintf(path, sizeof path, "%s/io.safetensors", folder);
    tensor_file_open(&io, path);
    float *input = tensor_file_f32(&io, "input");
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, (const size_t[]){B, T, I}, input);
    assert_true(infer_post(&fixture.client, model, &body, result));
    free(input);
    tensor_file_close(&io);
}

static const float *expect_vectors(const struct infer_result *result, const char *name,
                                   size_t width)
{
    const struct infer_result_tensor *tensor = infer_result_find(result, name);
    assert_non_null(tensor);
    assert_int_equal(tensor->rank, 2);
    assert_int_equal(tensor->shape[0], B);
    assert_int_equal(tensor->shape[1], width);
    return tensor->values;
}

static void keras_lstm_answers_one_vector_a_row(void **state)
{
    struct infer_result result;
    (void)state;
    ask_keras("keras-simple", KERAS "simple_keras", &result);
    expect_vectors(&result, "output", H);
    infer_result_fini(&result);
}

static void keras_lstm_with_sequences_and_state_ends_its_sequence_with_its_state(void **state)
{
    struct infer_result result;
    (void)state;
    ask_keras("keras-states", KERAS "sequences_states_keras", &result);
    assert_int_equal(result.tensor_count, 3);
    const float *whole_seq = expect_tensor(&result, "output", B, T, H);
    const float *final_memory = expect_vectors(&result, "h_n", H);
    expect_vectors(&result, "c_n", H);
    for (size_t row = 0; row < B; row++)
        assert_memory_equal(whole_seq + (row * T + T - 1) * H, final_memory + row * H,
                            H * sizeof(float));
    infer_result_fini(&result);
}

static void keras_bidirectional_answers_both_directions(void **state)
{
    struct infer_result result;
    (void)state;
    ask_keras("keras-bidirectional", KERAS "bidirectional_keras", &result);
    expect_vectors(&result, "output", 2 * H);
    infer_result_fini(&result);
}

static void three_stacked_keras_lstms_have_1344_parameters(void **state)
{
    struct infer_result result;
    struct http_response response;
    static const char *const layers[] = {
        "\"type\":\"lstm\",\"shape\":[-1,-1,7],\"parameters\":504}",
        "\"type\":\"lstm\",\"shape\":[-1,-1,7],\"parameters\":420}",
        "\"type\":\"lstm\",\"shape\":[-1,7],\"parameters\":420}],",
        "\"parameters\":\"1344\"",
    };
    (void)state;
    ask_keras("keras-stacked", KERAS "stacked3_keras", &result);
    expect_vectors(&result, "output", H);
    infer_result_fini(&result);
    assert_true(http_get(&fixture.client, "/v2/models/keras-stacked", &response));
    const char *at = response.body;
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
        if ((at = strstr(at, layers[i])) == NULL)
            fail_msg("%s expected in %s", layers[i], response.body);
    http_response_fini(&response);
}

/* [T,B,n] in, [B,T,n] out. */
static void turn(const float *in, size_t n, float *out)
{
    for (size_t t = 0; t < T; t++)
        for (size_t row = 0; row < B; row++)
            memcpy(out + (row * T + t) * n, in + (t * B + row) * n, n * sizeof *out);
}

static void the_same_weights_answer_both_ways_with_the_same_bits(void **state)
{
    struct golden_case golden;
    struct infer_body body;
    struct infer_result torch, keras;
    float input[B * T * I], output[B * T * H];
    (void)state;
    ask("simple", &torch);
    golden_case_open(&golden, "seed_simple");
    turn(golden.input, I, input);
    golden_case_close(&golden);
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, (const size_t[]){B, T, I}, input);
    assert_true(infer_post(&fixture.client, "simple-the-keras-way", &body, &keras));

    turn(expect_tensor(&torch, "output", T, B, H), H, output);
    assert_memory_equal(expect_tensor(&keras, "output", B, T, H), output, sizeof output);
    assert_memory_equal(expect_vectors(&keras, "h_n", H), expect_tensor(&torch, "h_n", 1, B, H),
                        B * H * sizeof(float));
    assert_memory_equal(expect_vectors(&keras, "c_n", H), expect_tensor(&torch, "c_n", 1, B, H),
                        B * H * sizeof(float));
    infer_result_fini(&torch);
    infer_result_fini(&keras);
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
        cmocka_unit_test(keras_lstm_answers_one_vector_a_row),
        cmocka_unit_test(keras_lstm_with_sequences_and_state_ends_its_sequence_with_its_state),
        cmocka_unit_test(keras_bidirectional_answers_both_directions),
        cmocka_unit_test(three_stacked_keras_lstms_have_1344_parameters),
        cmocka_unit_test(the_same_weights_answer_both_ways_with_the_same_bits),
        cmocka_unit_test(the_same_question_has_the_same_answer),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
