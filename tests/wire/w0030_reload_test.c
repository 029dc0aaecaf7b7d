/* Models that change while the daemon serves: by SIGHUP and over the repository's doors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/exposition.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"
#include "tests/support/whole_file.h"

enum { PATIENCE = 60000, CLIENTS = 4, ROUNDS = 100 };

#define STEP_BODY(parameters)                                                                      \
    "{\"parameters\":{" parameters "},\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],"          \
    "\"datatype\":\"FP32\",\"data\":[0.5]}]}"
#define READY(name)  "{\"name\":\"" name "\",\"version\":\"1\",\"state\":\"READY\"}"
#define LOAD(name)   "/v2/repository/models/" name "/load"
#define UNLOAD(name) "/v2/repository/models/" name "/unload"

static struct fixture fixture;

static int start_daemon(void **state)
{
    /* Weights come from folders that the daemon did not know when it started. */
    static const char *const arguments[] = {"--allow-model-control", "--sandbox", "off", NULL};
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "other");
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, arguments, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* ---- what tests do ---- */

static double metric(const char *series)
{
    struct http_response response;
    double value;
    assert_true(http_get(&fixture.client, "/metrics", &response));
    assert_int_equal(response.status, 200);
    if (!exposition_value(response.body, series, &value))
        fail_msg("no %s", series);
    http_response_fini(&response);
    return value;
}

static double outcomes(void)
{
    return metric("lstmd_model_reloads_total{result=\"success\"}") +
           metric("lstmd_model_reloads_total{result=\"failure\"}");
}

/* SIGHUP, and what came of it: true, all is as the files say. */
static bool reload(void)
{
    const double before = outcomes();
    program_signal(&fixture.daemon.program, SIGHUP);
    for (int waited = 0; outcomes() == before; waited += 2) {
        assert_true(waited < PATIENCE);
        usleep(2000);
    }
    return metric("lstmd_model_last_reload_successful") == 1;
}

/* Another text that means the same: the model has to be made anew. */
static void touch(const char *file)
{
    size_t size;
    char *path = temp_dir_file(&fixture.dir, file);
    char *text = whole_file_read(path, &size);
    temp_dir_write(&fixture.dir, file, "%s\n", text);
    free(text);
    free(path);
}

