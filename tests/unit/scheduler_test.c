#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/compute.h"
#include "server/lane.h"
#include "server/scheduler.h"
#include "tests/support/zero_model.h"

#define DELAY (50 * CLOCK_NS_PER_MS)

static struct model *model;
static struct signature signature;
static struct lane lane, other_lane, slow_lane; /* the last one waits for company */
static struct model_stats stats;
static struct scheduler *scheduler;
static struct fault fault;
static atomic_int ends;

/* Zeros of that many rows and steps, through all stages, as a work. */
struct request {
    struct work work;
    struct compute compute;
    void *block;
    sem_t *entered, *open; /* its first slice waits there */
    int order;             /* from 1, of its end among all; 0: not ended */
    enum work_end how;
    sem_t ended;
};

static void wait_at(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        continue;
}

static enum work_next slice(struct work *work)
{
    struct request *request = (struct request *)work;
    if (request->work.computed)
        return WORK_DONE;
    if (request->open != NULL) {
        sem_post(request->entered);
        wait_at(request->open);
    }
    compute_clear(&request->compute);
    for (size_t i = 0; i < request->compute.strand_count; i++)
        if (request->compute.strands[i].live > 0)
            work_add_strand(work, &request->compute.strands[i]);
    return work->unfinished > 0 ? WORK_TICKS : WORK_DONE;
}

static void end(struct work *work, enum work_end how)
{
    struct request *request = (struct request *)work;
    request->how = how;
    request->order = atomic_fetch_add(&ends, 1) + 1;
    sem_post(&request->ended);
}

static const struct work_type type = {slice, end};

static void request_init_of(struct request *request, const struct model *of,
                            const struct signature *its, struct lane *in, size_t rows, size_t steps)
{
    const struct binding binding = {.steps = steps, .rows = rows};
    size_t bytes;
    *request = (struct request){
        .work = {.type = &type, .lane = in, .rows = rows, .priority = WORK_NORMAL},
    };
    request->work.deadline = UINT64_MAX;
    compute_init(&request->compute, of, its, &binding);
    assert_true(compute_plan(&request->compute, 2, false, &bytes));
    request->block = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes);
    assert_non_null(request->block);
    compute_place(&request->compute, request->block);
    sem_init(&request->ended, 0, 0);
}

static void request_init(struct request *request, struct lane *in, size_t rows, size_t steps)
{
    request_init_of(request, model, &signature, in, rows, steps);
}

static void request_fini(struct request *request)
{
    free(request->block);
}

static void submit(struct request *request)
{
    if (!scheduler_accept(scheduler, &request->work, &fault))
        fail_msg("%s", fault.text);
    scheduler_begin(scheduler, &request->work);
}

static void expect_end(struct request *request, enum work_end how)
{
    wait_at(&request->ended);
    assert_int_equal(request->how, how);
    request_fini(request);
}

/* The thread sanitizer does not know sem_clockwait. */
static bool ends_within(struct request *request, uint64_t ns)
{
    const uint64_t until = clock_now() + ns;
    while (sem_trywait(&request->ended) != 0) {
        if (clock_now() >= until)
            return false;
        usleep(500);
    }
    return true;
}

/* Keeps a worker in its first slice until the gate is opened. */
struct gate {
    struct request request;
    sem_t entered, open;
};

static void gate_close_for(struct gate *gate, struct lane *in, enum work_class priority,
                           uint64_t expected)
{
    request_init(&gate->request, in, 1, 0);
    gate->request.work.priority = priority;
    gate->request.work.expected = expected;
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->open, 0, 0);
    gate->request.entered = &gate->entered;
    gate->request.open = &gate->open;
    submit(&gate->request);
    wait_at(&gate->entered);
}

static void gate_close_in(struct gate *gate, struct lane *in, enum work_class priority)
{
    gate_close_for(gate, in, priority, 0);
}

static void gate_close(struct gate *gate)
{
    gate_close_in(gate, &other_lane, WORK_NORMAL);
}

