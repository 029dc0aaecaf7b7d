/* Good infer requests in all the forms the protocol allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/die.h"
#include "tests/support/expect.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"
#include "tests/support/fixture.h"

static struct fixture fixture;

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    fixture_add_golden(&fixture, "ragged");
    fixture_add_golden(&fixture, "ragged_bidirectional_stacked");
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* The answer of tiny (input [T,B,1], one hidden unit) to a body written out. */
static void ask_tiny(const char *body, struct infer_result *result)
{
    assert_true(infer_post_text(&fixture.client, "tiny", body, strlen(body), result));
}

static void assert_same_answers(const struct infer_result *a, const struct infer_result *b)
{
    assert_int_equal(a->tensor_count, b->tensor_count);
    for (size_t i = 0; i < a->tensor_count; i++) {
        assert_string_equal(a->tensors[i].name, b->tensors[i].name);
        assert_int_equal(a->tensors[i].elements, b->tensors[i].elements);
        assert_memory_equal(a->tensors[i].values, b->tensors[i].values,
                            a->tensors[i].elements * sizeof(float));
    }
}

/* ---- the envelope ---- */

#define INPUT(shape, data)                                                                         \
    "{\"name\":\"input\",\"shape\":" shape ",\"datatype\":\"FP32\",\"data\":" data "}"
#define H_0(shape, data)                                                                           \
    ",{\"name\":\"h_0\",\"shape\":" shape ",\"datatype\":\"FP32\",\"data\":" data "}"
#define C_0(shape, data)                                                                           \
    ",{\"name\":\"c_0\",\"shape\":" shape ",\"datatype\":\"FP32\",\"data\":" data "}"

static void the_answer_names_the_model_its_version_and_the_id(void **state)
{
    struct infer_result result;
    (void)state;
    ask_tiny("{\"id\":\"a \\\"b\\\" \\u00e9\",\"inputs\":[" INPUT("[1,1,1]", "[0.5]") "]}",
             &result);
    assert_string_equal(result.model_name, "tiny");
    assert_string_equal(result.model_version, "1");
    assert_string_equal(result.id, "a \"b\" \xc3\xa9");
    infer_result_fini(&result);
}

static void without_an_id_none_comes_back(void **state)
{
    struct http_response response;
    static const char body[] = "{\"inputs\":[" INPUT("[1,1,1]", "[0.5]") "]}";
    (void)state;
    assert_true(http_post(&fixture.client, "/v2/models/tiny/infer", body, strlen(body), &response));
    assert_int_equal(response.status, 200);
    assert_null(strstr(response.body, "\"id\""));
    http_response_fini(&response);
}

static void all_outputs_come_when_none_is_asked_for(void **state)
{
    static const char *const bodies[] = {
        "{\"inputs\":[" INPUT("[1,1,1]", "[0.5]") "]}",
        "{\"outputs\":[],\"inputs\":[" INPUT("[1,1,1]", "[0.5]") "]}",
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct infer_result result;
        ask_tiny(bodies[i], &result);
        assert_int_equal(result.tensor_count, 3);
        assert_string_equal(result.tensors[0].name, "output");
        assert_string_equal(result.tensors[1].name, "h_n");
        assert_string_equal(result.tensors[2].name, "c_n");
        infer_result_fini(&result);
    }
}

static void outputs_come_in_the_order_asked_for(void **state)
{
    struct infer_result result;
    (void)state;
    ask_tiny("{\"outputs\":[{\"name\":\"c_n\"},{\"name\":\"output\"}],"
             "\"inputs\":[" INPUT("[1,1,1]", "[0.5]") "]}",
             &result);
    assert_int_equal(result.tensor_count, 2);
    assert_string_equal(result.tensors[0].name, "c_n");
    assert_string_equal(result.tensors[1].name, "output");
    infer_result_fini(&result);
}

