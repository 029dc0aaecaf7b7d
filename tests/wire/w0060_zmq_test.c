/* ZeroMQ: every op and every error, on every kind of endpoint, as clients of all kinds see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/infer_client.h"
#include "tests/support/zmq_client.h"

static struct fixture fixture;
static char *ipc_path;
static char tcp[64], ipc[128];

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    ipc_path = temp_dir_file(&fixture.dir, "socket");
    snprintf(ipc, sizeof ipc, "ipc://%s", ipc_path);
    const char *const arguments[] = {
        "--zmq", "tcp://127.0.0.1:*", "--zmq",  ipc, "--zmq-peer-limit",
        "300",   "--max-body-bytes",  "100000", NULL};
    if (!fixture_start(&fixture, arguments, NULL))
        return -1;
    snprintf(tcp, sizeof tcp, "%.*s", (int)strcspn(fixture.daemon.zmq, ","), fixture.daemon.zmq);
    return 0;
}

static int stop_daemon(void **state)
{
    struct stat status;
    (void)state;
    const int code = daemon_stop(&fixture.daemon);
    const bool removed = stat(ipc_path, &status) != 0;
    http_client_fini(&fixture.client);
    daemon_fini(&fixture.daemon);
    temp_dir_remove(&fixture.dir);
    free(ipc_path);
    return code == 0 && removed ? 0 : -1;
}

/* ---- asking ---- */

#define INPUT(parameters)                                                                          \
    "\"inputs\":[{\"name\":\"input\",\"shape\":[3,1,1],\"datatype\":\"FP32\"," parameters "}]"
#define BINARY(size)   "\"parameters\":{\"binary_data_size\":" size "}"
#define BINARY_REQUEST "{\"model_name\":\"tiny\"," INPUT(BINARY("12")) ","
#define JSON_REQUEST   "{\"model_name\":\"tiny\"," INPUT("\"data\":[0.5,-1.25,2e-3]")

static const float steps[3] = {0.5f, -1.25f, 2e-3f};

static void receive(struct zmq_client *client, struct zmq_answer *answer)
{
    if (!zmq_client_receive(client, answer, DAEMON_PATIENCE))
        fail_msg("no answer came");
}

/* As a REQ: header and, where tail_size is not 0, one frame. */
static void ask(const char *endpoint, const char *header, const void *tail, size_t tail_size,
                struct zmq_answer *answer)
{
    struct zmq_client client;
    const struct zmq_frame frames[] = {{header, strlen(header)}, {tail, tail_size}};
    zmq_client_init(&client, ZMQ_CLIENT_REQ, endpoint, NULL);
    zmq_client_send(&client, frames, tail_size != 0 ? 2 : 1);
    receive(&client, answer);
    zmq_client_fini(&client);
}

static void expect_object(const char *text, const char *wanted)
{
    cJSON *a = cJSON_Parse(text), *b = cJSON_Parse(wanted);
    const bool equal = a != NULL && cJSON_Compare(a, b, true);
    cJSON_Delete(a);
    cJSON_Delete(b);
    if (!equal)
        fail_msg("wanted %s, got %s", wanted, text);
}

/* The frame is {"error": ..., "status": ..., "id": ...}; id NULL: none. */
static void expect_refusal(const char *frame, int status, const char *fragment, const char *id)
{
    cJSON *found = cJSON_Parse(frame);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(found, "error");
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(found, "status");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(found, "id");
    const bool good = cJSON_GetArraySize(found) == (id != NULL ? 3 : 2) && cJSON_IsString(error) &&
                      strstr(error->valuestring, fragment) != NULL && cJSON_IsNumber(number) &&
                      number->valuedouble == status &&
                      (id == NULL || (cJSON_IsString(name) && strcmp(name->valuestring, id) == 0));
    cJSON_Delete(found);
    if (!good)
        fail_msg("%d with \"%s\" wanted, got %s", status, fragment, frame);
}

