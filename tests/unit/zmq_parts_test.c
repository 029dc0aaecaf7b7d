#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/zmq_jobs.h"
#include "server/zmq_request.h"
#include "tests/support/zero_model.h"
#include "tests/support/zmq_client.h"

enum { WAIT_MS = 10000, BUDGET = 1 << 20 };

static struct model_stats stats;
static struct lane lane;
static struct served_model served = {.references = 1, .name = "m"};
static struct model_store models;
static struct service service = {.models = &models, .kernel = "scalar", .workers = 1};
static const struct zmq_config config = {
    .max_request = BUDGET, .peer_limit = 10, .request_timeout = 60 * CLOCK_NS_PER_S};
static struct zmq_traffic traffic;
static struct zeromq *context;
static struct zeromq_socket *router;
static char endpoint[128];
static struct zmq_client client;
static struct fault fault;

/* ---- the front, whose thread is the test's ---- */

static bool start_service(void)
{
    const struct scheduler_config terms = {
        .workers = 1, .queue_limit = 10, .queue_rows_limit = 100};
    const struct sequences_config sequences = {10, 1 << 20, 0};
    budget_init(&service.budget, BUDGET);
    zmq_counts_init(&service.zmq);
    model_stats_init(&stats);
    if (!zero_model_serve(&served, &lane, &stats))
        return false;
    served.record = model_record_create();
    struct model_table *table = model_table_create(1);
    model_table_add(table, &served);
    model_store_init(&models, table);
    return sequences_create(&service.sequences, &sequences, &fault) &&
           scheduler_start(&service.scheduler, &terms, &fault) &&
           scheduler_reserve(service.scheduler, served.model, &fault);
}

static int start(void **state)
{
    const struct zeromq_socket_options options = {
        .frame_limit = 1 << 20, .receive_limit = 10, .send_limit = 1000};
    (void)state;
    if (!start_service() || !zmq_traffic_init(&traffic, &config, &service, &fault) ||
        !zeromq_open(&context, &fault))
        return -1;
    router = zeromq_router(context, &options, &fault);
    if (router == NULL ||
        !zeromq_bind(router, "tcp://127.0.0.1:0", false, endpoint, sizeof endpoint, &fault))
        return -1;
    traffic.router = router;
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, endpoint, NULL);
    return 0;
}

