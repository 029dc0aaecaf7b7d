#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_reader.h"

/* Texts with NULs inside, so each with its size. */
struct text {
    const char *bytes;
    size_t size;
};
#define T(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct text good[] = {
    /* scalars at the top, white space around them */
    T("null"), T("true"), T("false"), T("0"), T("\"\""), T("[]"), T("{}"), T(" \t\r\n1 \t\r\n"),
    /* numbers */
    T("-0"), T("0.0"), T("-0.0e0"), T("10"), T("1234567890"), T("1.5"), T("1e5"), T("1E5"),
    T("1e+5"), T("1e-5"), T("1.25E+005"), T("0e0"), T("0E-0"), T("-1.0"), T("1e99999999999999999"),
    T("123456789012345678901234567890.123456789012345678901234567890"), T("1e-400"),
    /* arrays */
    T("[1]"), T("[ ]"), T("[\n]"), T("[1,2]"), T("[1 , 2]"), T("[[]]"), T("[[],[[]],{}]"),
    T("[null,true,false,\"\",0,[],{}]"), T("[1,null,null,null,2]"), T(" [1]"), T("[2] "),
    T("[\"a\"]"), T("[0,1e1,-2]"),
    T("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
    /* objects */
    T("{\"a\":1}"), T("{ \"a\" : 1 }"), T("{\"a\":1,\"b\":2}"), T("{\"a\":{\"a\":{}}}"),
    T("{\"\":0}"), T("{\"a\":1,\"a\":2}"), T("{\"a\\u0000b\":1}"), T("{\n\"a\"\n:\n[\n]\n}"),
    T("{\"a\":[{\"b\":[{\"c\":null}]}]}"), T("{\"min\":-1.0e+28,\"max\":1.0e+28}"),
    /* strings */
    T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), T("\"\\u0000\""), T("\"\\u0012\""),
    T("\"\\uABCD\\uabcd\""), T("\"\\ud834\\udd1e\""), T("\"\\uDBFF\\uDFFF\""),
    T("\"\\uD800\\uDC00\""), T("\"\\uFFFF\\uFFFE\""), T("\"\\\\u0000\""), T("\"\\\\n\""),
    T("\"/\""), T("\"\x7f\""), T("\"'\""), T("\" a \""), T("\"[{}],:\""), T("\"\\u2028\\u2029\""),
    T("\"\\\\\\\\\""),
    /* UTF-8: the first and last of every length, either side of the surrogates */
    T("\"\xc2\x80\""), T("\"\xdf\xbf\""), T("\"\xe0\xa0\x80\""), T("\"\xed\x9f\xbf\""),
    T("\"\xee\x80\x80\""), T("\"\xef\xbf\xbf\""), T("\"\xf0\x90\x80\x80\""),
    T("\"\xf4\x8f\xbf\xbf\""), T("\"\xe2\x82\xac\xf0\x9f\x98\x80\""), T("{\"\xc3\xa9\":1}")};

