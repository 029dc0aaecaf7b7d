/* TensorFlow Serving's and KServe's v1 predict, rows and columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_writer.h"
#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"

static struct fixture fixture;

/* The network of "tiny" with a layer behind it, so that its states are its own affair. */
static void add_headed(void)
{
    struct golden_case golden;
    char weights[192];
    golden_case_open(&golden, "one_by_one");
    snprintf(weights, sizeof weights, "%s/model.safetensors", golden.folder);
    char *path = realpath(weights, NULL);
    temp_dir_write(&fixture.dir, "headed.json",
                   "{\"weights\":\"%s\",\"layers\":[{\"type\":\"lstm\",\"weights\":\"\"},"
                   "{\"type\":\"activation\",\"function\":\"relu\"}]}",
                   path);
    free(path);
    golden_case_close(&golden);
}

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    fixture_add_golden(&fixture, "seed_simple");
    fixture_add_golden(&fixture, "batch_first");
    fixture_add_golden(&fixture, "ragged");
    fixture_add_golden(&fixture, "ragged_bidirectional_stacked");
    add_headed();
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* ---- asking ---- */

static void post(const char *path, const char *body, struct http_response *response)
{
    assert_true(http_post(&fixture.client, path, body, strlen(body), response));
}

/* The answer's value under that key; the caller's: cJSON_Delete(*root). */
static cJSON *ask(const char *path, const char *body, const char *key, cJSON **root)
{
    struct http_response response;
    post(path, body, &response);
    if (response.status != 200)
        fail_msg("%s: %s", path, response.body);
    *root = cJSON_Parse(response.body);
    http_response_fini(&response);
    cJSON *value = cJSON_GetObjectItemCaseSensitive(*root, key);
    assert_non_null(value);
    assert_int_equal(cJSON_GetArraySize(*root), 1);
    return value;
}

static void expect_answer(const char *path, const char *body, const char *json)
{
    struct http_response response;
    post(path, body, &response);
    expect_json(&response, 200, json);
    http_response_fini(&response);
}

static void refuse(const char *path, const char *body, int status, const char *text)
{
    struct http_response response;
    post(path, body, &response);
    expect_error(&response, status, text);
    http_response_fini(&response);
}

/* ---- the numbers of golden cases ---- */

static size_t length_of(const struct golden_case *golden, size_t row)
{
    return golden->lengths != NULL ? (size_t)golden->lengths[row] : golden->steps;
}

/* Row b's input, as many steps as it has. */
static void write_row(struct json_writer *writer, const struct golden_case *golden, size_t b)
{
    json_open_array(writer);
    for (size_t t = 0; t < length_of(golden, b); t++) {
        const size_t at = golden->batch_first ? b * golden->steps + t : t * golden->rows + b;
        json_floats(writer, golden->input + at * golden->input_size, golden->input_size);
    }
    json_close_array(writer);
}

static void write_state(struct json_writer *writer, const struct golden_case *golden,
                        const char *name, const float *states, size_t size, size_t b)
{
    if (states == NULL)
        return;
    json_key(writer, name);
    json_open_array(writer);
    for (size_t j = 0; j < golden->cells; j++)
        json_floats(writer, states + (j * golden->rows + b) * size, size);
    json_close_array(writer);
}

static char *end_body(struct json_writer *writer)
{
    char *text;
    size_t size;
    json_close_array(writer);
    json_close_object(writer);
    assert_true(json_writer_take(writer, &text, &size));
    text = realloc(text, size + 1);
    assert_non_null(text);
    text[size] = '\0';
    return text;
}

static char *body_of_rows(const struct golden_case *golden)
{
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_object(&writer);
    json_key(&writer, "instances");
    json_open_array(&writer);
    for (size_t b = 0; b < golden->rows; b++) {
        json_open_object(&writer);
        json_key(&writer, "input");
        write_row(&writer, golden, b);
        write_state(&writer, golden, "h_0", golden->h_0, golden->h_size, b);
        write_state(&writer, golden, "c_0", golden->c_0, golden->hidden_size, b);
        json_close_object(&writer);
    }
    return end_body(&writer);
}