static void gate_open(struct gate *gate)
{
    sem_post(&gate->open);
    expect_end(&gate->request, WORK_ANSWERED);
}

static int make_model(void **state)
{
    (void)state;
    model = zero_model_create(1, 1);
    return model != NULL && signature_init(&signature, model, &(struct model_config){0}, &fault)
               ? 0
               : -1;
}

static int drop_model(void **state)
{
    (void)state;
    model_destroy(model);
    return 0;
}

static size_t processors; /* 0: as many as workers */

static void start_workers(size_t count, unsigned client_percent, size_t requests)
{
    const struct scheduler_config config = {.workers = count,
                                            .processors = processors,
                                            .queue_limit = requests,
                                            .queue_rows_limit = 100,
                                            .client_percent = client_percent};
    assert_true(scheduler_start(&scheduler, &config, &fault));
    assert_true(scheduler_reserve(scheduler, model, &fault));
}

static int start(void **state)
{
    (void)state;
    atomic_store(&ends, 0);
    lane_init(&lane, model, 0, &stats);
    lane_init(&other_lane, model, 0, &stats);
    lane_init(&slow_lane, model, DELAY, &stats);
    start_workers(1, 100, 30);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    lane_fini(&lane);
    lane_fini(&other_lane);
    lane_fini(&slow_lane);
    return 0;
}

static void a_request_goes_through_its_stages(void **state)
{
    struct request request;
    (void)state;
    request_init(&request, &lane, 70, 1000);
    submit(&request);
    wait_at(&request.ended);
    assert_int_equal(request.how, WORK_ANSWERED);
    const struct work_times *times = &request.work.times;
    assert_true(times->before > 0 && times->ticks > 0 && times->after > 0);
    assert_true(times->total >= times->before + times->ticks + times->after);
    request_fini(&request);
}

static void rows_and_requests_of_a_lane_are_bounded(void **state)
{
    struct gate gate;
    struct request large, more, few, tiny[31];
    (void)state;
    gate_close(&gate);
    request_init(&large, &lane, 5000, 1); /* alone it may */
    request_init(&more, &lane, 1, 1);
    submit(&large);
    assert_false(scheduler_accept(scheduler, &more.work, &fault));
    assert_int_equal(fault.status, 503);
    assert_string_equal(fault.text, "Exceeds maximum queue size");
    more.work.lane = &slow_lane; /* another model has its own bounds */
    submit(&more);
    gate_open(&gate);
    expect_end(&large, WORK_ANSWERED);
    expect_end(&more, WORK_ANSWERED);
    request_init(&few, &lane, 0, 1);
    gate_close(&gate);
    for (size_t i = 0; i < 31; i++)
        request_init(&tiny[i], &lane, 1, 1);
    for (size_t i = 0; i < 30; i++)
        submit(&tiny[i]);
    assert_false(scheduler_accept(scheduler, &few.work, &fault));
    assert_false(scheduler_accept(scheduler, &tiny[30].work, &fault));
    gate_open(&gate);
    for (size_t i = 0; i < 30; i++)
        expect_end(&tiny[i], WORK_ANSWERED);
    submit(&few);
    expect_end(&few, WORK_ANSWERED);
    request_fini(&tiny[30]);
}

static void a_client_leaves_room_for_another(void **state)
{
    struct gate gate;
    struct request first[3], fourth, other;
    (void)state;
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    start_workers(1, 75, 4);
    gate_close(&gate);
    for (size_t i = 0; i < 3; i++) {
        request_init(&first[i], &lane, 1, 1);
        first[i].work.client = 1;
        assert_true(scheduler_has_room(scheduler, &lane, 1, &fault));
        submit(&first[i]);
    }
    request_init(&fourth, &lane, 1, 1);
    fourth.work.client = 1;
    assert_false(scheduler_has_room(scheduler, &lane, 1, &fault));
    assert_false(scheduler_accept(scheduler, &fourth.work, &fault));
    assert_int_equal(fault.status, 503);
    assert_string_equal(fault.text, "Exceeds maximum queue size: the rest is left to other clients "
                                    "(queue_client_percent)");
    request_init(&other, &lane, 1, 1);
    other.work.client = 2;
    assert_true(scheduler_has_room(scheduler, &lane, 2, &fault));
    submit(&other);
    gate_open(&gate);
    for (size_t i = 0; i < 3; i++)
        expect_end(&first[i], WORK_ANSWERED);
    expect_end(&other, WORK_ANSWERED);
    submit(&fourth);
    expect_end(&fourth, WORK_ANSWERED);
}