/* output and h_n of tiny for steps, as HTTP answers them. */
static void expected(float output[3], float *h_n)
{
    struct infer_result result;
    static const char body[] = "{" INPUT("\"data\":[0.5,-1.25,2e-3]") "}";
    assert_true(infer_post_text(&fixture.client, "tiny", body, strlen(body), &result));
    memcpy(output, expect_tensor(&result, "output", 3, 1, 1), 3 * sizeof *output);
    memcpy(h_n, expect_tensor(&result, "h_n", 1, 1, 1), sizeof *h_n);
    infer_result_fini(&result);
}

/* ---- ops ---- */

static void ops_are_answered_as_over_http(void **state)
{
    static const struct {
        const char *request, *path;
    } rows[] = {
        {"{\"op\":\"live\"}", "/v2/health/live"},
        {"{\"op\":\"ready\"}", "/v2/health/ready"},
        {"{\"op\":\"ready\",\"model_name\":\"tiny\"}", "/v2/models/tiny/ready"},
        {"{\"op\":\"metadata\"}", "/v2"},
        {"{\"op\":\"metadata\",\"model_name\":\"tiny\"}", "/v2/models/tiny"},
        {"{\"op\":\"metadata\",\"model_name\":\"tiny\",\"model_version\":\"1\"}",
         "/v2/models/tiny/versions/1"},
        {"{\"op\":\"stats\"}", "/v2/models/stats"},
        {"{\"op\":\"stats\",\"model_name\":\"tiny\"}", "/v2/models/tiny/stats"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_response wanted;
        struct zmq_answer answer;
        assert_true(http_get(&fixture.client, rows[i].path, &wanted));
        ask(i % 2 == 0 ? tcp : ipc, rows[i].request, NULL, 0, &answer);
        assert_int_equal(answer.count, 1);
        assert_string_equal(answer.frames[0], wanted.body);
        zmq_answer_fini(&answer);
        http_response_fini(&wanted);
    }
}

static void an_id_comes_back_with_every_op(void **state)
{
    struct zmq_answer answer;
    (void)state;
    ask(tcp, "{\"id\":\"a \\u00e9\",\"op\":\"live\"}", NULL, 0, &answer);
    expect_object(answer.frames[0], "{\"live\":true,\"id\":\"a \\u00e9\"}");
    zmq_answer_fini(&answer);
}

/* ---- infer ---- */

static void json_in_is_json_out(void **state)
{
    struct zmq_answer answer;
    struct infer_result result;
    struct fault fault = {0};
    float output[3], h_n;
    (void)state;
    expected(output, &h_n);
    ask(ipc, JSON_REQUEST ",\"id\":\"j\",\"op\":\"infer\"}", NULL, 0, &answer);
    assert_int_equal(answer.count, 1);
    if (!infer_result_parse(&result, answer.frames[0], answer.sizes[0], &fault))
        fail_msg("%s in %s", fault.text, answer.frames[0]);
    assert_string_equal(result.id, "j");
    assert_string_equal(result.model_name, "tiny");
    assert_memory_equal(expect_tensor(&result, "output", 3, 1, 1), output, sizeof output);
    infer_result_fini(&result);
    zmq_answer_fini(&answer);
}

static void binary_tensors_are_frames(void **state)
{
    struct zmq_answer answer;
    float output[3], h_n;
    (void)state;
    expected(output, &h_n);
    ask(tcp,
        BINARY_REQUEST "\"id\":\"b\",\"parameters\":{\"binary_data_output\":true},"
                       "\"outputs\":[{\"name\":\"h_n\"},{\"name\":\"output\"}]}",
        steps, sizeof steps, &answer);
    assert_int_equal(answer.count, 3);
    expect_object(answer.frames[0],
                  "{\"model_name\":\"tiny\",\"model_version\":\"1\",\"id\":\"b\",\"outputs\":["
                  "{\"name\":\"h_n\",\"datatype\":\"FP32\",\"shape\":[1,1,1],"
                  "\"parameters\":{\"binary_data_size\":4}},"
                  "{\"name\":\"output\",\"datatype\":\"FP32\",\"shape\":[3,1,1],"
                  "\"parameters\":{\"binary_data_size\":12}}]}");
    assert_int_equal(answer.sizes[1], sizeof h_n);
    assert_memory_equal(answer.frames[1], &h_n, sizeof h_n);
    assert_int_equal(answer.sizes[2], sizeof output);
    assert_memory_equal(answer.frames[2], output, sizeof output);
    zmq_answer_fini(&answer);
}

static void sequences_go_on_from_wire_to_wire(void **state)
{
    struct zmq_answer answer;
    struct infer_result result;
    float output[3], h_n;
    (void)state;
    expected(output, &h_n);
    ask(tcp,
        "{\"model_name\":\"tiny\",\"parameters\":{\"sequence_id\":9,\"sequence_start\":true},"
        "\"inputs\":[{\"name\":\"input\",\"shape\":[2,1,1],\"datatype\":\"FP32\"," BINARY(
            "8") "}]}",
        steps, 8, &answer);
    assert_non_null(strstr(answer.frames[0], "\"sequence_id\":9,\"steps\":2"));
    zmq_answer_fini(&answer);
    static const char rest[] =
        "{\"parameters\":{\"sequence_id\":9,\"sequence_end\":true},\"inputs\":[{\"name\":\"input\","
        "\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[2e-3]}]}";
    assert_true(infer_post_text(&fixture.client, "tiny", rest, strlen(rest), &result));
    assert_memory_equal(expect_tensor(&result, "output", 1, 1, 1), &output[2], sizeof *output);
    infer_result_fini(&result);
}

/* ---- framing ---- */

/* What a DEALER sends is what comes back, up to the header. */
static void the_envelope_is_mirrored(void **state)
{
    static const struct {
        size_t count;
        const char *frames[4];
    } rows[] = {
        {1, {"{\"op\":\"live\"}"}},
        {2, {"", "{\"op\":\"live\"}"}},
        {3, {"proxied", "", " {\"op\":\"live\"}"}},
        {4, {"proxied", "twice", "", "{\"op\":\"live\"}"}},
    };
    struct zmq_client client;
    (void)state;
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, tcp, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zmq_frame frames[4];
        struct zmq_answer answer;
        for (size_t j = 0; j < rows[i].count; j++)
            frames[j] = (struct zmq_frame){rows[i].frames[j], strlen(rows[i].frames[j])};
        zmq_client_send(&client, frames, rows[i].count);
        receive(&client, &answer);
        assert_int_equal(answer.count, rows[i].count);
        for (size_t j = 0; j + 1 < rows[i].count; j++)
            assert_string_equal(answer.frames[j], rows[i].frames[j]);
        assert_string_equal(answer.frames[answer.count - 1], "{\"live\":true}");
        zmq_answer_fini(&answer);
    }
    zmq_client_fini(&client);
}