/* A whole case through the Open Inference Protocol. */
static void ask_v2(const struct golden_case *golden, const char *name, struct infer_result *result)
{
    const size_t rows = golden->rows;
    struct infer_body body;
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3,
                   golden->batch_first ? (const size_t[]){rows, golden->steps, golden->input_size}
                                       : (const size_t[]){golden->steps, rows, golden->input_size},
                   golden->input);
    if (golden->h_0 != NULL)
        infer_body_f32(&body, "h_0", 3, (const size_t[]){golden->cells, rows, golden->h_size},
                       golden->h_0);
    if (golden->c_0 != NULL)
        infer_body_f32(&body, "c_0", 3, (const size_t[]){golden->cells, rows, golden->hidden_size},
                       golden->c_0);
    if (golden->lengths != NULL)
        infer_body_i64(&body, "lengths", 1, &rows, golden->lengths);
    assert_true(infer_post(&fixture.client, name, &body, result));
}

static void expect_floats(const cJSON *list, const float *wanted, size_t count)
{
    assert_int_equal(cJSON_GetArraySize(list), count);
    size_t i = 0;
    for (const cJSON *item = list->child; item != NULL; item = item->next, i++)
        assert_true((float)item->valuedouble == wanted[i]);
}

static void expect_output_row(const cJSON *row, const struct golden_case *golden, const float *all,
                              size_t b)
{
    size_t t = 0;
    assert_int_equal(cJSON_GetArraySize(row), length_of(golden, b));
    for (const cJSON *step = row->child; step != NULL; step = step->next, t++) {
        const size_t at = golden->batch_first ? b * golden->steps + t : t * golden->rows + b;
        expect_floats(step, all + at * golden->output_size, golden->output_size);
    }
}

static void expect_state_row(const cJSON *row, const struct golden_case *golden, const float *all,
                             size_t size, size_t b)
{
    size_t j = 0;
    assert_int_equal(cJSON_GetArraySize(row), golden->cells);
    for (const cJSON *cell = row->child; cell != NULL; cell = cell->next, j++)
        expect_floats(cell, all + (j * golden->rows + b) * size, size);
}

static void expect_same_as_v2(const char *name)
{
    struct golden_case golden;
    struct infer_result result;
    char path[96];
    cJSON *root;
    size_t b = 0;
    golden_case_open(&golden, name);
    ask_v2(&golden, name, &result);
    snprintf(path, sizeof path, "/v1/models/%s:predict", name);
    char *body = body_of_rows(&golden);
    const cJSON *predictions = ask(path, body, "predictions", &root);
    assert_int_equal(cJSON_GetArraySize(predictions), golden.rows);
    for (const cJSON *row = predictions->child; row != NULL; row = row->next, b++) {
        expect_output_row(cJSON_GetObjectItem(row, "output"), &golden,
                          infer_result_find(&result, "output")->values, b);
        expect_state_row(cJSON_GetObjectItem(row, "h_n"), &golden,
                         infer_result_find(&result, "h_n")->values, golden.h_size, b);
        expect_state_row(cJSON_GetObjectItem(row, "c_n"), &golden,
                         infer_result_find(&result, "c_n")->values, golden.hidden_size, b);
    }
    cJSON_Delete(root);
    free(body);
    infer_result_fini(&result);
    golden_case_close(&golden);
}

static void rows_are_answered_with_the_numbers_of_version_2(void **state)
{
    (void)state;
    expect_same_as_v2("seed_simple");
    expect_same_as_v2("batch_first");
}

/* What TensorFlow Serving refuses. */
static void rows_of_different_lengths_are_answered_with_their_own(void **state)
{
    (void)state;
    expect_same_as_v2("ragged");
    expect_same_as_v2("ragged_bidirectional_stacked");
}

/* ---- forms ---- */

#define TINY "/v1/models/tiny:predict"

