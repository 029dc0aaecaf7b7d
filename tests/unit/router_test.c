#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "server/router.h"

static struct route route;
static struct fault fault;

static void expect_route(const char *method, const char *path, enum route_kind kind,
                         const char *model, const char *version)
{
    assert_true(route_find(&route, method, path, &fault));
    assert_int_equal(route.kind, kind);
    assert_int_equal(route.model_size, model != NULL ? strlen(model) : 0);
    if (model != NULL)
        assert_memory_equal(route.model, model, strlen(model));
    assert_int_equal(route.version_size, version != NULL ? strlen(version) : 0);
    if (version != NULL)
        assert_memory_equal(route.version, version, strlen(version));
}

static void expect_status(const char *method, const char *path, int status)
{
    fault.status = 0;
    if (route_find(&route, method, path, &fault))
        fail_msg("%s %s was found", method, path);
    assert_int_equal(fault.status, status);
}

static void every_door_is_found(void **state)
{
    (void)state;
    expect_route("GET", "/v2", ROUTE_SERVER_METADATA, NULL, NULL);
    expect_route("GET", "/v2/", ROUTE_SERVER_METADATA, NULL, NULL);
    expect_route("GET", "/v2/health/live", ROUTE_LIVE, NULL, NULL);
    expect_route("GET", "/v2/health/ready", ROUTE_READY, NULL, NULL);
    expect_route("GET", "/v2/models", ROUTE_MODEL_LIST, NULL, NULL);
    expect_route("GET", "/v2/models/m", ROUTE_MODEL_METADATA, "m", NULL);
    expect_route("GET", "/v2/models/m.x/versions/1", ROUTE_MODEL_METADATA, "m.x", "1");
    expect_route("GET", "/v2/models/m/ready", ROUTE_MODEL_READY, "m", NULL);
    expect_route("GET", "/v2/models/m/versions/12/ready", ROUTE_MODEL_READY, "m", "12");
    expect_route("POST", "/v2/models/m/infer", ROUTE_INFER, "m", NULL);
    expect_route("POST", "/v2/models/m/versions/1/infer", ROUTE_INFER, "m", "1");
    expect_route("POST", "/v2/models/m/infer_stream", ROUTE_INFER_STREAM, "m", NULL);
    expect_route("POST", "/v2/models/m/versions/1/infer_stream", ROUTE_INFER_STREAM, "m", "1");
}

static void triton_s_extensions_are_found(void **state)
{
    (void)state;
    expect_route("GET", "/v2/models/stats", ROUTE_ALL_STATS, NULL, NULL);
    expect_route("GET", "/v2/models/m/stats", ROUTE_MODEL_STATS, "m", NULL);
    expect_route("GET", "/v2/models/m/versions/1/stats", ROUTE_MODEL_STATS, "m", "1");
    expect_route("GET", "/v2/models/m/config", ROUTE_MODEL_CONFIG, "m", NULL);
    expect_route("GET", "/v2/models/m/versions/1/config", ROUTE_MODEL_CONFIG, "m", "1");
    expect_route("POST", "/v2/repository/index", ROUTE_REPOSITORY_INDEX, NULL, NULL);
    expect_route("POST", "/v2/repository/models/m/load", ROUTE_MODEL_LOAD, "m", NULL);
    expect_route("POST", "/v2/repository/models/m/unload", ROUTE_MODEL_UNLOAD, "m", NULL);
    expect_route("GET", "/metrics", ROUTE_METRICS, NULL, NULL);
}

