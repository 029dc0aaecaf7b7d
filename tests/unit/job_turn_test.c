/* Requests of a sequence under the scheduler: they are begun in turn, whatever becomes of those
 * before them.
 *
 * The model halves c at every step. Sequences start from c_0 = 1, so that after n steps c is 2^-n.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/body.h"
#include "server/clock.h"
#include "server/job.h"
#include "tests/support/random.h"
#include "tests/support/zero_model.h"

enum { WORKERS = 3 };

static struct model_stats stats;
static struct lane lane;
static struct served_model served = {.references = 1, .name = "m"};
static struct budget budget;
static struct scheduler *scheduler;
static struct sequences *sequences;

static int make_model(void **state)
{
    (void)state;
    served.sequences =
        (struct sequence_owner){.model_name = served.name, .state_size = 2, .causal = true};
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
        .workers = WORKERS, .queue_limit = 1000, .queue_rows_limit = 1000};
    const struct sequences_config limits = {.count_limit = 10, .bytes_limit = 100000};
    struct fault fault;
    (void)state;
    budget_init(&budget, 64 << 20);
    return scheduler_start(&scheduler, &config, &fault) &&
                   scheduler_reserve(scheduler, served.model, &fault) &&
                   sequences_create(&sequences, &limits, &fault)
               ? 0
               : -1;
}

/* Whatever a test did: no ticket is held, and all memory is back. */
static int stop(void **state)
{
    (void)state;
    assert_true(scheduler_stop(scheduler, clock_now() + 60 * CLOCK_NS_PER_S));
    sequences_destroy(sequences);
    assert_int_equal(atomic_load(&budget.used), 0);
    return 0;
}

/* ---- requests ---- */

#define INPUTS                                                                                     \
    "\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[1]}"
#define STATES                                                                                     \
    ",{\"name\":\"h_0\",\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[0]},"                    \
    "{\"name\":\"c_0\",\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[1]}"

struct request {
    struct job *job;
    sem_t done;
    struct fault fault; /* job NULL */
};

static void say_done(void *context)
{
    struct request *request = context;
    sem_post(&request->done);
}

/* One step of that sequence; parameters: further ones. */
static bool create_until(struct request *request, size_t id, const char *parameters,
                         uint64_t deadline)
{
    const struct job_terms terms = {
        .codec = &infer_codec, .arrived = clock_now(), .deadline = deadline};
    const bool starts = strstr(parameters, "start") != NULL;
    char text[512];
    const int size = snprintf(text, sizeof text,
                              "{\"parameters\":{\"sequence_id\":%zu%s}," INPUTS "%s],"
                              "\"outputs\":[{\"name\":\"c_n\"}]}",
                              id, parameters, starts ? STATES : "");
    struct body body;
    struct payload payload;
    body_init(&body, &budget, 1000, 0);
    request->fault = (struct fault){0};
    sem_init(&request->done, 0, 0);
    if (!body_append(&body, text, (size_t)size, &request->fault))
        return false;
    body_move(&body, body.size, &payload);
    request->job =
        job_create(&served, &payload, &budget, scheduler, sequences, &terms, &request->fault);
    return request->job != NULL;
}

static bool create(struct request *request, size_t id, const char *parameters)
{
    return create_until(request, id, parameters, UINT64_MAX);
}

static void submit(struct request *request)
{
    struct fault fault;
    assert_true(job_submit(request->job, say_done, request, &fault));
}

static bool is_done(struct request *request)
{
    int value;
    sem_getvalue(&request->done, &value);
    return value > 0;
}

static struct reply wait_reply(struct request *request)
{
    struct reply reply;
    while (sem_wait(&request->done) != 0)
        continue;
    job_take_reply(request->job, &reply);
    job_destroy(request->job);
    return reply;
}

/* Steps of the sequence as the answer says, once by their number and once by the state. */
static size_t steps_in(const struct reply *reply)
{
    char *text = strndup(reply->body, reply->size);
    const char *steps = strstr(text, "\"steps\":"), *data = strstr(text, "\"data\":[");
    assert_non_null(steps);
    assert_non_null(data);
    const size_t count = strtoul(steps + 8, NULL, 10);
    assert_true(strtof(data + 8, NULL) == ldexpf(1, -(int)count));
    free(text);
    return count;
}

static void expect_steps(struct request *request, size_t steps)
{
    struct reply reply = wait_reply(request);
    assert_int_equal(reply.status, 200);
    assert_int_equal(steps_in(&reply), steps);
    reply_fini(&reply);
}

static void expect_status(struct request *request, int status)
{
    struct reply reply = wait_reply(request);
    assert_int_equal(reply.status, status);
    reply_fini(&reply);
}

#define START ",\"sequence_start\":true"
#define END   ",\"sequence_end\":true"

/* ---- one after the other ---- */

static void what_is_submitted_before_its_turn_waits_for_it(void **state)
{
    struct request requests[3];
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_true(create(&requests[i], 7, i == 0 ? START : ""));
    assert_true(job_is_light(requests[0].job));
    assert_false(job_is_light(requests[1].job)); /* it cannot be run at once */
    submit(&requests[2]);
    submit(&requests[1]);
    assert_false(is_done(&requests[1]));
    assert_false(is_done(&requests[2]));
    submit(&requests[0]);
    for (size_t i = 0; i < 3; i++)
        expect_steps(&requests[i], i + 1);
}

static void a_turn_may_come_before_the_request_is_submitted(void **state)
{
    struct request first, second;
    (void)state;
    assert_true(create(&first, 7, START));
    assert_true(create(&second, 7, ""));
    job_run(first.job); /* on the spot: its turn was there */
    sem_post(&first.done);
    expect_steps(&first, 1);
    submit(&second);
    expect_steps(&second, 2);
}

