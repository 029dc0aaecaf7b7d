#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/clock.h"
#include "server/work_queue.h"

enum { LISTS = 3, WORKS = 12 };

/* A few lists in every queue. */
static struct work_queue queue;
static struct work_list lists[WORK_QUEUE_COUNT][LISTS];
static struct work works[WORK_QUEUE_COUNT][WORKS];

static int set_up(void **state)
{
    (void)state;
    queue = (struct work_queue){0};
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++) {
        for (size_t j = 0; j < LISTS; j++)
            lists[i][j] = (struct work_list){.queue = i};
        for (size_t j = 0; j < WORKS; j++)
            works[i][j] = (struct work){0};
    }
    return 0;
}

static unsigned queue_of(enum work_class class, unsigned level)
{
    return (unsigned)class * WORK_LEVEL_COUNT + level;
}

static void nothing_waits_in_an_empty_one(void **state)
{
    (void)state;
    assert_true(work_queue_is_empty(&queue));
    assert_null(work_queue_turn(&queue));
}

static void in_a_list_the_first_is_first(void **state)
{
    (void)state;
    struct work_list *list = &lists[1][0];
    for (size_t i = 0; i < 3; i++)
        work_queue_put(&queue, list, &works[1][i]);
    assert_ptr_equal(work_queue_turn(&queue), list);
    assert_ptr_equal(list->first, &works[1][0]);
    work_queue_remove(&queue, &works[1][1]);
    work_queue_remove(&queue, &works[1][0]);
    assert_ptr_equal(list->first, &works[1][2]);
    assert_false(work_queue_is_empty(&queue));
    work_queue_remove(&queue, &works[1][2]);
    assert_true(work_queue_is_empty(&queue));
    assert_null(works[1][2].list);
}

static void lists_of_a_queue_take_turns(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORKS; i++) /* the first list has most */
        work_queue_put(&queue, &lists[0][i < 8 ? 0 : i < 10 ? 1 : 2], &works[0][i]);
    for (size_t turn = 0; turn < 9; turn++)
        assert_ptr_equal(work_queue_turn(&queue), &lists[0][turn % 3]);
    work_queue_remove(&queue, &works[0][10]);
    work_queue_remove(&queue, &works[0][11]);
    for (size_t turn = 0; turn < 6; turn++)
        assert_ptr_equal(work_queue_turn(&queue), &lists[0][turn % 2]);
}

static void a_list_outside_of_the_queues_has_no_turn(void **state)
{
    struct work_list outside = {.queue = WORK_QUEUE_COUNT};
    (void)state;
    work_queue_put(&queue, &outside, &works[0][0]);
    assert_true(work_queue_is_empty(&queue));
    work_queue_remove(&queue, &works[0][0]);
    assert_null(outside.first);
}

static void a_shut_list_has_no_turn_until_it_is_opened(void **state)
{
    struct work_list *list = &lists[0][0], *other = &lists[0][1];
    (void)state;
    work_queue_put(&queue, list, &works[0][0]);
    work_queue_put(&queue, other, &works[0][1]);
    work_queue_shut(&queue, list);
    work_queue_put(&queue, list, &works[0][2]);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(work_queue_turn(&queue), other);
    work_queue_remove(&queue, &works[0][0]);
    work_queue_remove(&queue, &works[0][1]);
    assert_true(work_queue_is_empty(&queue));
    work_queue_open(&queue, list);
    assert_ptr_equal(work_queue_turn(&queue), list);
    work_queue_remove(&queue, &works[0][2]);
    work_queue_shut(&queue, list); /* empty, and filled and emptied meanwhile */
    work_queue_put(&queue, list, &works[0][0]);
    work_queue_remove(&queue, &works[0][0]);
    work_queue_open(&queue, list);
    assert_true(work_queue_is_empty(&queue));
}

/* Its works wait as others do, and as long: what is shut most of the time would never come. */
static void bug_588_a_shut_list_keeps_its_place_and_its_queue_what_it_is_owed(void **state)
{
    const unsigned normal = queue_of(WORK_NORMAL, 0), low = queue_of(WORK_LOW, 0);
    (void)state;
    work_queue_put(&queue, &lists[low][0], &works[low][0]);
    work_queue_put(&queue, &lists[low][1], &works[low][1]);
    work_queue_put(&queue, &lists[normal][0], &works[normal][0]);
    for (int i = 0; i < 40; i++) {
        work_queue_shut(&queue, &lists[low][0]);
        work_queue_shut(&queue, &lists[low][1]);
        assert_ptr_equal(work_queue_turn(&queue), &lists[normal][0]);
        work_queue_charge(&queue, normal, 500000);
        work_queue_open(&queue, &lists[low][1]);
        if (i < 39)
            work_queue_open(&queue, &lists[low][0]);
    }
    assert_ptr_equal(work_queue_turn(&queue), &lists[low][1]);
    work_queue_open(&queue, &lists[low][0]);
    assert_ptr_equal(work_queue_turn(&queue), &lists[low][0]);
    assert_ptr_equal(work_queue_turn(&queue), &lists[low][1]);
}

/* Turns of 100 microseconds each while these two wait all the time; returns how many a had for one
 * of b's. */
static double turns_for_one(unsigned a, unsigned b, int turns)
{
    int had[2] = {0, 0};
    work_queue_put(&queue, &lists[a][0], &works[a][0]);
    work_queue_put(&queue, &lists[b][0], &works[b][0]);
    for (int i = 0; i < turns; i++) {
        const struct work_list *list = work_queue_turn(&queue);
        had[list->queue == b]++;
        work_queue_charge(&queue, list->queue, 100000);
    }
    assert_true(had[1] > 0);
    return (double)had[0] / had[1];
}

