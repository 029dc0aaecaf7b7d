/* Bodies that must be refused: each with its status and a text that says what was found and what
 * was wanted, and each leaving the daemon as good as before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/die.h"
#include "tests/support/expect.h"
#include "tests/support/infer_client.h"
#include "tests/support/fixture.h"

#define INPUT(shape, datatype, data)                                                               \
    "{\"name\":\"input\",\"shape\":" shape ",\"datatype\":" datatype ",\"data\":" data "}"
#define TENSOR(name, shape, data)                                                                  \
    "{\"name\":\"" name "\",\"shape\":" shape ",\"datatype\":\"FP32\",\"data\":" data "}"
#define LENGTHS(shape, datatype, data)                                                             \
    "{\"name\":\"lengths\",\"shape\":" shape ",\"datatype\":\"" datatype "\",\"data\":" data "}"
#define GOOD          INPUT("[2,1,1]", "\"FP32\"", "[0.5,-0.5]")
#define INPUTS(list)  "{\"inputs\":[" list "]}"
#define SHAPE(shape)  INPUTS(INPUT(shape, "\"FP32\"", "[0.5,-0.5]"))
#define DATA(data)    INPUTS(INPUT("[2,1,1]", "\"FP32\"", data))
#define OUTPUTS(list) "{\"outputs\":[" list "],\"inputs\":[" GOOD "]}"

/* Sent to the model tiny: input [T,B,1], one layer of one hidden unit. */
static struct bad {
    const char *name, *body;
    const char *text; /* a part of the answer's */
} table[] = {
    /* not JSON */
    {"empty body", "", "a JSON body expected, got an empty one"},
    {"only white space", " \r\n\t ", "a value is wanted, got the end"},
    {"an object that does not end", "{", "a key in quotes is wanted, got the end"},
    {"a list instead of an object", "[]", "an object is wanted, got an array"},
    {"null", "null", "an object is wanted, got null"},
    {"a number", "1", "an object is wanted, got a number"},
    {"a comma at the end of the object", "{\"inputs\":[" GOOD "],}",
     "a key in quotes is wanted, got '}'"},
    {"a comma at the end of a list", INPUTS(GOOD ","), "inputs[1]: a value is wanted, got ']'"},
    {"two commas", INPUTS(GOOD ",," GOOD), "inputs[1]: a value is wanted, got ','"},
    {"something behind the object", INPUTS(GOOD) " x",
     "nothing after the value is wanted, got 'x'"},
    {"two objects", INPUTS(GOOD) INPUTS(GOOD), "nothing after the value is wanted, got '{'"},
    {"a missing brace", "{\"inputs\":[" GOOD "]", "',' or '}' is wanted, got the end"},
    {"single quotes", "{'inputs':[" GOOD "]}", "a key in quotes is wanted, got '''"},
    {"a bare key", "{inputs:[" GOOD "]}", "a key in quotes is wanted, got 'i'"},
    {"a missing colon", "{\"inputs\" [" GOOD "]}", "':' is wanted, got '['"},
    {"a comment", "/* hello */" INPUTS(GOOD), "a value is wanted, got '/'"},
    {"a line break in a string", "{\"id\":\"a\nb\",\"inputs\":[" GOOD "]}",
     "id: an escape instead of a control character is wanted, got byte 0x0a"},
    {"an unknown escape", "{\"id\":\"\\x41\",\"inputs\":[" GOOD "]}",
     "id: an escape, one of \"\\/bfnrtu, is wanted, got 'x'"},
    {"half of a surrogate pair", "{\"id\":\"\\ud800\",\"inputs\":[" GOOD "]}",
     "id: a pair of surrogates is wanted, got one alone"},
    {"U+0000 in the id", "{\"id\":\"a\\u0000b\",\"inputs\":[" GOOD "]}",
     "id: a string without U+0000 is wanted"},
    {"a byte that is not UTF-8", "{\"id\":\"\xff\",\"inputs\":[" GOOD "]}",
     "id: valid UTF-8 is wanted, got byte 0xff"},
    {"an overlong UTF-8 character", "{\"id\":\"\xc0\xaf\",\"inputs\":[" GOOD "]}",
     "id: valid UTF-8 is wanted, got byte 0xc0"},
    {"a byte order mark", "\xef\xbb\xbf" INPUTS(GOOD), "a value is wanted, got byte 0xef"},
    {"a misspelt word", "{\"x\":tru,\"inputs\":[" GOOD "]}", "true is wanted, got another word"},

    /* the envelope */
    {"no inputs", "{}", "'inputs' is missing"},
    {"an empty list of inputs", INPUTS(""), "missing inference input 'input' for model 'tiny'"},
    {"inputs that are an object", "{\"inputs\":{}}", "inputs: an array is wanted, got an object"},
    {"an input that is a number", INPUTS("1"), "inputs[0]: an object is wanted, got a number"},
    {"inputs given twice", "{\"inputs\":[" GOOD "],\"inputs\":[" GOOD "]}",
     "'inputs' is given twice"},
    {"an input without a name", INPUTS("{\"shape\":[2,1,1],\"datatype\":\"FP32\",\"data\":[1,2]}"),
     "inputs[0]: 'name' is missing"},
    {"an input without a shape",
     INPUTS("{\"name\":\"input\",\"datatype\":\"FP32\",\"data\":[1,2]}"),
     "inputs[0]: 'shape' is missing"},
    {"an input without a datatype", INPUTS("{\"name\":\"input\",\"shape\":[2,1,1],\"data\":[1,2]}"),
     "inputs[0]: 'datatype' is missing"},
    {"an input without data",
     INPUTS("{\"name\":\"input\",\"shape\":[2,1,1],\"datatype\":\"FP32\"}"),
     "input 'input': 'data' is missing"},
    {"a name that is a number",
     INPUTS("{\"name\":1,\"shape\":[2,1,1],\"datatype\":\"FP32\",\"data\":[1,2]}"),
     "inputs[0].name: a string is wanted, got a number"},
    {"a shape given twice",
     INPUTS("{\"name\":\"input\",\"shape\":[2,1,1],\"shape\":[2,1,1],\"datatype\":\"FP32\","
            "\"data\":[1,2]}"),
     "inputs[0]: 'shape' is given twice"},
    {"an unknown input", INPUTS(GOOD "," TENSOR("x", "[1]", "[1]")),
     "unexpected inference input 'x' for model 'tiny'"},
    {"the same input twice", INPUTS(GOOD "," GOOD), "input 'input' is given twice"},
    {"an id that is a number", "{\"id\":5,\"inputs\":[" GOOD "]}",
     "id: a string is wanted, got a number"},
    {"parameters that are a list", "{\"parameters\":[],\"inputs\":[" GOOD "]}",
     "parameters: an object is wanted, got an array"},
    {"outputs that are an object", "{\"outputs\":{},\"inputs\":[" GOOD "]}",
     "outputs: an array is wanted, got an object"},
    {"an output without a name", OUTPUTS("{}"), "outputs[0]: 'name' is missing"},
    {"an unknown output", OUTPUTS("{\"name\":\"y\"}"),
     "unexpected inference output 'y' for model 'tiny'"},
    {"the same output twice", OUTPUTS("{\"name\":\"h_n\"},{\"name\":\"h_n\"}"),
     "output 'h_n' is asked for twice"},

    /* shapes */
    {"a shape that is a number", SHAPE("2"), "inputs[0].shape: an array is wanted, got a number"},
    {"a negative dimension", SHAPE("[-2,1,1]"),
     "inputs[0].shape[0]: a whole number from 0 to 2^64-1 is wanted, got -2"},
    {"a fraction in the shape", SHAPE("[2.5,1,1]"),
     "inputs[0].shape[0]: a whole number from 0 to 2^64-1 is wanted, got 2.5"},
    {"a dimension in quotes", SHAPE("[\"2\",1,1]"),
     "inputs[0].shape[0]: a number is wanted, got a string"},
    {"a dimension that starts with 0", SHAPE("[02,1,1]"),
     "inputs[0].shape: ',' or ']' is wanted, got '2'"},
    {"a dimension past 64 bits", SHAPE("[18446744073709551616,1,1]"),
     "inputs[0].shape[0]: a whole number from 0 to 2^64-1 is wanted, got 18446744073709551616"},
    {"a dimension past 31 bits", SHAPE("[4294967296,4294967296,4294967296]"),
     "inputs[0].shape[0]: at most 2147483647 is wanted, got 4294967296, which is too large"},
    {"dimensions whose product is past 64 bits", SHAPE("[2147483647,2147483647,2147483647]"),
     "inputs[0].shape: less than 2^64 elements are wanted, got more"},
    {"a shape of no dimensions", SHAPE("[]"),
     "unexpected shape for input 'input' for model 'tiny'. Expected [-1,-1,1], got []"},
    {"a shape of two dimensions", SHAPE("[2,1]"),
     "unexpected shape for input 'input' for model 'tiny'. Expected [-1,-1,1], got [2,1]"},
    {"a shape of four dimensions", SHAPE("[2,1,1,1]"),
     "unexpected shape for input 'input' for model 'tiny'. Expected [-1,-1,1], got [2,1,1,1]"},
    {"a shape of nine dimensions", SHAPE("[2,1,1,1,1,1,1,1,1]"),
     "inputs[0].shape[8]: at most 8 dimensions are wanted, got more"},
    {"another input size", SHAPE("[1,1,2]"),
     "unexpected shape for input 'input' for model 'tiny'. Expected [-1,-1,1], got [1,1,2]"},
    {"rows without end in an empty input",
     INPUTS(INPUT("[0,9223372036854775807,1]", "\"FP32\"", "[]")),
     "inputs[0].shape[1]: at most 2147483647 is wanted, got 9223372036854775807, which is too "
     "large"},

    /* datatypes */
    {"FP64", INPUTS(INPUT("[2,1,1]", "\"FP64\"", "[1,2]")),
     "inference input 'input' data-type is 'FP64', but model 'tiny' expects 'FP32'"},
    {"INT64 where floats belong", INPUTS(INPUT("[2,1,1]", "\"INT64\"", "[1,2]")),
     "inference input 'input' data-type is 'INT64', but model 'tiny' expects 'FP32'"},
    {"a datatype that does not exist", INPUTS(INPUT("[2,1,1]", "\"float\"", "[1,2]")),
     "inputs[0].datatype: a datatype like FP32 is wanted, got 'float'"},
    {"a datatype that is a number", INPUTS(INPUT("[2,1,1]", "32", "[1,2]")),
     "inputs[0].datatype: a string is wanted, got a number"},

    /* data */
    {"too few numbers", DATA("[0.5]"),
     "input 'input': 2 numbers are wanted by shape [2,1,1], got 1"},
    {"too many numbers", DATA("[0.5,1,2]"),
     "input 'input': 2 numbers are wanted by shape [2,1,1], got 3"},
    {"no numbers", DATA("[]"), "input 'input': 2 numbers are wanted by shape [2,1,1], got 0"},
    {"data that is a number", DATA("0.5"), "inputs[0].data: an array is wanted, got a number"},
    {"data that is null", DATA("null"), "inputs[0].data: an array is wanted, got null"},
    {"a string among the numbers", DATA("[0.5,\"1\"]"),
     "input 'input': element 1: a number is wanted, got '\"'"},
    {"null among the numbers", DATA("[0.5,null]"),
     "input 'input': element 1: a number is wanted, got 'null'"},
    {"true among the numbers", DATA("[true,0.5]"),
     "input 'input': element 0: a number is wanted, got 'true'"},
    {"a number past double", DATA("[0.5,1e400]"),
     "input 'input': element 1: a number in FP32's range is wanted, got '1e400'"},
    {"a number past float32", DATA("[0.5,3.5e38]"),
     "input 'input': element 1: a number in FP32's range is wanted, got '3.5e38'"},
    {"a negative number past float32", DATA("[-3.5e38,0.5]"),
     "input 'input': element 0: a number in FP32's range is wanted, got '-3.5e38'"},
    {"a number without digits in its exponent", DATA("[0.5,1e]"),
     "input 'input': element 1: a number is wanted, got '1e'"},
    {"a number that starts with a point", DATA("[0.5,.5]"),
     "input 'input': element 1: a number is wanted, got '.5'"},
    {"a number that ends with a point", DATA("[0.5,1.]"),
     "input 'input': element 1: a number is wanted, got '1.'"},
    {"a number with a plus", DATA("[0.5,+1]"),
     "input 'input': element 1: a number is wanted, got '+1'"},
    {"a number with two signs", DATA("[0.5,--1]"),
     "input 'input': element 1: a number is wanted, got '--1'"},
    {"a number that starts with 0", DATA("[0.5,01]"),
     "input 'input': element 2: ']' is wanted, got '1'"},
    {"a hexadecimal number", DATA("[0.5,0x10]"),
     "input 'input': element 2: ']' is wanted, got 'x10'"},
    {"nan in small letters", DATA("[0.5,nan]"),
     "input 'input': element 1: a number is wanted, got 'nan'"},
    {"half of a word", DATA("[0.5,Infinit]"),
     "input 'input': element 1: a number is wanted, got 'Infinit'"},
    {"no comma between numbers", DATA("[0.5 1]"),
     "input 'input': element 1: ',' is wanted, got '1'"},
    {"two commas between numbers", DATA("[0.5,,1]"),
     "input 'input': element 1: a number is wanted, got ','"},
    {"a comma behind the last number", DATA("[0.5,1,]"),
     "input 'input': element 2: ']' is wanted, got ','"},
    {"nesting unlike the shape", DATA("[[0.5,1]]"),
     "input 'input': element 0: '[' is wanted by shape [2,1,1], got '0.5'; numbers are given flat, "
     "or nested as the shape is"},
    {"uneven nesting", DATA("[[[0.5]],[[]]]"),
     "input 'input': element 1: a number is wanted by shape [2,1,1], got ']'"},
    {"numbers and lists mixed", DATA("[[[0.5]],1]"),
     "input 'input': element 1: '[' is wanted by shape [2,1,1], got '1'; numbers are given flat, "
     "or nested as the shape is"},
    {"nesting deeper than the shape", DATA("[[[[0.5]]],[[[1]]]]"),
     "input 'input': element 0: a number is wanted by shape [2,1,1], got '['"},
    {"a list that does not end", DATA("[0.5,1"), "inputs: ',' or ']' is wanted, got the end"},

    /* states */
    {"h_0 for other rows",
     INPUTS(GOOD "," TENSOR("h_0", "[1,2,1]", "[0,0]") "," TENSOR("c_0", "[1,1,1]", "[0]")),
     "unexpected shape for input 'h_0' for model 'tiny'. Expected [1,1,1], got [1,2,1]"},
    {"c_0 of another size",
     INPUTS(GOOD "," TENSOR("h_0", "[1,1,1]", "[0]") "," TENSOR("c_0", "[1,1,2]", "[0,0]")),
     "unexpected shape for input 'c_0' for model 'tiny'. Expected [1,1,1], got [1,1,2]"},

    /* lengths */
    {"a length past the steps", INPUTS(GOOD "," LENGTHS("[1]", "INT64", "[3]")),
     "input 'lengths' element 0: 0 to 2 expected, got 3"},
    {"a negative length", INPUTS(GOOD "," LENGTHS("[1]", "INT64", "[-1]")),
     "input 'lengths' element 0: 0 to 2 expected, got -1"},
    {"half a step", INPUTS(GOOD "," LENGTHS("[1]", "INT64", "[1.5]")),
     "input 'lengths': element 0: a whole number from -9223372036854775808 to 9223372036854775807 "
     "is wanted, got '1.5'"},
    {"a length that is NaN", INPUTS(GOOD "," LENGTHS("[1]", "INT64", "[NaN]")),
     "input 'lengths': element 0: a whole number from -9223372036854775808 to 9223372036854775807 "
     "is wanted, got 'NaN'"},
    {"lengths that are floats", INPUTS(GOOD "," LENGTHS("[1]", "FP32", "[1]")),
     "inference input 'lengths' data-type is 'FP32', but model 'tiny' expects 'INT64' or 'INT32'"},
    {"a length past INT32", INPUTS(GOOD "," LENGTHS("[1]", "INT32", "[4294967297]")),
     "input 'lengths': element 0: a whole number from -2147483648 to 2147483647 is wanted, got "
     "'4294967297'"},
    {"a length past INT64", INPUTS(GOOD "," LENGTHS("[1]", "INT64", "[9223372036854775808]")),
     "input 'lengths': element 0: a whole number from -9223372036854775808 to 9223372036854775807 "
     "is wanted, got '9223372036854775808'"},
    {"lengths for other rows", INPUTS(GOOD "," LENGTHS("[2]", "INT64", "[1,1]")),
     "unexpected shape for input 'lengths' for model 'tiny'. Expected [1], got [2]"},
};
enum { COUNT = sizeof table / sizeof table[0] };

