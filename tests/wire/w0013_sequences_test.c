/* Sequences whose state the server keeps: the same bits in pieces as in one, one request at a time
 * in the order they came, nothing changed by what fails, and from one server to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/exposition.h"
#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"
#include "tests/support/random.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

#define TINY_INPUT                                                                                 \
    "\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[0.5]}]"
#define STRICT "strict"

static struct fixture fixture;

/* A model with a golden case's weights and options of its own. */
static void add_model(const char *name, const char *golden, const char *options)
{
    char file[64], weights[128];
    snprintf(weights, sizeof weights, "tests/golden/torch/%s/model.safetensors", golden);
    snprintf(file, sizeof file, "%s.json", name);
    char *path = realpath(weights, NULL);
    if (path == NULL)
        die("%s is not there", weights);
    temp_dir_write(&fixture.dir, file, "{\"weights\":\"%s\",%s}", path, options);
    free(path);
}

static void start_with(const char *const *arguments)
{
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    fixture_add_golden(&fixture, "seed_simple");
    fixture_add_golden(&fixture, "seed_bidirectional");
    fixture_add_golden(&fixture, "no_bias");
    fixture_add_golden(&fixture, "deep_5");
    fixture_add_golden(&fixture, "wide_130");
    slow_model_add(&fixture);
    add_model(STRICT, "one_by_one", "\"strict_sequences\":true");
    add_model("by_rows", "seed_simple", "\"batch_first\":true");
    assert_true(fixture_start(&fixture, arguments, NULL));
}