static void between(double found, double low, double high)
{
    if (!(found >= low && found <= high))
        fail_msg("%g, not %g to %g", found, low, high);
}

static void levels_share_16_to_4_to_1(void **state)
{
    between(turns_for_one(queue_of(WORK_NORMAL, 0), queue_of(WORK_NORMAL, 1), 10000), 3.9, 4.1);
    set_up(state);
    between(turns_for_one(queue_of(WORK_LOW, 0), queue_of(WORK_LOW, 2), 10000), 15.8, 16.2);
}

static unsigned queue_of_work(uint64_t attained, uint64_t expected)
{
    const struct work work = {.priority = WORK_NORMAL, .attained = attained, .expected = expected};
    return work_queue_of(&work);
}

/* What it has had, or what it is expected to take: whichever is more. */
static void what_will_take_long_waits_with_the_long_from_the_first(void **state)
{
    const uint64_t ms = CLOCK_NS_PER_MS;
    (void)state;
    assert_int_equal(queue_of_work(0, 0), queue_of(WORK_NORMAL, 0));
    assert_int_equal(queue_of_work(ms - 1, ms - 1), queue_of(WORK_NORMAL, 0));
    assert_int_equal(queue_of_work(0, ms), queue_of(WORK_NORMAL, 1));
    assert_int_equal(queue_of_work(ms, 0), queue_of(WORK_NORMAL, 1));
    assert_int_equal(queue_of_work(ms, 10 * ms), queue_of(WORK_NORMAL, 2));
    assert_int_equal(queue_of_work(10 * ms, ms), queue_of(WORK_NORMAL, 2));
}

static void classes_share_16_to_1(void **state)
{
    between(turns_for_one(queue_of(WORK_HIGH, 1), queue_of(WORK_NORMAL, 1), 10000), 15.8, 16.2);
    set_up(state);
    between(turns_for_one(queue_of(WORK_HIGH, 0), queue_of(WORK_LOW, 2), 1000000), 3900, 4300);
}

/* It is time that is shared, not turns. */
static void long_turns_count_for_more(void **state)
{
    const unsigned a = queue_of(WORK_NORMAL, 0), b = queue_of(WORK_NORMAL, 1);
    int had[2] = {0, 0};
    (void)state;
    work_queue_put(&queue, &lists[a][0], &works[a][0]);
    work_queue_put(&queue, &lists[b][0], &works[b][0]);
    for (int i = 0; i < 10000; i++) {
        const unsigned turn = work_queue_turn(&queue)->queue;
        had[turn == b]++;
        work_queue_charge(&queue, turn, 50000); /* a guess */
        work_queue_charge(&queue, turn, turn == a ? 350000 : -40000);
    }
    between((double)had[1] / had[0], 9.5, 10.5); /* 400 of a's for 10 of b's; b's count fourfold */
}

static void one_that_comes_after_a_long_time_is_neither_owed_nor_owing(void **state)
{
    const unsigned a = queue_of(WORK_NORMAL, 0), b = queue_of(WORK_NORMAL, 2);
    (void)state;
    work_queue_put(&queue, &lists[b][0], &works[b][0]);
    for (int i = 0; i < 100000; i++) { /* ten seconds alone */
        assert_int_equal(work_queue_turn(&queue)->queue, b);
        work_queue_charge(&queue, b, 100000);
    }
    work_queue_put(&queue, &lists[a][0], &works[a][0]);
    int had =
        0; /* b has a turn after a has had about its weight's worth, not 16 times 10 seconds */
    while (work_queue_turn(&queue)->queue == a) {
        work_queue_charge(&queue, a, 100000);
        assert_true(++had < 200);
    }
    assert_true(had > 10);
}

/* Before the first turn of a low class the others have theirs, but not for ever. */
static void what_has_just_come_waits_by_its_weight(void **state)
{
    static const enum work_class classes[] = {WORK_LOW, WORK_NORMAL, WORK_HIGH};
    (void)state;
    unsigned queues[3];
    for (size_t i = 0; i < 3; i++) {
        queues[i] = queue_of(classes[i], 0);
        work_queue_put(&queue, &lists[queues[i]][0], &works[queues[i]][0]);
    }
    work_queue_charge(&queue, queues[1], 2000000);
    assert_int_equal(work_queue_turn(&queue)->queue, queues[2]);
    work_queue_remove(&queue, &works[queues[2]][0]);
    assert_int_equal(work_queue_turn(&queue)->queue, queues[1]);
    int turns = 0;
    while (work_queue_turn(&queue)->queue == queues[1]) {
        work_queue_charge(&queue, queues[1], 500000);
        assert_true(++turns < 20);
    }
    assert_true(turns > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_waits_in_an_empty_one, set_up),
        cmocka_unit_test_setup(in_a_list_the_first_is_first, set_up),
        cmocka_unit_test_setup(lists_of_a_queue_take_turns, set_up),
        cmocka_unit_test_setup(a_list_outside_of_the_queues_has_no_turn, set_up),
        cmocka_unit_test_setup(a_shut_list_has_no_turn_until_it_is_opened, set_up),
        cmocka_unit_test_setup(bug_588_a_shut_list_keeps_its_place_and_its_queue_what_it_is_owed,
                               set_up),
        cmocka_unit_test_setup(levels_share_16_to_4_to_1, set_up),
        cmocka_unit_test_setup(what_will_take_long_waits_with_the_long_from_the_first, set_up),
        cmocka_unit_test_setup(classes_share_16_to_1, set_up),
        cmocka_unit_test_setup(long_turns_count_for_more, set_up),
        cmocka_unit_test_setup(what_has_just_come_waits_by_its_weight, set_up),
        cmocka_unit_test_setup(one_that_comes_after_a_long_time_is_neither_owed_nor_owing, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
