#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/infer_message.h"

/* In a block of its own without a NUL, so that a sanitizer sees a byte read past the end. */
static char *body_of(const char *text)
{
    char *body = malloc(strlen(text) + (*text == '\0'));
    assert_non_null(body);
    return memcpy(body, text, strlen(text));
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
    assert_false(parse(&request, body, strlen(text), &fault));
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
    if (!parse(&request, *body, strlen(text), &fault))
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
    assert_int_equal(request->parameters.sequence_id.kind, SEQUENCE_ID_NONE);
    assert_int_equal(request->parameters.priority, 1);
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
    assert_true(input->data > body && input->data + input->data_size < input[1].data);
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
    assert_int_equal(infer_output_form(request, 0), TENSOR_BINARY);
    assert_string_equal(request->outputs[1].name, "h_n");
    assert_int_equal(infer_output_form(request, 1), TENSOR_JSON);
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
    const struct infer_parameters none = {0};
    assert_memory_equal(&request->parameters, &none, sizeof none);
    assert_int_equal(infer_output_form(request, 0), TENSOR_JSON);
    assert_int_equal(infer_output_classification(request, 0), 0);
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
                "\"parameters\":{\"timeout\":5,\"headers\":\"high\",\"triton\":1,"
                "\"classification\":2,\"mine\":{\"a\":[]}}}");
}

static const struct infer_parameters *parameters_of(const char *parameters)
{
    char text[512], *body;
    snprintf(text, sizeof text, "{\"parameters\":%s,\"inputs\":[]}", parameters);
    const struct infer_request *request = accept(text, &body);
    free(body);
    return &request->parameters;
}

static void sequence_ids_are_numbers_or_texts(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        struct sequence_id id;
    } cases[] = {
        {"0", {.kind = SEQUENCE_ID_NONE}},
        {"\"\"", {.kind = SEQUENCE_ID_NONE}},
        {"1", {SEQUENCE_ID_NUMBER, 1, ""}},
        {"9007199254740993", {SEQUENCE_ID_NUMBER, 9007199254740993, ""}},
        {"18446744073709551615", {SEQUENCE_ID_NUMBER, UINT64_MAX, ""}},
        {"\"1\"", {SEQUENCE_ID_TEXT, 0, "1"}},
        {"\"a \\u00e9\"", {SEQUENCE_ID_TEXT, 0, "a \u00e9"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"sequence_id\":%s}", cases[i].json);
        const struct sequence_id *id = &parameters_of(text)->sequence_id;
        assert_int_equal(id->kind, cases[i].id.kind);
        assert_true(sequence_id_equal(id, &cases[i].id));
    }
}

static void parameters_are_recorded(void **state)
{
    (void)state;
    const struct infer_parameters *parameters =
        parameters_of("{\"sequence_start\":true,\"timeout\":18446744073709551615,\"stream\":true}");
    assert_true(parameters->sequence_start && !parameters->sequence_end && parameters->stream);
    assert_true(!parameters->binary_data_output && parameters->stream_steps == 0);
    assert_true(parameters->timeout_us == UINT64_MAX && parameters->priority == 0);
    parameters = parameters_of("{\"sequence_end\":true,\"priority\":3,\"binary_data_output\":true,"
                               "\"stream_steps\":50}");
    assert_true(parameters->stream_steps == 50);
    assert_true(parameters->sequence_end && !parameters->sequence_start && !parameters->stream);
    assert_true(parameters->binary_data_output && parameters->priority == 3);
    assert_true(parameters->timeout_us == 0);
}

static void outputs_choice_stands_before_the_requests(void **state)
{
    (void)state;
    char *body;
    const struct infer_request *request =
        accept(WITH("\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":\"a\"},"
                    "{\"name\":\"b\",\"parameters\":{\"binary_data\":false,\"classification\":7}},"
                    "{\"name\":\"c\",\"parameters\":{\"classification\":2147483647}}]"),
               &body);
    assert_int_equal(infer_output_form(request, 0), TENSOR_BINARY);
    assert_int_equal(infer_output_form(request, 1), TENSOR_JSON);
    assert_int_equal(infer_output_form(request, 2), TENSOR_BINARY);
    assert_int_equal(infer_output_classification(request, 0), 0);
    assert_int_equal(infer_output_classification(request, 1), 7);
    assert_int_equal(infer_output_classification(request, 2), INT32_MAX);
    free(body);
    request = accept(WITH("\"parameters\":{\"binary_data_output\":true}"), &body);
    assert_int_equal(infer_output_form(request, 3), TENSOR_BINARY);
    free(body);
}

/* ---- binary tensors ---- */

#define BINARY(name, shape, type, size)                                                            \
    "{\"name\":\"" name "\",\"shape\":" shape ",\"datatype\":\"" type                              \
    "\",\"parameters\":{\"binary_data_size\":" #size "}}"

