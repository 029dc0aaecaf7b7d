#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

#include "server/clock.h"
#include "server/compute.h"
#include "server/lane.h"
#include "tests/support/zero_model.h"

enum { WORKS = 40, STRANDS = 4 };

static struct model *model;
static struct lane lane;
static struct model_stats stats;
static struct work_queue queue;
static struct tick tick;
static struct work *late;

/* Works whose strands are only numbers: nothing is computed here. */
static struct work works[WORKS];
static struct strand strands[WORKS][STRANDS];

static int make_model(void **state)
{
    (void)state;
    model = zero_model_create(1, 1);
    return model != NULL ? 0 : -1;
}

static int drop_model(void **state)
{
    (void)state;
    model_destroy(model);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    lane_init(&lane, model, 0, &stats);
    queue = (struct work_queue){0};
    tick_clear(&tick);
    late = NULL;
    for (size_t i = 0; i < WORKS; i++)
        works[i] = (struct work){.lane = &lane, .priority = WORK_NORMAL, .deadline = UINT64_MAX};
    return 0;
}

/* Gives the work so many strands of so many rows and steps. */
static void give(size_t work, size_t count, size_t rows, size_t steps)
{
    for (size_t i = 0; i < count; i++) {
        strands[work][i] = (struct strand){.longest = steps, .live = rows};
        work_add_strand(&works[work], &strands[work][i]);
    }
}

static void put(size_t work, size_t count, size_t rows, size_t steps)
{
    give(work, count, rows, steps);
    lane_put_strands(&lane, &queue, &works[work]);
}

static void fill(unsigned index, size_t share)
{
    lane_fill(&lane, &queue, index, share, TICK_ROWS, 1000, &tick, &late);
}

/* Queues of the normal class. */
enum { SHORT = WORK_LEVEL_COUNT, MIDDLE, LONG };

static void set_level(size_t work, unsigned level)
{
    static const uint64_t attained[] = {0, 2 * CLOCK_NS_PER_MS, 20 * CLOCK_NS_PER_MS};
    works[work].attained = attained[level];
}

static void rows_of_many_requests_go_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < 30; i++)
        put(i, 1, 2, 10 + i);
    assert_int_equal(lane.ready_rows, 60);
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 30);
    assert_int_equal(tick.row_count, 60);
    assert_int_equal(tick.longest, 39);
    assert_int_equal(lane.ready_rows, 0);
    assert_true(work_queue_is_empty(&queue));
    assert_ptr_equal(tick.parts[7].work, &works[7]);
    assert_int_equal(tick.parts[7].rows, 2);
}

static void a_tick_takes_no_more_than_its_rows_and_the_rest_is_first_next(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++)
        put(i, 1, 30, 5);
    fill(SHORT, 1000);
    assert_int_equal(tick.row_count, 60);
    tick_clear(&tick);
    fill(SHORT, 1000);
    assert_ptr_equal(tick.parts[0].work, &works[2]);
    assert_ptr_equal(tick.parts[1].work, &works[3]);
    assert_int_equal(lane.ready_rows, 30);
}

/* One with very many rows takes its turn, not all turns. */
static void a_large_request_goes_to_the_end_after_its_turn(void **state)
{
    (void)state;
    put(0, 4, 32, 5);
    put(1, 1, 1, 5);
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 2);
    assert_ptr_equal(tick.parts[1].work, &works[0]);
    tick_clear(&tick);
    fill(SHORT, TICK_ROWS);
    assert_ptr_equal(tick.parts[0].work, &works[1]);
    assert_ptr_equal(tick.parts[1].work, &works[0]);
    assert_int_equal(tick.row_count, 33);
}

static void it_goes_to_the_level_it_has_come_to(void **state)
{
    (void)state;
    put(0, 4, 32, 5);
    set_level(0, 2);
    fill(SHORT, TICK_ROWS);
    assert_ptr_equal(works[0].list, &lane.ticks[LONG]);
}

static void idle_workers_are_left_their_share(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++)
        put(i, 1, 1, 5);
    fill(SHORT, 5);
    assert_int_equal(tick.row_count, 5);
    tick_clear(&tick);
    lane.rule.cheap_rows = 9;
    fill(SHORT, 2); /* that would only have the weights read twice */
    assert_int_equal(tick.row_count, 5);
}

static void together_ticks_wait_until_nobody_is_at_work(void **state)
{
    (void)state;
    put(0, 1, 1, 5);
    lane_enter(&lane, &queue, LANE_SLICE, false, 0);
    assert_false(work_queue_is_empty(&queue));
    lane_enter(&lane, &queue, LANE_SLICE, true, 0);
    assert_true(work_queue_is_empty(&queue));
    set_level(1, 2);
    put(1, 1, 1, 5);
    lane_enter(&lane, &queue, LANE_SLICE, true, 0);
    for (int i = 0; i < 2; i++) {
        lane_leave(&lane, &queue, LANE_SLICE, 0);
        assert_true(work_queue_is_empty(&queue));
    }
    lane_leave(&lane, &queue, LANE_SLICE, 0);
    assert_ptr_equal(work_queue_turn(&queue), &lane.ticks[SHORT]);
    fill(SHORT, TICK_ROWS);
    assert_ptr_equal(work_queue_turn(&queue), &lane.ticks[LONG]);
}

