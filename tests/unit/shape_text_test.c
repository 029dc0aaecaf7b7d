#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/shape_text.h"

static void shapes_are_shown_in_brackets(void **state)
{
    static const uint64_t shape[] = {17, 2, 10};
    static const int64_t wanted[] = {-1, 0, 7};
    (void)state;
    assert_string_equal(shape_text_of(shape, 3).text, "[17,2,10]");
    assert_string_equal(shape_text_of(shape, 1).text, "[17]");
    assert_string_equal(shape_text_of(NULL, 0).text, "[]");
    assert_string_equal(shape_text_of_wanted(wanted, 3).text, "[-1,0,7]");
    assert_string_equal(shape_text_of_wanted(NULL, 0).text, "[]");
}

static void the_longest_has_room(void **state)
{
    uint64_t shape[SHAPE_TEXT_RANK_MAX];
    int64_t wanted[SHAPE_TEXT_RANK_MAX];
    (void)state;
    for (size_t i = 0; i < SHAPE_TEXT_RANK_MAX; i++) {
        shape[i] = UINT64_MAX;
        wanted[i] = INT64_MIN;
    }
    assert_string_equal(shape_text_of(shape, SHAPE_TEXT_RANK_MAX).text,
                        "[18446744073709551615,18446744073709551615,18446744073709551615,"
                        "18446744073709551615,18446744073709551615,18446744073709551615,"
                        "18446744073709551615,18446744073709551615]");
    assert_string_equal(shape_text_of_wanted(wanted, SHAPE_TEXT_RANK_MAX).text,
                        "[-9223372036854775808,-9223372036854775808,-9223372036854775808,"
                        "-9223372036854775808,-9223372036854775808,-9223372036854775808,"
                        "-9223372036854775808,-9223372036854775808]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_shown_in_brackets),
        cmocka_unit_test(the_longest_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
