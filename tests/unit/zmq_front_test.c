#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

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
static struct zmq_config config = {.has_events = true, .max_request = 1 << 20, .peer_limit = 1000};
static struct zmq_front *front;
static struct zmq_client client, other, subscriber;
static struct fault fault;

/* ---- how the front sleeps ---- */

static atomic_bool hold; /* the next time it wakes with mailbox and router both readable */
static atomic_bool held; /* it is asleep so */

enum { SHORT_MS = 100, OVERSLEPT_MS = 400 };
static atomic_bool no_sweeps; /* it is woken after a short time, or by something to read */
static atomic_bool oversleep; /* the next time it sleeps so long, whatever comes */

static atomic_bool meet;  /* before its next reply is sent something is to arrive at the router */
static atomic_bool meets; /* that is waited for */

static bool is_readable(int descriptor)
{
    struct pollfd readable = {.fd = descriptor, .events = POLLIN};
    return poll(&readable, 1, 1) > 0;
}

static int milliseconds(const struct timespec *timeout)
{
    if (timeout == NULL)
        return -1;
    const int wait = (int)(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000 + 1);
    return wait > SHORT_MS && atomic_load(&no_sweeps) ? -1 : wait;
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
    if (atomic_exchange(&oversleep, false))
        usleep(OVERSLEPT_MS * 1000);
    return poll(fds, count, milliseconds(timeout));
}

/* In the library's place: the front sends with this, the clients do not. */
int zmq_msg_send(zmq_msg_t *msg, void *socket, int flags)
{
    int (*send)(zmq_msg_t *, void *, int);
    *(void **)&send = dlsym(RTLD_NEXT, "zmq_msg_send");
    if (atomic_exchange(&meet, false)) {
        int descriptor = -1;
        size_t size = sizeof descriptor;
        zmq_getsockopt(socket, ZMQ_FD, &descriptor, &size);
        atomic_store(&meets, true);
        while (!is_readable(descriptor))
            continue;
        atomic_store(&meets, false);
    }
    return send(msg, socket, flags);
}

/* ---- the worker ---- */

/* Work that keeps it busy until it is opened. */
struct gate {
    struct work work;
    struct lane lane;
    sem_t open;
    bool closed;
};

static struct gate gate;

static enum work_next gate_slice(struct work *work)
{
    (void)work;
    while (sem_wait(&gate.open) != 0)
        continue;
    return WORK_DONE;
}

static void gate_end(struct work *work, enum work_end how)
{
    (void)work;
    (void)how;
}

static const struct work_type gate_type = {gate_slice, gate_end};

static void close_gate(void)
{
    lane_init(&gate.lane, served.model, 0, &stats);
    sem_init(&gate.open, 0, 0);
    gate.work = (struct work){.type = &gate_type, .lane = &gate.lane, .deadline = UINT64_MAX};
    assert_true(scheduler_accept(service.scheduler, &gate.work, &fault));
    scheduler_begin(service.scheduler, &gate.work);
    gate.closed = true;
}

static void open_gate(void)
{
    if (gate.closed)
        sem_post(&gate.open);
    gate.closed = false;
}

/* ---- the front ---- */

static bool start_service(void)
{
    const struct scheduler_config terms = {
        .workers = 1, .queue_limit = 100, .queue_rows_limit = 100};
    budget_init(&service.budget, 64 << 20);
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
    zmq_client_init(&other, ZMQ_CLIENT_DEALER, bound->endpoints[0].text, NULL);
    zmq_client_init(&subscriber, ZMQ_CLIENT_SUB, bound->events.text, NULL);
    zmq_client_subscribe(&subscriber, "");
    return 0;
}

static void stop_front(uint64_t deadline)
{
    zmq_front_stop(front, deadline);
    front = NULL;
}

