/* What is logged of requests: their ids, the access log, slow ones, lines of JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

#define BODY                                                                                       \
    "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[1]}]}"

static struct fixture fixture;

static void start(const char *const *arguments)
{
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    slow_model_add(&fixture);
    assert_true(fixture_start(&fixture, arguments, NULL));
}

static void infer(const char *model, const char *body, const char *id, char given[80])
{
    char path[64], header[400];
    const char *const headers[] = {"Content-Type: application/json", id != NULL ? header : NULL,
                                   NULL};
    struct http_response response;
    snprintf(path, sizeof path, "/v2/models/%s/infer", model);
    snprintf(header, sizeof header, "X-Request-Id: %s", id != NULL ? id : "");
    assert_true(http_send(&fixture.client, "POST", path, body, strlen(body), headers, &response));
    assert_int_equal(response.status, 200);
    assert_true(http_header(&response, "X-Request-Id", given, 80));
    http_response_fini(&response);
}

/* The log's line that holds the text, the caller's to free; NULL without one. */
static char *find_line(const char *text)
{
    char *log = daemon_log(&fixture.daemon);
    char *line = strstr(log, text);
    if (line != NULL) {
        while (line > log && line[-1] != '\n')
            line--;
        line = strndup(line, strcspn(line, "\n"));
    }
    free(log);
    return line;
}

static void an_id_is_taken_or_made_and_returned(void **state)
{
    static const char *const arguments[] = {"--access-log", NULL};
    char given[80];
    (void)state;
    start(arguments);
    infer("tiny", BODY, "mine-17", given);
    assert_string_equal(given, "mine-17");
    char *line = find_line("lstmd: request id=mine-17 method=POST path=/v2/models/tiny/infer "
                           "status=200 received=");
    assert_non_null(line);
    assert_non_null(strstr(line, " queue_us="));
    assert_non_null(strstr(line, " output_us="));
    free(line);
    infer("tiny", BODY, "not \"mine\"", given);
    assert_int_equal(strlen(given), 16);
    infer("tiny", BODY, NULL, given);
    line = find_line(given);
    assert_non_null(line);
    free(line);
    assert_int_equal(fixture_stop(&fixture), 0);
}

#define POST "POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n"

/* What no request came of, or none that was read to its end. */
static const struct refused {
    const char *bytes;
    bool leaves; /* and the client closes its side */
    const char *text, *json;
} refused[] = {
    {"hello\r\n", false, "id=- method=- path=- status=400 received=0 client=127.0.0.1:",
     "\"id\":\"-\",\"method\":\"-\",\"path\":\"-\",\"status\":400,\"received\":0,\"client\":"
     "\"127.0.0.1:"},
    {"GET /v2?a=b HTTP/1.1\r\nHost: x\r\nX: ", false, "id=- method=- path=/v2 status=408 ",
     "\"path\":\"/v2\",\"status\":408,"},
    {POST "Content-Length: 10\r\n\r\n{}", false,
     "id=mine method=POST path=/v2/models/tiny/infer status=408 received=2 ",
     "\"id\":\"mine\",\"method\":\"POST\",\"path\":\"/v2/models/tiny/infer\",\"status\":408,"},
    {POST "Content-Length: 3\r\n\r\n{", true,
     "id=mine method=POST path=/v2/models/tiny/infer status=400 received=1 ",
     "\"path\":\"/v2/models/tiny/infer\",\"status\":400,\"received\":1,"},
    {POST "Content-Length: a\r\n\r\n", false, "path=/v2/models/tiny/infer status=400 received=0 ",
     "\"path\":\"/v2/models/tiny/infer\",\"status\":400,\"received\":0,"},
    {"GET / HTTP/2.0\r\n\r\n", false, " status=505 ", "\"status\":505,"},
};

static void send_refused(const struct refused *one)
{
    bool closed;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, one->bytes, strlen(one->bytes)));
    if (one->leaves)
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    free(raw_receive(fd, 20000, &closed));
    assert_true(closed);
    close(fd);
}

/* It is written when the daemon has closed the connection, which is after its client is told. */
static void expect_line(const char *text)
{
    char *line = NULL;
    for (int tries = 0; tries < 1000 && line == NULL; tries++, usleep(10000))
        line = find_line(text);
    if (line == NULL)
        fail_msg("no line with %s", text);
    free(line);
}

static size_t count_lines(const char *text)
{
    char *log = daemon_log(&fixture.daemon);
    size_t count = 0;
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        count++;
    free(log);
    return count;
}

