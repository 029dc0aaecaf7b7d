#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sequence_message.h"

/* Two LSTM layers of different sizes, so that there are two pairs of state tensors: 2 cells of 2,
 * 1 cell of 3. */
enum { ROWS = 2, STATE = 2 * (2 + 2) + (3 + 3), MORE = 2 };

static const float zeros[200];
static struct signature signature;
static struct sequence_model model = {.name = "m", .signature = &signature, .state_size = STATE};
static struct fault fault;

static int make_signature(void **state)
{
    const struct lstm_weights weights[2] = {{.weight_ih = zeros, .weight_hh = zeros},
                                            {.weight_ih = zeros, .weight_hh = zeros}};
    const struct layer_spec layers[] = {
        {.type = LAYER_LSTM,
         .as.lstm = {.input_size = 1, .hidden_size = 2, .num_layers = 2, .weights = weights}},
        {.type = LAYER_LSTM,
         .as.lstm = {.input_size = 2, .hidden_size = 3, .num_layers = 1, .weights = weights}},
    };
    (void)state;
    struct model *core = model_create(layers, 2, kernel_find("scalar"));
    const bool done =
        core != NULL && signature_init(&signature, core, &(struct model_config){0}, &fault);
    model_destroy(core);
    return done ? 0 : -1;
}

static char *write_text(const struct sequence_model *of, const float *states)
{
    const struct sequence_id id = sequence_id_of_number(7);
    struct json_writer writer;
    float scratch[ROWS * (STATE + MORE)];
    char *text, *terminated;
    size_t size, most;
    assert_true(sequence_message_size(of, ROWS, &most));
    json_writer_init(&writer);
    sequence_message_write(&writer, of, &id, ROWS, 5, states, scratch);
    assert_true(json_writer_take(&writer, &text, &size));
    assert_true(size <= most);
    terminated = strndup(text, size);
    free(text);
    assert_non_null(terminated);
    return terminated;
}

static void states_stand_in_the_tensors_of_the_signature(void **state)
{
    float states[ROWS * STATE];
    (void)state;
    for (size_t i = 0; i < ROWS * STATE; i++)
        states[i] = (float)i;
    char *text = write_text(&model, states);
    assert_string_equal(
        text, "{\"model_name\":\"m\",\"sequence_id\":7,\"rows\":2,\"steps\":5,\"inputs\":["
              "{\"name\":\"h_0.0\",\"datatype\":\"FP32\",\"shape\":[2,2,2],"
              "\"data\":[0.0,1.0,14.0,15.0,4.0,5.0,18.0,19.0]},"
              "{\"name\":\"c_0.0\",\"datatype\":\"FP32\",\"shape\":[2,2,2],"
              "\"data\":[2.0,3.0,16.0,17.0,6.0,7.0,20.0,21.0]},"
              "{\"name\":\"h_0.1\",\"datatype\":\"FP32\",\"shape\":[1,2,3],"
              "\"data\":[8.0,9.0,10.0,22.0,23.0,24.0]},"
              "{\"name\":\"c_0.1\",\"datatype\":\"FP32\",\"shape\":[1,2,3],"
              "\"data\":[11.0,12.0,13.0,25.0,26.0,27.0]}]}");
    free(text);
}

static void fill(float *states, size_t count)
{
    static const float special[] = {-0.0f, INFINITY, -INFINITY, 1e-45f, 3.4028235e38f, 0.1f};
    for (size_t i = 0; i < count; i++)
        states[i] = i < 6 ? special[i] : 1.0f / (float)(i + 1);
}

