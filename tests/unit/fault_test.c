#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "proto/fault.h"

static void set_fills_status_and_text_and_returns_false(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_false(fault_set(&fault, 404, "model '%s' is not one of %d", "m", 3));
    assert_int_equal(fault.status, 404);
    assert_string_equal(fault.text, "model 'm' is not one of 3");
}

static void prefix_puts_the_place_before_the_text(void **state)
{
    (void)state;
    struct fault fault = {0};
    fault_set(&fault, 400, "a number is wanted");
    assert_false(fault_prefix(&fault, "shape"));
    assert_false(fault_prefix(&fault, "inputs[%d]", 1));
    assert_int_equal(fault.status, 400);
    assert_string_equal(fault.text, "inputs[1]: shape: a number is wanted");
}

static void old_text_may_be_an_argument(void **state)
{
    (void)state;
    struct fault fault = {0};
    fault_set(&fault, 400, "inner");
    fault_set(&fault, 503, "outer (%s)", fault.text);
    assert_int_equal(fault.status, 503);
    assert_string_equal(fault.text, "outer (inner)");
}

static void long_text_is_cut_to_the_room_there_is(void **state)
{
    (void)state;
    struct fault fault = {0};
    char text[1000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fault_set(&fault, 400, "%s", text);
    assert_int_equal(strlen(fault.text), sizeof fault.text - 1);
    fault_prefix(&fault, "place");
    assert_int_equal(strlen(fault.text), sizeof fault.text - 1);
    assert_memory_equal(fault.text, "place: aaa", 10);
}

/* A character of 1 to 4 bytes stands at each place around the cut. */
static void text_is_never_cut_within_a_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\u00e9", "\u20ac", "\U0001f600"};
    for (size_t c = 0; c < 4; c++) {
        for (size_t before = 500; before < 512; before++) {
            struct fault fault = {0};
            fault_set(&fault, 400, "%0*d%s%s", (int)before, 0, characters[c], "tail of the text");
            const size_t whole = before + c + 1;
            const size_t cut = strlen(fault.text);
            if (whole <= 511)
                assert_memory_equal(fault.text + before, characters[c], c + 1);
            else
                assert_int_equal(cut, before);
            assert_true(cut <= 511);
        }
    }
}

/* Error messages are JSON, and JSON is UTF-8. */
static void bug_422_bytes_of_no_character_are_shown_as_question_marks(void **state)
{
    (void)state;
    struct fault fault = {0};
    fault_set(&fault, 400, "got '%s'", "\xff\xfe\x80");
    assert_string_equal(fault.text, "got '\?\?\?'");
    fault_set(&fault, 400, "got '%.*s' here", 2, "\u20ac");
    assert_string_equal(fault.text, "got '\?\?' here");
    fault_set(&fault, 400, "\u20ac\xed\xa0\x80\u00e9\xc3");
    assert_string_equal(fault.text, "\u20ac\?\?\?\u00e9?");
}

static void text_that_just_fits_keeps_its_last_character(void **state)
{
    (void)state;
    struct fault fault = {0};
    fault_set(&fault, 400, "%0*d\u20ac", 508, 0);
    assert_int_equal(strlen(fault.text), 511);
    assert_string_equal(fault.text + 508, "\u20ac");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_status_and_text_and_returns_false),
        cmocka_unit_test(prefix_puts_the_place_before_the_text),
        cmocka_unit_test(old_text_may_be_an_argument),
        cmocka_unit_test(long_text_is_cut_to_the_room_there_is),
        cmocka_unit_test(text_is_never_cut_within_a_character),
        cmocka_unit_test(bug_422_bytes_of_no_character_are_shown_as_question_marks),
        cmocka_unit_test(text_that_just_fits_keeps_its_last_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
