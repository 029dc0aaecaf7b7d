/* Requests of many models and lengths at once: each is answered as if it were alone, short ones do
 * not wait for long ones, deadlines are kept, what nobody waits for any more is dropped, and what
 * is too much is refused at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/golden_case.h"
#include "tests/support/infer_client.h"
#include "tests/support/random.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

#define PATIENCE 60000

static struct fixture fixture;

static void start(const char *const *arguments)
{
    fixture_init(&fixture);
    slow_model_add(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(fixture_start(&fixture, arguments, NULL));
}

/* ---- many at once ---- */

enum { MODELS = 6, THREADS = 16, ROUNDS = 125, ROWS_MAX = 6, STEPS_MAX = 400 };

static const char *const names[MODELS] = {
    "seed_simple", "seed_bidirectional", "batch_first", "projection", "deep_5", "wide_130"};
static struct golden_case cases[MODELS];
static struct model *models[MODELS];

struct asker {
    pthread_t thread;
    struct http_client client;
    struct random random;
    size_t rounds;
    unsigned wrong;
};

struct question {
    size_t model, steps, rows;
    int64_t lengths[ROWS_MAX];
    float *input; /* in the model's layout */
};

static size_t place(const struct question *q, size_t row, size_t step)
{
    return cases[q->model].batch_first ? row * q->steps + step : step * q->rows + row;
}

static bool ask(struct asker *asker, struct question *q, struct infer_result *result)
{
    struct random *random = &asker->random;
    struct infer_body body;
    q->model = random_size(random, 0, MODELS - 1);
    q->rows = random_size(random, 1, ROWS_MAX);
    q->steps = random_size(random, 1, random_size(random, 0, 14) == 0 ? STEPS_MAX : 20);
    const size_t width = cases[q->model].input_size;
    const size_t shape[] = {cases[q->model].batch_first ? q->rows : q->steps,
                            cases[q->model].batch_first ? q->steps : q->rows, width};
    q->input = must_allocate(q->steps * q->rows * width * sizeof *q->input);
    random_floats(random, q->input, q->steps * q->rows * width, 2);
    const bool ragged = random_size(random, 0, 2) == 0;
    for (size_t b = 0; b < q->rows; b++)
        q->lengths[b] = (int64_t)(ragged ? random_size(random, 0, q->steps) : q->steps);
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, shape, q->input);
    if (ragged)
        infer_body_i64(&body, "lengths", 1, &q->rows, q->lengths);
    return infer_post(&asker->client, names[q->model], &body, result);
}

/* The row in one call of the core. */
static void compute_row(const struct question *q, size_t row, float *output, float *state)
{
    const struct model *model = models[q->model];
    const size_t width = cases[q->model].input_size, steps = (size_t)q->lengths[row];
    float *input = must_allocate((q->steps * width + 1) * sizeof *input);
    size_t bytes;
    for (size_t t = 0; t < steps; t++)
        memcpy(input + t * width, q->input + place(q, row, t) * width, width * sizeof *input);
    const struct model_row whole = {.input = input,
                                    .output = output,
                                    .input_stride = width,
                                    .output_stride = model_output_size(model),
                                    .steps = steps,
                                    .ends = true,
                                    .state = state};
    assert_true(model_scratch_size(model, 1, steps, &bytes));
    void *scratch = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes + MODEL_SCRATCH_ALIGNMENT);
    assert_non_null(scratch);
    model_run(model, &whole, 1, (struct model_scratch){scratch, bytes});
    free(scratch);
    free(input);
}

