#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sequence_id.h"

static void nothing_is_no_id(void **state)
{
    (void)state;
    struct sequence_id id = sequence_id_of_number(0);
    assert_int_equal(id.kind, SEQUENCE_ID_NONE);
    assert_true(sequence_id_of_text("", &id));
    assert_int_equal(id.kind, SEQUENCE_ID_NONE);
}

static void number_and_text_are_two(void **state)
{
    (void)state;
    const struct sequence_id number = sequence_id_of_number(7);
    struct sequence_id text, other;
    assert_true(sequence_id_of_text("7", &text));
    assert_false(sequence_id_equal(&number, &text));
    other = sequence_id_of_number(8);
    assert_false(sequence_id_equal(&number, &other));
    other = sequence_id_of_number(7);
    assert_true(sequence_id_equal(&number, &other));
    assert_true(sequence_id_of_text("7", &other));
    assert_true(sequence_id_equal(&text, &other));
    assert_true(sequence_id_of_text("7 ", &other));
    assert_false(sequence_id_equal(&text, &other));
}

static void texts_are_short_and_without_control_characters(void **state)
{
    (void)state;
    char text[SEQUENCE_ID_MAX + 1];
    struct sequence_id id;
    memset(text, 'x', sizeof text);
    text[SEQUENCE_ID_MAX] = '\0';
    assert_false(sequence_id_of_text(text, &id));
    text[SEQUENCE_ID_MAX - 1] = '\0';
    assert_true(sequence_id_of_text(text, &id));
    assert_string_equal(id.text, text);
    static const char *const good[] = {" ", "\u00e9", "\u00a0", "\u0410", "/?#%"};
    static const char *const bad[] = {"\n", "a\x1f", "\x7f", "\xc2\x80", "a\xc2\x9f"};
    for (size_t i = 0; i < 5; i++) {
        assert_true(sequence_id_of_text(good[i], &id));
        assert_false(sequence_id_of_text(bad[i], &id));
    }
}

static void expect_json(const struct sequence_id *id, const char *wanted)
{
    struct json_writer writer;
    char *text;
    size_t size;
    json_writer_init(&writer);
    sequence_id_write(id, &writer);
    assert_true(json_writer_take(&writer, &text, &size));
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(text, wanted, size);
    free(text);
}

static void ids_are_written_as_they_came(void **state)
{
    (void)state;
    struct sequence_id id = sequence_id_of_number(UINT64_MAX);
    expect_json(&id, "18446744073709551615");
    assert_true(sequence_id_of_text("a\"1", &id));
    expect_json(&id, "\"a\\\"1\"");
    id = sequence_id_of_number(0);
    expect_json(&id, "0");
}

static struct sequence_id text_id(const char *text)
{
    struct sequence_id id;
    assert_true(sequence_id_of_text(text, &id));
    return id;
}

static void ids_are_in_order(void **state)
{
    (void)state;
    const struct sequence_id ordered[] = {
        sequence_id_of_number(0),
        sequence_id_of_number(1),
        sequence_id_of_number(10),
        sequence_id_of_number(UINT64_MAX),
        text_id("10"),
        text_id("9"),
        text_id("a"),
        text_id("aa"),
        text_id("\xc3\xa9"),
    };
    const size_t count = sizeof ordered / sizeof *ordered;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            const int compared = sequence_id_compare(&ordered[i], &ordered[j]);
            assert_int_equal(i < j ? -1 : i > j, compared < 0 ? -1 : compared > 0);
        }
}

static struct sequence_id read_url(const char *segment)
{
    struct sequence_id id;
    struct fault fault;
    assert_true(sequence_id_read_url(segment, strlen(segment), &id, &fault));
    return id;
}

static void urls_hold_numbers_and_texts(void **state)
{
    (void)state;
    static const struct {
        const char *segment;
        uint64_t number;
        const char *text;
    } cases[] = {
        {"7", 7, NULL},
        {"%37", 7, NULL},
        {"18446744073709551615", UINT64_MAX, NULL},
        {"18446744073709551616", 0, "18446744073709551616"},
        {"99999999999999999999", 0, "99999999999999999999"},
        {"007", 0, "007"},
        {"-7", 0, "-7"},
        {"%227%22", 0, "7"},
        {"\"7\"", 0, "7"},
        {"%22%22a%22%22", 0, "\"a\""},
        {"%22", 0, "\""},
        {"cell%20one%2Ftwo", 0, "cell one/two"},
        {"%c3%A9t%c3%a9", 0, "\xc3\xa9t\xc3\xa9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct sequence_id id = read_url(cases[i].segment);
        if (cases[i].text != NULL) {
            assert_int_equal(id.kind, SEQUENCE_ID_TEXT);
            assert_string_equal(id.text, cases[i].text);
        } else {
            assert_int_equal(id.kind, SEQUENCE_ID_NUMBER);
            assert_int_equal(id.number, cases[i].number);
        }
    }
}

static void other_urls_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "", "0", "%", "%4", "a%", "%zz", "%00", "%22%22", "a%0ab", "%ff", "%c3", "\xed\xa0\x80",
    };
    struct sequence_id id;
    struct fault fault;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(sequence_id_read_url(cases[i], strlen(cases[i]), &id, &fault));
        assert_int_equal(fault.status, 400);
        assert_memory_equal(fault.text, "sequence id: ", 13);
    }
}

static void the_longest_text_is_read_with_and_without_quotes(void **state)
{
    (void)state;
    char segment[SEQUENCE_ID_MAX + 3];
    struct sequence_id id;
    struct fault fault;
    memset(segment, 'x', sizeof segment);
    assert_true(sequence_id_read_url(segment, SEQUENCE_ID_MAX - 1, &id, &fault));
    assert_false(sequence_id_read_url(segment, SEQUENCE_ID_MAX, &id, &fault));
    assert_false(sequence_id_read_url(segment, SEQUENCE_ID_MAX + 3, &id, &fault));
    segment[0] = segment[SEQUENCE_ID_MAX] = '"';
    assert_true(sequence_id_read_url(segment, SEQUENCE_ID_MAX + 1, &id, &fault));
    assert_int_equal(strlen(id.text), SEQUENCE_ID_MAX - 1);
}

static void ids_are_shown_in_messages(void **state)
{
    (void)state;
    const struct sequence_id number = sequence_id_of_number(UINT64_MAX), text = text_id("a\"b");
    assert_string_equal(sequence_id_excerpt(&number).text, "18446744073709551615");
    assert_string_equal(sequence_id_excerpt(&text).text, "'a\"b'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_no_id),
        cmocka_unit_test(number_and_text_are_two),
        cmocka_unit_test(texts_are_short_and_without_control_characters),
        cmocka_unit_test(ids_are_written_as_they_came),
        cmocka_unit_test(ids_are_in_order),
        cmocka_unit_test(urls_hold_numbers_and_texts),
        cmocka_unit_test(other_urls_are_refused),
        cmocka_unit_test(the_longest_text_is_read_with_and_without_quotes),
        cmocka_unit_test(ids_are_shown_in_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
