#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/job.h"

/* One LSTM of one unit over one input, all weights zero: it answers zeros, and a state c comes out
 * halved at every step. */
static const float zeros[4];
static const struct lstm_weights weights = {.weight_ih = zeros, .weight_hh = zeros};

static struct served_model served = {.name = "m"};
static struct budget budget;
static struct pool *pool;
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

/* Keeps the one worker busy until opened. */
struct gate {
    struct pool_task task;
    sem_t entered, open;
};

static struct gate gate;

static void gate_run(struct pool_task *task)
{
    (void)task;
    sem_post(&gate.entered);
    while (sem_wait(&gate.open) != 0)
        continue;
}

static void close_gate(void)
{
    gate.task = (struct pool_task){.run = gate_run};
    assert_true(pool_submit(pool, &gate.task));
    while (sem_wait(&gate.entered) != 0)
        continue;
}

static void open_gate(void)
{
    sem_post(&gate.open);
}

static int make_model(void **state)
{
    const struct layer_spec layer = {
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = 1, .hidden_size = 1, .num_layers = 1, .weights = &weights},
    };
    (void)state;
    served.model = model_create(&layer, 1, kernel_find("scalar"));
    return served.model != NULL && signature_init(&served.signature, served.model,
                                                  &(struct model_config){0}, &fault)
               ? 0
               : -1;
}

static int drop_model(void **state)
{
    (void)state;
    model_destroy(served.model);
    return 0;
}

static int start(void **state)
{
    (void)state;
    budget_init(&budget, 1 << 20);
    sem_init(&done_count, 0, 0);
    sem_init(&gate.entered, 0, 0);
    sem_init(&gate.open, 0, 0);
    return pool_start(&pool, 1, 2, &fault) ? 0 : -1;
}

/* Whatever a test did, all memory is back in the end. */
static int stop(void **state)
{
    (void)state;
    assert_true(pool_stop(pool, clock_now() + 10 * CLOCK_NS_PER_S));
    assert_int_equal(atomic_load(&budget.used), 0);
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

static struct job *create(const char *text)
{
    struct body body;
    body_init(&body, &budget, 1 << 20, 0);
    assert_true(body_append(&body, text, strlen(text), &fault));
    struct job *job = job_create(&served, &body, &budget, pool, &fault);
    body_fini(&body);
    return job;
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
    assert_null(create("{\"parameters\":{\"sequence_id\":1},\"inputs\":[" INPUT("[1,2]") "]}"));
    assert_int_equal(fault.status, 400);
    assert_string_equal(fault.text, "parameters: sequences kept by the server are not available in "
                                    "this build; send h_0 and c_0");
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
    close_gate();
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

static void a_waiting_job_can_be_withdrawn_and_abandoned(void **state)
{
    (void)state;
    close_gate();
    struct job *withdrawn = create_good(), *abandoned = create_good();
    assert_true(job_submit(withdrawn, done, NULL, &fault));
    assert_true(job_submit(abandoned, done, NULL, &fault));
    assert_true(job_withdraw(withdrawn));
    assert_true(job_abandon(abandoned));
    assert_int_equal(atomic_load(&budget.used), 0);
    open_gate();
    assert_int_not_equal(sem_trywait(&done_count), 0);
}

static void a_done_job_can_be_neither(void **state)
{
    (void)state;
    struct job *job = create_good();
    assert_true(job_submit(job, done, NULL, &fault));
    wait_done();
    assert_false(job_withdraw(job));
    assert_false(job_abandon(job));
    expect_reply(job, 200, ANSWER);
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
        while (pool_is_free(pool) == false)
            continue;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_submitted_job_is_answered_by_a_worker),
        TEST(a_light_job_can_be_run_on_the_spot),
        TEST(wrong_numbers_are_found_by_the_worker),
        TEST(what_is_wrong_before_the_numbers_is_found_at_once),
        TEST(more_than_the_budget_is_413_and_less_than_is_left_503),
        TEST(a_full_queue_is_503_and_the_job_stays_ours),
        TEST(a_waiting_job_can_be_withdrawn_and_abandoned),
        TEST(a_done_job_can_be_neither),
        TEST(abandoning_races_with_the_worker_and_one_of_them_wins),
    };
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
