#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "server/body.h"

static struct budget budget;
static struct fault fault;

static void pieces_are_put_together_and_ended_with_a_nul(void **state)
{
    (void)state;
    struct body body;
    budget_init(&budget, 1 << 20);
    body_init(&body, &budget, 100, 0);
    assert_true(body_append(&body, "abc", 3, &fault));
    assert_true(body_append(&body, "", 0, &fault));
    assert_true(body_append(&body, "def", 3, &fault));
    assert_int_equal(body.size, 6);
    assert_string_equal(body.text, "abcdef");
    body_fini(&body);
    assert_int_equal(atomic_load(&budget.used), 0);
}

static void an_announced_length_takes_just_that_and_a_nul(void **state)
{
    (void)state;
    struct body body;
    budget_init(&budget, 1 << 20);
    body_init(&body, &budget, 1 << 20, 5);
    assert_true(body_append(&body, "ab", 2, &fault));
    assert_int_equal(body.capacity, 6);
    assert_true(body_append(&body, "cde", 3, &fault));
    assert_int_equal(body.capacity, 6);
    assert_int_equal(atomic_load(&budget.used), 6);
    body_fini(&body);
}

static void an_announced_length_reserves_nothing_big(void **state)
{
    (void)state;
    struct body body;
    budget_init(&budget, 1 << 30);
    body_init(&body, &budget, 1 << 29, 1 << 29);
    assert_int_equal(atomic_load(&budget.used), 0);
    assert_true(body_append(&body, "a", 1, &fault));
    assert_true(atomic_load(&budget.used) <= 16 << 10);
    body_fini(&body);
}

static void growth_is_charged_byte_for_byte(void **state)
{
    (void)state;
    static char piece[10000];
    struct body body;
    memset(piece, 'x', sizeof piece);
    budget_init(&budget, 1 << 24);
    body_init(&body, &budget, 1 << 20, 0);
    for (int i = 0; i < 100; i++) {
        assert_true(body_append(&body, piece, sizeof piece, &fault));
        assert_int_equal(atomic_load(&budget.used), body.capacity);
        assert_true(body.capacity > body.size);
        assert_int_equal(body.text[body.size], '\0');
    }
    assert_int_equal(body.size, 1000000);
    assert_true(body.capacity <= (1 << 20) + 1);
    body_fini(&body);
}

static void what_is_written_in_its_place_counts_when_it_is_said(void **state)
{
    (void)state;
    struct body body;
    size_t room;
    budget_init(&budget, 1 << 20);
    body_init(&body, &budget, 40000, 40000);
    char *place = body_room(&body, &room, &fault);
    assert_non_null(place);
    assert_int_equal(room, (16 << 10) - 1);
    memset(place, 'x', room);
    body_extend(&body, room - 1);
    assert_int_equal(body.size, room - 1);
    place = body_room(&body, &room, &fault);
    assert_ptr_equal(place, body.text + body.size);
    assert_int_equal(room, 1);
    *place = 'y';
    body_extend(&body, room);
    assert_non_null(body_room(&body, &room, &fault));
    assert_int_equal(body.capacity, 32 << 10);
    assert_int_equal(room, 16 << 10);
    assert_true(body_append(&body, "z", 1, &fault));
    assert_string_equal(body.text + body.size - 3, "xyz");
    body_fini(&body);
    assert_int_equal(atomic_load(&budget.used), 0);
}

static void where_no_more_is_allowed_there_is_no_room(void **state)
{
    (void)state;
    struct body body;
    size_t room;
    budget_init(&budget, 1 << 20);
    body_init(&body, &budget, 3, 0);
    assert_true(body_append(&body, "abc", 3, &fault));
    assert_null(body_room(&body, &room, &fault));
    assert_int_equal(fault.status, 413);
    body_fini(&body);
    budget_init(&budget, 2000);
    assert_true(budget_take(&budget, 1500, 0, &fault));
    body_init(&body, &budget, 1000, 0);
    assert_null(body_room(&body, &room, &fault));
    assert_int_equal(fault.status, 503);
    body_fini(&body);
}

static void one_byte_over_the_limit_is_413(void **state)
{
    (void)state;
    struct body body;
    budget_init(&budget, 1 << 20);
    body_init(&body, &budget, 4, 0);
    assert_true(body_append(&body, "abcd", 4, &fault));
    assert_false(body_append(&body, "e", 1, &fault));
    assert_int_equal(fault.status, 413);
    assert_string_equal(fault.text, "the request body is larger than 4 bytes (max_body_bytes)");
    assert_string_equal(body.text, "abcd");
    body_fini(&body);
}

static void a_used_up_budget_is_503_and_leaves_what_was_there(void **state)
{
    (void)state;
    static char piece[20000];
    struct body body;
    budget_init(&budget, 40000);
    assert_true(budget_take(&budget, 20000, 0, &fault));
    body_init(&body, &budget, 1 << 20, 0);
    assert_true(body_append(&body, "abc", 3, &fault));
    assert_false(body_append(&body, piece, sizeof piece, &fault));
    assert_int_equal(fault.status, 503);
    assert_string_equal(body.text, "abc");
    body_fini(&body);
    assert_int_equal(atomic_load(&budget.used), 20000);
}

static void a_moved_body_takes_its_charge_along(void **state)
{
    (void)state;
    struct body body;
    struct payload payload;
    budget_init(&budget, 1 << 20);
    body_init(&body, &budget, 100, 0);
    assert_true(body_append(&body, "abc", 3, &fault));
    body_move(&body, 3, &payload);
    body_fini(&body);
    assert_int_equal(payload.bytes.tail_count, 0);
    assert_int_equal(payload.bytes.head.size, 3);
    assert_memory_equal(payload.bytes.head.data, "abc", 3);
    assert_true(payload.held != 0);
    assert_int_equal(atomic_load(&budget.used), payload.held);
    payload_release(&payload);
    assert_int_equal(atomic_load(&budget.used), 0);
    payload_release(&payload);
}

static void a_moved_body_is_cut_where_its_head_ends(void **state)
{
    (void)state;
    struct body body;
    struct payload payload;
    budget_init(&budget, 1 << 20);
    body_init(&body, &budget, 100, 0);
    assert_true(body_append(&body, "{}abc", 5, &fault));
    body_move(&body, 2, &payload);
    assert_int_equal(payload.bytes.head.size, 2);
    assert_int_equal(payload.bytes.tail_count, 1);
    assert_int_equal(payload.bytes.tail[0].size, 3);
    assert_memory_equal(payload.bytes.tail[0].data, "abc", 3);
    assert_int_equal(payload_size(&payload), 5);
    payload_release(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_put_together_and_ended_with_a_nul),
        cmocka_unit_test(an_announced_length_takes_just_that_and_a_nul),
        cmocka_unit_test(an_announced_length_reserves_nothing_big),
        cmocka_unit_test(growth_is_charged_byte_for_byte),
        cmocka_unit_test(what_is_written_in_its_place_counts_when_it_is_said),
        cmocka_unit_test(where_no_more_is_allowed_there_is_no_room),
        cmocka_unit_test(one_byte_over_the_limit_is_413),
        cmocka_unit_test(a_used_up_budget_is_503_and_leaves_what_was_there),
        cmocka_unit_test(a_moved_body_takes_its_charge_along),
        cmocka_unit_test(a_moved_body_is_cut_where_its_head_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