/* Whatever a test did, all is answered, and all memory is back in the end. */
static int stop(void **state)
{
    (void)state;
    zmq_client_fini(&client);
    zeromq_socket_close(router);
    zeromq_close(context);
    zmq_traffic_fini(&traffic);
    assert_true(scheduler_stop(service.scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    assert_int_equal(atomic_load(&service.budget.used), 0);
    sequences_destroy(service.sequences);
    model_store_fini(&models);
    model_record_release(served.record);
    zero_model_drop(&served);
    return 0;
}

static void wait_for(int descriptor)
{
    struct pollfd readable = {.fd = descriptor, .events = POLLIN};
    assert_true(poll(&readable, 1, WAIT_MS) > 0);
}

static void wait_for_mail(void)
{
    wait_for(traffic.finished.descriptor);
    mailbox_settle(&traffic.finished);
}

/* As many parts of one step each as steps are wanted; takes the request in, and waits until the
 * worker has something for the front. */
static void begin_stream(size_t steps)
{
    static const float zeros[1000];
    struct zeromq_message message;
    char header[512];
    assert_true(steps <= sizeof zeros / sizeof *zeros);
    snprintf(header, sizeof header,
             "{\"model_name\":\"m\",\"id\":\"p\",\"stream\":true,\"parameters\":{\"stream_steps\":"
             "1,\"binary_data_output\":true},\"outputs\":[{\"name\":\"output\"}],\"inputs\":[{"
             "\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[%zu,1,1],\"parameters\":{"
             "\"binary_data_size\":%zu}}]}",
             steps, steps * sizeof *zeros);
    const struct zmq_frame frames[] = {{header, strlen(header)}, {zeros, steps * sizeof *zeros}};
    zmq_client_send(&client, frames, 2);
    while (!zeromq_receive(router, &message))
        wait_for(zeromq_descriptor(router));
    zmq_request_take(&traffic, &message);
    zeromq_message_close(&message);
    assert_non_null(traffic.all);
    wait_for_mail();
}

/* ---- what the client hears ---- */

static void receive(struct zmq_answer *answer)
{
    assert_true(zmq_client_receive(&client, answer, WAIT_MS));
}

static void expect_part(size_t first_step, bool final)
{
    struct zmq_answer answer;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"first_step\":%zu,\"final\":%s", first_step,
             final ? "true" : "false");
    receive(&answer);
    if (strstr(answer.frames[0], wanted) == NULL)
        fail_msg("%s wanted, got %s", wanted, answer.frames[0]);
    zmq_answer_fini(&answer);
}

/* The rest of what was sent to it; the last of it is `wanted`. */
static void expect_last(const char *wanted)
{
    struct zmq_answer answer;
    bool part = true;
    while (part) {
        receive(&answer);
        part = strstr(answer.frames[0], "\"final\":false") != NULL;
        if (!part)
            assert_string_equal(answer.frames[0], wanted);
        zmq_answer_fini(&answer);
    }
    assert_false(zmq_client_receive(&client, &answer, 0));
}

/* A request counts once, whatever became of it. */
static void expect_one_canceled(void)
{
    for (size_t i = 0; i < FAILURE_COUNT; i++)
        assert_int_equal(atomic_load(&stats.failures[i]), i == FAILURE_CANCELED);
}

/* ---- tests ---- */

static void a_stream_is_sent_to_its_end(void **state)
{
    (void)state;
    begin_stream(5);
    while (traffic.all != NULL)
        if (!zmq_jobs_take_finished(&traffic))
            wait_for_mail();
    for (size_t i = 0; i < 5; i++)
        expect_part(i, i == 4);
}

/* Its parts had come when all were given up, so that it could not be given up itself. */
static void bug_404_a_stream_does_not_outlive_the_giving_up(void **state)
{
    (void)state;
    begin_stream(1000);
    zmq_jobs_give_up_all(&traffic);
    assert_non_null(traffic.all);
    assert_true(zmq_jobs_take_finished(&traffic));
    assert_null(traffic.all);
    expect_part(0, false);
    expect_last("{\"error\":\"the server is shutting down\",\"status\":503,\"id\":\"p\"}");
    expect_one_canceled();
}

static void bug_405_a_stream_for_which_there_is_no_memory_says_so(void **state)
{
    (void)state;
    begin_stream(1000);
    const size_t rest = BUDGET - atomic_load(&service.budget.used);
    assert_true(budget_take(&service.budget, rest, 0, &fault));
    while (traffic.all != NULL)
        zmq_jobs_take_finished(&traffic);
    budget_give(&service.budget, rest);
    expect_last("{\"error\":\"the server's memory budget is used up, try again\",\"status\":503,"
                "\"id\":\"p\"}");
    assert_int_equal(status_counts_of(&service.zmq.responses, 503), 1);
    assert_int_equal(atomic_load(&service.zmq.dropped_no_memory), 0);
    expect_one_canceled();
}

/* Until the router knows that it has left, which it learns where it would receive. */
static void leave(void)
{
    enum zeromq_sent sent = ZEROMQ_SENT;
    struct zeromq_message message;
    zmq_client_fini(&client);
    while (sent != ZEROMQ_GONE) {
        struct zeromq_frame name;
        usleep(1000);
        assert_false(zeromq_receive(router, &message));
        zeromq_frame_copy(&name, &traffic.all->route[0]);
        struct zeromq_part parts[] = {{.frame = &name}, {.data = "", .size = 0}};
        sent = zeromq_send(router, parts, 2);
    }
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, endpoint, NULL); /* for stop */
}

static void bug_406_a_stream_whose_peer_has_left_is_counted_once_as_that(void **state)
{
    (void)state;
    begin_stream(1000);
    leave();
    assert_true(zmq_jobs_take_finished(&traffic));
    assert_null(traffic.all);
    assert_int_equal(atomic_load(&service.zmq.dropped_gone), 1);
    assert_int_equal(atomic_load(&service.zmq.dropped_full), 0);
    expect_one_canceled();
}

static void bug_407_a_stream_whose_peer_does_not_read_is_counted_once(void **state)
{
    (void)state;
    begin_stream(1000);
    struct zmq_peer *peer = traffic.all->peer;
    atomic_fetch_add(&peer->unread, BUDGET);
    assert_true(zmq_jobs_take_finished(&traffic));
    assert_null(traffic.all);
    atomic_fetch_sub(&peer->unread, BUDGET);
    assert_int_equal(atomic_load(&service.zmq.dropped_gone), 0);
    assert_int_equal(atomic_load(&service.zmq.dropped_full), 1);
    expect_one_canceled();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stream_is_sent_to_its_end),
        TEST(bug_404_a_stream_does_not_outlive_the_giving_up),
        TEST(bug_405_a_stream_for_which_there_is_no_memory_says_so),
        TEST(bug_406_a_stream_whose_peer_has_left_is_counted_once_as_that),
        TEST(bug_407_a_stream_whose_peer_does_not_read_is_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
