/* The classification extension: the largest elements and what they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"

static struct fixture fixture;

#define LABELS "[\"mon\",\"tue\",\"w\\u00e9d\",\"thu\",\"fri\",\"sat\",\"sun\"]"
static const char *const labels[] = {"mon",
                                     "tue",
                                     "w\xc3\xa9"
                                     "d",
                                     "thu",
                                     "fri",
                                     "sat",
                                     "sun"};

/* seed_simple, its seven features with names. */
static void add_labelled(void)
{
    struct golden_case golden;
    char weights[192];
    golden_case_open(&golden, "seed_simple");
    snprintf(weights, sizeof weights, "%s/model.safetensors", golden.folder);
    char *path = realpath(weights, NULL);
    temp_dir_write(&fixture.dir, "days.json", "{\"weights\":\"%s\",\"labels\":" LABELS "}", path);
    free(path);
    golden_case_close(&golden);
}

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "plain");
    add_labelled();
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* Two steps of two rows. */
#define INPUT                                                                                      \
    "\"inputs\":[{\"name\":\"input\",\"shape\":[2,2,10],\"datatype\":\"FP32\",\"data\":["          \
    "1,2,3,4,5,6,7,8,9,10, 0,0,0,0,0,0,0,0,0,0, -1,1,-1,1,-1,1,-1,1,-1,1, 5,5,5,5,5,5,5,5,5,5]}]"
enum { GROUPS = 4, FEATURES = 7 };

/* The numbers themselves. */
static void numbers(float values[GROUPS * FEATURES])
{
    struct infer_result result;
    static const char body[] = "{" INPUT "}";
    assert_true(infer_post_text(&fixture.client, "plain", body, strlen(body), &result));
    memcpy(values, expect_tensor(&result, "output", 2, 2, FEATURES),
           GROUPS * FEATURES * sizeof *values);
    infer_result_fini(&result);
}

/* The index of the rank-th largest: so many are larger. */
static size_t find_rank(const float *values, size_t rank)
{
    for (size_t i = 0; i < FEATURES; i++) {
        size_t larger = 0;
        for (size_t j = 0; j < FEATURES; j++)
            larger += values[j] > values[i];
        if (larger == rank)
            return i;
    }
    fail_msg("two features are equal");
    return 0;
}

/* "value:index" or "value:index:label", the value as exact as a number would be. */
static void expect_class(const char *text, size_t size, const float *values, size_t rank,
                         bool labelled)
{
    char copy[64], *end, wanted[64];
    const size_t index = find_rank(values, rank);
    assert_true(size < sizeof copy);
    memcpy(copy, text, size);
    copy[size] = '\0';
    assert_true(strtof(copy, &end) == values[index]);
    snprintf(wanted, sizeof wanted, labelled ? ":%zu:%s" : ":%zu", index, labels[index]);
    assert_string_equal(end, wanted);
}

static void post(const char *model, const char *outputs, struct http_response *response)
{
    char path[64], body[1024];
    snprintf(path, sizeof path, "/v2/models/%s/infer", model);
    const int size = snprintf(body, sizeof body, "{\"outputs\":[%s]," INPUT "}", outputs);
    assert_true(http_post(&fixture.client, path, body, (size_t)size, response));
}

static cJSON *first_output(const struct http_response *response, size_t json_size, cJSON **root)
{
    assert_int_equal(response->status, 200);
    *root = cJSON_ParseWithLength(response->body, json_size);
    assert_non_null(*root);
    cJSON *output = cJSON_GetObjectItem(*root, "outputs")->child;
    assert_string_equal(cJSON_GetObjectItem(output, "datatype")->valuestring, "BYTES");
    return output;
}

static void expect_shape(const cJSON *output, int k)
{
    const cJSON *shape = cJSON_GetObjectItem(output, "shape");
    assert_int_equal(cJSON_GetArraySize(shape), 3);
    assert_int_equal(shape->child->valueint, 2);
    assert_int_equal(shape->child->next->valueint, 2);
    assert_int_equal(shape->child->next->next->valueint, k);
}

static void the_largest_come_first(void **state)
{
    static const struct {
        const char *model, *outputs;
        size_t k;
        bool labelled;
    } cases[] = {
        {"days", "{\"name\":\"output\",\"parameters\":{\"classification\":3}}", 3, true},
        {"days", "{\"name\":\"output\",\"parameters\":{\"classification\":1}}", 1, true},
        {"days", "{\"name\":\"output\",\"parameters\":{\"classification\":1000}}", 7, true},
        {"plain", "{\"name\":\"output\",\"parameters\":{\"classification\":2}}", 2, false},
    };
    float values[GROUPS * FEATURES];
    (void)state;
    numbers(values);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_response response;
        cJSON *root;
        size_t at = 0;
        post(cases[i].model, cases[i].outputs, &response);
        const cJSON *output = first_output(&response, response.body_size, &root);
        expect_shape(output, (int)cases[i].k);
        const cJSON *data = cJSON_GetObjectItem(output, "data");
        for (const cJSON *item = data->child; item != NULL; item = item->next, at++)
            expect_class(item->valuestring, strlen(item->valuestring),
                         values + at / cases[i].k * FEATURES, at % cases[i].k, cases[i].labelled);
        assert_int_equal(at, GROUPS * cases[i].k);
        cJSON_Delete(root);
        http_response_fini(&response);
    }
}