/* The input alone, without its name; versions and labels; the default signature's name. */
static void the_same_may_be_asked_in_many_ways(void **state)
{
    static const char *const rows[][2] = {
        {TINY, "{\"instances\":[[[0.5],[1]],[[2],[-1]]]}"},
        {TINY, "{\"instances\":[{\"input\":[[0.5],[1]]},{\"input\":[[2],[-1]]}]}"},
        {TINY, "{\"signature_name\":\"serving_default\",\"instances\":[[[0.5],[1]],[[2],[-1]]]}"},
        {TINY, " {\"instances\" : [ [[5e-1],[1.0]] , [[2],[-1]] ], \"signature_name\":\"\"}"},
        {"/v1/models/tiny/versions/1:predict", "{\"instances\":[[[0.5],[1]],[[2],[-1]]]}"},
        {"/v1/models/tiny/labels/stable:predict", "{\"instances\":[[[0.5],[1]],[[2],[-1]]]}"},
    };
    static const char *const columns[] = {
        "{\"inputs\":[[[0.5],[1]],[[2],[-1]]]}",
        "{\"inputs\":{\"input\":[[[0.5],[1]],[[2],[-1]]]}}",
    };
    cJSON *wanted_root, *root;
    const cJSON *wanted = ask(rows[0][0], rows[0][1], "predictions", &wanted_root);
    (void)state;
    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++) {
        assert_true(cJSON_Compare(ask(rows[i][0], rows[i][1], "predictions", &root), wanted, true));
        cJSON_Delete(root);
    }
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const cJSON *outputs = ask(TINY, columns[i], "outputs", &root);
        for (const cJSON *output = outputs->child; output != NULL; output = output->next)
            for (int b = 0; b < 2; b++)
                assert_true(cJSON_Compare(
                    cJSON_GetArrayItem(output, b),
                    cJSON_GetObjectItem(cJSON_GetArrayItem(wanted, b), output->string), true));
        assert_int_equal(cJSON_GetArraySize(outputs), 3);
        cJSON_Delete(root);
    }
    cJSON_Delete(wanted_root);
}

#define HEADED "/v1/models/headed:predict"

/* One output is bare. */
static void a_network_s_own_states_are_answered_to_those_who_ask(void **state)
{
    cJSON *tiny_root, *root;
    (void)state;
    const cJSON *tiny = ask(TINY, "{\"instances\":[[[0.5]],[[-1]]]}", "predictions", &tiny_root);
    const cJSON *bare = ask(HEADED, "{\"instances\":[[[0.5]],[[-1]]]}", "predictions", &root);
    for (int b = 0; b < 2; b++) {
        const cJSON *output = cJSON_GetObjectItem(cJSON_GetArrayItem(tiny, b), "output");
        const double x = output->child->child->valuedouble;
        const cJSON *row = cJSON_GetArrayItem(bare, b);
        assert_true(row->child->child->valuedouble == (x > 0 ? x : 0));
    }
    cJSON_Delete(root);
    const cJSON *all =
        ask(HEADED, "{\"instances\":[[[0.5]],[[-1]]],\"signature_name\":\"with_states\"}",
            "predictions", &root);
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < 2; i++) {
            static const char *const names[] = {"h_n", "c_n"};
            assert_true(cJSON_Compare(cJSON_GetObjectItem(cJSON_GetArrayItem(all, b), names[i]),
                                      cJSON_GetObjectItem(cJSON_GetArrayItem(tiny, b), names[i]),
                                      true));
        }
    cJSON_Delete(root);
    cJSON_Delete(tiny_root);
}

static const cJSON *outputs_of(const cJSON *signatures, const char *name)
{
    return cJSON_GetObjectItem(cJSON_GetObjectItem(signatures, name), "outputs");
}

static void the_metadata_has_a_signature_for_either(void **state)
{
    struct http_response response;
    (void)state;
    assert_true(http_get(&fixture.client, "/v1/models/headed/metadata", &response));
    assert_int_equal(response.status, 200);
    cJSON *root = cJSON_Parse(response.body);
    const cJSON *signatures = cJSON_GetObjectItem(
        cJSON_GetObjectItem(cJSON_GetObjectItem(root, "metadata"), "signature_def"),
        "signature_def");
    assert_int_equal(cJSON_GetArraySize(signatures), 2);
    assert_int_equal(cJSON_GetArraySize(outputs_of(signatures, "serving_default")), 1);
    assert_int_equal(cJSON_GetArraySize(outputs_of(signatures, "with_states")), 3);
    cJSON_Delete(root);
    http_response_fini(&response);
}

static void rows_without_steps_come_out_without(void **state)
{
    (void)state;
    expect_answer(HEADED, "{\"instances\":[[],[]]}", "{\"predictions\":[[],[]]}");
    cJSON *root;
    const cJSON *predictions =
        ask(HEADED, "{\"instances\":[[[1],[2]],[],[[1]]]}", "predictions", &root);
    static const int steps[] = {2, 0, 1};
    for (int b = 0; b < 3; b++)
        assert_int_equal(cJSON_GetArraySize(cJSON_GetArrayItem(predictions, b)), steps[b]);
    cJSON_Delete(root);
}