static const struct text bad[] = {
    /* nothing, or nothing whole */
    T(""), T(" "), T("n"), T("nul"), T("tru"), T("fals"), T("-"), T("\""), T("["), T("{"), T("[1"),
    T("[1,"), T("{\"a\""), T("{\"a\":"), T("{\"a\":1"), T("{\"a\":1,"), T("[\"a"), T("\"\\"),
    T("\"\\u"), T("\"\\u12"), T("[[]"), T("{\"a\":{}"), T("[true"), T("Na"), T("-Inf"),
    T("Infinit"),
    /* more than one value, or junk behind it */
    T("1 2"), T("[]]"), T("{}}"), T("[1]x"), T("{}#"), T("\"a\"b"), T("[]\0"), T("1\0"), T("nulll"),
    T("truefalse"), T("[],"), T("{} {}"), T("[1]/**/"), T("1,"), T("]"), T("}"), T(","), T(":"),
    /* literals */
    T("True"), T("NULL"), T("nan"), T("inf"), T("NAN"), T("-NaN"), T("+Infinity"), T("undefined"),
    T("tRue"), T("[nul]"), T("[fals]"), T("TRUE"), T("infinity"), T("Infinityy"), T("NaN1"),
    T("NaN"), T("Infinity"), T("-Infinity"), T("[NaN]"), T("{\"a\":-Infinity}"),
    /* numbers */
    T("+1"), T("01"), T("-01"), T("00"), T("1."), T("-1."), T(".5"), T("-.5"), T("1.e1"), T("1e"),
    T("1e+"), T("1E-"), T("1e1.5"), T("1.2.3"), T("0x10"), T("0xF"), T("1_000"), T("1 000"),
    T("- 1"), T("--1"), T("+-1"), T("1-2"), T("1+2"), T("1ea"), T("1a"), T("[1a]"), T("[0e]"),
    T("[0e+]"), T("[-]"), T("[1.]"), T("[.1]"), T("[-2.]"), T("[1e1e1]"), T("1f"), T("0d1"),
    T("1e 1"), T("\xef\xbc\x91"), T("[012]"), T("[-012]"), T("[1,000]"),
    /* arrays */
    T("[,]"), T("[1,]"), T("[,1]"), T("[1,,2]"), T("[1 2]"), T("[1;2]"), T("[1:2]"), T("[1}"),
    T("[\"a\" 1]"), T("[1,\n"), T("[[]1]"), T("[*]"), T("[\v1]"), T("[\f]"), T("[\xa0]"), T("[a"),
    T("[3[4]]"), T("[\"\",]"), T("[][]"), T("(1)"), T("[\0]"), T("[1\0]"), T("['a']"),
    /* objects */
    T("{,}"), T("{\"a\":1,}"), T("{,\"a\":1}"), T("{\"a\"}"), T("{\"a\":}"), T("{\"a\" 1}"),
    T("{\"a\",1}"), T("{\"a\"::1}"), T("{\"a\":1 \"b\":2}"), T("{\"a\":1,,\"b\":2}"), T("{a:1}"),
    T("{1:1}"), T("{null:1}"), T("{'a':1}"), T("{[]:1}"), T("{\"a\":1]"), T("{\"a\":1;\"b\":2}"),
    T("{\"a\"=1}"), T("{\"a\":1}}"), T("{:1}"), T("{\"a\":\"b\",//\n}"), T("{\"a\":1/**/}"),
    T("{\"x\", null}"), T("{\"a\":a}"), T("{{\"a\":1}}"), T("{\"a\" : 1, 2}"),
    /* strings */
    T("'a'"), T("\"\\x41\""), T("\"\\'\""), T("\"\\a\""), T("\"\\0\""), T("\"\\v\""), T("\"\\ \""),
    T("\"\\U0041\""), T("\"\\u00g0\""), T("\"\\u-123\""), T("\"\\u 123\""), T("\"\\u{41}\""),
    T("\"\\\n\""), T("\"\n\""), T("\"\t\""), T("\"\r\""), T("\"\x01\""), T("\"\x1f\""), T("\"\0\""),
    T("\"a\0b\""), T("\"\\\0\""), T("\"\\u\0\"\""), T("\"\\"), T("\"\\\""), T("\"\\\\\\\""),
    T("\\u0041"), T("a\"b\""), T("\"\\\xe9\""),
    /* surrogates by halves */
    T("\"\\ud800\""), T("\"\\udc00\""), T("\"\\ud800a\""), T("\"\\ud800\\n\""),
    T("\"\\ud800\\u0041\""), T("\"\\ud800\\ud800\""), T("\"\\udc00\\ud800\""), T("\"\\ud800\\u\""),
    T("\"\\ud800\\udc0\""), T("\"\\uD834\\\""), T("\"\\ud800\\u1\""),
    /* UTF-8: stray, cut, overlong, surrogates, past U+10FFFF */
    T("\"\x80\""), T("\"\xbf\""), T("\"\xc3\""), T("\"\xc3("), T("\"\xe2\x82\""),
    T("\"\xf0\x9f\x98\""), T("\"\xc0\xaf\""), T("\"\xc1\xbf\""), T("\"\xe0\x80\xaf\""),
    T("\"\xe0\x9f\xbf\""), T("\"\xf0\x80\x80\xaf\""), T("\"\xf0\x8f\xbf\xbf\""),
    T("\"\xed\xa0\x80\""), T("\"\xed\xbf\xbf\""), T("\"\xf4\x90\x80\x80\""),
    T("\"\xf5\x80\x80\x80\""), T("\"\xff\""), T("\"\xfe\""), T("\"\xf8\x88\x80\x80\x80\""),
    T("\"\xe9\""), T("{\"\xb9\":\"0\"}"), T("\"\xc2"), T("\"\xf0\x90\x80"), T("[\xc3\xa9]"),
    T("\"\xe2\x28\xa1\""), T("\"\xe2\x82\x28\""),
    /* marks of other encodings */
    T("\xef\xbb\xbf{}"), T("\xef\xbb\xbf"), T("\xff\xfe[\0]\0"), T("\xfe\xff\0[\0]"), T("\0[\0]"),
    /* white space that is none */
    T("[1\v]"), T("\f[]"), T("[]\xc2\xa0"), T("\xe2\x81\xa0[]"), T("[\xe2\x80\x8b]"),
    /* one level too deep */
    T("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
    T("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")};

/* The text stands at the very end of its memory, so that a sanitizer sees a byte read past it. */
static bool accepts(const struct text *text, struct fault *fault)
{
    char *copy = malloc(text->size + 1);
    assert_non_null(copy);
    memcpy(copy + 1, text->bytes, text->size);
    struct json_reader reader;
    json_reader_init(&reader, copy + 1, text->size, fault);
    const bool accepted = json_skip(&reader, NULL, NULL) && json_finish(&reader);
    free(copy);
    return accepted;
}

static void every_good_text_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct fault fault = {0};
        if (!accepts(&good[i], &fault))
            fail_msg("text %zu refused: %s: %s", i, good[i].bytes, fault.text);
        assert_int_equal(fault.status, 0);
    }
}

