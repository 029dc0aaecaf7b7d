/* Clients that are too slow, on purpose or not: each is cut at its deadline, however it dribbles,
 * and nobody else waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"

#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"

/* Deadlines of a second, for replies of four; a machine that is busy may take this many more to
 * hold to them. */
#define SHORTEST 0.9
#define LONGEST  30.0

static struct fixture fixture;

static int start_daemon(void **state)
{
    static const char *const arguments[] = {"--header-timeout-ms",
                                            "1000",
                                            "--body-timeout-ms",
                                            "1000",
                                            "--idle-timeout-ms",
                                            "1000",
                                            "--reply-timeout-ms",
                                            "1000",
                                            "--min-rate-bytes",
                                            "100000000",
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

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Another client, meanwhile. Its connection was idle, so it may be a new one. */
static void assert_others_are_served(void)
{
    expect_get_json(&fixture.client, "/v2/health/live", 200, "{\"live\":true}");
}

/* Sends the drip every tenth of a second until an answer or the end comes; asserts that it came
 * within the deadline's window and that the connection was closed. Returns what was said. */
static char *dribble(int fd, const char *drip)
{
    const double start = seconds();
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    bool closed;
    while (poll(&readable, 1, 100) == 0 && seconds() - start < LONGEST) {
        if (drip != NULL)
            raw_send(fd, drip, strlen(drip));
        assert_others_are_served();
    }
    char *answer = raw_receive(fd, (int)LONGEST * 1000, &closed);
    const double took = seconds() - start;
    close(fd);
    assert_true(closed);
    if (took < SHORTEST || took > LONGEST)
        fail_msg("cut after %.1f s", took);
    return answer;
}

static void assert_told_408(char *answer)
{
    assert_non_null(strstr(answer, "HTTP/1.1 408 "));
    assert_non_null(strstr(answer, "{\"error\":\"the request did not arrive in time\"}"));
    free(answer);
}

static void one_that_says_nothing_is_cut(void **state)
{
    (void)state;
    char *answer = dribble(raw_connect(fixture.daemon.port), NULL);
    assert_string_equal(answer, "");
    free(answer);
}

static void one_that_dribbles_its_first_line_is_cut(void **state)
{
    (void)state;
    free(dribble(raw_connect(fixture.daemon.port), "G"));
}

static void one_that_dribbles_its_headers_is_told_408(void **state)
{
    static const char head[] = "GET /v2 HTTP/1.1\r\nHost: x\r\nX: ";
    (void)state;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, head, strlen(head)));
    assert_told_408(dribble(fd, "x"));
}

/* Its body would be taken for the next answer's begin. */
static void bug_575_one_that_dribbles_by_HEAD_is_told_without_a_body(void **state)
{
    static const char head[] = "HEAD /v2 HTTP/1.1\r\nHost: x\r\nX: ";
    (void)state;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, head, strlen(head)));
    char *answer = dribble(fd, "x");
    assert_memory_equal(answer, "HTTP/1.1 408 ", 13);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
}

static void one_that_dribbles_its_body_is_told_408(void **state)
{
    static const char head[] = "POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 100000\r\n\r\n{";
    (void)state;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, head, strlen(head)));
    assert_told_408(dribble(fd, " "));
}

static void one_that_dribbles_chunks_is_told_408(void **state)
{
    static const char head[] = "POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    (void)state;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, head, strlen(head)));
    assert_told_408(dribble(fd, "1\r\n \r\n"));
}

static void one_that_stays_after_its_answer_is_cut(void **state)
{
    (void)state;
    const int fd = raw_connect(fixture.daemon.port);
    char line[512] = "";
    assert_true(raw_send(fd, LIVE, strlen(LIVE)));
    while (strstr(line, "{\"live\":true}") == NULL) {
        const size_t size = strlen(line);
        const ssize_t n = recv(fd, line + size, sizeof line - 1 - size, 0);
        assert_true(n > 0);
        line[size + (size_t)n] = '\0';
    }
    char *answer = dribble(fd, NULL);
    assert_string_equal(answer, "");
    free(answer);
}

/* Asks for more than the sockets' buffers hold and does not take it. */
static void one_that_does_not_take_its_answer_is_cut(void **state)
{
    static const char body[] = "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","
                               "\"shape\":[0,2000000,1],\"data\":[]}]}";
    static char piece[1 << 20];
    struct http_response whole;
    size_t taken = 0;
    (void)state;
    const double start = seconds();
    assert_true(http_post(&fixture.client, "/v2/models/tiny/infer", body, strlen(body), &whole));
    assert_int_equal(whole.status, 200);
    const double usual = seconds() - start;

    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_post(fd, "/v2/models/tiny/infer", body));
    for (const double asked = seconds(); seconds() - asked < 5 + 3 * usual; usleep(100000))
        assert_others_are_served();
    for (ssize_t n; (n = recv(fd, piece, sizeof piece, 0)) > 0;)
        taken += (size_t)n;
    close(fd);
    assert_in_range(taken, 1, whole.body_size - 1);
    http_response_fini(&whole);
}

/* Has the other side closed? What it said before is taken and forgotten. */
static bool is_closed(int fd)
{
    char said[256];
    ssize_t n;
    while ((n = recv(fd, said, sizeof said, MSG_DONTWAIT)) > 0)
        ;
    return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* Each of them sends a byte a second, in its headers or in its body. */
static void two_hundred_are_cut_while_others_are_served(void **state)
{
    enum { SLOW = 200 };
    static const char headers[] = "GET /v2 HTTP/1.1\r\nHost: x\r\nX: ";
    static const char body[] = "POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 100000\r\n\r\n{";
    int fds[SLOW];
    size_t open = SLOW;
    (void)state;
    const double start = seconds();
    for (int i = 0; i < SLOW; i++) {
        const char *begun = i % 2 == 0 ? headers : body;
        fds[i] = raw_connect(fixture.daemon.port);
        assert_true(raw_send(fds[i], begun, strlen(begun)));
    }
    double sent = seconds();
    while (open > 0 && seconds() - start < LONGEST) {
        const bool due = seconds() - sent >= 1;
        assert_others_are_served();
        if (due)
            sent = seconds();
        for (int i = 0; i < SLOW; i++) {
            if (fds[i] < 0)
                continue;
            if (due)
                raw_send(fds[i], " ", 1);
            if (is_closed(fds[i])) {
                close(fds[i]);
                fds[i] = -1;
                open--;
            }
        }
    }
    assert_int_equal(open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_says_nothing_is_cut),
        cmocka_unit_test(one_that_dribbles_its_first_line_is_cut),
        cmocka_unit_test(one_that_dribbles_its_headers_is_told_408),
        cmocka_unit_test(bug_575_one_that_dribbles_by_HEAD_is_told_without_a_body),
        cmocka_unit_test(one_that_dribbles_its_body_is_told_408),
        cmocka_unit_test(one_that_dribbles_chunks_is_told_408),
        cmocka_unit_test(one_that_stays_after_its_answer_is_cut),
        cmocka_unit_test(one_that_does_not_take_its_answer_is_cut),
        cmocka_unit_test(two_hundred_are_cut_while_others_are_served),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
