/* The binary tensor extension over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"

static struct fixture fixture;

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* Posts JSON and what follows it, with the header that says where the JSON ends. */
static void post(const char *json, const void *tail, size_t tail_size,
                 struct http_response *response)
{
    char header[80], body[1024];
    const size_t size = strlen(json);
    assert_true(size + tail_size <= sizeof body);
    memcpy(body, json, size);
    memcpy(body + size, tail, tail_size);
    snprintf(header, sizeof header, "inference-header-content-length: %zu", size);
    const char *const headers[] = {header, NULL};
    assert_true(http_send(&fixture.client, "POST", "/v2/models/tiny/infer", body, size + tail_size,
                          headers, response));
}

/* output and h_n of tiny for these three steps. */
static const float steps[3] = {0.5f, -1.25f, 2e-3f};

static void expected(float *output, float *h_n)
{
    struct infer_result result;
    static const char body[] = "{\"inputs\":[{\"name\":\"input\",\"shape\":[3,1,1],"
                               "\"datatype\":\"FP32\",\"data\":[0.5,-1.25,2e-3]}]}";
    assert_true(infer_post_text(&fixture.client, "tiny", body, strlen(body), &result));
    memcpy(output, expect_tensor(&result, "output", 3, 1, 1), 3 * sizeof *output);
    memcpy(h_n, expect_tensor(&result, "h_n", 1, 1, 1), sizeof *h_n);
    infer_result_fini(&result);
}

#define INPUT(parameters)                                                                          \
    "\"inputs\":[{\"name\":\"input\",\"shape\":[3,1,1],\"datatype\":\"FP32\"," parameters "}]"
#define BINARY(size) "\"parameters\":{\"binary_data_size\":" size "}"

static void expect_headers(const struct http_response *response, const char *type, size_t json_size)
{
    char value[80];
    assert_int_equal(response->status, 200);
    assert_true(http_header(response, "Content-Type", value, sizeof value));
    assert_string_equal(value, type);
    const bool found =
        http_header(response, "Inference-Header-Content-Length", value, sizeof value);
    assert_int_equal(found, json_size != 0);
    if (found)
        assert_int_equal(strtoul(value, NULL, 10), json_size);
}

static void binary_in_is_answered_in_json_when_not_asked_otherwise(void **state)
{
    float output[3], h_n;
    struct http_response binary, json;
    (void)state;
    expected(output, &h_n);
    post("{" INPUT(BINARY("12")) "}", steps, sizeof steps, &binary);
    post("{" INPUT("\"data\":[0.5,-1.25,2e-3]") "}", "", 0, &json);
    expect_headers(&binary, "application/json", 0);
    assert_string_equal(binary.body, json.body);
    http_response_fini(&binary);
    http_response_fini(&json);
}

static void binary_out_follows_the_json(void **state)
{
    float output[3], h_n, found[4];
    struct http_response response;
    (void)state;
    expected(output, &h_n);
    post("{\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":\"h_n\"},"
         "{\"name\":\"output\"}]," INPUT(BINARY("12")) "}",
         steps, sizeof steps, &response);
    static const char wanted[] = "{\"model_name\":\"tiny\",\"model_version\":\"1\",\"outputs\":["
                                 "{\"name\":\"h_n\",\"datatype\":\"FP32\",\"shape\":[1,1,1],"
                                 "\"parameters\":{\"binary_data_size\":4}},"
                                 "{\"name\":\"output\",\"datatype\":\"FP32\",\"shape\":[3,1,1],"
                                 "\"parameters\":{\"binary_data_size\":12}}]}";
    expect_headers(&response, "application/octet-stream", strlen(wanted));
    assert_int_equal(response.body_size, strlen(wanted) + 16);
    assert_memory_equal(response.body, wanted, strlen(wanted));
    memcpy(found, response.body + strlen(wanted), sizeof found);
    assert_memory_equal(&found[0], &h_n, sizeof h_n);
    assert_memory_equal(&found[1], output, sizeof output);
    http_response_fini(&response);
}

static void outputs_may_differ_in_form(void **state)
{
    float output[3], h_n, found;
    struct http_response response;
    (void)state;
    expected(output, &h_n);
    post("{\"parameters\":{\"binary_data_output\":true},\"outputs\":["
         "{\"name\":\"output\",\"parameters\":{\"binary_data\":false}},{\"name\":\"h_n\"}]," INPUT(
             "\"data\":[0.5,-1.25,2e-3]") "}",
         "", 0, &response);
    const char *end = strstr(response.body, "}}]}");
    assert_non_null(end);
    assert_non_null(strstr(response.body, "\"shape\":[3,1,1],\"data\":["));
    const size_t json_size = (size_t)(end - response.body) + 4;
    expect_headers(&response, "application/octet-stream", json_size);
    assert_int_equal(response.body_size, json_size + 4);
    memcpy(&found, response.body + json_size, sizeof found);
    assert_memory_equal(&found, &h_n, sizeof h_n);
    http_response_fini(&response);
}

/* Of no steps; clients look for the header where they asked for binary tensors. */
static void bug_460_binary_outputs_may_be_empty(void **state)
{
    static const char json[] =
        "{\"inputs\":[{\"name\":\"input\",\"shape\":[0,1,1],"
        "\"datatype\":\"FP32\"," BINARY("0") "}],\"outputs\":[{\"name\":"
                                             "\"output\",\"parameters\":{\"binary_data\":true}}]}";
    struct http_response response;
    (void)state;
    post(json, "", 0, &response);
    expect_headers(&response, "application/octet-stream", response.body_size);
    assert_non_null(strstr(response.body, "\"binary_data_size\":0"));
    http_response_fini(&response);
}

static void bytes_too_few_or_too_many_are_refused(void **state)
{
    static const struct {
        const char *json;
        size_t tail;
        const char *text;
    } cases[] = {
        {"{" INPUT(BINARY("12")) "}", 0,
         "unexpected size for input 'input', expecting 12 additional bytes for model 'tiny'"},
        {"{" INPUT(BINARY("12")) "}", 11,
         "unexpected size for input 'input', expecting 1 additional bytes for model 'tiny'"},
        {"{" INPUT(BINARY("12")) "}", 13, "unexpected additional input data for model 'tiny'"},
        {"{" INPUT("\"data\":[1,2,3]") "}", 1, "unexpected additional input data for model 'tiny'"},
        {"{" INPUT(BINARY("8")) "}", 8,
         "input byte size mismatch for input 'input' for model 'tiny'. Expected 12, got 8"},
        {"{" INPUT(BINARY("12")), 12, "',' or '}' is wanted, got the end at byte 99"},
    };
    static const char tail[13];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_response response;
        post(cases[i].json, tail, cases[i].tail, &response);
        expect_error(&response, 400, cases[i].text);
        http_response_fini(&response);
    }
}

static void json_may_not_end_past_the_body(void **state)
{
    static const char *const headers[] = {"Inference-Header-Content-Length: 9", NULL};
    struct http_response response;
    (void)state;
    assert_true(
        http_send(&fixture.client, "POST", "/v2/models/tiny/infer", "{}", 2, headers, &response));
    expect_error(&response, 400, "inference header size should be in range (0, 2), got: 9");
    http_response_fini(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_in_is_answered_in_json_when_not_asked_otherwise),
        cmocka_unit_test(binary_out_follows_the_json),
        cmocka_unit_test(outputs_may_differ_in_form),
        cmocka_unit_test(bug_460_binary_outputs_may_be_empty),
        cmocka_unit_test(bytes_too_few_or_too_many_are_refused),
        cmocka_unit_test(json_may_not_end_past_the_body),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
