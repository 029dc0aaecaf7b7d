/* More than the daemon can or will do: a full queue, memory, connections, time; and many clients at
 * once whose answers must not mix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/infer_client.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

#define LIVE     "GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define PATIENCE 60000

static struct fixture fixture;

static void start(const char *const *arguments)
{
    fixture_init(&fixture);
    slow_model_add(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    assert_true(fixture_start(&fixture, arguments, NULL));
}

static void assert_still_good(void)
{
    static const char body[] = "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","
                               "\"shape\":[3,1,1],\"data\":[1,2,3]}]}";
    struct infer_result result;
    assert_true(infer_post_text(&fixture.client, "tiny", body, strlen(body), &result));
    expect_tensor(&result, "output", 3, 1, 1);
    infer_result_fini(&result);
}

static void a_full_queue_is_503_at_once_and_what_waits_is_answered(void **state)
{
    enum { CLIENTS = 8 };
    static const char *const arguments[] = {"--workers", "1", "--queue-limit", "1", NULL};
    int connections[CLIENTS], answered = 0, refused = 0;
    (void)state;
    start(arguments);
    char *body = slow_model_body(slow_model_steps(&fixture, 1));
    for (int i = 0; i < CLIENTS; i++) {
        connections[i] = raw_connect(fixture.daemon.port);
        assert_true(raw_post(connections[i], SLOW_MODEL_PATH, body));
    }
    for (int i = 0; i < CLIENTS; i++) {
        bool closed;
        char *answer = raw_receive(connections[i], PATIENCE, &closed);
        answered += strstr(answer, "HTTP/1.1 200 OK") != NULL;
        refused += strstr(answer, "HTTP/1.1 503 ") != NULL &&
                   strstr(answer, "\r\nRetry-After: 1\r\n") != NULL &&
                   strstr(answer, "{\"error\":\"Exceeds maximum queue size\"}") != NULL;
        free(answer);
        close(connections[i]);
    }
    free(body);
    assert_int_equal(answered + refused, CLIENTS);
    assert_in_range(answered, 1, 3); /* one computed, one waiting, one may come in between */
    assert_still_good();
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* It asks before it sends its body, and need not. */
static void a_full_queue_is_said_before_the_body_comes(void **state)
{
    static const char *const arguments[] = {"--workers", "1", "--queue-limit", "1", NULL};
    static const char head[] = "POST " SLOW_MODEL_PATH " HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n";
    bool full = false;
    (void)state;
    start(arguments);
    char *body = slow_model_body(slow_model_steps(&fixture, 5));
    const int first = raw_connect(fixture.daemon.port);
    assert_true(raw_post(first, SLOW_MODEL_PATH, body));
    for (int tries = 0; !full && tries < 1000; tries++) { /* until the first one is there */
        bool closed;
        const int second = raw_connect(fixture.daemon.port);
        assert_true(raw_send(second, head, strlen(head)));
        char *answer = raw_receive(second, 10, &closed);
        full = strstr(answer, "HTTP/1.1 503 ") == answer &&
               strstr(answer, "{\"error\":\"Exceeds maximum queue size\"}") != NULL;
        assert_true(full || *answer == '\0' || strstr(answer, "100 Continue") != NULL);
        free(answer);
        close(second);
    }
    assert_true(full);
    free(body);
    close(first);
    assert_still_good();
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* Thirty connections of one host want all of eight places, and get six; another host's request is
 * accepted while they wait. */
static void one_client_leaves_room_for_another(void **state)
{
    enum { GREEDY = 30 };
    static const char *const arguments[] = {
        "--workers", "1", "--queue-limit", "8", "--max-memory-bytes", "8000000000", NULL};
    int connections[GREEDY], waiting = 0;
    bool closed;
    (void)state;
    start(arguments);
    char *slow = slow_model_body(slow_model_steps(&fixture, 5)), *quick = slow_model_body(3);
    for (int i = 0; i < GREEDY; i++) {
        connections[i] = raw_connect_from(2, fixture.daemon.port);
        assert_true(raw_post(connections[i], SLOW_MODEL_PATH, slow));
    }
    for (int refused = 0; refused < GREEDY - 6;) /* those at once, whichever they are */
        for (int i = 0; i < GREEDY; i++) {
            struct pollfd readable = {.fd = connections[i], .events = POLLIN};
            if (connections[i] < 0 || poll(&readable, 1, 1) == 0)
                continue;
            char *answer = raw_receive(connections[i], PATIENCE, &closed);
            assert_non_null(strstr(answer, "HTTP/1.1 503 "));
            assert_non_null(strstr(answer, "\r\nRetry-After: 1\r\n"));
            assert_non_null(strstr(answer, "left to other clients (queue_client_percent)"));
            free(answer);
            close(connections[i]);
            connections[i] = -1;
            refused++;
        }
    const int other = raw_connect_from(3, fixture.daemon.port);
    assert_true(raw_post(other, SLOW_MODEL_PATH, quick));
    char *answer = raw_receive(other, PATIENCE, &closed);
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    free(answer);
    close(other);
    for (int i = 0; i < GREEDY; i++) {
        if (connections[i] < 0)
            continue;
        waiting++;
        close(connections[i]);
    }
    assert_int_equal(waiting, 6);
    free(slow);
    free(quick);
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- memory ---- */

static void refuse(const char *body, long status, const char *text)
{
    struct http_response response;
    assert_true(http_post(&fixture.client, "/v2/models/tiny/infer", body, strlen(body), &response));
    expect_error(&response, status, text);
    http_response_fini(&response);
    assert_still_good();
}

/* A hundred bytes that would have gigabytes for an answer. */
static void what_can_never_fit_into_memory_is_413(void **state)
{
    static const char *const arguments[] = {"--max-memory-bytes", "8000000", NULL};
    char *body = slow_model_body(1500000); /* right for tiny, too */
    (void)state;
    start(arguments);
    refuse("{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[0,1000000000,1],"
           "\"data\":[]}]}",
           413, "more memory than the server's whole budget of 8000000 bytes");
    refuse(body, 413, "more memory than the server's whole budget of 8000000 bytes");
    free(body);
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- connections ---- */

static void connections_past_the_limit_wait_for_their_turn(void **state)
{
    enum { CLIENTS = 40 };
    static const char *const arguments[] = {"--connection-limit", "8", NULL};
    int connections[CLIENTS];
    (void)state;
    start(arguments);
    for (int i = 0; i < CLIENTS; i++)
        connections[i] = raw_connect(fixture.daemon.port);
    for (int i = 0; i < CLIENTS; i++)
        assert_true(raw_send(connections[i], LIVE, strlen(LIVE)));
    for (int i = 0; i < CLIENTS; i++) { /* each one that is answered and closed lets another in */
        bool closed;
        char *answer = raw_receive(connections[i], PATIENCE, &closed);
        assert_non_null(strstr(answer, "{\"live\":true}"));
        free(answer);
        close(connections[i]);
    }
    assert_still_good();
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- time ---- */

/* Until the worker has noticed that nobody waits for what it is at, others may be late, too. */
static void assert_good_again(void)
{
    static const char body[] = "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","
                               "\"shape\":[1,1,1],\"data\":[1]}]}";
    long status = 504;
    for (int tries = 0; status == 504 && tries < 60; tries++) {
        struct http_response response;
        assert_true(
            http_post(&fixture.client, "/v2/models/tiny/infer", body, strlen(body), &response));
        status = response.status;
        http_response_fini(&response);
    }
    assert_int_equal(status, 200);
}

static void what_takes_too_long_is_504(void **state)
{
    static const char *const arguments[] = {"--request-timeout-ms", "3000",       "--workers", "1",
                                            "--max-memory-bytes",   "4000000000", NULL};
    struct http_response response;
    (void)state;
    start(arguments);
    char *body = slow_model_body(slow_model_steps(&fixture, 15));
    assert_true(http_post(&fixture.client, SLOW_MODEL_PATH, body, strlen(body), &response));
    expect_error(&response, 504, "Request timeout expired");
    http_response_fini(&response);
    free(body);
    assert_good_again();
    assert_int_equal(fixture_stop(&fixture), 0);
}

static void clients_that_leave_do_no_harm(void **state)
{
    enum { CLIENTS = 12 };
    static const char *const arguments[] = {"--workers", "1", NULL};
    (void)state;
    start(arguments);
    char *body = slow_model_body(slow_model_steps(&fixture, 1));
    for (int i = 0; i < CLIENTS; i++) {
        const int fd = raw_connect(fixture.daemon.port);
        assert_true(raw_post(fd, SLOW_MODEL_PATH, body));
        close(fd);
    }
    free(body);
    assert_still_good();
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- many at once ---- */

enum { THREADS = 8, ROUNDS = 40, STEPS = 5, FEATURES = 10, HIDDEN = 7 };

struct caller {
    pthread_t thread;
    struct http_client client;
    unsigned seed;
    unsigned wrong; /* answers that were not the first one's bits */
};

/* This caller's question: as many rows as its seed says, other numbers than anyone else's. */
static bool ask(struct caller *caller, struct infer_result *result)
{
    const size_t rows = 1 + caller->seed % 5;
    float input[STEPS * 5 * FEATURES];
    struct infer_body body;
    for (size_t i = 0; i < STEPS * rows * FEATURES; i++)
        input[i] = (float)(i % 17) * 0.1f - (float)caller->seed;
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, (const size_t[]){STEPS, rows, FEATURES}, input);
    return infer_post(&caller->client, "simple", &body, result);
}

static bool same_output(const struct infer_result *a, const struct infer_result *b)
{
    const struct infer_result_tensor *x = infer_result_find(a, "output");
    const struct infer_result_tensor *y = infer_result_find(b, "output");
    return x != NULL && y != NULL && x->elements == y->elements &&
           memcmp(x->values, y->values, x->elements * sizeof(float)) == 0;
}

static void *call_again_and_again(void *argument)
{
    struct caller *caller = argument;
    struct infer_result first;
    if (!ask(caller, &first)) {
        caller->wrong = ROUNDS;
        return NULL;
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct infer_result result;
        if (!ask(caller, &result)) {
            caller->wrong++;
            continue;
        }
        caller->wrong += !same_output(&first, &result);
        infer_result_fini(&result);
    }
    infer_result_fini(&first);
    return NULL;
}

static void many_clients_at_once_get_each_its_own_answer(void **state)
{
    static struct caller callers[THREADS];
    struct infer_result before[THREADS], after;
    (void)state;
    start(NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i].seed = i;
        http_client_init(&callers[i].client, fixture.daemon.port);
        assert_true(ask(&callers[i], &before[i])); /* alone */
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&callers[i].thread, NULL, call_again_and_again, &callers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(callers[i].thread, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(callers[i].wrong, 0);
        assert_true(ask(&callers[i], &after));
        assert_true(same_output(&before[i], &after));
        infer_result_fini(&before[i]);
        infer_result_fini(&after);
        http_client_fini(&callers[i].client);
    }
    assert_int_equal(fixture_stop(&fixture), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_is_503_at_once_and_what_waits_is_answered),
        cmocka_unit_test(a_full_queue_is_said_before_the_body_comes),
        cmocka_unit_test(one_client_leaves_room_for_another),
        cmocka_unit_test(what_can_never_fit_into_memory_is_413),
        cmocka_unit_test(connections_past_the_limit_wait_for_their_turn),
        cmocka_unit_test(what_takes_too_long_is_504),
        cmocka_unit_test(clients_that_leave_do_no_harm),
        cmocka_unit_test(many_clients_at_once_get_each_its_own_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
