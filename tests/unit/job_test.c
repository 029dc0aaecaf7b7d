#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <malloc.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/body.h"
#include "server/clock.h"
#include "server/job.h"
#include "server/job_state.h"
#include "tests/support/zero_model.h"

/* What an allocator may give beyond what was asked for. */
enum { MALLOC_ROUNDING = 64 };

static struct model_stats stats;
static struct lane lane;
static struct served_model served = {.references = 1, .name = "m"};
static struct budget budget;
static struct scheduler *scheduler;
static struct sequences *sequences;
static struct fault fault;
static sem_t done_count;

static void done(void *context)
{
    (void)context;
    sem_post(&done_count);
}

static void wait_done(void)
{
    while (sem_wait(&done_count) != 0)
        continue;
}

/* Work that keeps the one worker busy until it is opened. */
struct gate {
    struct work work;
    struct lane lane;
    sem_t entered, open, ended;
};

static struct gate gate;

static enum work_next gate_slice(struct work *work)
{
    (void)work;
    sem_post(&gate.entered);
    while (sem_wait(&gate.open) != 0)
        continue;
    return WORK_DONE;
}

static void gate_end(struct work *work, enum work_end how)
{
    (void)work;
    (void)how;
    sem_post(&gate.ended);
}

static const struct work_type gate_type = {gate_slice, gate_end};

/* expected: ns that it is thought to take. */
static void close_gate_for(uint64_t expected)
{
    lane_init(&gate.lane, served.model, 0, &stats);
    gate.work = (struct work){
        .type = &gate_type, .lane = &gate.lane, .expected = expected, .deadline = UINT64_MAX};
    assert_true(scheduler_accept(scheduler, &gate.work, &fault));
    scheduler_begin(scheduler, &gate.work);
    while (sem_wait(&gate.entered) != 0)
        continue;
}

static void close_gate(void)
{
    close_gate_for(0);
}

static void open_gate(void)
{
    sem_post(&gate.open);
}

static int make_model(void **state)
{
    (void)state;
    return zero_model_serve(&served, &lane, &stats) ? 0 : -1;
}

static int drop_model(void **state)
{
    (void)state;
    zero_model_drop(&served);
    return 0;
}

static int start(void **state)
{
    const struct scheduler_config config = {
        .workers = 1, .queue_limit = 2, .queue_rows_limit = 100};
    const struct sequences_config table = {4, 1 << 20, 0};
    (void)state;
    served.sequences = (struct sequence_owner){
        .model_name = "m", .state_size = model_state_size(served.model), .causal = true};
    budget_init(&budget, 1 << 20);
    model_stats_init(&stats);
    sem_init(&done_count, 0, 0);
    sem_init(&gate.entered, 0, 0);
    sem_init(&gate.open, 0, 0);
    sem_init(&gate.ended, 0, 0);
    return sequences_create(&sequences, &table, &fault) &&
                   scheduler_start(&scheduler, &config, &fault) &&
                   scheduler_reserve(scheduler, served.model, &fault)
               ? 0
               : -1;
}

/* Whatever a test did, all memory is back in the end. */
static int stop(void **state)
{
    (void)state;
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    assert_int_equal(atomic_load(&budget.used), 0);
    sequences_destroy(sequences);
    return 0;
}

#define INPUT(data) "{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[2,1,1],\"data\":" data "}"
#define STATE(name, data)                                                                          \
    "{\"name\":\"" name "\",\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":" data "}"
#define REQUEST                                                                                    \
    "{\"id\":\"7\",\"inputs\":[" INPUT("[1,2]") "," STATE("h_0", "[0]") "," STATE(                 \
        "c_0", "[4]") "],\"outputs\":[{\"name\":\"c_n\"}]}"
#define ANSWER                                                                                     \
    "{\"model_name\":\"m\",\"model_version\":\"1\",\"id\":\"7\",\"outputs\":[{\"name\":\"c_n\","   \
    "\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[1.0]}]}"

static struct job *create_on(const struct job_terms *terms, const char *text)
{
    struct body body;
    struct payload payload;
    body_init(&body, &budget, 1 << 20, 0);
    assert_true(body_append(&body, text, strlen(text), &fault));
    body_move(&body, body.size, &payload);
    return job_create(&served, &payload, &budget, scheduler, sequences, terms, &fault);
}

static struct job *create_until(uint64_t deadline, const char *text)
{
    const struct job_terms terms = {
        .codec = &infer_codec, .arrived = clock_now(), .deadline = deadline};
    return create_on(&terms, text);
}

static struct job *create(const char *text)
{
    return create_until(UINT64_MAX, text);
}

/* A worker may have yet to drop what was given up. */
static void wait_until_nothing_is_held(void)
{
    while (atomic_load(&budget.used) != 0)
        sched_yield();
}