static void every_bad_text_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fault fault = {0};
        if (accepts(&bad[i], &fault))
            fail_msg("text %zu accepted: %s", i, bad[i].bytes);
        assert_int_equal(fault.status, 400);
        assert_non_null(strstr(fault.text, " at byte "));
    }
}

/* No beginning of a text is itself good, but for numbers and white space. */
static void every_cut_of_a_text_is_refused(void **state)
{
    (void)state;
    static const struct text whole =
        T("{\"a\":[1.5e-3,true,null,\"\\u00e9\\ud834\\udd1e\xe2\x82\xac\"],\"b\":{\"c\":-0}}");
    struct fault fault = {0};
    assert_true(accepts(&whole, &fault));
    for (size_t size = 0; size < whole.size; size++) {
        const struct text cut = {whole.bytes, size};
        assert_false(accepts(&cut, &fault));
    }
}

static void any_number_of_open_brackets_is_refused_at_once(void **state)
{
    (void)state;
    enum { COUNT = 250000 };
    char *text = malloc(COUNT);
    assert_non_null(text);
    memset(text, '[', COUNT);
    struct fault fault = {0};
    const struct text brackets = {text, COUNT};
    assert_false(accepts(&brackets, &fault));
    assert_string_equal(fault.text, "at most 32 levels of nesting are wanted, got more at byte 32");
    free(text);
}

