#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/binding.h"
#include "proto/v1_predict.h"

/* input [T,B,2] or [B,T,2], h_0 [2,B,3], last_h [B,3] and lengths [B] */
#define INPUTS(rows_first)                                                                         \
    .input_count = 4, .inputs = {{.name = "x",                                                     \
                                  .rank = 3,                                                       \
                                  .shape = {-1, -1, 2},                                            \
                                  .rows_axis = (rows_first) ? 0 : 1,                               \
                                  .steps_axis = (rows_first) ? 1 : 0},                             \
                                 {.name = "h_0",                                                   \
                                  .role = ROLE_H,                                                  \
                                  .optional = true,                                                \
                                  .rank = 3,                                                       \
                                  .shape = {2, -1, 3},                                             \
                                  .rows_axis = 1,                                                  \
                                  .steps_axis = SIGNATURE_NO_AXIS},                                \
                                 {.name = "last_h",                                                \
                                  .role = ROLE_H,                                                  \
                                  .optional = true,                                                \
                                  .rank = 2,                                                       \
                                  .shape = {-1, 3},                                                \
                                  .steps_axis = SIGNATURE_NO_AXIS},                                \
                                 {.name = "lengths",                                               \
                                  .role = ROLE_LENGTHS,                                            \
                                  .datatype = DATATYPE_INT64,                                      \
                                  .optional = true,                                                \
                                  .rank = 1,                                                       \
                                  .shape = {-1},                                                   \
                                  .steps_axis = SIGNATURE_NO_AXIS}}
static const struct signature signatures[2] = {
    {.batch_first = false, INPUTS(false)},
    {.batch_first = true, INPUTS(true)},
};
#undef INPUTS
enum { TIME_FIRST, BATCH_FIRST };

/* A request with what it points into. */
struct parsed {
    char *body;
    struct v1_request v1;
    struct infer_request request;
    struct tensor_row *rows;
};

static void take(struct parsed *parsed, const char *body, int layout)
{
    struct fault fault = {0};
    const size_t size = strlen(body);
    parsed->body = malloc(size); /* without a NUL */
    assert_non_null(parsed->body);
    memcpy(parsed->body, body, size);
    if (!v1_request_parse(&parsed->v1, &parsed->request, parsed->body, size, &signatures[layout],
                          &fault))
        fail_msg("%s: %s", body, fault.text);
    parsed->rows = malloc(parsed->v1.row_count * sizeof *parsed->rows);
    assert_non_null(parsed->rows);
    v1_request_index(&parsed->v1, &parsed->request, parsed->rows);
}

static void drop(struct parsed *parsed)
{
    free(parsed->body);
    free(parsed->rows);
}

static void refuse(const char *body, const char *wanted)
{
    struct v1_request v1;
    struct infer_request request;
    struct fault fault = {0};
    const size_t size = strlen(body);
    char *copy = malloc(size + (size == 0));
    assert_non_null(copy);
    memcpy(copy, body, size);
    if (v1_request_parse(&v1, &request, copy, size, &signatures[TIME_FIRST], &fault))
        fail_msg("%s is taken", body);
    assert_string_equal(fault.text, wanted);
    assert_int_equal(fault.status, 400);
    free(copy);
}

#define GAP (-99.0f) /* a place that is not to be written */

/* The request's index-th input has that name and shape ("3,2,2") and decodes, in slices of all
 * sizes, to values[elements]. */
static void expect_f32(const struct parsed *parsed, size_t index, const char *name,
                       const char *shape, const float *values)
{
    const struct infer_input *input = &parsed->request.inputs[index];
    char found[64] = "";
    assert_true(index < parsed->request.input_count);
    assert_string_equal(input->name, name);
    assert_int_equal(input->form, TENSOR_ROWS);
    for (size_t i = 0; i < input->rank; i++)
        sprintf(found + strlen(found), i == 0 ? "%d" : ",%d", (int)input->shape[i]);
    assert_string_equal(found, shape);
    float *out = malloc(input->elements * sizeof *out + 1);
    assert_non_null(out);
    for (size_t limit = 1; limit <= 8; limit++) {
        struct infer_cursor cursor;
        struct fault fault = {0};
        for (size_t i = 0; i < input->elements; i++)
            out[i] = GAP;
        infer_cursor_init(&cursor, input);
        do {
            if (!infer_cursor_read_f32(&cursor, out, limit < 8 ? limit : SIZE_MAX, &fault))
                fail_msg("%s", fault.text);
        } while (cursor.index < input->elements);
        assert_int_equal(cursor.index, input->elements);
        if (input->elements > 0)
            assert_memory_equal(out, values, input->elements * sizeof *out);
    }
    free(out);
}