static struct job *create_good(void)
{
    struct job *job = create(REQUEST);
    if (job == NULL)
        fail_msg("%s", fault.text);
    return job;
}

static void expect_reply(struct job *job, int status, const char *text)
{
    struct reply reply;
    job_take_reply(job, &reply);
    job_destroy(job);
    assert_int_equal(reply.status, status);
    assert_int_equal(reply.size, strlen(text));
    assert_memory_equal(reply.body, text, reply.size);
    assert_int_equal(reply.charge, atomic_load(&budget.used));
    reply_fini(&reply);
}

static void a_submitted_job_is_answered_by_a_worker(void **state)
{
    (void)state;
    struct job *job = create_good();
    assert_true(job_submit(job, done, NULL, &fault));
    wait_done();
    expect_reply(job, 200, ANSWER);
}

static void a_light_job_can_be_run_on_the_spot(void **state)
{
    (void)state;
    struct job *job = create_good();
    assert_true(job_is_light(job));
    job_run(job);
    expect_reply(job, 200, ANSWER);
}

/* 400 steps are no light work. */
static struct job *create_longer(bool alone)
{
    static const char head[] = "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","
                               "\"shape\":[400,1,1],\"data\":[0";
    static const char tail[] = "]}],\"outputs\":[{\"name\":\"c_n\"}]}";
    char text[sizeof head + 2 * 399 + sizeof tail];
    const struct job_terms terms = {
        .codec = &infer_codec, .arrived = clock_now(), .deadline = UINT64_MAX, .alone = alone};
    size_t size = sizeof head - 1;
    memcpy(text, head, size);
    for (size_t i = 1; i < 400; i++, size += 2)
        memcpy(text + size, ",0", 2);
    memcpy(text + size, tail, sizeof tail);
    struct job *job = create_on(&terms, text);
    if (job == NULL)
        fail_msg("%s", fault.text);
    return job;
}

static void it_is_known_beforehand_how_long_it_takes(void **state)
{
    (void)state;
    struct job *shorter = create_good(), *longer = create_longer(false);
    assert_int_equal(longer->work.expected, job_guess_ns(longer));
    assert_true(longer->work.expected > shorter->work.expected);
    job_destroy(shorter);
    job_destroy(longer);
}

static void expect_light(bool light)
{
    struct job *job = create_longer(false);
    assert_int_equal(job_is_light(job), light);
    job_destroy(job);
}

static void more_is_light_while_the_workers_are_at_long_requests(void **state)
{
    struct job *waiting[2];
    const double step_flops = lane.rule.step_flops;
    (void)state;
    close_gate_for(5 * CLOCK_NS_PER_MS);
    expect_light(true);
    lane.rule.step_flops = 1e8; /* of which these two are long ones, and fill the queue */
    for (size_t i = 0; i < 2; i++) {
        waiting[i] = create_good();
        assert_true(job_submit(waiting[i], done, NULL, &fault));
    }
    assert_false(job_has_room(&served, 100, scheduler, 0, &fault));
    lane.rule.step_flops = step_flops;
    expect_light(true);
    assert_true(job_has_room(&served, 64 << 10, scheduler, 0, &fault));
    assert_false(job_has_room(&served, (64 << 10) + 1, scheduler, 0, &fault));
    assert_int_equal(fault.status, 503);
    assert_true(job_abandon(waiting[1]));
    struct job *shorter = create_good();
    assert_true(job_submit(shorter, done, NULL, &fault));
    assert_false(job_has_room(&served, 64 << 10, scheduler, 0, &fault));
    assert_true(job_abandon(shorter));
    open_gate();
    wait_done();
    job_destroy(waiting[0]);
    expect_light(false);
}

static void what_comes_alone_is_light_while_nothing_else_is_to_be_computed(void **state)
{
    (void)state;
    struct job *job = create_longer(false);
    assert_false(job_is_light(job));
    job_destroy(job);
    job = create_longer(true);
    assert_true(job_is_light(job));
    job_run(job);
    struct reply reply;
    job_take_reply(job, &reply);
    assert_int_equal(reply.status, 200);
    reply_fini(&reply);
    job_destroy(job);

    close_gate();
    struct job *other = create_good();
    assert_true(job_submit(other, done, NULL, &fault));
    job = create_longer(true);
    assert_false(job_is_light(job));
    job_destroy(job);
    open_gate();
    wait_done();
    job_destroy(other);
}

