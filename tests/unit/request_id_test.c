#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "server/request_id.h"

static void a_good_one_is_taken(void **state)
{
    static const char *const good[] = {
        "a",
        "7f0c-4d2a_x.y:z/1+2=", "0123456789012345678901234567890123456789012345678901234567890123"};
    char id[REQUEST_ID_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        request_id_take(good[i], id);
        assert_string_equal(id, good[i]);
    }
}

static void for_any_other_one_is_made_anew(void **state)
{
    static const char *const bad[] = {
        NULL,   "",
        "a b",  "a\"b",
        "a\nb", "\xc3\xa4",
        "a;b",  "<x>",
        "a%20", "01234567890123456789012345678901234567890123456789012345678901234"};
    char id[REQUEST_ID_MAX + 1], before[REQUEST_ID_MAX + 1] = "";
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        request_id_take(bad[i], id);
        assert_int_equal(strlen(id), 16);
        assert_int_equal(strspn(id, "0123456789abcdef"), 16);
        assert_string_not_equal(id, before);
        strcpy(before, id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_is_taken),
        cmocka_unit_test(for_any_other_one_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