static void keys_may_come_in_any_order_with_others_among_them(void **state)
{
    struct infer_result plain, odd;
    (void)state;
    ask_tiny("{\"inputs\":[" INPUT("[2,1,1]", "[0.5,-0.5]") "]}", &plain);
    ask_tiny(" {\r\n\t\"parameters\" : {\"priority\":1,\"x\":{\"y\":[null,true,\"]}\"]}},\n"
             "\"unknown\":[[],{}],\"outputs\":[{\"parameters\":{\"binary_data\":false},"
             "\"name\":\"output\"},{\"name\":\"h_n\"},{\"name\":\"c_n\"}],"
             "\"inputs\":[ {\"data\":[ 0.5 , -0.5 ],\"datatype\":\"FP32\",\"more\":1e999,"
             "\"sh\\u0061pe\":[2,1,1],\"name\":\"inp\\u0075t\"} ] } ",
             &odd);
    assert_same_answers(&plain, &odd);
    infer_result_fini(&plain);
    infer_result_fini(&odd);
}

static void version_1_may_be_named_in_the_path(void **state)
{
    struct http_response response;
    static const char body[] = "{\"inputs\":[" INPUT("[1,1,1]", "[0.5]") "]}";
    (void)state;
    assert_true(http_post(&fixture.client, "/v2/models/tiny/versions/1/infer", body, strlen(body),
                          &response));
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
}

static void a_chunked_body_is_as_good(void **state)
{
    static const char *const headers[] = {"Transfer-Encoding: chunked", NULL};
    static const char body[] = "{\"inputs\":[" INPUT("[1,1,1]", "[0.5]") "]}";
    struct http_response response;
    (void)state;
    assert_true(http_send(&fixture.client, "POST", "/v2/models/tiny/infer", body, strlen(body),
                          headers, &response));
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
}

static void a_client_that_waits_for_continue_is_told_to(void **state)
{
    static const char *const headers[] = {"Expect: 100-continue", NULL};
    static const char body[] = "{\"inputs\":[" INPUT("[1,1,1]", "[0.5]") "]}";
    struct http_response response;
    (void)state;
    assert_true(http_send(&fixture.client, "POST", "/v2/models/tiny/infer", body, strlen(body),
                          headers, &response));
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
}

/* ---- numbers ---- */

static void nested_data_is_the_same_as_flat(void **state)
{
    struct infer_result flat, nested;
    (void)state;
    ask_tiny("{\"inputs\":[" INPUT("[3,2,1]", "[1,2,3,4,5,6]") "]}", &flat);
    ask_tiny("{\"inputs\":[" INPUT("[3,2,1]", "[[[1],[2]],[[3],[4]],[[5],[6]]]") "]}", &nested);
    assert_same_answers(&flat, &nested);
    infer_result_fini(&flat);
    infer_result_fini(&nested);
}

/* With no steps the states come back as they were sent: a question about numbers alone. The text
 * holds the elements of both h_0 and c_0. */
static void echo(const char *numbers, size_t count, struct infer_result *result)
{
    char *body;
    assert_true(asprintf(&body,
                         "{\"inputs\":[{\"name\":\"input\",\"shape\":[0,%zu,1],\"datatype\":"
                         "\"FP32\",\"data\":[]},{\"name\":\"h_0\",\"shape\":[1,%zu,1],"
                         "\"datatype\":\"FP32\",\"data\":[%s]},{\"name\":\"c_0\",\"shape\":"
                         "[1,%zu,1],\"datatype\":\"FP32\",\"data\":[%s]}]}",
                         count, count, numbers, count, numbers) > 0);
    ask_tiny(body, result);
    free(body);
    expect_tensor(result, "output", 0, count, 1);
}