static void texts_say_what_was_wanted_and_found_and_where(void **state)
{
    (void)state;
    static const struct {
        struct text json;
        const char *text;
    } cases[] = {
        {T(""), "a value is wanted, got the end at byte 0"},
        {T("[1 2]"), "',' or ']' is wanted, got '2' at byte 3"},
        {T("{\"a\":1 x"), "',' or '}' is wanted, got 'x' at byte 7"},
        {T("{\"a\" 1}"), "':' is wanted, got '1' at byte 5"},
        {T("{1:2}"), "a key in quotes is wanted, got '1' at byte 1"},
        {T("[1,]"), "a value is wanted, got ']' at byte 3"},
        {T("[\x07]"), "a value is wanted, got byte 0x07 at byte 1"},
        {T("[1] x"), "nothing after the value is wanted, got 'x' at byte 4"},
        {T("[tru]"), "true is wanted, got another word at byte 1"},
        {T("\"abc"), "'\"' is wanted, got the end at byte 4"},
        {T("\"\xff\""), "valid UTF-8 is wanted, got byte 0xff at byte 1"},
        {T("\"\n\""),
         "an escape instead of a control character is wanted, got byte 0x0a at byte 1"},
        {T("1.x"), "a digit is wanted, got 'x' at byte 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault fault = {0};
        assert_false(accepts(&cases[i].json, &fault));
        assert_string_equal(fault.text, cases[i].text);
    }
}

static void begin(struct json_reader *reader, const char *text, struct fault *fault)
{
    *fault = (struct fault){0};
    json_reader_init(reader, text, strlen(text), fault);
}

static void object_is_read_member_by_member(void **state)
{
    (void)state;
    struct json_reader reader;
    struct fault fault;
    char keys[64] = "", key[8];
    bool truth = false;
    begin(&reader, " { \"yes\" : true , \"k\\u00e9y\" : [ 1 , { \"x\" : [ ] } ] } ", &fault);
    assert_int_equal(json_peek(&reader), JSON_OBJECT);
    assert_true(json_enter_object(&reader));
    while (json_next_member(&reader, key, sizeof key)) {
        strcat(strcat(keys, key), ";");
        if (json_peek(&reader) == JSON_BOOL)
            assert_true(json_read_bool(&reader, &truth));
        else
            assert_true(json_skip(&reader, NULL, NULL));
    }
    assert_true(json_finish(&reader));
    assert_true(truth);
    assert_string_equal(keys, "yes;k\u00e9y;");
}

static void array_is_read_element_by_element(void **state)
{
    (void)state;
    static const enum json_type types[] = {JSON_NULL,   JSON_BOOL,   JSON_NUMBER, JSON_NUMBER,
                                           JSON_NUMBER, JSON_STRING, JSON_ARRAY,  JSON_OBJECT};
    struct json_reader reader;
    struct fault fault;
    begin(&reader, "[null,false,-1,2.5,-0e1,\"s\",[2],{\"a\":3}]", &fault);
    assert_true(json_enter_array(&reader));
    size_t count = 0;
    while (json_next_element(&reader)) {
        assert_int_equal(json_peek(&reader), types[count++]);
        assert_true(json_skip(&reader, NULL, NULL));
    }
    assert_true(json_finish(&reader));
    assert_int_equal(count, 8);
}

static void skip_tells_the_span_of_the_value(void **state)
{
    (void)state;
    struct json_reader reader;
    struct fault fault;
    const char *text;
    size_t size;
    begin(&reader, "[ {\"a\" : [1, 2]} ,7]", &fault);
    assert_true(json_enter_array(&reader) && json_next_element(&reader));
    assert_true(json_skip(&reader, &text, &size));
    assert_int_equal(size, strlen("{\"a\" : [1, 2]}"));
    assert_memory_equal(text, "{\"a\" : [1, 2]}", size);
    assert_true(json_next_element(&reader) && json_skip(&reader, &text, &size));
    assert_int_equal(size, 1);
    assert_false(json_next_element(&reader));
    assert_true(json_finish(&reader));
}

static void wrong_type_is_named(void **state)
{
    (void)state;
    struct json_reader reader;
    struct fault fault;
    bool truth = true;
    begin(&reader, "[\"true\"]", &fault);
    assert_true(json_enter_array(&reader) && json_next_element(&reader));
    assert_false(json_read_bool(&reader, &truth));
    assert_string_equal(fault.text, "true or false is wanted, got a string at byte 1");
    assert_true(truth);
    begin(&reader, "null", &fault);
    assert_false(json_enter_object(&reader));
    assert_string_equal(fault.text, "an object is wanted, got null at byte 0");
    begin(&reader, "{}", &fault);
    assert_false(json_enter_array(&reader));
    assert_string_equal(fault.text, "an array is wanted, got an object at byte 0");
}

static void failed_reader_stays_failed_with_its_first_text(void **state)
{
    (void)state;
    struct json_reader reader;
    struct fault fault;
    char key[8];
    bool truth;
    begin(&reader, "{\"abc\":tru}", &fault);
    assert_true(json_enter_object(&reader) && json_next_member(&reader, key, sizeof key));
    assert_false(json_fail(&reader, "'%s' is not known", key));
    assert_string_equal(fault.text, "'abc' is not known at byte 7");
    assert_int_equal(fault.status, 400);
    assert_int_equal(json_peek(&reader), JSON_ERROR);
    assert_false(json_read_bool(&reader, &truth));
    assert_false(json_skip(&reader, NULL, NULL));
    assert_false(json_skip_numbers(&reader, NULL, NULL, NULL));
    assert_false(json_next_member(&reader, key, sizeof key));
    assert_false(json_enter_object(&reader));
    assert_false(json_fail(&reader, "again"));
    assert_false(json_finish(&reader));
    assert_string_equal(fault.text, "'abc' is not known at byte 7");
}

static void too_long_key_is_an_error(void **state)
{
    (void)state;
    struct json_reader reader;
    struct fault fault;
    char key[4];
    begin(&reader, "{\"abc\":1,\"abcd\":2}", &fault);
    assert_true(json_enter_object(&reader) && json_next_member(&reader, key, sizeof key));
    assert_true(json_skip(&reader, NULL, NULL));
    assert_false(json_next_member(&reader, key, sizeof key));
    assert_string_equal(fault.text, "a string of at most 3 bytes is wanted, got more at byte 14");
}

static void skip_numbers_finds_the_closing_bracket(void **state)
{
    (void)state;
    static const char *const arrays[] = {
        "[]", "[1, 2 ,3]", "[[1],[2]]", "[ [ [] , [] ] , [ [ ] ] ]", "[1,[2],3]", "[[[[1]]]]"};
    static const size_t counts[] = {0, 0, 2, 2, 1, 1};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"d\": %s ,\"e\":[0]}", arrays[i]);
        struct json_reader reader;
        struct fault fault;
        char key[4];
        const char *text;
        size_t size, count;
        begin(&reader, json, &fault);
        assert_true(json_enter_object(&reader) && json_next_member(&reader, key, sizeof key));
        assert_true(json_skip_numbers(&reader, &text, &size, &count));
        assert_int_equal(count, counts[i]);
        assert_int_equal(size, strlen(arrays[i]));
        assert_memory_equal(text, arrays[i], size);
        assert_true(json_next_member(&reader, key, sizeof key));
        assert_string_equal(key, "e");
        assert_true(json_skip(&reader, NULL, NULL));
        assert_false(json_next_member(&reader, key, sizeof key));
        assert_true(json_finish(&reader));
    }
}

