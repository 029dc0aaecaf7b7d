#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "proto/json_members.h"

struct seen {
    uint64_t count, first, inner;
};

static bool read_count(struct json_reader *reader, void *context)
{
    return json_read_uint64(reader, &((struct seen *)context)->count);
}

static bool read_inner_number(struct json_reader *reader, void *context)
{
    return json_read_uint64(reader, &((struct seen *)context)->inner);
}

static bool read_inner(struct json_reader *reader, void *context)
{
    static const struct json_member members[] = {{"number", true, read_inner_number}};
    return JSON_READ_MEMBERS(reader, members, NULL, context);
}

static bool read_list(struct json_reader *reader, void *context)
{
    struct seen *seen = context;
    if (!json_enter_array(reader))
        return false;
    for (size_t i = 0; json_next_element(reader); i++)
        if (!(i == 0 ? json_read_uint64(reader, &seen->first) : read_inner(reader, context)))
            return json_place_element(reader, i);
    return !reader->failed;
}

static bool refuse_x(struct json_reader *reader, const char *key)
{
    return key[0] == 'x' ? json_fail(reader, "no x") : json_skip(reader, NULL, NULL);
}

static bool read_text(const char *text, struct seen *seen, struct fault *fault)
{
    static const struct json_member members[] = {
        {"count", true, read_count},
        {"inner", false, read_inner},
        {"list", false, read_list},
    };
    struct json_reader reader;
    *seen = (struct seen){0};
    *fault = (struct fault){0};
    json_reader_init(&reader, text, strlen(text), fault);
    return JSON_READ_MEMBERS(&reader, members, refuse_x, seen) && json_finish(&reader);
}

static void members_are_read_in_any_order_and_others_skipped(void **state)
{
    struct seen seen;
    struct fault fault;
    (void)state;
    assert_true(read_text("{\"other\": [1, {}], \"list\": [3], \"count\": 2}", &seen, &fault));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.first, 3);
    assert_true(read_text("{\"inner\": {\"number\": 5, \"x\": 1}, \"count\": 0}", &seen, &fault));
    assert_int_equal(seen.inner, 5);
}

static void faults_name_their_place(void **state)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"{}", "'count' is missing"},
        {"{\"count\": 1, \"count\": 1}", "'count' is given twice at byte 21"},
        {"{\"count\": 1, \"x\": 1}", "no x at byte 17"},
        {"{\"count\": \"\"}", "count: a number is wanted, got a string at byte 10"},
        {"{\"inner\": {}}", "inner: 'number' is missing"},
        {"{\"inner\": {\"number\": {}}}",
         "inner.number: a number is wanted, got an object at byte 21"},
        {"{\"list\": [\"\"]}", "list[0]: a number is wanted, got a string at byte 10"},
        {"{\"list\": [1, {}]}", "list[1]: 'number' is missing"},
        {"{\"list\": [1, {\"number\": 1, \"number\": 2}]}",
         "list[1]: 'number' is given twice at byte 36"},
        {"{\"list\": [1, {\"number\": -1}]}",
         "list[1].number: a whole number from 0 to 2^64-1 is wanted, got -1 at byte 24"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen seen;
        struct fault fault;
        assert_false(read_text(cases[i].text, &seen, &fault));
        assert_int_equal(fault.status, 400);
        assert_string_equal(fault.text, cases[i].fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read_in_any_order_and_others_skipped),
        cmocka_unit_test(faults_name_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