static void expect_lengths(const struct parsed *parsed, size_t index, const int64_t *values)
{
    const struct infer_input *input = &parsed->request.inputs[index];
    int64_t out[8];
    struct fault fault = {0};
    assert_string_equal(input->name, "lengths");
    assert_int_equal(input->rank, 1);
    assert_true(input->elements <= 8);
    if (!infer_input_decode_i64(input, out, &fault))
        fail_msg("%s", fault.text);
    assert_memory_equal(out, values, input->elements * sizeof *out);
}

/* Two rows of three steps of two numbers, in both layouts. */
static const float batch_first[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const float time_first[] = {1, 2, 7, 8, 3, 4, 9, 10, 5, 6, 11, 12};
#define ROW_0 "[[1,2],[3,4],[5,6]]"
#define ROW_1 "[[7,8],[9,10],[11,12]]"

static void input_is_the_same_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool columns;
    } cases[] = {
        {"{\"instances\":[" ROW_0 "," ROW_1 "]}", false},
        {"{\"inputs\":[" ROW_0 "," ROW_1 "]}", true},
        {"{\"instances\":[{\"x\":" ROW_0 "},{\"x\":" ROW_1 "}]}", false},
        {"{\"inputs\":{\"x\":[" ROW_0 "," ROW_1 "]}}", true},
        {" { \"signature_name\" : \"serving_default\" , \"instances\" : [ " ROW_0 " , " ROW_1
         " ] } ",
         false},
        {"{\"signature_name\":\"\",\"inputs\":[[ [1.0,2e0 ],[ 3, 4],[5,6] ]," ROW_1 "]}", true},
        {"{\"instances\":[{ \"x\" : " ROW_0 " } , {\"\\u0078\":" ROW_1 "}],\"other\":[{}]}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed;
        take(&parsed, cases[i].body, TIME_FIRST);
        assert_int_equal(parsed.v1.columns, cases[i].columns);
        assert_int_equal(parsed.v1.row_count, 2);
        assert_int_equal(parsed.request.input_count, 1);
        assert_int_equal(parsed.request.output_count, 0);
        expect_f32(&parsed, 0, "x", "3,2,2", time_first);
        drop(&parsed);
        take(&parsed, cases[i].body, BATCH_FIRST);
        expect_f32(&parsed, 0, "x", "2,3,2", batch_first);
        drop(&parsed);
    }
}

static void inputs_of_all_ranks_are_read(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"instances\":[{\"lengths\":2,\"x\":" ROW_0 ",\"h_0\":[[1,2,3],[4,5,6]],"
        "\"last_h\":[1,2,3]},"
        "{\"last_h\":[4,5,6],\"x\":" ROW_1 ",\"h_0\":[[7,8,9],[10,11,12]],\"lengths\":0}]}",
        "{\"inputs\":{\"lengths\":[2,0.0],\"x\":[" ROW_0 "," ROW_1 "],"
        "\"h_0\":[[[1,2,3],[4,5,6]],[[7,8,9],[10,11,12]]],\"last_h\":[[1,2,3],[4,5,6]]}}",
    };
    static const float h_0[] = {1, 2, 3, 7, 8, 9, 4, 5, 6, 10, 11, 12};
    static const float last_h[] = {1, 2, 3, 4, 5, 6};
    for (size_t i = 0; i < 2; i++) {
        struct parsed parsed;
        take(&parsed, bodies[i], TIME_FIRST);
        assert_int_equal(parsed.v1.row_count, 8);
        expect_lengths(&parsed, 0, (const int64_t[]){2, 0});
        expect_f32(&parsed, 1, "x", "3,2,2", time_first);
        expect_f32(&parsed, 2, "h_0", "2,2,3", h_0);
        expect_f32(&parsed, 3, "last_h", "2,3", last_h);
        drop(&parsed);
    }
}