static void remove_file(const char *file)
{
    char *path = temp_dir_file(&fixture.dir, file);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void post(const char *path, const char *body, struct http_response *response)
{
    assert_true(http_post(&fixture.client, path, body, strlen(body), response));
}

/* Answered as Triton does, with nothing. */
static void order(const char *path, const char *body)
{
    struct http_response response;
    post(path, body, &response);
    if (response.status != 200)
        fail_msg("%s: %ld %s", path, response.status, response.body);
    assert_int_equal(response.body_size, 0);
    http_response_fini(&response);
}

static void expect_refused(const char *path, const char *body, long status, const char *text)
{
    struct http_response response;
    post(path, body, &response);
    expect_error(&response, status, text);
    assert_null(strstr(response.body, "/tmp"));
    http_response_fini(&response);
}

static void expect_index(const char *query, const char *json)
{
    struct http_response response;
    post("/v2/repository/index", query, &response);
    expect_json(&response, 200, json);
    http_response_fini(&response);
}

/* The index says this, or will soon. */
static void wait_for_index(const char *fragment)
{
    for (int waited = 0; waited < PATIENCE; waited += 5) {
        struct http_response response;
        post("/v2/repository/index", "", &response);
        const bool there = strstr(response.body, fragment) != NULL;
        http_response_fini(&response);
        if (there)
            return;
        usleep(5000);
    }
    fail_msg("the index never said %s", fragment);
}

static long step_status(const char *body)
{
    struct http_response response;
    post("/v2/models/tiny/infer", body, &response);
    const long status = response.status;
    http_response_fini(&response);
    return status;
}

static void expect_log(const char *text)
{
    char *log = daemon_log(&fixture.daemon);
    if (strstr(log, text) == NULL)
        fail_msg("'%s' is not in the log:\n%s", text, log);
    free(log);
}

/* ---- SIGHUP ---- */

static void a_new_config_is_served_and_a_removed_one_is_not(void **state)
{
    (void)state;
    fixture_add_golden_as(&fixture, "batch_first", "later");
    remove_file("other.json");
    assert_true(reload());
    expect_log("lstmd: reloaded models=2 new=1\n");
    expect_index("", "[" READY("later") "," READY("tiny") "]");
    expect_get_json(&fixture.client, "/v2/models", 200, "{\"models\":[\"later\",\"tiny\"]}");
    expect_get_error(&fixture.client, "/v2/models/other", 404, "'other' is not found");
    expect_get_error(&fixture.client, "/v2/models/other/ready", 404, "'other' is not found");
    expect_get_json(&fixture.client, "/v2/health/ready", 200, "{\"ready\":true,\"live\":true}");
}

static void a_changed_config_is_another_model(void **state)
{
    struct http_response response;
    (void)state;
    fixture_add_golden_as(&fixture, "seed_simple", "tiny");
    assert_true(reload());
    assert_true(http_get(&fixture.client, "/v2/models/tiny", &response));
    assert_non_null(strstr(response.body, "\"shape\":[-1,-1,10]"));
    http_response_fini(&response);
}

static void what_did_not_change_is_not_loaded_again(void **state)
{
    (void)state;
    touch("tiny.json");
    assert_true(reload());
    assert_true(reload());
    expect_log("new=1\nlstmd: SIGHUP, reloading\nlstmd: reloaded models=2 new=0\n");
}

static void a_broken_config_changes_nothing_and_is_told(void **state)
{
    (void)state;
    fixture_add_golden_as(&fixture, "batch_first", "later");
    temp_dir_write(&fixture.dir, "broken.json", "{\"lstm\":{\"hidden\":1}}");
    assert_false(reload());
    expect_log("lstmd: not reloaded, all models stay as they were: ");
    expect_log("broken.json: ");
    expect_index("", "[" READY("other") "," READY("tiny") "]");
    assert_int_equal(step_status(STEP_BODY("")), 200);
    assert_true(metric("lstmd_model_reloads_total{result=\"failure\"}") == 1);
    remove_file("broken.json");
    assert_true(reload());
    expect_index("", "[" READY("later") "," READY("other") "," READY("tiny") "]");
}

static void counters_go_on_from_one_model_to_the_next(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(step_status(STEP_BODY("")), 200);
        touch("tiny.json");
        assert_true(reload());
    }
    assert_true(metric("nv_inference_request_success{model=\"tiny\",version=\"1\"}") == 3);
    order(UNLOAD("tiny"), "");
    order(LOAD("tiny"), "");
    assert_int_equal(step_status(STEP_BODY("")), 200);
    assert_true(metric("nv_inference_request_success{model=\"tiny\",version=\"1\"}") == 4);
}

/* ---- sequences ---- */

static void sequences_go_on_where_the_states_are_alike(void **state)
{
    struct http_response response;
    (void)state;
    assert_int_equal(step_status(STEP_BODY("\"sequence_id\":1,\"sequence_start\":true")), 200);
    touch("tiny.json");
    assert_true(reload());
    post("/v2/models/tiny/infer", STEP_BODY("\"sequence_id\":1"), &response);
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, "\"steps\":2"));
    http_response_fini(&response);
    assert_true(metric("lstmd_sequences_evicted_total") == 0);
}

static void else_they_are_evicted(void **state)
{
    (void)state;
    assert_int_equal(step_status(STEP_BODY("\"sequence_id\":1,\"sequence_start\":true")), 200);
    fixture_add_golden_as(&fixture, "seed_simple", "tiny");
    assert_true(reload());
    assert_true(metric("lstmd_sequences_evicted_total") == 1);
    assert_true(metric("lstmd_sequences_alive") == 0);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(reload());
    assert_int_equal(step_status(STEP_BODY("\"sequence_id\":1")), 404);
}

static void so_are_those_of_a_model_that_is_unloaded(void **state)
{
    (void)state;
    assert_int_equal(step_status(STEP_BODY("\"sequence_id\":1,\"sequence_start\":true")), 200);
    order(UNLOAD("tiny"), "");
    assert_true(metric("lstmd_sequences_evicted_total") == 1);
    order(LOAD("tiny"), "");
    assert_int_equal(step_status(STEP_BODY("\"sequence_id\":1")), 404);
}