/* Spans as sizes up to a 0 at the end; -1: an empty one. */
static size_t spans_of(const int *sizes, struct infer_span *spans, char *bytes)
{
    size_t count = 0;
    for (; sizes[count] != 0; count++) {
        spans[count] = (struct infer_span){bytes, sizes[count] > 0 ? (size_t)sizes[count] : 0};
        bytes += spans[count].size;
    }
    return count;
}

static void bytes_are_handed_out_in_the_order_of_the_inputs(void **state)
{
    (void)state;
    static const char json[] = "{\"inputs\":[" BINARY("a", "[2]", "FP32", 8) "," INPUT "," BINARY(
        "b", "[0,7]", "FP32", 0) "," BINARY("c", "[1]", "INT64", 8) "]}";
    static const int splits[][6] = {{16}, {8, -1, 8}, {8, 8}};
    char bytes[16];
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        struct infer_span spans[6];
        struct infer_request request;
        struct fault fault = {0};
        const size_t count = spans_of(splits[i], spans, bytes);
        assert_true(infer_request_parse(&request, json, strlen(json), spans, count, "m", &fault));
        assert_int_equal(request.inputs[0].form, TENSOR_BINARY);
        assert_ptr_equal(request.inputs[0].data, bytes);
        assert_int_equal(request.inputs[0].data_size, 8);
        assert_int_equal(request.inputs[1].form, TENSOR_JSON);
        assert_int_equal(request.inputs[2].data_size, 0);
        assert_ptr_equal(request.inputs[3].data, bytes + 8);
    }
}

