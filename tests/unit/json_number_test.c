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
        snprintf(json, sizeof json, " %" PRIu64 " ", numbers[i]);
        begin(&reader, json, &fault);
        assert_true(json_read_uint64(&reader, &whole) && json_finish(&reader));
        assert_true(whole == numbers[i]);
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
        begin(&reader, cases[i].json, &fault);
        assert_false(json_read_uint64(&reader, &whole));
        snprintf(wanted, sizeof wanted,
                 "a whole number from 0 to 2^64-1 is wanted, got %s at byte 0", cases[i].found);
        assert_string_equal(fault.text, wanted);
        assert_int_equal(whole, 77);
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

/* Words are numbers where the reader was told so, and whole ones never. */
static void words_are_numbers_to_those_who_ask_for_it(void **state)
{
    (void)state;
    static const char *const texts[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_reader reader;
        struct fault fault;
        uint64_t whole;
        begin(&reader, texts[i], &fault);
        assert_false(json_skip(&reader, NULL, NULL));
        begin(&reader, texts[i], &fault);
        reader.words = true;
        assert_int_equal(json_peek(&reader), JSON_NUMBER);
        assert_true(json_skip(&reader, NULL, NULL) && json_finish(&reader));
        begin(&reader, texts[i], &fault);
        reader.words = true;
        assert_false(json_read_uint64(&reader, &whole));
        assert_non_null(strstr(fault.text, texts[i]));
    }
    struct json_reader reader;
    struct fault fault;
    begin(&reader, "-NaN", &fault);
    reader.words = true;
    assert_false(json_skip(&reader, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_read_over_their_whole_range),
        cmocka_unit_test(what_is_not_whole_or_too_large_is_refused),
        cmocka_unit_test(negative_number_is_no_uint64),
        cmocka_unit_test(words_are_numbers_to_those_who_ask_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