static void binary_ones_are_lengths_and_bytes(void **state)
{
    float values[GROUPS * FEATURES];
    struct http_response response;
    char header[32];
    cJSON *root;
    (void)state;
    numbers(values);
    post("days", "{\"name\":\"output\",\"parameters\":{\"classification\":2,\"binary_data\":true}}",
         &response);
    assert_true(http_header(&response, "Inference-Header-Content-Length", header, sizeof header));
    size_t at = strtoul(header, NULL, 10), count = 0;
    const cJSON *output = first_output(&response, at, &root);
    expect_shape(output, 2);
    const cJSON *size =
        cJSON_GetObjectItem(cJSON_GetObjectItem(output, "parameters"), "binary_data_size");
    assert_int_equal(size->valueint, response.body_size - at);
    for (; at < response.body_size; count++) {
        uint32_t length;
        memcpy(&length, response.body + at, sizeof length);
        at += sizeof length;
        assert_true(length <= response.body_size - at);
        expect_class(response.body + at, length, values + count / 2 * FEATURES, count % 2, true);
        at += length;
    }
    assert_int_equal(count, GROUPS * 2);
    cJSON_Delete(root);
    http_response_fini(&response);
}

/* States have no labels; what is not asked for is not classified. */
static void outputs_are_asked_for_one_by_one(void **state)
{
    struct http_response response;
    cJSON *root;
    (void)state;
    post("days",
         "{\"name\":\"h_n\",\"parameters\":{\"classification\":1}},{\"name\":\"output\"},"
         "{\"name\":\"c_n\",\"parameters\":{\"classification\":0}}",
         &response);
    const cJSON *h_n = first_output(&response, response.body_size, &root);
    for (const cJSON *item = cJSON_GetObjectItem(h_n, "data")->child; item; item = item->next) {
        const char *colon = strchr(item->valuestring, ':');
        assert_non_null(colon);
        assert_null(strchr(colon + 1, ':'));
    }
    for (const cJSON *other = h_n->next; other != NULL; other = other->next)
        assert_string_equal(cJSON_GetObjectItem(other, "datatype")->valuestring, "FP32");
    cJSON_Delete(root);
    http_response_fini(&response);
}

/* By a worker, in many slices. */
static void long_answers_are_whole(void **state)
{
    enum { STEPS = 20000 };
    char *body = malloc(400 + STEPS * 10 * 2), *at = body;
    struct http_response response;
    cJSON *root;
    (void)state;
    assert_non_null(body);
    at += sprintf(at,
                  "{\"outputs\":[{\"name\":\"output\",\"parameters\":{\"classification\":7}}],"
                  "\"inputs\":[{\"name\":\"input\",\"shape\":[%d,1,10],\"datatype\":\"FP32\","
                  "\"data\":[0",
                  STEPS);
    for (size_t i = 1; i < STEPS * 10; i++)
        at += sprintf(at, ",%zu", i % 10);
    strcpy(at, "]}]}");
    assert_true(http_post(&fixture.client, "/v2/models/days/infer", body, strlen(body), &response));
    const cJSON *output = first_output(&response, response.body_size, &root);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(output, "data")), STEPS * 7);
    cJSON_Delete(root);
    http_response_fini(&response);
    free(body);
}

/* ---- what is told of it ---- */

static const cJSON *find_labels(const char *path, const char *list, cJSON **root)
{
    struct http_response response;
    assert_true(http_get(&fixture.client, path, &response));
    assert_int_equal(response.status, 200);
    *root = cJSON_Parse(response.body);
    http_response_fini(&response);
    const cJSON *outputs = cJSON_GetObjectItem(*root, list);
    assert_null(cJSON_GetObjectItem(outputs->child->next, "labels"));
    return cJSON_GetObjectItem(outputs->child, "labels");
}

static void metadata_and_configuration_have_the_labels(void **state)
{
    cJSON *root, *wanted = cJSON_Parse(LABELS);
    (void)state;
    assert_true(cJSON_Compare(find_labels("/v2/models/days", "outputs", &root), wanted, true));
    cJSON_Delete(root);
    assert_true(
        cJSON_Compare(find_labels("/v2/models/days/config", "output", &root), wanted, true));
    cJSON_Delete(root);
    assert_null(find_labels("/v2/models/plain", "outputs", &root));
    cJSON_Delete(root);
    cJSON_Delete(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_come_first),
        cmocka_unit_test(binary_ones_are_lengths_and_bytes),
        cmocka_unit_test(outputs_are_asked_for_one_by_one),
        cmocka_unit_test(long_answers_are_whole),
        cmocka_unit_test(metadata_and_configuration_have_the_labels),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