/* An answer is packed where there is room for it as it was: more than is left of it. */
static void bug_462_a_packed_answer_is_charged_for_all_the_memory_it_holds(void **state)
{
    static const char text[] =
        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[4096,1,1],"
        "\"parameters\":{\"binary_data_size\":16384}}]}";
    const struct job_terms terms = {.codec = &infer_codec,
                                    .arrived = clock_now(),
                                    .deadline = UINT64_MAX,
                                    .coding = CODING_GZIP,
                                    .coding_from = 1};
    static const char zeros[16384];
    struct body body;
    struct payload payload;
    struct reply reply;
    (void)state;
    body_init(&body, &budget, 1 << 20, 0);
    assert_true(body_append(&body, text, sizeof text - 1, &fault));
    assert_true(body_append(&body, zeros, sizeof zeros, &fault));
    body_move(&body, sizeof text - 1, &payload);
    struct job *job = job_create(&served, &payload, &budget, scheduler, sequences, &terms, &fault);
    assert_true(job_submit(job, done, NULL, &fault));
    wait_done();
    job_take_reply(job, &reply);
    job_destroy(job);
    assert_int_equal(reply.coding, CODING_GZIP);
    assert_int_equal(reply.charge, atomic_load(&budget.used));
    assert_in_range(malloc_usable_size(reply.body), reply.size, reply.charge + MALLOC_ROUNDING);
    reply_fini(&reply);
}

static void expect_whole(size_t answers)
{
    struct histogram_counts queue, infer, request;
    histogram_read(&stats.queue, &queue);
    histogram_read(&stats.infer, &infer);
    histogram_read(&stats.request, &request);
    assert_int_equal(request.count, answers);
    assert_int_equal(queue.sum + atomic_load(&stats.compute_input) + infer.sum +
                         atomic_load(&stats.compute_output),
                     request.sum);
    assert_true(infer.sum > 0);
}

/* The wrong one takes no part, and spoils nothing. */
static void several_light_jobs_share_a_pass(void **state)
{
    (void)state;
    struct tick_batch batch;
    struct job *jobs[] = {create_good(), create("{\"inputs\":[" INPUT("[1,x]") "]}"), create_good(),
                          create_good()};
    tick_batch_init(&batch, TICK_ROWS);
    job_run_together(jobs, 4, &batch);
    tick_batch_fini(&batch);
    assert_int_equal(atomic_load(&stats.batches[2].passes), 1);
    assert_int_equal(atomic_load(&stats.pass_rows), 3);
    expect_whole(3);
    assert_int_equal(atomic_load(&stats.failures[FAILURE_INVALID]), 1);
    for (size_t i = 0; i < 4; i++) {
        struct reply reply;
        job_take_reply(jobs[i], &reply);
        job_destroy(jobs[i]);
        assert_int_equal(reply.status, i == 1 ? 400 : 200);
        if (i != 1)
            assert_memory_equal(reply.body, ANSWER, sizeof ANSWER - 1);
        reply_fini(&reply);
    }
}

static void of_several_the_late_one_is_504(void **state)
{
    (void)state;
    struct tick_batch batch;
    struct job *jobs[] = {create_until(1, REQUEST), create_good()};
    tick_batch_init(&batch, TICK_ROWS);
    job_run_together(jobs, 2, &batch);
    tick_batch_fini(&batch);
    struct reply late;
    job_take_reply(jobs[0], &late);
    job_destroy(jobs[0]);
    assert_int_equal(late.status, 504);
    reply_fini(&late);
    expect_reply(jobs[1], 200, ANSWER);
}

static void count_release(void *owner)
{
    ++*(size_t *)owner;
}

#define BINARY(name, shape, size)                                                                  \
    "{\"name\":\"" name "\",\"datatype\":\"FP32\",\"shape\":" shape                                \
    ",\"parameters\":{\"binary_data_size\":" size "}}"

/* As a wire of frames has it. */
static void the_bytes_may_stand_apart_and_are_released_once(void **state)
{
    (void)state;
    static const char json[] =
        "{\"id\":\"7\",\"inputs\":[" BINARY("input", "[2,1,1]", "8") "," BINARY(
            "c_0", "[1,1,1]", "4") "],\"outputs\":[{\"name\":\"c_n\"}]}";
    static const float input[] = {1, 2}, c_0[] = {4};
    const struct job_terms terms = {
        .codec = &infer_codec, .arrived = clock_now(), .deadline = UINT64_MAX};
    size_t released = 0;
    struct payload payload = {
        .bytes = {.head = {json, sizeof json - 1},
                  .tail_count = 2,
                  .tail = {{(const char *)input, sizeof input}, {(const char *)c_0, sizeof c_0}}},
        .release = count_release,
        .owner = &released,
    };
    struct job *job = job_create(&served, &payload, &budget, scheduler, sequences, &terms, &fault);
    assert_non_null(job);
    payload_release(&payload);
    assert_int_equal(released, 0);
    job_run(job);
    assert_int_equal(released, 1);
    expect_reply(job, 200, ANSWER);
    assert_int_equal(released, 1);
}