/* They come from one worker before another's has ended. While a tick goes on none begins. */
static void bug_587_slices_without_a_pause_do_not_hold_up_ticks_for_long(void **state)
{
    uint64_t now = 0;
    (void)state;
    put(0, 1, 1, 5);
    lane_enter(&lane, &queue, LANE_SLICE, true, now);
    for (; now < LANE_SHUT_NS; now += LANE_SHUT_NS / 4) {
        assert_true(work_queue_is_empty(&queue));
        lane_enter(&lane, &queue, LANE_SLICE, true, now);
        lane_leave(&lane, &queue, LANE_SLICE, now);
    }
    lane_enter(&lane, &queue, LANE_SLICE, true, now);
    lane_leave(&lane, &queue, LANE_SLICE, now);
    assert_ptr_equal(work_queue_turn(&queue), &lane.ticks[SHORT]);
    lane_enter(&lane, &queue, LANE_TICK, true, now);
    now += 10 * LANE_SHUT_NS;
    lane_leave(&lane, &queue, LANE_SLICE, now);
    assert_true(work_queue_is_empty(&queue));
    lane_enter(&lane, &queue, LANE_SLICE, true, now);
    lane_leave(&lane, &queue, LANE_TICK, now); /* it waits for what the slice makes ready */
    assert_true(work_queue_is_empty(&queue));
    lane_enter(&lane, &queue, LANE_SLICE, true, now);
    lane_leave(&lane, &queue, LANE_SLICE, now + LANE_SHUT_NS);
    assert_false(work_queue_is_empty(&queue));
    lane_leave(&lane, &queue, LANE_SLICE, now + LANE_SHUT_NS);
}

enum { TICK_NS = 1000 };

/* A tick that goes together has ended at the moment 0, and two rows were in it that come back. */
static void await_two_rows(void)
{
    company_expect(&lane.company, 0, 0, TICK_NS, 0);
    for (int i = 0; i < 100; i++)
        company_note(&lane.company, 0);
    lane_enter(&lane, &queue, LANE_TICK, true, 0);
    assert_true(company_expect(&lane.company, 2, 0, TICK_NS, 0));
    lane_leave(&lane, &queue, LANE_TICK, 0);
}

static void make_ready(size_t work, uint64_t now)
{
    lane_enter(&lane, &queue, LANE_SLICE, true, now);
    put(work, 1, 1, 5);
    lane_leave(&lane, &queue, LANE_SLICE, now);
}

static void a_tick_waits_for_the_rows_of_the_last_one(void **state)
{
    (void)state;
    await_two_rows();
    make_ready(0, 10);
    assert_true(work_queue_is_empty(&queue));
    make_ready(1, 20);
    assert_false(work_queue_is_empty(&queue));
}

static void it_waits_until_their_time_is_over(void **state)
{
    (void)state;
    await_two_rows();
    make_ready(0, 10);
    lane_open_due(&queue, TICK_NS - 1);
    assert_true(work_queue_is_empty(&queue));
    lane_open_due(&queue, TICK_NS);
    assert_false(work_queue_is_empty(&queue));
}

/* When the time was over nothing was ready that could have been found. */
static void what_was_held_back_is_not_shut_in_by_company_that_never_came(void **state)
{
    (void)state;
    lane.delay = 5 * TICK_NS;
    await_two_rows();
    give(0, 1, 1, 5);
    lane_hold(&lane, &queue, &works[0], 10);
    lane_open_due(&queue, TICK_NS);
    lane_release(&lane, &queue, 6 * TICK_NS);
    assert_false(work_queue_is_empty(&queue));
}

static void a_first_strand_is_taken_however_large(void **state)
{
    (void)state;
    put(0, 1, 32, 5);
    fill(SHORT, 1);
    assert_int_equal(tick.row_count, 32);
}

static void other_levels_join_only_where_rows_cost_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        set_level(i, i == 0 ? 0 : i < 4 ? 1 : 2);
        put(i, 1, 1, 5);
    }
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.row_count, 1);
    tick_clear(&tick);
    lane.rule.cheap_rows = 9;
    fill(MIDDLE, TICK_ROWS);
    assert_int_equal(tick.row_count, 9);
    assert_int_equal(lane.ready_rows, 2);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(tick.parts[i].work, &works[1 + i]);
}

static void what_is_late_is_taken_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        works[i].deadline = i % 2 == 0 ? 1000 : 1001;
        put(i, 1, 1, 5);
    }
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 3);
    assert_int_equal(lane.ready_rows, 0);
    for (size_t i = 0; i < 3; i++, late = late->next)
        assert_ptr_equal(late, &works[4 - 2 * i]);
    assert_null(late);
}