static int start(void **state)
{
    (void)state;
    start_with(NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* ---- asking ---- */

static void send(const char *method, const char *path, const char *body,
                 struct http_response *response)
{
    assert_true(http_send(&fixture.client, method, path, body, body != NULL ? strlen(body) : 0,
                          NULL, response));
}

static void expect_answer(const char *method, const char *path, const char *body, const char *json)
{
    struct http_response response;
    send(method, path, body, &response);
    expect_json(&response, 200, json);
    http_response_fini(&response);
}

static void expect_refusal(const char *method, const char *path, const char *body, long status,
                           const char *fragment)
{
    struct http_response response;
    send(method, path, body, &response);
    expect_error(&response, status, fragment);
    http_response_fini(&response);
}

/* A request of one step to a model of one input. parameters: JSON members. */
static char *step_body(const char *parameters)
{
    char *body;
    if (asprintf(&body, "{\"parameters\":{%s}," TINY_INPUT "}", parameters) < 0)
        die("out of memory");
    return body;
}

static void expect_step_refused(const char *model, const char *parameters, long status,
                                const char *fragment)
{
    char path[64];
    char *body = step_body(parameters);
    snprintf(path, sizeof path, "/v2/models/%s/infer", model);
    expect_refusal("POST", path, body, status, fragment);
    free(body);
}

static struct infer_result step_of(const char *model, const char *parameters)
{
    struct infer_result result;
    char *body = step_body(parameters);
    assert_true(infer_post_text(&fixture.client, model, body, strlen(body), &result));
    free(body);
    return result;
}

/* Answered, as step `steps` of its sequence. */
static void step(const char *model, const char *parameters, uint64_t steps)
{
    struct infer_result result = step_of(model, parameters);
    assert_int_equal(result.steps, steps);
    infer_result_fini(&result);
}

/* ---- bits ---- */

struct sequence {
    struct golden_case golden;
    size_t steps;
    float *input; /* [T,B,I] or [B,T,I] */
};

static void sequence_init(struct sequence *sequence, const char *model, size_t steps,
                          struct random *random)
{
    const bool by_rows = strcmp(model, "by_rows") == 0;
    golden_case_open(&sequence->golden, by_rows ? "seed_simple" : model);
    sequence->golden.batch_first = by_rows;
    sequence->steps = steps;
    const size_t count = steps * sequence->golden.rows * sequence->golden.input_size;
    sequence->input = must_allocate(count * sizeof(float));
    random_floats(random, sequence->input, count, 2);
}

static void sequence_fini(struct sequence *sequence)
{
    golden_case_close(&sequence->golden);
    free(sequence->input);
}

/* Steps first to first + count, as input of a request. */
static void add_piece(struct infer_body *body, const struct sequence *sequence, size_t first,
                      size_t count)
{
    const struct golden_case *golden = &sequence->golden;
    const size_t rows = golden->rows, width = golden->input_size;
    const bool by_rows = golden->batch_first;
    float *piece = must_allocate((count * rows * width + 1) * sizeof(float));
    for (size_t t = 0; t < count; t++)
        for (size_t b = 0; b < rows; b++) {
            const size_t to = by_rows ? b * count + t : t * rows + b;
            const size_t from = by_rows ? b * sequence->steps + first + t : (first + t) * rows + b;
            memcpy(piece + to * width, sequence->input + from * width, width * sizeof(float));
        }
    const size_t shape[] = {by_rows ? rows : count, by_rows ? count : rows, width};
    infer_body_f32(body, "input", 3, shape, piece);
    free(piece);
}

static const float *numbers(const struct infer_result *result, const char *name)
{
    const struct infer_result_tensor *tensor = infer_result_find(result, name);
    assert_non_null(tensor);
    return tensor->values;
}

/* The piece's outputs are the whole's of those steps. */
static void compare_outputs(const struct sequence *sequence, const struct infer_result *whole,
                            const struct infer_result *piece, size_t first, size_t count)
{
    const struct golden_case *golden = &sequence->golden;
    const size_t rows = golden->rows, width = golden->output_size;
    const float *wanted = numbers(whole, "output"), *found = numbers(piece, "output");
    for (size_t t = 0; t < count; t++)
        for (size_t b = 0; b < rows; b++) {
            const size_t at = golden->batch_first ? b * count + t : t * rows + b;
            const size_t of =
                golden->batch_first ? b * sequence->steps + first + t : (first + t) * rows + b;
            assert_memory_equal(found + at * width, wanted + of * width, width * sizeof(float));
        }
}

static void compare_states(const struct golden_case *golden, const struct infer_result *a,
                           const struct infer_result *b)
{
    const size_t cells = golden->cells * golden->rows;
    assert_memory_equal(numbers(a, "h_n"), numbers(b, "h_n"),
                        cells * golden->h_size * sizeof(float));
    assert_memory_equal(numbers(a, "c_n"), numbers(b, "c_n"),
                        cells * golden->hidden_size * sizeof(float));
}

static void send_in_pieces(const struct sequence *sequence, const char *model,
                           const struct sequence_id *id, const struct infer_result *whole,
                           struct random *random)
{
    size_t first = 0;
    while (first < sequence->steps) {
        const size_t left = sequence->steps - first;
        const size_t count = random_size(random, first == 0 ? 1 : 0, left < 9 ? left : 9);
        struct infer_body body;
        struct infer_result result;
        infer_body_begin_sequence(&body, id, first == 0, count == left);
        add_piece(&body, sequence, first, count);
        assert_true(infer_post(&fixture.client, model, &body, &result));
        assert_true(sequence_id_equal(&result.sequence_id, id));
        assert_int_equal(result.steps, first + count);
        compare_outputs(sequence, whole, &result, first, count);
        if (count == left)
            compare_states(&sequence->golden, whole, &result);
        infer_result_fini(&result);
        first += count;
    }
}

static void a_sequence_in_pieces_has_the_bits_of_the_whole(void **state)
{
    static const char *const models[] = {"seed_simple", "by_rows", "no_bias", "deep_5", "wide_130"};
    struct random random = {.state = 13};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct sequence sequence;
        struct infer_body body;
        struct infer_result whole;
        sequence_init(&sequence, models[i], 60, &random);
        infer_body_begin(&body, NULL);
        add_piece(&body, &sequence, 0, 60);
        assert_true(infer_post(&fixture.client, models[i], &body, &whole));
        for (uint64_t round = 1; round <= 4; round++) {
            const struct sequence_id id = sequence_id_of_number(round);
            send_in_pieces(&sequence, models[i], &id, &whole, &random);
        }
        infer_result_fini(&whole);
        sequence_fini(&sequence);
    }
}

/* ---- ids, start and end ---- */

static void ids_are_numbers_and_texts(void **state)
{
    static const char *const ids[] = {
        "7", "\"7\"", "18446744073709551615", "\"\\u00e9/ %?#\"", "9007199254740993", "\"true\""};
    (void)state;
    for (size_t round = 1; round <= 2; round++)
        for (size_t i = 0; i < 6; i++) {
            char parameters[128];
            snprintf(parameters, sizeof parameters, "\"sequence_id\":%s,\"sequence_start\":%s",
                     ids[i], round == 1 ? "true" : "false");
            step("tiny", parameters, round);
        }
}

static void the_server_makes_an_id_that_is_missing(void **state)
{
    static const char *const starts[] = {"\"sequence_start\":true",
                                         "\"sequence_start\":true,\"sequence_id\":0",
                                         "\"sequence_start\":true,\"sequence_id\":\"\""};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char parameters[64];
        struct infer_result result = step_of("tiny", starts[i]);
        assert_int_equal(result.sequence_id.kind, SEQUENCE_ID_NUMBER);
        assert_in_range(result.sequence_id.number, 1, (UINT64_C(1) << 53) - 1);
        snprintf(parameters, sizeof parameters, "\"sequence_id\":%ju",
                 (uintmax_t)result.sequence_id.number);
        step("tiny", parameters, 2);
        infer_result_fini(&result);
    }
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    step("tiny", "\"sequence_id\":7,\"sequence_start\":true", 1);
    expect_step_refused("tiny", "\"sequence_id\":8", 404, "sequence 8 to model 'tiny' must");
    expect_step_refused("tiny", "\"sequence_id\":\"7\"", 404, "sequence '7'");
    expect_step_refused("tiny", "\"sequence_end\":true", 400, "correlation ID");
    expect_step_refused("tiny", "\"sequence_id\":-1", 400, "sequence_id");
    expect_step_refused("tiny", "\"sequence_id\":18446744073709551616", 400, "sequence_id");
    expect_step_refused("tiny", "\"sequence_id\":\"a\\u0007\"", 400, "sequence_id");
    expect_refusal("POST", "/v2/models/tiny/infer",
                   "{\"parameters\":{\"sequence_id\":7},\"inputs\":[{\"name\":\"input\","
                   "\"shape\":[1,2,1],\"datatype\":\"FP32\",\"data\":[1,2]}]}",
                   400, "1 rows expected as before, got 2");
    expect_refusal("POST", "/v2/models/tiny/infer",
                   "{\"parameters\":{\"sequence_id\":7},\"inputs\":[{\"name\":\"input\","
                   "\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[1]},{\"name\":\"h_0\","
                   "\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[1]}]}",
                   400, "sequence_start");
    step("tiny", "\"sequence_id\":7", 2);
}