static void expect_round_trip(const struct sequence_model *of)
{
    static struct sequence_message message;
    float states[ROWS * (STATE + MORE)], again[ROWS * (STATE + MORE)] = {0};
    float scratch[ROWS * (STATE + MORE)];
    const size_t count = ROWS * of->state_size;
    fill(states, count);
    char *text = write_text(of, states);
    if (!sequence_message_parse(&message, text, strlen(text), of, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(message.id.number, 7);
    assert_int_equal(message.rows, ROWS);
    assert_int_equal(message.steps, 5);
    assert_true(sequence_message_read(&message, of, again, scratch, &fault));
    assert_memory_equal(states, again, count * sizeof *states);
    free(text);
}

static void what_was_written_is_read_bit_for_bit(void **state)
{
    (void)state;
    expect_round_trip(&model);
}

/* As of layers that remember more than h and c. */
static void what_no_tensor_holds_is_memory(void **state)
{
    struct sequence_model more = model;
    (void)state;
    more.state_size = STATE + MORE;
    expect_round_trip(&more);
    float states[ROWS * (STATE + MORE)];
    for (size_t i = 0; i < ROWS * (STATE + MORE); i++)
        states[i] = (float)i;
    char *text = write_text(&more, states);
    assert_non_null(strstr(text, "],\"memory\":{\"datatype\":\"FP32\",\"shape\":[2,2],"
                                 "\"data\":[14.0,15.0,30.0,31.0]}"));
    free(text);
}

/* Rows before cells, as ONNX' layout 1 has them. */
static void rows_may_come_first(void **state)
{
    struct signature by_rows = signature;
    const struct sequence_model of = {"m", &by_rows, STATE};
    float states[ROWS * STATE];
    (void)state;
    for (size_t i = 0; i < by_rows.input_count; i++)
        if (by_rows.inputs[i].role == ROLE_H || by_rows.inputs[i].role == ROLE_C) {
            by_rows.inputs[i].shape[1] = by_rows.inputs[i].shape[0];
            by_rows.inputs[i].shape[0] = -1;
        }
    for (size_t i = 0; i < ROWS * STATE; i++)
        states[i] = (float)i;
    char *text = write_text(&of, states);
    assert_non_null(strstr(text, "\"shape\":[2,2,2],\"data\":[0.0,1.0,4.0,5.0,14.0,15.0,18.0,"));
    free(text);
    expect_round_trip(&of);
}

static void expect_refused(const struct sequence_model *of, const char *text, const char *fragment)
{
    static struct sequence_message message;
    fault = (struct fault){0};
    assert_false(sequence_message_parse(&message, text, strlen(text), of, &fault));
    assert_int_equal(fault.status, 400);
    if (strstr(fault.text, fragment) == NULL)
        fail_msg("\"%s\" wanted, got \"%s\"", fragment, fault.text);
}

/* The good text with its first `from` made `to`. */
static void expect_change_refused(const struct sequence_model *of, const char *from, const char *to,
                                  const char *fragment)
{
    float states[ROWS * (STATE + MORE)];
    char *changed;
    fill(states, ROWS * of->state_size);
    char *text = write_text(of, states), *at = strstr(text, from);
    assert_non_null(at);
    assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    expect_refused(of, changed, fragment);
    free(changed);
    free(text);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct sequence_model more = model;
    (void)state;
    more.state_size = STATE + MORE;
    static const struct {
        const char *from, *to, *fragment;
    } cases[] = {
        {"\"m\"", "\"n\"", "model_name: 'm' is wanted, got 'n'"},
        {"\"sequence_id\":7", "\"sequence_id\":\"a\\u0001\"", "control"},
        {"\"sequence_id\":7", "\"sequence_id\":1.5", "byte"},
        {"\"rows\":2", "\"rows\":3", "shape [2,3,2] expected"},
        {"\"rows\":2", "\"rows\":2147483648", "rows: less than 2^31 is wanted"},
        {"\"steps\":5", "\"steps\":9007199254740992", "steps: less than 2^53 is wanted"},
        {"\"steps\":5", "\"steps\":5,\"steps\":6", "'steps' is given twice"},
        {"h_0.0", "h_0.2", "h_0.0 is missing"},
        {"\"datatype\":\"FP32\"", "\"datatype\":\"INT32\"", "datatype FP32 expected, got INT32"},
        {"[2,2,2]", "[1,2,4]", "shape [2,2,2] expected"},
        {"\"inputs\"", "\"input\"", "inputs"},
        {"\"memory\"", "\"more\"", "memory: missing"},
        {"\"memory\":{", "\"memory\":{\"datatype\":\"FP64\",", "memory.datatype: 'FP32' is wanted"},
        {"\"shape\":[2,2],", "\"shape\":[2,1],", "memory: shape [2,2] expected"},
        {"\"shape\":[2,2],", "\"shape\":[1,1,1,1,1,1,1,1,1],", "memory.shape: at most 8 dim"},
        {"\"shape\":[2,2],", "", "memory: shape [2,2] expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_change_refused(&more, cases[i].from, cases[i].to, cases[i].fragment);
    expect_change_refused(&model, "\"rows\"", "\"memory\":{\"data\":[]},\"rows\"",
                          "memory: none expected");
}

static void bad_numbers_are_refused_when_read(void **state)
{
    static struct sequence_message message;
    float states[ROWS * STATE], scratch[ROWS * STATE];
    (void)state;
    fill(states, ROWS * STATE);
    char *text = write_text(&model, states), *number = strstr(text, "3.4028235e38");
    assert_non_null(number);
    memcpy(number, "3.5028235e38", strlen("3.5028235e38"));
    assert_true(sequence_message_parse(&message, text, strlen(text), &model, &fault));
    assert_false(sequence_message_read(&message, &model, states, scratch, &fault));
    assert_int_equal(fault.status, 400);
    free(text);
}

static void rows_and_the_rest_may_be_left_out(void **state)
{
    static struct sequence_message message;
    static const char text[] = "{\"inputs\":["
                               "{\"name\":\"c_0.1\",\"datatype\":\"FP32\",\"shape\":[1,1,3],"
                               "\"data\":[1,2,3]},"
                               "{\"name\":\"h_0.1\",\"datatype\":\"FP32\",\"shape\":[1,1,3],"
                               "\"data\":[4,5,6]},"
                               "{\"name\":\"h_0.0\",\"datatype\":\"FP32\",\"shape\":[2,1,2],"
                               "\"data\":[[[7,8]],[[9,10]]]},"
                               "{\"name\":\"c_0.0\",\"datatype\":\"FP32\",\"shape\":[2,1,2],"
                               "\"data\":[11,12,13,14]}],\"other\":[{}]}";
    static const float wanted[STATE] = {7, 8, 11, 12, 9, 10, 13, 14, 4, 5, 6, 1, 2, 3};
    float states[STATE], scratch[STATE];
    (void)state;
    assert_true(sequence_message_parse(&message, text, strlen(text), &model, &fault));
    assert_int_equal(message.id.kind, SEQUENCE_ID_NONE);
    assert_int_equal(message.rows, 1);
    assert_int_equal(message.steps, 0);
    assert_true(sequence_message_read(&message, &model, states, scratch, &fault));
    assert_memory_equal(states, wanted, sizeof wanted);
}

static void a_size_that_does_not_fit_is_told(void **state)
{
    size_t size;
    (void)state;
    assert_false(sequence_message_size(&model, SIZE_MAX / STATE, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_stand_in_the_tensors_of_the_signature),
        cmocka_unit_test(what_was_written_is_read_bit_for_bit),
        cmocka_unit_test(what_no_tensor_holds_is_memory),
        cmocka_unit_test(rows_may_come_first),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(bad_numbers_are_refused_when_read),
        cmocka_unit_test(rows_and_the_rest_may_be_left_out),
        cmocka_unit_test(a_size_that_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, make_signature, NULL);
}
