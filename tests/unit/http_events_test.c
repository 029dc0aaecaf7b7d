#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/body.h"
#include "server/clock.h"
#include "server/http_exchange.h"
#include "tests/support/zero_model.h"

static struct model_stats stats;
static struct lane lane;
static struct served_model served = {.references = 1, .name = "m"};
static struct budget budget;
static struct scheduler *scheduler;
static struct http http;
static struct exchange exchange;
static struct fault fault;
static int fds[2];
static sem_t done_count;

/* ---- an exchange without the library around it ---- */

static bool give_up(void *request, enum give_up_reason reason)
{
    (void)request;
    (void)reason;
    return false;
}

static void resume(void *request)
{
    (void)request;
}

static bool start_http(void)
{
    const struct connections_config config = {.limit = 1, .give_up = give_up, .resume = resume};
    pthread_mutex_init(&http.lock, NULL);
    http.config = (struct http_config){.reply_timeout = 60 * CLOCK_NS_PER_S, .min_rate = 1};
    if (!connections_start(&http.connections, &config, &fault) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        return false;
    exchange = (struct exchange){.http = &http, .served = &served, .accepted = clock_now()};
    exchange.slot = connections_add(http.connections, fds[0], UINT64_MAX);
    return exchange.slot != NULL;
}

static int start(void **state)
{
    const struct scheduler_config config = {
        .workers = 1, .queue_limit = 2, .queue_rows_limit = 100};
    (void)state;
    budget_init(&budget, 1 << 20);
    model_stats_init(&stats);
    sem_init(&done_count, 0, 0);
    return zero_model_serve(&served, &lane, &stats) &&
                   scheduler_start(&scheduler, &config, &fault) &&
                   scheduler_reserve(scheduler, served.model, &fault) && start_http()
               ? 0
               : -1;
}

/* Whatever a test did, all memory is back in the end. */
static int stop(void **state)
{
    (void)state;
    assert_null(exchange.job);
    reply_fini(&exchange.reply);
    connections_remove(http.connections, exchange.slot);
    connections_stop(http.connections);
    close(fds[0]);
    close(fds[1]);
    assert_true(scheduler_stop(scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    assert_int_equal(atomic_load(&budget.used), 0);
    zero_model_drop(&served);
    return 0;
}

static void done(void *context)
{
    (void)context;
    sem_post(&done_count);
}

/* Waits until there is an event to read. Two are made ahead at most, so more are to come. */
static void begin_stream(void)
{
    static const char request[] =
        "{\"parameters\":{\"stream_steps\":1},\"outputs\":[{\"name\":\"output\"}],\"inputs\":[{"
        "\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[9,1,1],\"data\":[1,2,3,4,5,6,7,8,9]}"
        "]}";
    const struct job_terms terms = {
        .codec = &infer_codec, .arrived = clock_now(), .deadline = UINT64_MAX, .in_parts = true};
    struct body body;
    struct payload payload;
    body_init(&body, &budget, 1000, 0);
    assert_true(body_append(&body, request, strlen(request), &fault));
    body_move(&body, body.size, &payload);
    exchange.job = job_create(&served, &payload, &budget, scheduler, NULL, &terms, &fault);
    assert_non_null(exchange.job);
    assert_true(job_submit(exchange.job, done, NULL, &fault));
    while (sem_wait(&done_count) != 0)
        continue;
}

/* The worker is kept from going on. */
struct gate {
    struct work work;
    struct lane lane;
    sem_t entered, open, ended;
};

static enum work_next gate_slice(struct work *work)
{
    struct gate *gate = (struct gate *)work;
    sem_post(&gate->entered);
    while (sem_wait(&gate->open) != 0)
        continue;
    return WORK_DONE;
}

static void gate_end(struct work *work, enum work_end how)
{
    struct gate *gate = (struct gate *)work;
    (void)how;
    sem_post(&gate->ended);
}

static void close_gate(struct gate *gate)
{
    static const struct work_type type = {gate_slice, gate_end};
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->open, 0, 0);
    sem_init(&gate->ended, 0, 0);
    lane_init(&gate->lane, served.model, 0, &stats);
    gate->work = (struct work){.type = &type, .lane = &gate->lane, .deadline = UINT64_MAX};
    assert_true(scheduler_accept(scheduler, &gate->work, &fault));
    scheduler_begin(scheduler, &gate->work);
    while (sem_wait(&gate->entered) != 0)
        continue;
}

static void open_gate(struct gate *gate)
{
    sem_post(&gate->open);
    while (sem_wait(&gate->ended) != 0)
        continue;
    lane_fini(&gate->lane);
}

/* ---- tests ---- */

/* The door is closed when all that waits has been given up: who has to wait from then on gives up
 * himself. */
static void bug_408_a_stream_that_may_not_wait_is_counted_once(void **state)
{
    struct gate gate;
    char events[4096];
    size_t size = 0, read;
    (void)state;
    begin_stream();
    close_gate(&gate);
    http.door_closed = true;
    while ((read = http_events_read(&exchange, events + size, sizeof events - 1 - size)) != 0)
        size += read;
    events[size] = '\0';
    http.door_closed = false;
    open_gate(&gate);
    assert_non_null(strstr(events, "\"first_step\":0,\"final\":false"));
    assert_non_null(strstr(events, "{\"error\":\"the server is shutting down\",\"status\":503}"));
    for (size_t i = 0; i < FAILURE_COUNT; i++)
        assert_int_equal(atomic_load(&stats.failures[i]), i == FAILURE_CANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bug_408_a_stream_that_may_not_wait_is_counted_once, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
