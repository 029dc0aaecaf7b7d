#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "proto/config_json.h"

static struct cJSON *parse(const char *text)
{
    struct fault fault = {0};
    struct cJSON *root = config_json_parse(text, strlen(text), &fault);
    assert_string_equal(fault.text, "");
    assert_non_null(root);
    return root;
}

static void expect_unparsed(const char *text, size_t size, const char *wanted)
{
    struct fault fault = {0};
    /* Exactly size bytes, so that sanitizers see a read past the end. */
    char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    assert_null(config_json_parse(copy, size, &fault));
    free(copy);
    assert_string_equal(fault.text, wanted);
    assert_int_equal(fault.status, 400);
}

/* ---- parsing ---- */

static void good_json_is_parsed(void **state)
{
    (void)state;
    struct cJSON *root = parse(" {\"a\":[1,-2.5e3,true,false,null,\"\\u20ac\\n\"],\"A\":{}} \n");
    const struct cJSON *array = cJSON_GetObjectItemCaseSensitive(root, "a");
    assert_int_equal(cJSON_GetArraySize(array), 6);
    assert_true(cJSON_GetArrayItem(array, 1)->valuedouble == -2500.0);
    assert_string_equal(cJSON_GetArrayItem(array, 5)->valuestring, "\xe2\x82\xac\n");
    assert_true(cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(root, "A")));
    cJSON_Delete(root);
}

static void what_cjson_lets_pass_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"", "line 1: a value is wanted, got the end at byte 0"},
        {"[1]junk", "line 1: nothing after the value is wanted, got 'j' at byte 3"},
        {"{\n\"a\": 01}", "line 2: ',' or '}' is wanted, got '1' at byte 8"},
        {"{\n\n\"a\": 2.}", "line 3: a digit is wanted, got '}' at byte 10"},
        {"[-01]", "line 1: ',' or ']' is wanted, got '1' at byte 3"},
        {"[+1]", "line 1: a value is wanted, got '+' at byte 1"},
        {"[\"a\tb\"]",
         "line 1: an escape instead of a control character is wanted, got byte 0x09 at byte 3"},
        {"[\"a\nb\"]",
         "line 1: an escape instead of a control character is wanted, got byte 0x0a at byte 3"},
        {"[\"\xff\"]", "line 1: valid UTF-8 is wanted, got byte 0xff at byte 2"},
        {"\xef\xbb\xbf\xef\xbb\xbf{}", "line 1: a value is wanted, got byte 0xef at byte 0"},
        {"\xef\xbb{}", "line 1: a value is wanted, got byte 0xef at byte 0"},
        {"\xef\xbb\xbf", "line 1: a value is wanted, got the end at byte 0"},
        {"{} // no", "line 1: nothing after the value is wanted, got '/' at byte 3"},
        {"[1,]", "line 1: a value is wanted, got ']' at byte 3"},
        {"[\"\\ud800\"]", "line 1: a pair of surrogates is wanted, got one alone at byte 8"},
        {"{\"a\":\n\"x\\u0000y\"}", "line 2: \\u0000 is not allowed in a string"},
        {"{\"a\\u0000\":1}", "line 1: \\u0000 is not allowed in a string"},
        {"[\nNaN]", "line 2: a value is wanted, got 'N' at byte 2"},
        {"[-Infinity]", "line 1: a digit is wanted, got 'I' at byte 2"},
        {"[1.000000000000000000000000000000000000000000000000000000000000000]",
         "line 1: a number of at most 63 characters expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_unparsed(cases[i].text, strlen(cases[i].text), cases[i].wanted);
}

static void bug_471_a_byte_order_mark_before_the_json_is_let_pass(void **state)
{
    (void)state;
    struct cJSON *root = parse("\xef\xbb\xbf{\r\n\"a\": 1\r\n}\r\n");
    assert_true(cJSON_GetObjectItemCaseSensitive(root, "a")->valuedouble == 1.0);
    cJSON_Delete(root);
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    expect_unparsed("{}\0", 3,
                    "line 1: nothing after the value is wanted, got byte 0x00 at byte 2");
    expect_unparsed("{\0}", 3, "line 1: a key in quotes is wanted, got byte 0x00 at byte 1");
    expect_unparsed("[\"\0\"]", 5,
                    "line 1: an escape instead of a control character is wanted, got byte 0x00 at "
                    "byte 2");
}