static void numbers_are_rounded_as_the_c_library_does(void **state)
{
    static const char *const texts[] = {
        "0.1",
        "1",
        "-1E-2",
        "1.5e+3",
        "16777217",
        "16777219",
        "3.4028235e38",
        "3.40282356e38",
        "1.1754943508e-38",
        "1.4e-45",
        "0.7e-45",
        "1e-400",
        "-0.0",
        "-0",
        "8388608.5",
        "8388609.5",
        "0.1000000014901161193847656250000000000000000000000000000001",
        "123456789012345678901234567890",
        "9007199254740993",
        "1.00000005960464477539062",
    };
    enum { COUNT = sizeof texts / sizeof texts[0] };
    char numbers[1024] = "";
    struct infer_result result;
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        strcat(numbers, i == 0 ? "" : ",");
        strcat(numbers, texts[i]);
    }
    echo(numbers, COUNT, &result);
    const float *h_n = expect_tensor(&result, "h_n", 1, COUNT, 1);
    for (size_t i = 0; i < COUNT; i++) {
        const float wanted = strtof(texts[i], NULL);
        if (memcmp(&wanted, &h_n[i], sizeof wanted) != 0)
            fail_msg("%s: %a wanted, got %a", texts[i], (double)wanted, (double)h_n[i]);
    }
    infer_result_fini(&result);
}

static void any_float_comes_back_as_the_same_bits(void **state)
{
    enum { COUNT = 4096 };
    float sent[COUNT];
    uint32_t random = 1;
    struct infer_body body;
    struct infer_result result;
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        do {
            random = random * 1664525u + 1013904223u;
            memcpy(&sent[i], &random, sizeof sent[i]);
        } while (isnan(sent[i])); /* a NaN's bits are not kept, see below */
    }
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, (const size_t[]){0, COUNT, 1}, NULL);
    infer_body_f32(&body, "h_0", 3, (const size_t[]){1, COUNT, 1}, sent);
    infer_body_f32(&body, "c_0", 3, (const size_t[]){1, COUNT, 1}, sent);
    assert_true(infer_post(&fixture.client, "tiny", &body, &result));
    assert_memory_equal(expect_tensor(&result, "h_n", 1, COUNT, 1), sent, sizeof sent);
    assert_memory_equal(expect_tensor(&result, "c_n", 1, COUNT, 1), sent, sizeof sent);
    infer_result_fini(&result);
}

static void nan_and_infinity_pass_both_ways_as_bare_words(void **state)
{
    static const char body[] = "{\"inputs\":[" INPUT("[0,3,1]", "[]")
        H_0("[1,3,1]", "[NaN,Infinity,-Infinity]") C_0("[1,3,1]", "[-Infinity,NaN,0]") "]}";
    struct http_response response;
    (void)state;
    assert_true(http_post(&fixture.client, "/v2/models/tiny/infer", body, strlen(body), &response));
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, "[NaN,Infinity,-Infinity]"));
    assert_non_null(strstr(response.body, "[-Infinity,NaN,0.0]"));
    http_response_fini(&response);
}

static void a_nan_spoils_its_own_row_only(void **state)
{
    struct infer_result alone, beside;
    (void)state;
    ask_tiny("{\"inputs\":[" INPUT("[2,1,1]", "[0.5,0.25]") "]}", &alone);
    ask_tiny("{\"inputs\":[" INPUT("[2,2,1]", "[NaN,0.5,1,0.25]") "]}", &beside);
    const float *one = expect_tensor(&alone, "output", 2, 1, 1);
    const float *two = expect_tensor(&beside, "output", 2, 2, 1);
    assert_true(isnan(two[0]) && isnan(two[2]));
    assert_memory_equal(&two[1], &one[0], sizeof(float));
    assert_memory_equal(&two[3], &one[1], sizeof(float));
    infer_result_fini(&alone);
    infer_result_fini(&beside);
}

/* ---- shapes ---- */

/* What simple (I 10, H 7) answers to T steps of B rows of made-up numbers that depend only on the
 * step, the row's name and the place. */
static void ask_simple(size_t steps, size_t rows, size_t first_row, struct infer_result *result)
{
    enum { I = 10 };
    float *input = must_allocate_zeros(steps * rows * I, sizeof *input);
    for (size_t t = 0; t < steps; t++)
        for (size_t b = 0; b < rows; b++)
            for (size_t i = 0; i < I; i++)
                input[(t * rows + b) * I + i] = sinf((float)(7 * t + 3 * (first_row + b) + i));
    struct infer_body body;
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, (const size_t[]){steps, rows, I}, input);
    assert_true(infer_post(&fixture.client, "simple", &body, result));
    free(input);
}