static struct fixture fixture;

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* The daemon still answers, and the same. */
static void assert_still_good(void)
{
    static const char body[] = INPUTS(GOOD);
    static float wanted[2];
    struct infer_result result;
    assert_true(infer_post_text(&fixture.client, "tiny", body, strlen(body), &result));
    const float *output = expect_tensor(&result, "output", 2, 1, 1);
    if (wanted[0] == 0)
        memcpy(wanted, output, sizeof wanted);
    assert_memory_equal(output, wanted, sizeof wanted);
    infer_result_fini(&result);
}

static void refuse(const char *model, const char *body, size_t size, long status, const char *text)
{
    char path[256];
    struct http_response response;
    snprintf(path, sizeof path, "/v2/models/%s/infer", model);
    assert_true(http_post(&fixture.client, path, body, size, &response));
    expect_error(&response, status, text);
    http_response_fini(&response);
    assert_still_good();
}

static void is_refused(void **state)
{
    const struct bad *bad = *state;
    refuse("tiny", bad->body, strlen(bad->body), 400, bad->text);
}

/* ---- bodies too long to write out ---- */

/* A body that repeats itself: head, count times open, count times close, tail. */
struct repetition {
    const char *head, *open, *close, *tail;
    size_t count;
};

static void refuse_repetition(const struct repetition *r, const char *text)
{
    char *body = must_allocate(strlen(r->head) + strlen(r->tail) +
                               r->count * (strlen(r->open) + strlen(r->close)) + 1);
    char *end = stpcpy(body, r->head);
    for (size_t i = 0; i < r->count; i++)
        end = stpcpy(end, r->open);
    for (size_t i = 0; i < r->count; i++)
        end = stpcpy(end, r->close);
    end = stpcpy(end, r->tail);
    refuse("tiny", body, (size_t)(end - body), 400, text);
    free(body);
}