static void short_ones_overtake_a_long_one(void **state)
{
    enum { SHORT_ONES = 20 };
    struct request longest, brief[SHORT_ONES];
    struct gate gate;
    (void)state;
    gate_close(&gate);
    request_init(&longest, &lane, 32, 30000);
    submit(&longest);
    for (size_t i = 0; i < SHORT_ONES; i++) {
        request_init(&brief[i], i % 2 == 0 ? &lane : &other_lane, 1, 10);
        submit(&brief[i]);
    }
    gate_open(&gate);
    for (size_t i = 0; i < SHORT_ONES; i++)
        expect_end(&brief[i], WORK_ANSWERED);
    expect_end(&longest, WORK_ANSWERED);
    assert_int_equal(longest.order, SHORT_ONES + 2);
}

static void it_is_known_when_all_workers_are_at_long_ones(void **state)
{
    struct request brief;
    struct gate gate;
    (void)state;
    assert_false(scheduler_is_at_length(scheduler));
    gate_close(&gate);
    assert_false(scheduler_is_at_length(scheduler));
    gate_open(&gate);
    gate_close_for(&gate, &lane, WORK_LOW, 5 * CLOCK_NS_PER_MS);
    assert_true(scheduler_is_at_length(scheduler));
    request_init(&brief, &lane, 1, 10);
    submit(&brief);
    assert_false(scheduler_is_at_length(scheduler));
    gate_open(&gate);
    expect_end(&brief, WORK_ANSWERED);
    assert_false(scheduler_is_at_length(scheduler));
}

static void a_long_one_of_another_model_does_not_wait_for_its_end(void **state)
{
    struct request longest, shorter;
    struct gate gate;
    (void)state;
    gate_close(&gate);
    request_init(&longest, &lane, 32, 60000);
    request_init(&shorter, &other_lane, 32, 6000);
    submit(&longest);
    submit(&shorter);
    gate_open(&gate);
    expect_end(&shorter, WORK_ANSWERED);
    expect_end(&longest, WORK_ANSWERED);
    assert_true(shorter.order < longest.order);
}

static uint64_t units_done(void)
{
    return scheduler_look(scheduler, clock_now()).units;
}

/* Units that a row takes which is computed in one patient tick; with `crowd`, that comes while
 * another is worked on. */
static uint64_t units_of_a_patient_tick(bool crowd)
{
    struct request request;
    struct gate gate;
    request_init(&request, &lane, 1, tick_rule_steps(&lane.rule, 1, TICK_PATIENT));
    if (crowd)
        gate_close(&gate);
    submit(&request);
    if (crowd)
        gate_open(&gate);
    const uint64_t before = units_done();
    expect_end(&request, WORK_ANSWERED);
    return units_done() - before;
}

/* A machine that is busy elsewhere may not come to it in time. */
static void ticks_are_short_when_others_came_lately(void **state)
{
    bool seen = false;
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(units_of_a_patient_tick(false) <= 3);
    for (int i = 0; i < 100 && !seen; i++)
        seen = units_of_a_patient_tick(true) > 3;
    assert_true(seen);
}

/* Each needs one turn only, and the time at the gate counts for the class that is last anyway: who
 * has had much time, on a machine that does something else meanwhile, lets others go first. */