static void steps_and_rows_may_differ_from_request_to_request(void **state)
{
    static const size_t shapes[][2] = {{1, 1}, {5, 3}, {2, 40}, {300, 1}, {1, 1}, {33, 17}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const size_t steps = shapes[i][0], rows = shapes[i][1];
        struct infer_result result;
        ask_simple(steps, rows, 0, &result);
        const float *output = expect_tensor(&result, "output", steps, rows, 7);
        const float *h_n = expect_tensor(&result, "h_n", 1, rows, 7);
        expect_tensor(&result, "c_n", 1, rows, 7);
        assert_memory_equal(output + (steps - 1) * rows * 7, h_n, rows * 7 * sizeof(float));
        infer_result_fini(&result);
    }
}

static void a_row_gets_the_same_bits_alone_and_in_company(void **state)
{
    enum { T = 9, B = 13, H = 7 };
    struct infer_result together, alone;
    (void)state;
    ask_simple(T, B, 0, &together);
    const float *all = expect_tensor(&together, "output", T, B, H);
    for (size_t b = 0; b < B; b++) {
        ask_simple(T, 1, b, &alone);
        const float *one = expect_tensor(&alone, "output", T, 1, H);
        for (size_t t = 0; t < T; t++)
            assert_memory_equal(all + (t * B + b) * H, one + t * H, H * sizeof(float));
        infer_result_fini(&alone);
    }
    infer_result_fini(&together);
}

static void no_rows_give_empty_tensors(void **state)
{
    struct infer_result result;
    (void)state;
    ask_tiny("{\"inputs\":[" INPUT("[5,0,1]", "[]") "]}", &result);
    expect_tensor(&result, "output", 5, 0, 1);
    expect_tensor(&result, "h_n", 1, 0, 1);
    expect_tensor(&result, "c_n", 1, 0, 1);
    infer_result_fini(&result);
}

static void no_steps_give_zero_states(void **state)
{
    struct infer_result result;
    (void)state;
    ask_tiny("{\"inputs\":[" INPUT("[0,2,1]", "[]") "]}", &result);
    expect_tensor(&result, "output", 0, 2, 1);
    assert_memory_equal(expect_tensor(&result, "h_n", 1, 2, 1), ((float[2]){0}), 2 * sizeof(float));
    assert_memory_equal(expect_tensor(&result, "c_n", 1, 2, 1), ((float[2]){0}), 2 * sizeof(float));
    infer_result_fini(&result);
}

static void a_long_sequence_passes(void **state)
{
    enum { T = 20000 };
    struct infer_result result;
    (void)state;
    ask_simple(T, 1, 0, &result);
    expect_tensor(&result, "output", T, 1, 7);
    infer_result_fini(&result);
}

static void a_state_that_is_not_sent_is_zeros(void **state)
{
    struct infer_result one, both;
    (void)state;
    ask_tiny("{\"inputs\":[" INPUT("[1,2,1]", "[1,2]") H_0("[1,2,1]", "[0.5,-0.5]") "]}", &one);
    ask_tiny("{\"inputs\":[" INPUT("[1,2,1]", "[1,2]") H_0("[1,2,1]", "[0.5,-0.5]")
                 C_0("[1,2,1]", "[0,0]") "]}",
             &both);
    assert_same_answers(&one, &both);
    infer_result_fini(&one);
    infer_result_fini(&both);
    ask_tiny("{\"inputs\":[" INPUT("[1,2,1]", "[1,2]") C_0("[1,2,1]", "[0.5,-0.5]") "]}", &one);
    ask_tiny("{\"inputs\":[" INPUT("[1,2,1]", "[1,2]") C_0("[1,2,1]", "[0.5,-0.5]")
                 H_0("[1,2,1]", "[0,0]") "]}",
             &both);
    assert_same_answers(&one, &both);
    infer_result_fini(&one);
    infer_result_fini(&both);
}

