/* ZeroMQ with CURVE: keys made by the daemon, and who is let in with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "tests/support/daemon.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_dir.h"
#include "tests/support/zmq_client.h"

/* For what never comes. */
#define SHORT_WAIT 400

struct pair {
    char public_key[41], secret_key[41];
};

static struct temp_dir dir;
static char *secret_file, *clients_file;
static struct daemon daemon_;
static char server_key[41];
static struct pair known, unknown;

static void make_pair(struct pair *pair)
{
    assert_int_equal(zmq_curve_keypair(pair->public_key, pair->secret_key), 0);
}

static int start_daemon(void **state)
{
    char *output, *errors;
    (void)state;
    make_pair(&known);
    make_pair(&unknown);
    temp_dir_create(&dir);
    secret_file = temp_dir_file(&dir, "secret");
    clients_file = temp_dir_file(&dir, "clients");
    temp_dir_write(&dir, "clients", "# who is let in\n\n  %s  a comment\n", known.public_key);
    const char *const make[] = {"--make-curve-keys", secret_file, NULL};
    if (daemon_run(make, NULL, &output, &errors) != 0 || strlen(output) != 41)
        return -1;
    memcpy(server_key, output, 40);
    free(output);
    free(errors);
    const char *const arguments[] = {"--models",
                                     "deploy/models",
                                     "--zmq",
                                     "tcp://127.0.0.1:0",
                                     "--zmq-curve-secret",
                                     secret_file,
                                     "--zmq-curve-clients",
                                     clients_file,
                                     NULL};
    return daemon_start(&daemon_, arguments, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    const int code = daemon_stop(&daemon_);
    daemon_fini(&daemon_);
    temp_dir_remove(&dir);
    free(secret_file);
    free(clients_file);
    return code;
}

/* Does a client with these keys get an answer? */
static bool is_answered(const char *endpoint, const struct zmq_client_keys *keys, int milliseconds)
{
    struct zmq_client client;
    struct zmq_answer answer;
    zmq_client_init(&client, ZMQ_CLIENT_REQ, endpoint, keys);
    zmq_client_send_text(&client, "{\"op\":\"live\"}");
    const bool answered = zmq_client_receive(&client, &answer, milliseconds);
    if (answered)
        zmq_answer_fini(&answer);
    zmq_client_fini(&client);
    return answered;
}

static void who_is_on_the_list_is_let_in(void **state)
{
    const struct zmq_client_keys keys = {server_key, known.public_key, known.secret_key};
    (void)state;
    assert_true(is_answered(daemon_.zmq, &keys, DAEMON_PATIENCE));
}

static void nobody_else_is(void **state)
{
    const struct zmq_client_keys strange = {server_key, unknown.public_key, unknown.secret_key};
    const struct zmq_client_keys mistaken = {known.public_key, known.public_key, known.secret_key};
    struct http_client http;
    struct http_response response;
    (void)state;
    assert_false(is_answered(daemon_.zmq, &strange, SHORT_WAIT));
    assert_false(is_answered(daemon_.zmq, &mistaken, SHORT_WAIT));
    assert_false(is_answered(daemon_.zmq, NULL, SHORT_WAIT));
    http_client_init(&http, daemon_.port);
    assert_true(http_get(&http, "/metrics", &response));
    assert_non_null(strstr(response.body, "\nlstmd_zmq_handshakes_failed_total "));
    assert_null(strstr(response.body, "\nlstmd_zmq_handshakes_failed_total 0\n"));
    http_response_fini(&response);
    http_client_fini(&http);
}

static void expect_end(const char *const *arguments, int status, const char *text)
{
    char *output, *errors;
    const int found = daemon_run(arguments, NULL, &output, &errors);
    if (found != status || strstr(errors, text) == NULL)
        fail_msg("exit %d and '%s' wanted, got exit %d and: %s", status, text, found, errors);
    free(output);
    free(errors);
}

static void keys_are_their_owner_s_and_never_overwritten(void **state)
{
    const char *const again[] = {"--make-curve-keys", secret_file, NULL};
    struct stat status;
    (void)state;
    assert_int_equal(stat(secret_file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    expect_end(again, 2, "File exists");
}

/* With files of that content and mode. */
static void expect_files_refused(const char *secret, mode_t mode, const char *clients,
                                 const char *text)
{
    char *a = temp_dir_file(&dir, "a"), *b = temp_dir_file(&dir, "b");
    const char *const arguments[] = {
        "--models", "deploy/models",       "--zmq", "tcp://*:0", "--zmq-curve-secret",
        a,          "--zmq-curve-clients", b,       NULL};
    temp_dir_write(&dir, "a", "%s", secret);
    temp_dir_write(&dir, "b", "%s", clients);
    assert_int_equal(chmod(a, mode), 0);
    expect_end(arguments, 2, text);
    free(a);
    free(b);
}

static void files_that_will_not_do_are_refused(void **state)
{
    char good[128];
    (void)state;
    snprintf(good, sizeof good, "secret-key = \"%s\"\n", unknown.secret_key);
    expect_files_refused("nothing\n", 0600, "", "/a: a line secret-key = \"...\"");
    expect_files_refused("secret-key = \"short\"\n", 0600, "", "/a: a line secret-key = \"...\"");
    expect_files_refused(good, 0644, "",
                         "only its owner and group may read expected, got mode 0644");
    expect_files_refused(good, 0600, "# one\nnot a key\n", "/b: line 2: a CURVE public key of 40");
}

/* As configuration management would: everything in one file, on every address. */
static void a_public_endpoint_is_served_with_curve(void **state)
{
    struct daemon public;
    char endpoint[64], *config = temp_dir_file(&dir, "config.json");
    const struct zmq_client_keys keys = {server_key, known.public_key, known.secret_key};
    unsigned port;
    (void)state;
    temp_dir_write(&dir, "config.json",
                   "{\"zmq\":\"tcp://*:*\",\"zmq_curve_secret\":\"secret\","
                   "\"zmq_curve_clients\":\"clients\",\"http\":\"none\"}");
    const char *const arguments[] = {"--models", "deploy/models", "--config", config, NULL};
    assert_true(daemon_start_exactly(&public, arguments, NULL));
    assert_int_equal(public.port, 0);
    assert_int_equal(sscanf(public.zmq, "tcp://0.0.0.0:%u", &port), 1);
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    assert_true(is_answered(endpoint, &keys, DAEMON_PATIENCE));
    assert_int_equal(daemon_stop(&public), 0);
    daemon_fini(&public);
    free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_on_the_list_is_let_in),
        cmocka_unit_test(nobody_else_is),
        cmocka_unit_test(keys_are_their_owner_s_and_never_overwritten),
        cmocka_unit_test(files_that_will_not_do_are_refused),
        cmocka_unit_test(a_public_endpoint_is_served_with_curve),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
