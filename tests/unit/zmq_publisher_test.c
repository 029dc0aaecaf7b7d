#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "server/events.h"
#include "server/zmq_publisher.h"
#include "tests/support/zmq_client.h"

enum { WAIT_MS = 10000 };

static struct zeromq *context;
static struct zeromq_socket *publisher;
static struct zmq_client subscriber;
static struct fault fault;

static void wake(void *told)
{
    (void)told;
}

static int start(void **state)
{
    const struct zeromq_socket_options options = {
        .frame_limit = 1 << 20, .receive_limit = 10, .send_limit = 10};
    char endpoint[128];
    (void)state;
    if (!zeromq_open(&context, &fault))
        return -1;
    publisher = zeromq_publisher(context, &options, &fault);
    if (publisher == NULL ||
        !zeromq_bind(publisher, "tcp://127.0.0.1:0", false, endpoint, sizeof endpoint, &fault))
        return -1;
    zmq_client_init(&subscriber, ZMQ_CLIENT_SUB, endpoint, NULL);
    zmq_client_subscribe(&subscriber, "sequence/");
    events_listen(wake, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    events_listen(NULL, NULL);
    zmq_client_fini(&subscriber);
    zeromq_socket_close(publisher);
    zeromq_close(context);
    return 0;
}

/* Nobody knows when a subscription has arrived: tells until something comes back. */
static void publish_until_heard(struct zmq_answer *answer)
{
    const struct sequence_id id = sequence_id_of_number(7);
    do {
        events_tell(EVENT_MODEL_LOADED, "vad", NULL); /* not subscribed to */
        events_tell(EVENT_SEQUENCE_EVICTED, "vad", &id);
        zmq_publish(publisher);
    } while (!zmq_client_receive(&subscriber, answer, 10));
}

static void an_event_is_a_topic_and_json(void **state)
{
    struct zmq_answer answer;
    (void)state;
    publish_until_heard(&answer);
    assert_int_equal(answer.count, 2);
    assert_string_equal(answer.frames[0], "sequence/evicted/vad");
    assert_non_null(strstr(answer.frames[1], "{\"event\":\"sequence/evicted\",\"model\":\"vad\","
                                             "\"sequence_id\":7,\"number\":"));
    zmq_answer_fini(&answer);
}

static void everything_there_is_to_tell_goes_out_in_order(void **state)
{
    struct zmq_answer answer;
    (void)state;
    publish_until_heard(&answer);
    zmq_answer_fini(&answer);
    while (zmq_client_receive(&subscriber, &answer, 100)) /* the others of the same kind */
        zmq_answer_fini(&answer);
    for (uint64_t i = 0; i < 3; i++) {
        const struct sequence_id id = sequence_id_of_number(100 + i);
        events_tell(EVENT_SEQUENCE_EVICTED, "vad", &id);
    }
    zmq_publish(publisher);
    for (char wanted[] = "\"sequence_id\":100"; wanted[16] < '3'; wanted[16]++) {
        assert_true(zmq_client_receive(&subscriber, &answer, WAIT_MS));
        assert_non_null(strstr(answer.frames[1], wanted));
        zmq_answer_fini(&answer);
    }
    struct event event;
    assert_false(events_take(&event));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_a_topic_and_json),
        TEST(everything_there_is_to_tell_goes_out_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