static void the_higher_class_goes_first(void **state)
{
    struct request low, normal, high;
    struct gate gate;
    (void)state;
    gate_close_in(&gate, &other_lane, WORK_LOW);
    request_init(&low, &lane, 1, 0);
    request_init(&normal, &lane, 1, 0);
    request_init(&high, &lane, 1, 0);
    low.work.priority = WORK_LOW;
    high.work.priority = WORK_HIGH;
    submit(&low);
    submit(&normal);
    submit(&high);
    gate_open(&gate);
    expect_end(&low, WORK_ANSWERED);
    expect_end(&normal, WORK_ANSWERED);
    expect_end(&high, WORK_ANSWERED);
    assert_true(high.order < normal.order && normal.order < low.order);
}

static void what_is_late_is_dropped_before_it_begins(void **state)
{
    struct request request;
    (void)state;
    request_init(&request, &lane, 1, 1);
    request.work.deadline = clock_now();
    submit(&request);
    wait_at(&request.ended);
    assert_int_equal(request.how, WORK_LATE);
    assert_int_equal(request.work.times.before, 0);
    assert_false(scheduler_abandon(scheduler, &request.work));
    request_fini(&request);
}

static void what_gets_late_is_dropped_between_ticks(void **state)
{
    struct request request;
    (void)state;
    request_init(&request, &lane, 32, 1000000); /* seconds */
    request.work.deadline = clock_now() + 20 * CLOCK_NS_PER_MS;
    submit(&request);
    wait_at(&request.ended);
    assert_int_equal(request.how, WORK_LATE);
    assert_true(compute_strand_left(&request.compute.strands[0]) > 0);
    request_fini(&request);
}

static void given_up_work_ends_at_once_or_after_its_unit(void **state)
{
    struct request unbegun, waiting, running;
    struct gate gate;
    (void)state;
    gate_close(&gate);
    request_init(&unbegun, &lane, 1, 1);
    request_init(&waiting, &lane, 1, 1);
    assert_true(scheduler_accept(scheduler, &unbegun.work, &fault));
    submit(&waiting);
    assert_true(scheduler_abandon(scheduler, &unbegun.work));
    assert_true(scheduler_abandon(scheduler, &waiting.work));
    assert_int_equal(unbegun.order, 1);
    assert_int_equal(waiting.order, 2);
    assert_true(scheduler_abandon(scheduler, &gate.request.work));
    assert_int_equal(gate.request.order, 0);
    sem_post(&gate.open);
    expect_end(&gate.request, WORK_ABANDONED);
    expect_end(&unbegun, WORK_ABANDONED);
    expect_end(&waiting, WORK_ABANDONED);
    request_init(&running, &lane, 64, 1000000);
    submit(&running);
    assert_true(scheduler_abandon(scheduler, &running.work));
    assert_false(scheduler_abandon(scheduler, &running.work));
    expect_end(&running, WORK_ABANDONED);
}

static void a_lane_with_a_delay_waits_for_company(void **state)
{
    struct request alone, given_up, rows[2];
    (void)state;
    request_init(&alone, &slow_lane, 1, 1);
    submit(&alone);
    wait_at(&alone.ended);
    assert_true(alone.work.times.total >= DELAY);
    request_fini(&alone);
    request_init(&given_up, &slow_lane, 1, 1);
    submit(&given_up);
    assert_true(scheduler_abandon(scheduler, &given_up.work));
    expect_end(&given_up, WORK_ABANDONED);
    slow_lane.delay = 100 * CLOCK_NS_PER_S; /* no worker reads it now */
    for (size_t i = 0; i < 2; i++) {
        request_init(&rows[i], &slow_lane, TICK_ROWS / 2, 1);
        submit(&rows[i]);
    }
    expect_end(&rows[0], WORK_ANSWERED);
    expect_end(&rows[1], WORK_ANSWERED);
}