/* More than one slice of work, by a worker. */
static void long_rows_come_out_whole(void **state)
{
    struct json_writer writer;
    static const size_t steps[] = {40000, 1, 25000};
    cJSON *root;
    (void)state;
    json_writer_init(&writer);
    json_open_object(&writer);
    json_key(&writer, "instances");
    json_open_array(&writer);
    for (size_t b = 0; b < 3; b++) {
        json_open_array(&writer);
        for (size_t t = 0; t < steps[b]; t++)
            json_floats(&writer, (const float[]){(float)(t % 7) - 3}, 1);
        json_close_array(&writer);
    }
    char *body = end_body(&writer);
    const cJSON *predictions = ask(HEADED, body, "predictions", &root);
    for (int b = 0; b < 3; b++)
        assert_int_equal(cJSON_GetArraySize(cJSON_GetArrayItem(predictions, b)), steps[b]);
    cJSON_Delete(root);
    free(body);
}

/* ---- sequences ---- */

/* The one row's predictions as JSON text; parameters, where not NULL, must be what comes back. */
static char *predict(const char *body, const char *parameters)
{
    struct http_response response;
    post(HEADED, body, &response);
    if (response.status != 200)
        fail_msg("%s: %s", body, response.body);
    cJSON *root = cJSON_Parse(response.body);
    http_response_fini(&response);
    char *found = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(root, "parameters"));
    if (parameters != NULL)
        assert_string_equal(found, parameters);
    else
        assert_null(found);
    cJSON_free(found);
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(root, "predictions");
    assert_int_equal(cJSON_GetArraySize(rows), 1);
    char *text = cJSON_PrintUnformatted(cJSON_GetArrayItem(rows, 0));
    cJSON_Delete(root);
    return text;
}

/* The steps of several answers in one list. */
static void join_steps(char *joined, size_t size, char *const parts[], size_t count)
{
    size_t at = (size_t)snprintf(joined, size, "[");
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(joined + at, size - at, "%s%.*s", i > 0 ? "," : "",
                               (int)strlen(parts[i]) - 2, parts[i] + 1);
    snprintf(joined + at, size - at, "]");
}

static void a_sequence_may_come_in_pieces(void **state)
{
    (void)state;
    char *whole = predict("{\"instances\":[[[0.5],[-1],[2],[0.25]]]}", NULL);
    char *parts[] = {
        predict("{\"parameters\":{\"sequence_id\":7,\"sequence_start\":true},"
                "\"instances\":[[[0.5]]]}",
                "{\"sequence_id\":7,\"steps\":1}"),
        predict("{\"instances\":[[[-1],[2]]],\"parameters\":{\"sequence_id\":7}}",
                "{\"sequence_id\":7,\"steps\":3}"),
        predict("{\"parameters\":{\"sequence_id\":7,\"sequence_end\":true},"
                "\"instances\":[[[0.25]]]}",
                "{\"sequence_id\":7,\"steps\":4}"),
    };
    char joined[512];
    join_steps(joined, sizeof joined, parts, 3);
    assert_string_equal(joined, whole);
    cJSON_free(whole);
    for (size_t i = 0; i < 3; i++)
        cJSON_free(parts[i]);
    refuse(HEADED, "{\"parameters\":{\"sequence_id\":7},\"instances\":[[[1]]]}", 404, "sequence");
}

static void a_sequence_may_change_its_protocol(void **state)
{
    static const char body[] =
        "{\"parameters\":{\"sequence_id\":\"two doors\",\"sequence_end\":true},\"inputs\":"
        "[{\"name\":\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[-1]}],"
        "\"outputs\":[{\"name\":\"output\"}]}";
    struct http_response response;
    (void)state;
    char *whole = predict("{\"instances\":[[[0.5],[-1]]]}", NULL);
    cJSON_free(predict("{\"parameters\":{\"sequence_id\":\"two doors\",\"sequence_start\":true},"
                       "\"instances\":[[[0.5]]]}",
                       "{\"sequence_id\":\"two doors\",\"steps\":1}"));
    post("/v2/models/headed/infer", body, &response);
    assert_int_equal(response.status, 200);
    cJSON *rows = cJSON_Parse(whole), *root = cJSON_Parse(response.body);
    const cJSON *output = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "outputs"), 0);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(output, "data");
    assert_true(cJSON_Compare(cJSON_GetArrayItem(rows, 1), data, true));
    cJSON_Delete(rows);
    cJSON_Delete(root);
    cJSON_free(whole);
    http_response_fini(&response);
}