static void version_1_is_found(void **state)
{
    (void)state;
    expect_route("GET", "/", ROUTE_V1_LIVE, NULL, NULL);
    expect_route("GET", "/v1/models", ROUTE_MODEL_LIST, NULL, NULL);
    expect_route("GET", "/v1/models/m", ROUTE_V1_MODEL_STATUS, "m", NULL);
    expect_route("GET", "/v1/models/m/versions/7", ROUTE_V1_MODEL_STATUS, "m", "7");
    expect_route("GET", "/v1/models/m/metadata", ROUTE_V1_MODEL_METADATA, "m", NULL);
    expect_route("GET", "/v1/models/m/versions/7/metadata", ROUTE_V1_MODEL_METADATA, "m", "7");
    assert_null(route.label);
    expect_route("GET", "/v1/models/m/labels/stable", ROUTE_V1_MODEL_STATUS, "m", NULL);
    assert_int_equal(route.label_size, 6);
    assert_memory_equal(route.label, "stable", 6);
    expect_route("GET", "/v1/models/m/labels/x/metadata", ROUTE_V1_MODEL_METADATA, "m", NULL);
    assert_int_equal(route.label_size, 1);
}

static void predictions_are_behind_a_colon(void **state)
{
    (void)state;
    expect_route("POST", "/v1/models/m:predict", ROUTE_V1_PREDICT, "m", NULL);
    expect_route("POST", "/v1/models/m/versions/7:predict", ROUTE_V1_PREDICT, "m", "7");
    expect_route("POST", "/v1/models/m/labels/x:predict", ROUTE_V1_PREDICT, "m", NULL);
    assert_int_equal(route.label_size, 1);
    expect_status("GET", "/v1/models/m:predict", 405);
    assert_string_equal(route.allow, "POST");
    expect_status("POST", "/v1/models/m:classify", 404);
    expect_status("POST", "/v1/models/:predict", 404);
    expect_status("POST", "/v1/models/m:predict:predict", 404);
    expect_route("GET", "/v2/models/m/sequences/a:b", ROUTE_SEQUENCE_EXPORT, "m", NULL);
    assert_int_equal(route.sequence_size, 3);
}

static void a_path_may_mean_another_door_for_another_verb(void **state)
{
    (void)state;
    expect_route("GET", "/v2/logging", ROUTE_LOGGING, NULL, NULL);
    expect_route("HEAD", "/v2/logging", ROUTE_LOGGING, NULL, NULL);
    expect_route("POST", "/v2/logging", ROUTE_LOGGING_UPDATE, NULL, NULL);
    expect_status("PUT", "/v2/logging", 405);
    assert_string_equal(route.allow, "GET, HEAD, POST");
}

static void a_body_is_optional_in_the_repository_alone(void **state)
{
    (void)state;
    expect_route("POST", "/v2/repository/index", ROUTE_REPOSITORY_INDEX, NULL, NULL);
    assert_true(route.body_optional);
    expect_route("POST", "/v2/repository/models/m/unload", ROUTE_MODEL_UNLOAD, "m", NULL);
    assert_true(route.body_optional);
    expect_route("POST", "/v2/models/m/infer", ROUTE_INFER, "m", NULL);
    assert_false(route.body_optional);
    expect_route("POST", "/v2/logging", ROUTE_LOGGING_UPDATE, NULL, NULL);
    assert_false(route.body_optional);
}

static void bug_472_what_is_refused_needs_no_body(void **state)
{
    (void)state;
    expect_status("POST", "/v2/repository", 404);
    assert_true(route.body_optional);
    expect_status("PUT", "/v2/models/m/infer", 405);
    assert_true(route.body_optional);
}

static void sequences_are_found_by_verb(void **state)
{
    static const char path[] = "/v2/models/m/sequences/a%2Fb";
    static const struct {
        const char *verb;
        enum route_kind kind;
    } verbs[] = {
        {"GET", ROUTE_SEQUENCE_EXPORT},
        {"HEAD", ROUTE_SEQUENCE_EXPORT},
        {"PUT", ROUTE_SEQUENCE_IMPORT},
        {"DELETE", ROUTE_SEQUENCE_DROP},
    };
    (void)state;
    expect_route("GET", "/v2/models/m/sequences", ROUTE_SEQUENCE_LIST, "m", NULL);
    for (size_t i = 0; i < 4; i++) {
        expect_route(verbs[i].verb, path, verbs[i].kind, "m", NULL);
        assert_int_equal(route.sequence_size, 5);
        assert_memory_equal(route.sequence, "a%2Fb", 5);
    }
    expect_status("POST", path, 405);
    assert_string_equal(route.allow, "GET, HEAD, PUT, DELETE");
    expect_status("PUT", "/v2/models/m/sequences", 405);
    expect_status("GET", "/v2/models/m/sequences/", 404);
    expect_status("GET", "/v2/models/m/sequences/a/b", 404);
}