/* They were counted, and no line said whose they were. Each has one, and one count. */
static void bug_576_what_was_not_read_is_logged(void **state)
{
    enum { CASES = sizeof refused / sizeof *refused };
    (void)state;
    for (int json = 0; json < 2; json++) {
        const char *const arguments[] = {
            "--access-log", "--header-timeout-ms",  "300", "--body-timeout-ms", "300",
            "--log-format", json ? "json" : "text", NULL};
        start(arguments);
        for (size_t i = 0; i < CASES; i++) {
            send_refused(&refused[i]);
            expect_line(json ? refused[i].json : refused[i].text);
        }
        assert_int_equal(count_lines(json ? "\"client\":" : " client="), CASES);
        assert_int_equal(count_lines(json ? "\"message\":\"request\"" : "lstmd: request "), CASES);
        struct http_response metrics;
        assert_true(http_get(&fixture.client, "/metrics", &metrics));
        assert_non_null(strstr(metrics.body, "lstmd_http_responses_total{code=\"408\"} 2\n"));
        assert_non_null(strstr(metrics.body, "lstmd_http_responses_total{code=\"400\"} 3\n"));
        http_response_fini(&metrics);
        assert_int_equal(fixture_stop(&fixture), 0);
    }
}

static void slow_ones_are_told_apart(void **state)
{
    static const char *const arguments[] = {"--slow-request-ms", "200", NULL};
    char given[80];
    (void)state;
    start(arguments);
    char *body = slow_model_body(slow_model_steps(&fixture, 0.6));
    infer("tiny", BODY, "quick", given);
    infer("slow", body, "not-so-quick", given);
    char *line = find_line("lstmd: slow request id=not-so-quick ");
    assert_non_null(line);
    const char *at = strstr(line, " infer_us=");
    assert_non_null(at);
    assert_true(strtol(at + strlen(" infer_us="), NULL, 10) > 1000);
    free(line);
    free(body);
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* Its line came with its begin: nothing sent, no time taken, and it was never slow. */
static void bug_614_an_answer_in_events_is_logged_when_it_has_ended(void **state)
{
    static const char *const arguments[] = {"--access-log", "--slow-request-ms", "200", NULL};
    static const char *const headers[] = {"X-Request-Id: streamed", NULL};
    struct http_response response;
    char expected[200];
    (void)state;
    start(arguments);
    char *body = slow_model_body(slow_model_steps(&fixture, 0.6));
    assert_true(http_send(&fixture.client, "POST", "/v2/models/slow/infer_stream", body,
                          strlen(body), headers, &response));
    assert_int_equal(response.status, 200);
    snprintf(expected, sizeof expected,
             "lstmd: slow request id=streamed method=POST path=/v2/models/slow/infer_stream "
             "status=200 received=%zu sent=%zu us=",
             strlen(body), response.body_size);
    expect_line(expected);
    char *line = find_line(expected);
    const char *at = strstr(line, " infer_us=");
    assert_non_null(at);
    assert_true(strtol(at + strlen(" infer_us="), NULL, 10) > 1000);
    assert_int_equal(count_lines("id=streamed "), 1);
    free(line);
    free(body);
    http_response_fini(&response);
    assert_int_equal(fixture_stop(&fixture), 0);
}

static void every_line_of_json_is_an_object(void **state)
{
    static const char *const arguments[] = {"--access-log", "--log-format", "json", NULL};
    static const char odd[] = "GET /v2/models/%22\\\xff\xc3\xa4 HTTP/1.1\r\nHost: x\r\n"
                              "Connection: close\r\n\r\n";
    char given[80];
    (void)state;
    start(arguments);
    infer("tiny", BODY, "mine", given);
    const int fd = raw_connect(fixture.daemon.port);
    bool closed;
    assert_true(raw_send(fd, odd, strlen(odd)));
    free(raw_receive(fd, 20000, &closed));
    assert_true(closed);
    close(fd);
    for (size_t size = 400; size < 1100; size++) {
        char path[1200] = "/";
        memset(path + 1, 'x', size);
        path[size] = '\0';
        expect_get_error(&fixture.client, path, 404, "Not Found");
    }
    char *log = daemon_log(&fixture.daemon);
    size_t lines = 0, requests = 0;
    for (char *line = strtok(log, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        cJSON *object = cJSON_Parse(line);
        if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(object, "time")) ||
            !cJSON_IsString(cJSON_GetObjectItemCaseSensitive(object, "message")))
            fail_msg("no good line: %s", line);
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(object, "id");
        const cJSON *status = cJSON_GetObjectItemCaseSensitive(object, "status");
        if (cJSON_IsString(id))
            assert_true(cJSON_IsNumber(status));
        if (cJSON_IsString(id) && strcmp(id->valuestring, "mine") == 0) {
            assert_true(cJSON_IsNumber(status) && status->valuedouble == 200);
            requests++;
        }
        cJSON_Delete(object);
    }
    assert_true(lines >= 3);
    assert_int_equal(requests, 1);
    free(log);
    assert_int_equal(fixture_stop(&fixture), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_taken_or_made_and_returned),
        cmocka_unit_test(bug_576_what_was_not_read_is_logged),
        cmocka_unit_test(slow_ones_are_told_apart),
        cmocka_unit_test(bug_614_an_answer_in_events_is_logged_when_it_has_ended),
        cmocka_unit_test(every_line_of_json_is_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
