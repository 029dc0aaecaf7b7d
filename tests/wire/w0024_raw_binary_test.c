/* Requests of no JSON: the input's bytes and nothing else. */
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

/* seed_simple, whose requests all have two steps. */
static void add_fixed(void)
{
    struct golden_case golden;
    char weights[192];
    golden_case_open(&golden, "seed_simple");
    snprintf(weights, sizeof weights, "%s/model.safetensors", golden.folder);
    char *path = realpath(weights, NULL);
    temp_dir_write(&fixture.dir, "fixed.json", "{\"weights\":\"%s\",\"steps\":2}", path);
    free(path);
    golden_case_close(&golden);
}

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    add_fixed();
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static void post(const char *path, const void *bytes, size_t size, const char *accept,
                 struct http_response *response)
{
    const char *const headers[] = {"Inference-Header-Content-Length: 0",
                                   "Content-Type: application/octet-stream", accept, NULL};
    assert_true(http_send(&fixture.client, "POST", path, bytes, size, headers, response));
}

static void fill(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i % 13) / 8 - 0.75f;
}

/* The same asked for in JSON. */
static void ask(const char *model, const size_t shape[3], const float *values,
                struct infer_result *result)
{
    struct infer_body body;
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, shape, values);
    assert_true(infer_post(&fixture.client, model, &body, result));
}

static void expect_same_json(const struct http_response *response,
                             const struct infer_result *wanted)
{
    struct infer_result found;
    struct fault fault;
    assert_int_equal(response->status, 200);
    if (!infer_result_parse(&found, response->body, response->body_size, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(found.tensor_count, wanted->tensor_count);
    for (size_t i = 0; i < wanted->tensor_count; i++) {
        const struct infer_result_tensor *a = &found.tensors[i], *b = &wanted->tensors[i];
        assert_string_equal(a->name, b->name);
        assert_memory_equal(a->shape, b->shape, b->rank * sizeof *b->shape);
        assert_memory_equal(a->values, b->values, b->elements * sizeof *b->values);
    }
    infer_result_fini(&found);
}

static void a_file_of_floats_is_one_row(void **state)
{
    float values[5 * 10];
    struct infer_result wanted;
    struct http_response response;
    (void)state;
    fill(values, 50);
    ask("simple", (const size_t[]){5, 1, 10}, values, &wanted);
    post("/v2/models/simple/infer", values, sizeof values, "Accept: application/json", &response);
    expect_same_json(&response, &wanted);
    http_response_fini(&response);
    infer_result_fini(&wanted);
}

static void it_is_answered_in_binary_unless_json_is_preferred(void **state)
{
    static const char *const accepts[] = {
        "Accept: */*", "Accept: application/json;q=0.5, application/octet-stream", NULL};
    float values[5 * 10];
    struct infer_result wanted;
    (void)state;
    fill(values, 50);
    ask("simple", (const size_t[]){5, 1, 10}, values, &wanted);
    for (size_t i = 0; i < 3; i++) {
        struct http_response response;
        char header[64];
        post("/v2/models/simple/versions/1/infer", values, sizeof values, accepts[i], &response);
        assert_int_equal(response.status, 200);
        assert_true(http_header(&response, "Content-Type", header, sizeof header));
        assert_string_equal(header, "application/octet-stream");
        assert_true(
            http_header(&response, "Inference-Header-Content-Length", header, sizeof header));
        size_t at = strtoul(header, NULL, 10);
        for (size_t k = 0; k < wanted.tensor_count; k++) {
            const size_t size = wanted.tensors[k].elements * sizeof(float);
            assert_true(size <= response.body_size - at);
            assert_memory_equal(response.body + at, wanted.tensors[k].values, size);
            at += size;
        }
        assert_int_equal(at, response.body_size);
        http_response_fini(&response);
    }
    infer_result_fini(&wanted);
}

static void where_the_steps_are_fixed_the_bytes_are_rows(void **state)
{
    float values[2 * 3 * 10];
    struct infer_result wanted;
    struct http_response response;
    (void)state;
    fill(values, 60);
    ask("fixed", (const size_t[]){2, 3, 10}, values, &wanted);
    post("/v2/models/fixed/infer", values, sizeof values, "Accept: application/json", &response);
    expect_same_json(&response, &wanted);
    http_response_fini(&response);
    infer_result_fini(&wanted);
}

static void no_bytes_are_no_steps(void **state)
{
    struct http_response response;
    (void)state;
    post("/v2/models/simple/infer", "", 0, "Accept: application/json", &response);
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, "\"shape\":[0,1,7],\"data\":[]"));
    http_response_fini(&response);
}

static void bytes_that_make_no_whole_steps_are_refused(void **state)
{
    static const char bytes[81];
    static const struct {
        const char *path;
        size_t size;
        const char *text;
    } cases[] = {
        {"/v2/models/simple/infer", 39,
         "unexpected size for input 'input', expecting a multiple of 40 bytes for model 'simple', "
         "got 39"},
        {"/v2/models/simple/infer", 41, "expecting a multiple of 40 bytes"},
        {"/v2/models/fixed/infer", 40, "expecting a multiple of 80 bytes for model 'fixed'"},
        {"/v1/models/simple:predict", 40, "a JSON body expected"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_response response;
        post(cases[i].path, bytes, cases[i].size, NULL, &response);
        expect_error(&response, 400, cases[i].text);
        http_response_fini(&response);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_floats_is_one_row),
        cmocka_unit_test(it_is_answered_in_binary_unless_json_is_preferred),
        cmocka_unit_test(where_the_steps_are_fixed_the_bytes_are_rows),
        cmocka_unit_test(no_bytes_are_no_steps),
        cmocka_unit_test(bytes_that_make_no_whole_steps_are_refused),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
