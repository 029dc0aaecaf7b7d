#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/infer_message.h"

/* The answer, in slices of every small size and in one, is wanted[size]: JSON and binary. */
static void expect_bytes(const struct infer_answer *answer, const char *wanted, size_t json_size,
                         size_t size)
{
    size_t bound;
    assert_true(infer_answer_size(answer, &bound));
    assert_true(size <= bound);
    for (size_t limit = 1; limit <= 9; limit++) {
        struct infer_answer_cursor cursor;
        struct json_writer writer;
        size_t found_json = 0, found_size;
        char *text;
        json_writer_init(&writer);
        infer_answer_begin(&cursor);
        while (!infer_answer_write(&cursor, &writer, answer, limit < 9 ? limit : SIZE_MAX,
                                   &found_json))
            ;
        assert_true(json_writer_take(&writer, &text, &found_size));
        assert_int_equal(found_size, size);
        assert_int_equal(found_json, json_size);
        assert_memory_equal(text, wanted, size);
        free(text);
    }
}

static void expect_answer(const struct infer_answer *answer, const char *wanted)
{
    expect_bytes(answer, wanted, strlen(wanted), strlen(wanted));
}

static void answer_is_written_whole(void **state)
{
    (void)state;
    static const float output[] = {0.5f, -0.25f, 1, 2, 3e-7f, NAN}, h_n[] = {7};
    struct infer_answer answer = {
        .model_name = "m",
        .model_version = "1",
        .id = "r \"1\"",
        .output_count = 3,
        .outputs = {{.name = "output", .rank = 3, .shape = {3, 1, 2}, .data = output},
                    {.name = "h_n", .rank = 1, .shape = {1}, .data = h_n},
                    {.name = "none", .rank = 2, .shape = {0, 5}}},
    };
    expect_answer(
        &answer,
        "{\"model_name\":\"m\",\"model_version\":\"1\",\"id\":\"r \\\"1\\\"\",\"outputs\":["
        "{\"name\":\"output\",\"datatype\":\"FP32\",\"shape\":[3,1,2],"
        "\"data\":[0.5,-0.25,1.0,2.0,3e-7,NaN]},"
        "{\"name\":\"h_n\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[7.0]},"
        "{\"name\":\"none\",\"datatype\":\"FP32\",\"shape\":[0,5],\"data\":[]}]}");
}

static void answer_without_id_has_none(void **state)
{
    (void)state;
    struct infer_answer answer = {.model_name = "m", .model_version = "1"};
    static const char wanted[] = "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":[]}";
    expect_answer(&answer, wanted);
    answer.id = "";
    expect_answer(&answer, wanted);
    const struct sequence_id none = {.kind = SEQUENCE_ID_NONE};
    answer.sequence_id = &none;
    expect_answer(&answer, wanted);
}

static void answer_of_a_sequence_names_it(void **state)
{
    (void)state;
    struct sequence_id id = sequence_id_of_number(UINT64_MAX);
    struct infer_answer answer = {
        .model_name = "m", .model_version = "1", .sequence_id = &id, .steps = 17};
    expect_answer(&answer, "{\"model_name\":\"m\",\"model_version\":\"1\",\"parameters\":{"
                           "\"sequence_id\":18446744073709551615,\"steps\":17},\"outputs\":[]}");
    assert_true(sequence_id_of_text("a\"7", &id));
    expect_answer(&answer, "{\"model_name\":\"m\",\"model_version\":\"1\",\"parameters\":{"
                           "\"sequence_id\":\"a\\\"7\",\"steps\":17},\"outputs\":[]}");
}

static void parts_say_which_they_are(void **state)
{
    (void)state;
    struct sequence_id id = sequence_id_of_number(7);
    struct infer_answer answer = {
        .model_name = "m", .model_version = "1", .part = {true, UINT64_MAX, false}};
    expect_answer(&answer, "{\"model_name\":\"m\",\"model_version\":\"1\",\"parameters\":{"
                           "\"first_step\":18446744073709551615,\"final\":false},\"outputs\":[]}");
    answer.sequence_id = &id;
    answer.steps = 9;
    answer.part = (struct infer_part){true, 8, true};
    expect_answer(&answer, "{\"model_name\":\"m\",\"model_version\":\"1\",\"parameters\":{"
                           "\"sequence_id\":7,\"steps\":9,\"first_step\":8,\"final\":true},"
                           "\"outputs\":[]}");
}

