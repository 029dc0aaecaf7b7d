/* How the daemon starts and stops: signals, ports, and the requests that are under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/daemon.h"
#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

#define LIVE     "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
#define PATIENCE 60000

static const char *const examples[] = {"--models", "deploy/models", NULL};

/* ---- threads ---- */

static size_t count_threads(const struct daemon *daemon, const char *name)
{
    char path[64];
    glob_t found;
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/*/comm", (int)daemon->program.pid);
    assert_int_equal(glob(path, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char own[32] = "";
        FILE *file = fopen(found.gl_pathv[i], "r");
        assert_non_null(file);
        assert_non_null(fgets(own, sizeof own, file));
        fclose(file);
        own[strcspn(own, "\n")] = '\0';
        count += strcmp(own, name) == 0;
    }
    globfree(&found);
    return count;
}

/* One that has only just been started is still named like the process. */
static void expect_threads(const struct daemon *daemon, const char *name, size_t count)
{
    for (int i = 0; i < PATIENCE && count_threads(daemon, name) != count; i++)
        usleep(1000);
    assert_int_equal(count_threads(daemon, name), count);
}

/* For whoever looks which of them is busy. */
static void threads_are_named_by_what_they_do(void **state)
{
    static const char *const arguments[] = {"--models", "deploy/models",     "--workers", "3",
                                            "--zmq",    "tcp://127.0.0.1:0", NULL};
    struct daemon daemon;
    (void)state;
    assert_true(daemon_start(&daemon, arguments, NULL));
    expect_threads(&daemon, "worker", 3);
    expect_threads(&daemon, "zmq", 1);
    expect_threads(&daemon, "acceptor", 1);
    expect_threads(&daemon, "connections", 1);
    expect_threads(&daemon, "evictor", 1);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_fini(&daemon);
}

/* ---- ports ---- */

static void port_0_is_a_free_port_and_the_log_names_it(void **state)
{
    struct daemon first, second;
    struct http_client client;
    (void)state;
    assert_true(daemon_start(&first, examples, NULL));
    assert_true(daemon_start(&second, examples, NULL));
    assert_int_not_equal(first.port, second.port);
    http_client_init(&client, second.port);
    expect_get_json(&client, "/v2/health/live", 200, "{\"live\":true}");
    http_client_fini(&client);
    assert_int_equal(daemon_stop(&first), 0);
    assert_int_equal(daemon_stop(&second), 0);
    daemon_fini(&first);
    daemon_fini(&second);
}

static void the_same_port_can_be_taken_again_at_once(void **state)
{
    struct daemon daemon;
    char address[32];
    const char *const arguments[] = {"--http", address, "--models", "deploy/models", NULL};
    (void)state;
    strcpy(address, "127.0.0.1:0");
    for (int round = 0; round < 4; round++) {
        struct http_client client;
        assert_true(daemon_start_exactly(&daemon, arguments, NULL));
        snprintf(address, sizeof address, "127.0.0.1:%u", daemon.port);
        http_client_init(&client, daemon.port);
        expect_get_json(&client, "/v2/health/live", 200, "{\"live\":true}");
        assert_int_equal(daemon_stop(&daemon), 0); /* the client is still connected */
        http_client_fini(&client);
        daemon_fini(&daemon);
    }
}

static void refuse_taken(const char *const *arguments, const char *address, const char *option)
{
    char wanted[128], *output, *errors;
    snprintf(wanted, sizeof wanted,
             "cannot listen on %s: Address already in use; %s ADDR:PORT says another\n", address,
             option);
    assert_int_equal(daemon_run(arguments, NULL, &output, &errors), 1);
    if (strstr(errors, wanted) == NULL)
        fail_msg("'%s' wanted, got: %s", wanted, errors);
    free(output);
    free(errors);
}

static void a_port_that_is_taken_is_an_error(void **state)
{
    struct daemon daemon;
    char address[32];
    const char *const http[] = {"--models", "deploy/models", "--http", address, NULL};
    const char *const admin[] = {"--models", "deploy/models", "--http", "127.0.0.1:0",
                                 "--admin",  address,         NULL};
    (void)state;
    assert_true(daemon_start(&daemon, examples, NULL));
    snprintf(address, sizeof address, "127.0.0.1:%u", daemon.port);
    refuse_taken(http, address, "--http");
    refuse_taken(admin, address, "--admin");
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_fini(&daemon);
}

/* ---- signals ---- */

static void stop_by(int signal_number, const char *name)
{
    struct daemon daemon;
    assert_true(daemon_start(&daemon, examples, NULL));
    program_signal(&daemon.program, signal_number);
    assert_int_equal(program_wait(&daemon.program, PATIENCE), 0);
    assert_true(daemon_wait_for_log(&daemon, name));
    assert_true(daemon_wait_for_log(&daemon, "lstmd: stopped\n"));
    daemon_fini(&daemon);
}

static void sigterm_ends_it_with_exit_0(void **state)
{
    (void)state;
    stop_by(SIGTERM, "lstmd: SIGTERM, stopping\n");
}

static void sigint_ends_it_with_exit_0(void **state)
{
    (void)state;
    stop_by(SIGINT, "lstmd: SIGINT, stopping\n");
}

static void a_second_signal_ends_it_at_once(void **state)
{
    static const char *const arguments[] = {"--models", "deploy/models", "--drain-delay-ms",
                                            "600000", NULL};
    struct daemon daemon;
    (void)state;
    assert_true(daemon_start(&daemon, arguments, NULL));
    program_signal(&daemon.program, SIGTERM);
    assert_true(daemon_wait_for_log(&daemon, "stopping"));
    assert_int_equal(program_wait(&daemon.program, 500), PROGRAM_STILL_RUNNING);
    program_signal(&daemon.program, SIGTERM);
    assert_int_equal(program_wait(&daemon.program, PATIENCE), 1);
    daemon_fini(&daemon);
}

static void bug_475_a_signal_that_comes_twice_is_one(void **state)
{
    static const char *const arguments[] = {"--models", "deploy/models", "--drain-delay-ms", "50",
                                            NULL};
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct daemon daemon;
        assert_true(daemon_start(&daemon, arguments, NULL));
        program_signal(&daemon.program, SIGTERM);
        usleep(2000);
        program_signal(&daemon.program, SIGTERM);
        assert_int_equal(program_wait(&daemon.program, PATIENCE), 0);
        assert_true(daemon_wait_for_log(&daemon, "lstmd: stopped\n"));
        daemon_fini(&daemon);
    }
}

