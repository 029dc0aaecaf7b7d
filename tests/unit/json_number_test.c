#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_reader.h"

static void begin(struct json_reader *reader, const char *json, struct fault *fault)
{
    *fault = (struct fault){0};
    json_reader_init(reader, json, strlen(json), fault);
}

static void whole_numbers_are_read_over_their_whole_range(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {
        0,         1, 9, 10, 4294967295, 4294967296, INT64_MAX, 1ull << 63, 9999999999999999999u,
        UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char json[32];
        struct json_reader reader;
        struct fault fault;
        uint64_t whole;
        int64_t number;
        snprintf(json, sizeof json, " %" PRIu64 " ", numbers[i]);
        begin(&reader, json, &fault);
        assert_true(json_read_uint64(&reader, &whole) && json_finish(&reader));
        assert_true(whole == numbers[i]);
        begin(&reader, json, &fault);
        assert_int_equal(json_read_int64(&reader, &number), numbers[i] <= INT64_MAX);
        if (numbers[i] > 1ull << 63)
            continue;
        snprintf(json, sizeof json, "-%" PRIu64, numbers[i]);
        begin(&reader, json, &fault);
        assert_true(json_read_int64(&reader, &number) && json_finish(&reader));
        assert_true((uint64_t)number == 0 - numbers[i]);
    }
}

static void what_is_not_whole_or_too_large_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *found;
    } cases[] = {
        {"1.0", "1.0"},
        {"1e2", "1e2"},
        {"-1.5", "-1.5"},
        {"NaN", "NaN"},
        {"-Infinity", "-Infinity"},
        {"18446744073709551616", "18446744073709551616"},
        {"-9223372036854775809", "-9223372036854775809"},
        {"99999999999999999999999999999999999999999999",
         "9999999999999999999999999999999999999999..."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char wanted[200];
        struct json_reader reader;
        struct fault fault;
        uint64_t whole = 77;
        int64_t number = 77;
        begin(&reader, cases[i].json, &fault);
        assert_false(json_read_uint64(&reader, &whole));
        snprintf(wanted, sizeof wanted,
                 "a whole number from 0 to 2^64-1 is wanted, got %s at byte 0", cases[i].found);
        assert_string_equal(fault.text, wanted);
        begin(&reader, cases[i].json, &fault);
        assert_false(json_read_int64(&reader, &number));
        snprintf(wanted, sizeof wanted,
                 "a whole number from -2^63 to 2^63-1 is wanted, got %s at byte 0", cases[i].found);
        assert_string_equal(fault.text, wanted);
        assert_true(whole == 77 && number == 77);
    }
}

static void negative_number_is_no_uint64(void **state)
{
    (void)state;
    struct json_reader reader;
    struct fault fault;
    uint64_t whole;
    begin(&reader, "[-1]", &fault);
    assert_true(json_enter_array(&reader) && json_next_element(&reader));
    assert_false(json_read_uint64(&reader, &whole));
    assert_string_equal(fault.text, "a whole number from 0 to 2^64-1 is wanted, got -1 at byte 1");
}

static void doubles_are_read_like_strtod(void **state)
{
    (void)state;
    static const char *const numbers[] = {
        "0",
        "-0",
        "1",
        "-1.5",
        "0.1",
        "123456.789e-3",
        "1e308",
        "4.9e-324",
        "1e-400",
        "2.5E+05",
        "1.25E-05",
        "0e9999",
        "1e-99999999999999999999",
        "1.7976931348623157e308",
        "9007199254740993",
        "0.000000000000000000000000000001",
        "123456789012345678901234567890.123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct json_reader reader;
        struct fault fault;
        double value = 77;
        begin(&reader, numbers[i], &fault);
        assert_true(json_read_double(&reader, &value) && json_finish(&reader));
        const double wanted = strtod(numbers[i], NULL);
        assert_memory_equal(&value, &wanted, sizeof value);
    }
}

static void tokens_are_doubles(void **state)
{
    (void)state;
    struct json_reader reader;
    struct fault fault;
    double value;
    begin(&reader, "[NaN,Infinity,-Infinity]", &fault);
    assert_true(json_enter_array(&reader) && json_next_element(&reader));
    assert_true(json_read_double(&reader, &value) && isnan(value));
    assert_true(json_next_element(&reader));
    assert_true(json_read_double(&reader, &value) && value == (double)INFINITY);
    assert_true(json_next_element(&reader));
    assert_true(json_read_double(&reader, &value) && value == -(double)INFINITY);
    assert_false(json_next_element(&reader));
    assert_true(json_finish(&reader));
}

static void number_past_a_double_is_refused(void **state)
{
    (void)state;
    static const char *const numbers[] = {"1e309", "-1e309", "1.7976931348623159e308",
                                          "1e99999999999999999999"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char wanted[128];
        struct json_reader reader;
        struct fault fault;
        double value = 77;
        begin(&reader, numbers[i], &fault);
        assert_false(json_read_double(&reader, &value));
        snprintf(wanted, sizeof wanted, "a number in a double's range is wanted, got %s at byte 0",
                 numbers[i]);
        assert_string_equal(fault.text, wanted);
        assert_true(value == 77);
    }
}

static void double_of_more_than_128_characters_is_refused(void **state)
{
    (void)state;
    char json[160];
    struct json_reader reader;
    struct fault fault;
    double value;
    snprintf(json, sizeof json, "0.%0125d1", 0);
    begin(&reader, json, &fault);
    assert_true(json_read_double(&reader, &value) && value == 1e-126);
    snprintf(json, sizeof json, "0.%0126d1", 0);
    begin(&reader, json, &fault);
    assert_false(json_read_double(&reader, &value));
    assert_string_equal(fault.text, "a number of at most 128 characters is wanted, got "
                                    "0.00000000000000000000000000000000000000... at byte 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_read_over_their_whole_range),
        cmocka_unit_test(what_is_not_whole_or_too_large_is_refused),
        cmocka_unit_test(negative_number_is_no_uint64),
        cmocka_unit_test(doubles_are_read_like_strtod),
        cmocka_unit_test(tokens_are_doubles),
        cmocka_unit_test(number_past_a_double_is_refused),
        cmocka_unit_test(double_of_more_than_128_characters_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
