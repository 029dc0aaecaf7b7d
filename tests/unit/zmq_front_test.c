#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/events.h"
#include "server/zmq_front.h"
#include "tests/support/zero_model.h"
#include "tests/support/zmq_client.h"

enum { WAIT_MS = 5000 };

static struct model_stats stats;
static struct lane lane;
static struct served_model served = {.references = 1, .name = "m"};
static struct model_store models;
static struct service service = {.models = &models, .kernel = "scalar", .workers = 1};
static struct zmq_config config = {.has_events = true, .max_request = 1 << 20, .peer_limit = 10};
static struct zmq_front *front;
static struct zmq_client client, subscriber;
static struct fault fault;

/* ---- how the front sleeps ---- */

static atomic_bool hold; /* the next time it wakes with mailbox and router both readable */
static atomic_bool held; /* it is asleep so */

static bool is_readable(int descriptor)
{
    struct pollfd readable = {.fd = descriptor, .events = POLLIN};
    return poll(&readable, 1, 1) > 0;
}

/* In the C library's place: nobody in this program but the front calls it. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    const bool holding = atomic_load(&hold);
    (void)mask;
    atomic_store(&held, holding);
    while (holding && !(is_readable(fds[0].fd) && is_readable(fds[1].fd)))
        continue;
    if (holding)
        atomic_store(&hold, false);
    return poll(fds, count,
                timeout != NULL ? (int)(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000 + 1)
                                : -1);
}

/* ---- the front ---- */

static bool start_service(void)
{
    const struct scheduler_config terms = {
        .workers = 1, .queue_limit = 10, .queue_rows_limit = 100};
    budget_init(&service.budget, 1 << 20);
    zmq_counts_init(&service.zmq);
    if (!zero_model_serve(&served, &lane, &stats))
        return false;
    served.record = model_record_create();
    struct model_table *table = model_table_create(1);
    model_table_add(table, &served);
    model_store_init(&models, table);
    return scheduler_start(&service.scheduler, &terms, &fault);
}

static int start(void **state)
{
    (void)state;
    config.request_timeout = 60 * CLOCK_NS_PER_S;
    config.endpoint_count = 1;
    if (!zmq_endpoint_parse(&config.endpoints[0], "tcp://127.0.0.1:0", &fault) ||
        !zmq_endpoint_parse(&config.events, "tcp://127.0.0.1:0", &fault) || !start_service() ||
        !zmq_front_start(&front, &config, &service, &fault))
        return -1;
    const struct zmq_config *bound = zmq_front_config(front);
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, bound->endpoints[0].text, NULL);
    zmq_client_init(&subscriber, ZMQ_CLIENT_SUB, bound->events.text, NULL);
    zmq_client_subscribe(&subscriber, "");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    atomic_store(&hold, false);
    zmq_client_fini(&client);
    zmq_client_fini(&subscriber);
    zmq_front_stop(front, clock_now() + CLOCK_NS_PER_S);
    assert_true(scheduler_stop(service.scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    model_store_fini(&models);
    model_record_release(served.record);
    zero_model_drop(&served);
    return 0;
}

static void ask_whether_it_lives(void)
{
    struct zmq_answer answer;
    zmq_client_send_text(&client, "{\"op\":\"live\"}");
    assert_true(zmq_client_receive(&client, &answer, WAIT_MS));
    assert_string_equal(answer.frames[0], "{\"live\":true}");
    zmq_answer_fini(&answer);
}

/* A subscription takes a moment to arrive: it is told of something until that is heard of. */
static void wait_for_subscription(void)
{
    struct zmq_answer answer;
    do
        events_tell(EVENT_MODEL_LOADED, "heard", NULL);
    while (!zmq_client_receive(&subscriber, &answer, 10));
    do
        zmq_answer_fini(&answer);
    while (zmq_client_receive(&subscriber, &answer, 200));
}

/* Something is heard of it, in the end. */
static void expect_event(const char *topic)
{
    struct zmq_answer answer;
    bool found = false;
    while (!found) {
        assert_true(zmq_client_receive(&subscriber, &answer, WAIT_MS));
        found = strcmp(answer.frames[0], topic) == 0;
        zmq_answer_fini(&answer);
    }
}

/* ---- tests ---- */

static void bug_409_an_event_that_comes_together_with_a_request_is_published(void **state)
{
    (void)state;
    wait_for_subscription();
    atomic_store(&hold, true);
    events_tell(EVENT_MODEL_LOADED, "before", NULL);
    while (!atomic_load(&held)) /* it wakes, and goes to sleep again */
        usleep(1000);
    events_tell(EVENT_MODEL_LOADED, "m", NULL);
    ask_whether_it_lives();
    expect_event("model/loaded/m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            bug_409_an_event_that_comes_together_with_a_request_is_published, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