static void nonsense_in_frames_is_answered(void **state)
{
    struct zmq_client client;
    struct zmq_answer answer;
    struct zmq_frame many[60];
    (void)state;
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, ipc, NULL);
    zmq_client_send_text(&client, "");
    receive(&client, &answer);
    assert_int_equal(answer.count, 2);
    expect_refusal(answer.frames[1], 400, "wanted behind the empty frame", NULL);
    zmq_answer_fini(&answer);

    for (size_t i = 0; i < 60; i++)
        many[i] = (struct zmq_frame){"{}", 2};
    zmq_client_send(&client, many, 60);
    receive(&client, &answer);
    assert_int_equal(answer.count, 1);
    expect_refusal(answer.frames[0], 400, "at most 48 frames are wanted", NULL);
    zmq_answer_fini(&answer);

    many[0] = (struct zmq_frame){JSON_REQUEST "}", strlen(JSON_REQUEST "}")};
    zmq_client_send(&client, many, 40);
    receive(&client, &answer);
    expect_refusal(answer.frames[0], 400, "at most 32 tensors are wanted", NULL);
    zmq_answer_fini(&answer);
    zmq_client_fini(&client);
}

/* ---- errors ---- */

static void wrong_requests_are_refused_with_status_and_id(void **state)
{
    static const struct {
        const char *header;
        size_t tail;
        int status;
        const char *text, *id;
    } rows[] = {
        {"garbage", 0, 400, "a value is wanted, got 'g'", NULL},
        {"", 0, 400, "a header, a JSON object, is wanted", NULL},
        {"[1]", 0, 400, "an object is wanted", NULL},
        {"{\"id\":\"x\"", 0, 400, "got the end", "x"},
        {"{\"id\":7}", 0, 400, "id: ", NULL},
        {"{\"id\":\"x\"}", 0, 400, "'model_name' is missing", "x"},
        {"{\"op\":\"fly\",\"id\":\"x\"}", 0, 400, "op: infer, live, ready, metadata or stats", "x"},
        {"{\"op\":\"live\",\"op\":\"live\"}", 0, 400, "'op' is given twice", NULL},
        {"{\"id\":\"x\",\"model_name\":\"none\"}", 0, 404, "unknown model: 'none'", "x"},
        {"{\"op\":\"ready\",\"model_name\":\"none\"}", 0, 404, "unknown model: 'none'", NULL},
        {"{\"id\":\"x\",\"model_name\":\"tiny\",\"model_version\":\"2\"}", 0, 404, "version 2",
         "x"},
        {"{\"op\":\"stats\",\"model_name\":\"tiny\",\"model_version\":\"7\"}", 0, 404, "version 7",
         NULL},
        {"{\"model_name\":\"tiny\"}", 0, 400, "'inputs' is missing", NULL},
        {"{\"model_name\":\"tiny\",\"inputs\":7}", 0, 400, "inputs: an array is wanted", NULL},
        {JSON_REQUEST ",\"parameters\":{\"sequence_id\":404}}", 0, 404, "sequence", NULL},
        {BINARY_REQUEST "\"id\":\"x\",\"stream\":1}", 12, 400, "stream: true or false", "x"},
        {JSON_REQUEST ",\"parameters\":{\"stream\":\"x\"}}", 0, 400,
         "parameters.stream: true or false", NULL},
        {BINARY_REQUEST "\"id\":\"x\"}", 0, 400, "expecting 12 additional bytes", "x"},
        {BINARY_REQUEST "\"id\":\"x\"}", 11, 400, "expecting 1 additional bytes", "x"},
        {BINARY_REQUEST "\"id\":\"x\"}", 13, 400, "unexpected additional input data", "x"},
        {JSON_REQUEST ",\"id\":\"x\"}", 4, 400, "unexpected additional input data", "x"},
    };
    static const char tail[16];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zmq_answer answer;
        ask(tcp, rows[i].header, tail, rows[i].tail, &answer);
        assert_int_equal(answer.count, 1);
        expect_refusal(answer.frames[0], rows[i].status, rows[i].text, rows[i].id);
        zmq_answer_fini(&answer);
    }
}

