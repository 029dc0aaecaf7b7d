/* Lifecycle events on a publisher socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/fixture.h"
#include "tests/support/infer_client.h"
#include "tests/support/slow_model.h"
#include "tests/support/zmq_client.h"

static struct fixture fixture;
static char *path, endpoint[128];

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    path = temp_dir_file(&fixture.dir, "events");
    snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    slow_model_add(&fixture);
    const char *const arguments[] = {"--zmq-events",  endpoint, "--sequence-idle-timeout-ms",
                                     "300",           "--zmq",  "tcp://127.0.0.1:0",
                                     "--queue-limit", "1",      NULL};
    return fixture_start(&fixture, arguments, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    free(path);
    return fixture_stop(&fixture);
}

static void start_sequence(const char *id)
{
    char body[256];
    struct infer_result result;
    snprintf(body, sizeof body,
             "{\"parameters\":{\"sequence_id\":%s,\"sequence_start\":true},\"inputs\":[{\"name\":"
             "\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[1]}]}",
             id);
    assert_true(infer_post_text(&fixture.client, "tiny", body, strlen(body), &result));
    infer_result_fini(&result);
}

static void subscribe(struct zmq_client *client, const char *prefix)
{
    zmq_client_init(client, ZMQ_CLIENT_SUB, endpoint, NULL);
    zmq_client_subscribe(client, prefix);
}

/* A subscription takes a moment to arrive: sequences are begun until one's end is heard of. */
static void evictions_are_told_to_those_who_asked(void **state)
{
    struct zmq_client evictions, others;
    struct zmq_answer answer;
    bool heard = false;
    (void)state;
    subscribe(&evictions, "sequence/");
    subscribe(&others, "model/");
    for (int i = 0; i < 100 && !heard; i++) {
        start_sequence("\"a name\"");
        heard = zmq_client_receive(&evictions, &answer, 1000);
    }
    assert_true(heard);
    assert_int_equal(answer.count, 2);
    assert_string_equal(answer.frames[0], "sequence/evicted/tiny");
    static const char begin[] = "{\"event\":\"sequence/evicted\",\"model\":\"tiny\","
                                "\"sequence_id\":\"a name\",\"number\":";
    assert_memory_equal(answer.frames[1], begin, strlen(begin));
    assert_non_null(strstr(answer.frames[1], ",\"time_ms\":"));
    zmq_answer_fini(&answer);
    assert_false(zmq_client_receive(&others, &answer, 0));
    zmq_client_fini(&evictions);
    zmq_client_fini(&others);
}

/* Two requests at once where the queue has room for one. */
static void overload(void)
{
    struct zmq_client client;
    struct zmq_answer answer;
    char *body = slow_model_body(slow_model_steps(&fixture, 0.1)), *request;
    assert_true(asprintf(&request, "{\"model_name\":\"slow\",%s", body + 1) > 0);
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, fixture.daemon.zmq, NULL);
    zmq_client_send_text(&client, request);
    zmq_client_send_text(&client, request);
    for (int i = 0; i < 2; i++) {
        assert_true(zmq_client_receive(&client, &answer, DAEMON_PATIENCE));
        zmq_answer_fini(&answer);
    }
    zmq_client_fini(&client);
    free(request);
    free(body);
}

static void overload_is_told_from_its_beginning_to_its_end(void **state)
{
    struct zmq_client client;
    struct zmq_answer answer;
    bool heard = false;
    (void)state;
    subscribe(&client, "overload/");
    for (int i = 0; i < 100 && !heard; i++) {
        overload();
        heard = zmq_client_receive(&client, &answer, 1000);
    }
    assert_true(heard);
    if (strcmp(answer.frames[0], "overload/started/slow") == 0) {
        zmq_answer_fini(&answer);
        assert_true(zmq_client_receive(&client, &answer, DAEMON_PATIENCE));
    }
    assert_string_equal(answer.frames[0], "overload/ended/slow");
    zmq_answer_fini(&answer);
    zmq_client_fini(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evictions_are_told_to_those_who_asked),
        cmocka_unit_test(overload_is_told_from_its_beginning_to_its_end),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