static void bidirectional_models_keep_none(void **state)
{
    char body[512] = "{\"parameters\":{\"sequence_start\":true},\"inputs\":[{\"name\":\"input\","
                     "\"shape\":[1,1,10],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,6,7,8,9,0]}]}";
    (void)state;
    expect_refusal("POST", "/v2/models/seed_bidirectional/infer", body, 400, "is not causal");
    expect_answer("GET", "/v2/models/seed_bidirectional/sequences", NULL,
                  "{\"sequences\":[],\"more\":false}");
}

static void a_start_may_bring_states(void **state)
{
    static const char inputs[] =
        "\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[0.5]},"
        "{\"name\":\"h_0\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[0.25]},"
        "{\"name\":\"c_0\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[-1]}]}";
    char plain[512], starting[512];
    struct infer_result wanted, found;
    (void)state;
    snprintf(plain, sizeof plain, "{%s", inputs);
    snprintf(starting, sizeof starting,
             "{\"parameters\":{\"sequence_id\":7,\"sequence_start\":true},%s", inputs);
    assert_true(infer_post_text(&fixture.client, "tiny", plain, strlen(plain), &wanted));
    assert_true(infer_post_text(&fixture.client, "tiny", starting, strlen(starting), &found));
    assert_true(numbers(&wanted, "c_n")[0] == numbers(&found, "c_n")[0]);
    infer_result_fini(&wanted);
    infer_result_fini(&found);
}

static void a_start_begins_anew_and_an_end_ends(void **state)
{
    (void)state;
    step("tiny", "\"sequence_id\":7,\"sequence_start\":true", 1);
    step("tiny", "\"sequence_id\":7", 2);
    step("tiny", "\"sequence_id\":7,\"sequence_start\":true", 1);
    step("tiny", "\"sequence_id\":7,\"sequence_end\":true", 2);
    expect_step_refused("tiny", "\"sequence_id\":7", 404, "START");
    step("tiny", "\"sequence_id\":7,\"sequence_start\":true,\"sequence_end\":true", 1);
    expect_step_refused("tiny", "\"sequence_id\":7", 404, "START");
}

static void an_end_may_bring_no_steps(void **state)
{
    struct infer_result result;
    static const char body[] =
        "{\"parameters\":{\"sequence_id\":7,\"sequence_end\":true},\"inputs\":[{\"name\":"
        "\"input\",\"shape\":[0,1,1],\"datatype\":\"FP32\",\"data\":[]}]}";
    (void)state;
    struct infer_result last = step_of("tiny", "\"sequence_id\":7,\"sequence_start\":true");
    assert_true(infer_post_text(&fixture.client, "tiny", body, strlen(body), &result));
    assert_int_equal(result.steps, 1);
    assert_true(numbers(&result, "h_n")[0] == numbers(&last, "h_n")[0]);
    infer_result_fini(&last);
    infer_result_fini(&result);
    expect_step_refused("tiny", "\"sequence_id\":7", 404, "START");
}

static void a_strict_model_refuses_to_begin_anew(void **state)
{
    (void)state;
    step(STRICT, "\"sequence_id\":7,\"sequence_start\":true", 1);
    expect_step_refused(STRICT, "\"sequence_id\":7,\"sequence_start\":true", 409, "is alive");
    step(STRICT, "\"sequence_id\":7,\"sequence_end\":true", 2);
    step(STRICT, "\"sequence_id\":7,\"sequence_start\":true", 1);
}

/* Numbers are looked at when it is the request's turn. */
static void a_request_that_fails_changes_nothing(void **state)
{
    static const char bad[] =
        "{\"parameters\":{\"sequence_id\":7%s},\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],"
        "\"datatype\":\"FP32\",\"data\":[0.5]},{\"name\":\"lengths\",\"shape\":[1],\"datatype\":"
        "\"INT64\",\"data\":[2]}]}";
    char body[512];
    (void)state;
    snprintf(body, sizeof body, bad, ",\"sequence_start\":true");
    expect_refusal("POST", "/v2/models/tiny/infer", body, 400, "lengths");
    expect_step_refused("tiny", "\"sequence_id\":7", 404, "START");
    struct infer_result first = step_of("tiny", "\"sequence_id\":7,\"sequence_start\":true");
    struct infer_result second = step_of("tiny", "\"sequence_id\":7");
    snprintf(body, sizeof body, bad, ",\"sequence_start\":true");
    expect_refusal("POST", "/v2/models/tiny/infer", body, 400, "lengths");
    snprintf(body, sizeof body, bad, ",\"sequence_end\":true");
    expect_refusal("POST", "/v2/models/tiny/infer", body, 400, "lengths");
    struct infer_result third = step_of("tiny", "\"sequence_id\":7");
    assert_int_equal(third.steps, 3);
    infer_result_fini(&first);
    infer_result_fini(&second);
    infer_result_fini(&third);
}

/* ---- turns ---- */

/* What the list says of the slow model's only sequence; 0 when there is none. */
static size_t listed(const char *key)
{
    struct http_response response;
    send("GET", "/v2/models/slow/sequences", NULL, &response);
    cJSON *list = cJSON_Parse(response.body);
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(list, "sequences"), 0);
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(first, key);
    const size_t number = value != NULL ? (size_t)value->valuedouble : 0;
    cJSON_Delete(list);
    http_response_fini(&response);
    return number;
}

