#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/infer_message.h"

/* In a block of its own, so that a sanitizer sees a byte read past the NUL. */
static char *body_of(const char *text)
{
    char *body = malloc(strlen(text) + 1);
    assert_non_null(body);
    return strcpy(body, text);
}

static bool parse(struct infer_request *request, const char *json, size_t size, struct fault *fault)
{
    return infer_request_parse(request, json, size, NULL, 0, "m", fault);
}

static void refuse(const char *text, const char *wanted)
{
    struct infer_request request;
    struct fault fault = {0};
    char *body = body_of(text);
    assert_false(parse(&request, body, strlen(body), &fault));
    assert_string_equal(fault.text, wanted);
    assert_int_equal(fault.status, 400);
    free(body);
}

/* *body is the caller's to free; the request points into it. */
static struct infer_request *accept(const char *text, char **body)
{
    static struct infer_request request;
    struct fault fault = {0};
    *body = body_of(text);
    if (!parse(&request, *body, strlen(*body), &fault))
        fail_msg("%s: %s", text, fault.text);
    return &request;
}

static void accept_only(const char *text)
{
    char *body;
    accept(text, &body);
    free(body);
}

#define INPUT                 "{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1,2]}"
#define WITH(members)         "{" members ",\"inputs\":[" INPUT "]}"
#define INPUT_WITH(members)   "{\"inputs\":[{\"name\":\"x\"," members "}]}"
#define SHAPE_IS(shape, data) INPUT_WITH("\"datatype\":\"FP32\",\"shape\":" shape ",\"data\":" data)

static void everything_a_request_says_is_recorded(void **state)
{
    (void)state;
    char *body;
    const struct infer_request *request =
        accept(" { \"id\" : \"r-1\", \"parameters\":{\"priority\":1,\"binary_data_output\":false},"
               "\"inputs\":[{\"name\":\"input\",\"shape\":[2,1,3],\"datatype\":\"FP32\","
               "\"parameters\":{\"content_type\":\"np\"},\"data\": [[[1,2,3]], [[4,5,6]]]  },"
               "{\"data\":[7,8],\"datatype\":\"INT32\",\"shape\":[2],\"name\":\"lengths\"},"
               "{\"name\":\"\\u00e9\",\"shape\":[],\"datatype\":\"FP64\",\"data\":[1]}],"
               "\"outputs\":[{\"name\":\"output\",\"parameters\":{\"binary_data\":true}},"
               "{\"name\":\"h_n\"}]} ",
               &body);
    assert_string_equal(request->id, "r-1");
    assert_false(request->parameters.has_sequence);
    assert_int_equal(request->input_count, 3);
    const struct infer_input *input = &request->inputs[0];
    assert_string_equal(input->name, "input");
    assert_string_equal(input->datatype_text, "FP32");
    assert_int_equal(input->datatype, DATATYPE_FP32);
    assert_int_equal(input->rank, 3);
    assert_int_equal(input->shape[0], 2);
    assert_int_equal(input->shape[1], 1);
    assert_int_equal(input->shape[2], 3);
    assert_int_equal(input->elements, 6);
    assert_int_equal(input->data_size, strlen("[[[1,2,3]], [[4,5,6]]]"));
    assert_memory_equal(input->data, "[[[1,2,3]], [[4,5,6]]]", input->data_size);
    assert_true(input->data > body && input->data < body + strlen(body));
    input++;
    assert_string_equal(input->name, "lengths");
    assert_int_equal(input->datatype, DATATYPE_INT32);
    assert_int_equal(input->elements, 2);
    input++;
    assert_string_equal(input->name, "\u00e9");
    assert_int_equal(input->datatype, DATATYPE_OTHER);
    assert_string_equal(input->datatype_text, "FP64");
    assert_int_equal(input->rank, 0);
    assert_int_equal(input->elements, 1);
    assert_int_equal(request->output_count, 2);
    assert_string_equal(request->outputs[0].name, "output");
    assert_string_equal(request->outputs[1].name, "h_n");
    free(body);
}

