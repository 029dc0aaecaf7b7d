/* infer_stream: an answer as events while it is computed, bit for bit the plain answer's; nothing
 * held that is not bounded, whatever the reader does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/event_client.h"
#include "tests/support/exposition.h"
#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"
#include "tests/support/random.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

#define SLOW     "/v2/models/slow/infer_stream"
#define SIMPLE   "/v2/models/simple/infer_stream"
#define PATIENCE 60000 /* milliseconds */

static struct fixture fixture;

static void start(const char *const *arguments)
{
    fixture_init(&fixture);
    slow_model_add(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    fixture_add_golden(&fixture, "seed_bidirectional");
    fixture_add_golden(&fixture, "batch_first");
    fixture_add_golden(&fixture, "projection");
    fixture_add_golden(&fixture, "deep_5");
    assert_true(fixture_start(&fixture, arguments, NULL));
}

static void stop(void)
{
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- requests ---- */

/* [steps,1,size] of zeros for a model, whose output alone is wanted. part_steps: 0 for as many as
 * the daemon likes. */
static char *zeros_body(size_t steps, size_t size, size_t part_steps)
{
    char head[256];
    const int head_size =
        part_steps == 0
            ? 1
            : snprintf(head, sizeof head, "{\"parameters\":{\"stream_steps\":%zu},", part_steps);
    if (part_steps == 0)
        strcpy(head, "{");
    char *body = must_allocate((size_t)head_size + 2 * steps * size + 256);
    char *at = body + sprintf(body,
                              "%s\"outputs\":[{\"name\":\"output\"}],\"inputs\":[{\"name\":"
                              "\"input\",\"datatype\":\"FP32\",\"shape\":[%zu,1,%zu],\"data\":[0",
                              head, steps, size);
    for (size_t i = 1; i < steps * size; i++)
        at = stpcpy(at, ",0");
    strcpy(at, "]}]}");
    return body;
}

static void parse_event(const struct event *event, struct infer_result *result)
{
    struct fault fault = {0};
    if (!infer_result_parse(result, event->data, strlen(event->data), &fault))
        fail_msg("%s: %s", fault.text, event->data);
    assert_true(result->is_part);
}

/* One that takes so long, with ten events in a second of it. */
static char *slow_body(double seconds, size_t *steps)
{
    *steps = slow_model_steps(&fixture, seconds);
    return zeros_body(*steps, 1, (size_t)((double)*steps / (10 * seconds)) + 1);
}

/* Reads one more, which must be an answer; returns how many steps it has. */
static size_t read_steps(struct event_client *client, size_t first_step, bool *final)
{
    struct event event;
    struct infer_result result;
    assert_int_equal(event_client_next(client, &event), EVENT);
    if (strcmp(event.name, "message") != 0)
        fail_msg("%s", event.data);
    parse_event(&event, &result);
    assert_int_equal(result.first_step, first_step);
    const size_t steps = infer_result_find(&result, "output")->shape[0];
    *final = result.final;
    infer_result_fini(&result);
    event_fini(&event);
    return steps;
}

/* The rest of the events; returns how many steps there are in all. */
static size_t read_rest(struct event_client *client, size_t steps)
{
    struct event event;
    for (bool final = false; !final;)
        steps += read_steps(client, steps, &final);
    assert_int_equal(event_client_next(client, &event), EVENTS_END);
    return steps;
}

/* Sends it and waits for the head of a good answer. */
static void open_stream(struct event_client *client, const char *path, const char *headers,
                        const char *body)
{
    event_client_post(client, fixture.daemon.port, path, headers, body);
    assert_true(event_client_head(client));
    if (client->status != 200)
        fail_msg("%s", client->head);
    assert_non_null(strstr(client->head, "\nContent-Type: text/event-stream\n"));
    assert_non_null(strstr(client->head, "\nCache-Control: no-cache\n"));
    assert_true(client->chunked);
}

/* ---- what the daemon counts ---- */

static double metric(const char *series)
{
    struct http_response response;
    double value = -1;
    assert_true(http_get(&fixture.client, "/metrics", &response));
    if (!exposition_value(response.body, series, &value))
        fail_msg("no %s", series);
    http_response_fini(&response);
    return value;
}

#define OF(model)      "{model=\"" model "\",version=\"1\"}"
#define SUCCESS(model) "nv_inference_request_success" OF(model)
#define PENDING(model) "nv_inference_pending_request_count" OF(model)
#define STEPS(model)   "lstmd_steps_total" OF(model)
#define FAILED(model, why)                                                                         \
    "nv_inference_request_failure{model=\"" model "\",version=\"1\",reason=\"" why "\"}"

static void wait_for_metric(const char *series, double wanted)
{
    double value = -1;
    for (int waited = 0; waited < PATIENCE && (value = metric(series)) != wanted; waited += 20)
        usleep(20000);
    if (value != wanted)
        fail_msg("%s is %g, not %g", series, value, wanted);
}

static void expect_nothing_held(void)
{
    wait_for_metric("lstmd_memory_in_flight_bytes", 0);
}

/* ---- the same bits ---- */

struct question {
    const char *model;
    size_t input, hidden;
    bool batch_first;
    size_t steps, rows, part_steps;
    bool ragged;
    uint64_t seed;
};

/* part_steps is no more than a word to the plain door. */
static char *question_body(const struct question *q)
{
    struct random random = {q->seed};
    struct infer_body body;
    size_t size;
    const size_t count = q->steps * q->rows * q->input;
    float *values = must_allocate((count + 1) * sizeof *values);
    int64_t *lengths = must_allocate((q->rows + 1) * sizeof *lengths);
    const size_t by_rows[] = {q->rows, q->steps, q->input};
    const size_t by_steps[] = {q->steps, q->rows, q->input};
    random_floats(&random, values, count, 2);
    for (size_t b = 0; b < q->rows; b++)
        lengths[b] = (int64_t)random_size(&random, 0, q->steps);
    infer_body_begin(&body, "q");
    infer_body_f32(&body, "input", 3, q->batch_first ? by_rows : by_steps, values);
    if (q->ragged)
        infer_body_i64(&body, "lengths", 1, &q->rows, lengths);
    char *text = infer_body_end(&body, &size);
    char *whole = must_allocate(size + 64);
    const int head = q->part_steps == 0
                         ? sprintf(whole, "{")
                         : sprintf(whole, "{\"parameters\":{\"stream_steps\":%zu},", q->part_steps);
    strcpy(whole + head, text + 1);
    free(text);
    free(values);
    free(lengths);
    return whole;
}

/* Puts the steps of one event where they are in the whole answer. */
static void place(float *whole, const struct question *q, const struct infer_result_tensor *part,
                  size_t first_step)
{
    const size_t steps = part->shape[q->batch_first ? 1 : 0], out = part->shape[2];
    for (size_t b = 0; b < q->rows; b++)
        for (size_t t = 0; t < steps; t++) {
            const size_t from = q->batch_first ? b * steps + t : t * q->rows + b;
            const size_t at = first_step + t;
            const size_t to = q->batch_first ? b * q->steps + at : at * q->rows + b;
            memcpy(whole + to * out, part->values + from * out, out * sizeof *whole);
        }
}

static void assert_same_bits(const struct infer_result_tensor *wanted, const char *name,
                             const float *values)
{
    assert_string_equal(wanted->name, name);
    assert_memory_equal(wanted->values, values, wanted->elements * sizeof(float));
}

/* Returns how many events there were. */
static size_t compare_with_plain(const struct question *q)
{
    char path[96], *body = question_body(q);
    struct infer_result plain, part;
    struct event_client client;
    struct event event;
    size_t events = 0, steps = 0;
    assert_true(infer_post_text(&fixture.client, q->model, body, strlen(body), &plain));
    float *output = must_allocate_zeros(plain.tensors[0].elements + 1, sizeof *output);
    snprintf(path, sizeof path, "/v2/models/%s/infer_stream", q->model);
    open_stream(&client, path, "", body);
    for (bool final = false; !final; events++) {
        assert_int_equal(event_client_next(&client, &event), EVENT);
        parse_event(&event, &part);
        final = part.final;
        assert_int_equal(part.first_step, steps);
        assert_string_equal(part.id, "q");
        assert_int_equal(part.tensor_count, final ? plain.tensor_count : 1);
        place(output, q, &part.tensors[0], steps);
        steps += part.tensors[0].shape[q->batch_first ? 1 : 0];
        for (size_t i = 1; i < part.tensor_count; i++)
            assert_same_bits(&plain.tensors[i], part.tensors[i].name, part.tensors[i].values);
        if (!final && q->part_steps != 0)
            assert_int_equal(steps, (events + 1) * q->part_steps);
        infer_result_fini(&part);
        event_fini(&event);
    }
    assert_int_equal(event_client_next(&client, &event), EVENTS_END);
    assert_int_equal(steps, q->steps);
    assert_same_bits(&plain.tensors[0], "output", output);
    event_client_close(&client);
    infer_result_fini(&plain);
    free(output);
    free(body);
    return events;
}

static void all_events_together_are_the_plain_answer(void **state)
{
    static const struct question models[] = {
        {.model = "simple", .input = 10, .hidden = 7},
        {.model = "seed_bidirectional", .input = 10, .hidden = 7},
        {.model = "batch_first", .batch_first = true},
        {.model = "projection"},
        {.model = "deep_5"},
    };
    struct random random = {7};
    size_t events = 0;
    (void)state;
    start(NULL);
    for (uint64_t i = 0; i < 60; i++) {
        struct question q = models[i % 5];
        struct golden_case golden;
        golden_case_open(&golden, i % 5 == 0 ? "seed_simple" : q.model);
        q.input = golden.input_size;
        golden_case_close(&golden);
        q.steps = random_size(&random, 0, 60);
        q.rows = random_size(&random, 1, i % 7 == 0 ? 70 : 6);
        q.part_steps = random_size(&random, 0, 9);
        q.ragged = i % 2 == 0;
        q.seed = i + 1;
        events += compare_with_plain(&q);
    }
    assert_true(events > 150);
    expect_nothing_held();
    stop();
}

/* ---- the forms of an answer ---- */

static void expect_one_event(const char *path, const char *body, const char *data)
{
    struct event_client client;
    struct event event;
    open_stream(&client, path, "", body);
    assert_int_equal(event_client_next(&client, &event), EVENT);
    assert_string_equal(event.data, data);
    event_fini(&event);
    assert_int_equal(event_client_next(&client, &event), EVENTS_END);
    event_client_close(&client);
}

static void refuse(const char *path, const char *body, long status, const char *text)
{
    struct http_response response;
    assert_true(http_post(&fixture.client, path, body, strlen(body), &response));
    expect_error(&response, status, text);
    http_response_fini(&response);
}

#define INPUT(shape, data)                                                                         \
    "\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":" shape ",\"data\":" data "}" \
    "]"
#define TEN "0,0,0,0,0,0,0,0,0,0"

static void what_cannot_be_streamed_is_one_event_and_errors_have_their_status(void **state)
{
    (void)state;
    start(NULL);
    expect_one_event(SIMPLE, "{\"outputs\":[{\"name\":\"output\"}]," INPUT("[0,1,10]", "[]") "}",
                     "{\"model_name\":\"simple\",\"model_version\":\"1\",\"parameters\":{"
                     "\"first_step\":0,\"final\":true},\"outputs\":[{\"name\":\"output\","
                     "\"datatype\":\"FP32\",\"shape\":[0,1,7],\"data\":[]}]}");
    expect_one_event("/v2/models/simple/versions/1/infer_stream",
                     "{\"parameters\":{\"stream_steps\":1},\"outputs\":[{\"name\":\"c_n\"}]," INPUT(
                         "[3,0,10]", "[]") "}",
                     "{\"model_name\":\"simple\",\"model_version\":\"1\",\"parameters\":{"
                     "\"first_step\":0,\"final\":true},\"outputs\":[{\"name\":\"c_n\","
                     "\"datatype\":\"FP32\",\"shape\":[1,0,7],\"data\":[]}]}");
    refuse(SIMPLE, "{" INPUT("[1,1,10]", "[0,x]") "}", 400, "input");
    refuse(SIMPLE, "{" INPUT("[1,1,10]", "[0,0,0,0,0,0,0,0,0,1e99]") "}", 400,
           "input 'input': element 9");
    refuse(SIMPLE, "{\"parameters\":{\"stream_steps\":0}," INPUT("[1,1,10]", "[" TEN "]") "}", 400,
           "parameters.stream_steps: 1 or more is wanted, got 0");
    refuse(SIMPLE,
           "{\"parameters\":{\"binary_data_output\":true}," INPUT("[1,1,10]", "[" TEN "]") "}", 400,
           "outputs are sent as text here");
    refuse("/v2/models/none/infer_stream", "{}", 404, "none");
    refuse(SIMPLE, "{\"parameters\":{\"sequence_id\":5}," INPUT("[1,1,10]", "[" TEN "]") "}", 404,
           "sequence");
    expect_get_error(&fixture.client, SIMPLE, 405, "Method Not Allowed");
    expect_nothing_held();
    stop();
}

static void count_events(const char *headers, const char *path, const char *body, size_t size,
                         const char *marker, size_t wanted)
{
    const char *const lines[] = {headers, NULL};
    struct http_response response;
    char coding[32];
    size_t events = 0;
    assert_true(http_send(&fixture.client, "POST", path, body, size, lines, &response));
    assert_int_equal(response.status, 200);
    assert_false(http_header(&response, "Content-Encoding", coding, sizeof coding));
    for (const char *at = response.body; (at = strstr(at, marker)) != NULL; at++)
        events++;
    assert_int_equal(events, wanted);
    http_response_fini(&response);
}

static void other_forms_of_requests_are_streamed_too(void **state)
{
    static const char raw[3 * 10 * sizeof(float)];
    (void)state;
    start(NULL);
    count_events("Inference-Header-Content-Length: 0", SIMPLE, raw, sizeof raw,
                 "\"datatype\":\"FP32\",\"shape\":[3,1,7],\"data\":[", 1);
    const char *body = "{\"parameters\":{\"stream_steps\":1},\"outputs\":[{\"name\":\"output\","
                       "\"parameters\":{\"classification\":2}}]," INPUT(
                           "[3,1,10]", "[" TEN "," TEN "," TEN "]") "}";
    count_events("Accept-Encoding: gzip", SIMPLE, body, strlen(body),
                 "\"datatype\":\"BYTES\",\"shape\":[1,1,2],\"data\":[\"", 3);
    char *long_one = zeros_body(5000, 10, 0); /* that would be compressed */
    count_events("Accept-Encoding: gzip", SIMPLE, long_one, strlen(long_one), "\"final\":true", 1);
    free(long_one);
    stop();
}

/* Without chunks: the events end where the connection does. */
static void clients_of_http_1_0_get_the_same_events(void **state)
{
    struct event_client client;
    (void)state;
    start(NULL);
    char *body = zeros_body(1000, 10, 7);
    event_client_post_1_0(&client, fixture.daemon.port, SIMPLE, body);
    assert_true(event_client_head(&client));
    assert_int_equal(client.status, 200);
    assert_false(client.chunked);
    assert_int_equal(read_rest(&client, 0), 1000);
    event_client_close(&client);
    free(body);
    stop();
}

static void the_connection_serves_on_after_a_stream(void **state)
{
    struct http_response response;
    (void)state;
    start(NULL);
    char *body = zeros_body(1000, 10, 100);
    for (int i = 0; i < 4; i++) {
        const char *path = i % 2 == 0 ? SIMPLE : "/v2/models/simple/versions/1/infer_stream";
        assert_true(http_post(&fixture.client, path, body, strlen(body), &response));
        assert_int_equal(response.status, 200);
        assert_non_null(strstr(response.body, "\"first_step\":900,\"final\":true"));
        http_response_fini(&response);
    }
    free(body);
    stop();
}

/* ---- early ---- */

static void events_come_while_the_rest_is_computed(void **state)
{
    struct event_client client;
    size_t all;
    bool final;
    (void)state;
    start(NULL);
    char *body = slow_body(1, &all);
    const double before = metric(SUCCESS("slow"));
    open_stream(&client, SLOW, "", body);
    const size_t steps = read_steps(&client, 0, &final);
    assert_false(final);
    assert_true(metric(SUCCESS("slow")) == before); /* and not computed to its end */
    assert_true(metric(PENDING("slow")) == 1);
    assert_int_equal(read_rest(&client, steps), all);
    wait_for_metric(SUCCESS("slow"), before + 1);
    event_client_close(&client);
    free(body);
    expect_nothing_held();
    stop();
}

/* ---- readers ---- */

enum { MANY_STEPS = 300000 }; /* of simple: some 25 MB of events */

static double steps_until_it_pauses(void)
{
    double steps = -1;
    for (int same = 0; same < 5; usleep(50000)) {
        const double now = metric(STEPS("simple"));
        same = now == steps && now > 0 ? same + 1 : 0;
        steps = now;
    }
    return steps;
}

static void the_job_waits_for_a_slow_reader(void **state)
{
    struct event_client client;
    (void)state;
    start(NULL);
    char *body = zeros_body(MANY_STEPS, 10, 100);
    event_client_post(&client, fixture.daemon.port, SIMPLE, "", body);
    assert_true(steps_until_it_pauses() < MANY_STEPS);
    assert_true(metric(PENDING("simple")) == 1);
    assert_true(event_client_head(&client));
    assert_int_equal(read_rest(&client, 0), MANY_STEPS);
    assert_true(metric(STEPS("simple")) == MANY_STEPS);
    event_client_close(&client);
    free(body);
    expect_nothing_held();
    stop();
}

static void one_that_reads_nothing_is_cut(void **state)
{
    static const char *const arguments[] = {"--reply-timeout-ms", "1000", "--min-rate-bytes",
                                            "1000000000", NULL};
    struct event_client client;
    (void)state;
    start(arguments);
    char *body = zeros_body(MANY_STEPS, 10, 100);
    event_client_post(&client, fixture.daemon.port, SIMPLE, "", body);
    wait_for_metric(FAILED("simple", "CANCELED"), 1);
    assert_true(metric(STEPS("simple")) < MANY_STEPS);
    wait_for_metric(PENDING("simple"), 0);
    expect_nothing_held();
    event_client_close(&client);
    free(body);
    stop();
}

static void with_a_client_that_leaves_goes_its_work(void **state)
{
    struct event_client client;
    size_t steps;
    bool final;
    (void)state;
    start(NULL);
    char *body = slow_body(10, &steps);
    const double before = metric(STEPS("slow"));
    open_stream(&client, SLOW, "", body);
    read_steps(&client, 0, &final);
    event_client_close(&client);
    wait_for_metric(FAILED("slow", "CANCELED"), 1);
    wait_for_metric(PENDING("slow"), 0);
    assert_true(metric(STEPS("slow")) - before < (double)steps);
    expect_nothing_held();
    free(body);
    stop();
}

/* Who has sent all of it and is gone: of some the library tells no more than that they are over. */
static void reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(fd);
}

/* At once, since it is then that the library finds the connection broken. */
static void wait_at_once(const char *series, double wanted)
{
    for (int tries = 0; metric(series) != wanted; tries++)
        assert_true(tries < PATIENCE);
}

static void bug_466_what_is_given_up_for_a_client_that_resets_is_counted(void **state)
{
    enum { TIMES = 300 };
    static const char *const paths[] = {SLOW_MODEL_PATH, SLOW};
    size_t steps;
    (void)state;
    start(NULL);
    char *streamed = slow_body(10, &steps), *plain = slow_model_body(steps);
    for (int i = 0; i < TIMES; i++) {
        const int fd = raw_connect(fixture.daemon.port);
        assert_true(raw_post(fd, paths[i % 2], i % 2 == 0 ? plain : streamed));
        wait_at_once(PENDING("slow"), 1);
        reset(fd);
        wait_at_once(PENDING("slow"), 0);
    }
    wait_for_metric(FAILED("slow", "CANCELED"), TIMES);
    expect_nothing_held();
    free(streamed);
    free(plain);
    stop();
}

/* Clients by the dozen that read some events and leave, at any moment. */
static void leaving_at_any_moment_does_no_harm(void **state)
{
    struct random random = {3};
    (void)state;
    start(NULL);
    char *body = zeros_body(400, 10, 1);
    for (int i = 0; i < 100; i++) {
        struct event_client client;
        bool final = false;
        event_client_post(&client, fixture.daemon.port, SIMPLE, "", body);
        const size_t events = random_size(&random, 0, 300);
        if (events > 0)
            assert_true(event_client_head(&client));
        for (size_t steps = 0; steps < events;)
            steps += read_steps(&client, steps, &final);
        event_client_close(&client);
    }
    free(body);
    wait_for_metric(PENDING("simple"), 0);
    expect_nothing_held();
    stop();
}

/* ---- time ---- */

static void expect_error_event(struct event_client *client, const char *data)
{
    struct event event;
    enum event_got got;
    while ((got = event_client_next(client, &event)) == EVENT && strcmp(event.name, "message") == 0)
        event_fini(&event);
    assert_int_equal(got, EVENT);
    assert_string_equal(event.name, "error");
    assert_string_equal(event.data, data);
    event_fini(&event);
    assert_int_equal(event_client_next(client, &event), EVENTS_END);
}

static void the_deadline_ends_a_stream_with_an_event(void **state)
{
    struct event_client client;
    size_t steps;
    bool final;
    (void)state;
    start(NULL);
    char *body = slow_body(20, &steps);
    open_stream(&client, SLOW, "X-Request-Timeout-Ms: 2500\r\n", body);
    read_steps(&client, 0, &final);
    expect_error_event(&client, "{\"error\":\"Request timeout expired\",\"status\":504}");
    event_client_close(&client);
    wait_for_metric(FAILED("slow", "TIMEOUT"), 1); /* counted after its event was sent */
    free(body);
    expect_nothing_held();
    stop();
}

/* ---- sequences ---- */

#define PIECE(parameters)                                                                          \
    "{\"parameters\":{\"stream_steps\":1,\"sequence_id\":5" parameters                             \
    "},\"outputs\":[{\"name\":\"output\"}]," INPUT("[2,1,10]", "[" TEN "," TEN "]") "}"

static void take_piece(const char *path, const char *body, struct http_response *response)
{
    assert_true(http_post(&fixture.client, path, body, strlen(body), response));
    assert_int_equal(response->status, 200);
}

/* What the last event says must be what the plain door says in the same place of a sequence. */
static void sequences_go_on_through_streams(void **state)
{
    struct http_response streamed, plain;
    struct event_client client;
    bool final;
    (void)state;
    start(NULL);
    take_piece(SIMPLE, PIECE(",\"sequence_start\":true"), &streamed);
    http_response_fini(&streamed);
    char *left = zeros_body(MANY_STEPS, 10, 100), *at = strstr(left, "100}");
    memmove(at + strlen("100,\"sequence_id\":5"), at + strlen("100"),
            strlen(at + strlen("100")) + 1);
    memcpy(at, "100,\"sequence_id\":5", strlen("100,\"sequence_id\":5"));
    open_stream(&client, SIMPLE, "", left); /* given up: it changes nothing */
    read_steps(&client, 0, &final);
    event_client_close(&client);
    free(left);
    take_piece(SIMPLE, PIECE(",\"sequence_end\":true"), &streamed);
    assert_non_null(strstr(streamed.body, "\"steps\":3,\"first_step\":0,\"final\":false"));
    const char *last = strstr(streamed.body, "\"steps\":4,\"first_step\":1,\"final\":true");
    assert_non_null(last);
    take_piece("/v2/models/simple/infer", PIECE(",\"sequence_start\":true"), &plain);
    http_response_fini(&plain);
    take_piece("/v2/models/simple/infer", PIECE(""), &plain);
    const char *numbers = strstr(last, "\"data\":["); /* those of one step: the plain one's last */
    assert_non_null(numbers);
    numbers += strlen("\"data\":[");
    char step[256];
    snprintf(step, sizeof step, "%.*s", (int)strcspn(numbers, "\n"), numbers);
    assert_string_equal(plain.body + plain.body_size - strlen(step), step);
    http_response_fini(&streamed);
    http_response_fini(&plain);
    stop();
}

/* ---- the end ---- */

static void start_draining(const char *milliseconds)
{
    const char *const arguments[] = {"--drain-timeout-ms", milliseconds, NULL};
    start(arguments);
}

static void expect_to_have_stopped(void)
{
    assert_int_equal(program_wait(&fixture.daemon.program, PATIENCE), 0);
    stop();
}

static void what_was_begun_is_sent_to_its_end_before_it_stops(void **state)
{
    struct event_client client;
    size_t steps;
    bool final;
    (void)state;
    start_draining("60000");
    char *body = slow_body(0.7, &steps);
    open_stream(&client, SLOW, "", body);
    const size_t first = read_steps(&client, 0, &final);
    program_signal(&fixture.daemon.program, SIGTERM);
    assert_int_equal(read_rest(&client, first), steps);
    event_client_close(&client);
    free(body);
    expect_to_have_stopped();
}

static void what_takes_too_long_is_told_so_in_an_event(void **state)
{
    struct event_client client, asleep;
    size_t steps;
    bool final;
    (void)state;
    start_draining("100");
    char *body = slow_body(20, &steps);
    char *many = zeros_body(MANY_STEPS, 10, 100);
    open_stream(&client, SLOW, "", body);
    read_steps(&client, 0, &final);
    event_client_post(&asleep, fixture.daemon.port, SIMPLE, "", many);
    assert_true(event_client_head(&asleep));
    program_signal(&fixture.daemon.program, SIGTERM);
    expect_error_event(&client, "{\"error\":\"the server is shutting down\",\"status\":503}");
    expect_to_have_stopped(); /* the one that reads nothing does not hold it up */
    event_client_close(&client);
    event_client_close(&asleep);
    free(body);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_events_together_are_the_plain_answer),
        cmocka_unit_test(what_cannot_be_streamed_is_one_event_and_errors_have_their_status),
        cmocka_unit_test(other_forms_of_requests_are_streamed_too),
        cmocka_unit_test(clients_of_http_1_0_get_the_same_events),
        cmocka_unit_test(the_connection_serves_on_after_a_stream),
        cmocka_unit_test(events_come_while_the_rest_is_computed),
        cmocka_unit_test(the_job_waits_for_a_slow_reader),
        cmocka_unit_test(one_that_reads_nothing_is_cut),
        cmocka_unit_test(with_a_client_that_leaves_goes_its_work),
        cmocka_unit_test(bug_466_what_is_given_up_for_a_client_that_resets_is_counted),
        cmocka_unit_test(leaving_at_any_moment_does_no_harm),
        cmocka_unit_test(the_deadline_ends_a_stream_with_an_event),
        cmocka_unit_test(sequences_go_on_through_streams),
        cmocka_unit_test(what_was_begun_is_sent_to_its_end_before_it_stops),
        cmocka_unit_test(what_takes_too_long_is_told_so_in_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
