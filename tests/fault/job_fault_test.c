/* A request while memory runs out: the first allocation fails, then the second, and so on. Either
 * the request is refused and nothing is held, or it was accepted and then needs nothing more: it is
 * answered even when every allocation fails from there on. And a scheduler that cannot have all its
 * memory and threads starts with none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <semaphore.h>
#include <string.h>

#include "server/body.h"
#include "server/clock.h"
#include "server/job.h"
#include "server/sequence_evictor.h"
#include "tests/fault/failing_calls.h"
#include "tests/support/zero_model.h"

enum { WORKERS = 3, RUNS_MAX = 100 };

static struct model_stats stats;
static struct lane lane;
static struct served_model served = {.references = 1, .name = "m"};
static struct budget budget;
static struct scheduler *scheduler;
static struct sequences *sequences;
static sem_t done_count;

static const struct scheduler_config config = {
    .workers = WORKERS, .queue_limit = 10, .queue_rows_limit = 100};

#define REQUEST                                                                                    \
    "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[2,1,1],"                    \
    "\"data\":[1,2]}],\"outputs\":[{\"name\":\"h_n\"}]}"
#define ANSWER                                                                                     \
    "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"h_n\","                \
    "\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[0.0]}]}"

static int make_model(void **state)
{
    (void)state;
    budget_init(&budget, 1 << 20);
    sem_init(&done_count, 0, 0);
    return zero_model_serve(&served, &lane, &stats) ? 0 : -1;
}

static int drop_model(void **state)
{
    (void)state;
    zero_model_drop(&served);
    return 0;
}

static bool start(struct fault *fault)
{
    if (!scheduler_start(&scheduler, &config, fault))
        return false;
    if (scheduler_reserve(scheduler, served.model, fault))
        return true;
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    return false;
}

static void stop(void)
{
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
}

static struct job *create_as(bool in_parts, const char *text, struct fault *fault)
{
    const struct job_terms terms = {.codec = &infer_codec,
                                    .arrived = clock_now(),
                                    .deadline = UINT64_MAX,
                                    .in_parts = in_parts};
    struct body body;
    struct payload payload;
    body_init(&body, &budget, 1000, 0);
    if (!body_append(&body, text, strlen(text), fault))
        return NULL;
    body_move(&body, body.size, &payload);
    return job_create(&served, &payload, &budget, scheduler, sequences, &terms, fault);
}

static struct job *create_from(const char *text, struct fault *fault)
{
    return create_as(false, text, fault);
}

static void done(void *context)
{
    (void)context;
    sem_post(&done_count);
}

static void expect_answer(struct job *job)
{
    struct reply reply;
    job_take_reply(job, &reply);
    job_destroy(job);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.size, strlen(ANSWER));
    assert_memory_equal(reply.body, ANSWER, reply.size);
    reply_fini(&reply);
}

static void submit(struct job *job)
{
    struct fault fault;
    assert_true(job_submit(job, done, NULL, &fault));
    while (sem_wait(&done_count) != 0)
        continue;
}

/* run: by a worker, or here. */
static void fail_each_allocation(bool in_parts, const char *text, void (*run)(struct job *job),
                                 void (*expect)(struct job *job))
{
    struct fault fault;
    struct job *job = NULL;
    assert_true(start(&fault));
    long failing = 0;
    for (; job == NULL; failing++) {
        assert_true(failing < RUNS_MAX);
        fail_memory_after(failing);
        job = create_as(in_parts, text, &fault);
        if (job == NULL) {
            assert_true(fail_memory_no_more());
            assert_int_equal(fault.status, 503);
            assert_int_equal(live_blocks(), 0);
            assert_int_equal(atomic_load(&budget.used), 0);
        }
    }
    run(job);
    fail_memory_no_more();
    expect(job);
    assert_int_equal(live_blocks(), 0);
    assert_int_equal(atomic_load(&budget.used), 0);
    assert_true(failing > 3);
    stop();
}

static void what_is_accepted_needs_no_more_memory(void **state)
{
    (void)state;
    fail_each_allocation(false, REQUEST, submit, expect_answer);
}

static void neither_does_what_is_run_on_the_spot(void **state)
{
    (void)state;
    fail_each_allocation(false, REQUEST, job_run, expect_answer);
}

#define STEP_BY_STEP                                                                               \
    "{\"parameters\":{\"stream_steps\":1},\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","  \
    "\"shape\":[9,1,1],\"data\":[1,2,3,4,5,6,7,8,9]}]}"

/* All parts but the last one. */
static void take_parts(struct job *job)
{
    struct job_part part;
    submit(job);
    for (size_t parts = 0; parts < 8;) {
        const enum job_part_taken taken = job_take_part(job, &part);
        assert_int_not_equal(taken, JOB_LAST_PART);
        parts += taken == JOB_PART;
        if (taken == JOB_PART)
            continue;
        job_wait(job);
        while (sem_wait(&done_count) != 0)
            continue;
    }
}

static void expect_last_part(struct job *job)
{
    struct job_part part;
    enum job_part_taken taken;
    while ((taken = job_take_part(job, &part)) == JOB_NO_PART) {
        job_wait(job);
        while (sem_wait(&done_count) != 0)
            continue;
    }
    assert_int_equal(taken, JOB_LAST_PART);
    assert_int_equal(part.status, 200);
    job_destroy(job);
}

static void neither_do_any_number_of_parts(void **state)
{
    (void)state;
    fail_each_allocation(true, STEP_BY_STEP, take_parts, expect_last_part);
}

/* ---- of a sequence ---- */