static void wait_listed(const char *key, size_t wanted)
{
    while (listed(key) != wanted)
        usleep(1000);
}

struct poster {
    pthread_t thread;
    struct http_client client;
    char *body;
    struct http_response response;
};

static void *post_slow(void *argument)
{
    struct poster *poster = argument;
    if (!http_post(&poster->client, "/v2/models/slow/infer", poster->body, strlen(poster->body),
                   &poster->response))
        die("no answer");
    return NULL;
}

static char *slow_step_body(const char *parameters, size_t steps)
{
    char *body = slow_model_body(steps), *whole;
    if (asprintf(&whole, "{\"parameters\":{\"sequence_id\":7%s},%s", parameters, body + 1) < 0)
        die("out of memory");
    free(body);
    return whole;
}

/* On a connection of its own. */
static void poster_start(struct poster *poster, const char *parameters, size_t steps)
{
    poster->body = slow_step_body(parameters, steps);
    http_client_init(&poster->client, fixture.daemon.port);
    if (pthread_create(&poster->thread, NULL, post_slow, poster) != 0)
        die("no thread");
}

static void poster_wait(struct poster *poster)
{
    pthread_join(poster->thread, NULL);
    http_client_fini(&poster->client);
    free(poster->body);
}

static uint64_t answered_steps(const struct poster *poster)
{
    struct infer_result result;
    struct fault fault;
    assert_int_equal(poster->response.status, 200);
    assert_true(
        infer_result_parse(&result, poster->response.body, poster->response.body_size, &fault));
    const uint64_t steps = result.steps;
    infer_result_fini(&result);
    return steps;
}

/* The slow model's sequence 7 is alive, one step old, and a request of it runs for a while. */
static void keep_busy(struct poster *poster)
{
    char *body = slow_step_body(",\"sequence_start\":true", 1);
    struct infer_result result;
    assert_true(infer_post_text(&fixture.client, "slow", body, strlen(body), &result));
    infer_result_fini(&result);
    free(body);
    poster_start(poster, "", slow_model_steps(&fixture, 1));
    wait_listed("requests", 1);
}

static void requests_of_all_connections_keep_their_order(void **state)
{
    enum { COUNT = 8 };
    struct poster first, posters[COUNT];
    (void)state;
    keep_busy(&first);
    for (size_t i = 0; i < COUNT; i++) {
        poster_start(&posters[i], "", i + 1);
        wait_listed("requests", i + 2);
    }
    poster_wait(&first);
    uint64_t steps = answered_steps(&first);
    http_response_fini(&first.response);
    for (size_t i = 0; i < COUNT; i++) {
        poster_wait(&posters[i]);
        steps += i + 1;
        assert_int_equal(answered_steps(&posters[i]), steps);
        http_response_fini(&posters[i].response);
    }
}

static void other_sequences_do_not_wait(void **state)
{
    struct poster busy;
    (void)state;
    keep_busy(&busy);
    step("slow", "\"sequence_id\":8,\"sequence_start\":true", 1);
    assert_int_equal(listed("requests"), 1);
    poster_wait(&busy);
    http_response_fini(&busy.response);
}

static void one_with_requests_is_not_handled(void **state)
{
    static const char path[] = "/v2/models/slow/sequences/7";
    struct http_response exported, response;
    struct poster busy;
    (void)state;
    keep_busy(&busy);
    expect_refusal("GET", path, NULL, 409, "running or waiting");
    expect_refusal("DELETE", path, NULL, 409, "running or waiting");
    poster_wait(&busy);
    http_response_fini(&busy.response);
    send("GET", path, NULL, &exported);
    assert_int_equal(exported.status, 200);
    keep_busy(&busy);
    expect_refusal("PUT", path, exported.body, 409, "running or waiting");
    poster_wait(&busy);
    http_response_fini(&busy.response);
    send("PUT", path, exported.body, &response);
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
    http_response_fini(&exported);
}

static void one_that_waits_may_leave(void **state)
{
    struct poster busy, last;
    char *body = slow_step_body("", 5);
    (void)state;
    keep_busy(&busy);
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(fd >= 0);
    assert_true(raw_post(fd, "/v2/models/slow/infer", body));
    wait_listed("requests", 2);
    poster_start(&last, "", 3);
    wait_listed("requests", 3);
    close(fd);
    wait_listed("requests", 2);
    poster_wait(&busy);
    poster_wait(&last);
    assert_int_equal(answered_steps(&last), answered_steps(&busy) + 3);
    http_response_fini(&busy.response);
    http_response_fini(&last.response);
    free(body);
}

static void one_that_waits_too_long_is_late(void **state)
{
    struct poster busy, late;
    (void)state;
    keep_busy(&busy);
    poster_start(&late, ",\"timeout\":1000", 5);
    poster_wait(&late);
    expect_error(&late.response, 504, "timeout");
    http_response_fini(&late.response);
    poster_wait(&busy);
    const uint64_t before = answered_steps(&busy);
    http_response_fini(&busy.response);
    poster_start(&late, "", 1);
    poster_wait(&late);
    assert_int_equal(answered_steps(&late), before + 1);
    http_response_fini(&late.response);
}

/* ---- many at once ---- */

enum { THREADS = 8, SEQUENCES = 5, ROUNDS = 150 };

