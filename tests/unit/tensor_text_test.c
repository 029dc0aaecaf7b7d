#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/tensor_text.h"

enum { MANY = 64 };

/* A shape as "2,3" ("" for a scalar) and a text, copied to the end of its memory but for the one
 * byte that always follows a body's data. */
struct sample {
    uint64_t shape[8];
    struct tensor_text tensor;
    char *text;
};

static void sample_init(struct sample *sample, const char *shape, const char *text)
{
    *sample = (struct sample){.text = malloc(strlen(text) + 1)};
    assert_non_null(sample->text);
    strcpy(sample->text, text);
    size_t rank = 0, elements = 1;
    for (char *end; *shape != '\0'; shape = *end == ',' ? end + 1 : end) {
        sample->shape[rank] = strtoull(shape, &end, 10);
        elements *= sample->shape[rank++];
    }
    sample->tensor = (struct tensor_text){
        .text = sample->text,
        .size = strlen(text),
        .shape = sample->shape,
        .rank = rank,
        .elements = elements,
    };
}

/* In slices of one number, two, more and all at once. */
static const size_t limits[] = {1, 2, 7, SIZE_MAX};

static bool read_f32(const struct tensor_text *tensor, float *out, size_t limit,
                     struct fault *fault)
{
    struct tensor_text_cursor cursor;
    tensor_text_begin(&cursor, tensor);
    for (size_t before = 0; !cursor.done; before = cursor.index) {
        if (!tensor_text_read_f32(&cursor, out, limit, fault))
            return false;
        assert_true(cursor.done || cursor.index - before == limit);
    }
    assert_int_equal(cursor.index, tensor->elements);
    return true;
}

static bool read_i64(const struct tensor_text *tensor, int64_t min, int64_t max, int64_t *out,
                     size_t limit, struct fault *fault)
{
    struct tensor_text_cursor cursor;
    tensor_text_begin(&cursor, tensor);
    while (!cursor.done)
        if (!tensor_text_read_i64(&cursor, min, max, out, limit, fault))
            return false;
    return true;
}

static void accept_f32(const char *shape, const char *text, size_t count, const float *wanted)
{
    struct sample sample;
    struct fault fault = {0};
    float *out = malloc(count * sizeof *out + 1);
    assert_non_null(out);
    sample_init(&sample, shape, text);
    assert_int_equal(sample.tensor.elements, count);
    assert_true(tensor_text_has_room(&sample.tensor, &fault));
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        memset(out, 0xa5, count * sizeof *out);
        if (!read_f32(&sample.tensor, out, limits[i], &fault))
            fail_msg("%s %s: %s", shape, text, fault.text);
        assert_memory_equal(out, wanted, count * sizeof *out);
    }
    free(out);
    free(sample.text);
}

static void refuse_f32(const char *shape, const char *text, const char *wanted)
{
    struct sample sample;
    struct fault fault = {0};
    float out[MANY];
    sample_init(&sample, shape, text);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        assert_false(read_f32(&sample.tensor, out, limits[i], &fault));
        assert_string_equal(fault.text, wanted);
        assert_int_equal(fault.status, 400);
    }
    free(sample.text);
}

static void refuse_i64(const char *shape, const char *text, int64_t min, int64_t max,
                       const char *wanted)
{
    struct sample sample;
    struct fault fault = {0};
    int64_t out[MANY];
    sample_init(&sample, shape, text);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        assert_false(read_i64(&sample.tensor, min, max, out, limits[i], &fault));
        assert_string_equal(fault.text, wanted);
    }
    free(sample.text);
}

#define EITHER "; numbers are given flat, or nested as the shape is"