/* ---- refusals ---- */

static void what_is_wrong_is_said_in_tensorflow_serving_s_words(void **state)
{
    static const struct {
        const char *path, *body;
        int status;
        const char *text;
    } cases[] = {
        {TINY, "", 400, "a JSON body expected"},
        {TINY, "{\"instances\":", 400, "JSON Parse error"},
        {TINY, "[1]", 400, "Is not object"},
        {TINY, "{}", 400, "Missing 'inputs' or 'instances' key"},
        {TINY, "{\"instances\":3}", 400, "Expecting 'instances' to be an list/array"},
        {TINY, "{\"instances\":[]}", 400, "'instances' is empty"},
        {TINY, "{\"instances\":[[[1]]],\"inputs\":[[[1]]]}", 400, "'inputs' and 'instances'"},
        {TINY, "{\"signature_name\":\"x\",\"instances\":[[[1]]]}", 400,
         "Serving signature name: \"x\" not found in signature def"},
        {TINY, "{\"instances\":[{\"nothing\":[[1]]}]}", 400, "'nothing'"},
        {TINY, "{\"instances\":[[[1,2]]]}", 400, "unexpected shape for input 'input'"},
        {TINY, "{\"instances\":[[[1]],[[1,2]]]}", 400, "row 1"},
        {TINY, "{\"sequence_id\":7,\"instances\":[[[1]]]}", 400,
         "'sequence_id' is wanted within 'parameters'"},
        {TINY, "{\"parameters\":{\"sequence_id\":-1},\"instances\":[[[1]]]}", 400,
         "parameters.sequence_id: "},
        {TINY, "{\"parameters\":{\"sequence_id\":8},\"instances\":[[[1]]]}", 404, "sequence"},
        {TINY, "{\"instances\":[[[1]],[[\"a\"]]]}", 400, "row 1: element 0: a number is wanted"},
        {"/v1/models/nobody:predict", "{\"instances\":[[[1]]]}", 404,
         "Servable not found for request: Latest(nobody)"},
        {"/v1/models/tiny/versions/2:predict", "{\"instances\":[[[1]]]}", 404,
         "Servable not found for request: Specific(tiny, 2)"},
        {"/v1/models/tiny/labels/canary:predict", "{\"instances\":[[[1]]]}", 404, "label 'canary'"},
        {"/v1/models/tiny:explain", "{\"instances\":[[[1]]]}", 404, "Not Found"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].path, cases[i].body, cases[i].status, cases[i].text);
    expect_get_error(&fixture.client, TINY, 405, "Method Not Allowed");
}

static void binary_tensors_have_no_place_there(void **state)
{
    static const char *const headers[] = {"Inference-Header-Content-Length: 2", NULL};
    struct http_response response;
    (void)state;
    assert_true(http_send(&fixture.client, "POST", TINY, "{}1234", 6, headers, &response));
    expect_error(&response, 400, "JSON alone is wanted");
    http_response_fini(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_answered_with_the_numbers_of_version_2),
        cmocka_unit_test(rows_of_different_lengths_are_answered_with_their_own),
        cmocka_unit_test(the_same_may_be_asked_in_many_ways),
        cmocka_unit_test(a_network_s_own_states_are_answered_to_those_who_ask),
        cmocka_unit_test(the_metadata_has_a_signature_for_either),
        cmocka_unit_test(rows_without_steps_come_out_without),
        cmocka_unit_test(long_rows_come_out_whole),
        cmocka_unit_test(a_sequence_may_come_in_pieces),
        cmocka_unit_test(a_sequence_may_change_its_protocol),
        cmocka_unit_test(what_is_wrong_is_said_in_tensorflow_serving_s_words),
        cmocka_unit_test(binary_tensors_have_no_place_there),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