static void a_request_that_is_not_submitted_gives_its_turn_up(void **state)
{
    struct request requests[4];
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_true(create(&requests[i], 7, i == 0 ? START : ""));
    submit(&requests[3]);
    job_destroy(requests[1].job); /* it waits */
    submit(&requests[0]);
    expect_steps(&requests[0], 1);
    job_destroy(requests[2].job); /* its turn has come */
    expect_steps(&requests[3], 2);
}

static void one_that_waits_can_be_abandoned(void **state)
{
    struct request requests[3];
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_true(create(&requests[i], 7, i == 0 ? START : ""));
    submit(&requests[1]);
    submit(&requests[2]);
    assert_true(job_abandon(requests[1].job));
    submit(&requests[0]);
    expect_steps(&requests[0], 1);
    expect_steps(&requests[2], 2);
}

static void behind_a_start_that_was_given_up_nothing_goes_on(void **state)
{
    struct request first, second, third;
    (void)state;
    assert_true(create(&first, 7, START));
    assert_true(create(&second, 7, ""));
    assert_true(create(&third, 7, START));
    submit(&second);
    submit(&third);
    job_destroy(first.job);
    expect_status(&second, 404);
    expect_steps(&third, 1);
}

static void behind_an_end_nothing_goes_on(void **state)
{
    struct request first, second, third;
    (void)state;
    assert_true(create(&first, 7, START));
    assert_true(create(&second, 7, END));
    assert_true(create(&third, 7, ""));
    submit(&third);
    submit(&second);
    submit(&first);
    expect_steps(&first, 1);
    expect_steps(&second, 2);
    expect_status(&third, 404);
    assert_false(create(&first, 7, ""));
    assert_int_equal(first.fault.status, 404);
}

static void one_that_is_late_changes_nothing(void **state)
{
    struct request first, late, last;
    (void)state;
    assert_true(create(&first, 7, START));
    assert_true(create_until(&late, 7, "", 1));
    assert_true(create(&last, 7, ""));
    submit(&last);
    submit(&late);
    submit(&first);
    expect_steps(&first, 1);
    expect_status(&late, 504);
    expect_steps(&last, 2);
}

/* ---- all at once ---- */

enum { THREADS = 4, IDS = 3, ROUNDS = 2000 };

struct actor {
    pthread_t thread;
    struct random random;
    size_t answered[IDS + 1];
};

/* The request is run on the spot, submitted, abandoned or destroyed; true: it was answered. */
static bool act(struct random *random, struct request *request)
{
    const size_t choice = random_size(random, 0, 9);
    if (choice == 0) {
        job_destroy(request->job);
        return false;
    }
    if (choice < 4 && job_is_light(request->job)) {
        job_run(request->job);
        sem_post(&request->done);
    } else {
        submit(request);
        if (choice > 7 && job_abandon(request->job))
            return false;
    }
    struct reply reply = wait_reply(request);
    assert_int_equal(reply.status, 200);
    assert_true(steps_in(&reply) >= 1);
    reply_fini(&reply);
    return true;
}

static void *act_at_random(void *argument)
{
    struct actor *actor = argument;
    for (size_t i = 0; i < ROUNDS; i++) {
        const size_t id = random_size(&actor->random, 1, IDS);
        struct request request;
        assert_true(create(&request, id, ""));
        actor->answered[id] += act(&actor->random, &request);
        sem_destroy(&request.done);
    }
    return NULL;
}

static bool take_steps(void *context, const struct sequence_view *view)
{
    size_t *steps = context;
    assert_int_equal(view->requests, 0);
    steps[view->id.number] = (size_t)view->steps;
    return true;
}

/* Of each sequence as many steps were done as were answered. */
static void what_is_answered_is_what_was_done(void **state)
{
    const struct sequence_id none = sequence_id_of_number(0);
    struct actor actors[THREADS] = {0};
    size_t steps[IDS + 1] = {0};
    (void)state;
    for (size_t id = 1; id <= IDS; id++) {
        struct request request;
        assert_true(create(&request, id, START));
        submit(&request);
        expect_steps(&request, 1);
    }
    for (size_t i = 0; i < THREADS; i++) {
        actors[i].random.state = i + 1;
        assert_int_equal(pthread_create(&actors[i].thread, NULL, act_at_random, &actors[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(actors[i].thread, NULL);
    /* One that was abandoned while it ran may hold its ticket a little longer. */
    assert_true(scheduler_stop(scheduler, clock_now() + 60 * CLOCK_NS_PER_S));
    sequences_each(sequences, "m", &none, take_steps, steps);
    for (size_t id = 1; id <= IDS; id++) {
        size_t answered = 1;
        for (size_t i = 0; i < THREADS; i++)
            answered += actors[i].answered[id];
        assert_int_equal(steps[id], answered);
    }
    sequences_destroy(sequences);
    assert_int_equal(atomic_load(&budget.used), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_submitted_before_its_turn_waits_for_it),
        TEST(a_turn_may_come_before_the_request_is_submitted),
        TEST(a_request_that_is_not_submitted_gives_its_turn_up),
        TEST(one_that_waits_can_be_abandoned),
        TEST(behind_a_start_that_was_given_up_nothing_goes_on),
        TEST(behind_an_end_nothing_goes_on),
        TEST(one_that_is_late_changes_nothing),
        cmocka_unit_test_setup(what_is_answered_is_what_was_done, start),
    };
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