static void flat_and_nested_numbers_are_the_same(void **state)
{
    (void)state;
    static const float wanted[] = {1, 2.5f, -3, 4e-3f, 0, 6};
    static const char *const texts[] = {
        "[1,2.5,-3,4e-3,0,6]",
        "[[1,2.5,-3],[4e-3,0,6]]",
        "[ [ 1 , 2.5 , -3 ] , [ 4e-3 , 0 , 6 ] ]",
        "[\n\t1.0,\r\n2.5000, -3.0e0,4E-3 ,0,0.6e+1\n]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        accept_f32("2,3", texts[i], 6, wanted);
    accept_f32("6", texts[0], 6, wanted);
    accept_f32("3,1,2", "[[[1,2.5]],[[-3,4e-3]],[[0,6]]]", 6, wanted);
    accept_f32("1,1,1,1,1,1,1,2", "[[[[[[[[1,2.5]]]]]]]]", 2, wanted);
}

static void scalar_is_an_array_of_one(void **state)
{
    (void)state;
    static const float wanted[] = {7};
    accept_f32("", "[7]", 1, wanted);
    refuse_f32("", "[]", "1 numbers are wanted by shape [], got 0");
    refuse_f32("", "[[7]]", "element 0: a number is wanted by shape [], got '['" EITHER);
}

static void tokens_are_numbers(void **state)
{
    (void)state;
    static const float wanted[] = {INFINITY, -INFINITY};
    accept_f32("2", "[Infinity,-Infinity]", 2, wanted);
    struct sample sample;
    struct fault fault = {0};
    float out;
    sample_init(&sample, "1", "[NaN]");
    assert_true(read_f32(&sample.tensor, &out, 1, &fault));
    assert_true(isnan(out));
    free(sample.text);
}

static void dimension_of_zero_is_empty_flat_or_nested(void **state)
{
    (void)state;
    accept_f32("0", "[]", 0, NULL);
    accept_f32("0,2,10", "[ ]", 0, NULL);
    accept_f32("2,0,3", "[]", 0, NULL);
    accept_f32("2,0,3", "[[],[]]", 0, NULL);
    accept_f32("2,3,0", "[[[],[],[]],[[],[ ],[]]]", 0, NULL);
    refuse_f32("0", "[1]", "0 numbers are wanted by shape [0], got 1");
    refuse_f32("2,0,3", "[[]]", "element 0: ',' is wanted by shape [2,0,3], got ']'");
    refuse_f32("2,0,3", "[[],[],[]]", "element 0: ']' is wanted by shape [2,0,3], got ','");
    refuse_f32("2,0,3", "[[],[[]]]", "element 0: ']' is wanted by shape [2,0,3], got '['" EITHER);
    refuse_f32("0,2", "[[]]", "element 0: ']' is wanted by shape [0,2], got '['" EITHER);
    refuse_f32("2,0", "[[1],[]]", "element 0: ']' is wanted, got '1'");
}

static void wrong_count_of_a_flat_array_is_told(void **state)
{
    (void)state;
    refuse_f32("2,3", "[1,2,3,4,5]", "6 numbers are wanted by shape [2,3], got 5");
    refuse_f32("2,3", "[]", "6 numbers are wanted by shape [2,3], got 0");
    refuse_f32("2,3", "[1,2,3,4,5,6,7,8]", "6 numbers are wanted by shape [2,3], got 8");
    refuse_f32("2", "[1,2, ]", "element 2: ']' is wanted, got ','");
    refuse_f32("3", "[1,2,]", "3 numbers are wanted by shape [3], got 2");
}

static void nesting_unlike_the_shape_is_refused(void **state)
{
    (void)state;
    refuse_f32("2,2", "[[1,2]]", "element 2: ',' is wanted by shape [2,2], got ']'");
    refuse_f32("2,2", "[[1,2],[3,4],[5,6]]", "element 4: ']' is wanted by shape [2,2], got ','");
    refuse_f32("2,2", "[[1],[2]]", "element 1: ',' is wanted by shape [2,2], got ']'");
    refuse_f32("2,2", "[[1,2,3],[4]]", "element 2: ']' is wanted by shape [2,2], got ','");
    refuse_f32("2,2", "[[1,2],3,4]", "element 2: '[' is wanted by shape [2,2], got '3'" EITHER);
    refuse_f32("2,2", "[1,2,[3,4]]",
               "element 2: a number is wanted by shape [2,2], got '['" EITHER);
    refuse_f32("2,2", "[[1,2][3,4]]", "element 2: ',' is wanted by shape [2,2], got '['");
    refuse_f32("2,2", "[[1,2],,[3,4]]", "element 2: '[' is wanted by shape [2,2], got ','" EITHER);
    refuse_f32("2,2", "[[1,2],[3,]]", "element 3: a number is wanted by shape [2,2], got ']'");
    refuse_f32("2,2", "[[[1,2]],[[3,4]]]",
               "element 0: a number is wanted by shape [2,2], got '['" EITHER);
    refuse_f32("4", "[[1,2],[3,4]]", "element 0: a number is wanted by shape [4], got '['" EITHER);
    refuse_f32("1,2,1", "[[1,2]]", "element 0: '[' is wanted by shape [1,2,1], got '1'" EITHER);
}

static void bad_number_is_told_by_its_index(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"[0,\"1\"]", "element 1: a number is wanted, got '\"'"},
        {"[0,null]", "element 1: a number is wanted, got 'null'"},
        {"[true,1]", "element 0: a number is wanted, got 'true'"},
        {"[0,nan]", "element 1: a number is wanted, got 'nan'"},
        {"[0,-NaN]", "element 1: a number is wanted, got '-NaN'"},
        {"[0,Infinit]", "element 1: a number is wanted, got 'Infinit'"},
        {"[0,+1]", "element 1: a number is wanted, got '+1'"},
        {"[0,.5]", "element 1: a number is wanted, got '.5'"},
        {"[0,5.]", "element 1: a number is wanted, got '5.'"},
        {"[0,1e]", "element 1: a number is wanted, got '1e'"},
        {"[0,1e+]", "element 1: a number is wanted, got '1e+'"},
        {"[0,--1]", "element 1: a number is wanted, got '--1'"},
        {"[0,-]", "element 1: a number is wanted, got '-'"},
        {"[0,01]", "element 2: ']' is wanted, got '1'"},
        {"[01,0]", "element 1: ',' is wanted, got '1'"},
        {"[0,0x10]", "element 2: ']' is wanted, got 'x10'"},
        {"[0,,1]", "element 1: a number is wanted, got ','"},
        {"[0 1]", "element 1: ',' is wanted, got '1'"},
        {"[0;1]", "element 1: ',' is wanted, got ';'"},
        {"[0,{}]", "element 1: a number is wanted, got '{'"},
        {"[0,\x07]", "element 1: a number is wanted, got byte 0x07"},
        {"[0,\xc3\xa9]", "element 1: a number is wanted, got byte 0xc3"},
        {"[0,abcdefghijklmnopqrstuvwxyz]",
         "element 1: a number is wanted, got 'abcdefghijklmnopqrstuvwx...'"},
        {"[0,1e39]", "element 1: a number in FP32's range is wanted, got '1e39'"},
        {"[-3.4028236e38,0]", "element 0: a number in FP32's range is wanted, got "
                              "'-3.4028236e38'"},
        {"[0,1e99999999999999999999]", "element 1: a number in FP32's range is wanted, got "
                                       "'1e99999999999999999999'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_f32("2", cases[i].text, cases[i].wanted);
}

static void largest_float_is_in_range(void **state)
{
    (void)state;
    static const float wanted[] = {3.4028234663852886e38f, -3.4028234663852886e38f};
    accept_f32("2", "[3.4028235677973362e38,-3.4028235e38]", 2, wanted);
    refuse_f32("1", "[3.4028235677973367e38]",
               "element 0: a number in FP32's range is wanted, got '3.4028235677973367e38'");
}

static void whole_numbers_keep_all_their_bits(void **state)
{
    (void)state;
    static const int64_t wanted[] = {0, 0, 1, -1, INT64_MAX, INT64_MIN, 9007199254740993, 12};
    struct sample sample;
    struct fault fault = {0};
    int64_t out[8];
    sample_init(&sample, "2,4",
                "[[0,-0,1.0,-1.000],[9223372036854775807, -9223372036854775808 "
                ",9007199254740993.0,12]]");
    assert_true(read_i64(&sample.tensor, INT64_MIN, INT64_MAX, out, 3, &fault));
    assert_memory_equal(out, wanted, sizeof out);
    free(sample.text);
}

static void what_is_not_whole_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"1.5",
                                      "1.01",
                                      "1e3",
                                      "NaN",
                                      "Infinity",
                                      "1.",
                                      ".0",
                                      "-",
                                      "+1",
                                      "01",
                                      "--1",
                                      "0x1",
                                      "null",
                                      "1.0e0",
                                      "00",
                                      "1.00x",
                                      "1.0.0",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64], wanted[160];
        snprintf(text, sizeof text, "[7,%s]", bad[i]);
        snprintf(wanted, sizeof wanted,
                 "element 1: a whole number from -9223372036854775808 to 9223372036854775807 is "
                 "wanted, got '%s'",
                 bad[i]);
        refuse_i64("2", text, INT64_MIN, INT64_MAX, wanted);
    }
    refuse_i64("1", "[\"1\"]", 0, 9, "element 0: a whole number from 0 to 9 is wanted, got '\"'");
}

