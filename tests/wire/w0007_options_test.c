/* Options: from flags, environment and file, and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"

/* The daemon ends with this status and says this on stderr, and nothing on stdout. */
static void expect_end(const char *const *arguments, const char *const *environment, int status,
                       const char *text)
{
    char *output, *errors;
    const int found = daemon_run(arguments, environment, &output, &errors);
    if (found != status || strstr(errors, text) == NULL)
        fail_msg("exit %d and '%s' wanted, got exit %d and: %s", status, text, found, errors);
    assert_string_equal(output, "");
    free(output);
    free(errors);
}

/* Each row: a flag, its value, and what is said about it. */
static void wrong_flags_are_refused_by_name(void **state)
{
    static const char *const rows[][3] = {
        {"--nonsense", NULL, "unknown option '--nonsense'"},
        {"serve", NULL, "unknown option 'serve'"},
        {"-h", NULL, "unknown option '-h'"},
        {"--workersx", "1", "unknown option '--workersx'"},
        {"--max_body_bytes", "5000", "unknown option '--max_body_bytes'"},
        {"--workers", NULL, "--workers: a value expected, got none"},
        {"--workers", "0", "--workers: a whole number from 1 to 1024 expected, got '0'"},
        {"--workers", "-1", "--workers: a whole number from 1 to 1024 expected, got '-1'"},
        {"--workers", "1.5", "--workers: a whole number from 1 to 1024 expected, got '1.5'"},
        {"--workers", "2x", "--workers: a whole number from 1 to 1024 expected, got '2x'"},
        {"--workers", "18446744073709551617", "got '18446744073709551617'"},
        {"--workers", "", "--workers: a value expected, got ''"},
        {"--http", "localhost:80", "http: ADDRESS:PORT expected"},
        {"--http", "127.0.0.1:65536", "http: ADDRESS:PORT expected"},
        {"--http", "127.0.0.1", "http: ADDRESS:PORT expected"},
        {"--http", "none", "http: none, and no other endpoint is there to serve on"},
        {"--zmq", "127.0.0.1:5555", "zmq: tcp://ADDRESS:PORT or ipc://PATH expected, got '127."},
        {"--zmq", "tcp://*:5555", "zmq: tcp://0.0.0.0:5555 can be reached from outside"},
        {"--zmq-events", "tcp://[::]:1", "--zmq-events: tcp://[::]:1 can be reached from outside"},
        {"--zmq-curve-secret", "/nowhere", "zmq_curve_clients is missing"},
        {"--zmq-curve-clients", "/nowhere", "zmq_curve_secret is missing"},
        {"--kernel", "abacus", "kernel: one of "},
        {"--models", "/nowhere", "/nowhere: No such file or directory"},
        {"--models", "deploy/models/seed-simple.json",
         "deploy/models/seed-simple.json: Not a directory; --model FILE serves one config"},
        {"--model", "deploy/models/seed-simple.safetensors",
         "deploy/models/seed-simple.safetensors: a model's config, in JSON, expected, got binary "
         "data"},
        {"--model", "/nowhere.json", "/nowhere.json: No such file or directory"},
        {"--config", "/nowhere.json", "/nowhere.json: No such file or directory"},
        {"--check=maybe", NULL, "--check: true or false expected, got 'maybe'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const arguments[] = {"--models", "deploy/models", rows[i][0], rows[i][1], NULL};
        expect_end(arguments, NULL, 2, rows[i][2]);
    }
}

static void a_flag_given_twice_is_refused(void **state)
{
    static const char *const arguments[] = {"--workers", "1", "--workers=2", NULL};
    (void)state;
    expect_end(arguments, NULL, 2, "--workers: given twice");
}

static void without_a_model_there_is_nothing_to_serve(void **state)
{
    static const char *const arguments[] = {"--workers", "1", NULL};
    (void)state;
    expect_end(arguments, NULL, 2, "no model to serve");
}

static void a_wrong_variable_is_refused_by_name(void **state)
{
    static const char *const arguments[] = {"--models", "deploy/models", NULL};
    static const char *const environment[] = {"LSTMD_WORKERS=many", NULL};
    (void)state;
    expect_end(arguments, environment, 2,
               "LSTMD_WORKERS: a whole number from 1 to 1024 expected, got 'many'");
}

static void help_and_version_are_told_on_stdout(void **state)
{
    static const char *const help[] = {"--help", NULL}, *const version[] = {"--version", NULL};
    char *output, *errors;
    (void)state;
    assert_int_equal(daemon_run(help, NULL, &output, &errors), 0);
    assert_non_null(strstr(output, "usage: lstmd"));
    assert_non_null(strstr(output, "--models DIR"));
    assert_non_null(strstr(output, "LSTMD_ZMQ several endpoints with ','"));
    assert_non_null(strstr(output, "exit 0 or 1 (2: wrong options)"));
    assert_non_null(strstr(output, "http:// alone: with TLS ask its --admin"));
    assert_string_equal(errors, "");
    free(output);
    free(errors);
    assert_int_equal(daemon_run(version, NULL, &output, &errors), 0);
    assert_string_equal(output, "lstmd 0.1.0\n");
    free(output);
    free(errors);
}

/* ---- the file ---- */

/* Runs the daemon with this text as its --config and expects its refusal, which names the file. */
static void refuse_file(const char *config, const char *text)
{
    struct temp_dir dir;
    temp_dir_create(&dir);
    temp_dir_write(&dir, "lstmd.json", "%s", config);
    char *path = temp_dir_file(&dir, "lstmd.json");
    const char *const arguments[] = {"--config", path, NULL};
    expect_end(arguments, NULL, 2, path);
    expect_end(arguments, NULL, 2, text);
    free(path);
    temp_dir_remove(&dir);
}

static void a_wrong_file_is_refused_by_name_and_key(void **state)
{
    (void)state;
    refuse_file("", "a value is wanted, got the end");
    refuse_file("{\"workers\":2", "',' or '}' is wanted, got the end");
    refuse_file("[]", "an object expected, got an array");
    refuse_file("{\"wokers\":2}", "wokers: unknown key");
    refuse_file("{\"config\":\"x\"}", "config: unknown key");
    refuse_file("{\"workers\":2,\"workers\":2}", "workers: given twice");
    refuse_file("{\"workers\":\"2\"}", "workers: an integer of at least 1 expected, got \"2\"");
    refuse_file("{\"workers\":2.5}", "workers: an integer of at least 1 expected, got 2.5");
    refuse_file("{\"workers\":0}", "workers: an integer of at least 1 expected, got 0");
    refuse_file("{\"http\":8080}", "http: a string expected");
    refuse_file("{\"ignore_half_close\":1}", "ignore_half_close: true or false expected, got 1");
    refuse_file("{\"models\":{}}",
                "models: a string or an array of strings expected, got an object");
    refuse_file("{\"models\":[1]}", "models: an array of strings expected, got 1");
}

/* ---- who beats whom ---- */

/* The daemon becomes ready, its ready line holding this text. */
static void expect_ready(const char *const *arguments, const char *const *environment,
                         const char *text)
{
    struct daemon daemon;
    assert_true(daemon_start(&daemon, arguments, environment));
    char *log = daemon_log(&daemon);
    const char *line = strstr(log, "lstmd ready ");
    assert_non_null(line);
    if (strstr(line, text) == NULL)
        fail_msg("'%s' wanted, got: %s", text, line);
    free(log);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_fini(&daemon);
}

static void a_flag_beats_the_environment_which_beats_the_file(void **state)
{
    static const char *const environment[] = {"LSTMD_WORKERS=2", NULL};
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    temp_dir_write(&dir, "lstmd.json", "{\"workers\":3}");
    char *path = temp_dir_file(&dir, "lstmd.json");
    const char *const file[] = {"--models", "deploy/models", "--config", path, NULL};
    const char *const flag[] = {"--models", "deploy/models", "--config", path, "--workers", "1",
                                NULL};
    expect_ready(file, NULL, " workers=3 ");
    expect_ready(file, environment, " workers=2 ");
    expect_ready(flag, environment, " workers=1 ");
    free(path);
    temp_dir_remove(&dir);
}

static void a_list_is_taken_from_one_place_only(void **state)
{
    static const char *const flags[] = {"--model", "deploy/models/seed-simple.json", "--model",
                                        "deploy/models/silero-vad.json", NULL};
    static const char *const none[] = {NULL};
    static const char *const environment[] = {
        "LSTMD_MODEL=deploy/models/seed-simple.json:deploy/models/seed-bidirectional.json:"
        "deploy/models/silero-vad.json",
        NULL};
    (void)state;
    expect_ready(flags, NULL, " models=2\n");
    expect_ready(none, environment, " models=3\n");
    expect_ready(flags, environment, " models=2\n");
}

static void paths_in_the_file_are_relative_to_it(void **state)
{
    struct temp_dir dir;
    (void)state;
    char *weights = realpath("deploy/models/seed-simple.safetensors", NULL);
    temp_dir_create(&dir);
    temp_dir_write(&dir, "a.json", "{\"weights\":\"%s\"}", weights);
    temp_dir_write(&dir, "lstmd.json", "{\"model\":\"a.json\",\"kernel\":\"scalar\"}");
    char *path = temp_dir_file(&dir, "lstmd.json");
    const char *const arguments[] = {"--config", path, NULL};
    const char *const environment[] = {"LSTMD_KERNEL=", "LSTMD_PORT=tcp://10.0.0.1:80", NULL};
    expect_ready(arguments, NULL, " kernel=scalar models=1\n");
    expect_ready(arguments, environment, " kernel=scalar models=1\n"); /* empty, unknown: let be */

    char *missing = temp_dir_file(&dir, "there: No such file or directory");
    temp_dir_write(&dir, "lstmd.json", "{\"models\":[\"there\"]}");
    expect_end(arguments, NULL, 2, missing);
    free(missing);
    free(path);
    free(weights);
    temp_dir_remove(&dir);
}

/* What stands behind name in the ready line: an endpoint with a port that is not 0. */
static void assert_real_port(const char *log, const char *name)
{
    const char *found = strstr(log, name);
    if (found == NULL)
        fail_msg("'%s' wanted, got: %s", name, log);
    assert_true(strtoul(found + strlen(name), NULL, 10) > 0);
}

static void bug_470_the_ready_line_names_where_events_are_published(void **state)
{
    static const char *const arguments[] = {
        "--models", "deploy/models", "--zmq-events", "tcp://127.0.0.1:0", "--admin", "127.0.0.1:0",
        NULL};
    struct daemon daemon;
    (void)state;
    assert_true(daemon_start(&daemon, arguments, NULL));
    char *log = daemon_log(&daemon);
    assert_real_port(log, " admin=127.0.0.1:");
    assert_real_port(log, " zmq_events=tcp://127.0.0.1:");
    free(log);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_fini(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_flags_are_refused_by_name),
        cmocka_unit_test(a_flag_given_twice_is_refused),
        cmocka_unit_test(without_a_model_there_is_nothing_to_serve),
        cmocka_unit_test(a_wrong_variable_is_refused_by_name),
        cmocka_unit_test(help_and_version_are_told_on_stdout),
        cmocka_unit_test(a_wrong_file_is_refused_by_name_and_key),
        cmocka_unit_test(a_flag_beats_the_environment_which_beats_the_file),
        cmocka_unit_test(a_list_is_taken_from_one_place_only),
        cmocka_unit_test(paths_in_the_file_are_relative_to_it),
        cmocka_unit_test(bug_470_the_ready_line_names_where_events_are_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
