/* Who may do what, and where: tokens, addresses that others can reach, the admin address, probes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

#define PATIENCE 60000
#define BODY                                                                                       \
    "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[1]}]}"
#define LOAD "/v2/repository/models/tiny/load"

static struct fixture fixture;
static struct http_client admin;

/* The port in "admin=127.0.0.1:PORT" of the ready line. */
static unsigned admin_port(void)
{
    unsigned port = 0;
    char *log = daemon_log(&fixture.daemon);
    const char *at = strstr(log, "admin=127.0.0.1:");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "admin=127.0.0.1:%u", &port), 1);
    free(log);
    return port;
}

static void write_tokens(const char *tokens)
{
    temp_dir_write(&fixture.dir, "tokens", "%s", tokens);
}

static int start_with(const char *const *arguments)
{
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    if (!fixture_start(&fixture, arguments, NULL))
        return -1;
    http_client_init(&admin, admin_port());
    return 0;
}

static int start_with_tokens(void **state)
{
    (void)state;
    fixture_init(&fixture);
    write_tokens("read read-0123456789abcdef\ninfer infer-0123456789abcdef\n"
                 "admin admin-0123456789abcdef\n");
    char *tokens = temp_dir_file(&fixture.dir, "tokens");
    const char *const arguments[] = {"--tokens-file", tokens,        "--allow-model-control",
                                     "--admin",       "127.0.0.1:0", NULL};
    const int status = start_with(arguments);
    free(tokens);
    return status;
}

static int start_without_tokens(void **state)
{
    static const char *const arguments[] = {"--admin",   "127.0.0.1:0", "--allow-model-control",
                                            "--workers", "1",           "--connection-limit",
                                            "8",         NULL};
    (void)state;
    fixture_init(&fixture);
    slow_model_add(&fixture);
    return start_with(arguments);
}

static int stop(void **state)
{
    (void)state;
    http_client_fini(&admin);
    return fixture_stop(&fixture);
}

/* The answer's status; *challenge: the WWW-Authenticate header, "" for none. */
static long ask(struct http_client *client, const char *method, const char *path, const char *body,
                const char *token, char challenge[128])
{
    char authorization[128];
    const char *const headers[] = {"Content-Type: application/json",
                                   token != NULL ? authorization : NULL, NULL};
    struct http_response response;
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s",
             token != NULL ? token : "");
    assert_true(
        http_send(client, method, path, body, body != NULL ? strlen(body) : 0, headers, &response));
    const long status = response.status;
    if (!http_header(&response, "WWW-Authenticate", challenge, 128))
        challenge[0] = '\0';
    http_response_fini(&response);
    return status;
}

static void tokens_open_what_their_scope_says(void **state)
{
    static const char path[] = "/v2/models/tiny/infer";
    char challenge[128];
    (void)state;
    assert_int_equal(ask(&fixture.client, "POST", path, BODY, NULL, challenge), 401);
    assert_string_equal(challenge, "Bearer realm=\"lstmd\"");
    assert_int_equal(ask(&fixture.client, "POST", path, BODY, "x123456789abcdef0", challenge), 401);
    assert_non_null(strstr(challenge, "invalid_token"));
    assert_int_equal(ask(&fixture.client, "POST", path, BODY, "read-0123456789abcdef", challenge),
                     403);
    assert_non_null(strstr(challenge, "insufficient_scope"));
    assert_int_equal(ask(&fixture.client, "POST", path, BODY, "infer-0123456789abcdef", challenge),
                     200);
    assert_string_equal(challenge, "");
    assert_int_equal(ask(&admin, "POST", LOAD, "{}", "infer-0123456789abcdef", challenge), 403);
    assert_int_equal(ask(&admin, "POST", LOAD, "{}", "admin-0123456789abcdef", challenge), 200);
    assert_int_equal(ask(&admin, "GET", "/metrics", NULL, NULL, challenge), 401);
    assert_int_equal(ask(&admin, "GET", "/metrics", NULL, "read-0123456789abcdef", challenge), 200);
    assert_int_equal(ask(&fixture.client, "GET", "/v2/health/ready", NULL, NULL, challenge), 200);
    assert_int_equal(ask(&admin, "GET", "/v2/health/live", NULL, NULL, challenge), 200);
}