static void least_request_has_no_id_and_wants_all_outputs(void **state)
{
    (void)state;
    char *body;
    const struct infer_request *request = accept("{\"inputs\":[]}", &body);
    assert_string_equal(request->id, "");
    assert_int_equal(request->input_count, 0);
    assert_int_equal(request->output_count, 0);
    assert_false(request->parameters.has_sequence);
    free(body);
    request = accept("{\"outputs\":[],\"inputs\":[" INPUT "],\"id\":\"\"}", &body);
    assert_int_equal(request->input_count, 1);
    assert_int_equal(request->output_count, 0);
    free(body);
}

static void unknown_keys_are_skipped_everywhere(void **state)
{
    (void)state;
    accept_only("{\"x\":{\"id\":1,\"id\":2},\"x\":[[]],\"inputs\":[{\"y\":null,\"name\":\"a\","
                "\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1],\"parameters\":{\"z\":[1,{}]}}],"
                "\"outputs\":[{\"name\":\"b\",\"w\":0.5,\"parameters\":{\"v\":\"]\"}}],"
                "\"parameters\":{\"timeout\":5,\"priority\":\"high\",\"mine\":{\"a\":[]}}}");
}

static void sequence_parameters_are_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *parameters;
        bool has_sequence;
    } cases[] = {
        {"{}", false},
        {"{\"sequence_id\":0}", false},
        {"{\"sequence_id\":\"\"}", false},
        {"{\"sequence_id\":0,\"sequence_start\":false,\"sequence_end\":false}", false},
        {"{\"sequence_id\":1}", true},
        {"{\"sequence_id\":18446744073709551615}", true},
        {"{\"sequence_id\":\"a\"}", true},
        {"{\"sequence_start\":true}", true},
        {"{\"sequence_end\":true}", true},
        {"{\"sequence_start\":true,\"sequence_id\":0,\"sequence_end\":false}", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256], *body;
        snprintf(text, sizeof text, "{\"parameters\":%s,\"inputs\":[]}", cases[i].parameters);
        assert_int_equal(accept(text, &body)->parameters.has_sequence, cases[i].has_sequence);
        free(body);
    }
}

static void dimension_of_zero_makes_no_elements(void **state)
{
    (void)state;
    char *body;
    assert_int_equal(accept(SHAPE_IS("[0,2,10]", "[]"), &body)->inputs[0].elements, 0);
    free(body);
    const struct infer_request *request =
        accept(SHAPE_IS("[2147483647,2147483647,2147483647,2147483647,0]", "[]"), &body);
    assert_int_equal(request->inputs[0].elements, 0);
    assert_int_equal(request->inputs[0].shape[3], 2147483647);
    free(body);
}

static void most_tensors_and_dimensions_there_may_be_are_taken(void **state)
{
    (void)state;
    char text[8192], *body;
    for (int count = INFER_TENSOR_MAX; count <= INFER_TENSOR_MAX + 1; count++) {
        char *at = text + sprintf(text, "{\"inputs\":[");
        for (int i = 0; i < count; i++)
            at += sprintf(at,
                          "%s{\"name\":\"i%d\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[%d]}",
                          i == 0 ? "" : ",", i, i);
        at += sprintf(at, "],\"outputs\":[");
        for (int i = 0; i < INFER_TENSOR_MAX; i++)
            at += sprintf(at, "%s{\"name\":\"o%d\"}", i == 0 ? "" : ",", i);
        strcpy(at, "]}");
        if (count > INFER_TENSOR_MAX) {
            refuse(text, "inputs: at most 32 tensors are wanted, got more at byte 1815");
            continue;
        }
        const struct infer_request *request = accept(text, &body);
        assert_int_equal(request->input_count, 32);
        assert_int_equal(request->output_count, 32);
        assert_string_equal(request->inputs[31].name, "i31");
        assert_string_equal(request->outputs[31].name, "o31");
        free(body);
    }
    assert_int_equal(accept(SHAPE_IS("[1,1,1,1,1,1,1,1]", "[1]"), &body)->inputs[0].rank, 8);
    free(body);
}