static void wrong_numbers_are_found_by_the_worker(void **state)
{
    (void)state;
    struct job *job = create("{\"inputs\":[" INPUT("[1,x]") "]}");
    assert_non_null(job);
    assert_true(job_submit(job, done, NULL, &fault));
    wait_done();
    struct reply reply;
    job_take_reply(job, &reply);
    job_destroy(job);
    assert_int_equal(reply.status, 400);
    reply_fini(&reply);
}

static void what_is_wrong_before_the_numbers_is_found_at_once(void **state)
{
    (void)state;
    assert_null(create("{\"inputs\":["));
    assert_int_equal(fault.status, 400);
    assert_null(create("{\"inputs\":[]}"));
    assert_int_equal(fault.status, 400);
}

static void more_than_the_budget_is_413_and_less_than_is_left_503(void **state)
{
    (void)state;
    budget_init(&budget, 32 << 10);
    assert_null(create("{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","
                       "\"shape\":[0,1000000000,1],\"data\":[]}]}"));
    assert_int_equal(fault.status, 413);
    budget_init(&budget, 128 << 10);
    assert_true(budget_take(&budget, 100 << 10, 0, &fault));
    assert_null(create(REQUEST));
    assert_int_equal(fault.status, 503);
    budget_give(&budget, 100 << 10);
}

static void a_full_queue_is_503_and_the_job_stays_ours(void **state)
{
    (void)state;
    struct job *jobs[3];
    close_gate(); /* of another model */
    for (size_t i = 0; i < 3; i++)
        jobs[i] = create_good();
    assert_true(job_submit(jobs[0], done, NULL, &fault));
    assert_true(job_submit(jobs[1], done, NULL, &fault));
    assert_false(job_submit(jobs[2], done, NULL, &fault));
    assert_int_equal(fault.status, 503);
    assert_string_equal(fault.text, "Exceeds maximum queue size");
    job_destroy(jobs[2]);
    open_gate();
    wait_done();
    wait_done();
    job_destroy(jobs[0]);
    job_destroy(jobs[1]);
}

/* So that nothing of it need be read. */
static void what_cannot_be_light_is_refused_by_its_size(void **state)
{
    (void)state;
    struct job *jobs[2];
    assert_true(job_has_room(&served, 1 << 20, scheduler, 0, &fault));
    close_gate();
    for (size_t i = 0; i < 2; i++) {
        jobs[i] = create_good();
        assert_true(job_submit(jobs[i], done, NULL, &fault));
    }
    assert_true(job_has_room(&served, 100, scheduler, 0, &fault));
    assert_false(job_has_room(&served, 1 << 20, scheduler, 0, &fault));
    assert_int_equal(fault.status, 503);
    const double step_flops = lane.rule.step_flops;
    lane.rule.step_flops = 1e8; /* a model of which no request is light */
    assert_false(job_has_room(&served, 100, scheduler, 0, &fault));
    assert_int_equal(fault.status, 503);
    assert_null(create("{\"inputs\":["));
    assert_int_equal(fault.status, 503);
    lane.rule.step_flops = step_flops;
    open_gate();
    for (size_t i = 0; i < 2; i++)
        wait_done();
    for (size_t i = 0; i < 2; i++)
        job_destroy(jobs[i]);
}

static void a_waiting_job_can_be_abandoned(void **state)
{
    (void)state;
    close_gate();
    struct job *abandoned = create_good();
    assert_true(job_submit(abandoned, done, NULL, &fault));
    assert_true(job_abandon(abandoned));
    assert_int_equal(atomic_load(&budget.used), 0);
    open_gate();
    assert_int_not_equal(sem_trywait(&done_count), 0);
}

#define LATE "{\"error\":\"Request timeout expired\"}"

static void what_comes_to_its_turn_too_late_is_504(void **state)
{
    (void)state;
    struct job *job = create_until(clock_now(), REQUEST);
    assert_true(job_submit(job, done, NULL, &fault));
    wait_done();
    expect_reply(job, 504, LATE);
    job = create_until(clock_now(), REQUEST);
    job_run(job);
    expect_reply(job, 504, LATE);
}

static void the_earlier_deadline_counts(void **state)
{
    (void)state;
    const uint64_t later = clock_now() + CLOCK_NS_PER_S;
    struct job *job =
        create_until(later, "{\"parameters\":{\"timeout\":1},\"inputs\":[" INPUT("[1,2]") "]}");
    assert_in_range(job_deadline(job), 1, later - CLOCK_NS_PER_MS);
    job_run(job);
    expect_reply(job, 504, LATE);
    job = create_until(
        later,
        "{\"parameters\":{\"timeout\":18446744073709551615},\"inputs\":[" INPUT("[1,2]") "]}");
    assert_int_equal(job_deadline(job), later);
    job_destroy(job);
    job = create_until(later, "{\"parameters\":{\"timeout\":0},\"inputs\":[" INPUT("[1,2]") "]}");
    assert_int_equal(job_deadline(job), later);
    job_destroy(job);
}

