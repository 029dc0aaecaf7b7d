#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/float_text.h"
#include "proto/json_reader.h"
#include "proto/json_writer.h"

/* Takes the text, compares it, and leaves the writer fit for the next one. */
static void expect_text(struct json_writer *writer, const char *wanted)
{
    char *text;
    size_t size;
    assert_true(json_writer_take(writer, &text, &size));
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(text, wanted, size);
    free(text);
}

static void commas_are_taken_care_of(void **state)
{
    (void)state;
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_object(&writer);
    json_key(&writer, "a");
    json_open_array(&writer);
    json_close_array(&writer);
    json_key(&writer, "b");
    json_open_array(&writer);
    json_uint64(&writer, 1);
    json_open_object(&writer);
    json_close_object(&writer);
    json_open_object(&writer);
    json_key(&writer, "c");
    json_bool(&writer, true);
    json_key(&writer, "d");
    json_bool(&writer, false);
    json_close_object(&writer);
    json_string(&writer, "x");
    json_close_array(&writer);
    json_key(&writer, "e");
    json_floats(&writer, &(const float){0.5f}, 1);
    json_close_object(&writer);
    expect_text(&writer, "{\"a\":[],\"b\":[1,{},{\"c\":true,\"d\":false},\"x\"],\"e\":[0.5]}");
}

static void whole_numbers_are_written_over_their_whole_range(void **state)
{
    (void)state;
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_array(&writer);
    json_uint64(&writer, 0);
    json_uint64(&writer, UINT64_MAX);
    json_int64(&writer, INT64_MIN);
    json_int64(&writer, -1);
    json_int64(&writer, INT64_MAX);
    json_close_array(&writer);
    expect_text(&writer, "[0,18446744073709551615,-9223372036854775808,-1,9223372036854775807]");
}

static void strings_are_escaped_and_utf8_stands(void **state)
{
    (void)state;
    struct json_writer writer;
    json_writer_init(&writer);
    json_string(&writer, "\"\\/\b\f\n\r\t\x01\x1f\x7f \u00e9\u20ac\U0001f600");
    expect_text(&writer, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f \u00e9\u20ac\U0001f600\"");
    json_string(&writer, "");
    expect_text(&writer, "\"\"");
    json_string_n(&writer, "a\0b", 3);
    expect_text(&writer, "\"a\\u0000b\"");
    json_open_object(&writer);
    json_key(&writer, "q\"k");
    json_string_n(&writer, "value and more", 5);
    json_close_object(&writer);
    expect_text(&writer, "{\"q\\\"k\":\"value\"}");
}

static void every_byte_comes_back_through_the_reader(void **state)
{
    (void)state;
    char all[128], back[128], *text;
    for (int i = 0; i < 127; i++)
        all[i] = (char)(i + 1);
    all[127] = '\0';
    size_t size;
    struct json_writer writer;
    json_writer_init(&writer);
    json_string(&writer, all);
    assert_true(json_writer_take(&writer, &text, &size));
    struct fault fault = {0};
    struct json_reader reader;
    json_reader_init(&reader, text, size, &fault);
    assert_true(json_read_string(&reader, back, sizeof back));
    assert_true(json_finish(&reader));
    assert_string_equal(back, all);
    free(text);
}

static void floats_are_written_flat_in_shortest_form(void **state)
{
    (void)state;
    static const float values[] = {0.1f,          -0.0f, 1,        16777216, 1e-7f,
                                   3.4028235e38f, NAN,   INFINITY, -INFINITY};
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_array(&writer);
    json_floats(&writer, values, 9);
    json_floats(&writer, values, 0);
    json_floats(&writer, values, 1);
    json_close_array(&writer);
    expect_text(&writer, "[[0.1,-0.0,1.0,16777216.0,1e-7,3.4028235e38,NaN,Infinity,-Infinity],[],"
                         "[0.1]]");
}

/* Counts around the number of floats that room is made for at a time. */
static void floats_of_any_count_come_back(void **state)
{
    (void)state;
    static const size_t counts[] = {511, 512, 513, 1024, 5000};
    static float values[5000];
    for (size_t i = 0; i < 5000; i++)
        values[i] = sinf((float)i) * 1e-4f;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct json_writer writer;
        json_writer_init(&writer);
        json_floats(&writer, values, counts[c]);
        char *text;
        size_t size;
        assert_true(json_writer_take(&writer, &text, &size));
        const char *at = text, *end = text + size - 1;
        for (size_t i = 0; i < counts[c]; i++) {
            assert_int_equal(*at, i == 0 ? '[' : ',');
            float value;
            at = float_parse(at + 1, end, &value);
            assert_non_null(at);
            assert_true(value == values[i]);
        }
        assert_ptr_equal(at, end);
        assert_int_equal(*end, ']');
        free(text);
    }
}

static void long_texts_are_grown_into(void **state)
{
    (void)state;
    static char wanted[200002];
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_array(&writer);
    wanted[0] = '[';
    for (size_t i = 0; i < 100000; i++) {
        json_uint64(&writer, i % 10);
        wanted[1 + 2 * i] = (char)('0' + i % 10);
        wanted[2 + 2 * i] = ',';
    }
    json_close_array(&writer);
    wanted[200000] = ']';
    expect_text(&writer, wanted);
}

static void reserved_room_is_not_grown_again(void **state)
{
    (void)state;
    struct json_writer writer;
    json_writer_init(&writer);
    json_reserve(&writer, 1000);
    const char *text = writer.text;
    assert_int_equal(writer.capacity, 1000);
    for (int i = 0; i < 500; i++)
        json_uint64(&writer, 7);
    assert_ptr_equal(writer.text, text);
    assert_int_equal(writer.capacity, 1000);
    assert_int_equal(writer.size, 999);
    json_clear(&writer);
    assert_ptr_equal(writer.text, text);
    expect_text(&writer, "");
    json_reserve(&writer, 10);
    json_uint64(&writer, 7); /* no comma before it */
    expect_text(&writer, "7");
}

static void failed_allocation_is_remembered(void **state)
{
    (void)state;
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_array(&writer);
    json_reserve(&writer, SIZE_MAX); /* more than there is room for beside the bracket */
    assert_true(writer.failed);
    const float value = 1;
    json_float_elements(&writer, &value, 1);
    json_floats(&writer, &value, 1);
    json_string(&writer, "lost");
    json_close_array(&writer);
    char *text = NULL;
    size_t size = 77;
    assert_false(json_writer_take(&writer, &text, &size));
    assert_null(text);
    assert_int_equal(size, 77);
    json_bool(&writer, true);
    expect_text(&writer, "true");
}

static void fini_frees_what_was_not_taken(void **state)
{
    (void)state;
    struct json_writer writer;
    json_writer_init(&writer);
    json_string(&writer, "never taken");
    assert_non_null(writer.text);
    json_writer_fini(&writer);
    assert_null(writer.text);
    json_writer_fini(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_are_taken_care_of),
        cmocka_unit_test(whole_numbers_are_written_over_their_whole_range),
        cmocka_unit_test(strings_are_escaped_and_utf8_stands),
        cmocka_unit_test(every_byte_comes_back_through_the_reader),
        cmocka_unit_test(floats_are_written_flat_in_shortest_form),
        cmocka_unit_test(floats_of_any_count_come_back),
        cmocka_unit_test(long_texts_are_grown_into),
        cmocka_unit_test(reserved_room_is_not_grown_again),
        cmocka_unit_test(failed_allocation_is_remembered),
        cmocka_unit_test(fini_frees_what_was_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
