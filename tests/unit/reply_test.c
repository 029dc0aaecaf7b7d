#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "server/reply.h"

static void expect_body(const struct reply *reply, const char *text)
{
    assert_int_equal(reply->size, strlen(text));
    assert_memory_equal(reply->body, text, reply->size);
}

static void a_fault_becomes_json_with_its_status(void **state)
{
    (void)state;
    struct fault fault;
    struct reply reply;
    fault_set(&fault, 404, "no \"m\"\n");
    reply_fault(&reply, &fault);
    assert_int_equal(reply.status, 404);
    assert_false(reply.retry_after);
    assert_null(reply.allow);
    expect_body(&reply, "{\"error\":\"no \\\"m\\\"\\n\"}");
    reply_fini(&reply);
    assert_int_equal(reply.status, 0);
    assert_null(reply.body);
}

static void a_503_may_be_tried_again(void **state)
{
    (void)state;
    struct fault fault;
    struct reply reply;
    fault_set(&fault, 503, "full");
    reply_fault(&reply, &fault);
    assert_int_equal(reply.status, 503);
    assert_true(reply.retry_after);
    reply_fini(&reply);
}

static void a_writer_s_text_moves_into_the_reply(void **state)
{
    (void)state;
    struct json_writer writer;
    struct reply reply;
    json_writer_init(&writer);
    json_open_array(&writer);
    json_close_array(&writer);
    reply_json(&reply, 200, &writer);
    assert_int_equal(reply.status, 200);
    expect_body(&reply, "[]");
    json_writer_fini(&writer);
    reply_fini(&reply);
}

static void a_writer_without_memory_makes_it_a_503_without_text(void **state)
{
    (void)state;
    struct json_writer writer;
    struct reply reply;
    json_writer_init(&writer);
    writer.failed = true; /* as after an allocation that failed */
    reply_json(&reply, 200, &writer);
    assert_int_equal(reply.status, 503);
    assert_null(reply.body);
    assert_true(reply.retry_after);
    json_writer_fini(&writer);
    reply_fini(&reply);
}

static void a_charge_is_given_back(void **state)
{
    (void)state;
    struct budget budget;
    struct fault fault;
    budget_init(&budget, 100);
    assert_true(budget_take(&budget, 60, 0, &fault));
    struct reply reply = {.status = 200, .budget = &budget, .charge = 60};
    reply_fini(&reply);
    assert_int_equal(atomic_load(&budget.used), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_becomes_json_with_its_status),
        cmocka_unit_test(a_503_may_be_tried_again),
        cmocka_unit_test(a_writer_s_text_moves_into_the_reply),
        cmocka_unit_test(a_writer_without_memory_makes_it_a_503_without_text),
        cmocka_unit_test(a_charge_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