static bool same(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

static bool is_right(const struct question *q, const struct infer_result *result)
{
    const struct model *model = models[q->model];
    const struct model_lstm_state cells = model_lstm_state(model, 0);
    const struct infer_result_tensor *output = infer_result_find(result, "output");
    const struct infer_result_tensor *h_n = infer_result_find(result, "h_n");
    const struct infer_result_tensor *c_n = infer_result_find(result, "c_n");
    const size_t out = model_output_size(model);
    bool good = output != NULL && output->elements == q->rows * q->steps * out && h_n != NULL &&
                h_n->elements == cells.cells * q->rows * cells.h_size && c_n != NULL &&
                c_n->elements == cells.cells * q->rows * cells.c_size;
    for (size_t b = 0; good && b < q->rows; b++) {
        float *wanted = must_allocate_zeros(q->steps * out, sizeof *wanted);
        float *state = must_allocate_zeros(model_state_size(model), sizeof *state);
        compute_row(q, b, wanted, state);
        for (size_t t = 0; t < q->steps; t++)
            good = good && same(output->values + place(q, b, t) * out, wanted + t * out, out);
        for (size_t j = 0; j < cells.cells; j++) {
            const float *h = state + cells.offset + j * (cells.h_size + cells.c_size);
            const size_t at = j * q->rows + b;
            good = good && same(h_n->values + at * cells.h_size, h, cells.h_size) &&
                   same(c_n->values + at * cells.c_size, h + cells.h_size, cells.c_size);
        }
        free(wanted);
        free(state);
    }
    return good;
}

static void *ask_often(void *argument)
{
    struct asker *asker = argument;
    for (size_t i = 0; i < asker->rounds; i++) {
        struct question question;
        struct infer_result result;
        if (ask(asker, &question, &result)) {
            asker->wrong += !is_right(&question, &result);
            infer_result_fini(&result);
        } else {
            asker->wrong++;
        }
        free(question.input);
    }
    return NULL;
}

/* Of each asker: BITS_ROUNDS=N for more than usual. */
static size_t rounds_wanted(void)
{
    const char *wanted = getenv("BITS_ROUNDS");
    return wanted != NULL ? strtoul(wanted, NULL, 10) : ROUNDS;
}

static void ask_all(const char *const *arguments)
{
    static struct asker askers[THREADS];
    const size_t rounds = rounds_wanted();
    fixture_init(&fixture);
    for (size_t i = 0; i < MODELS; i++)
        fixture_add_golden(&fixture, names[i]);
    assert_true(fixture_start(&fixture, arguments, NULL));
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.random = {i + 1}, .rounds = rounds};
        http_client_init(&askers[i].client, fixture.daemon.port);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        http_client_fini(&askers[i].client);
    }
    print_message("# %zu requests over %d connections\n", THREADS * rounds, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(askers[i].wrong, 0);
    assert_int_equal(fixture_stop(&fixture), 0);
}

static void every_request_is_answered_as_if_it_were_alone(void **state)
{
    /* A sanitizer on a busy machine takes its time. */
    static const char *const one[] = {"--workers", "1", "--request-timeout-ms", "600000", NULL};
    static const char *const three[] = {"--workers", "3", "--request-timeout-ms", "600000", NULL};
    (void)state;
    for (size_t i = 0; i < MODELS; i++) {
        golden_case_open(&cases[i], names[i]);
        models[i] = golden_case_model(&cases[i], true, kernel_find(NULL));
    }
    ask_all(one);
    ask_all(three);
    for (size_t i = 0; i < MODELS; i++) {
        model_destroy(models[i]);
        golden_case_close(&cases[i]);
    }
}

/* ---- long and short ---- */

/* Sends a request of so many seconds and leaves it there. */
static int post_slow(double seconds)
{
    char *body = slow_model_body(slow_model_steps(&fixture, seconds));
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_post(fd, SLOW_MODEL_PATH, body));
    free(body);
    return fd;
}

static bool is_answered(int fd)
{
    bool closed;
    char *answer = raw_receive(fd, 1, &closed);
    const bool any = *answer != '\0';
    free(answer);
    return any;
}

static void expect_answered(int fd)
{
    bool closed;
    char *answer = raw_receive(fd, PATIENCE, &closed);
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    free(answer);
    close(fd);
}

