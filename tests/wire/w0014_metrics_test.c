/* What the daemon counts, and tells to Prometheus (/metrics) and to Triton's clients (stats). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/exposition.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

#define GOOD                                                                                       \
    "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[3,2,1],\"data\":[1,2,3,4,"  \
    "5,6]}]}"
#define TINY "model=\"tiny\",version=\"1\""

static struct fixture fixture;

static int start_daemon(void **state)
{
    static const char *const arguments[] = {
        "--workers", "1", "--max-body-bytes", "65536", "--kernel", "scalar", NULL};
    (void)state;
    fixture_init(&fixture);
    slow_model_add(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, arguments, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static void post(const char *path, const char *body, size_t size, long status)
{
    struct http_response response;
    assert_true(http_post(&fixture.client, path, body, size, &response));
    assert_int_equal(response.status, status);
    http_response_fini(&response);
}

static void post_with(const char *header, const char *path, const char *body, size_t size,
                      long status)
{
    const char *const headers[] = {header, NULL};
    struct http_response response;
    assert_true(http_send(&fixture.client, "POST", path, body, size, headers, &response));
    assert_int_equal(response.status, status);
    http_response_fini(&response);
}

static void infer(const char *body, long status)
{
    post("/v2/models/tiny/infer", body, strlen(body), status);
}

/* ---- Prometheus ---- */

/* The text, checked, the caller's to free. */
static char *scrape(void)
{
    struct http_response response;
    char type[64] = "", problem[1024];
    assert_true(http_get(&fixture.client, "/metrics", &response));
    assert_int_equal(response.status, 200);
    http_header(&response, "Content-Type", type, sizeof type);
    assert_string_equal(type, "text/plain; version=0.0.4; charset=utf-8");
    assert_int_equal(strlen(response.body), response.body_size);
    if (!exposition_check(response.body, problem, sizeof problem))
        fail_msg("%s", problem);
    char *text = strdup(response.body);
    http_response_fini(&response);
    return text;
}

static double value_of(const char *text, const char *series)
{
    double value;
    if (!exposition_value(text, series, &value))
        fail_msg("%s is not there", series);
    return value;
}

/* By how much the series grew between the two. */
static double growth(const char *before, const char *after, const char *series)
{
    return value_of(after, series) - value_of(before, series);
}

static void an_answer_is_counted_with_its_rows_and_times(void **state)
{
    (void)state;
    char *before = scrape();
    for (int i = 0; i < 3; i++)
        infer(GOOD, 200);
    char *after = scrape();
    assert_true(growth(before, after, "nv_inference_request_success{" TINY "}") == 3);
    assert_true(growth(before, after, "nv_inference_count{" TINY "}") == 6);
    assert_true(growth(before, after, "nv_inference_exec_count{" TINY "}") >= 3);
    assert_true(growth(before, after, "lstmd_steps_total{" TINY "}") == 3 * 3 * 2);
    assert_true(growth(before, after, "lstmd_batch_rows_sum{" TINY "}") >= 6);
    assert_true(growth(before, after, "lstmd_request_duration_seconds_count{" TINY "}") == 3);
    assert_true(growth(before, after, "lstmd_request_duration_seconds_sum{" TINY "}") > 0);
    assert_true(growth(before, after, "lstmd_queue_duration_seconds_count{" TINY "}") == 3);
    assert_true(growth(before, after, "lstmd_compute_duration_seconds_count{" TINY "}") == 3);
    assert_true(growth(before, after, "nv_inference_count{model=\"slow\",version=\"1\"}") == 0);
    free(before);
    free(after);
}

static void failures_are_counted_by_reason(void **state)
{
    static const char invalid[] = "nv_inference_request_failure{" TINY ",reason=\"INVALID\"}";
    static const char rejected[] = "nv_inference_request_failure{" TINY ",reason=\"REJECTED\"}";
    static const char timeout[] =
        "nv_inference_request_failure{model=\"slow\",version=\"1\",reason=\"TIMEOUT\"}";
    (void)state;
    char *slow = slow_model_body(slow_model_steps(&fixture, 1));
    char *before = scrape(), *large = calloc(1, 65537);
    memset(large, ' ', 65536 + 1);
    infer("{}", 400);
    infer(
        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[x]}]}",
        400);
    /* Without a length that could be refused before the model is known. */
    post_with("Transfer-Encoding: chunked", "/v2/models/tiny/infer", large, 65537, 413);
    post("/v2/models/nobody/infer", "{}", 2, 404);
    post_with("X-Request-Timeout-Ms: 50", SLOW_MODEL_PATH, slow, strlen(slow), 504);
    char *after = scrape();
    assert_true(growth(before, after, invalid) == 2);
    assert_true(growth(before, after, rejected) == 1);
    assert_true(growth(before, after, timeout) == 1);
    assert_true(growth(before, after, "nv_inference_request_success{" TINY "}") == 0);
    free(before);
    free(after);
    free(large);
    free(slow);
}