static void a_done_job_can_not(void **state)
{
    (void)state;
    struct job *job = create_good();
    assert_true(job_submit(job, done, NULL, &fault));
    wait_done();
    assert_false(job_abandon(job));
    expect_reply(job, 200, ANSWER);
}

/* ---- sequences ---- */

#define PIECE(parameters, data)                                                                    \
    "{\"parameters\":{" parameters                                                                 \
    "},\"inputs\":[" INPUT(data) "],\"outputs\":[{\"name\":\"c_n\"}]}"
#define BEGINNING                                                                                  \
    "{\"parameters\":{\"sequence_id\":5,\"sequence_start\":true},\"inputs\":[" INPUT(              \
        "[1,2]") "," STATE("c_0", "[64]") "],\"outputs\":[{\"name\":\"c_n\"}]}"
#define CONTINUED PIECE("\"sequence_id\":5", "[0,0]")

static struct job *create_piece(const char *text)
{
    struct job *job = create(text);
    if (job == NULL)
        fail_msg("%s", fault.text);
    return job;
}

/* c is halved at each of the two steps. */
static void expect_piece(struct job *job, const char *steps, const char *c_n)
{
    struct reply reply;
    char text[512];
    job_take_reply(job, &reply);
    job_destroy(job);
    assert_int_equal(reply.status, 200);
    snprintf(text, sizeof text, "%.*s", (int)reply.size, reply.body);
    if (strstr(text, steps) == NULL || strstr(text, c_n) == NULL)
        fail_msg("%s, not %s and %s", text, steps, c_n);
    reply_fini(&reply);
}

static void start_sequence(void)
{
    struct job *job = create_piece(BEGINNING);
    assert_true(job_is_light(job));
    job_run(job);
    expect_piece(job, "\"sequence_id\":5,\"steps\":2", "\"data\":[16.0]");
}

static void a_sequence_goes_on_where_it_was(void **state)
{
    (void)state;
    start_sequence();
    struct job *job = create_piece(CONTINUED);
    job_run(job);
    expect_piece(job, "\"steps\":4", "[4.0]");
    job = create_piece(CONTINUED);
    assert_true(job_submit(job, done, NULL, &fault));
    wait_done();
    expect_piece(job, "\"steps\":6", "[1.0]");
}

static void those_of_a_sequence_run_one_after_the_other(void **state)
{
    (void)state;
    start_sequence();
    struct job *first = create_piece(CONTINUED), *second = create_piece(CONTINUED);
    assert_true(job_is_light(first));
    assert_false(job_is_light(second));
    assert_true(job_submit(second, done, NULL, &fault));
    assert_int_not_equal(sem_trywait(&done_count), 0);
    job_run(first);
    wait_done();
    expect_piece(first, "\"steps\":4", "[4.0]");
    expect_piece(second, "\"steps\":6", "[1.0]");
}

static void what_is_given_up_leaves_the_sequence_as_it_was(void **state)
{
    (void)state;
    start_sequence();
    struct job *unsubmitted = create_piece(CONTINUED), *waiting = create_piece(CONTINUED);
    assert_true(job_submit(waiting, done, NULL, &fault));
    assert_true(job_abandon(waiting));
    job_destroy(unsubmitted);
    wait_until_nothing_is_held();
    struct job *first = create_piece(CONTINUED), *second = create_piece(CONTINUED);
    job_destroy(second); /* before its turn */
    job_run(first);
    expect_piece(first, "\"steps\":4", "[4.0]");
    wait_until_nothing_is_held();
    struct job *bad = create_piece(PIECE("\"sequence_id\":5", "[0,x]")), *good;
    good = create_piece(CONTINUED);
    assert_true(job_submit(good, done, NULL, &fault));
    job_run(bad);
    wait_done();
    struct reply reply;
    job_take_reply(bad, &reply);
    job_destroy(bad);
    assert_int_equal(reply.status, 400);
    reply_fini(&reply);
    expect_piece(good, "\"steps\":6", "[1.0]");
}