static void rows_may_differ_in_length(void **state)
{
    (void)state;
    static const char body[] =
        "{\"instances\":[[ ],[[1,2]],[[3,4],[5,6],[7,8]],[],[[9,10],[11,12]],[]]}";
    static const size_t lengths[] = {0, 1, 3, 0, 2, 0};
    float first[3 * 6 * 2], last[6 * 3 * 2];
    for (size_t b = 0, n = 1; b < 6; b++) {
        for (size_t t = 0; t < 3; t++) {
            for (size_t i = 0; i < 2; i++) {
                const float value = t < lengths[b] ? (float)n++ : GAP;
                first[(t * 6 + b) * 2 + i] = last[(b * 3 + t) * 2 + i] = value;
            }
        }
    }
    struct parsed parsed;
    take(&parsed, body, TIME_FIRST);
    expect_f32(&parsed, 0, "x", "3,6,2", first);
    for (size_t b = 0; b < 6; b++)
        assert_int_equal(parsed.request.inputs[0].rows[b].steps, lengths[b]);
    drop(&parsed);
    take(&parsed, body, BATCH_FIRST);
    expect_f32(&parsed, 0, "x", "6,3,2", last);
    drop(&parsed);
}

static void rows_without_steps_have_the_signatures_shape(void **state)
{
    (void)state;
    struct parsed parsed;
    take(&parsed, "{\"instances\":[[],[ ]]}", TIME_FIRST);
    expect_f32(&parsed, 0, "x", "0,2,2", NULL);
    drop(&parsed);
    take(&parsed, "{\"inputs\":{\"x\":[[]]}}", BATCH_FIRST);
    expect_f32(&parsed, 0, "x", "1,0,2", NULL);
    drop(&parsed);
}

