#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/bench/load_model.h"

#define INPUT  "{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[-1,-1,128]}"
#define H_0    "{\"name\":\"h_0\",\"datatype\":\"FP32\",\"shape\":[2,-1,64]}"
#define C_0    "{\"name\":\"c_0\",\"datatype\":\"FP32\",\"shape\":[2,-1,96]}"
#define LENGTH "{\"name\":\"lengths\",\"datatype\":\"INT64\",\"shape\":[-1]}"
#define ALL    "{\"name\":\"vad\",\"inputs\":[" INPUT "," H_0 "," C_0 "," LENGTH "]}"

static bool parse(struct load_model *model, const char *text, bool states)
{
    const char *why;
    const bool good = load_model_parse(model, text, strlen(text), states, &why);
    assert_int_equal(good, why == NULL);
    return good;
}

static void the_free_one_is_the_input(void **state)
{
    (void)state;
    struct load_model model;
    assert_true(parse(&model, ALL, false));
    assert_string_equal(model.input, "input");
    assert_int_equal(model.input_size, 128);
    assert_int_equal(model.state_count, 0);
}

static void states_are_there_when_wanted(void **state)
{
    (void)state;
    struct load_model model;
    assert_true(parse(&model, ALL, true));
    assert_int_equal(model.state_count, 2);
    assert_string_equal(model.states[0].name, "h_0");
    assert_int_equal(model.states[0].layers, 2);
    assert_int_equal(model.states[0].size, 64);
    assert_string_equal(model.states[1].name, "c_0");
    assert_int_equal(model.states[1].size, 96);
}

static void what_cannot_be_used_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{\"inputs\":[" INPUT,
        "{\"inputs\":[]}",
        "{\"inputs\":7}",
        "{\"inputs\":[" LENGTH "]}",
        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[-1,-1,-1]}]}",
        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"INT64\",\"shape\":[-1,-1,4]}]}",
        "{\"inputs\":[{\"name\":7,\"datatype\":\"FP32\",\"shape\":[-1,-1,4]}]}",
        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[-1,-1,\"4\"]}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct load_model model;
        if (parse(&model, texts[i], false))
            fail_msg("taken: %s", texts[i]);
    }
    struct load_model model;
    assert_true(parse(&model, "{\"inputs\":[" INPUT "," H_0 "]}", false));
    assert_false(parse(&model, "{\"inputs\":[" INPUT "," H_0 "]}", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_free_one_is_the_input),
        cmocka_unit_test(states_are_there_when_wanted),
        cmocka_unit_test(what_cannot_be_used_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