static atomic_uint seen[SEQUENCES + 1][THREADS * ROUNDS + 2]; /* answered as that step */

struct crowd {
    pthread_t thread;
    struct http_client client;
    struct random random;
};

static void *join_crowd(void *argument)
{
    struct crowd *member = argument;
    for (size_t i = 0; i < ROUNDS; i++) {
        const size_t number = random_size(&member->random, 1, SEQUENCES);
        struct infer_result result;
        char body[256];
        const int size = snprintf(body, sizeof body,
                                  "{\"parameters\":{\"sequence_id\":%zu}," TINY_INPUT "}", number);
        if (!infer_post_text(&member->client, "tiny", body, (size_t)size, &result))
            die("no answer");
        atomic_fetch_add(&seen[number][result.steps], 1);
        infer_result_fini(&result);
    }
    return NULL;
}

/* Each step is answered once, and none is left out. */
static void steps_of_many_connections_are_each_done_once(void **state)
{
    struct crowd crowd[THREADS];
    size_t total = 0;
    (void)state;
    for (size_t i = 1; i <= SEQUENCES; i++) {
        char parameters[64];
        snprintf(parameters, sizeof parameters, "\"sequence_id\":%zu,\"sequence_start\":true", i);
        step("tiny", parameters, 1);
    }
    for (size_t i = 0; i < THREADS; i++) {
        crowd[i].random = (struct random){.state = i + 1};
        http_client_init(&crowd[i].client, fixture.daemon.port);
        if (pthread_create(&crowd[i].thread, NULL, join_crowd, &crowd[i]) != 0)
            die("no thread");
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(crowd[i].thread, NULL);
        http_client_fini(&crowd[i].client);
    }
    for (size_t i = 1; i <= SEQUENCES; i++) {
        size_t steps = 2;
        for (; atomic_load(&seen[i][steps]) == 1; steps++)
            total++;
        assert_int_equal(atomic_load(&seen[i][steps]), 0);
    }
    assert_int_equal(total, THREADS * ROUNDS);
}

/* ---- list, export, import, drop ---- */

static void the_list_comes_in_pages(void **state)
{
    struct http_response response;
    static const char *const ids[] = {"1", "22", "\"22\"", "\"a/b\""};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char parameters[64];
        snprintf(parameters, sizeof parameters, "\"sequence_id\":%s,\"sequence_start\":true",
                 ids[3 - i]);
        step("tiny", parameters, 1);
    }
    static const struct {
        const char *query, *ids[4];
        bool more;
    } pages[] = {
        {"", {"1", "22", "\"22\"", "\"a/b\""}, false},
        {"?limit=2", {"1", "22"}, true},
        {"?limit=2&limit=1", {"1", "22"}, true},
        {"?limit=2&after=22", {"\"22\"", "\"a/b\""}, false},
        {"?after=%2222%22", {"\"a/b\""}, false},
        {"?after=2", {"22", "\"22\"", "\"a/b\""}, false},
        {"?after=a%2Fb", {NULL}, false},
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        char path[96];
        snprintf(path, sizeof path, "/v2/models/tiny/sequences%s", pages[i].query);
        send("GET", path, NULL, &response);
        cJSON *page = cJSON_Parse(response.body);
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(page, "sequences");
        int count = 0;
        for (; count < 4 && pages[i].ids[count] != NULL; count++) {
            char *id = cJSON_PrintUnformatted(
                cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, count), "sequence_id"));
            assert_non_null(id);
            assert_string_equal(id, pages[i].ids[count]);
            free(id);
        }
        assert_int_equal(cJSON_GetArraySize(list), count);
        assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(page, "more")),
                         pages[i].more);
        cJSON_Delete(page);
        http_response_fini(&response);
    }
    expect_refusal("GET", "/v2/models/tiny/sequences?limit=0", NULL, 400, "limit");
    expect_refusal("GET", "/v2/models/tiny/sequences?limit=1001", NULL, 400, "limit");
    expect_refusal("GET", "/v2/models/tiny/sequences?limit=x", NULL, 400, "limit");
    expect_refusal("GET", "/v2/models/tiny/sequences?after=%zz", NULL, 400, "after");
    expect_refusal("GET", "/v2/models/other/sequences", NULL, 404, "other");
}

/* As forms and Python's requests write it. The id behind it lies between those with a space and
 * with a plus. */
static void bug_572_a_plus_in_a_query_is_a_space(void **state)
{
    struct http_response response;
    (void)state;
    step("tiny", "\"sequence_id\":\"a$\",\"sequence_start\":true", 1);
    send("GET", "/v2/models/tiny/sequences?after=a+b", NULL, &response);
    assert_non_null(strstr(response.body, "\"sequence_id\":\"a$\""));
    http_response_fini(&response);
    send("GET", "/v2/models/tiny/sequences?after=a%2Bb", NULL, &response);
    assert_null(strstr(response.body, "\"sequence_id\":\"a$\""));
    http_response_fini(&response);
}

/* The exported object, without its id. */
static char *without_id(const char *json)
{
    cJSON *object = cJSON_Parse(json);
    assert_non_null(object);
    const char *id = strstr(json, "\"sequence_id\":"), *rest = strchr(id, ',') + 1;
    char *text;
    if (asprintf(&text, "%.*s%s", (int)(id - json), json, rest) < 0)
        die("out of memory");
    cJSON_Delete(object);
    return text;
}