/* What is too much gets an answer, in one frame as in several. Of a frame beyond all reason the
 * library cuts the connection, and the peer comes back. */
static void too_much_is_refused(void **state)
{
    static char half[60000], whole[110000], vast[3 << 20];
    struct zmq_client client;
    struct zmq_answer answer;
    const struct zmq_frame parts[] = {
        {"{\"id\":\"x\"}", 10}, {half, sizeof half}, {half, sizeof half}};
    const struct zmq_frame large = {whole, sizeof whole}, beyond = {vast, sizeof vast};
    (void)state;
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, tcp, NULL);
    zmq_client_send(&client, parts, 3);
    receive(&client, &answer);
    expect_refusal(answer.frames[0], 413, "larger than 100000 bytes (max_body_bytes)", "x");
    zmq_answer_fini(&answer);
    zmq_client_send(&client, &large, 1);
    receive(&client, &answer);
    expect_refusal(answer.frames[0], 413, "larger than 100000 bytes (max_body_bytes)", NULL);
    zmq_answer_fini(&answer);
    zmq_client_send(&client, &beyond, 1);
    assert_false(zmq_client_receive(&client, &answer, 300));
    zmq_client_send_text(&client, "{\"op\":\"live\"}");
    if (zmq_client_receive(&client, &answer, 5000))
        zmq_answer_fini(&answer);
    zmq_client_fini(&client);
    ask(tcp, "{\"op\":\"live\"}", NULL, 0, &answer);
    zmq_answer_fini(&answer);
}

/* It came without, and a client with several requests under way could not tell which of them had
 * been too much. */
