#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/infer_message.h"

static void datatypes_have_names(void **state)
{
    (void)state;
    static const enum datatype all[] = {DATATYPE_FP32, DATATYPE_INT32, DATATYPE_INT64,
                                        DATATYPE_BYTES};
    static const char *const names[] = {"FP32", "INT32", "INT64", "BYTES"};
    enum datatype datatype;
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(datatype_name(all[i]), names[i]);
        assert_true(datatype_from_name(names[i], &datatype));
        assert_int_equal(datatype, all[i]);
    }
    assert_true(datatype_from_name("FP64", &datatype));
    assert_int_equal(datatype, DATATYPE_OTHER);
    assert_string_equal(datatype_name(DATATYPE_OTHER), "other");
    assert_false(datatype_from_name("fp32", &datatype));
    assert_false(datatype_from_name("", &datatype));
}

static void elements_are_the_product_of_the_shape(void **state)
{
    (void)state;
    size_t elements;
    assert_true(infer_elements(NULL, 0, &elements));
    assert_int_equal(elements, 1);
    assert_true(infer_elements((const uint64_t[]){17, 2, 10}, 3, &elements));
    assert_int_equal(elements, 340);
    assert_true(infer_elements((const uint64_t[]){1ull << 32, (1ull << 32) - 1}, 2, &elements));
    assert_true(elements == UINT64_MAX - UINT32_MAX);
    assert_false(infer_elements((const uint64_t[]){1ull << 32, 1ull << 32}, 2, &elements));
    assert_true(infer_elements((const uint64_t[]){1ull << 32, 1ull << 32, 0}, 3, &elements));
    assert_int_equal(elements, 0);
    assert_true(infer_elements((const uint64_t[]){0, 1ull << 32, 1ull << 32}, 3, &elements));
    assert_int_equal(elements, 0);
}

/* An input named x as a parsed request has it. */
static struct infer_input input_of(enum datatype datatype, size_t elements, const char *data)
{
    struct infer_input input = {
        .name = "x",
        .datatype = datatype,
        .rank = 1,
        .shape = {elements},
        .elements = elements,
        .data = data,
        .data_size = strlen(data),
    };
    return input;
}

static void floats_are_decoded(void **state)
{
    (void)state;
    const struct infer_input input = input_of(DATATYPE_FP32, 3, "[0.5,-1e-3,Infinity]");
    struct fault fault = {0};
    float out[3];
    assert_true(infer_input_decode_f32(&input, out, &fault));
    assert_true(out[0] == 0.5f && out[1] == -1e-3f && isinf(out[2]));
    assert_int_equal(fault.status, 0);
}

static void whole_numbers_are_decoded_by_their_datatype(void **state)
{
    (void)state;
    struct infer_input input = input_of(DATATYPE_INT64, 2, "[2147483648,-1.0]");
    struct fault fault = {0};
    int64_t out[2];
    assert_true(infer_input_decode_i64(&input, out, &fault));
    assert_true(out[0] == 2147483648 && out[1] == -1);
    input.datatype = DATATYPE_INT32;
    assert_false(infer_input_decode_i64(&input, out, &fault));
    assert_string_equal(fault.text, "input 'x': element 0: a whole number from -2147483648 to "
                                    "2147483647 is wanted, got '2147483648'");
    assert_int_equal(fault.status, 400);
}

/* Two of a tensor's 3 numbers at a time, at an odd address. */
static void binary_numbers_are_decoded_in_slices(void **state)
{
    (void)state;
    static const char floats[] = "x\0\0\x80\x3f\1\0\xc0\x7f\0\0\x80\xff";
    static const char ints[] = "x\xff\xff\xff\x7f\0\0\0\x80\xfe\xff\xff\xff";
    static const char longs[] =
        "x\1\2\3\4\5\6\7\x80\xff\xff\xff\xff\xff\xff\xff\xff\5\0\0\0\0\0\0\0";
    struct infer_input input = {.rank = 1, .shape = {3}, .elements = 3, .form = TENSOR_BINARY};
    struct infer_cursor cursor;
    struct fault fault = {0};
    float f32[4] = {0, 0, 0, 9};
    int64_t i64[4] = {0, 0, 0, 9};

    input.data = floats + 1;
    infer_cursor_init(&cursor, &input);
    assert_true(infer_cursor_read_f32(&cursor, f32, 2, &fault));
    assert_int_equal(cursor.index, 2);
    assert_true(f32[0] == 1 && isnan(f32[1]) && f32[2] == 0);
    assert_true(infer_cursor_read_f32(&cursor, f32, 2, &fault));
    assert_int_equal(cursor.index, 3);
    assert_true(f32[2] == -INFINITY && f32[3] == 9);

    input.datatype = DATATYPE_INT32;
    input.data = ints + 1;
    infer_cursor_init(&cursor, &input);
    assert_true(infer_cursor_read_i64(&cursor, i64, 2, &fault));
    assert_true(i64[0] == INT32_MAX && i64[1] == INT32_MIN && i64[2] == 0);
    assert_true(infer_cursor_read_i64(&cursor, i64, 2, &fault));
    assert_true(i64[2] == -2 && i64[3] == 9 && cursor.index == 3);

    input.datatype = DATATYPE_INT64;
    input.data = longs + 1;
    assert_true(infer_input_decode_i64(&input, i64, &fault));
    assert_true(i64[0] == (int64_t)0x8007060504030201 && i64[1] == -1 && i64[2] == 5);
    assert_int_equal(i64[3], 9);
}