static void an_escaped_backslash_before_u0000_is_harmless(void **state)
{
    (void)state;
    struct cJSON *root = parse("[\"\\\\u0000\"]");
    assert_string_equal(root->child->valuestring, "\\u0000");
    cJSON_Delete(root);
}

static void a_long_number_that_fits_is_read_exactly(void **state)
{
    (void)state;
    struct cJSON *root = parse("[0.10000000000000000555111512312578270211815834045410156250000]");
    assert_true(root->child->valuedouble == 0.1);
    cJSON_Delete(root);
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    char *text = malloc(CONFIG_JSON_SIZE_MAX + 1);
    assert_non_null(text);
    memset(text, '[', CONFIG_JSON_SIZE_MAX + 1);
    expect_unparsed(text, CONFIG_JSON_SIZE_MAX,
                    "line 1: at most 32 levels of nesting are wanted, got more at byte 32");
    expect_unparsed(text, CONFIG_JSON_SIZE_MAX + 1,
                    "a config of at most 1048576 bytes expected, got 1048577");
    free(text);
}

/* ---- keys ---- */

static const char *const known[] = {"size", "flag", "text", NULL};

static void expect_keys_refused(const char *json, const char *place, const char *wanted)
{
    struct fault fault = {0};
    struct cJSON *root = parse(json);
    assert_false(config_json_check_keys(root, place, known, &fault));
    cJSON_Delete(root);
    assert_string_equal(fault.text, wanted);
    assert_int_equal(fault.status, 400);
}

static void known_keys_in_any_order_are_good(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct cJSON *root = parse("{\"text\":1,\"size\":2}");
    assert_true(config_json_check_keys(root, "", known, &fault));
    cJSON_Delete(root);
}

static void unknown_and_repeated_keys_are_refused_with_their_path(void **state)
{
    (void)state;
    expect_keys_refused("{\"size\":1,\"sise\":1}", "",
                        "sise: unknown key; known are size, flag, text");
    expect_keys_refused("{\"Size\":1}", "lstm",
                        "lstm.Size: unknown key; known are size, flag, text");
    expect_keys_refused("{\"a\\nb\":1}", "lstm",
                        "lstm.a?b: unknown key; known are size, flag, text");
    expect_keys_refused("{\"size\":1,\"flag\":true,\"size\":1}", "layers[3]",
                        "layers[3].size: given twice");
    expect_keys_refused("{\"size\":1,\"s\\u0069ze\":1}", "", "size: given twice");
}

static void what_is_no_object_has_no_keys(void **state)
{
    (void)state;
    expect_keys_refused("[]", "lstm", "lstm: an object expected, got an array");
    expect_keys_refused("5", "", "an object expected, got 5");
}

/* ---- values ---- */

static const char *size_fault(const char *json, struct optional_size *value)
{
    static struct fault fault;
    fault = (struct fault){0};
    struct cJSON *root = parse(json);
    const bool good = config_json_size(root, "lstm", "size", 1, 16777216, value, &fault);
    assert_int_equal(good, fault.status == 0);
    cJSON_Delete(root);
    return fault.text;
}

static void sizes_are_whole_numbers_in_range(void **state)
{
    (void)state;
    struct optional_size value = {0};
    assert_string_equal(size_fault("{}", &value), "");
    assert_false(value.given);
    assert_string_equal(size_fault("{\"size\":128}", &value), "");
    assert_true(value.given);
    assert_int_equal(value.value, 128);
    assert_string_equal(size_fault("{\"size\":1.6777216e7}", &value), "");
    assert_int_equal(value.value, 16777216);
}

static void other_sizes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *wanted;
    } cases[] = {
        {"{\"size\":\"128\"}", "lstm.size: an integer of at least 1 expected, got \"128\""},
        {"{\"size\":0}", "lstm.size: an integer of at least 1 expected, got 0"},
        {"{\"size\":-3}", "lstm.size: an integer of at least 1 expected, got -3"},
        {"{\"size\":1.5}", "lstm.size: an integer of at least 1 expected, got 1.5"},
        {"{\"size\":null}", "lstm.size: an integer of at least 1 expected, got null"},
        {"{\"size\":true}", "lstm.size: an integer of at least 1 expected, got true"},
        {"{\"size\":[1]}", "lstm.size: an integer of at least 1 expected, got an array"},
        {"{\"size\":{}}", "lstm.size: an integer of at least 1 expected, got an object"},
        {"{\"size\":16777217}", "lstm.size: an integer of at most 16777216 expected, got 16777217"},
        {"{\"size\":1e300}", "lstm.size: an integer of at most 16777216 expected, got 1e+300"},
        {"{\"size\":1e400}",
         "lstm.size: an integer of at most 16777216 expected, got a number too large"},
        {"{\"size\":-1e400}",
         "lstm.size: an integer of at least 1 expected, got a number too large"},
    };
    struct optional_size value = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(size_fault(cases[i].json, &value), cases[i].wanted);
    assert_false(value.given);
}

