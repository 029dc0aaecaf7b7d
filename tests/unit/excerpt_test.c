#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "proto/excerpt.h"

static void short_text_is_shown_whole(void **state)
{
    (void)state;
    assert_string_equal(excerpt_of("").text, "");
    assert_string_equal(excerpt_of("weight_ih_l0").text, "weight_ih_l0");
    assert_string_equal(excerpt_of("gr\xc3\xbc\xc3\x9f").text, "gr\xc3\xbc\xc3\x9f");
}

static void text_of_just_the_limit_is_shown_whole(void **state)
{
    (void)state;
    char text[EXCERPT_MAX];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_string_equal(excerpt_of(text).text, text);
}

static void long_text_ends_in_dots(void **state)
{
    (void)state;
    char text[EXCERPT_MAX + 1];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const struct excerpt excerpt = excerpt_of(text);
    assert_int_equal(strlen(excerpt.text), EXCERPT_MAX - 1);
    assert_string_equal(excerpt.text + EXCERPT_MAX - 5, "a...");
}

static void a_character_is_never_cut_in_two(void **state)
{
    (void)state;
    /* Wherever the cut falls, what is before the dots is whole characters of three bytes. */
    for (size_t shift = 0; shift < 3; shift++) {
        char text[3 * EXCERPT_MAX + 8] = "";
        memset(text, 'a', shift);
        for (size_t i = 0; i < EXCERPT_MAX; i++)
            memcpy(text + shift + 3 * i, "\xe2\x82\xac", 4);
        const struct excerpt excerpt = excerpt_of(text);
        const size_t size = strlen(excerpt.text);
        assert_in_range(size, EXCERPT_MAX - 3, EXCERPT_MAX - 1);
        assert_string_equal(excerpt.text + size - 3, "...");
        assert_int_equal((size - 3 - shift) % 3, 0);
        assert_memory_equal(excerpt.text, text, size - 3);
    }
}

static void control_characters_become_question_marks(void **state)
{
    (void)state;
    assert_string_equal(excerpt_of("a\nb\x1b[31m\x7f").text, "a?b?[31m?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_text_is_shown_whole),
        cmocka_unit_test(text_of_just_the_limit_is_shown_whole),
        cmocka_unit_test(long_text_ends_in_dots),
        cmocka_unit_test(a_character_is_never_cut_in_two),
        cmocka_unit_test(control_characters_become_question_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
