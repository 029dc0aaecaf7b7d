/* Triton's repository, configuration and logging: what its clients ask beside inferring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"

#define PATIENCE 20000

static struct fixture fixture;

static int start_daemon(void **state)
{
    static const char *const arguments[] = {"--workers", "3", NULL};
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "batch_first", "both_ways");
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, arguments, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static void expect_post_json(const char *path, const char *body, const char *json)
{
    struct http_response response;
    assert_true(http_post(&fixture.client, path, body, strlen(body), &response));
    expect_json(&response, 200, json);
    http_response_fini(&response);
}

static void expect_post_error(const char *path, const char *body, long status, const char *text)
{
    struct http_response response;
    assert_true(http_post(&fixture.client, path, body, strlen(body), &response));
    expect_error(&response, status, text);
    http_response_fini(&response);
}

/* ---- repository ---- */

#define INDEX                                                                                      \
    "[{\"name\":\"both_ways\",\"version\":\"1\",\"state\":\"READY\"},"                             \
    "{\"name\":\"simple\",\"version\":\"1\",\"state\":\"READY\"},"                                 \
    "{\"name\":\"tiny\",\"version\":\"1\",\"state\":\"READY\"}]"

static void the_index_lists_every_model(void **state)
{
    (void)state;
    expect_post_json("/v2/repository/index", "", INDEX);
    expect_post_json("/v2/repository/index", "{}", INDEX);
    expect_post_json("/v2/repository/index", "{\"ready\":true}", INDEX);
    expect_post_json("/v2/repository/index", " {\"ready\" : false} ", INDEX);
}

static void a_wrong_query_is_400(void **state)
{
    (void)state;
    expect_post_error("/v2/repository/index", "[]", 400, "object");
    expect_post_error("/v2/repository/index", "{\"ready\":1}", 400, "true or false");
    expect_post_error("/v2/repository/index", "{\"steady\":true}", 400, "\"ready\"");
    expect_post_error("/v2/repository/index", "{\"ready\":true", 400, "");
    expect_post_error("/v2/repository/index", "{} x", 400, "");
}

static void loading_is_refused(void **state)
{
    static const char text[] = "explicit model load / unload is not allowed: the models are those "
                               "given when the server was started (without --allow-model-control)";
    (void)state;
    expect_post_error("/v2/repository/models/simple/load", "", 503, text);
    expect_post_error("/v2/repository/models/simple/load", "{\"parameters\":{}}", 503, text);
    expect_post_error("/v2/repository/models/nobody/load", "{}", 503, text);
    expect_post_error("/v2/repository/models/simple/unload",
                      "{\"parameters\":{\"unload_dependents\":false}}", 503, text);
    expect_get_json(&fixture.client, "/v2/models/simple/ready", 200,
                    "{\"name\":\"simple\",\"ready\":true}");
}

/* Sends the bytes; what comes back until the daemon closes, the caller's to free. */
static char *exchange(const char *bytes)
{
    bool closed;
    const int connection = raw_connect(fixture.daemon.port);
    assert_true(raw_send(connection, bytes, strlen(bytes)));
    char *answer = raw_receive(connection, PATIENCE, &closed);
    assert_true(closed);
    close(connection);
    return answer;
}

#define HEAD(path) "POST " path " HTTP/1.1\r\nHost: x\r\n"
#define HIDDEN     "GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

/* As tritonclient sends it. Whatever comes behind is thrown away with the connection. */
static void a_post_without_a_length_is_answered_and_the_connection_closed(void **state)
{
    static const char *const requests[] = {
        HEAD("/v2/repository/index") "\r\n",
        HEAD("/v2/repository/index") "\r\n" HIDDEN,
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char *answer = exchange(requests[i]);
        assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
        assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
        assert_non_null(strstr(answer, "\"state\":\"READY\""));
        assert_null(strstr(answer, "\"live\""));
        free(answer);
    }
    char *answer = exchange(HEAD("/v2/repository/models/simple/unload") "\r\n" HIDDEN);
    assert_non_null(strstr(answer, "HTTP/1.1 503 "));
    assert_null(strstr(answer, "\"live\""));
    free(answer);
}