static void answers_are_counted_by_status(void **state)
{
    (void)state;
    infer("{}", 400);
    char *before = scrape();
    infer("{}", 400);
    infer(GOOD, 200);
    char *after = scrape();
    assert_true(growth(before, after, "lstmd_http_responses_total{code=\"400\"}") == 1);
    assert_true(growth(before, after, "lstmd_http_responses_total{code=\"200\"}") == 2);
    free(before);
    free(after);
}

static void send_raw(const char *bytes)
{
    bool closed;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, bytes, strlen(bytes)));
    free(raw_receive(fd, 5000, &closed));
    close(fd);
    assert_true(closed);
}

static void send_odd(void)
{
    send_raw("GET /v2 HTTP/2.0\r\nHost: x\r\n\r\n");
    send_raw("POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n");
    send_raw("POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
}

/* By the HTTP library, before it asks us. */
static void bug_557_what_is_no_request_is_counted_too(void **state)
{
    (void)state;
    send_odd();
    char *before = scrape();
    send_odd();
    char *after = scrape();
    assert_true(growth(before, after, "lstmd_http_responses_total{code=\"505\"}") == 1);
    assert_true(growth(before, after, "lstmd_http_responses_total{code=\"400\"}") == 2);
    free(before);
    free(after);
}

static void the_server_tells_of_itself(void **state)
{
    (void)state;
    char *text = scrape();
    assert_true(value_of(text, "lstmd_build_info{version=\"0.1.0\"}") == 1);
    assert_true(value_of(text, "lstmd_kernel_info{kernel=\"scalar\"}") == 1);
    assert_true(value_of(text, "lstmd_workers") == 1);
    assert_true(value_of(text, "lstmd_memory_limit_bytes") > 1 << 20);
    assert_true(value_of(text, "lstmd_model_memory_bytes{model=\"slow\",version=\"1\"}") > 1 << 20);
    assert_true(value_of(text, "lstmd_sequences_alive") == 0);
    assert_true(value_of(text, "process_resident_memory_bytes") > 1 << 20);
    assert_true(value_of(text, "process_open_fds") > 3);
    assert_true(value_of(text, "process_cpu_seconds_total") > 0);
    const double age = difftime(time(NULL), 0) - value_of(text, "process_start_time_seconds");
    assert_true(age > -2 && age < 3600);
    free(text);
}

/* A worker may still be at what was given up; in the end nothing is held. */
static void what_has_ended_holds_nothing(void **state)
{
    double held;
    (void)state;
    do {
        char *text = scrape();
        held = value_of(text, "lstmd_memory_in_flight_bytes") +
               value_of(text, "lstmd_queue_rows{model=\"slow\",version=\"1\"}") +
               value_of(text, "lstmd_queue_rows{" TINY "}") +
               value_of(text, "nv_inference_pending_request_count{" TINY "}");
        free(text);
    } while (held != 0);
}

#define STEP(parameters)                                                                           \
    "{\"parameters\":{\"sequence_id\":7," parameters "},\"inputs\":[{\"name\":\"input\","          \
    "\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[1]}]}"

static void sequences_are_counted(void **state)
{
    (void)state;
    char *before = scrape();
    infer(STEP("\"sequence_start\":true"), 200);
    infer(STEP("\"sequence_start\":false"), 200);
    char *alive = scrape();
    infer(STEP("\"sequence_end\":true"), 200);
    char *after = scrape();
    assert_true(growth(before, alive, "lstmd_sequences_alive") == 1);
    assert_true(growth(before, alive, "lstmd_sequences_bytes") > 0);
    assert_true(growth(before, alive, "lstmd_sequences_started_total") == 1);
    assert_true(growth(before, alive, "lstmd_sequences_ended_total") == 0);
    assert_true(growth(before, after, "lstmd_sequences_ended_total") == 1);
    assert_true(growth(before, after, "lstmd_sequences_alive") == 0);
    assert_true(growth(before, after, "nv_inference_request_success{" TINY "}") == 3);
    free(before);
    free(alive);
    free(after);
}

/* ---- statistics ---- */

static cJSON *get_json(const char *path)
{
    struct http_response response;
    assert_true(http_get(&fixture.client, path, &response));
    assert_int_equal(response.status, 200);
    cJSON *json = cJSON_Parse(response.body);
    assert_non_null(json);
    http_response_fini(&response);
    return json;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(value))
        fail_msg("a number wanted in '%s'", key);
    return cJSON_GetNumberValue(value);
}