static void text_is_decoded_in_slices(void **state)
{
    (void)state;
    struct infer_input input = input_of(DATATYPE_FP32, 6, "[[1,2,3],[4,5,6]]");
    input.rank = 2;
    input.shape[0] = 2;
    input.shape[1] = 3;
    for (size_t limit = 1; limit <= 7; limit++) {
        struct infer_cursor cursor;
        struct fault fault = {0};
        float out[6];
        infer_cursor_init(&cursor, &input);
        for (size_t read = 0; cursor.index < input.elements;) {
            assert_true(infer_cursor_read_f32(&cursor, out, limit, &fault));
            read += limit;
            assert_int_equal(cursor.index, read < 6 ? read : 6);
        }
        for (int i = 0; i < 6; i++)
            assert_true(out[i] == (float)(i + 1));
    }
}

/* The last slice sees what stands behind the last number. */
static void end_of_the_text_is_checked_with_the_last_number(void **state)
{
    (void)state;
    struct infer_input input = input_of(DATATYPE_FP32, 2, "[1,2,3]");
    struct infer_cursor cursor;
    struct fault fault = {0};
    float out[2];
    infer_cursor_init(&cursor, &input);
    assert_true(infer_cursor_read_f32(&cursor, out, 1, &fault));
    assert_false(infer_cursor_read_f32(&cursor, out, 1, &fault));
    assert_string_equal(fault.text, "input 'x': 2 numbers are wanted by shape [2], got 3");
    input = input_of(DATATYPE_INT64, 0, "[x]");
    infer_cursor_init(&cursor, &input);
    assert_false(infer_cursor_read_i64(&cursor, NULL, 1, &fault));
    assert_string_equal(fault.text, "input 'x': 0 numbers are wanted by shape [0], got 1");
}

static void failures_name_the_tensor(void **state)
{
    (void)state;
    struct fault fault = {0};
    float out[340];
    struct infer_input input = input_of(DATATYPE_FP32, 2, "[1,\"2\"]");
    assert_false(infer_input_decode_f32(&input, out, &fault));
    assert_string_equal(fault.text, "input 'x': element 1: a number is wanted, got '\"'");
    char data[2 * 339 + 2], *at = data;
    for (int i = 0; i < 339; i++)
        at += sprintf(at, i == 0 ? "[%d" : ",%d", i % 10);
    strcpy(at, "]");
    input = (struct infer_input){.name = "input",
                                 .rank = 3,
                                 .shape = {17, 2, 10},
                                 .elements = 340,
                                 .data = data,
                                 .data_size = strlen(data)};
    assert_false(infer_input_decode_f32(&input, out, &fault));
    assert_string_equal(fault.text,
                        "input 'input': 340 numbers are wanted by shape [17,2,10], got 339");
    strcpy(input.name, "a\nb");
    assert_false(infer_input_decode_f32(&input, out, &fault));
    assert_string_equal(fault.text,
                        "input 'a?b': 340 numbers are wanted by shape [17,2,10], got 339");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datatypes_have_names),
        cmocka_unit_test(elements_are_the_product_of_the_shape),
        cmocka_unit_test(floats_are_decoded),
        cmocka_unit_test(whole_numbers_are_decoded_by_their_datatype),
        cmocka_unit_test(binary_numbers_are_decoded_in_slices),
        cmocka_unit_test(text_is_decoded_in_slices),
        cmocka_unit_test(end_of_the_text_is_checked_with_the_last_number),
        cmocka_unit_test(failures_name_the_tensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