/* The sleeping worker is woken for other models' requests. */
static void nobody_else_waits_for_a_lane_with_a_delay(void **state)
{
    struct request held, other;
    (void)state;
    slow_lane.delay = 100 * CLOCK_NS_PER_S;
    request_init(&held, &slow_lane, 1, 1);
    submit(&held);
    for (int i = 0; i < 50; i++) {
        request_init(&other, &lane, 1, 1);
        submit(&other);
        expect_end(&other, WORK_ANSWERED);
    }
    assert_int_equal(held.order, 0);
    assert_true(scheduler_abandon(scheduler, &held.work));
    expect_end(&held, WORK_ABANDONED);
}

/* One worker sleeps until the first lane's time; what another worker holds back meanwhile is due
 * long before. */
static void bug_401_an_earlier_time_wakes_the_worker_that_sleeps_until_a_later_one(void **state)
{
    struct lane soon_lane;
    struct request held, soon;
    sem_t entered, open;
    (void)state;
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    start_workers(2, 100, 30);
    lane_init(&soon_lane, model, CLOCK_NS_PER_MS, &stats);
    slow_lane.delay = 100 * CLOCK_NS_PER_S;
    sem_init(&entered, 0, 0);
    sem_init(&open, 0, 0);
    request_init(&soon, &soon_lane, 1, 1);
    soon.entered = &entered;
    soon.open = &open;
    submit(&soon);
    wait_at(&entered);
    request_init(&held, &slow_lane, 1, 1);
    submit(&held);
    usleep(50000); /* the other worker holds it and sleeps; if it does not yet, nothing is shown */
    sem_post(&open);
    assert_true(ends_within(&soon, 30 * CLOCK_NS_PER_S));
    request_fini(&soon);
    assert_int_equal(held.order, 0);
    assert_true(scheduler_abandon(scheduler, &held.work));
    expect_end(&held, WORK_ABANDONED);
    lane_fini(&soon_lane);
}

/* The one that slept until then was called to other work, and no idle one took its place. */
static void bug_560_somebody_watches_the_time_of_what_is_held(void **state)
{
    struct request held;
    struct gate gate;
    (void)state;
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    start_workers(2, 100, 30);
    request_init(&held, &slow_lane, 1, 1);
    submit(&held);
    usleep(5000); /* it is held and a worker sleeps; if not yet, nothing is shown */
    gate_close(&gate);
    const bool in_time = ends_within(&held, 10 * CLOCK_NS_PER_S);
    gate_open(&gate);
    assert_true(in_time);
    request_fini(&held);
}

/* With so many workers, and a model that is worth a team, whose lane it is. */
static struct model *start_team(size_t workers, struct signature *its, struct lane *in)
{
    struct model *large = zero_model_create(ZERO_MODEL_SIZE_MAX, 1);
    assert_non_null(large);
    assert_true(signature_init(its, large, &(struct model_config){0}, &fault));
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    start_workers(workers, 100, 30);
    assert_true(scheduler_reserve(scheduler, large, &fault));
    lane_init(in, large, 0, &stats);
    return large;
}

/* Units that a row of it takes so many workers; `least` of them are waited for. */
static uint64_t units_of_a_large_tick(size_t workers, uint64_t least)
{
    struct signature its;
    struct lane in;
    struct request request;
    struct model *large = start_team(workers, &its, &in);
    request_init_of(&request, large, &its, &in, 1, 1);
    submit(&request);
    expect_end(&request, WORK_ANSWERED);
    const uint64_t until = clock_now() + 10 * CLOCK_NS_PER_S;
    uint64_t units;
    while ((units = units_done()) < least && clock_now() < until)
        usleep(500);
    lane_fini(&in);
    model_destroy(large);
    return units;
}