/* What the signature does not have is left for binding_init to refuse. */
static void shapes_are_what_the_client_sent(void **state)
{
    (void)state;
    static const struct {
        const char *body, *name;
        size_t rank;
        uint64_t shape[4];
    } cases[] = {
        {"{\"instances\":[1,2]}", "x", 1, {2}},
        {"{\"instances\":[NaN]}", "x", 1, {1}},
        {"{\"instances\":[[1,2,3],[4,5,6]]}", "x", 2, {2, 3}},
        {"{\"instances\":[[[1,2,3]]]}", "x", 3, {1, 1, 3}},
        {"{\"instances\":[[[]]]}", "x", 3, {1, 1, 0}},
        {"{\"instances\":[[[[1],[2]],[[3],[4]]]]}", "x", 4, {1, 2, 2, 1}},
        {"{\"instances\":[{\"y\":[1,2]}]}", "y", 2, {1, 2}},
        {"{\"inputs\":{\"y\":[[[1],[2]],[]]}}", "y", 3, {2, 2, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed;
        take(&parsed, cases[i].body, TIME_FIRST);
        const struct infer_input *input = &parsed.request.inputs[0];
        assert_string_equal(input->name, cases[i].name);
        assert_int_equal(input->rank, cases[i].rank);
        if (input->rank == 3 && strcmp(input->name, "x") == 0) { /* [T,B,n] */
            assert_int_equal(input->shape[1], cases[i].shape[0]);
            assert_int_equal(input->shape[0], cases[i].shape[1]);
            assert_int_equal(input->shape[2], cases[i].shape[2]);
        } else {
            assert_memory_equal(input->shape, cases[i].shape, input->rank * sizeof(uint64_t));
        }
        drop(&parsed);
    }
}

static void request_is_bound_like_any_other(void **state)
{
    (void)state;
    struct parsed parsed;
    struct binding binding;
    struct fault fault = {0};
    take(&parsed, "{\"instances\":[" ROW_0 ",[[7,8]]]}", TIME_FIRST);
    assert_true(binding_init(&binding, &signatures[TIME_FIRST], &parsed.request, "m", &fault));
    assert_int_equal(binding.steps, 3);
    assert_int_equal(binding.rows, 2);
    assert_ptr_equal(binding.input, &parsed.request.inputs[0]);
    assert_int_equal(parsed.request.inputs[0].rows[1].steps, 1);
    drop(&parsed);
    take(&parsed, "{\"instances\":[[[1,2,3]]]}", BATCH_FIRST);
    assert_false(binding_init(&binding, &signatures[BATCH_FIRST], &parsed.request, "m", &fault));
    assert_string_equal(fault.text, "unexpected shape for input 'x' for model 'm'. Expected "
                                    "[-1,-1,2], got [1,1,3]");
    drop(&parsed);
    take(&parsed, "{\"inputs\":{\"x\":[[]],\"y\":[1]}}", TIME_FIRST);
    assert_false(binding_init(&binding, &signatures[TIME_FIRST], &parsed.request, "m", &fault));
    assert_string_equal(fault.text, "unexpected inference input 'y' for model 'm'");
    drop(&parsed);
}

static void numbers_of_an_embedding_need_no_inner_list(void **state)
{
    (void)state;
    static const struct signature signature = {
        .input_count = 1,
        .inputs = {{.name = "x",
                    .datatype = DATATYPE_INT64,
                    .rank = 2,
                    .shape = {-1, -1},
                    .rows_axis = 1,
                    .steps_axis = 0}},
    };
    static const char body[] = "{\"instances\":[[1,2,3],[4,5]]}";
    struct v1_request v1;
    struct infer_request request;
    struct fault fault = {0};
    struct tensor_row rows[2];
    int64_t out[6] = {0, 0, 0, 0, 0, -1};
    assert_true(v1_request_parse(&v1, &request, body, strlen(body), &signature, &fault));
    v1_request_index(&v1, &request, rows);
    assert_int_equal(request.inputs[0].shape[0], 3);
    assert_int_equal(request.inputs[0].shape[1], 2);
    assert_true(infer_input_decode_i64(&request.inputs[0], out, &fault));
    assert_memory_equal(out, ((const int64_t[]){1, 4, 2, 5, 3, -1}), sizeof out);
    assert_int_equal(rows[1].steps, 2);
}

/* Between the two walks the server gives a sequence its id. */
static void bug_423_the_second_walk_leaves_the_parameters_as_they_are(void **state)
{
    (void)state;
    static const struct signature signature = {
        .input_count = 1,
        .inputs = {{.name = "x",
                    .datatype = DATATYPE_FP32,
                    .rank = 2,
                    .shape = {-1, -1},
                    .rows_axis = 1}},
    };
    static const char body[] = "{\"parameters\":{\"sequence_id\":0,\"sequence_start\":true},"
                               "\"instances\":[[1,2]]}";
    struct v1_request v1;
    struct infer_request request;
    struct fault fault = {0};
    struct tensor_row rows[1];
    assert_true(v1_request_parse(&v1, &request, body, strlen(body), &signature, &fault));
    request.parameters.sequence_id = sequence_id_of_number(9);
    v1_request_index(&v1, &request, rows);
    assert_int_equal(request.parameters.sequence_id.kind, SEQUENCE_ID_NUMBER);
    assert_int_equal(request.parameters.sequence_id.number, 9);
    assert_true(request.parameters.sequence_start);
}

static void bad_numbers_are_told_by_row_and_element(void **state)
{
    (void)state;
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"{\"instances\":[[[1,2]],[[3]]]}",
         "input 'x': row 1: element 1: ',' is wanted by shape [1,2], got ']'"},
        {"{\"instances\":[[[1,2]],[3]]}", "input 'x': row 1: element 0: '[' is wanted, got '3'"},
        {"{\"instances\":[[[1,2]],3]}", "input 'x': row 1: element 0: '[' is wanted, got '3'"},
        {"{\"instances\":[[[1,2],[3,4]],[[5,6],null]]}",
         "input 'x': row 1: element 2: ']' is wanted by shape [1,2], got ','"},
        {"{\"instances\":[[[1,2],[3,4]],[[5,6],[7,true]]]}",
         "input 'x': row 1: element 3: a number is wanted, got 'true'"},
        {"{\"instances\":[[[1,2],[3,\"4\"]]]}",
         "input 'x': row 0: element 3: a number is wanted, got '\"'"},
        {"{\"instances\":[[[1,2,]]]}", "input 'x': row 0: element 2: a number is wanted by shape "
                                       "[1,3], got ']'"},
        {"{\"instances\":[[[1,1e39]]]}",
         "input 'x': row 0: element 1: a number in FP32's range is wanted, got '1e39'"},
        {"{\"instances\":[[[1,2]],[[[3,4]]]]}",
         "input 'x': row 1: element 0: a number is wanted by shape [1,2], got '['"},
        {"{\"instances\":[[[1,2]],[[3,4]5]]}",
         "input 'x': row 1: element 2: ']' is wanted, got '5'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed;
        struct fault fault = {0};
        float out[16];
        take(&parsed, cases[i].body, TIME_FIRST);
        assert_true(parsed.request.inputs[0].elements <= 16);
        assert_false(infer_input_decode_f32(&parsed.request.inputs[0], out, &fault));
        assert_string_equal(fault.text, cases[i].text);
        drop(&parsed);
    }
}

static void bad_lengths_are_told_by_row(void **state)
{
    (void)state;
    static const struct {
        const char *value, *found;
    } cases[] = {{"1.5", "'1.5'"}, {"[2]", "'['"}, {"1e1", "'1e1'"}, {"NaN", "'NaN'"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed;
        struct fault fault = {0};
        int64_t out[2];
        char body[128], wanted[200];
        snprintf(body, sizeof body, "{\"inputs\":{\"lengths\":[1,%s],\"x\":[[],[]]}}",
                 cases[i].value);
        if (cases[i].value[0] == '[') { /* another size than the row before it */
            refuse(body, "Failed to process element: 1 of 'inputs' list. Error: Expecting tensor "
                         "size: 0 but got: 1");
            continue;
        }
        snprintf(wanted, sizeof wanted,
                 "input 'lengths': row 1: element 0: a whole number from -9223372036854775808 to "
                 "9223372036854775807 is wanted, got %s",
                 cases[i].found);
        take(&parsed, body, TIME_FIRST);
        assert_false(infer_input_decode_i64(&parsed.request.inputs[0], out, &fault));
        assert_string_equal(fault.text, wanted);
        drop(&parsed);
    }
}

#define ELEMENT(n) "Failed to process element: " #n " of 'instances' list. Error: "

static void every_bad_body_is_refused_with_its_text(void **state)
{
    (void)state;
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"", "JSON Parse error: a value is wanted, got the end at byte 0"},
        {"[1,2]", "JSON Value: [1,2] Is not object"},
        {"null", "JSON Value: null Is not object"},
        {"{}", "Missing 'inputs' or 'instances' key"},
        {"{\"signature_name\":\"serving_default\"}", "Missing 'inputs' or 'instances' key"},
        {"{\"instances\":[[[1,2]]]", "JSON Parse error: ',' or '}' is wanted, got the end at byte "
                                     "22"},
        {"{\"instances\":[[[1,2]]]} x",
         "JSON Parse error: nothing after the value is wanted, got 'x' at byte 24"},
        {"{\"instances\":[[[1,2]],]}", "JSON Parse error: a value is wanted, got ']' at byte 22"},
        {"{\"instances\":[[[1,2]] [[3,4]]]}",
         "JSON Parse error: ',' or ']' is wanted, got '[' at byte 22"},
        {"{\"instances\":[[[1,2]", "JSON Parse error: ']' is wanted, got the end, for the array at "
                                   "byte 14"},
        {"{\"instances\":[[[1,2]],[[1,2]}",
         "JSON Parse error: ']' is wanted, got the end, for the array at byte 22"},
        {"{\"signature_name\":\"x\",\"instances\":[[]]}",
         "Serving signature name: \"x\" not found in signature def"},
        {"{\"instances\":[[]],\"signature_name\":\"Serving_default\"}",
         "Serving signature name: \"Serving_default\" not found in signature def"},
        {"{\"signature_name\":7,\"instances\":[[]]}",
         "JSON Parse error: a string is wanted, got a number at byte 18"},
        {"{\"instances\":[[]],\"inputs\":[[]]}",
         "one of 'inputs' and 'instances' is wanted once, got 'instances' and 'inputs'"},
        {"{\"inputs\":[[]],\"inputs\":[[]]}",
         "one of 'inputs' and 'instances' is wanted once, got 'inputs' and 'inputs'"},
        {"{\"instances\":{}}", "Expecting 'instances' to be an list/array"},
        {"{\"instances\":7}", "Expecting 'instances' to be an list/array"},
        {"{\"instances\":\"a\"}", "Expecting 'instances' to be an list/array"},
        {"{\"inputs\":7}", "Expecting 'inputs' to be an list/array or an object"},
        {"{\"inputs\":null}", "Expecting 'inputs' to be an list/array or an object"},
        {"{\"inputs\":{\"x\":7}}", "Expecting 'x' in 'inputs' to be an list/array"},
        {"{\"inputs\":{\"x\":{}}}", "Expecting 'x' in 'inputs' to be an list/array"},
        {"{\"inputs\":{\"x\":[[]],\"x\":[[]]}}", "'x' is given twice in 'inputs'"},
        {"{\"instances\":[]}", "'instances' is empty, at least one row is wanted"},
        {"{\"instances\":[{}]}", "'instances' is empty, at least one row is wanted"},
        {"{\"inputs\":[]}", "'x' in 'inputs' is empty, at least one row is wanted"},
        {"{\"inputs\":{}}", "'inputs' is empty, at least one row is wanted"},
        {"{\"inputs\":{\"x\":[]}}", "'x' in 'inputs' is empty, at least one row is wanted"},
        {"{\"inputs\":{\"lengths\":[1],\"x\":[]}}",
         "'x' in 'inputs' is empty, at least one row is wanted"},
        {"{\"instances\":[[[1,2]],\"a\"]}", ELEMENT(1) "a number or a list of numbers is wanted"},
        {"{\"instances\":[null]}", ELEMENT(0) "a number or a list of numbers is wanted"},
        {"{\"instances\":[[[1,2]],{\"x\":[[1,2]]}]}",
         ELEMENT(1) "a number or a list of numbers is wanted"},
        {"{\"instances\":[{\"x\":[[1,2]]},[[1,2]]]}",
         ELEMENT(1) "an object is wanted, as the elements before it are"},
        {"{\"instances\":[{\"x\":[[1,2]]},{\"x\":[[1,2]],\"h_0\":[[1,2,3]]}]}",
         ELEMENT(1) "'h_0' is not in the elements before it"},
        {"{\"instances\":[{\"x\":[[1,2]],\"last_h\":[1,2,3]},{\"x\":[[1,2]]}]}",
         ELEMENT(1) "'last_h' is missing"},
        {"{\"instances\":[{\"x\":[[1,2]]},{}]}", ELEMENT(1) "'x' is missing"},
        {"{\"instances\":[{\"x\":[[1,2]],\"x\":[[1,2]]}]}", ELEMENT(0) "'x' is given twice"},
        {"{\"instances\":[{\"x\":[[1,2]]},{\"x\":[[1,2]],\"x\":[[1,2]]}]}",
         ELEMENT(1) "'x' is given twice"},
        {"{\"instances\":[{\"x\":{\"b64\":\"AAAA\"}}]}",
         ELEMENT(0) "a number or a list of numbers is wanted"},
        {"{\"instances\":[{\"x\":[],\"last_h\":[1,2,3]},{\"x\":[],\"last_h\":[1,2]}]}",
         ELEMENT(1) "Expecting tensor size: 3 but got: 2"},
        {"{\"instances\":[{\"x\":[],\"h_0\":[[1]]},{\"x\":[],\"h_0\":[[1],[2]]}]}",
         ELEMENT(1) "Expecting tensor size: 1 but got: 2"},
        {"{\"instances\":[{\"x\":[[1,2]],\"lengths\":1},{\"x\":[],\"lengths\":0}]}",
         "rows of one length are wanted beside an input that says their lengths"},
        {"{\"instances\":[[[[[[[[[1]]]]]]]]]}",
         ELEMENT(0) "at most 8 dimensions are wanted, got more"},
        {"{\"instances\":[01]}", "JSON Parse error: ',' or ']' is wanted, got '1' at byte 15"},
        {"{\"instances\":[-]}", "JSON Parse error: a digit is wanted, got ']' at byte 15"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].body, cases[i].text);
}