/* Of the same model and of another one, too much to be computed on the spot. */
static void short_requests_do_not_wait_for_a_long_one(void **state)
{
    static const char *const arguments[] = {"--workers", "1", NULL};
    struct infer_result result;
    (void)state;
    start(arguments);
    char *body = slow_model_body(3), *tiny = slow_model_body(1000);
    const int fd = post_slow(20);
    for (int i = 0; i < 10; i++) {
        assert_true(infer_post_text(&fixture.client, "slow", body, strlen(body), &result));
        infer_result_fini(&result);
        assert_true(infer_post_text(&fixture.client, "tiny", tiny, strlen(tiny), &result));
        infer_result_fini(&result);
    }
    assert_false(is_answered(fd));
    close(fd);
    free(body);
    free(tiny);
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- deadlines ---- */

static void post_expecting(const char *body, const char *const *headers, long status,
                           const char *text)
{
    struct http_response response;
    assert_true(http_send(&fixture.client, "POST", SLOW_MODEL_PATH, body, strlen(body), headers,
                          &response));
    if (status == 200)
        assert_int_equal(response.status, 200);
    else
        expect_error(&response, status, text);
    http_response_fini(&response);
}

/* The request's body with parameters put before everything else. */
static char *with_parameters(const char *body, const char *parameters)
{
    char *text = must_allocate(strlen(body) + strlen(parameters) + 20);
    sprintf(text, "{\"parameters\":{%s},%s", parameters, body + 1);
    return text;
}

static void the_earliest_deadline_is_kept(void **state)
{
    static const char *const short_time[] = {"X-Request-Timeout-Ms: 150", NULL};
    static const char *const long_time[] = {"X-Request-Timeout-Ms: 86400000", NULL};
    (void)state;
    start(NULL);
    char *slow = slow_model_body(slow_model_steps(&fixture, 8)), *quick = slow_model_body(3);
    char *late = with_parameters(slow, "\"timeout\":150000,\"priority\":1");
    char *none = with_parameters(quick, "\"timeout\":0,\"priority\":7");
    char *at_once = with_parameters(quick, "\"timeout\":1");
    post_expecting(slow, short_time, 504, "Request timeout expired");
    post_expecting(late, NULL, 504, "Request timeout expired");
    post_expecting(late, long_time, 504, "Request timeout expired");
    post_expecting(at_once, long_time, 504, "Request timeout expired");
    post_expecting(none, long_time, 200, NULL);
    post_expecting(quick, short_time, 200, NULL);
    free(slow);
    free(quick);
    free(late);
    free(none);
    free(at_once);
    assert_int_equal(fixture_stop(&fixture), 0);
}

static void a_timeout_that_is_no_number_is_400(void **state)
{
    static const char *const bad[] = {"0", "-1", "86400001", "1.5", "10s", "0x10", ""};
    (void)state;
    start(NULL);
    char *body = slow_model_body(3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[64];
        const char *const headers[] = {line, NULL};
        snprintf(line, sizeof line, "X-Request-Timeout-Ms%s%s", *bad[i] != '\0' ? ": " : ";",
                 bad[i]); /* ';' is how libcurl is told to send an empty one */
        post_expecting(body, headers, 400,
                       "X-Request-Timeout-Ms: a whole number from 1 to 86400000 expected");
    }
    free(body);
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- bounds ---- */

static void too_many_rows_are_503_at_once(void **state)
{
    static const char *const arguments[] = {"--queue-rows-limit", "3", "--workers", "1", NULL};
    static const char three_rows[] =
        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,3,1],"
        "\"data\":[0,0,0]}],\"outputs\":[{\"name\":\"h_n\"}]}";
    (void)state;
    start(arguments);
    post_expecting(three_rows, NULL, 200, NULL);
    int fd = post_slow(2);
    struct http_response response;
    long status = 200; /* until the slow one has arrived, at a moment when there was room for it */
    char retry[16] = "";
    for (int tries = 0; status == 200 && tries < 1000; tries++) {
        assert_true(
            http_post(&fixture.client, SLOW_MODEL_PATH, three_rows, strlen(three_rows), &response));
        status = response.status;
        if (status == 200 && is_answered(fd)) {
            close(fd);
            fd = post_slow(2);
        } else if (status != 200) {
            expect_error(&response, 503, "Exceeds maximum queue size");
            assert_true(http_header(&response, "Retry-After", retry, sizeof retry));
        }
        http_response_fini(&response);
    }
    assert_int_equal(status, 503);
    assert_string_equal(retry, "1");
    expect_answered(fd);
    post_expecting(three_rows, NULL, 200, NULL);
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* The place of one that left is free long before it would have been answered. */
static void what_a_client_leaves_behind_is_dropped(void **state)
{
    static const char *const arguments[] = {"--queue-limit", "1", "--workers", "1", NULL};
    (void)state;
    start(arguments);
    char *body = slow_model_body(3);
    close(post_slow(25));
    long status = 503;
    for (int tries = 0; status == 503 && tries < 1000; tries++) {
        struct http_response response;
        assert_true(http_post(&fixture.client, SLOW_MODEL_PATH, body, strlen(body), &response));
        status = response.status;
        http_response_fini(&response);
        if (status == 503)
            usleep(10000);
    }
    assert_int_equal(status, 200);
    free(body);
    assert_int_equal(fixture_stop(&fixture), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_answered_as_if_it_were_alone),
        cmocka_unit_test(short_requests_do_not_wait_for_a_long_one),
        cmocka_unit_test(the_earliest_deadline_is_kept),
        cmocka_unit_test(a_timeout_that_is_no_number_is_400),
        cmocka_unit_test(too_many_rows_are_503_at_once),
        cmocka_unit_test(what_a_client_leaves_behind_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