static void whole_numbers_are_held_to_their_range(void **state)
{
    (void)state;
    int64_t out[2];
    struct sample sample;
    struct fault fault = {0};
    sample_init(&sample, "2", "[-2147483648,2147483647]");
    assert_true(read_i64(&sample.tensor, INT32_MIN, INT32_MAX, out, 3, &fault));
    assert_int_equal(out[0], INT32_MIN);
    assert_int_equal(out[1], INT32_MAX);
    free(sample.text);
    refuse_i64("1", "[2147483648]", INT32_MIN, INT32_MAX,
               "element 0: a whole number from -2147483648 to 2147483647 is wanted, got "
               "'2147483648'");
    refuse_i64("1", "[-2147483649]", INT32_MIN, INT32_MAX,
               "element 0: a whole number from -2147483648 to 2147483647 is wanted, got "
               "'-2147483649'");
    refuse_i64("2", "[1]", 0, 5, "2 numbers are wanted by shape [2], got 1");
}

static void room_is_two_brackets_and_two_bytes_a_number(void **state)
{
    (void)state;
    struct sample sample;
    struct fault fault = {0};
    sample_init(&sample, "3", "[1,2,3]");
    assert_true(tensor_text_has_room(&sample.tensor, &fault));
    free(sample.text);
    sample_init(&sample, "4", "[1,2,3]");
    assert_false(tensor_text_has_room(&sample.tensor, &fault));
    assert_string_equal(fault.text, "4 numbers are wanted by shape [4], got 3");
    free(sample.text);
    sample_init(&sample, "1", "[]");
    assert_false(tensor_text_has_room(&sample.tensor, &fault));
    assert_string_equal(fault.text, "1 numbers are wanted by shape [1], got 0");
    free(sample.text);
    sample_init(&sample, "1,100", "[[-1, NaN, Infinity, \"a,b\"]]");
    assert_false(tensor_text_has_room(&sample.tensor, &fault));
    assert_string_equal(fault.text, "element 3: a number is wanted, got '\"'");
    free(sample.text);
    sample_init(&sample, "0", "[]");
    assert_true(tensor_text_has_room(&sample.tensor, &fault));
    free(sample.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_and_nested_numbers_are_the_same),
        cmocka_unit_test(scalar_is_an_array_of_one),
        cmocka_unit_test(tokens_are_numbers),
        cmocka_unit_test(dimension_of_zero_is_empty_flat_or_nested),
        cmocka_unit_test(wrong_count_of_a_flat_array_is_told),
        cmocka_unit_test(nesting_unlike_the_shape_is_refused),
        cmocka_unit_test(bad_number_is_told_by_its_index),
        cmocka_unit_test(largest_float_is_in_range),
        cmocka_unit_test(whole_numbers_keep_all_their_bits),
        cmocka_unit_test(what_is_not_whole_is_refused),
        cmocka_unit_test(whole_numbers_are_held_to_their_range),
        cmocka_unit_test(room_is_two_brackets_and_two_bytes_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