static int stop(void **state)
{
    (void)state;
    atomic_store(&hold, false);
    atomic_store(&no_sweeps, false);
    atomic_store(&meet, false);
    zmq_client_fini(&client);
    zmq_client_fini(&other);
    zmq_client_fini(&subscriber);
    if (front != NULL)
        stop_front(clock_now());
    open_gate();
    assert_int_equal(atomic_load(&service.budget.used), 0);
    assert_true(scheduler_stop(service.scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    model_store_fini(&models);
    model_record_release(served.record);
    zero_model_drop(&served);
    return 0;
}

static void ask_over(struct zmq_client *asking)
{
    struct zmq_answer answer;
    zmq_client_send_text(asking, "{\"op\":\"live\"}");
    assert_true(zmq_client_receive(asking, &answer, WAIT_MS));
    assert_string_equal(answer.frames[0], "{\"live\":true}");
    zmq_answer_fini(&answer);
}

static void ask_whether_it_lives(void)
{
    ask_over(&client);
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

/* So many of one peer are computed at a time; what comes behind them waits. */
enum { AT_ONCE = 64, LATE_MS = 50 };

/* Of these a request is light no more, and still is. */
enum { LONG_STEPS = 1000, LIGHT_STEPS = 20 };

static void send_request(size_t steps, unsigned timeout_ms)
{
    static const float zeros[LONG_STEPS];
    char text[256];
    snprintf(text, sizeof text,
             "{\"model_name\":\"m\",\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","
             "\"shape\":[%zu,1,1],\"parameters\":{\"binary_data_size\":%zu}}],"
             "\"outputs\":[{\"name\":\"c_n\"}],\"parameters\":{\"timeout\":%u}}",
             steps, steps * sizeof *zeros, timeout_ms * 1000);
    const struct zmq_frame frames[] = {{text, strlen(text)}, {zeros, steps * sizeof *zeros}};
    zmq_client_send(&client, frames, 2);
}

/* The worker takes none of them. */
static void fill_peer(size_t count, unsigned timeout_ms)
{
    close_gate();
    for (size_t i = 0; i < count; i++)
        send_request(LONG_STEPS, timeout_ms);
}

static void expect_answer(const char *beginning)
{
    struct zmq_answer answer;
    assert_true(zmq_client_receive(&client, &answer, WAIT_MS));
    assert_memory_equal(answer.frames[0], beginning, strlen(beginning));
    zmq_answer_fini(&answer);
}

static void bug_463_a_light_request_behind_one_that_is_late_is_answered_at_once(void **state)
{
    (void)state;
    fill_peer(AT_ONCE - 1, WAIT_MS * 10);
    atomic_store(&no_sweeps, true);
    for (int i = 0; i < 5; i++) {
        send_request(LONG_STEPS, LATE_MS);
        send_request(1, WAIT_MS * 10);
        expect_answer("{\"error\":\"Request timeout expired\"");
        expect_answer("{\"model_name\":\"m\"");
    }
}

static void wait_for_requests(size_t count)
{
    while (atomic_load(&service.zmq.requests) < count)
        sched_yield();
}

static void bug_463_a_light_request_behind_late_ones_may_begin_when_the_server_stops(void **state)
{
    (void)state;
    fill_peer(AT_ONCE, OVERSLEPT_MS / 2);
    send_request(1, WAIT_MS * 10);
    wait_for_requests(AT_ONCE + 1);
    atomic_store(&oversleep, true);
    ask_whether_it_lives();
    while (atomic_load(&oversleep)) /* all that is due, it then finds at once */
        sched_yield();
    stop_front(clock_now());
}

/* true: the next answer is that of a light request. */
static bool next_is_computed(void)
{
    static const char beginning[] = "{\"model_name\":\"m\"";
    struct zmq_answer answer;
    assert_true(zmq_client_receive(&client, &answer, WAIT_MS));
    const bool computed = strncmp(answer.frames[0], beginning, sizeof beginning - 1) == 0;
    zmq_answer_fini(&answer);
    return computed;
}

/* Of two peers, since no more than are taken in one go wait of one of them. */
static void send_more_than_are_taken_in_one_go(void)
{
    for (int i = 0; i < 90; i++) {
        zmq_client_send_text(&client, "{\"op\":\"live\"}");
        zmq_client_send_text(&other, "{\"op\":\"live\"}");
    }
}

static void expect_others_among(size_t light)
{
    size_t others = 0;
    while (!next_is_computed())
        continue;
    while (--light > 0)
        while (!next_is_computed())
            others++;
    assert_true(others > 0);
}

/* Of a full peer as many as are late at once make room for light ones, each for one after another.
 */
static void let_light_ones_begin(size_t late)
{
    enum { LIGHT = 800 };
    fill_peer(AT_ONCE - late, WAIT_MS * 10);
    for (size_t i = 0; i < late; i++)
        send_request(LONG_STEPS, OVERSLEPT_MS / 2);
    for (size_t i = 0; i < LIGHT; i++)
        send_request(LIGHT_STEPS, WAIT_MS * 10);
    wait_for_requests(AT_ONCE + LIGHT);
    atomic_store(&oversleep, true);
    ask_whether_it_lives();
    while (atomic_load(&oversleep))
        sched_yield();
    send_more_than_are_taken_in_one_go();
    expect_others_among(LIGHT);
}

static void bug_464_light_requests_behind_a_late_one_leave_time_for_what_else_arrives(void **state)
{
    (void)state;
    let_light_ones_begin(1);
}

static void bug_464_light_requests_behind_many_leave_time_for_what_else_arrives(void **state)
{
    (void)state;
    let_light_ones_begin(AT_ONCE);
}

/* The library then takes note of it, and tells nobody. */
static void bug_602_what_arrives_while_a_late_request_is_refused_is_answered(void **state)
{
    (void)state;
    ask_over(&other);
    fill_peer(1, LATE_MS);
    wait_for_requests(2);
    atomic_store(&no_sweeps, true);
    atomic_store(&meet, true);
    while (!atomic_load(&meets))
        sched_yield();
    ask_over(&other);
    expect_answer("{\"error\":\"Request timeout expired\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            bug_409_an_event_that_comes_together_with_a_request_is_published, start, stop),
        cmocka_unit_test_setup_teardown(
            bug_463_a_light_request_behind_one_that_is_late_is_answered_at_once, start, stop),
        cmocka_unit_test_setup_teardown(
            bug_463_a_light_request_behind_late_ones_may_begin_when_the_server_stops, start, stop),
        cmocka_unit_test_setup_teardown(
            bug_464_light_requests_behind_a_late_one_leave_time_for_what_else_arrives, start, stop),
        cmocka_unit_test_setup_teardown(
            bug_464_light_requests_behind_many_leave_time_for_what_else_arrives, start, stop),
        cmocka_unit_test_setup_teardown(
            bug_602_what_arrives_while_a_late_request_is_refused_is_answered, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