/* head, then count times unit, then tail. */
static void refuse_long(const char *head, const char *unit, size_t count, const char *tail,
                        const char *text)
{
    refuse_repetition(&(struct repetition){head, unit, "", tail, count}, text);
}

static void nesting_without_end_is_refused(void **state)
{
    static const struct repetition closed = {
        "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":", "[",
        "]", "}]}", 250000};
    (void)state;
    refuse_long("", "[", 250000, "", "an object is wanted, got an array");
    refuse_long("{\"x\":", "[", 250000, "", "at most 32 levels of nesting");
    refuse_long("{\"x\":", "{\"a\":", 250000, "", "at most 32 levels of nesting");
    refuse_long("{\"inputs\":[{\"data\":", "[", 250000, "", "']' is wanted, got the end");
    refuse_repetition(&closed, "input 'input': element 0: a number is wanted");
}

static void names_without_end_are_refused(void **state)
{
    (void)state;
    refuse_long("{\"id\":\"", "x", 300, "\",\"inputs\":[" GOOD "]}", "at most 255 bytes");
    refuse_long("{\"inputs\":[{\"name\":\"", "x", 100000, "\"}]}", "at most 127 bytes");
    refuse_long("{\"outputs\":[{\"name\":\"", "x", 100000, "\"}]}", "at most 127 bytes");
}

static void inputs_without_end_are_refused(void **state)
{
    (void)state;
    refuse_long("{\"inputs\":[" GOOD, "," GOOD, 1000, "]}", "at most 32 ");
    refuse_long("{\"inputs\":[" GOOD "],\"outputs\":[{\"name\":\"h_n\"}", ",{\"name\":\"h_n\"}",
                1000, "]}", "at most 32 ");
}

static void a_nul_byte_is_refused(void **state)
{
    static const char body[] = INPUTS(GOOD) "\0";
    (void)state;
    refuse("tiny", body, sizeof body, 400, "nothing after the value is wanted, got byte 0x00");
}

/* ---- models that are not there ---- */

static void an_unknown_model_is_404(void **state)
{
    static const char body[] = INPUTS(GOOD);
    static const char *const names[] = {"nobody", "Tiny", "%74iny", "..", "tiny.json"};
    char text[128];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(text, sizeof text, "Request for unknown model: '%s' is not found", names[i]);
        refuse(names[i], body, strlen(body), 404, text);
    }
}

static void an_unknown_version_is_404(void **state)
{
    static const char body[] = INPUTS(GOOD);
    (void)state;
    refuse("tiny/versions/2", body, strlen(body), 404, "'tiny' version 2 is not found");
    refuse("tiny/versions/x", body, strlen(body), 404, "'tiny' version x is not found");
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(names_without_end_are_refused),
        cmocka_unit_test(inputs_without_end_are_refused),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(an_unknown_model_is_404),
        cmocka_unit_test(an_unknown_version_is_404),
    };
    enum { OTHERS = sizeof others / sizeof others[0] };
    struct CMUnitTest tests[COUNT + OTHERS];
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){table[i].name, is_refused, NULL, NULL, &table[i]};
    memcpy(tests + COUNT, others, sizeof others);
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