static void bug_612_of_too_much_the_id_comes_back(void **state)
{
    static const char header[] = "{\"model_name\":\"tiny\",\"id\":\"x\"}";
    static char tensor[110000];
    struct zmq_client client;
    struct zmq_answer answer;
    struct zmq_frame many[60];
    (void)state;
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, tcp, NULL);
    many[0] = (struct zmq_frame){header, strlen(header)};
    many[1] = (struct zmq_frame){tensor, sizeof tensor};
    zmq_client_send(&client, many, 2);
    receive(&client, &answer);
    expect_refusal(answer.frames[0], 413, "larger than 100000 bytes (max_body_bytes)", "x");
    zmq_answer_fini(&answer);

    for (size_t i = 1; i < 60; i++)
        many[i] = (struct zmq_frame){"{}", 2};
    zmq_client_send(&client, many, 60);
    receive(&client, &answer);
    expect_refusal(answer.frames[0], 400, "at most 48 frames are wanted", "x");
    zmq_answer_fini(&answer);
    zmq_client_fini(&client);
}

static void a_deadline_holds(void **state)
{
    struct zmq_answer answer;
    (void)state;
    ask(tcp, JSON_REQUEST ",\"id\":\"x\",\"parameters\":{\"timeout\":1}}", NULL, 0, &answer);
    /* One microsecond may just do. */
    if (strstr(answer.frames[0], "\"outputs\"") == NULL)
        expect_refusal(answer.frames[0], 504, "timeout", "x");
    zmq_answer_fini(&answer);
}

/* ---- pipelines ---- */

/* The id's number, and that it was asked for once. */
static unsigned long note_answer(const struct zmq_answer *answer, bool *seen, size_t count)
{
    const char *id = strstr(answer->frames[0], "\"id\":\"");
    assert_non_null(id);
    const unsigned long number = strtoul(id + 6, NULL, 10);
    assert_true(number < count && !seen[number]);
    seen[number] = true;
    return number;
}

static void hundreds_of_requests_at_once_are_answered(void **state)
{
    enum { COUNT = 290 };
    bool seen[COUNT] = {false};
    float output[3], h_n;
    struct zmq_client client;
    (void)state;
    expected(output, &h_n);
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, ipc, NULL);
    for (int i = 0; i < COUNT; i++) {
        char header[512];
        snprintf(header, sizeof header,
                 BINARY_REQUEST "\"id\":\"%d\",\"outputs\":[{\"name\":\"output\","
                                "\"parameters\":{\"binary_data\":true}}]}",
                 i);
        const struct zmq_frame frames[] = {{header, strlen(header)}, {steps, sizeof steps}};
        zmq_client_send(&client, frames, 2);
    }
    for (int i = 0; i < COUNT; i++) {
        struct zmq_answer answer;
        receive(&client, &answer);
        if (answer.count != 2)
            fail_msg("an answer with a tensor wanted, got %s", answer.frames[0]);
        assert_memory_equal(answer.frames[1], output, sizeof output);
        note_answer(&answer, seen, COUNT);
        zmq_answer_fini(&answer);
    }
    zmq_client_fini(&client);
}

/* Computed in the order they were sent, though sent without waiting and answered as they are done.
 */
static void a_pipelined_sequence_keeps_its_order(void **state)
{
    enum { COUNT = 100 };
    bool seen[COUNT] = {false};
    struct zmq_client client;
    (void)state;
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, tcp, NULL);
    for (int i = 0; i < COUNT; i++) {
        char header[512];
        snprintf(header, sizeof header,
                 JSON_REQUEST ",\"id\":\"%d\",\"parameters\":{\"sequence_id\":\"line\","
                              "\"sequence_start\":%s,\"sequence_end\":%s}}",
                 i, i == 0 ? "true" : "false", i == COUNT - 1 ? "true" : "false");
        zmq_client_send_text(&client, header);
    }
    for (int i = 0; i < COUNT; i++) {
        char wanted[64];
        struct zmq_answer answer;
        receive(&client, &answer);
        const unsigned long number = note_answer(&answer, seen, COUNT);
        snprintf(wanted, sizeof wanted, "\"steps\":%lu}", 3 * (number + 1));
        assert_non_null(strstr(answer.frames[0], wanted));
        zmq_answer_fini(&answer);
    }
    zmq_client_fini(&client);
}

