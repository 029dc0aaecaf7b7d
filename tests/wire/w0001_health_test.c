/* Health and metadata: what a client asks before it infers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"

static struct fixture fixture;

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    fixture_add_golden(&fixture, "batch_first");
    fixture_add_golden(&fixture, "projection");
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static void it_lives(void **state)
{
    (void)state;
    expect_get_json(&fixture.client, "/v2/health/live", 200, "{\"live\":true}");
}

static void it_is_ready(void **state)
{
    (void)state;
    expect_get_json(&fixture.client, "/v2/health/ready", 200, "{\"ready\":true,\"live\":true}");
}

static void it_says_what_it_is(void **state)
{
    static const char metadata[] =
        "{\"name\":\"lstmd\",\"version\":\"0.1.0\",\"extensions\":[\"classification\","
        "\"binary_tensor_data\",\"parameters\",\"sequence\",\"sequence(string_id)\","
        "\"schedule_policy\",\"model_configuration\",\"model_repository\",\"statistics\","
        "\"logging\"]}";
    (void)state;
    expect_get_json(&fixture.client, "/v2", 200, metadata);
    expect_get_json(&fixture.client, "/v2/", 200, metadata);
}

static void it_lists_its_models_by_name(void **state)
{
    (void)state;
    expect_get_json(&fixture.client, "/v2/models", 200,
                    "{\"models\":[\"batch_first\",\"projection\",\"simple\"]}");
}

static void a_model_is_ready(void **state)
{
    static const char ready[] = "{\"name\":\"simple\",\"ready\":true}";
    (void)state;
    expect_get_json(&fixture.client, "/v2/models/simple/ready", 200, ready);
    expect_get_json(&fixture.client, "/v2/models/simple/versions/1/ready", 200, ready);
}

#define FP32(name, shape) "{\"name\":\"" name "\",\"datatype\":\"FP32\",\"shape\":" shape "}"
/* clang-format off */
#define METADATA(name, batch_first, causal, input, h_0, c_0, output, parameters)                   \
    "{\"name\":\"" name "\",\"versions\":[\"1\"],\"platform\":\"lstmd_safetensors\",\"inputs\":"   \
    "[" FP32("input", input) "," FP32("h_0", h_0) "," FP32("c_0", c_0)                             \
    ",{\"name\":\"lengths\",\"datatype\":\"INT64\",\"shape\":[-1]}],\"outputs\":"                    \
    "[" FP32("output", output) "," FP32("h_n", h_0) "," FP32("c_n", c_0) "],\"layers\":"           \
    "[{\"name\":\"lstm\",\"type\":\"lstm\",\"shape\":" output ",\"parameters\":" parameters "}],"    \
    "\"properties\":{\"optional_inputs\":\"h_0,c_0,lengths\",\"parameters\":\"" parameters "\","     \
    "\"batch_first\":\"" batch_first "\",\"causal\":\"" causal "\"}}"
/* clang-format on */

static void a_model_says_its_tensors(void **state)
{
    static const char metadata[] = METADATA("simple", "false", "true", "[-1,-1,10]", "[1,-1,7]",
                                            "[1,-1,7]", "[-1,-1,7]", "532");
    (void)state;
    expect_get_json(&fixture.client, "/v2/models/simple", 200, metadata);
    expect_get_json(&fixture.client, "/v2/models/simple/versions/1", 200, metadata);
}

static void the_states_of_all_layers_and_directions_count(void **state)
{
    (void)state;
    expect_get_json(&fixture.client, "/v2/models/batch_first", 200,
                    METADATA("batch_first", "true", "false", "[-1,-1,6]", "[4,-1,9]", "[4,-1,9]",
                             "[-1,-1,18]", "3312"));
    expect_get_json(&fixture.client, "/v2/models/projection", 200,
                    METADATA("projection", "false", "false", "[-1,-1,8]", "[4,-1,5]", "[4,-1,24]",
                             "[-1,-1,10]", "6624"));
}

static void what_is_not_there_is_404(void **state)
{
    (void)state;
    expect_get_error(&fixture.client, "/v2/models/nobody", 404,
                     "Request for unknown model: 'nobody' is not found");
    expect_get_error(&fixture.client, "/v2/models/nobody/ready", 404,
                     "Request for unknown model: 'nobody' is not found");
    expect_get_error(&fixture.client, "/v2/models/simple/versions/2", 404,
                     "Request for unknown model: 'simple' version 2 is not found");
}

static void head_answers_without_a_body(void **state)
{
    struct http_response response;
    (void)state;
    assert_true(http_send(&fixture.client, "HEAD", "/v2/health/live", NULL, 0, NULL, &response));
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body_size, 0);
    http_response_fini(&response);
}

static void a_query_does_not_matter(void **state)
{
    (void)state;
    expect_get_json(&fixture.client, "/v2/health/live?now=1", 200, "{\"live\":true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lives),
        cmocka_unit_test(it_is_ready),
        cmocka_unit_test(it_says_what_it_is),
        cmocka_unit_test(it_lists_its_models_by_name),
        cmocka_unit_test(a_model_is_ready),
        cmocka_unit_test(a_model_says_its_tensors),
        cmocka_unit_test(the_states_of_all_layers_and_directions_count),
        cmocka_unit_test(what_is_not_there_is_404),
        cmocka_unit_test(head_answers_without_a_body),
        cmocka_unit_test(a_query_does_not_matter),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