/* ---- lengths ---- */

/* The case's request with its rows in another order: row b of the request is row order[b]. */
struct reordered {
    struct golden_case golden;
    const size_t *order;
    const char *datatype;   /* of lengths */
    const int64_t *lengths; /* per row of the case */
    float padding;          /* in place of input past a row's length */
};

static float *take_rows(const struct reordered *r, const float *values, size_t outer, size_t width)
{
    const size_t rows = r->golden.rows;
    float *taken = must_allocate_zeros(outer * rows * width, sizeof *taken);
    for (size_t o = 0; o < outer; o++)
        for (size_t b = 0; b < rows; b++)
            memcpy(taken + (o * rows + b) * width, values + (o * rows + r->order[b]) * width,
                   width * sizeof *taken);
    return taken;
}

static void pad(const struct reordered *r, float *input)
{
    const size_t rows = r->golden.rows, width = r->golden.input_size;
    for (size_t b = 0; b < rows; b++)
        for (size_t t = (size_t)r->lengths[r->order[b]]; t < r->golden.steps; t++)
            for (size_t i = 0; i < width; i++)
                input[(t * rows + b) * width + i] = r->padding;
}

static void write_lengths(const struct reordered *r, struct infer_body *body)
{
    struct json_writer *writer = &body->writer;
    json_open_object(writer);
    json_key(writer, "name");
    json_string(writer, "lengths");
    json_key(writer, "datatype");
    json_string(writer, r->datatype);
    json_key(writer, "shape");
    json_open_array(writer);
    json_uint64(writer, r->golden.rows);
    json_close_array(writer);
    json_key(writer, "data");
    json_open_array(writer);
    for (size_t b = 0; b < r->golden.rows; b++)
        json_int64(writer, r->lengths[r->order[b]]);
    json_close_array(writer);
    json_close_object(writer);
}

static void ask_reordered(const struct reordered *r, const char *model, struct infer_result *result)
{
    const struct golden_case *g = &r->golden;
    float *input = take_rows(r, g->input, g->steps, g->input_size);
    float *h_0 = take_rows(r, g->h_0, g->cells, g->h_size);
    float *c_0 = take_rows(r, g->c_0, g->cells, g->hidden_size);
    struct infer_body body;
    pad(r, input);
    infer_body_begin(&body, NULL);
    write_lengths(r, &body);
    infer_body_f32(&body, "input", 3, (const size_t[]){g->steps, g->rows, g->input_size}, input);
    infer_body_f32(&body, "h_0", 3, (const size_t[]){g->cells, g->rows, g->h_size}, h_0);
    infer_body_f32(&body, "c_0", 3, (const size_t[]){g->cells, g->rows, g->hidden_size}, c_0);
    assert_true(infer_post(&fixture.client, model, &body, result));
    free(input);
    free(h_0);
    free(c_0);
}

/* Row b of one answer is row order[b] of the plain one. */
static void assert_reordered(const struct reordered *r, const struct infer_result *plain,
                             const struct infer_result *result)
{
    const size_t outer[] = {r->golden.steps, r->golden.cells, r->golden.cells};
    const size_t width[] = {r->golden.output_size, r->golden.h_size, r->golden.hidden_size};
    assert_int_equal(plain->tensor_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const size_t count = outer[i] * r->golden.rows * width[i];
        float *wanted = take_rows(r, plain->tensors[i].values, outer[i], width[i]);
        assert_int_equal(result->tensors[i].elements, count);
        assert_memory_equal(result->tensors[i].values, wanted, count * sizeof *wanted);
        free(wanted);
    }
}

static void check_orders(const char *name, const size_t *identity, const size_t *order)
{
    struct reordered r = {.order = identity, .datatype = "INT64", .padding = 0};
    struct infer_result plain, result;
    golden_case_open(&r.golden, name);
    r.lengths = r.golden.lengths;
    ask_reordered(&r, name, &plain);

    r.order = order;
    r.datatype = "INT32";
    r.padding = NAN;
    ask_reordered(&r, name, &result);
    assert_reordered(&r, &plain, &result);
    infer_result_fini(&plain);
    infer_result_fini(&result);
    golden_case_close(&r.golden);
}