static void connections_without_a_request_do_not_hold_it_up(void **state)
{
    struct daemon daemon;
    (void)state;
    assert_true(daemon_start(&daemon, examples, NULL));
    const int silent = raw_connect(daemon.port), idle = raw_connect(daemon.port);
    bool closed;
    assert_true(raw_send(idle, LIVE, strlen(LIVE)));
    free(raw_receive(idle, 500, &closed));
    assert_false(closed);
    assert_int_equal(daemon_stop(&daemon), 0);
    close(silent);
    close(idle);
    daemon_fini(&daemon);
}

/* ---- requests under way ---- */

/* A connection with a request on it that the daemon has taken in. */
static int send_slow(const struct fixture *fixture, size_t steps)
{
    bool closed;
    const int fd = raw_connect(fixture->daemon.port);
    char *body = slow_model_body(steps);
    assert_true(raw_send(fd, LIVE, strlen(LIVE)));
    char *live = raw_receive(fd, 500, &closed);
    assert_non_null(strstr(live, "\"live\""));
    assert_true(raw_post(fd, SLOW_MODEL_PATH, body));
    free(live);
    free(body);
    return fd;
}

static void start_slow(struct fixture *fixture, const char *drain_option, const char *milliseconds)
{
    const char *const arguments[] = {
        "--workers", "1", "--max-memory-bytes", "4000000000", drain_option, milliseconds, NULL};
    fixture_init(fixture);
    slow_model_add(fixture);
    assert_true(fixture_start(fixture, arguments, NULL));
}