static void bug_413_who_may_only_read_computes_nothing(void **state)
{
    static const struct {
        const char *path, *body;
    } doors[] = {
        {"/v2/models/tiny/infer", BODY},
        {"/v2/models/tiny/infer_stream", BODY},
        {"/v1/models/tiny:predict", "{\"instances\":[[[1]]]}"},
    };
    char challenge[128];
    (void)state;
    for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
        assert_int_equal(ask(&fixture.client, "POST", doors[i].path, doors[i].body,
                             "read-0123456789abcdef", challenge),
                         403);
        assert_int_equal(ask(&fixture.client, "POST", doors[i].path, doors[i].body,
                             "infer-0123456789abcdef", challenge),
                         200);
    }
}

/* What the console and the interface's description are made of says nothing of this server; what
 * they show of it is asked for with a token. */
static void bug_415_pages_need_no_token_and_name_no_model(void **state)
{
    static const char *const pages[] = {"/docs", "/docs/docs.js", "/docs/console.js",
                                        "/docs/style.css", "/docs/openapi.json"};
    char challenge[128];
    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        struct http_response response;
        assert_true(http_get(&fixture.client, pages[i], &response));
        assert_int_equal(response.status, 200);
        assert_null(strstr(response.body, "tiny"));
        http_response_fini(&response);
        assert_int_equal(ask(&admin, "GET", pages[i], NULL, NULL, challenge), 200);
    }
    assert_int_equal(ask(&fixture.client, "GET", "/v2", NULL, NULL, challenge), 401);
    assert_int_equal(ask(&fixture.client, "GET", "/v2/models", NULL, NULL, challenge), 401);
    assert_int_equal(ask(&fixture.client, "GET", "/v2/models/stats", NULL, NULL, challenge), 401);
}

static void tokens_are_read_again(void **state)
{
    char challenge[128];
    long status = 200;
    (void)state;
    write_tokens("infer another-0123456789\n");
    program_signal(&fixture.daemon.program, SIGHUP);
    for (int waited = 0; status == 200 && waited < PATIENCE; waited += 10) {
        usleep(10000);
        status = ask(&fixture.client, "GET", "/v2", NULL, "read-0123456789abcdef", challenge);
    }
    assert_int_equal(status, 401);
    assert_int_equal(ask(&fixture.client, "GET", "/v2", NULL, "another-0123456789", challenge),
                     200);
}

static void operators_doors_are_at_the_admin_address(void **state)
{
    struct http_response response;
    (void)state;
    expect_get_error(&fixture.client, "/metrics", 404, "Not Found");
    expect_get_error(&fixture.client, "/v2/logging", 404, "Not Found");
    assert_true(http_post(&fixture.client, LOAD, "{}", 2, &response));
    expect_error(&response, 404, "Not Found");
    http_response_fini(&response);
    assert_true(http_post(&admin, LOAD, "{}", 2, &response));
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
    assert_true(http_post(&admin, "/v2/models/tiny/infer", BODY, strlen(BODY), &response));
    expect_error(&response, 404, "Not Found");
    http_response_fini(&response);
}

/* All connections there may be, each with a request that takes long; those that come next wait. */
static void the_admin_address_answers_whatever_the_load(void **state)
{
    int fds[10];
    (void)state;
    char *body = slow_model_body(slow_model_steps(&fixture, 3));
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        fds[i] = raw_connect(fixture.daemon.port);
        raw_post(fds[i], SLOW_MODEL_PATH, body);
    }
    for (int i = 0; i < 20; i++) {
        struct http_response response;
        expect_get_json(&admin, "/v2/health/ready", 200, "{\"ready\":true,\"live\":true}");
        assert_true(http_get(&admin, "/metrics", &response));
        assert_int_equal(response.status, 200);
        http_response_fini(&response);
    }
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        close(fds[i]);
    free(body);
}