static void skip_numbers_refuses_what_has_no_end(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {" [1,2", "']' is wanted, got the end, for the array at byte 1"},
        {"[[1,2]", "']' is wanted, got the end, for the array at byte 0"},
        {"[[[[[[[[[[[[[[[[", "']' is wanted, got the end, for the array at byte 0"},
        {"7", "an array is wanted, got a number at byte 0"},
        {"", "a value is wanted, got the end at byte 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_reader reader;
        struct fault fault;
        begin(&reader, cases[i].json, &fault);
        assert_false(json_skip_numbers(&reader, NULL, NULL, NULL));
        assert_string_equal(fault.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_good_text_is_accepted),
        cmocka_unit_test(every_bad_text_is_refused),
        cmocka_unit_test(every_cut_of_a_text_is_refused),
        cmocka_unit_test(any_number_of_open_brackets_is_refused_at_once),
        cmocka_unit_test(texts_say_what_was_wanted_and_found_and_where),
        cmocka_unit_test(object_is_read_member_by_member),
        cmocka_unit_test(array_is_read_element_by_element),
        cmocka_unit_test(skip_tells_the_span_of_the_value),
        cmocka_unit_test(wrong_type_is_named),
        cmocka_unit_test(failed_reader_stays_failed_with_its_first_text),
        cmocka_unit_test(too_long_key_is_an_error),
        cmocka_unit_test(skip_numbers_finds_the_closing_bracket),
        cmocka_unit_test(skip_numbers_refuses_what_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
