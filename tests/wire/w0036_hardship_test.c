/* What a machine does to a daemon: it is killed, descriptors run out, the log's disk is full, the
 * log's reader stands still. It goes on, or is back at once.
 *
 * LSTMD_TEST_KILLS=N: so many kills instead of a few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"

#define PATIENCE 60000 /* ms */

/* The LSTM of one_by_one: one feature, one unit. */
#define BODY                                                                                       \
    "{\"inputs\":[{\"name\":\"input\",\"shape\":[2,1,1],\"datatype\":\"FP32\","                    \
    "\"data\":[0.5,-0.25]}]}"

/* The answer's text, the caller's to free. */
static char *infer(struct http_client *client)
{
    struct http_response response;
    assert_true(http_post(client, "/v2/models/tiny/infer", BODY, strlen(BODY), &response));
    assert_int_equal(response.status, 200);
    char *answer = strdup(response.body);
    http_response_fini(&response);
    return answer;
}

static void expect_same_answer(struct http_client *client, const char *wanted)
{
    char *answer = infer(client);
    assert_string_equal(answer, wanted);
    free(answer);
}

/* ---- killed ---- */

static void kill_daemon(struct fixture *fixture)
{
    program_signal(&fixture->daemon.program, SIGKILL);
    assert_int_equal(program_wait(&fixture->daemon.program, PATIENCE), 128 + SIGKILL);
    daemon_fini(&fixture->daemon);
    http_client_fini(&fixture->client);
}

/* With a file of sequences that no kill may leave half written. */
static void what_is_killed_is_back_with_the_same_answers(void **state)
{
    const char *count = getenv("LSTMD_TEST_KILLS");
    const int kills = count != NULL ? atoi(count) : 5;
    struct fixture fixture;
    char file[300];
    const char *const arguments[] = {"--sequence-file", file, NULL};
    char *wanted = NULL;
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    snprintf(file, sizeof file, "%s/sequences", fixture.dir.path);
    for (int i = 0; i < kills; i++) {
        assert_true(fixture_start(&fixture, arguments, NULL));
        if (wanted == NULL)
            wanted = infer(&fixture.client);
        expect_same_answer(&fixture.client, wanted);
        kill_daemon(&fixture);
    }
    assert_true(fixture_start(&fixture, arguments, NULL));
    expect_same_answer(&fixture.client, wanted);
    assert_int_equal(fixture_stop(&fixture), 0);
    free(wanted);
}

/* ---- no descriptors ---- */

static void set_descriptors(pid_t pid, rlim_t count)
{
    struct rlimit limit;
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = count;
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* Connections that are there are served on; new ones wait until descriptors are had again. */
static void without_descriptors_those_who_are_in_are_served(void **state)
{
    enum { MORE = 40 };
    struct fixture fixture;
    struct rlimit before;
    int fds[MORE];
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(fixture_start(&fixture, NULL, NULL));
    char *wanted = infer(&fixture.client);
    const pid_t pid = fixture.daemon.program.pid;
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &before), 0);
    set_descriptors(pid, 3);
    for (int i = 0; i < MORE; i++)
        fds[i] = raw_connect(fixture.daemon.port); /* the kernel takes them */
    for (int i = 0; i < 20; i++)
        expect_same_answer(&fixture.client, wanted);
    set_descriptors(pid, before.rlim_cur);
    for (int i = 0; i < MORE; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    struct http_client another;
    http_client_init(&another, fixture.daemon.port);
    expect_same_answer(&another, wanted);
    http_client_fini(&another);
    assert_int_equal(fixture_stop(&fixture), 0);
    free(wanted);
}

/* ---- nowhere to log ---- */

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(fixture_start(&fixture, NULL, NULL));
    const unsigned port = fixture.daemon.port;
    assert_int_equal(fixture_stop(&fixture), 0);
    return port;
}

/* The daemon with its log in that place, once it answers. */
static void start_logging_to(struct program *program, const struct fixture *fixture,
                             const char *log, unsigned port)
{
    char command[1200];
    snprintf(command, sizeof command,
             "exec '%s' --models '%s' --http 127.0.0.1:%u --access-log 2>'%s'", daemon_binary(),
             fixture->dir.path, port, log);
    const char *const arguments[] = {"/bin/sh", "-c", command, NULL};
    program_start(program, arguments, NULL);
    for (int waited = 0; waited < PATIENCE; waited += 10) {
        const int fd = raw_connect(port);
        if (fd >= 0) {
            close(fd);
            return;
        }
        assert_int_equal(program_wait(program, 10), PROGRAM_STILL_RUNNING);
    }
    fail_msg("the daemon did not get ready");
}

/* Whether lines of the log were dropped, as the metrics say. */
static bool lines_were_dropped(struct http_client *client)
{
    static const char series[] = "\nlstmd_log_lines_dropped_total ";
    struct http_response response;
    assert_true(http_get(client, "/metrics", &response));
    const char *found = strstr(response.body, series);
    assert_non_null(found);
    const bool dropped = atof(found + strlen(series)) > 0;
    http_response_fini(&response);
    return dropped;
}

static void expect_served(struct program *program, unsigned port, int requests)
{
    struct http_client client;
    http_client_init(&client, port);
    char *wanted = infer(&client);
    for (int i = 1; i < requests; i++)
        expect_same_answer(&client, wanted);
    free(wanted);
    assert_true(lines_were_dropped(&client));
    http_client_fini(&client);
    program_signal(program, SIGTERM);
    assert_int_equal(program_wait(program, PATIENCE), 0);
    program_fini(program);
}

static void a_full_disk_under_the_log_changes_nothing(void **state)
{
    struct fixture fixture;
    struct program program;
    (void)state;
    const unsigned port = free_port();
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    start_logging_to(&program, &fixture, "/dev/full", port);
    expect_served(&program, port, 50);
    temp_dir_remove(&fixture.dir);
}

/* More lines than the pipe holds, and nobody who takes them. */
static void a_log_s_reader_that_stands_still_is_not_waited_for(void **state)
{
    enum { REQUESTS = 2500 };
    struct fixture fixture;
    struct program program;
    char pipe[300];
    (void)state;
    const unsigned port = free_port();
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    snprintf(pipe, sizeof pipe, "%s/log", fixture.dir.path);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    const int reader = open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    start_logging_to(&program, &fixture, pipe, port);
    expect_served(&program, port, REQUESTS);
    close(reader);
    temp_dir_remove(&fixture.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_killed_is_back_with_the_same_answers),
        cmocka_unit_test(without_descriptors_those_who_are_in_are_served),
        cmocka_unit_test(a_full_disk_under_the_log_changes_nothing),
        cmocka_unit_test(a_log_s_reader_that_stands_still_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