static void a_sequence_that_is_not_there_is_404_and_its_full_lane_503(void **state)
{
    (void)state;
    assert_null(create(CONTINUED));
    assert_int_equal(fault.status, 404);
    assert_null(create(PIECE("\"sequence_end\":true", "[0,0]")));
    assert_int_equal(fault.status, 400);
    start_sequence();
    assert_null(create("{\"parameters\":{\"sequence_id\":5},\"inputs\":[" INPUT("[1,2]") "," STATE(
        "c_0", "[64]") "]}"));
    assert_int_equal(fault.status, 400);
    struct job *first = create_piece(CONTINUED), *second = create_piece(CONTINUED);
    struct job *third = create_piece(CONTINUED);
    close_gate();
    assert_true(job_submit(first, done, NULL, &fault));
    assert_true(job_submit(second, done, NULL, &fault));
    assert_false(job_submit(third, done, NULL, &fault));
    assert_int_equal(fault.status, 503);
    assert_string_equal(fault.text, "Exceeds maximum queue size");
    job_destroy(third);
    open_gate();
    wait_done();
    wait_done();
    expect_piece(first, "\"steps\":4", "[4.0]");
    expect_piece(second, "\"steps\":6", "[1.0]");
}

static void a_sequence_without_an_id_is_given_one(void **state)
{
    struct reply reply;
    (void)state;
    struct job *job = create_piece(PIECE("\"sequence_start\":true,\"sequence_end\":true", "[1,2]"));
    job_run(job);
    job_take_reply(job, &reply);
    job_destroy(job);
    assert_int_equal(reply.status, 200);
    assert_non_null(memmem(reply.body, reply.size, "\"sequence_id\":", 14));
    reply_fini(&reply);
}

/* The waiter gives up while the turn comes: all of it ends in every case. */
static void giving_up_races_with_the_turn(void **state)
{
    (void)state;
    start_sequence();
    for (int i = 0; i < 2000; i++) {
        struct job *first = create_piece(CONTINUED), *second = create_piece(CONTINUED);
        assert_true(job_submit(second, done, NULL, &fault));
        assert_true(job_submit(first, done, NULL, &fault));
        for (volatile int spin = 0; spin < (i % 100) * 50; spin++)
            continue;
        const bool abandoned = job_abandon(second);
        wait_done();
        if (!abandoned) {
            wait_done();
            job_destroy(second);
        }
        job_destroy(first);
        wait_until_nothing_is_held();
    }
}

/* Whichever wins the race, the job ends once: by done, or without it. */
static void abandoning_races_with_the_worker_and_one_of_them_wins(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct job *job = create_good();
        assert_true(job_submit(job, done, NULL, &fault));
        for (volatile int spin = 0; spin < (i % 100) * 100; spin++)
            continue;
        if (job_abandon(job))
            continue;
        wait_done();
        expect_reply(job, 200, ANSWER);
    }
}

/* ---- in parts ---- */

/* Three steps, one a part; c is halved at each of them. */
#define IN_PARTS(parameters, data)                                                                 \
    "{\"id\":\"7\",\"parameters\":{\"stream_steps\":1" parameters                                  \
    "},\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[3,1,1],\"data\":" data     \
    "}],\"outputs\":[{\"name\":\"c_n\"},{\"name\":\"output\"}]}"
#define PART(parameters, outputs)                                                                  \
    "{\"model_name\":\"m\",\"model_version\":\"1\",\"id\":\"7\",\"parameters\":{" parameters       \
    "},\"outputs\":[" outputs "{\"name\":\"output\",\"datatype\":\"FP32\",\"shape\":[1,1,1],"      \
    "\"data\":[0.0]}]}"
#define C_N(data) "{\"name\":\"c_n\",\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":" data "},"

static struct job *submit_in_parts_until(uint64_t deadline, const char *text)
{
    const struct job_terms terms = {
        .codec = &infer_codec, .arrived = clock_now(), .deadline = deadline, .in_parts = true};
    struct job *job = create_on(&terms, text);
    if (job == NULL)
        fail_msg("%s", fault.text);
    assert_false(job_is_light(job));
    assert_int_equal(job->work.expected, 0); /* its first part is wanted soon */
    assert_true(job_submit(job, done, NULL, &fault));
    return job;
}

static struct job *submit_in_parts(const char *text)
{
    return submit_in_parts_until(UINT64_MAX, text);
}

/* Waits if need be. The job must have been woken. */
static enum job_part_taken take(struct job *job, struct job_part *part)
{
    enum job_part_taken taken;
    while ((taken = job_take_part(job, part)) == JOB_NO_PART) {
        job_wait(job);
        wait_done();
    }
    return taken;
}

static void expect_part(struct job *job, bool last, int status, const char *text)
{
    struct job_part part;
    assert_int_equal(take(job, &part), last ? JOB_LAST_PART : JOB_PART);
    assert_int_equal(part.status, status);
    if (part.size != strlen(text) || memcmp(part.body, text, part.size) != 0)
        fail_msg("%.*s, not %s", (int)part.size, part.body, text);
}