#define STEP(parameters)                                                                           \
    "{\"parameters\":{\"sequence_id\":7" parameters "},\"inputs\":[{\"name\":\"input\","           \
    "\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[1]}]}"

static size_t alive(void)
{
    struct sequences_counts counts;
    sequences_count(sequences, &counts);
    return counts.alive;
}

/* Returns how many allocations failed one after the other until it was accepted, and answered while
 * there was no memory at all. */
static long ask_while_memory_fails(const char *text, size_t alive_before)
{
    struct fault fault;
    struct reply reply;
    struct job *job = NULL;
    long failing = 0;
    for (; job == NULL; failing++) {
        assert_true(failing < RUNS_MAX);
        fail_memory_after(failing);
        job = create_from(text, &fault);
        if (job == NULL) {
            assert_true(fail_memory_no_more());
            assert_int_equal(fault.status, 503);
            assert_int_equal(live_blocks(), 0);
            assert_int_equal(alive(), alive_before);
        }
    }
    submit(job);
    fail_memory_no_more();
    job_take_reply(job, &reply);
    job_destroy(job);
    assert_int_equal(reply.status, 200);
    reply_fini(&reply);
    return failing;
}

static void a_sequence_that_was_begun_goes_on_whatever_memory_there_is(void **state)
{
    const struct sequences_config limits = {.count_limit = 10, .bytes_limit = 100000};
    struct fault fault;
    (void)state;
    served.sequences =
        (struct sequence_owner){.model_name = served.name, .state_size = 2, .causal = true};
    assert_true(start(&fault));
    assert_true(sequences_create(&sequences, &limits, &fault));
    const long starting = ask_while_memory_fails(STEP(",\"sequence_start\":true"), 0);
    assert_int_equal(alive(), 1);
    const long going_on = ask_while_memory_fails(STEP(""), 1);
    assert_int_equal(starting, going_on + 2); /* itself and its state */
    ask_while_memory_fails(STEP(",\"sequence_start\":true"), 1);
    ask_while_memory_fails(STEP(",\"sequence_end\":true"), 1);
    assert_int_equal(alive(), 0);
    assert_int_equal(atomic_load(&budget.used), 0);
    stop();
    sequences_destroy(sequences);
    sequences = NULL;
}

static void a_table_of_sequences_is_there_whole_or_not_at_all(void **state)
{
    const struct sequences_config limits = {.count_limit = 10, .bytes_limit = 100000};
    struct fault fault = {0};
    (void)state;
    for (long failing = 0; failing < 2; failing++) {
        fail_memory_after(failing);
        assert_false(sequences_create(&sequences, &limits, &fault));
        assert_true(fail_memory_no_more());
        assert_int_equal(fault.status, 503);
        assert_int_equal(live_blocks(), 0);
    }
    fail_memory_after(2);
    assert_true(sequences_create(&sequences, &limits, &fault));
    sequences_destroy(sequences);
    assert_int_equal(live_blocks(), 0);
    fail_memory_no_more();
    sequences = NULL;
}

/* ---- the scheduler ---- */

static void a_scheduler_starts_with_all_its_memory_or_not_at_all(void **state)
{
    (void)state;
    long failing = 0;
    for (bool started = false; !started; failing++) {
        struct fault fault = {0};
        assert_true(failing < RUNS_MAX);
        fail_memory_after(failing);
        started = start(&fault);
        const bool refused = fail_memory_no_more();
        assert_true(started != refused);
        if (started)
            stop();
        else
            assert_int_equal(fault.status, 503);
        assert_int_equal(live_blocks(), 0);
    }
    assert_true(failing > WORKERS + 2); /* each worker's scratch, too */
}

static void a_scheduler_starts_with_all_its_threads_or_not_at_all(void **state)
{
    (void)state;
    for (long failing = 0; failing < WORKERS; failing++) {
        struct fault fault = {0};
        fail_memory_after(RUNS_MAX);
        fail_threads_after(failing);
        assert_false(start(&fault));
        fail_threads_after(-1);
        fail_memory_no_more();
        assert_int_equal(fault.status, 503);
        assert_int_equal(live_blocks(), 0);
    }
    struct fault fault;
    assert_true(start(&fault));
    stop();
}

static void a_table_whose_thread_cannot_start_says_so(void **state)
{
    const struct sequences_config limits = {.count_limit = 10, .bytes_limit = 100000};
    struct sequence_evictor evictor;
    struct fault fault = {0};
    (void)state;
    assert_true(sequences_create(&sequences, &limits, &fault));
    fail_threads_after(0);
    assert_false(sequence_evictor_start(&evictor, sequences, &fault));
    fail_threads_after(-1);
    assert_int_equal(fault.status, 503);
    assert_true(sequence_evictor_start(&evictor, sequences, &fault));
    sequence_evictor_stop(&evictor);
    sequences_destroy(sequences);
    sequences = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted_needs_no_more_memory),
        cmocka_unit_test(neither_does_what_is_run_on_the_spot),
        cmocka_unit_test(neither_do_any_number_of_parts),
        cmocka_unit_test(a_sequence_that_was_begun_goes_on_whatever_memory_there_is),
        cmocka_unit_test(a_table_of_sequences_is_there_whole_or_not_at_all),
        cmocka_unit_test(a_scheduler_starts_with_all_its_memory_or_not_at_all),
        cmocka_unit_test(a_scheduler_starts_with_all_its_threads_or_not_at_all),
        cmocka_unit_test(a_table_whose_thread_cannot_start_says_so),
    };
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
