#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/json_reader.h"

static bool read(const char *json, char *out, size_t capacity, struct fault *fault)
{
    struct json_reader reader;
    *fault = (struct fault){0};
    json_reader_init(&reader, json, strlen(json), fault);
    return json_read_string(&reader, out, capacity) && json_finish(&reader);
}

static void escapes_are_undone(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"\"\"", ""},
        {" \"abc\" ", "abc"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u007f\"", "A\x7f"},
        {"\"\\u0080\\u07FF\"", "\xc2\x80\xdf\xbf"},
        {"\"\\u0800\\uffff\"", "\xe0\xa0\x80\xef\xbf\xbf"},
        {"\"\\ud7ff\\ue000\"", "\xed\x9f\xbf\xee\x80\x80"},
        {"\"\\ud800\\udc00\"", "\xf0\x90\x80\x80"},
        {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"},
        {"\"\\ud83d\\ude00!\"", "\U0001f600!"},
        {"\"\\\\u0041\"", "\\u0041"},
        {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "\u00e9\u20ac\U0001f600"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[32];
        struct fault fault;
        assert_true(read(cases[i].json, out, sizeof out, &fault));
        assert_string_equal(out, cases[i].text);
    }
}

static void every_code_point_comes_through_its_escape(void **state)
{
    (void)state;
    for (unsigned code = 1; code < 0x10000; code++) {
        char json[16], out[8];
        struct fault fault;
        snprintf(json, sizeof json, "\"\\u%04x\"", code);
        const bool surrogate = code >= 0xd800 && code <= 0xdfff;
        assert_int_equal(read(json, out, sizeof out, &fault), !surrogate);
        if (surrogate)
            continue;
        /* What was written is valid UTF-8, and reads back as itself. */
        char again[16], same[8];
        snprintf(again, sizeof again, "\"%s\"", out);
        if (code < 0x20 || code == '"' || code == '\\')
            continue;
        assert_true(read(again, same, sizeof same, &fault));
        assert_string_equal(same, out);
        assert_int_equal(strlen(out), code < 0x80 ? 1 : code < 0x800 ? 2 : 3);
    }
}

static void string_fills_its_room_and_no_more(void **state)
{
    (void)state;
    static const char *const good[] = {
        "\"abcd\"",           "\"\\u0061b\\u0063d\"", "\"\\u00e9\xc3\xa9\"",
        "\"\\ud83d\\ude00\"", "\"a\\n\\u00e9\"",      "\"\xe2\x82\xac.\""};
    static const char *const bad[] = {"\"abcde\"",           "\"abcd\\n\"",
                                      "\"abc\\u00e9\"",      "\"abc\xc3\xa9\"",
                                      "\"a\\ud83d\\ude00\"", "\"\\u20ac\\u20ac\""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char out[6] = {0, 0, 0, 0, '#', '#'};
        struct fault fault;
        assert_true(read(good[i], out, 5, &fault));
        assert_int_equal(strlen(out), 4);
        assert_int_equal(out[5], '#');
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char out[6] = {0, 0, 0, 0, 0, '#'};
        struct fault fault;
        assert_false(read(bad[i], out, 5, &fault));
        assert_memory_equal(fault.text, "a string of at most 4 bytes is wanted, got more", 47);
        assert_int_equal(out[5], '#');
    }
}

static void nul_is_refused_where_it_would_end_the_text(void **state)
{
    (void)state;
    char out[8];
    struct fault fault;
    assert_false(read("\"a\\u0000b\"", out, sizeof out, &fault));
    assert_string_equal(fault.text, "a string without U+0000 is wanted at byte 8");
}

static void errors_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"\"\\x\"", "an escape, one of \"\\/bfnrtu, is wanted, got 'x' at byte 2"},
        {"\"\\u12g4\"", "a hexadecimal digit is wanted, got 'g' at byte 5"},
        {"\"\\u12", "a hexadecimal digit is wanted, got the end at byte 5"},
        {"\"\\ud800\"", "a pair of surrogates is wanted, got one alone at byte 7"},
        {"\"\\udfff\\ud800\"", "a pair of surrogates is wanted, got one alone at byte 7"},
        {"\"\\ud800\\u0041\"", "a pair of surrogates is wanted, got one alone at byte 13"},
        {"\"\xed\xa0\x80\"", "valid UTF-8 is wanted, got byte 0xed at byte 1"},
        {"\"a\xf5\"", "valid UTF-8 is wanted, got byte 0xf5 at byte 2"},
        {"\"abc", "'\"' is wanted, got the end at byte 4"},
        {"7", "a string is wanted, got a number at byte 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[8];
        struct fault fault;
        assert_false(read(cases[i].json, out, sizeof out, &fault));
        assert_string_equal(fault.text, cases[i].text);
        assert_int_equal(fault.status, 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(every_code_point_comes_through_its_escape),
        cmocka_unit_test(string_fills_its_room_and_no_more),
        cmocka_unit_test(nul_is_refused_where_it_would_end_the_text),
        cmocka_unit_test(errors_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