static void names_and_ids_of_full_length_are_kept(void **state)
{
    (void)state;
    char text[1024], *body;
    sprintf(text,
            "{\"id\":\"%0255d\",\"inputs\":[{\"name\":\"%0127d\",\"shape\":[1],"
            "\"datatype\":\"FP32\",\"data\":[1]}]}",
            0, 0);
    const struct infer_request *request = accept(text, &body);
    assert_int_equal(strlen(request->id), 255);
    assert_int_equal(strlen(request->inputs[0].name), 127);
    free(body);
    sprintf(text, "{\"id\":\"%0256d\",\"inputs\":[]}", 0);
    refuse(text, "id: a string of at most 255 bytes is wanted, got more at byte 263");
    sprintf(text, "{\"inputs\":[{\"name\":\"%0128d\"}]}", 0);
    refuse(text, "inputs[0].name: a string of at most 127 bytes is wanted, got more at byte 148");
}

static void every_datatype_of_the_protocol_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum datatype datatype;
    } cases[] = {{"FP32", DATATYPE_FP32},    {"INT32", DATATYPE_INT32},  {"INT64", DATATYPE_INT64},
                 {"BOOL", DATATYPE_OTHER},   {"UINT8", DATATYPE_OTHER},  {"UINT16", DATATYPE_OTHER},
                 {"UINT32", DATATYPE_OTHER}, {"UINT64", DATATYPE_OTHER}, {"INT8", DATATYPE_OTHER},
                 {"INT16", DATATYPE_OTHER},  {"FP16", DATATYPE_OTHER},   {"BF16", DATATYPE_OTHER},
                 {"FP64", DATATYPE_OTHER},   {"BYTES", DATATYPE_OTHER}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256], *body;
        sprintf(text, INPUT_WITH("\"datatype\":\"%s\",\"shape\":[1],\"data\":[1]"), cases[i].name);
        const struct infer_request *request = accept(text, &body);
        assert_int_equal(request->inputs[0].datatype, cases[i].datatype);
        assert_string_equal(request->inputs[0].datatype_text, cases[i].name);
        free(body);
    }
}