static void ragged_rows_may_come_in_any_order_and_padding_does_not_matter(void **state)
{
    (void)state;
    check_orders("ragged", (const size_t[]){0, 1, 2, 3, 4}, (const size_t[]){3, 0, 4, 2, 1});
    check_orders("ragged_bidirectional_stacked", (const size_t[]){0, 1, 2, 3},
                 (const size_t[]){2, 3, 0, 1});
}

/* Rows 0 and 2 of the case without steps. */
static void check_empty_rows(const char *name, const size_t *identity, const int64_t *lengths)
{
    struct reordered r = {.order = identity, .datatype = "INT64", .lengths = lengths};
    struct infer_result result;
    golden_case_open(&r.golden, name);
    ask_reordered(&r, name, &result);
    const struct golden_case *g = &r.golden;
    const float *output = expect_tensor(&result, "output", g->steps, g->rows, g->output_size);
    const float *h_n = expect_tensor(&result, "h_n", g->cells, g->rows, g->h_size);
    const float *c_n = expect_tensor(&result, "c_n", g->cells, g->rows, g->hidden_size);

    for (size_t row = 0; row <= 2; row += 2) {
        for (size_t t = 0; t < g->steps; t++)
            for (size_t i = 0; i < g->output_size; i++)
                assert_true(output[(t * g->rows + row) * g->output_size + i] == 0.0f);
        for (size_t cell = 0; cell < g->cells; cell++) {
            const size_t h = (cell * g->rows + row) * g->h_size;
            const size_t c = (cell * g->rows + row) * g->hidden_size;
            assert_memory_equal(h_n + h, g->h_0 + h, g->h_size * sizeof(float));
            assert_memory_equal(c_n + c, g->c_0 + c, g->hidden_size * sizeof(float));
        }
    }
    infer_result_fini(&result);
    golden_case_close(&r.golden);
}

static void a_row_of_length_0_keeps_its_state_and_outputs_zeros(void **state)
{
    (void)state;
    check_empty_rows("ragged", (const size_t[]){0, 1, 2, 3, 4}, (const int64_t[]){0, 19, 0, 3, 1});
    check_empty_rows("ragged_bidirectional_stacked", (const size_t[]){0, 1, 2, 3},
                     (const int64_t[]){0, 14, 0, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_names_the_model_its_version_and_the_id),
        cmocka_unit_test(without_an_id_none_comes_back),
        cmocka_unit_test(all_outputs_come_when_none_is_asked_for),
        cmocka_unit_test(outputs_come_in_the_order_asked_for),
        cmocka_unit_test(keys_may_come_in_any_order_with_others_among_them),
        cmocka_unit_test(version_1_may_be_named_in_the_path),
        cmocka_unit_test(a_chunked_body_is_as_good),
        cmocka_unit_test(a_client_that_waits_for_continue_is_told_to),
        cmocka_unit_test(nested_data_is_the_same_as_flat),
        cmocka_unit_test(numbers_are_rounded_as_the_c_library_does),
        cmocka_unit_test(any_float_comes_back_as_the_same_bits),
        cmocka_unit_test(nan_and_infinity_pass_both_ways_as_bare_words),
        cmocka_unit_test(a_nan_spoils_its_own_row_only),
        cmocka_unit_test(steps_and_rows_may_differ_from_request_to_request),
        cmocka_unit_test(a_row_gets_the_same_bits_alone_and_in_company),
        cmocka_unit_test(no_rows_give_empty_tensors),
        cmocka_unit_test(no_steps_give_zero_states),
        cmocka_unit_test(a_long_sequence_passes),
        cmocka_unit_test(a_state_that_is_not_sent_is_zeros),
        cmocka_unit_test(ragged_rows_may_come_in_any_order_and_padding_does_not_matter),
        cmocka_unit_test(a_row_of_length_0_keeps_its_state_and_outputs_zeros),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