/* Whole rows are computed in scratch that is large enough for two ticks' work. */
static void whole_rows_share_a_tick_while_they_are_short(void **state)
{
    (void)state;
    lane.rule.causal = false;
    lane.rule.flops_per_ns = 100;
    lane.rule.step_flops = 8.8e4; /* 454 steps of a row in two ticks */
    put(0, 1, 1, 100);
    put(1, 1, 2, 150);
    put(2, 1, 1, 150);
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 2);
    tick_set_steps(&tick, &lane.rule, model, TICK_SHORT, 0);
    assert_int_equal(tick.steps, 150);
    tick_clear(&tick);
    give(3, 1, 1, 1000);
    strands[3][0].scratch.memory = &tick; /* any */
    lane_put_strands(&lane, &queue, &works[3]);
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 1); /* work 2 alone, not with one that has its own scratch */
    tick_clear(&tick);
    put(4, 1, 1, 1);
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 1);
    assert_ptr_equal(tick.parts[0].work, &works[3]);
}

static void causal_rows_advance_by_what_a_tick_affords(void **state)
{
    (void)state;
    lane.rule.flops_per_ns = 100;
    lane.rule.step_flops = 4.4e4;
    put(0, 1, 1, 1000);
    put(1, 1, 9, 20);
    fill(SHORT, TICK_ROWS);
    tick_set_steps(&tick, &lane.rule, model, TICK_SHORT, 0);
    assert_int_equal(tick.steps, 45);
    tick_set_steps(&tick, &lane.rule, model, TICK_PATIENT, 0);
    assert_int_equal(tick.steps, 363);
    assert_int_equal(tick.members, 1);
}

/* Rows that cost nothing are taken along for as long as the tick lasts without them. */
static void company_does_not_make_a_tick_last_longer(void **state)
{
    (void)state;
    lane.rule.cheap_rows = 9;
    set_level(0, 0);
    put(0, 1, 1, 7);
    set_level(1, 2);
    put(1, 1, 1, 1000);
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 2);
    tick_set_steps(&tick, &lane.rule, model, TICK_SHORT, 0);
    assert_int_equal(tick.steps, 7);
}

static void it_does_so_when_all_others_are_late(void **state)
{
    (void)state;
    lane.rule.cheap_rows = 9;
    works[0].deadline = 1000;
    put(0, 1, 1, 7);
    set_level(1, 2);
    put(1, 1, 1, 1000);
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 1);
    tick_set_steps(&tick, &lane.rule, model, TICK_SHORT, 0);
    assert_in_range(tick.steps, 8, 1000);
}

static void held_works_wait_for_company_or_for_their_time(void **state)
{
    (void)state;
    lane.delay = 500;
    give(0, 1, 1, 5);
    give(1, 1, 1, 5);
    lane_hold(&lane, &queue, &works[0], 1000);
    lane_hold(&lane, &queue, &works[1], 1100);
    assert_true(work_queue_is_empty(&queue));
    assert_int_equal(lane.ready_rows, 2);
    assert_false(lane_is_due(&lane, TICK_ROWS, 1499));
    assert_true(lane_is_due(&lane, TICK_ROWS, 1500));
    give(2, 2, 31, 5);
    lane_hold(&lane, &queue, &works[2], 1200);
    assert_true(lane_is_due(&lane, TICK_ROWS, 1200));
    lane_remove(&lane, &queue, &works[2]);
    assert_false(lane_is_due(&lane, TICK_ROWS, 1200));
    lane_release(&lane, &queue, 0);
    assert_null(lane.held.first);
    fill(SHORT, TICK_ROWS);
    assert_int_equal(tick.part_count, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_of_many_requests_go_together),
        TEST(a_tick_takes_no_more_than_its_rows_and_the_rest_is_first_next),
        TEST(a_large_request_goes_to_the_end_after_its_turn),
        TEST(it_goes_to_the_level_it_has_come_to),
        TEST(idle_workers_are_left_their_share),
        TEST(together_ticks_wait_until_nobody_is_at_work),
        TEST(a_tick_waits_for_the_rows_of_the_last_one),
        TEST(it_waits_until_their_time_is_over),
        TEST(what_was_held_back_is_not_shut_in_by_company_that_never_came),
        TEST(bug_587_slices_without_a_pause_do_not_hold_up_ticks_for_long),
        TEST(a_first_strand_is_taken_however_large),
        TEST(other_levels_join_only_where_rows_cost_nothing),
        TEST(what_is_late_is_taken_out),
        TEST(whole_rows_share_a_tick_while_they_are_short),
        TEST(causal_rows_advance_by_what_a_tick_affords),
        TEST(company_does_not_make_a_tick_last_longer),
        TEST(it_does_so_when_all_others_are_late),
        TEST(held_works_wait_for_company_or_for_their_time),
    };
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
