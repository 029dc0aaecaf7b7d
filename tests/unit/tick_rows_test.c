/* --tick-rows: how many rows of different requests a lane puts into one tick. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/compute.h"
#include "server/lane.h"

enum { WORKS = 12, NOW = 1000 };

static struct lane lane;
static struct work_queue queue;
static struct work works[WORKS];
static struct strand strands[WORKS];
static struct tick tick;

/* Works of one strand each, of so many rows, ready for a model of which so many rows are cheap. */
static void make_works(size_t rows, size_t cheap_rows)
{
    lane = (struct lane){.rule = {.causal = true, .cheap_rows = cheap_rows, .step_flops = 1e6},
                         .held.queue = WORK_QUEUE_COUNT};
    queue = (struct work_queue){0};
    for (unsigned i = 0; i < WORK_QUEUE_COUNT; i++)
        lane.slices[i].queue = lane.ticks[i].queue = i;
    for (size_t i = 0; i < WORKS; i++) {
        strands[i] = (struct strand){.row_count = rows, .live = rows, .longest = 5};
        works[i] = (struct work){.lane = &lane, .rows = rows, .deadline = NOW + 1};
        works[i].priority = i % 2 == 0 ? WORK_HIGH : WORK_NORMAL;
        work_add_strand(&works[i], &strands[i]);
        lane_put_strands(&lane, &queue, &works[i]);
    }
}

static size_t rows_with(size_t most)
{
    struct work *late = NULL;
    const size_t before = lane.ready_rows;
    tick_clear(&tick);
    lane_fill(&lane, &queue, work_queue_of(&works[0]), TICK_ROWS, most, NOW, &tick, &late);
    assert_null(late);
    assert_int_equal(lane.ready_rows, before - tick.row_count);
    return tick.row_count;
}

static void one_row_is_no_company(void **state)
{
    (void)state;
    make_works(1, 9);
    assert_int_equal(rows_with(1), 1);
    assert_int_equal(rows_with(1), 1);
}

static void as_many_as_there_may_be(void **state)
{
    (void)state;
    make_works(1, 1);
    assert_int_equal(rows_with(4), 4);
    make_works(1, 9);
    assert_int_equal(rows_with(8), 8); /* the list's 6, and 2 of another that are next to free */
    make_works(1, 1);
    assert_int_equal(rows_with(TICK_ROWS), 6); /* all of this list */
}

static void one_requests_rows_stay_together(void **state)
{
    (void)state;
    make_works(STRAND_ROWS, 1);
    assert_int_equal(rows_with(1), STRAND_ROWS);
    assert_int_equal(tick.part_count, 1);
}

static void a_lane_that_holds_waits_for_no_more(void **state)
{
    (void)state;
    struct work work = {.lane = &lane, .rows = 2};
    struct strand strand = {.row_count = 2, .live = 2, .longest = 1};
    make_works(1, 1);
    while (lane.ready_rows > 0)
        rows_with(1);
    lane.delay = 100;
    work_add_strand(&work, &strand);
    lane_hold(&lane, &queue, &work, NOW);
    assert_false(lane_is_due(&lane, 3, NOW));
    assert_true(lane_is_due(&lane, 2, NOW));
    assert_true(lane_is_due(&lane, 3, NOW + 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_row_is_no_company),
        cmocka_unit_test(as_many_as_there_may_be),
        cmocka_unit_test(one_requests_rows_stay_together),
        cmocka_unit_test(a_lane_that_holds_waits_for_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