static void head_is_found_where_get_is(void **state)
{
    (void)state;
    expect_route("HEAD", "/v2", ROUTE_SERVER_METADATA, NULL, NULL);
    expect_route("HEAD", "/v2/models/m/ready", ROUTE_MODEL_READY, "m", NULL);
    expect_status("HEAD", "/v2/models/m/infer", 405);
}

static void models_may_be_named_like_doors(void **state)
{
    (void)state;
    expect_route("GET", "/v2/models/ready", ROUTE_MODEL_METADATA, "ready", NULL);
    expect_route("GET", "/v2/models/versions/versions/1", ROUTE_MODEL_METADATA, "versions", "1");
    expect_route("POST", "/v2/models/infer/infer", ROUTE_INFER, "infer", NULL);
    expect_route("GET", "/v2/models/stats/config", ROUTE_MODEL_CONFIG, "stats", NULL);
    expect_route("POST", "/v2/models/stats/infer", ROUTE_INFER, "stats", NULL);
}

static void a_wrong_verb_is_405_and_told_the_right_ones(void **state)
{
    (void)state;
    expect_status("POST", "/v2", 405);
    assert_string_equal(route.allow, "GET, HEAD");
    assert_string_equal(fault.text, "Method Not Allowed");
    expect_status("GET", "/v2/models/m/infer", 405);
    assert_string_equal(route.allow, "POST");
    expect_status("DELETE", "/v2/health/live", 405);
    expect_status("get", "/v2", 405);
    expect_status("GE", "/v2", 405);
    expect_status("GET, HEAD", "/v2", 405);
    expect_status("", "/v2", 405);
}

static void an_unknown_path_is_404(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/v1",
        "/v2x",
        "/V2",
        "/v2//",
        "/v2/health",
        "/v2/health/live/",
        "/v2/models/",
        "/v2/models//infer",
        "/v2/models/m/",
        "/v2/models/m/infer/",
        "/v2/models/m/inferx",
        "/v2/models/m/versions",
        "/v2/models/m/versions/",
        "/v2/models/m/versions//infer",
        "/v2/models/m/versions/1/2/infer",
        "/v2/models/a/b/infer",
        "/v2/../v2/health/live",
        "/v2/%68ealth/live",
        "/v1/models/",
        "/v1/models/m/labels/",
        "/v1/models/m/labels/x/versions/1",
        "/v2/repository/models/m",
        "/metrics/",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        expect_status("GET", paths[i], 404);
        assert_string_equal(fault.text, "Not Found");
        assert_null(route.allow);
        assert_int_equal(route.kind, ROUTE_NONE);
        assert_null(route.model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_door_is_found),
        cmocka_unit_test(triton_s_extensions_are_found),
        cmocka_unit_test(version_1_is_found),
        cmocka_unit_test(predictions_are_behind_a_colon),
        cmocka_unit_test(a_path_may_mean_another_door_for_another_verb),
        cmocka_unit_test(a_body_is_optional_in_the_repository_alone),
        cmocka_unit_test(bug_472_what_is_refused_needs_no_body),
        cmocka_unit_test(sequences_are_found_by_verb),
        cmocka_unit_test(head_is_found_where_get_is),
        cmocka_unit_test(models_may_be_named_like_doors),
        cmocka_unit_test(a_wrong_verb_is_405_and_told_the_right_ones),
        cmocka_unit_test(an_unknown_path_is_404),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