/* Also those that have just been called for something else. */
static void bug_573_all_who_have_nothing_to_do_help_with_a_large_tick(void **state)
{
    (void)state;
    const uint64_t alone = units_of_a_large_tick(1, 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(units_of_a_large_tick(3, alone + 2), alone + 2);
}

static void a_team_has_no_more_members_than_there_are_processors(void **state)
{
    (void)state;
    const uint64_t alone = units_of_a_large_tick(1, 0);
    processors = 1;
    assert_int_equal(units_of_a_large_tick(3, 0), alone);
    processors = 2;
    assert_int_equal(units_of_a_large_tick(3, alone + 1), alone + 1);
    assert_int_equal(scheduler_team_size(scheduler), 2);
    processors = 0;
}

/* A member of the team may still be on its way out of it. */
static void a_model_may_go_when_its_last_request_has_ended(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        units_of_a_large_tick(2, 0);
}

/* Units that so many steps of a row take, in one tick of its model. */
static uint64_t units_of_steps(const struct model *large, const struct signature *its,
                               struct lane *in, size_t steps, uint64_t least)
{
    struct request request;
    const uint64_t before = units_done();
    request_init_of(&request, large, its, in, 1, steps);
    submit(&request);
    expect_end(&request, WORK_ANSWERED);
    const uint64_t until = clock_now() + 10 * CLOCK_NS_PER_S;
    while (units_done() - before < least && clock_now() < until)
        usleep(500);
    return units_done() - before;
}

/* The machine is taken for so fast that a tick of 400 steps, some ten milliseconds of arithmetic,
 * is due after 0.4: as if a member had been kept from its processor. One that is busy elsewhere may
 * not come to the second one in time. */
static void who_waited_for_a_member_calls_none_for_a_while(void **state)
{
    enum { STEPS = 400, SLICES_AND_TICK = 3 };
    struct signature its;
    struct lane in;
    uint64_t second = 0;
    (void)state;
    struct model *large = start_team(2, &its, &in);
    in.rule.flops_per_ns = in.rule.step_flops / 1000;
    for (int i = 0; i < 10 && second != SLICES_AND_TICK; i++) {
        assert_int_equal(units_of_steps(large, &its, &in, STEPS, SLICES_AND_TICK + 1),
                         SLICES_AND_TICK + 1);
        second = units_of_steps(large, &its, &in, STEPS, 0);
        usleep(250000);
    }
    assert_int_equal(second, SLICES_AND_TICK);
    lane_fini(&in);
    model_destroy(large);
}

/* Is a row answered while a worker is at a slice of the same model? */
static bool is_answered_beside_a_slice(bool together)
{
    struct signature its;
    struct lane in;
    struct request request;
    struct gate gate;
    struct model *large = start_team(2, &its, &in);
    in.rule.from_memory = together;
    gate_close_in(&gate, &in, WORK_NORMAL);
    request_init_of(&request, large, &its, &in, 1, 1);
    submit(&request);
    const bool answered = ends_within(&request, together ? 20 * CLOCK_NS_PER_MS : DELAY * 200);
    gate_open(&gate);
    if (!answered)
        wait_at(&request.ended);
    assert_int_equal(request.how, WORK_ANSWERED);
    request_fini(&request);
    lane_fini(&in);
    model_destroy(large);
    return answered;
}

/* What the slice makes ready shares the one reading of the weights. */
static void weights_from_memory_are_read_when_all_rows_are_ready(void **state)
{
    (void)state;
    assert_true(is_answered_beside_a_slice(false));
    assert_false(is_answered_beside_a_slice(true));
}

/* The one that slept until then was called into a team, which had no need of the idle ones. */
static void bug_585_somebody_watches_the_time_of_what_is_held_while_a_team_computes(void **state)
{
    struct signature its;
    struct lane in;
    struct request held, longest;
    sem_t entered, open;
    (void)state;
    struct model *large = start_team(6, &its, &in);
    in.rule.least_steps = 6000; /* one long tick, by four of the workers */
    sem_init(&entered, 0, 0);
    sem_init(&open, 0, 0);
    request_init(&held, &slow_lane, 1, 1);
    request_init_of(&longest, large, &its, &in, 1, in.rule.least_steps);
    longest.entered = &entered;
    longest.open = &open;
    submit(&longest);
    wait_at(&entered);
    submit(&held);
    usleep(20000); /* it is held and a worker sleeps; if not yet, nothing is shown */
    sem_post(&open);
    expect_end(&held, WORK_ANSWERED);
    expect_end(&longest, WORK_ANSWERED);
    assert_true(held.work.times.total < longest.work.times.ticks / 2);
    lane_fini(&in);
    model_destroy(large);
}

/* A work of so many rounds, after each of which it pauses. */
struct pausing {
    struct work work;
    int rounds;
    sem_t paused, ended;
    enum work_end how;
};

static enum work_next pausing_slice(struct work *work)
{
    struct pausing *pausing = (struct pausing *)work;
    if (pausing->rounds-- == 0)
        return WORK_DONE;
    sem_post(&pausing->paused);
    return WORK_PAUSE;
}

static void pausing_end(struct work *work, enum work_end how)
{
    struct pausing *pausing = (struct pausing *)work;
    pausing->how = how;
    sem_post(&pausing->ended);
}

static const struct work_type pausing_type = {pausing_slice, pausing_end};

static void pausing_start(struct pausing *pausing, int rounds, uint64_t deadline)
{
    *pausing = (struct pausing){
        .work = {.type = &pausing_type, .lane = &lane, .rows = 1, .deadline = deadline},
        .rounds = rounds,
    };
    sem_init(&pausing->paused, 0, 0);
    sem_init(&pausing->ended, 0, 0);
    assert_true(scheduler_accept(scheduler, &pausing->work, &fault));
    scheduler_begin(scheduler, &pausing->work);
}

/* Resumed at once it may not have paused yet. */
static void what_pauses_goes_on_when_it_is_resumed(void **state)
{
    struct pausing pausing;
    (void)state;
    pausing_start(&pausing, 2000, UINT64_MAX);
    for (int i = 0; i < 2000; i++) {
        wait_at(&pausing.paused);
        for (volatile int spin = 0; spin < (i % 50) * 20; spin++)
            continue;
        scheduler_resume(scheduler, &pausing.work);
    }
    wait_at(&pausing.ended);
    assert_int_equal(pausing.how, WORK_ANSWERED);
}

static void wait_until_paused(struct pausing *pausing)
{
    struct request after;
    wait_at(&pausing->paused);
    request_init(&after, &lane, 1, 1);
    submit(&after);
    expect_end(&after, WORK_ANSWERED);
}

/* Its deadline is so far off that it begins before, however busy the machine. */
static void its_deadline_does_not_come_while_it_pauses(void **state)
{
    struct pausing pausing;
    (void)state;
    const uint64_t soon = clock_now() + CLOCK_NS_PER_S;
    pausing_start(&pausing, 1, soon);
    wait_until_paused(&pausing);
    while (clock_now() < soon + CLOCK_NS_PER_MS)
        usleep(1000);
    scheduler_resume(scheduler, &pausing.work);
    wait_at(&pausing.ended);
    assert_int_equal(pausing.how, WORK_ANSWERED);
    assert_true(pausing.work.deadline > soon);
    assert_true(pausing.work.times.after >= pausing.work.deadline - soon);
    assert_true(pausing.work.times.total >= pausing.work.times.after);
}

/* Nor is a worker that is at something long. */
static void bug_421_work_that_waits_for_a_client_is_not_stuck(void **state)
{
    struct scheduler_progress before, now;
    struct pausing pausing;
    struct gate gate;
    (void)state;
    pausing_start(&pausing, 1, UINT64_MAX);
    wait_until_paused(&pausing);
    before = scheduler_look(scheduler, clock_now());
    now = scheduler_look(scheduler, clock_now() + 3600 * CLOCK_NS_PER_S);
    assert_int_equal(before.units, now.units);
    assert_false(scheduler_is_stuck(&before, &now));
    scheduler_resume(scheduler, &pausing.work);
    wait_at(&pausing.ended);
    gate_close(&gate);
    before = scheduler_look(scheduler, clock_now());
    now = scheduler_look(scheduler, clock_now() + CLOCK_NS_PER_S);
    assert_int_equal(before.units, now.units);
    assert_false(scheduler_is_stuck(&before, &now));
    gate_open(&gate);
}

static void a_unit_without_end_and_work_that_nobody_takes_are_stuck(void **state)
{
    static const struct scheduler_progress waiting = {.units = 7, .waiting = true};
    static const struct scheduler_progress at_work = {.units = 7}, done = {8, true, false};
    struct scheduler_progress now;
    struct gate gate;
    (void)state;
    assert_true(scheduler_is_stuck(&waiting, &waiting));
    assert_false(scheduler_is_stuck(&at_work, &waiting));
    assert_false(scheduler_is_stuck(&waiting, &at_work));
    assert_false(scheduler_is_stuck(&waiting, &done));
    gate_close(&gate);
    now = scheduler_look(scheduler, clock_now() + 3600 * CLOCK_NS_PER_S);
    assert_true(scheduler_is_stuck(&now, &now));
    gate_open(&gate);
    now = scheduler_look(scheduler, clock_now());
    assert_false(now.overdue);
}

static void what_pauses_can_be_given_up(void **state)
{
    struct pausing pausing;
    (void)state;
    pausing_start(&pausing, 1, UINT64_MAX);
    wait_until_paused(&pausing);
    assert_true(scheduler_abandon(scheduler, &pausing.work));
    wait_at(&pausing.ended);
    assert_int_equal(pausing.how, WORK_ABANDONED);
    scheduler_resume(scheduler, &pausing.work); /* nothing comes of it */
    assert_false(scheduler_abandon(scheduler, &pausing.work));
}

static void stopping_waits_for_what_was_accepted_and_accepts_nothing(void **state)
{
    struct request late_comer;
    struct gate gate;
    (void)state;
    gate_close(&gate);
    assert_false(scheduler_stop(scheduler, clock_now() + CLOCK_NS_PER_MS));
    request_init(&late_comer, &lane, 1, 1);
    assert_false(scheduler_accept(scheduler, &late_comer.work, &fault));
    assert_int_equal(fault.status, 503);
    assert_string_equal(fault.text, "the server is shutting down");
    request_fini(&late_comer);
    gate_open(&gate);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_goes_through_its_stages),
        TEST(rows_and_requests_of_a_lane_are_bounded),
        TEST(a_client_leaves_room_for_another),
        TEST(it_is_known_when_all_workers_are_at_long_ones),
        TEST(short_ones_overtake_a_long_one),
        TEST(a_long_one_of_another_model_does_not_wait_for_its_end),
        TEST(ticks_are_short_when_others_came_lately),
        TEST(the_higher_class_goes_first),
        TEST(what_is_late_is_dropped_before_it_begins),
        TEST(what_gets_late_is_dropped_between_ticks),
        TEST(given_up_work_ends_at_once_or_after_its_unit),
        TEST(a_lane_with_a_delay_waits_for_company),
        TEST(nobody_else_waits_for_a_lane_with_a_delay),
        TEST(bug_573_all_who_have_nothing_to_do_help_with_a_large_tick),
        TEST(a_team_has_no_more_members_than_there_are_processors),
        TEST(who_waited_for_a_member_calls_none_for_a_while),
        TEST(a_model_may_go_when_its_last_request_has_ended),
        TEST(weights_from_memory_are_read_when_all_rows_are_ready),
        TEST(bug_560_somebody_watches_the_time_of_what_is_held),
        TEST(bug_401_an_earlier_time_wakes_the_worker_that_sleeps_until_a_later_one),
        TEST(bug_585_somebody_watches_the_time_of_what_is_held_while_a_team_computes),
        TEST(what_pauses_goes_on_when_it_is_resumed),
        TEST(its_deadline_does_not_come_while_it_pauses),
        TEST(what_pauses_can_be_given_up),
        TEST(bug_421_work_that_waits_for_a_client_is_not_stuck),
        TEST(a_unit_without_end_and_work_that_nobody_takes_are_stuck),
        TEST(stopping_waits_for_what_was_accepted_and_accepts_nothing),
    };
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