static void a_probe_tells_by_its_exit(void **state)
{
    char url[96], *output, *errors;
    const char *const arguments[] = {"--probe", url, NULL};
    static const struct {
        const char *server, *path;
        int status;
    } rows[] = {
        {"http://127.0.0.1", "/v2/health/ready", 0},
        {"http://localhost", "/v2/health/live", 0},
        {"http://127.0.0.1", "", 0},
        {"http://127.0.0.1", "/v2/models/nobody", 1},
        {"https://127.0.0.1", "/", 1},
        {"127.0.0.1", "", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(url, sizeof url, "%s:%u%s", rows[i].server, admin.port, rows[i].path);
        assert_int_equal(daemon_run(arguments, NULL, &output, &errors), rows[i].status);
        free(output);
        free(errors);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:1/");
    assert_int_equal(daemon_run(arguments, NULL, &output, &errors), 1);
    assert_non_null(strstr(errors, "Connection refused"));
    free(output);
    free(errors);
}

/* ---- addresses ---- */

static void expect_refused(const char *const *arguments, const char *text)
{
    char *output, *errors;
    assert_int_equal(daemon_run(arguments, NULL, &output, &errors), 2);
    if (strstr(errors, text) == NULL)
        fail_msg("'%s' wanted, got '%s'", text, errors);
    free(output);
    free(errors);
}

static void an_open_address_has_to_be_asked_for(void **state)
{
    static const char *const open[] = {"--models", "deploy/models", "--http", "0.0.0.0:0", NULL};
    static const char *const open6[] = {"--models", "deploy/models", "--http", "[::]:0", NULL};
    static const char *const open_admin[] = {"--models", "deploy/models", "--http", "127.0.0.1:0",
                                             "--admin",  "0.0.0.0:0",     NULL};
    static const char *const neither[] = {"--models", "deploy/models", "--http", "0.0.0.0:0",
                                          "--auth",   "tokens",        NULL};
    static const char *const wrong[] = {"--models", "deploy/models", "--http", "127.0.0.1:0",
                                        "--auth",   "maybe",         NULL};
    (void)state;
    expect_refused(open, "http: 0.0.0.0:0 can be reached from other machines");
    expect_refused(open6, "http: [::]:0 can be reached from other machines");
    expect_refused(open_admin, "admin: 0.0.0.0:0 can be reached from other machines");
    expect_refused(neither, "auth: tokens, but there is no tokens_file");
    expect_refused(wrong, "auth: tokens or none expected, got 'maybe'");
}

static void one_that_was_asked_for_is_warned_of(void **state)
{
    static const char *const arguments[] = {"--models", "deploy/models", "--http", "0.0.0.0:0",
                                            NULL};
    static const char *const environment[] = {"LSTMD_AUTH=none", NULL};
    struct daemon daemon;
    (void)state;
    assert_true(daemon_start_exactly(&daemon, arguments, environment));
    char *log = daemon_log(&daemon);
    assert_non_null(strstr(log, "lstmd: warning: whoever can connect to 0.0.0.0:0 may use it"));
    free(log);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_fini(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tokens_open_what_their_scope_says, start_with_tokens, stop),
        cmocka_unit_test_setup_teardown(bug_413_who_may_only_read_computes_nothing,
                                        start_with_tokens, stop),
        cmocka_unit_test_setup_teardown(bug_415_pages_need_no_token_and_name_no_model,
                                        start_with_tokens, stop),
        cmocka_unit_test_setup_teardown(tokens_are_read_again, start_with_tokens, stop),
        cmocka_unit_test_setup_teardown(operators_doors_are_at_the_admin_address,
                                        start_without_tokens, stop),
        cmocka_unit_test_setup_teardown(the_admin_address_answers_whatever_the_load,
                                        start_without_tokens, stop),
        cmocka_unit_test_setup_teardown(a_probe_tells_by_its_exit, start_without_tokens, stop),
        cmocka_unit_test(an_open_address_has_to_be_asked_for),
        cmocka_unit_test(one_that_was_asked_for_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