static void every_cut_of_a_body_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"signature_name\":\"\",\"instances\":[" ROW_0 ",[[1,2]]]}",
        "{\"instances\":[{\"x\":" ROW_0 ",\"lengths\":3}]}",
        "{\"inputs\":{\"x\":[" ROW_0 "],\"lengths\":[3]}}",
    };
    for (size_t i = 0; i < 3; i++) {
        for (size_t size = 0; size < strlen(bodies[i]); size++) {
            struct v1_request v1;
            struct infer_request request;
            struct fault fault = {0};
            char *cut = malloc(size + (size == 0));
            assert_non_null(cut);
            memcpy(cut, bodies[i], size);
            assert_false(v1_request_parse(&v1, &request, cut, size, &signatures[0], &fault));
            assert_int_equal(fault.status, 400);
            free(cut);
        }
    }
}

static void more_inputs_than_there_may_be_are_refused(void **state)
{
    (void)state;
    char body[1024], *at = body + sprintf(body, "{\"inputs\":{");
    for (int i = 0; i < INFER_TENSOR_MAX + 1; i++)
        at += sprintf(at, "%s\"i%d\":[1]", i == 0 ? "" : ",", i);
    strcpy(at, "}}");
    refuse(body, "at most 32 inputs are wanted, got more");
}