static void bytes_that_do_not_fit_the_inputs_are_refused(void **state)
{
    (void)state;
#define A8 BINARY("a", "[2]", "FP32", 8)
#define B4 BINARY("b", "[1]", "INT32", 4)
#define B0 BINARY("b", "[0]", "INT32", 0)
    static const struct {
        const char *inputs;
        int spans[6];
        const char *text;
    } cases[] = {
        {A8, {0}, "unexpected size for input 'a', expecting 8 additional bytes for model 'm'"},
        {A8, {7}, "unexpected size for input 'a', expecting 1 additional bytes for model 'm'"},
        {A8, {9}, "unexpected additional input data for model 'm'"},
        {A8, {8, -1}, "unexpected additional input data for model 'm'"},
        {A8, {8, 1}, "unexpected additional input data for model 'm'"},
        {A8, {4, 4}, "unexpected size for input 'a', expecting 4 additional bytes for model 'm'"},
        {INPUT, {1}, "unexpected additional input data for model 'm'"},
        {INPUT, {-1}, "unexpected additional input data for model 'm'"},
        {A8 "," B4,
         {8},
         "unexpected size for input 'b', expecting 4 additional bytes for model 'm'"},
        {A8 "," B4,
         {10},
         "unexpected size for input 'b', expecting 2 additional bytes for model 'm'"},
        {A8 "," B4,
         {8, -1, 4},
         "unexpected size for input 'b', expecting 4 additional bytes for model 'm'"},
        {A8 "," B0, {8, -1, -1}, "unexpected additional input data for model 'm'"},
        {BINARY("a", "[1]", "FP32", 9223372036854775807),
         {8},
         "unexpected size for input 'a', expecting 9223372036854775799 additional bytes for model "
         "'m'"},
        {BINARY("a", "[3]", "FP32", 8),
         {8},
         "input byte size mismatch for input 'a' for model 'm'. Expected 12, got 8"},
        {BINARY("a", "[1]", "FP32", 8),
         {8},
         "input byte size mismatch for input 'a' for model 'm'. Expected 4, got 8"},
        {BINARY("a", "[2]", "INT64", 8),
         {8},
         "input byte size mismatch for input 'a' for model 'm'. Expected 16, got 8"},
        {BINARY("a", "[2147483647,2147483647,4]", "INT64", 8),
         {8},
         "input byte size mismatch for input 'a' for model 'm'. Expected 18446744073709551615 or "
         "more, got 8"},
        {BINARY("a", "[0,2147483647,2147483647,2147483647]", "INT64", 8),
         {8},
         "input byte size mismatch for input 'a' for model 'm'. Expected 0, got 8"},
        {"{\"name\":\"a\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1,2],\"parameters\":{"
         "\"binary_data_size\":8}}",
         {8},
         "input 'a': one of 'data' and parameters.binary_data_size is wanted, got both"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct infer_span spans[6];
        struct infer_request request;
        struct fault fault = {0};
        char text[1024], bytes[64];
        const size_t count = spans_of(cases[i].spans, spans, bytes);
        snprintf(text, sizeof text, "{\"inputs\":[%s]}", cases[i].inputs);
        assert_false(infer_request_parse(&request, text, strlen(text), spans, count, "m", &fault));
        assert_string_equal(fault.text, cases[i].text);
        assert_int_equal(fault.status, 400);
    }
}

static void raw_request_is_its_bytes(void **state)
{
    (void)state;
    static const uint64_t shape[] = {5, 1, 2};
    struct infer_request request;
    struct fault fault = {0};
    char bytes[40];
    const struct infer_span span = {bytes, sizeof bytes};
    assert_true(infer_request_raw(&request, "input", DATATYPE_FP32, shape, 3, span, "m", &fault));
    assert_string_equal(request.id, "");
    assert_int_equal(request.input_count, 1);
    assert_int_equal(request.output_count, 0);
    assert_int_equal(infer_output_form(&request, 2), TENSOR_BINARY);
    const struct infer_input *input = &request.inputs[0];
    assert_string_equal(input->name, "input");
    assert_string_equal(input->datatype_text, "FP32");
    assert_int_equal(input->elements, 10);
    assert_memory_equal(input->shape, shape, sizeof shape);
    assert_true(input->form == TENSOR_BINARY && input->data == bytes && input->data_size == 40);
    assert_false(infer_request_raw(&request, "input", DATATYPE_INT64, shape, 3, span, "m", &fault));
    assert_string_equal(fault.text, "input byte size mismatch for input 'input' for model 'm'. "
                                    "Expected 80, got 40");
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
                 {"FP64", DATATYPE_OTHER},   {"BYTES", DATATYPE_BYTES}};
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
    {WITH("\"parameters\":{\"sequence_id\":\"a\\u007f\"}"),
     "parameters.sequence_id: at most 128 bytes without control characters are wanted, got 'a?' at "
     "byte 38"},
    {WITH("\"parameters\":{\"priority\":-1}"),
     "parameters.priority: a whole number from 0 to 2^64-1 is wanted, got -1 at byte 26"},
    {WITH("\"parameters\":{\"timeout\":1e6}"),
     "parameters.timeout: a whole number from 0 to 2^64-1 is wanted, got 1e6 at byte 25"},
    {WITH("\"parameters\":{\"stream\":1}"),
     "parameters.stream: true or false is wanted, got a number at byte 24"},
    {WITH("\"parameters\":{\"stream_steps\":0}"),
     "parameters.stream_steps: 1 or more is wanted, got 0 at byte 31"},
    {WITH("\"parameters\":{\"stream_steps\":-1}"),
     "parameters.stream_steps: a whole number from 0 to 2^64-1 is wanted, got -1 at byte 30"},
    {WITH("\"parameters\":{\"triton_final_response\":true}"),
     "parameters: a name not beginning with 'triton_' is wanted, got 'triton_final_response' at "
     "byte 39"},

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
    {INPUT_WITH("\"parameters\":{\"binary_data_size\":-8}"),
     "inputs[0].parameters.binary_data_size: a whole number from 0 to 2^64-1 is wanted, got -8 at "
     "byte 56"},
    {INPUT_WITH("\"parameters\":{\"binary_data_size\":9223372036854775808}"),
     "inputs[0].parameters.binary_data_size: less than 2^63 bytes are wanted, got more at byte 75"},
    {INPUT_WITH("\"parameters\":{\"shared_memory_region\":\"r\"}"),
     "inputs[0].parameters.shared_memory_region: not supported at byte 60"},
    {INPUT_WITH("\"parameters\":1"),
     "inputs[0].parameters: an object is wanted, got a number at byte 36"},
    {INPUT_WITH("\"parameters\":{\"binary_data_size\":null}"),
     "inputs[0].parameters.binary_data_size: a number is wanted, got null at byte 56"},

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
    {WITH("\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":\"2\"}}]"),
     "outputs[0].parameters.classification: a number is wanted, got a string at byte 55"},
    {WITH("\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":2147483648}}]"),
     "outputs[0].parameters.classification: at most 2147483647 is wanted, got 2147483648, which is "
     "too large, at byte 65"},
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
        char *cut = malloc(size + (size == 0));
        assert_non_null(cut);
        memcpy(cut, whole, size);
        assert_false(parse(&request, cut, size, &fault));
        assert_int_equal(fault.status, 400);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_a_request_says_is_recorded),
        cmocka_unit_test(least_request_has_no_id_and_wants_all_outputs),
        cmocka_unit_test(unknown_keys_are_skipped_everywhere),
        cmocka_unit_test(sequence_ids_are_numbers_or_texts),
        cmocka_unit_test(parameters_are_recorded),
        cmocka_unit_test(outputs_choice_stands_before_the_requests),
        cmocka_unit_test(bytes_are_handed_out_in_the_order_of_the_inputs),
        cmocka_unit_test(bytes_that_do_not_fit_the_inputs_are_refused),
        cmocka_unit_test(raw_request_is_its_bytes),
        cmocka_unit_test(dimension_of_zero_makes_no_elements),
        cmocka_unit_test(most_tensors_and_dimensions_there_may_be_are_taken),
        cmocka_unit_test(names_and_ids_of_full_length_are_kept),
        cmocka_unit_test(every_datatype_of_the_protocol_is_known),
        cmocka_unit_test(every_bad_request_is_refused_with_its_text),
        cmocka_unit_test(every_cut_of_a_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
