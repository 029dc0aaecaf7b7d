#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/admission.h"

enum { PLACES = 2000 };

static struct admission admission;
static struct admission_limits limits;
static struct admission_place places[PLACES];
static size_t taken;

/* Clients far apart: with this seed the first few do not meet. */
enum client { ALICE = 1, BOB, CAROL };

static int set_up(void **state)
{
    (void)state;
    admission = (struct admission){0};
    limits = (struct admission_limits){
        .requests = 256, .rows = 4096, .client_percent = 75, .seed = 12345};
    taken = 0;
    return 0;
}

static enum admission_answer take(uint64_t client, size_t rows)
{
    const enum admission_answer asked = admission_ask(&admission, &limits, client, rows);
    const enum admission_answer answer =
        admission_take(&admission, &limits, client, rows, &places[taken]);
    assert_int_equal(asked, answer);
    taken += answer == ADMISSION_GRANTED;
    assert_true(taken < PLACES);
    return answer;
}

/* As many as it gets. */
static size_t take_all(uint64_t client, size_t rows)
{
    size_t count = 0;
    while (take(client, rows) == ADMISSION_GRANTED)
        count++;
    return count;
}

static void give_all(void)
{
    while (taken > 0)
        admission_give(&admission, &places[--taken]);
}

static void assert_empty(void)
{
    assert_int_equal(admission.requests, 0);
    assert_int_equal(admission.rows, 0);
    for (size_t i = 0; i < ADMISSION_CLIENTS; i++)
        assert_true(admission.clients[i].requests == 0 && admission.clients[i].rows == 0);
}

static void one_client_fills_its_part_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(take_all(ALICE, 1), 192);
    assert_int_equal(take(ALICE, 1), ADMISSION_CLIENT_FULL);
    assert_int_equal(take(BOB, 1), ADMISSION_GRANTED);
    assert_int_equal(admission.requests, 193);
    give_all();
    assert_empty();
}

static void greedy_clients_get_equal_parts_and_leave_something(void **state)
{
    size_t before = 0;
    (void)state;
    for (int round = 0; taken != before || round == 0; round++) {
        before = taken;
        for (uint64_t client = ALICE; client <= CAROL; client++)
            take(client, 1);
    }
    assert_in_range(taken, 228, 231); /* 3 * 75 of 3 * 75 + 25 parts of 256 */
    size_t parts[3] = {0}, found = 0;
    for (size_t i = 0; i < ADMISSION_CLIENTS; i++)
        if (admission.clients[i].requests > 0)
            parts[found++] = admission.clients[i].requests;
    assert_int_equal(found, 3);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(parts[i], 76, 77);
    assert_int_equal(take(4, 1), ADMISSION_GRANTED);
}

static void rows_are_bounded_the_same_way(void **state)
{
    (void)state;
    assert_int_equal(take_all(ALICE, 256), 12); /* 3072 of 4096 rows */
    assert_int_equal(take(ALICE, 1), ADMISSION_CLIENT_FULL);
    assert_int_equal(take(BOB, 1025), ADMISSION_FULL);
    assert_int_equal(take(BOB, 1024), ADMISSION_GRANTED);
    assert_int_equal(take(CAROL, 1), ADMISSION_FULL);
}

/* Whoever comes first may have any number; it is counted so that others have room beside it. */
static void one_huge_request_leaves_room_for_others(void **state)
{
    (void)state;
    assert_int_equal(take(ALICE, SIZE_MAX), ADMISSION_GRANTED);
    assert_int_equal(admission.rows, 3072);
    assert_int_equal(take(ALICE, 1), ADMISSION_CLIENT_FULL);
    assert_int_equal(take(BOB, SIZE_MAX), ADMISSION_FULL);
    assert_int_equal(take(BOB, 1000), ADMISSION_GRANTED);
    give_all();
    assert_empty();
}

static void without_a_part_the_whole_is_everybody_s(void **state)
{
    static const unsigned percents[] = {0, 100};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        limits.client_percent = percents[i];
        assert_int_equal(take_all(ALICE, 1), 256);
        assert_int_equal(take(BOB, 0), ADMISSION_FULL);
        give_all();
        assert_int_equal(take(ALICE, 10000), ADMISSION_GRANTED);
        assert_int_equal(take(BOB, 1), ADMISSION_FULL);
        give_all();
        assert_empty();
    }
}

/* Where there is room for one or two only, somebody must have it. */
static void the_first_of_a_client_needs_only_a_free_place(void **state)
{
    (void)state;
    for (limits.requests = 1; limits.requests <= 3; limits.requests++) {
        for (uint64_t client = ALICE; client < ALICE + limits.requests; client++)
            assert_int_equal(take(client, 1), ADMISSION_GRANTED);
        assert_int_equal(take(9, 1), ADMISSION_FULL);
        give_all();
    }
    assert_empty();
}

static void clients_are_spread_by_the_seed(void **state)
{
    static bool met[ADMISSION_CLIENTS];
    size_t distinct = 0, moved = 0;
    (void)state;
    for (uint64_t client = 0; client < 1024; client++) {
        struct admission_place here, there;
        admission_take(&admission, &limits, client << 32, 0, &here);
        limits.seed++;
        admission_take(&admission, &limits, client << 32, 0, &there);
        limits.seed--;
        distinct += !met[here.client];
        met[here.client] = true;
        moved += here.client != there.client;
    }
    assert_in_range(distinct, 600, 700); /* 1 - 1/e of them, if by chance */
    assert_true(moved > 1000);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_client_fills_its_part_and_no_more),
        TEST(greedy_clients_get_equal_parts_and_leave_something),
        TEST(rows_are_bounded_the_same_way),
        TEST(one_huge_request_leaves_room_for_others),
        TEST(without_a_part_the_whole_is_everybody_s),
        TEST(the_first_of_a_client_needs_only_a_free_place),
        TEST(clients_are_spread_by_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