static void outputs_are_those_of_the_signature_named(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t count;
        const char *names[2];
    } cases[] = {
        {"{\"instances\":[[]]}", 1, {"y"}},
        {"{\"instances\":[[]],\"signature_name\":\"serving_default\"}", 1, {"y"}},
        {"{\"signature_name\":\"with_states\",\"instances\":[[]]}", 2, {"y", "h"}},
    };
    struct signature signature = signatures[TIME_FIRST];
    signature.output_count = 2;
    signature.outputs[0] = (struct signature_tensor){.name = "y", .returned = true};
    signature.outputs[1] = (struct signature_tensor){.name = "h"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct v1_request v1;
        struct infer_request request;
        struct fault fault;
        assert_true(v1_request_parse(&v1, &request, cases[i].body, strlen(cases[i].body),
                                     &signature, &fault));
        assert_int_equal(request.output_count, cases[i].count);
        for (size_t k = 0; k < cases[i].count; k++) {
            assert_string_equal(request.outputs[k].name, cases[i].names[k]);
            assert_false(request.outputs[k].form_given);
        }
    }
}

static void parameters_are_read_wherever_they_stand(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"parameters\":{\"sequence_id\":\"a\",\"sequence_start\":true,\"sequence_end\":true,"
        "\"priority\":2,\"timeout\":9,\"own\":[1]},\"instances\":[[[1,2]]]}",
        "{\"inputs\":[[[1,2]]],\"parameters\":{\"timeout\":9,\"priority\":2,\"sequence_id\":\"a\","
        "\"sequence_end\":true,\"sequence_start\":true}}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct parsed parsed;
        take(&parsed, bodies[i], TIME_FIRST);
        const struct infer_parameters *parameters = &parsed.request.parameters;
        assert_int_equal(parameters->sequence_id.kind, SEQUENCE_ID_TEXT);
        assert_string_equal(parameters->sequence_id.text, "a");
        assert_true(parameters->sequence_start && parameters->sequence_end);
        assert_int_equal(parameters->priority, 2);
        assert_int_equal(parameters->timeout_us, 9);
        drop(&parsed);
    }
}

