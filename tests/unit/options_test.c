#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/options.h"

#define MOST_ARGUMENTS 16

static char folder[] = "/tmp/lstmd-options-XXXXXX";
static char config_path[64], config_variable[80];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(config_path, sizeof config_path, "%s/c.json", folder);
    snprintf(config_variable, sizeof config_variable, "LSTMD_CONFIG=%s", config_path);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(config_path);
    return rmdir(folder);
}

static void write_config(const char *text)
{
    FILE *file = fopen(config_path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A space-separated list as an array that ends with NULL; "@" stands for the config's path. */
static int split(const char *text, char *buffer, size_t capacity, char **words)
{
    int count = 0;
    snprintf(buffer, capacity, "%s", text);
    for (char *word = strtok(buffer, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(count + 1 < MOST_ARGUMENTS);
        words[count++] = strcmp(word, "@") == 0                ? config_path
                         : strcmp(word, "LSTMD_CONFIG=@") == 0 ? config_variable
                                                               : word;
    }
    words[count] = NULL;
    return count;
}

static bool read_options(struct options *options, const char *arguments, const char *environment,
                         struct fault *fault)
{
    char argument_text[512], variable_text[512];
    char *argv[MOST_ARGUMENTS], *envp[MOST_ARGUMENTS];
    char line[512];
    snprintf(line, sizeof line, "lstmd %s", arguments);
    const int argc = split(line, argument_text, sizeof argument_text, argv);
    split(environment, variable_text, sizeof variable_text, envp);
    return options_read(options, argc, argv, envp, fault);
}

static struct options good(const char *arguments, const char *environment)
{
    struct options options;
    struct fault fault;
    if (!read_options(&options, arguments, environment, &fault))
        fail_msg("%s | %s: %s", arguments, environment, fault.text);
    return options;
}

static void bad(const char *arguments, const char *environment, const char *text)
{
    struct options options;
    struct fault fault = {0};
    if (read_options(&options, arguments, environment, &fault))
        fail_msg("%s | %s was accepted", arguments, environment);
    assert_string_equal(fault.text, text);
}

static void bad_config(const char *json, const char *text)
{
    char whole[512];
    write_config(json);
    snprintf(whole, sizeof whole, "%s: %s", config_path, text);
    bad("--config @", "", whole);
}

static void nothing_given_means_the_defaults(void **state)
{
    (void)state;
    struct options options = good("", "");
    assert_null(options.config);
    assert_null(options.kernel);
    assert_int_equal(options.models.count, 0);
    assert_int_equal(options.model.count, 0);
    assert_string_equal(options.http, "127.0.0.1:8080");
    assert_int_equal(options.zmq.count, 0);
    assert_string_equal(options.zmq_events, "none");
    assert_int_equal(options.zmq_peer_limit, 1024);
    assert_null(options.zmq_curve_secret);
    assert_true(options.workers >= 1);
    assert_true(options.http_threads >= 2 && options.http_threads <= 16);
    assert_int_equal(options.queue_limit, 256);
    assert_int_equal(options.queue_rows_limit, 4096);
    assert_int_equal(options.queue_client_percent, 75);
    assert_int_equal(options.tick_rows, 64);
    assert_in_range(options.connection_limit, 8, 1024); /* as many as files may be open */
    assert_int_equal(options.max_body_bytes, 64 << 20);
    assert_true(options.max_memory_bytes > 0 && options.max_memory_bytes <= 1 << 30);
    assert_int_equal(options.header_timeout_ms, 10000);
    assert_int_equal(options.request_timeout_ms, 30000);
    assert_int_equal(options.drain_timeout_ms, 20000);
    assert_int_equal(options.drain_delay_ms, 0);
    assert_false(options.check || options.version || options.help || options.ignore_half_close);
    options_fini(&options);
}

static void flags_take_their_value_after_a_space_or_an_equals_sign(void **state)
{
    (void)state;
    struct options options =
        good("--workers 3 --http=[::1]:0 --max-body-bytes=2048 --check --kernel scalar", "");
    assert_int_equal(options.workers, 3);
    assert_string_equal(options.http, "[::1]:0");
    assert_int_equal(options.max_body_bytes, 2048);
    assert_true(options.check);
    assert_string_equal(options.kernel, "scalar");
    options_fini(&options);
}

static void lists_keep_their_order(void **state)
{
    (void)state;
    struct options options = good("--models a --model x.json --models=b", "");
    assert_int_equal(options.models.count, 2);
    assert_string_equal(options.models.items[0], "a");
    assert_string_equal(options.models.items[1], "b");
    assert_int_equal(options.model.count, 1);
    assert_string_equal(options.model.items[0], "x.json");
    options_fini(&options);
}

static void the_environment_has_every_option(void **state)
{
    (void)state;
    struct options options = good("", "LSTMD_WORKERS=5 LSTMD_MODELS=a:b/c LSTMD_KERNEL=scalar "
                                      "LSTMD_IGNORE_HALF_CLOSE=true LSTMD_HTTP=0.0.0.0:1");
    assert_int_equal(options.workers, 5);
    assert_int_equal(options.models.count, 2);
    assert_string_equal(options.models.items[0], "a");
    assert_string_equal(options.models.items[1], "b/c");
    assert_string_equal(options.kernel, "scalar");
    assert_true(options.ignore_half_close);
    assert_string_equal(options.http, "0.0.0.0:1");
    options_fini(&options);
}

/* They have colons of their own, and are no paths. */
static void endpoints_are_a_list_wherever_they_stand(void **state)
{
    (void)state;
    struct options options = good("", "LSTMD_ZMQ=tcp://127.0.0.1:1,ipc:///x");
    assert_int_equal(options.zmq.count, 2);
    assert_string_equal(options.zmq.items[0], "tcp://127.0.0.1:1");
    assert_string_equal(options.zmq.items[1], "ipc:///x");
    options_fini(&options);
    write_config("{\"zmq\": [\"tcp://127.0.0.1:1\", \"ipc://rel\"]}");
    options = good("--config @", "");
    assert_int_equal(options.zmq.count, 2);
    assert_string_equal(options.zmq.items[1], "ipc://rel");
    options_fini(&options);
    options = good("--zmq a --zmq b", "LSTMD_ZMQ=c");
    assert_int_equal(options.zmq.count, 2);
    assert_string_equal(options.zmq.items[1], "b");
    options_fini(&options);
}

static void empty_and_unknown_variables_are_let_be(void **state)
{
    (void)state;
    struct options options = good(
        "",
        "LSTMD_WORKERS= LSTMD_PORT=tcp://10.0.0.1:80 LSTMD_VERSION=7 LSTMD_WORKERSX=9 WORKERS=9");
    assert_false(options.version);
    assert_int_not_equal(options.workers, 9);
    options_fini(&options);
}

static void the_file_has_every_option(void **state)
{
    (void)state;
    write_config("{\"workers\": 7, \"models\": [\"a\", \"/abs\"], \"model\": \"m.json\","
                 " \"http\": \"127.0.0.1:9\", \"ignore_half_close\": true, \"check\": false}");
    struct options options = good("", "LSTMD_CONFIG=@");
    assert_int_equal(options.workers, 7);
    options_fini(&options);
    options = good("--config @", "");
    char path[80];
    assert_int_equal(options.workers, 7);
    assert_int_equal(options.models.count, 2);
    snprintf(path, sizeof path, "%s/a", folder);
    assert_string_equal(options.models.items[0], path);
    assert_string_equal(options.models.items[1], "/abs");
    snprintf(path, sizeof path, "%s/m.json", folder);
    assert_string_equal(options.model.items[0], path);
    assert_string_equal(options.http, "127.0.0.1:9");
    assert_true(options.ignore_half_close);
    options_fini(&options);
}

static void flags_beat_the_environment_and_that_beats_the_file(void **state)
{
    (void)state;
    write_config("{\"workers\": 1, \"queue_limit\": 1, \"http_threads\": 3, \"models\": \"f\"}");
    struct options options = good("--config @ --workers 3 --models x",
                                  "LSTMD_WORKERS=2 LSTMD_QUEUE_LIMIT=2 LSTMD_MODELS=y:z");
    assert_int_equal(options.workers, 3);
    assert_int_equal(options.queue_limit, 2);
    assert_int_equal(options.http_threads, 3);
    assert_int_equal(options.models.count, 1);
    assert_string_equal(options.models.items[0], "x");
    options_fini(&options);
}

static void bad_flags_are_named(void **state)
{
    (void)state;
    bad("--bogus", "", "unknown option '--bogus', see --help");
    bad("--worker 2", "", "unknown option '--worker', see --help");
    bad("--max_body_bytes 2048", "", "unknown option '--max_body_bytes', see --help");
    bad("-h", "", "unknown option '-h', see --help");
    bad("models", "", "unknown option 'models', see --help");
    bad("--", "", "unknown option '--', see --help");
    bad("--workers", "", "--workers: a value expected, got none");
    bad("--workers=", "", "--workers: a value expected, got ''");
    bad("--workers 2 --workers 2", "", "--workers: given twice");
    bad("--check --check", "", "--check: given twice");
    bad("--workers two", "", "--workers: a whole number from 1 to 1024 expected, got 'two'");
    bad("--workers 0", "", "--workers: a whole number from 1 to 1024 expected, got '0'");
    bad("--workers 1025", "", "--workers: a whole number from 1 to 1024 expected, got '1025'");
    bad("--workers -1", "", "--workers: a whole number from 1 to 1024 expected, got '-1'");
    bad("--workers 1.5", "", "--workers: a whole number from 1 to 1024 expected, got '1.5'");
    bad("--workers 18446744073709551617", "",
        "--workers: a whole number from 1 to 1024 expected, got '18446744073709551617'");
    bad("--http-threads 1", "", "--http-threads: a whole number from 2 to 64 expected, got '1'");
    bad("--check=yes", "", "--check: true or false expected, got 'yes'");
}

static void bad_variables_are_named_even_when_beaten(void **state)
{
    (void)state;
    const char *text = "LSTMD_WORKERS: a whole number from 1 to 1024 expected, got 'x'";
    bad("", "LSTMD_WORKERS=x", text);
    bad("--workers 2", "LSTMD_WORKERS=x", text);
    bad("", "LSTMD_CHECK=1", "LSTMD_CHECK: true or false expected, got '1'");
    bad("", "LSTMD_MODELS=a::b", "LSTMD_MODELS: a value expected, got ''");
}

static void bad_files_are_named_with_their_key(void **state)
{
    (void)state;
    bad_config("{\"wokers\": 1}", "wokers: unknown key, see --help");
    bad_config("{\"config\": \"x\"}", "config: unknown key, see --help");
    bad_config("{\"version\": true}", "version: unknown key, see --help");
    bad_config("{\"Workers\": 1}", "Workers: unknown key, see --help");
    bad_config("{\"workers\": 1, \"workers\": 1}", "workers: given twice");
    bad_config("{\"http\": \"\"}", "http: a value expected, got ''");
    bad_config("{\"models\": [\"a\", \"\"]}", "models[1]: a value expected, got ''");
}

/* The exact words are config_json's. */
static void files_with_wrong_types_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{\"workers\": \"2\"}",
        "{\"workers\": 0}",
        "{\"workers\": 2.5}",
        "{\"workers\": 1e99}",
        "{\"http\": 8080}",
        "{\"check\": \"true\"}",
        "{\"models\": 1}",
        "{\"models\": [1]}",
        "{\"models\": {}}",
        "{\"workers\": 2,}",
        "{\"workers\": 2} x",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct options options;
        struct fault fault = {0};
        write_config(texts[i]);
        if (read_options(&options, "--config @", "", &fault))
            fail_msg("accepted: %s", texts[i]);
        assert_memory_equal(fault.text, config_path, strlen(config_path));
    }
}

static void expect_place(const char *arguments, const char *environment, const char *wanted)
{
    struct options options = good(arguments, environment);
    struct fault fault;
    fault_set(&fault, 400, "log_format: text or json expected");
    options_place(&options, &fault);
    assert_string_equal(fault.text, wanted);
    assert_int_equal(fault.status, 400);
    options_fini(&options);
}

static void what_shows_later_is_placed_where_it_was_said(void **state)
{
    (void)state;
    char in_file[256];
    write_config("{\"log_format\":\"x\"}");
    snprintf(in_file, sizeof in_file, "%s: log_format: text or json expected", config_path);
    expect_place("", "", "log_format: text or json expected");
    expect_place("--config @", "", in_file);
    expect_place("--config @", "LSTMD_LOG_FORMAT=y", "LSTMD_LOG_FORMAT: text or json expected");
    expect_place("--log-format z", "LSTMD_LOG_FORMAT=y", "--log-format: text or json expected");
    struct options options = good("--http x", "");
    struct fault fault;
    fault_set(&fault, 400, "https: no option");
    options_place(&options, &fault);
    assert_string_equal(fault.text, "https: no option");
    options_fini(&options);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    bad("--config /nonexistent/x.json", "", "/nonexistent/x.json: No such file or directory");
    bad("--config /tmp", "", "/tmp: not a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_means_the_defaults),
        cmocka_unit_test(flags_take_their_value_after_a_space_or_an_equals_sign),
        cmocka_unit_test(lists_keep_their_order),
        cmocka_unit_test(the_environment_has_every_option),
        cmocka_unit_test(endpoints_are_a_list_wherever_they_stand),
        cmocka_unit_test(empty_and_unknown_variables_are_let_be),
        cmocka_unit_test(the_file_has_every_option),
        cmocka_unit_test(flags_beat_the_environment_and_that_beats_the_file),
        cmocka_unit_test(bad_flags_are_named),
        cmocka_unit_test(bad_variables_are_named_even_when_beaten),
        cmocka_unit_test(bad_files_are_named_with_their_key),
        cmocka_unit_test(files_with_wrong_types_are_refused),
        cmocka_unit_test(what_shows_later_is_placed_where_it_was_said),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