/* ---- streams ---- */

/* Reads the parts of an answer; output gets those of the output one behind the other. */
static void receive_parts(struct zmq_client *client, float *output, size_t wanted_parts)
{
    size_t floats = 0;
    for (size_t part = 0; part < wanted_parts; part++) {
        struct zmq_answer answer;
        char step[64];
        receive(client, &answer);
        snprintf(step, sizeof step, "\"first_step\":%zu,\"final\":%s", floats,
                 part + 1 == wanted_parts ? "true" : "false");
        if (strstr(answer.frames[0], step) == NULL)
            fail_msg("%s wanted, got %s", step, answer.frames[0]);
        assert_non_null(strstr(answer.frames[0], "\"id\":\"p\""));
        memcpy(output + floats, answer.frames[1], answer.sizes[1]);
        floats += answer.sizes[1] / sizeof *output;
        zmq_answer_fini(&answer);
    }
    assert_int_equal(floats, 3);
}

static void a_stream_is_one_message_a_part(void **state)
{
    static const char header[] =
        BINARY_REQUEST "\"id\":\"p\",\"stream\":true,\"outputs\":[{\"name\":\"output\"}],"
                       "\"parameters\":{\"binary_data_output\":true,\"stream_steps\":1}}";
    const struct zmq_frame frames[] = {{header, strlen(header)}, {steps, sizeof steps}};
    struct zmq_client client;
    float output[3], whole[3], h_n;
    (void)state;
    expected(whole, &h_n);
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, ipc, NULL);
    zmq_client_send(&client, frames, 2);
    receive_parts(&client, output, 3);
    assert_memory_equal(output, whole, sizeof whole);
    zmq_client_fini(&client);
}

/* Asked for among the parameters too; what is wrong is the only part. */
static void a_stream_may_end_with_an_error(void **state)
{
    struct zmq_answer answer;
    (void)state;
    ask(tcp, JSON_REQUEST ",\"id\":\"p\",\"parameters\":{\"stream\":true,\"sequence_id\":405}}",
        NULL, 0, &answer);
    expect_refusal(answer.frames[0], 404, "sequence", "p");
    zmq_answer_fini(&answer);
}

/* ---- counting ---- */

static void what_happens_is_counted(void **state)
{
    struct http_response response;
    (void)state;
    assert_true(http_get(&fixture.client, "/metrics", &response));
    assert_non_null(strstr(response.body, "\nlstmd_zmq_requests_total "));
    assert_non_null(strstr(response.body, "\nlstmd_zmq_responses_total{code=\"200\"} "));
    assert_non_null(strstr(response.body, "\nlstmd_zmq_responses_total{code=\"404\"} "));
    assert_non_null(strstr(response.body, "\nlstmd_zmq_responses_total{code=\"413\"} 3\n"));
    assert_non_null(strstr(response.body, "\nlstmd_zmq_dropped_total{reason=\"full\"} 0\n"));
    assert_non_null(strstr(response.body, "\nlstmd_zmq_peers "));
    http_response_fini(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_are_answered_as_over_http),
        cmocka_unit_test(an_id_comes_back_with_every_op),
        cmocka_unit_test(json_in_is_json_out),
        cmocka_unit_test(binary_tensors_are_frames),
        cmocka_unit_test(sequences_go_on_from_wire_to_wire),
        cmocka_unit_test(the_envelope_is_mirrored),
        cmocka_unit_test(nonsense_in_frames_is_answered),
        cmocka_unit_test(wrong_requests_are_refused_with_status_and_id),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(bug_612_of_too_much_the_id_comes_back),
        cmocka_unit_test(a_deadline_holds),
        cmocka_unit_test(hundreds_of_requests_at_once_are_answered),
        cmocka_unit_test(a_pipelined_sequence_keeps_its_order),
        cmocka_unit_test(a_stream_is_one_message_a_part),
        cmocka_unit_test(a_stream_may_end_with_an_error),
        cmocka_unit_test(what_happens_is_counted),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