static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (value == NULL)
        fail_msg("'%s' is not there", key);
    return value;
}

static void expect_model(const cJSON *model, const char *name)
{
    assert_string_equal(cJSON_GetStringValue(member(model, "name")), name);
    assert_string_equal(cJSON_GetStringValue(member(model, "version")), "1");
}

/* Everything that perf_analyzer and tritonclient read, with its type. */
static void a_model_s_statistics_have_every_key(void **state)
{
    static const char *const durations[] = {"success",       "fail",          "queue",
                                            "compute_input", "compute_infer", "compute_output",
                                            "cache_hit",     "cache_miss"};
    (void)state;
    infer(GOOD, 200);
    infer("{}", 400);
    cJSON *json = get_json("/v2/models/tiny/stats");
    const cJSON *list = member(json, "model_stats"), *model = cJSON_GetArrayItem(list, 0);
    assert_int_equal(cJSON_GetArraySize(list), 1);
    expect_model(model, "tiny");
    const cJSON *stats = member(model, "inference_stats");
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        const cJSON *duration = member(stats, durations[i]);
        assert_int_equal(cJSON_GetArraySize(duration), 2);
        assert_true(number(duration, "count") >= 0 && number(duration, "ns") >= 0);
    }
    assert_true(number(member(stats, "success"), "count") >= 1 &&
                number(member(stats, "success"), "ns") > 0);
    assert_true(number(member(stats, "fail"), "count") >= 1);
    assert_true(number(model, "inference_count") >= 2);
    assert_true(number(model, "execution_count") >= 1);
    assert_true(number(model, "last_inference") / 1000 > difftime(time(NULL), 0) - 3600);
    assert_true(cJSON_IsObject(member(model, "response_stats")));
    const cJSON *memory = cJSON_GetArrayItem(member(model, "memory_usage"), 0);
    assert_string_equal(cJSON_GetStringValue(member(memory, "type")), "CPU");
    assert_true(number(memory, "id") == 0 && number(memory, "byte_size") > 0);
    cJSON_Delete(json);
}

static void batches_are_told_by_their_size(void **state)
{
    double passes = 0;
    const cJSON *batch;
    (void)state;
    infer(GOOD, 200);
    cJSON *json = get_json("/v2/models/tiny/versions/1/stats");
    const cJSON *model = cJSON_GetArrayItem(member(json, "model_stats"), 0);
    cJSON_ArrayForEach(batch, member(model, "batch_stats"))
    {
        assert_true(number(batch, "batch_size") >= 1);
        assert_true(number(member(batch, "compute_infer"), "ns") > 0);
        member(batch, "compute_input");
        member(batch, "compute_output");
        passes += number(member(batch, "compute_infer"), "count");
    }
    assert_true(passes == number(model, "execution_count"));
    cJSON_Delete(json);
}

static void all_models_statistics_come_in_one_list(void **state)
{
    (void)state;
    cJSON *json = get_json("/v2/models/stats");
    const cJSON *list = member(json, "model_stats");
    assert_int_equal(cJSON_GetArraySize(list), 2);
    expect_model(cJSON_GetArrayItem(list, 0), "slow");
    expect_model(cJSON_GetArrayItem(list, 1), "tiny");
    cJSON_Delete(json);
    expect_get_error(&fixture.client, "/v2/models/nobody/stats", 404, "'nobody' is not found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_counted_with_its_rows_and_times),
        cmocka_unit_test(failures_are_counted_by_reason),
        cmocka_unit_test(answers_are_counted_by_status),
        cmocka_unit_test(bug_557_what_is_no_request_is_counted_too),
        cmocka_unit_test(the_server_tells_of_itself),
        cmocka_unit_test(sequences_are_counted),
        cmocka_unit_test(what_has_ended_holds_nothing),
        cmocka_unit_test(a_model_s_statistics_have_every_key),
        cmocka_unit_test(batches_are_told_by_their_size),
        cmocka_unit_test(all_models_statistics_come_in_one_list),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
