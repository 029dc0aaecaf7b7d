/* TensorFlow Serving's and KServe's v1: what models there are, and what they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"

static struct fixture fixture;

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    fixture_add_golden(&fixture, "batch_first");
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static void it_is_alive(void **state)
{
    (void)state;
    expect_get_json(&fixture.client, "/", 200, "{\"status\":\"alive\"}");
}

static void models_are_listed(void **state)
{
    (void)state;
    expect_get_json(&fixture.client, "/v1/models", 200,
                    "{\"models\":[\"batch_first\",\"simple\"]}");
}

/* One object for both: TensorFlow Serving's clients read the list, KServe's the other two. */
static void a_model_s_status_suits_both_protocols(void **state)
{
    static const char status[] =
        "{\"name\":\"simple\",\"ready\":true,\"model_version_status\":[{\"version\":\"1\","
        "\"state\":\"AVAILABLE\",\"status\":{\"error_code\":\"OK\",\"error_message\":\"\"}}]}";
    (void)state;
    expect_get_json(&fixture.client, "/v1/models/simple", 200, status);
    expect_get_json(&fixture.client, "/v1/models/simple/versions/1", 200, status);
    expect_get_json(&fixture.client, "/v1/models/simple/labels/stable", 200, status);
}

#define DIM(size) "{\"size\":\"" size "\",\"name\":\"\"}"
#define TENSOR(name, a, b, c)                                                                      \
    "\"" name "\":{\"dtype\":\"DT_FLOAT\",\"tensor_shape\":{\"dim\":[" DIM(a) "," DIM(b) "," DIM(  \
        c) "],\"unknown_rank\":false},\"name\":\"" name ":0\"}"

/* Optional inputs are left out: there, every input of a signature has to be sent. */
static void a_model_s_metadata_is_a_signature(void **state)
{
    static const char metadata[] =
        "{\"model_spec\":{\"name\":\"simple\",\"signature_name\":\"\",\"version\":\"1\"},"
        "\"metadata\":{\"signature_def\":{\"signature_def\":{\"serving_default\":{"
        "\"inputs\":{" TENSOR("input", "-1", "-1", "10") "},\"outputs\":{" TENSOR(
            "output", "-1", "-1",
            "7") "," TENSOR("h_n", "-1", "1",
                            "7") "," TENSOR("c_n", "-1", "1",
                                            "7") "},\"method_name\":\"tensorflow/serving/"
                                                 "predict\",\"defaults\":{}}}}}}";
    (void)state;
    expect_get_json(&fixture.client, "/v1/models/simple/metadata", 200, metadata);
    expect_get_json(&fixture.client, "/v1/models/simple/versions/1/metadata", 200, metadata);
    expect_get_json(&fixture.client, "/v1/models/simple/labels/stable/metadata", 200, metadata);
}

static void what_is_not_there_is_404(void **state)
{
    (void)state;
    expect_get_error(&fixture.client, "/v1/models/nobody", 404, "'nobody' is not found");
    expect_get_error(&fixture.client, "/v1/models/nobody/metadata", 404,
                     "Servable not found for request: Latest(nobody)");
    expect_get_error(&fixture.client, "/v1/models/nobody/labels/stable", 404, "'nobody'");
    expect_get_error(&fixture.client, "/v1/models/simple/versions/2", 404,
                     "version 2 is not found");
    expect_get_error(&fixture.client, "/v1/models/simple/labels/canary", 404,
                     "unknown label 'canary'");
    expect_get_error(&fixture.client, "/v1/models/simple/labels/stable2", 404, "unknown label");
}

static void reading_is_all_there_is(void **state)
{
    struct http_response response;
    (void)state;
    assert_true(http_post(&fixture.client, "/v1/models/simple", "{}", 2, &response));
    expect_error(&response, 405, "Method Not Allowed");
    http_response_fini(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_alive),
        cmocka_unit_test(models_are_listed),
        cmocka_unit_test(a_model_s_status_suits_both_protocols),
        cmocka_unit_test(a_model_s_metadata_is_a_signature),
        cmocka_unit_test(what_is_not_there_is_404),
        cmocka_unit_test(reading_is_all_there_is),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
