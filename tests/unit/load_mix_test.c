#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/bench/load_mix.h"

static void a_number_is_one_class(void **state)
{
    (void)state;
    struct load_mix mix;
    assert_true(load_mix_parse(&mix, "32"));
    assert_int_equal(mix.count, 1);
    assert_int_equal(mix.steps[0], 32);
    assert_int_equal(load_mix_pick(&mix, 0), 0);
    assert_int_equal(load_mix_pick(&mix, 0.999999), 0);
}

static void weights_of_any_sum_become_shares(void **state)
{
    (void)state;
    struct load_mix mix;
    assert_true(load_mix_parse(&mix, "mix:32@6,2000@1.5,1@.5"));
    assert_int_equal(mix.count, 3);
    assert_int_equal(mix.steps[0], 32);
    assert_int_equal(mix.steps[1], 2000);
    assert_int_equal(mix.steps[2], 1);
    assert_true(mix.until[0] == 0.75);
    assert_true(mix.until[1] == 0.9375);
    assert_true(mix.until[2] == 1);
}

static void a_pick_falls_on_its_share(void **state)
{
    (void)state;
    struct load_mix mix;
    assert_true(load_mix_parse(&mix, "mix:32@3,2000@1"));
    assert_int_equal(load_mix_pick(&mix, 0), 0);
    assert_int_equal(load_mix_pick(&mix, 0.7499), 0);
    assert_int_equal(load_mix_pick(&mix, 0.75), 1);
    assert_int_equal(load_mix_pick(&mix, 0.9999), 1);
}

static void as_many_classes_as_there_is_room_for(void **state)
{
    (void)state;
    struct load_mix mix;
    assert_true(load_mix_parse(&mix, "mix:1@1,2@1,3@1,4@1,5@1,6@1,7@1,8@1"));
    assert_int_equal(mix.count, LOAD_MIX_MAX);
    assert_false(load_mix_parse(&mix, "mix:1@1,2@1,3@1,4@1,5@1,6@1,7@1,8@1,9@1"));
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "x",
        "0",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1000001",
        "32,64",
        "mix:",
        "mix:32",
        "mix:32@",
        "mix:32@0",
        "mix:32@-1",
        "mix:32@x",
        "mix:32@nan",
        "mix:32@inf",
        "mix:32@1,",
        "mix:32@1,,",
        "mix:@1",
        "mix:32@1x",
        "mix:0@1",
        "mix:32@1;2@1",
        "32@1",
        "mix:1@1,1@1",
        "mix:1@1e308,2@1e308",
        "99999999999999999999999",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct load_mix mix;
        if (load_mix_parse(&mix, texts[i]))
            fail_msg("'%s' was taken", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_one_class),
        cmocka_unit_test(weights_of_any_sum_become_shares),
        cmocka_unit_test(a_pick_falls_on_its_share),
        cmocka_unit_test(as_many_classes_as_there_is_room_for),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