/* ---- the repository's doors ---- */

static void a_model_is_unloaded_and_loaded(void **state)
{
    static const char absent[] =
        "[" READY("other") ",{\"name\":\"tiny\",\"version\":\"1\","
                           "\"state\":\"UNAVAILABLE\",\"reason\":\"unloaded\"}]";
    (void)state;
    order(UNLOAD("tiny"), "{\"parameters\":{\"unload_dependents\":false}}");
    expect_index("{\"ready\":false}", absent);
    expect_index("{\"ready\":true}", "[" READY("other") "]");
    assert_int_equal(step_status(STEP_BODY("")), 404);
    expect_get_json(&fixture.client, "/v2/models/tiny/ready", 503,
                    "{\"name\":\"tiny\",\"ready\":false,\"error\":\"the model is not loaded\"}");
    expect_get_json(&fixture.client, "/v2/models/other/ready", 200,
                    "{\"name\":\"other\",\"ready\":true}");
    expect_get_error(&fixture.client, "/v2/models/tiny", 404, "no available versions");
    order(LOAD("tiny"), "{}");
    expect_index("", "[" READY("other") "," READY("tiny") "]");
    assert_int_equal(step_status(STEP_BODY("")), 200);
    order(LOAD("tiny"), "{\"parameters\":{}}"); /* it is: nothing to do */
}

static void a_config_that_came_later_can_be_loaded_alone(void **state)
{
    (void)state;
    temp_dir_write(&fixture.dir, "aaa.json", "{"); /* in nobody's way */
    fixture_add_golden_as(&fixture, "batch_first", "later");
    order(LOAD("later"), "");
    expect_index("", "[" READY("other") "," READY("tiny") "," READY("later") "]");
}

static void what_cannot_be_loaded_is_told_without_folders(void **state)
{
    (void)state;
    temp_dir_write(&fixture.dir, "tiny.json", "{\"lstm\":{\"hidden\":1}}");
    expect_refused(LOAD("tiny"), "", 400, "failed to load 'tiny': tiny.json: ");
    assert_int_equal(step_status(STEP_BODY("")), 200); /* as before */
    wait_for_index("\"name\":\"tiny\",\"version\":\"1\",\"state\":\"READY\",\"reason\":"
                   "\"tiny.json: ");
    order(UNLOAD("tiny"), "");
    expect_refused(LOAD("tiny"), "", 400, "tiny.json: ");
    wait_for_index("\"state\":\"UNAVAILABLE\",\"reason\":\"tiny.json: ");
}

static void only_configured_models_are_known(void **state)
{
    (void)state;
    expect_refused(LOAD("nobody"), "", 404, "failed to load 'nobody'");
    expect_refused(UNLOAD("nobody"), "", 404, "failed to unload 'nobody'");
    expect_refused(LOAD("..%2f..%2fetc%2fpasswd"), "", 404, "failed to load");
    expect_index("", "[" READY("other") "," READY("tiny") "]");
}

static void a_request_cannot_bring_a_config(void **state)
{
    (void)state;
    expect_refused(LOAD("tiny"), "{\"parameters\":{\"config\":\"{}\"}}", 400,
                   "'config' is not taken from a request");
    expect_refused(LOAD("tiny"), "{\"parameters\":{\"file:1/m.bin\":\"AAAA\"}}", 400,
                   "is not taken from a request");
    expect_refused(LOAD("tiny"), "{\"parameters\":{\"unload_dependents\":true}}", 400, "unknown");
    expect_refused(UNLOAD("tiny"), "{\"parameters\":{\"unload_dependents\":1}}", 400, "");
    expect_refused(UNLOAD("tiny"), "[]", 400, "");
    expect_refused(UNLOAD("tiny"), "{} {}", 400, "");
    expect_index("", "[" READY("other") "," READY("tiny") "]");
}

/* ---- requests that run ---- */