static void binary_tensors_follow_the_json(void **state)
{
    (void)state;
    static const float a[] = {1, -2, 0.5f}, b[] = {3}, c[] = {-INFINITY, NAN};
    struct infer_answer answer = {
        .model_name = "m",
        .model_version = "1",
        .output_count = 4,
        .outputs = {{.name = "a", .rank = 1, .shape = {3}, .data = a, .form = TENSOR_BINARY},
                    {.name = "b", .rank = 1, .shape = {1}, .data = b},
                    {.name = "e", .rank = 1, .shape = {0}, .form = TENSOR_BINARY},
                    {.name = "c", .rank = 1, .shape = {2}, .data = c, .form = TENSOR_BINARY}},
    };
#define JSON                                                                                       \
    "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":["                                  \
    "{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[3],"                                         \
    "\"parameters\":{\"binary_data_size\":12}},"                                                   \
    "{\"name\":\"b\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[3.0]},"                         \
    "{\"name\":\"e\",\"datatype\":\"FP32\",\"shape\":[0],"                                         \
    "\"parameters\":{\"binary_data_size\":0}},"                                                    \
    "{\"name\":\"c\",\"datatype\":\"FP32\",\"shape\":[2],"                                         \
    "\"parameters\":{\"binary_data_size\":8}}]}"
    static const char wanted[] = JSON "\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f\0\0\x80\xff\0\0\xc0\x7f";
    expect_bytes(&answer, wanted, sizeof JSON - 1, sizeof JSON - 1 + 20);
#undef JSON
}

/* What is cut into frames: in order, without those in JSON; strings by their bytes. */
static void the_sizes_of_binary_tensors_are_told(void **state)
{
    (void)state;
    static const float numbers[6];
    struct infer_answer answer = {
        .model_name = "m",
        .model_version = "1",
        .output_count = 4,
        .outputs = {{.rank = 3, .shape = {3, 1, 2}, .data = numbers, .form = TENSOR_BINARY},
                    {.rank = 1, .shape = {2}, .data = numbers, .form = TENSOR_JSON},
                    {.rank = 2, .shape = {0, 5}, .form = TENSOR_BINARY},
                    {.datatype = DATATYPE_BYTES,
                     .rank = 1,
                     .shape = {1},
                     .strings = "\3\0\0\0abc",
                     .strings_size = 7,
                     .form = TENSOR_BINARY}},
    };
    size_t sizes[INFER_TENSOR_MAX];
    assert_int_equal(infer_answer_tensors(&answer, sizes), 3);
    assert_int_equal(sizes[0], 24);
    assert_int_equal(sizes[1], 0);
    assert_int_equal(sizes[2], 7);
    answer.output_count = 0;
    assert_int_equal(infer_answer_tensors(&answer, sizes), 0);
}

static void strings_are_json_or_binary(void **state)
{
    (void)state;
    static const char strings[] = "\3\0\0\0a\"b\0\0\0\0\5\0\0\0001:0:c";
    struct infer_answer answer = {
        .model_name = "m",
        .model_version = "1",
        .output_count = 1,
        .outputs = {{.name = "s",
                     .rank = 2,
                     .shape = {3, 1},
                     .datatype = DATATYPE_BYTES,
                     .strings = strings,
                     .strings_size = sizeof strings - 1}},
    };
    expect_answer(&answer, "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":[{\"name\":"
                           "\"s\",\"datatype\":\"BYTES\",\"shape\":[3,1],"
                           "\"data\":[\"a\\\"b\",\"\",\"1:0:c\"]}]}");
    answer.outputs[0].form = TENSOR_BINARY;
#define JSON                                                                                       \
    "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"s\","                  \
    "\"datatype\":\"BYTES\",\"shape\":[3,1],\"parameters\":{\"binary_data_size\":20}}]}"
    expect_bytes(&answer, JSON "\3\0\0\0a\"b\0\0\0\0\5\0\0\0001:0:c", sizeof JSON - 1,
                 sizeof JSON - 1 + 20);
#undef JSON
}

static void size_that_does_not_fit_is_said(void **state)
{
    (void)state;
    size_t bytes;
    struct infer_answer answer = {
        .model_name = "m",
        .model_version = "1",
        .output_count = 1,
        .outputs = {{.name = "a", .rank = 2, .shape = {1ull << 32, 1ull << 31}}},
    };
    assert_false(infer_answer_size(&answer, &bytes));
    answer.outputs[0].shape[1] = 1ull << 27;
    assert_true(infer_answer_size(&answer, &bytes));
    answer.outputs[0].form = TENSOR_BINARY;
    answer.outputs[0].shape[1] = 1ull << 30;
    assert_false(infer_answer_size(&answer, &bytes));
}

static void failed_writer_ends_the_answer(void **state)
{
    (void)state;
    static const float values[] = {1, 2};
    const struct infer_answer answer = {
        .model_name = "m",
        .model_version = "1",
        .output_count = 1,
        .outputs = {{.name = "a", .rank = 1, .shape = {2}, .data = values}},
    };
    struct infer_answer_cursor cursor;
    struct json_writer writer;
    char *text;
    size_t size;
    json_writer_init(&writer);
    infer_answer_begin(&cursor);
    assert_false(infer_answer_write(&cursor, &writer, &answer, 1, &size));
    json_reserve(&writer, SIZE_MAX);
    assert_true(infer_answer_write(&cursor, &writer, &answer, 1, &size));
    assert_false(json_writer_take(&writer, &text, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_is_written_whole),
        cmocka_unit_test(answer_without_id_has_none),
        cmocka_unit_test(answer_of_a_sequence_names_it),
        cmocka_unit_test(parts_say_which_they_are),
        cmocka_unit_test(binary_tensors_follow_the_json),
        cmocka_unit_test(the_sizes_of_binary_tensors_are_told),
        cmocka_unit_test(strings_are_json_or_binary),
        cmocka_unit_test(size_that_does_not_fit_is_said),
        cmocka_unit_test(failed_writer_ends_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