static void what_was_accepted_is_answered_before_it_stops(void **state)
{
    struct fixture fixture;
    int connections[3];
    (void)state;
    start_slow(&fixture, "--drain-timeout-ms", "60000");
    const size_t steps = slow_model_steps(&fixture, 0.7);
    for (int i = 0; i < 3; i++)
        connections[i] = send_slow(&fixture, steps);
    assert_int_equal(fixture_stop(&fixture), 0);
    for (int i = 0; i < 3; i++) {
        bool closed;
        char *answer = raw_receive(connections[i], PATIENCE, &closed);
        assert_true(closed);
        assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
        assert_non_null(strstr(answer, "\"shape\":[1,1,1024]"));
        assert_string_equal(answer + strlen(answer) - 2, "]}"); /* whole */
        free(answer);
        close(connections[i]);
    }
}

static void what_takes_too_long_is_told_so(void **state)
{
    struct fixture fixture;
    int connections[2];
    (void)state;
    start_slow(&fixture, "--drain-timeout-ms", "100");
    const size_t steps = slow_model_steps(&fixture, 5);
    for (int i = 0; i < 2; i++)
        connections[i] = send_slow(&fixture, steps);
    assert_int_equal(fixture_stop(&fixture), 0);
    for (int i = 0; i < 2; i++) {
        bool closed;
        char *answer = raw_receive(connections[i], PATIENCE, &closed);
        assert_true(closed);
        assert_non_null(strstr(answer, "HTTP/1.1 503 "));
        assert_non_null(strstr(answer, "{\"error\":\"the server is shutting down\"}"));
        free(answer);
        close(connections[i]);
    }
}

static void wait_until_not_ready(struct http_client *client)
{
    long status = 200;
    for (int waited = 0; status == 200 && waited < PATIENCE; waited += 10) {
        struct http_response response;
        assert_true(http_get(client, "/v2/health/ready", &response));
        status = response.status;
        http_response_fini(&response);
        usleep(10000);
    }
    assert_int_equal(status, 503);
}

static void while_it_waits_to_drain_it_serves_but_is_not_ready(void **state)
{
    static const char body[] = "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],"
                               "\"datatype\":\"FP32\",\"data\":[0]}]}";
    struct fixture fixture;
    struct http_response response;
    (void)state;
    start_slow(&fixture, "--drain-delay-ms", "600000");
    program_signal(&fixture.daemon.program, SIGTERM);
    wait_until_not_ready(&fixture.client);
    expect_get_json(&fixture.client, "/v2/health/live", 200, "{\"live\":true}");
    expect_get_json(&fixture.client, "/v2/health/ready", 503,
                    "{\"ready\":false,\"error\":\"the server is shutting down\",\"live\":true}");
    expect_get_json(
        &fixture.client, "/v2/models/slow/ready", 503,
        "{\"name\":\"slow\",\"ready\":false,\"error\":\"the server is shutting down\"}");
    assert_true(http_post(&fixture.client, "/v2/models/slow/infer", body, strlen(body), &response));
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
    usleep(150000);                              /* else it were the first one once more */
    assert_int_equal(fixture_stop(&fixture), 1); /* by the second signal */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_named_by_what_they_do),
        cmocka_unit_test(port_0_is_a_free_port_and_the_log_names_it),
        cmocka_unit_test(the_same_port_can_be_taken_again_at_once),
        cmocka_unit_test(a_port_that_is_taken_is_an_error),
        cmocka_unit_test(sigterm_ends_it_with_exit_0),
        cmocka_unit_test(sigint_ends_it_with_exit_0),
        cmocka_unit_test(a_second_signal_ends_it_at_once),
        cmocka_unit_test(bug_475_a_signal_that_comes_twice_is_one),
        cmocka_unit_test(connections_without_a_request_do_not_hold_it_up),
        cmocka_unit_test(what_was_accepted_is_answered_before_it_stops),
        cmocka_unit_test(what_takes_too_long_is_told_so),
        cmocka_unit_test(while_it_waits_to_drain_it_serves_but_is_not_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
