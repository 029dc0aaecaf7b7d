#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/bench/load_body.h"

static const struct load_model model = {
    .input = "input",
    .input_size = 3,
    .states = {{"h_0", 2, 5}, {"c_0", 2, 4}},
    .state_count = 2,
};

static cJSON *parse(const struct load_body *body, const struct load_sequence *sequence, bool binary)
{
    char opening[LOAD_OPENING_MAX], text[8192];
    load_opening_write(opening, sequence, binary);
    const int size =
        snprintf(text, sizeof text, "%s%.*s", opening, (int)body->json_size, body->json);
    assert_true(size < (int)sizeof text);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    return json;
}

static const cJSON *parameter(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(json, "parameters"),
                                            name);
}

static void expect_tensor(const cJSON *tensor, const char *name, int a, int b, int c)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(tensor, "shape");
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(tensor, "name")->valuestring, name);
    assert_int_equal(cJSON_GetArraySize(shape), 3);
    assert_int_equal(cJSON_GetArrayItem(shape, 0)->valueint, a);
    assert_int_equal(cJSON_GetArrayItem(shape, 1)->valueint, b);
    assert_int_equal(cJSON_GetArrayItem(shape, 2)->valueint, c);
}

static void json_holds_every_number(void **state)
{
    (void)state;
    struct load_body body;
    struct random random = {1};
    load_body_init(&body, &model, 7, 2, false, &random);
    assert_null(body.tensors);
    cJSON *json = parse(&body, &(struct load_sequence){0}, false);
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(json, "inputs");
    assert_null(cJSON_GetObjectItemCaseSensitive(json, "parameters"));
    assert_int_equal(cJSON_GetArraySize(inputs), 3);
    expect_tensor(cJSON_GetArrayItem(inputs, 0), "input", 7, 2, 3);
    expect_tensor(cJSON_GetArrayItem(inputs, 1), "h_0", 2, 2, 5);
    expect_tensor(cJSON_GetArrayItem(inputs, 2), "c_0", 2, 2, 4);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(inputs, 0), "data");
    assert_int_equal(cJSON_GetArraySize(data), 7 * 2 * 3);
    cJSON_Delete(json);
    load_body_fini(&body);
}

static void binary_tensors_follow_the_json(void **state)
{
    (void)state;
    struct load_body body;
    struct random random = {1}, again = {1};
    load_body_init(&body, &model, 7, 2, true, &random);
    cJSON *json = parse(&body, &(struct load_sequence){0}, true);
    const cJSON *input = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "inputs"), 0);
    assert_null(cJSON_GetObjectItemCaseSensitive(input, "data"));
    assert_int_equal(parameter(input, "binary_data_size")->valueint, 7 * 2 * 3 * 4);
    assert_true(cJSON_IsTrue(parameter(json, "binary_data_output")));
    float expected[7 * 2 * 3];
    random_floats(&again, expected, 7 * 2 * 3, 1);
    assert_int_equal(body.tensors_size, (7 * 2 * 3 + 2 * 2 * 5 + 2 * 2 * 4) * 4);
    assert_memory_equal(body.tensors, expected, sizeof expected);
    cJSON_Delete(json);
    load_body_fini(&body);
}

static void a_sequences_request_says_which_it_is(void **state)
{
    (void)state;
    struct load_body body;
    struct random random = {1};
    load_body_init(&body, &model, 1, 1, false, &random);
    for (int binary = 0; binary <= 1; binary++)
        for (int flags = 0; flags < 4; flags++) {
            const struct load_sequence sequence = {
                .id = 77, .start = (flags & 1) != 0, .end = (flags & 2) != 0};
            cJSON *json = parse(&body, &sequence, binary != 0);
            assert_int_equal(parameter(json, "sequence_id")->valueint, 77);
            assert_int_equal(cJSON_IsTrue(parameter(json, "sequence_start")), sequence.start);
            assert_int_equal(cJSON_IsTrue(parameter(json, "sequence_end")), sequence.end);
            assert_int_equal(parameter(json, "binary_data_output") != NULL, binary != 0);
            cJSON_Delete(json);
        }
    load_body_fini(&body);
}

static void the_longest_opening_has_room(void **state)
{
    (void)state;
    char opening[LOAD_OPENING_MAX];
    memset(opening, 'x', sizeof opening);
    load_opening_write(opening, &(struct load_sequence){.id = UINT64_MAX}, true);
    assert_non_null(strstr(opening, "18446744073709551615"));
    assert_int_equal(opening[strlen(opening) - 1], ',');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_holds_every_number),
        cmocka_unit_test(binary_tensors_follow_the_json),
        cmocka_unit_test(a_sequences_request_says_which_it_is),
        cmocka_unit_test(the_longest_opening_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