/* Each with its whole text: the place, what was wanted, what was found. */
static const struct {
    const char *body, *text;
} bad[] = {
    /* the envelope */
    {"", "a value is wanted, got the end at byte 0"},
    {"[]", "an object is wanted, got an array at byte 0"},
    {"{}", "'inputs' is missing"},
    {"{\"inputs\":[]} x", "nothing after the value is wanted, got 'x' at byte 14"},
    {"{\"inputs\":{}}", "inputs: an array is wanted, got an object at byte 10"},
    {"{\"inputs\":null}", "inputs: an array is wanted, got null at byte 10"},
    {"{\"inputs\":[1]}", "inputs[0]: an object is wanted, got a number at byte 11"},
    {"{\"inputs\":[" INPUT ",]}", "inputs[1]: a value is wanted, got ']' at byte 67"},
    {"{\"inputs\":[" INPUT "}", "inputs: ',' or ']' is wanted, got '}' at byte 66"},
    {"{\"inputs\":[],\"inputs\":[]}", "'inputs' is given twice at byte 22"},
    {"{\"x\":[nul],\"inputs\":[]}", "null is wanted, got another word at byte 6"},
    {WITH("\"id\":7"), "id: a string is wanted, got a number at byte 6"},
    {WITH("\"id\":null"), "id: a string is wanted, got null at byte 6"},
    {WITH("\"id\":\"a\\u0000\""), "id: a string without U+0000 is wanted at byte 14"},
    {WITH("\"id\":\"a\",\"id\":\"b\""), "'id' is given twice at byte 15"},
    {WITH("\"parameters\":[]"), "parameters: an object is wanted, got an array at byte 14"},
    {WITH("\"parameters\":{\"sequence_id\":-1}"),
     "parameters.sequence_id: a whole number from 0 to 2^64-1 is wanted, got -1 at byte 29"},
    {WITH("\"parameters\":{\"sequence_id\":1.0}"),
     "parameters.sequence_id: a whole number from 0 to 2^64-1 is wanted, got 1.0 at byte 29"},
    {WITH("\"parameters\":{\"sequence_id\":18446744073709551616}"),
     "parameters.sequence_id: a whole number from 0 to 2^64-1 is wanted, got 18446744073709551616 "
     "at byte 29"},
    {WITH("\"parameters\":{\"sequence_id\":true}"),
     "parameters.sequence_id: a number is wanted, got true or false at byte 29"},
    {WITH("\"parameters\":{\"sequence_start\":1}"),
     "parameters.sequence_start: true or false is wanted, got a number at byte 32"},
    {WITH("\"parameters\":{\"sequence_end\":\"\"}"),
     "parameters.sequence_end: true or false is wanted, got a string at byte 30"},
    {WITH("\"parameters\":{\"sequence_end\":true,\"sequence_end\":true}"),
     "parameters: 'sequence_end' is given twice at byte 50"},
    {WITH("\"parameters\":{\"binary_data_output\":1}"),
     "parameters.binary_data_output: true or false is wanted, got a number at byte 36"},
    {WITH("\"parameters\":{\"classification\":3}"),
     "parameters.classification: not supported at byte 32"},

    /* inputs */
    {"{\"inputs\":[{}]}", "inputs[0]: 'name' is missing"},
    {INPUT_WITH("\"datatype\":\"FP32\",\"data\":[1]"), "inputs[0]: 'shape' is missing"},
    {INPUT_WITH("\"shape\":[1],\"data\":[1]"), "inputs[0]: 'datatype' is missing"},
    {INPUT_WITH("\"shape\":[1],\"datatype\":\"FP32\""), "input 'x': 'data' is missing"},
    {INPUT_WITH("\"name\":\"y\""), "inputs[0]: 'name' is given twice at byte 30"},
    {"{\"inputs\":[{\"name\":\"\"}]}",
     "inputs[0].name: a name is wanted, got an empty string at byte 21"},
    {"{\"inputs\":[{\"name\":[]}]}", "inputs[0].name: a string is wanted, got an array at byte 19"},
    {"{\"inputs\":[" INPUT "," INPUT "]}", "input 'x' is given twice"},
    {"{\"inputs\":[" INPUT ",{\"name\":\"y\",\"data\":7}]}",
     "inputs[1].data: an array is wanted, got a number at byte 86"},
    {"{\"inputs\":[{\"name\":\"x\",\"data\":[1,2",
     "inputs[0].data: ']' is wanted, got the end, for the array at byte 30"},
    {INPUT_WITH("\"datatype\":\"FLOAT\""),
     "inputs[0].datatype: a datatype like FP32 is wanted, got 'FLOAT' at byte 41"},
    {INPUT_WITH("\"datatype\":\"fp32\""),
     "inputs[0].datatype: a datatype like FP32 is wanted, got 'fp32' at byte 40"},
    {INPUT_WITH("\"datatype\":\"0123456789abcdef\""),
     "inputs[0].datatype: a string of at most 15 bytes is wanted, got more at byte 51"},
    {INPUT_WITH("\"datatype\":32"),
     "inputs[0].datatype: a string is wanted, got a number at byte 34"},
    {INPUT_WITH("\"parameters\":{\"binary_data_size\":8},\"shape\":[2],\"datatype\":\"FP32\""),
     "input 'x': binary tensors are not supported"},
    {INPUT_WITH("\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1,2],"
                "\"parameters\":{\"shared_memory_region\":\"r\"}"),
     "input 'x': binary tensors are not supported"},
    {INPUT_WITH("\"parameters\":1"),
     "inputs[0].parameters: an object is wanted, got a number at byte 36"},
    {INPUT_WITH("\"parameters\":{\"binary_data_size\":nul}"),
     "inputs[0].parameters.binary_data_size: null is wanted, got another word at byte 56"},

    /* shapes */
    {SHAPE_IS("2", "[1]"), "inputs[0].shape: an array is wanted, got a number at byte 49"},
    {SHAPE_IS("[1,-2]", "[1]"), "inputs[0].shape[1]: a whole number from 0 to 2^64-1 is wanted, "
                                "got -2 at byte 52"},
    {SHAPE_IS("[2.5]", "[1]"), "inputs[0].shape[0]: a whole number from 0 to 2^64-1 is wanted, "
                               "got 2.5 at byte 50"},
    {SHAPE_IS("[1e0]", "[1]"), "inputs[0].shape[0]: a whole number from 0 to 2^64-1 is wanted, "
                               "got 1e0 at byte 50"},
    {SHAPE_IS("[\"2\"]", "[1]"), "inputs[0].shape[0]: a number is wanted, got a string at byte 50"},
    {SHAPE_IS("[02]", "[1]"), "inputs[0].shape: ',' or ']' is wanted, got '2' at byte 51"},
    {SHAPE_IS("[2147483648]", "[1]"), "inputs[0].shape[0]: at most 2147483647 is wanted, got "
                                      "2147483648, which is too large, at byte 60"},
    {SHAPE_IS("[1,1,1,1,1,1,1,1,1]", "[1]"),
     "inputs[0].shape[8]: at most 8 dimensions are wanted, got more at byte 66"},
    {SHAPE_IS("[2147483647,2147483647,5]", "[1]"),
     "inputs[0].shape: less than 2^64 elements are wanted, got more at byte 74"},

    /* more elements than the data has room for: refused before memory is taken */
    {SHAPE_IS("[2147483647,2147483647]", "[1,2,3]"),
     "input 'x': 4611686014132420609 numbers are wanted by shape [2147483647,2147483647], got 3"},
    {SHAPE_IS("[2,3]", "[[1],[2]]"), "input 'x': 6 numbers are wanted by shape [2,3], got 2"},

    /* outputs */
    {WITH("\"outputs\":{}"), "outputs: an array is wanted, got an object at byte 11"},
    {WITH("\"outputs\":[\"y\"]"), "outputs[0]: an object is wanted, got a string at byte 12"},
    {WITH("\"outputs\":[{}]"), "outputs[0]: 'name' is missing"},
    {WITH("\"outputs\":[{\"name\":\"y\",\"name\":\"y\"}]"),
     "outputs[0]: 'name' is given twice at byte 31"},
    {WITH("\"outputs\":[{\"name\":\"y\"},{\"name\":\"y\"}]"), "output 'y' is asked for twice"},
    {WITH("\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":2}}]"),
     "outputs[0].parameters.classification: not supported at byte 55"},
    {WITH("\"outputs\":[{\"name\":\"y\",\"parameters\":{\"shared_memory_region\":\"r\"}}]"),
     "outputs[0].parameters.shared_memory_region: not supported at byte 61"},
    {WITH("\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":1}}]"),
     "outputs[0].parameters.binary_data: true or false is wanted, got a number at byte 52"},

    /* depth */
    {"{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],\"inputs\":[]}",
     "at most 32 levels of nesting are wanted, got more at byte 36"},
};