static void parts_come_step_by_step_and_the_states_with_the_last(void **state)
{
    (void)state;
    struct job *job = submit_in_parts(IN_PARTS("", "[1,2,3]"));
    wait_done();
    expect_part(job, false, 200, PART("\"first_step\":0,\"final\":false", ""));
    expect_part(job, false, 200, PART("\"first_step\":1,\"final\":false", ""));
    expect_part(job, true, 200, PART("\"first_step\":2,\"final\":true", C_N("[0.0]")));
    job_destroy(job);
}

static void without_the_output_there_is_one_part(void **state)
{
    (void)state;
    struct job *job = submit_in_parts(REQUEST);
    wait_done();
    expect_part(job, true, 200,
                "{\"model_name\":\"m\",\"model_version\":\"1\",\"id\":\"7\",\"parameters\":{"
                "\"first_step\":0,\"final\":true},\"outputs\":[{\"name\":\"c_n\",\"datatype\":"
                "\"FP32\",\"shape\":[1,1,1],\"data\":[1.0]}]}");
    job_destroy(job);
}

static size_t steps_done(void)
{
    return atomic_load(&stats.pass_steps);
}

/* What else the worker might do has had its turn. */
static void pass_through_the_gate(void)
{
    close_gate();
    open_gate();
    while (sem_wait(&gate.ended) != 0)
        continue;
}

/* Its time does not run meanwhile. */
static void two_parts_are_kept_and_the_job_waits_for_room(void **state)
{
    (void)state;
    const uint64_t soon = clock_now() + 300 * CLOCK_NS_PER_MS;
    struct job *job = submit_in_parts_until(soon, IN_PARTS("", "[1,2,3]"));
    wait_done();
    while (steps_done() < 2)
        sched_yield();
    pass_through_the_gate();
    while (clock_now() < soon)
        sched_yield();
    expect_part(job, false, 200, PART("\"first_step\":0,\"final\":false", ""));
    pass_through_the_gate();
    assert_int_equal(steps_done(), 2);
    expect_part(job, false, 200, PART("\"first_step\":1,\"final\":false", ""));
    expect_part(job, true, 200, PART("\"first_step\":2,\"final\":true", C_N("[0.0]")));
    assert_int_equal(steps_done(), 3);
    assert_true(job_deadline(job) > soon);
    job_destroy(job);
}

static void expect_words(struct job *job, bool last, const char *parameters, const char *data)
{
    struct job_part part;
    assert_int_equal(take(job, &part), last ? JOB_LAST_PART : JOB_PART);
    if (memmem(part.body, part.size, parameters, strlen(parameters)) == NULL ||
        memmem(part.body, part.size, data, strlen(data)) == NULL)
        fail_msg("%.*s, not %s and %s", (int)part.size, part.body, parameters, data);
}

#define OF_SEQUENCE(steps, first, final)                                                           \
    "\"sequence_id\":5,\"steps\":" steps ",\"first_step\":" first ",\"final\":" final

static void a_sequence_has_the_state_after_the_last_part(void **state)
{
    (void)state;
    start_sequence();
    for (int given_up = 1; given_up >= 0; given_up--) {
        struct job *job = submit_in_parts(IN_PARTS(",\"sequence_id\":5", "[1,2,3]"));
        wait_done();
        expect_words(job, false, OF_SEQUENCE("3", "0", "false"), "");
        struct job *next = create_piece(CONTINUED);
        assert_false(job_is_light(next));
        assert_true(job_submit(next, done, NULL, &fault));
        if (!given_up) {
            expect_words(job, false, OF_SEQUENCE("4", "1", "false"), "");
            expect_words(job, true, OF_SEQUENCE("5", "2", "true"), C_N("[2.0]"));
        }
        job_destroy(job);
        wait_done();
        if (given_up) {
            expect_piece(next, "\"steps\":4", "[4.0]");
            start_sequence();
        } else {
            expect_piece(next, "\"steps\":7", "[0.5]");
        }
    }
}

static void an_error_is_the_last_part(void **state)
{
    struct job_part part;
    struct reply reply;
    (void)state;
    struct job *job = submit_in_parts(IN_PARTS("", "[1,2,x]"));
    wait_done();
    assert_int_equal(take(job, &part), JOB_LAST_PART);
    assert_int_equal(part.status, 400);
    job_take_reply(job, &reply);
    assert_int_equal(reply.status, 400);
    reply_fini(&reply);
    job_destroy(job);
    job = submit_in_parts_until(clock_now(), IN_PARTS("", "[1,2,3]"));
    wait_done();
    expect_part(job, true, 504, LATE);
    job_destroy(job);
}

/* At every point at which one can: while it waits, and while it holds the job. */
static void parts_can_be_given_up_at_any_time(void **state)
{
    struct job_part part;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct job *job = submit_in_parts(IN_PARTS("", "[1,2,3]"));
        const int takes = i % 4;
        for (volatile int spin = 0; spin < (i / 4 % 50) * 100; spin++)
            continue;
        if (takes == 0 && job_abandon(job))
            continue;
        wait_done();
        for (int taken = 1; taken < takes; taken++)
            assert_int_not_equal(take(job, &part), JOB_NO_PART);
        job_destroy(job);
    }
    wait_until_nothing_is_held();
}