static void a_request_finishes_on_the_model_it_began_on(void **state)
{
    bool closed;
    (void)state;
    slow_model_add(&fixture);
    order(LOAD("slow"), "");
    char *body = slow_model_body(slow_model_steps(&fixture, 1));
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_post(fd, SLOW_MODEL_PATH, body));
    while (metric("nv_inference_pending_request_count{model=\"slow\",version=\"1\"}") == 0)
        usleep(1000);
    order(UNLOAD("slow"), "");
    wait_for_index("\"name\":\"slow\",\"version\":\"1\",\"state\":\"UNLOADING\"");
    char *answer = raw_receive(fd, PATIENCE, &closed);
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    wait_for_index("\"name\":\"slow\",\"version\":\"1\",\"state\":\"UNAVAILABLE\"");
    free(answer);
    free(body);
    close(fd);
}

/* ---- under load ---- */

struct load {
    atomic_bool stop;
    atomic_uint_fast64_t good, bad;
};

/* Every other client works on a sequence: it must never lose its state. */
static void *ask_on_and_on(void *argument)
{
    static atomic_uint clients;
    const unsigned number = atomic_fetch_add(&clients, 1) + 1;
    struct load *load = argument;
    struct http_client client;
    char start[256], go_on[256];
    snprintf(start, sizeof start, STEP_BODY("\"sequence_id\":%u,\"sequence_start\":true"), number);
    snprintf(go_on, sizeof go_on, STEP_BODY("\"sequence_id\":%u"), number);
    http_client_init(&client, fixture.daemon.port);
    for (uint64_t i = 0; !atomic_load(&load->stop); i++) {
        struct http_response response;
        const char *body = number % 2 == 0 ? STEP_BODY("") : i == 0 ? start : go_on;
        if (!http_post(&client, "/v2/models/tiny/infer", body, strlen(body), &response)) {
            atomic_fetch_add(&load->bad, 1);
            continue;
        }
        atomic_fetch_add(response.status == 200 ? &load->good : &load->bad, 1);
        http_response_fini(&response);
    }
    http_client_fini(&client);
    return NULL;
}

static unsigned rounds(void)
{
    const char *wanted = getenv("LSTMD_TEST_RELOADS");
    return wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : ROUNDS;
}

/* Every second time with a config that is broken. */
static void reload_on_and_on(void)
{
    unsigned done = 0;
    for (unsigned round = 0; round < rounds(); round++) {
        const bool broken = round % 2 == 1;
        if (broken)
            temp_dir_write(&fixture.dir, "zzz.json", "{\"lstm\":{\"bias\":%u}}", round);
        else
            touch("tiny.json");
        done += reload();
        if (broken)
            remove_file("zzz.json");
    }
    assert_int_equal(done, (rounds() + 1) / 2);
}

static void reloads_lose_no_request(void **state)
{
    struct load load;
    pthread_t clients[CLIENTS];
    (void)state;
    atomic_init(&load.stop, false);
    atomic_init(&load.good, 0);
    atomic_init(&load.bad, 0);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients[i], NULL, ask_on_and_on, &load), 0);
    reload_on_and_on();
    atomic_store(&load.stop, true);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    print_message("# %u reloads, %ju requests\n", rounds(), (uintmax_t)atomic_load(&load.good));
    assert_int_equal(atomic_load(&load.bad), 0);
    assert_true(atomic_load(&load.good) >= rounds());
    assert_true(metric("nv_inference_request_success{model=\"tiny\",version=\"1\"}") ==
                (double)atomic_load(&load.good));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start_daemon, stop_daemon)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_config_is_served_and_a_removed_one_is_not),
        TEST(a_changed_config_is_another_model),
        TEST(what_did_not_change_is_not_loaded_again),
        TEST(a_broken_config_changes_nothing_and_is_told),
        TEST(counters_go_on_from_one_model_to_the_next),
        TEST(sequences_go_on_where_the_states_are_alike),
        TEST(else_they_are_evicted),
        TEST(so_are_those_of_a_model_that_is_unloaded),
        TEST(a_model_is_unloaded_and_loaded),
        TEST(a_config_that_came_later_can_be_loaded_alone),
        TEST(what_cannot_be_loaded_is_told_without_folders),
        TEST(only_configured_models_are_known),
        TEST(a_request_cannot_bring_a_config),
        TEST(a_request_finishes_on_the_model_it_began_on),
        TEST(reloads_lose_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