static void bad_parameters_are_told_by_name(void **state)
{
    (void)state;
#define INSTANCES ",\"instances\":[[[1,2]]]}"
    refuse(
        "{\"parameters\":{\"priority\":true}" INSTANCES,
        "JSON Parse error: parameters.priority: a number is wanted, got true or false at byte 26");
    refuse("{\"parameters\":7" INSTANCES,
           "JSON Parse error: parameters: an object is wanted, got a number at byte 14");
    refuse("{\"parameters\":{\"triton_x\":1}" INSTANCES,
           "JSON Parse error: parameters: a name not beginning with 'triton_' is wanted, got "
           "'triton_x' at byte 26");
    refuse("{\"parameters\":{},\"parameters\":{}" INSTANCES, "'parameters' is given twice");
    refuse("{\"parameters\":{\"binary_data_output\":true}" INSTANCES,
           "outputs are JSON here: binary_data_output is not possible");
    refuse("{\"sequence_start\":true" INSTANCES, "'sequence_start' is wanted within 'parameters'");
#undef INSTANCES
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_those_of_the_signature_named),
        cmocka_unit_test(input_is_the_same_in_every_form),
        cmocka_unit_test(inputs_of_all_ranks_are_read),
        cmocka_unit_test(rows_may_differ_in_length),
        cmocka_unit_test(rows_without_steps_have_the_signatures_shape),
        cmocka_unit_test(shapes_are_what_the_client_sent),
        cmocka_unit_test(request_is_bound_like_any_other),
        cmocka_unit_test(numbers_of_an_embedding_need_no_inner_list),
        cmocka_unit_test(bug_423_the_second_walk_leaves_the_parameters_as_they_are),
        cmocka_unit_test(bad_numbers_are_told_by_row_and_element),
        cmocka_unit_test(bad_lengths_are_told_by_row),
        cmocka_unit_test(every_bad_body_is_refused_with_its_text),
        cmocka_unit_test(every_cut_of_a_body_is_refused),
        cmocka_unit_test(more_inputs_than_there_may_be_are_refused),
        cmocka_unit_test(parameters_are_read_wherever_they_stand),
        cmocka_unit_test(bad_parameters_are_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