static uint64_t counted_ends(void)
{
    struct histogram_counts answered;
    histogram_read(&stats.request, &answered);
    uint64_t ends = answered.count;
    for (int reason = 0; reason < FAILURE_COUNT; reason++)
        ends += atomic_load(&stats.failures[reason]);
    return ends;
}

/* The deadline that the scheduler holds a job to is its waiter's too. Whoever of the two counts its
 * end, the other one does not. */
static void bug_461_what_ends_late_and_is_given_up_is_counted_once(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 2000; i++) {
        const uint64_t deadline = clock_now() + i % 100 * 1000;
        struct job *job = submit_in_parts_until(deadline, IN_PARTS("", "[1,2,3]"));
        while (clock_now() < deadline + i % 7 * 500)
            continue;
        if (job_abandon(job)) {
            model_stats_failure(&stats, FAILURE_TIMEOUT, 0);
        } else {
            wait_done();
            job_destroy(job);
        }
        wait_until_nothing_is_held();
        assert_int_equal(counted_ends(), i);
    }
}

/* Four durations are parts of the fifth. */
static void answers_and_failures_are_counted(void **state)
{
    (void)state;
    struct job *light = create_good(), *wrong = create("{\"inputs\":[" INPUT("[1,x]") "]}");
    assert_non_null(wrong);
    job_run(light);
    job_run(wrong);
    job_destroy(light);
    job_destroy(wrong);
    assert_int_equal(atomic_load(&stats.rows), 1);
    assert_int_equal(atomic_load(&stats.pass_steps), 2);
    assert_int_equal(atomic_load(&stats.failures[FAILURE_INVALID]), 1);
    expect_whole(1);

    struct job *handed_over = create_good();
    assert_true(job_submit(handed_over, done, NULL, &fault));
    wait_done();
    job_destroy(handed_over);
    assert_int_equal(atomic_load(&stats.rows), 2);
    assert_int_equal(atomic_load(&stats.pass_steps), 4);
    expect_whole(2);

    struct job *in_parts = submit_in_parts(IN_PARTS("", "[1,2,3]"));
    struct job_part part;
    wait_done();
    while (take(in_parts, &part) != JOB_LAST_PART)
        continue;
    job_destroy(in_parts);
    assert_int_equal(atomic_load(&stats.pass_steps), 7);
    expect_whole(3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_submitted_job_is_answered_by_a_worker),
        TEST(a_light_job_can_be_run_on_the_spot),
        TEST(bug_462_a_packed_answer_is_charged_for_all_the_memory_it_holds),
        TEST(it_is_known_beforehand_how_long_it_takes),
        TEST(more_is_light_while_the_workers_are_at_long_requests),
        TEST(what_comes_alone_is_light_while_nothing_else_is_to_be_computed),
        TEST(several_light_jobs_share_a_pass),
        TEST(of_several_the_late_one_is_504),
        TEST(the_bytes_may_stand_apart_and_are_released_once),
        TEST(wrong_numbers_are_found_by_the_worker),
        TEST(answers_and_failures_are_counted),
        TEST(what_is_wrong_before_the_numbers_is_found_at_once),
        TEST(more_than_the_budget_is_413_and_less_than_is_left_503),
        TEST(a_full_queue_is_503_and_the_job_stays_ours),
        TEST(what_cannot_be_light_is_refused_by_its_size),
        TEST(a_waiting_job_can_be_abandoned),
        TEST(what_comes_to_its_turn_too_late_is_504),
        TEST(the_earlier_deadline_counts),
        TEST(a_done_job_can_not),
        TEST(a_sequence_goes_on_where_it_was),
        TEST(those_of_a_sequence_run_one_after_the_other),
        TEST(what_is_given_up_leaves_the_sequence_as_it_was),
        TEST(a_sequence_that_is_not_there_is_404_and_its_full_lane_503),
        TEST(a_sequence_without_an_id_is_given_one),
        TEST(giving_up_races_with_the_turn),
        TEST(parts_come_step_by_step_and_the_states_with_the_last),
        TEST(without_the_output_there_is_one_part),
        TEST(two_parts_are_kept_and_the_job_waits_for_room),
        TEST(a_sequence_has_the_state_after_the_last_part),
        TEST(an_error_is_the_last_part),
        TEST(parts_can_be_given_up_at_any_time),
        TEST(bug_461_what_ends_late_and_is_given_up_is_counted_once),
        TEST(abandoning_races_with_the_worker_and_one_of_them_wins),
    };
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
