/* Small requests that come together over HTTP are computed together, and nobody can tell: each is
 * answered, with the bytes it gets alone. The daemon is held still while they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/expect.h"
#include "tests/support/exposition.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"

#define PATIENCE 60000
#define PATH     "/v2/models/tiny/infer"

enum { CLIENTS = 16, BODY_MAX = 200 };

static struct fixture fixture;

static int start_daemon(void **state)
{
    static const char *const arguments[] = {"--http-threads", "2", "--ignore-half-close", NULL};
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, arguments, NULL) ? 0 : -1;
}

static int start_small_daemon(void **state)
{
    static const char *const arguments[] = {"--http-threads", "2", "--max-memory-bytes", "1048576",
                                            NULL};
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, arguments, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* Of every client other numbers, and now and then other steps. */
static void write_body(int client, char body[BODY_MAX])
{
    const int steps = client % 5 == 4 ? 2 : 1;
    snprintf(body, BODY_MAX,
             "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[%d,1,1],"
             "\"data\":[%d.25%s]}]}",
             steps, client, steps == 2 ? ",-0.5" : "");
}

/* To be freed one by one. */
static void answer_alone(char *alone[CLIENTS])
{
    for (int i = 0; i < CLIENTS; i++) {
        struct http_response response;
        char body[BODY_MAX];
        write_body(i, body);
        assert_true(http_post(&fixture.client, PATH, body, strlen(body), &response));
        assert_int_equal(response.status, 200);
        free(response.headers);
        alone[i] = response.body;
    }
}

/* A connection that one of the daemon's threads has already. */
static int connect_known(void)
{
    static const char request[] = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    char answer[1024] = "";
    size_t size = 0;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(fd >= 0);
    assert_true(raw_send(fd, request, strlen(request)));
    while (strstr(answer, "{\"live\":true}") == NULL) {
        const ssize_t got = recv(fd, answer + size, sizeof answer - 1 - size, 0);
        assert_true(got > 0);
        size += (size_t)got;
        answer[size] = '\0';
    }
    return fd;
}

static double passes(void)
{
    struct http_response response;
    double value;
    assert_true(http_get(&fixture.client, "/metrics", &response));
    assert_true(exposition_value(response.body,
                                 "nv_inference_exec_count{model=\"tiny\",version=\"1\"}", &value));
    http_response_fini(&response);
    return value;
}

static void send_all(const int *fds)
{
    for (int i = 0; i < CLIENTS; i++) {
        char body[BODY_MAX];
        write_body(i, body);
        assert_true(raw_post(fds[i], PATH, body));
    }
}

static void expect_answer(int fd, const char *expected)
{
    bool closed;
    char *answer = raw_receive(fd, PATIENCE, &closed);
    const char *body = strstr(answer, "\r\n\r\n");
    assert_true(closed);
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_non_null(body);
    assert_string_equal(body + 4, expected);
    free(answer);
}

static void what_comes_together_is_computed_together(void **state)
{
    char *alone[CLIENTS];
    int fds[CLIENTS];
    (void)state;
    answer_alone(alone);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connect_known();
    const double before = passes();
    program_signal(&fixture.daemon.program, SIGSTOP);
    send_all(fds);
    program_signal(&fixture.daemon.program, SIGCONT);
    for (int i = 0; i < CLIENTS; i++) {
        expect_answer(fds[i], alone[i]);
        close(fds[i]);
        free(alone[i]);
    }
    const double took = passes() - before;
    if (took > CLIENTS / 2)
        fail_msg("%.0f passes for %d requests", took, CLIENTS);
}

static void who_leaves_takes_nothing_from_the_others(void **state)
{
    char *alone[CLIENTS];
    int fds[CLIENTS];
    (void)state;
    answer_alone(alone);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < CLIENTS; i++)
            fds[i] = connect_known();
        program_signal(&fixture.daemon.program, SIGSTOP);
        send_all(fds);
        for (int i = round % 2; i < CLIENTS; i += 3) {
            const struct linger none = {.l_onoff = round % 4 < 2, .l_linger = 0};
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &none, sizeof none); /* a reset */
            close(fds[i]);
        }
        program_signal(&fixture.daemon.program, SIGCONT);
        for (int i = 0; i < CLIENTS; i++)
            if (i % 3 != round % 2) {
                expect_answer(fds[i], alone[i]);
                close(fds[i]);
            }
    }
    for (int i = 0; i < CLIENTS; i++)
        free(alone[i]);
    expect_get_json(&fixture.client, "/v2/health/live", 200, "{\"live\":true}");
}