static void ask_piece(const struct sequence *sequence, const struct sequence_id *id, bool begin,
                      size_t first, size_t count, struct infer_result *result)
{
    struct infer_body body;
    infer_body_begin_sequence(&body, id, begin, false);
    add_piece(&body, sequence, first, count);
    assert_true(infer_post(&fixture.client, "deep_5", &body, result));
}

/* What is exported and imported goes on with the bits of the original; so does a request that is
 * sent the exported inputs. */
static void an_export_is_the_state_bit_for_bit(void **state)
{
    struct random random = {.state = 3};
    struct sequence sequence;
    struct infer_result first, original, copy;
    struct http_response exported, again;
    const struct sequence_id id = sequence_id_of_number(7);
    struct sequence_id other;
    (void)state;
    sequence_init(&sequence, "deep_5", 20, &random);
    assert_true(sequence_id_of_text("7", &other));
    ask_piece(&sequence, &id, true, 0, 11, &first);
    send("GET", "/v2/models/deep_5/sequences/7", NULL, &exported);
    assert_int_equal(exported.status, 200);
    char *import = without_id(exported.body);
    send("PUT", "/v2/models/deep_5/sequences/%227%22", import, &again);
    assert_int_equal(again.status, 200);
    http_response_fini(&again);
    ask_piece(&sequence, &id, false, 11, 9, &original);
    ask_piece(&sequence, &other, false, 11, 9, &copy);
    assert_int_equal(copy.steps, 20);
    compare_states(&sequence.golden, &original, &copy);

    /* Back into the original's place, under its own id. */
    expect_answer("PUT", "/v2/models/deep_5/sequences/7", exported.body,
                  "{\"model_name\":\"deep_5\",\"sequence_id\":7,\"rows\":2,\"steps\":11}");
    send("GET", "/v2/models/deep_5/sequences/7", NULL, &again);
    assert_string_equal(again.body, exported.body);

    infer_result_fini(&first);
    infer_result_fini(&original);
    infer_result_fini(&copy);
    http_response_fini(&exported);
    http_response_fini(&again);
    sequence_fini(&sequence);
    free(import);
}

static void exported_inputs_can_be_sent_as_they_are(void **state)
{
    struct http_response exported;
    struct infer_result wanted, found;
    char *body;
    (void)state;
    step("tiny", "\"sequence_id\":7,\"sequence_start\":true", 1);
    send("GET", "/v2/models/tiny/sequences/7", NULL, &exported);
    const char *inputs = strstr(exported.body, "\"inputs\":[");
    assert_non_null(inputs);
    if (asprintf(&body,
                 "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\","
                 "\"data\":[0.5]},%s",
                 inputs + strlen("\"inputs\":[")) < 0)
        die("out of memory");
    assert_true(infer_post_text(&fixture.client, "tiny", body, strlen(body), &found));
    wanted = step_of("tiny", "\"sequence_id\":7");
    assert_true(numbers(&wanted, "h_n")[0] == numbers(&found, "h_n")[0]);
    assert_true(numbers(&wanted, "c_n")[0] == numbers(&found, "c_n")[0]);
    infer_result_fini(&wanted);
    infer_result_fini(&found);
    http_response_fini(&exported);
    free(body);
}

#define STATE(name, shape, data)                                                                   \
    "{\"name\":\"" name "\",\"datatype\":\"FP32\",\"shape\":" shape ",\"data\":" data "}"
#define GOOD_STATES STATE("h_0", "[1,1,1]", "[1]") "," STATE("c_0", "[1,1,1]", "[2]")