static void bools_are_true_or_false_and_nothing_else(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct optional_bool yes = {0}, no = {0}, absent = {0};
    struct cJSON *root = parse("{\"yes\":true,\"no\":false,\"one\":1}");
    assert_true(config_json_bool(root, "", "yes", &yes, &fault));
    assert_true(yes.given && yes.value);
    assert_true(config_json_bool(root, "", "no", &no, &fault));
    assert_true(no.given && !no.value);
    assert_true(config_json_bool(root, "", "absent", &absent, &fault));
    assert_false(absent.given);
    assert_false(config_json_bool(root, "", "one", &absent, &fault));
    assert_string_equal(fault.text, "one: true or false expected, got 1");
    cJSON_Delete(root);
}

static void numbers_have_a_range(void **state)
{
    (void)state;
    struct fault fault = {0};
    double value = -1;
    struct cJSON *root = parse("{\"half\":0.5,\"two\":2,\"text\":\"x\",\"huge\":1e999}");
    assert_true(config_json_number(root, "lstm", "absent", 0, 1, &value, &fault));
    assert_true(value == -1);
    assert_true(config_json_number(root, "lstm", "half", 0, 1, &value, &fault));
    assert_true(value == 0.5);
    assert_false(config_json_number(root, "lstm", "two", 0, 1, &value, &fault));
    assert_string_equal(fault.text, "lstm.two: a number from 0 to 1 expected, got 2");
    assert_false(config_json_number(root, "lstm", "text", 0, 1, &value, &fault));
    assert_string_equal(fault.text, "lstm.text: a number from 0 to 1 expected, got \"x\"");
    assert_false(config_json_number(root, "lstm", "huge", 0, 1, &value, &fault));
    assert_string_equal(fault.text,
                        "lstm.huge: a number from 0 to 1 expected, got a number too large");
    cJSON_Delete(root);
}

static void strings_are_borrowed_from_the_tree(void **state)
{
    (void)state;
    struct fault fault = {0};
    const char *value = "default";
    struct cJSON *root = parse("{\"text\":\"x\",\"five\":5}");
    assert_true(config_json_string(root, "", "absent", &value, &fault));
    assert_string_equal(value, "default");
    assert_true(config_json_string(root, "", "text", &value, &fault));
    assert_ptr_equal(value, root->child->valuestring);
    assert_false(config_json_string(root, "", "five", &value, &fault));
    assert_string_equal(fault.text, "five: a string expected, got 5");
    cJSON_Delete(root);
}

static void keys_are_told_apart_by_case(void **state)
{
    (void)state;
    struct optional_size value = {0};
    assert_string_equal(size_fault("{\"SIZE\":5}", &value), "");
    assert_false(value.given);
}

static void a_long_string_is_shown_in_part(void **state)
{
    (void)state;
    char json[300] = "{\"size\":\"";
    struct optional_size value = {0};
    memset(json + 9, 'x', 200);
    memcpy(json + 209, "\"}", 3);
    const char *text = size_fault(json, &value);
    assert_string_equal(text + strlen(text) - 6, "xx...\"");
    assert_true(strlen(text) < 160);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_json_is_parsed),
        cmocka_unit_test(what_cjson_lets_pass_is_refused_with_its_line),
        cmocka_unit_test(bug_471_a_byte_order_mark_before_the_json_is_let_pass),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(an_escaped_backslash_before_u0000_is_harmless),
        cmocka_unit_test(a_long_number_that_fits_is_read_exactly),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(known_keys_in_any_order_are_good),
        cmocka_unit_test(unknown_and_repeated_keys_are_refused_with_their_path),
        cmocka_unit_test(what_is_no_object_has_no_keys),
        cmocka_unit_test(sizes_are_whole_numbers_in_range),
        cmocka_unit_test(other_sizes_are_refused),
        cmocka_unit_test(bools_are_true_or_false_and_nothing_else),
        cmocka_unit_test(numbers_have_a_range),
        cmocka_unit_test(strings_are_borrowed_from_the_tree),
        cmocka_unit_test(keys_are_told_apart_by_case),
        cmocka_unit_test(a_long_string_is_shown_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