static void answers_half_closed(const char *const bodies[CLIENTS])
{
    char *alone[CLIENTS];
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        struct http_response response;
        assert_true(http_post(&fixture.client, PATH, bodies[i], strlen(bodies[i]), &response));
        assert_int_equal(response.status, 200);
        free(response.headers);
        alone[i] = response.body;
        fds[i] = connect_known();
    }
    program_signal(&fixture.daemon.program, SIGSTOP);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(raw_post(fds[i], PATH, bodies[i]));
        assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
    }
    program_signal(&fixture.daemon.program, SIGCONT);
    for (int i = 0; i < CLIENTS; i++) {
        expect_answer(fds[i], alone[i]);
        close(fds[i]);
        free(alone[i]);
    }
}

static void bug_531_who_has_said_all_is_answered(void **state)
{
    char bodies[CLIENTS][BODY_MAX];
    const char *pointers[CLIENTS];
    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        write_body(i, bodies[i]);
        pointers[i] = bodies[i];
    }
    answers_half_closed(pointers);
}

/* All of them at the same moment. */
static void expect_all_answered(int *fds, int count, const char *body)
{
    for (int i = 0; i < count; i++)
        fds[i] = connect_known();
    program_signal(&fixture.daemon.program, SIGSTOP);
    for (int i = 0; i < count; i++)
        assert_true(raw_post(fds[i], PATH, body));
    program_signal(&fixture.daemon.program, SIGCONT);
    for (int i = 0; i < count; i++) {
        bool closed;
        char *answer = raw_receive(fds[i], PATIENCE, &closed);
        assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
        free(answer);
        close(fds[i]);
    }
}

/* As many for each of the two threads as the library takes at once: it is to wait for no other.
 */
static void bug_589_as_many_as_are_taken_at_once_are_answered(void **state)
{
    enum { EVENTS_AT_ONCE = 128, ALL = 2 * EVENTS_AT_ONCE };
    char body[BODY_MAX];
    int fds[ALL];
    (void)state;
    write_body(0, body);
    expect_all_answered(fds, ALL, body);
}

static void write_long_body(int steps, char *body, size_t room)
{
    int size = snprintf(body, room,
                        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","
                        "\"shape\":[%d,1,1],\"data\":[1",
                        steps);
    for (int i = 1; i < steps; i++)
        size += snprintf(body + size, room - (size_t)size, ",%d", i % 3);
    snprintf(body + size, room - (size_t)size, "]}]}");
}

/* Too long for a light one, and yet read at once. */
static void bug_532_so_is_who_waited_for_a_worker(void **state)
{
    enum { STEPS = 800 };
    static char body[2 * STEPS + 200];
    const char *pointers[CLIENTS];
    (void)state;
    write_long_body(STEPS, body, sizeof body);
    for (int i = 0; i < CLIENTS; i++)
        pointers[i] = body;
    answers_half_closed(pointers);
}

/* All of them held would want more than there is; one after the other they do not. */
static void bug_533_who_is_held_takes_no_memory_from_others(void **state)
{
    enum { MANY = 100, STEPS = 150 };
    char body[4 * STEPS + 200];
    int fds[MANY];
    (void)state;
    write_long_body(STEPS, body, sizeof body);
    expect_all_answered(fds, MANY, body);
}

int main(void)
{
    const struct CMUnitTest small[] = {
        cmocka_unit_test(bug_533_who_is_held_takes_no_memory_from_others),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_together_is_computed_together),
        cmocka_unit_test(who_leaves_takes_nothing_from_the_others),
        cmocka_unit_test(bug_531_who_has_said_all_is_answered),
        cmocka_unit_test(bug_532_so_is_who_waited_for_a_worker),
        cmocka_unit_test(bug_589_as_many_as_are_taken_at_once_are_answered),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon) +
           cmocka_run_group_tests(small, start_small_daemon, stop_daemon);
}