static void a_length_is_wanted_where_there_is_another_door(void **state)
{
    static const struct {
        const char *bytes, *status;
    } requests[] = {
        {HEAD("/v2/logging") "\r\n" HIDDEN, "HTTP/1.1 411 "},
        {HEAD("/v2/models/simple/infer") "\r\n" HIDDEN, "HTTP/1.1 411 "},
        {HEAD("/v2/repository/indexes") "\r\n" HIDDEN, "HTTP/1.1 404 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char *answer = exchange(requests[i].bytes);
        assert_non_null(strstr(answer, requests[i].status));
        assert_null(strstr(answer, "\"live\""));
        free(answer);
    }
}

static void a_body_packed_in_another_way_is_415(void **state)
{
    static const char *const headers[] = {"Content-Encoding: br", NULL};
    struct http_response response;
    (void)state;
    assert_true(
        http_send(&fixture.client, "POST", "/v2/repository/index", "{}", 2, headers, &response));
    expect_error(&response, 415, "Content-Encoding");
    http_response_fini(&response);
}

/* ---- configuration ---- */

#define FP32(name, dims) "{\"name\":\"" name "\",\"data_type\":\"TYPE_FP32\",\"dims\":" dims
#define OPTIONAL         ",\"optional\":true}"

static void a_model_s_configuration_names_its_tensors(void **state)
{
    static const char config[] =
        "{\"name\":\"simple\",\"platform\":\"lstmd_safetensors\",\"backend\":\"lstmd\","
        "\"max_batch_size\":0,\"input\":[" FP32("input", "[-1,-1,10]") "}," FP32("h_0", "[1,-1,7]")
            OPTIONAL "," FP32("c_0", "[1,-1,7]") OPTIONAL
        ",{\"name\":\"lengths\",\"data_type\":\"TYPE_INT64\",\"dims\":[-1]" OPTIONAL
        "],\"output\":[" FP32("output", "[-1,-1,7]") "}," FP32("h_n", "[1,-1,7]") "}," FP32(
            "c_n", "[1,-1,7]") "}],\"instance_group\":[{\"name\":\"simple\",\"kind\":\"KIND_CPU\","
                               "\"count\":3}],\"sequence_batching\":{}}";
    (void)state;
    expect_get_json(&fixture.client, "/v2/models/simple/config", 200, config);
    expect_get_json(&fixture.client, "/v2/models/simple/versions/1/config", 200, config);
    expect_get_error(&fixture.client, "/v2/models/nobody/config", 404, "'nobody' is not found");
    expect_get_error(&fixture.client, "/v2/models/simple/versions/2/config", 404, "version 2");
}

/* perf_analyzer looks at nothing but whether the key is there. */
static void only_a_causal_model_has_sequences(void **state)
{
    struct http_response response;
    (void)state;
    assert_true(http_get(&fixture.client, "/v2/models/both_ways/config", &response));
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, "\"dynamic_batching\":{}"));
    assert_null(strstr(response.body, "sequence_batching"));
    http_response_fini(&response);
}

/* ---- logging ---- */

#define LOGGING(level)                                                                             \
    "{\"log_file\":\"\",\"log_info\":true,\"log_warning\":true,\"log_error\":true,"                \
    "\"log_verbose_level\":" level ",\"log_format\":\"default\"}"

static void requests_are_logged_on_demand(void **state)
{
    static const char mark[] = " method=GET path=/v2/models/simple/ready status=200 received=0 ";
    (void)state;
    expect_get_json(&fixture.client, "/v2/logging", 200, LOGGING("0"));
    expect_get_json(&fixture.client, "/v2/models/simple/ready", 200,
                    "{\"name\":\"simple\",\"ready\":true}");
    expect_post_json("/v2/logging", "{\"log_verbose_level\":1}", LOGGING("1"));
    char *before = daemon_log(&fixture.daemon);
    expect_get_json(&fixture.client, "/v2/models/simple/ready", 200,
                    "{\"name\":\"simple\",\"ready\":true}");
    expect_get_json(&fixture.client, "/v2/logging", 200, LOGGING("1"));
    expect_post_json("/v2/logging", "{\"log_verbose_level\":0}", LOGGING("0"));
    char *after = daemon_log(&fixture.daemon);
    assert_null(strstr(before, mark));
    assert_non_null(strstr(after, mark));
    free(before);
    free(after);
}

static void other_settings_stay_as_they_are(void **state)
{
    (void)state;
    expect_post_json("/v2/logging", LOGGING("0"), LOGGING("0"));
    expect_post_error("/v2/logging", "{\"log_file\":\"/tmp/x\"}", 501,
                      "log_file: cannot be changed");
    expect_post_error("/v2/logging", "{\"log_format\":\"ISO8601\"}", 501, "log_format");
    expect_post_error("/v2/logging", "{\"log_info\":false}", 501, "log_info");
    expect_post_error("/v2/logging", "{\"log_error\":false}", 501, "log_error");
    expect_post_error("/v2/logging", "{\"log_verbose_level\":-1}", 400, "log_verbose_level: ");
    expect_post_error("/v2/logging", "{\"log_verbose_level\":\"1\"}", 400, "log_verbose_level: ");
    expect_post_error("/v2/logging", "{\"log_trace\":1}", 400, "log_trace: unknown key");
    expect_post_error("/v2/logging", "", 400, "");
    expect_post_error("/v2/logging", "{\"log_verbose_level\":1,\"log_file\":\"x\"}", 501,
                      "log_file");
    expect_get_json(&fixture.client, "/v2/logging", 200, LOGGING("0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_lists_every_model),
        cmocka_unit_test(a_wrong_query_is_400),
        cmocka_unit_test(loading_is_refused),
        cmocka_unit_test(a_post_without_a_length_is_answered_and_the_connection_closed),
        cmocka_unit_test(a_length_is_wanted_where_there_is_another_door),
        cmocka_unit_test(a_body_packed_in_another_way_is_415),
        cmocka_unit_test(a_model_s_configuration_names_its_tensors),
        cmocka_unit_test(only_a_causal_model_has_sequences),
        cmocka_unit_test(requests_are_logged_on_demand),
        cmocka_unit_test(other_settings_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