static void bad_imports_are_refused(void **state)
{
    static const char path[] = "/v2/models/tiny/sequences/7";
    static const struct {
        const char *body, *fragment;
    } cases[] = {
        {"", "body"},
        {"[]", "object"},
        {"{}", "inputs"},
        {"{\"inputs\":[" STATE("h_0", "[1,1,1]", "[1]") "]}", "c_0 is missing"},
        {"{\"inputs\":[" GOOD_STATES "," STATE("input", "[1,1,1]", "[1]") "]}", "only"},
        {"{\"inputs\":[" STATE("h_0", "[1,1,1]", "[1]") "," STATE("c_0", "[1,2,1]", "[1,2]") "]}",
         "c_0: shape [1,1,1] expected, got "},
        {"{\"inputs\":[" STATE("h_0", "[1,1,1]", "[1]") "," STATE("c_0", "[1,1,1]", "[1,2]") "]}",
         "c_0"},
        {"{\"rows\":2,\"inputs\":[" GOOD_STATES "]}", "shape"},
        {"{\"sequence_id\":8,\"inputs\":[" GOOD_STATES "]}", "7 expected"},
        {"{\"model_name\":\"other\",\"inputs\":[" GOOD_STATES "]}", "model_name"},
        {"{\"steps\":-1,\"inputs\":[" GOOD_STATES "]}", "whole number"},
        {"{\"steps\":1,\"steps\":2,\"inputs\":[" GOOD_STATES "]}", "twice"},
        {"{\"memory\":{\"data\":[1]},\"inputs\":[" GOOD_STATES "]}", "memory"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal("PUT", path, cases[i].body, 400, cases[i].fragment);
    expect_refusal("GET", path, NULL, 404, "has no sequence 7");
    expect_refusal("PUT", "/v2/models/tiny/sequences/0", "{\"inputs\":[" GOOD_STATES "]}", 400,
                   "above 0");
    expect_refusal("PUT", "/v2/models/other/sequences/7", "{\"inputs\":[" GOOD_STATES "]}", 404,
                   "other");
    expect_answer("PUT", path, "{\"inputs\":[" GOOD_STATES "]}",
                  "{\"model_name\":\"tiny\",\"sequence_id\":7,\"rows\":1,\"steps\":0}");
}

/* Two steps more than an import might say, and the export was refused as an import. */
static void bug_577_what_is_exported_can_be_imported(void **state)
{
    static const char path[] = "/v2/models/tiny/sequences/7";
    struct http_response exported, again;
    (void)state;
    expect_refusal("PUT", path, "{\"steps\":9007199254740992,\"inputs\":[" GOOD_STATES "]}", 400,
                   "steps: less than 2^53 is wanted");
    expect_answer("PUT", path, "{\"steps\":9007199254740990,\"inputs\":[" GOOD_STATES "]}",
                  "{\"model_name\":\"tiny\",\"sequence_id\":7,\"rows\":1,"
                  "\"steps\":9007199254740990}");
    step("tiny", "\"sequence_id\":7", 9007199254740991);
    step("tiny", "\"sequence_id\":7", 9007199254740991);
    send("GET", path, NULL, &exported);
    assert_non_null(strstr(exported.body, "\"steps\":9007199254740991,"));
    send("PUT", path, exported.body, &again);
    assert_int_equal(again.status, 200);
    http_response_fini(&exported);
    http_response_fini(&again);
}

static void one_can_be_dropped(void **state)
{
    static const char path[] = "/v2/models/tiny/sequences/7";
    struct http_response response;
    char allow[64] = "";
    (void)state;
    step("tiny", "\"sequence_id\":7,\"sequence_start\":true", 1);
    expect_answer("DELETE", path, NULL, "{}");
    expect_refusal("DELETE", path, NULL, 404, "has no sequence 7");
    expect_step_refused("tiny", "\"sequence_id\":7", 404, "START");
    send("POST", path, "{}", &response);
    expect_error(&response, 405, "Method");
    assert_true(http_header(&response, "Allow", allow, sizeof allow));
    assert_string_equal(allow, "GET, HEAD, PUT, DELETE");
    http_response_fini(&response);
}

/* ---- limits ---- */

static double metric(const char *series)
{
    struct http_response response;
    double value = -1;
    send("GET", "/metrics", NULL, &response);
    assert_true(exposition_value(response.body, series, &value));
    http_response_fini(&response);
    return value;
}

static void a_full_table_refuses_to_start_more(void **state)
{
    static const char *const few[] = {"--sequence-limit", "2", NULL};
    (void)state;
    start_with(few);
    step("tiny", "\"sequence_id\":1,\"sequence_start\":true", 1);
    step("slow", "\"sequence_id\":1,\"sequence_start\":true", 1);
    expect_step_refused("tiny", "\"sequence_id\":2,\"sequence_start\":true", 503, "sequence_limit");
    step("tiny", "\"sequence_id\":1", 2);
    step("slow", "\"sequence_id\":1,\"sequence_start\":true", 1);
    step("slow", "\"sequence_id\":1,\"sequence_end\":true", 2);
    step("tiny", "\"sequence_id\":2,\"sequence_start\":true", 1);
    assert_true(metric("lstmd_sequences_rejected_total") == 1);
    assert_true(metric("lstmd_sequences_alive") == 2);
    assert_int_equal(fixture_stop(&fixture), 0);
}

static void idle_ones_leave(void **state)
{
    static const char *const soon[] = {"--sequence-idle-timeout-ms", "1", NULL};
    (void)state;
    start_with(soon);
    step("tiny", "\"sequence_id\":1,\"sequence_start\":true", 1);
    while (metric("lstmd_sequences_alive") != 0)
        usleep(1000);
    assert_true(metric("lstmd_sequences_evicted_total") == 1);
    assert_true(metric("lstmd_sequences_bytes") == 0);
    expect_step_refused("tiny", "\"sequence_id\":1", 404, "START");
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- from one run to the next ---- */

/* Stops the daemon of the fixture and starts another on the same folder. */
static void restart(const char *const *arguments)
{
    const char *all[8] = {"--models", fixture.dir.path};
    for (size_t i = 0; arguments[i] != NULL; i++)
        all[i + 2] = arguments[i];
    assert_int_equal(daemon_stop(&fixture.daemon), 0);
    http_client_fini(&fixture.client);
    daemon_fini(&fixture.daemon);
    assert_true(daemon_start(&fixture.daemon, all, NULL));
    http_client_init(&fixture.client, fixture.daemon.port);
}

static void sequences_go_on_in_the_next_run(void **state)
{
    struct random random = {.state = 5};
    struct sequence sequence;
    struct infer_body body;
    struct infer_result whole, piece;
    struct temp_dir dir;
    const struct sequence_id id = sequence_id_of_number(7);
    (void)state;
    temp_dir_create(&dir);
    char *path = temp_dir_file(&dir, "sequences");
    const char *const arguments[] = {"--sequence-file", path, NULL};
    start_with(arguments);
    sequence_init(&sequence, "deep_5", 20, &random);
    infer_body_begin(&body, NULL);
    add_piece(&body, &sequence, 0, 20);
    assert_true(infer_post(&fixture.client, "deep_5", &body, &whole));
    ask_piece(&sequence, &id, true, 0, 11, &piece);
    infer_result_fini(&piece);
    step("tiny", "\"sequence_id\":\"one\",\"sequence_start\":true", 1);
    assert_int_not_equal(access(path, F_OK), 0);

    restart(arguments);
    assert_int_not_equal(access(path, F_OK), 0); /* it is this run's now */
    ask_piece(&sequence, &id, false, 11, 9, &piece);
    assert_int_equal(piece.steps, 20);
    compare_outputs(&sequence, &whole, &piece, 11, 9);
    compare_states(&sequence.golden, &whole, &piece);
    step("tiny", "\"sequence_id\":\"one\",\"sequence_end\":true", 2);

    restart(arguments);
    expect_step_refused("tiny", "\"sequence_id\":\"one\"", 404, "START");
    assert_int_equal(fixture_stop(&fixture), 0);
    assert_int_equal(access(path, F_OK), 0);
    infer_result_fini(&whole);
    infer_result_fini(&piece);
    sequence_fini(&sequence);
    temp_dir_remove(&dir);
    free(path);
}

static void expect_no_start(const char *const *arguments, const char *fragment)
{
    char *output, *errors;
    assert_int_equal(daemon_run(arguments, NULL, &output, &errors), 2);
    if (strstr(errors, fragment) == NULL)
        fail_msg("\"%s\" wanted, got %s", fragment, errors);
    free(output);
    free(errors);
}

/* Nothing is served then, and the file stays. */
static void a_file_that_does_not_fit_is_refused(void **state)
{
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    char *path = temp_dir_file(&dir, "sequences");
    const char *const arguments[] = {"--sequence-file", path, NULL};
    start_with(arguments);
    step("tiny", "\"sequence_id\":1,\"sequence_start\":true", 1);
    assert_int_equal(fixture_stop(&fixture), 0);

    fixture_init(&fixture);
    fixture_add_golden(&fixture, "seed_simple");
    const char *const others[] = {"--http",          "127.0.0.1:0", "--models", fixture.dir.path,
                                  "--sequence-file", path,          NULL};
    expect_no_start(others, "holds sequences of model 'tiny', which is not served");
    fixture_add_golden_as(&fixture, "wide_130", "tiny");
    expect_no_start(others, "holds sequences of model 'tiny' as it was");
    assert_int_equal(access(path, F_OK), 0);
    temp_dir_write(&dir, "sequences", "lstmdseq and then nothing of use");
    expect_no_start(others, "version");
    temp_dir_remove(&fixture.dir);
    temp_dir_remove(&dir);
    free(path);
}

/* It was only told when it was too late. */
static void bug_426_a_file_that_can_never_be_written_is_told_at_the_start(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden(&fixture, "seed_simple");
    const char *const arguments[] = {
        "--http",          "127.0.0.1:0",          "--models", fixture.dir.path,
        "--sequence-file", "/proc/none/sequences", NULL};
    expect_no_start(arguments, "sequence_file: /proc/none/sequences.tmp: No such file");
    temp_dir_remove(&fixture.dir);
}

static void a_file_that_cannot_be_written_is_told(void **state)
{
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    char *path = temp_dir_file(&dir, "sequences");
    const char *const arguments[] = {"--sequence-file", path, NULL};
    start_with(arguments);
    temp_dir_remove(&dir);
    step("tiny", "\"sequence_id\":1,\"sequence_start\":true", 1);
    assert_int_equal(daemon_stop(&fixture.daemon), 1);
    char *log = daemon_log(&fixture.daemon);
    assert_non_null(strstr(log, "the sequences are lost"));
    free(log);
    free(path);
    http_client_fini(&fixture.client);
    daemon_fini(&fixture.daemon);
    temp_dir_remove(&fixture.dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sequence_in_pieces_has_the_bits_of_the_whole),
        TEST(ids_are_numbers_and_texts),
        TEST(the_server_makes_an_id_that_is_missing),
        TEST(bad_requests_are_refused),
        TEST(bidirectional_models_keep_none),
        TEST(a_start_may_bring_states),
        TEST(a_start_begins_anew_and_an_end_ends),
        TEST(an_end_may_bring_no_steps),
        TEST(a_strict_model_refuses_to_begin_anew),
        TEST(a_request_that_fails_changes_nothing),
        TEST(requests_of_all_connections_keep_their_order),
        TEST(other_sequences_do_not_wait),
        TEST(one_with_requests_is_not_handled),
        TEST(one_that_waits_may_leave),
        TEST(one_that_waits_too_long_is_late),
        TEST(steps_of_many_connections_are_each_done_once),
        TEST(the_list_comes_in_pages),
        TEST(bug_572_a_plus_in_a_query_is_a_space),
        TEST(an_export_is_the_state_bit_for_bit),
        TEST(exported_inputs_can_be_sent_as_they_are),
        TEST(bad_imports_are_refused),
        TEST(bug_577_what_is_exported_can_be_imported),
        TEST(one_can_be_dropped),
        cmocka_unit_test(a_full_table_refuses_to_start_more),
        cmocka_unit_test(idle_ones_leave),
        cmocka_unit_test(sequences_go_on_in_the_next_run),
        cmocka_unit_test(a_file_that_does_not_fit_is_refused),
        cmocka_unit_test(bug_426_a_file_that_can_never_be_written_is_told_at_the_start),
        cmocka_unit_test(a_file_that_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
