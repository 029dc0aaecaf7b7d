#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/zmq_message.h"

static struct infer_span span(const char *text)
{
    return (struct infer_span){text, strlen(text)};
}

static void an_envelope_ends_with_an_empty_frame(void **state)
{
    static const struct {
        size_t count;
        const char *frames[12];
        size_t wanted;
    } rows[] = {
        {1, {"{}"}, 0},
        {1, {""}, 1},
        {2, {"", "{}"}, 1},
        {3, {"id", "", "{}"}, 2},
        {2, {" \t\n{", ""}, 0}, /* a header, and a tensor of no bytes */
        {2, {"x", "y"}, 0},
        {10, {"1", "2", "3", "4", "5", "6", "7", "8", "", "{}"}, 9},
        {11, {"1", "2", "3", "4", "5", "6", "7", "8", "9", "", "{}"}, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct infer_span frames[12];
        for (size_t j = 0; j < rows[i].count; j++)
            frames[j] = span(rows[i].frames[j]);
        assert_int_equal(zmq_envelope_size(frames, rows[i].count), rows[i].wanted);
    }
}

static void what_stands_around_the_infer_request_is_read(void **state)
{
    const struct infer_span text =
        span("{\"inputs\":[{\"data\":[[1,2],[3]],\"name\":\"x\"},7,{\"data\":\"no\"}],\"id\":\"i\","
             "\"model_version\":\"2\",\"op\":\"stats\",\"model_name\":\"m\",\"more\":{\"op\":1}}");
    struct zmq_header header;
    struct fault fault;
    (void)state;
    assert_true(zmq_header_read(&header, &text, &fault));
    assert_int_equal(header.op, ZMQ_STATS);
    assert_string_equal(header.id, "i");
    assert_string_equal(header.model_name, "m");
    assert_string_equal(header.model_version, "2");
}

static void an_op_that_is_not_given_is_infer(void **state)
{
    const struct infer_span text = span("{\"model_name\":\"m\"}");
    struct zmq_header header;
    struct fault fault;
    (void)state;
    assert_true(zmq_header_read(&header, &text, &fault));
    assert_int_equal(header.op, ZMQ_INFER);
    assert_string_equal(header.id, "");
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *wanted, *id;
    } rows[] = {
        {"", "got an empty frame", ""},
        {"7", "an object is wanted", ""},
        {"{} x", "at byte 3", ""},
        {"{\"id\":\"i\",\"id\":\"j\"}", "'id' is given twice", "i"},
        {"{\"id\":7}", "id: ", ""},
        {"{\"model_name\":{}}", "model_name: ", ""},
        {"{\"op\":\"\",\"id\":\"i\"}", "op: infer, live, ready, metadata or stats", "i"},
        {"{\"op\":\"Infer\",\"model_name\":\"m\"}", "got 'Infer'", ""},
        {"{\"id\":\"i\"}", "'model_name' is missing", "i"},
        {"{\"id\":\"i\",\"inputs\":[{\"data\":[1}", "", "i"},
        {"{\"id\":\"i\",\"inputs\":[{\"data\":1,}]}", "at byte", "i"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct infer_span text = span(rows[i].text);
        struct zmq_header header;
        struct fault fault = {0};
        assert_false(zmq_header_read(&header, &text, &fault));
        assert_int_equal(fault.status, 400);
        if (strstr(fault.text, rows[i].wanted) == NULL)
            fail_msg("'%s' wanted, got: %s", rows[i].wanted, fault.text);
        assert_string_equal(header.id, rows[i].id);
    }
}

/* The id was left without its end, and the reply gave what stood behind it in memory. */
static void bug_601_of_an_id_that_breaks_off_nothing_is_kept(void **state)
{
    static const char *const texts[] = {"{\"id\":\"7\xd3\"}", "{\"id\":\"7", "{\"id\":\"7\\x\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct infer_span text = span(texts[i]);
        struct zmq_header header;
        struct fault fault;
        memset(&header, 'x', sizeof header);
        assert_false(zmq_header_read(&header, &text, &fault));
        assert_string_equal(header.id, "");
    }
}

/* It was lost where it stood behind what was wrong, and a client with several requests under way
 * could not tell which of them had failed. */
static void bug_611_an_id_behind_what_is_wrong_comes_back(void **state)
{
    static const char *const texts[] = {
        "{\"op\":5,\"id\":\"i\"}",
        "{\"model_name\":5,\"inputs\":[{\"data\":[1,2]}],\"id\":\"i\"}",
        "{\"model_name\":\"m\",\"model_version\":1,\"id\":\"i\",\"x\":}",
        "{\"stream\":[],\"parameters\":{\"stream\":1},\"id\":\"i\"}",
        "{\"inputs\":[],\"inputs\":[],\"id\":\"i\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct zmq_header header;
        struct fault fault;
        const struct infer_span text = span(texts[i]);
        assert_false(zmq_header_read(&header, &text, &fault));
        assert_int_equal(fault.status, 400);
        assert_string_equal(header.id, "i");
    }
}

static void expect_completed(const char *body, int status, const char *id, const char *wanted)
{
    char *text = strdup(body);
    size_t size = strlen(body);
    assert_true(zmq_answer_complete(&text, &size, status, id));
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(text, wanted, size);
    free(text);
}

static void an_answer_gets_status_and_id(void **state)
{
    (void)state;
    expect_completed("{\"error\":\"e\"}", 404, "a\"b",
                     "{\"error\":\"e\",\"status\":404,\"id\":\"a\\\"b\"}");
    expect_completed("{\"error\":\"e\"}", 503, "", "{\"error\":\"e\",\"status\":503}");
    expect_completed("{\"live\":true}", 200, "7", "{\"live\":true,\"id\":\"7\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_ends_with_an_empty_frame),
        cmocka_unit_test(what_stands_around_the_infer_request_is_read),
        cmocka_unit_test(an_op_that_is_not_given_is_infer),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(bug_601_of_an_id_that_breaks_off_nothing_is_kept),
        cmocka_unit_test(bug_611_an_id_behind_what_is_wrong_comes_back),
        cmocka_unit_test(an_answer_gets_status_and_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