static void every_bad_request_is_refused_with_its_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse(bad[i].body, bad[i].text);
}

static void every_cut_of_a_request_is_refused(void **state)
{
    (void)state;
    static const char whole[] = WITH("\"id\":\"\\u00e9\",\"parameters\":{\"sequence_id\":1},"
                                     "\"outputs\":[{\"name\":\"y\"}]");
    accept_only(whole);
    for (size_t size = 0; size < strlen(whole); size++) {
        struct infer_request request;
        struct fault fault = {0};
        char *body = body_of(whole);
        body[size] = '\0';
        char *cut = body_of(body);
        assert_false(parse(&request, cut, size, &fault));
        assert_int_equal(fault.status, 400);
        free(cut);
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_a_request_says_is_recorded),
        cmocka_unit_test(least_request_has_no_id_and_wants_all_outputs),
        cmocka_unit_test(unknown_keys_are_skipped_everywhere),
        cmocka_unit_test(sequence_parameters_are_noticed),
        cmocka_unit_test(dimension_of_zero_makes_no_elements),
        cmocka_unit_test(most_tensors_and_dimensions_there_may_be_are_taken),
        cmocka_unit_test(names_and_ids_of_full_length_are_kept),
        cmocka_unit_test(every_datatype_of_the_protocol_is_known),
        cmocka_unit_test(every_bad_request_is_refused_with_its_text),
        cmocka_unit_test(every_cut_of_a_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
