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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_no_id),
        cmocka_unit_test(number_and_text_are_two),
        cmocka_unit_test(texts_are_short_and_without_control_characters),
        cmocka_unit_test(ids_are_written_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
