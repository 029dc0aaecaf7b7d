#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/setup.h"

#define MOST_ARGUMENTS 24

/* lstmd's flags, with spaces between them. Both are to be ended when it is true. */
static bool make(const char *flags, struct options *options, struct setup *setup,
                 struct fault *fault)
{
    char text[512];
    char *argv[MOST_ARGUMENTS] = {NULL};
    char *environment[] = {NULL};
    int argc = 0;
    snprintf(text, sizeof text, "lstmd --models m %s", flags);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(argc + 1 < MOST_ARGUMENTS);
        argv[argc++] = word;
    }
    if (!options_read(options, argc, argv, environment, fault))
        fail_msg("%s: %s", flags, fault->text);
    if (setup_init(setup, options, fault))
        return true;
    options_fini(options);
    return false;
}

static void good(const char *flags, struct options *options, struct setup *setup)
{
    struct fault fault;
    if (!make(flags, options, setup, &fault))
        fail_msg("%s: %s", flags, fault.text);
}

static void end(struct options *options, struct setup *setup)
{
    setup_fini(setup);
    options_fini(options);
}

static void refused(const char *flags, const char *text)
{
    struct options options;
    struct setup setup;
    struct fault fault;
    if (make(flags, &options, &setup, &fault))
        fail_msg("%s was accepted", flags);
    assert_string_equal(fault.text, text);
    assert_int_equal(fault.status, 400);
}

static void without_flags_http_is_served_on_this_machine_with_every_door(void **state)
{
    (void)state;
    struct options options;
    struct setup setup;
    good("", &options, &setup);
    assert_true(setup.has_http && setup.has_sandbox);
    assert_false(setup.has_admin || setup.zmq.has_events || setup.http.tls);
    assert_int_equal(setup.http.role, HTTP_ALL);
    assert_int_equal(setup.http.request_timeout, UINT64_C(30000000000));
    assert_int_equal(setup.zmq.endpoint_count, 0);
    assert_non_null(setup.kernel);
    const struct model_places places = setup_places(&setup);
    assert_int_equal(places.folder_count, 1);
    assert_string_equal(places.folders[0], "m");
    assert_int_equal(places.file_count, 0);
    end(&options, &setup);
}

static void an_admin_address_takes_its_doors_from_the_others(void **state)
{
    (void)state;
    struct options options;
    struct setup setup;
    good("--admin 127.0.0.1:0 --http-threads 8 --max-body-bytes 4096", &options, &setup);
    assert_true(setup.has_admin);
    assert_int_equal(setup.http.role, HTTP_SERVING);
    assert_int_equal(setup.http.threads, 8);
    assert_int_equal(setup.admin.role, HTTP_ADMIN);
    assert_int_equal(setup.admin.threads, 1);
    assert_int_equal(setup.admin.max_body, 4096);
    end(&options, &setup);
    good("--admin 127.0.0.1:0", &options, &setup);
    assert_int_equal(setup.http.max_body, 64 << 20);
    assert_int_equal(setup.admin.max_body, 1 << 20);
    end(&options, &setup);
}

static void zeromq_alone_is_enough(void **state)
{
    (void)state;
    struct options options;
    struct setup setup;
    good("--http none --zmq tcp://127.0.0.1:0 --kernel scalar --sandbox off", &options, &setup);
    assert_false(setup.has_http || setup.has_sandbox);
    assert_int_equal(setup.zmq.endpoint_count, 1);
    assert_string_equal(setup.kernel->name, "scalar");
    end(&options, &setup);
}

static void there_is_something_to_serve_on(void **state)
{
    (void)state;
    struct options options;
    struct setup setup;
    refused("--http none", "--http: none, and no other endpoint is there to serve on");
    good("--http none --check", &options, &setup);
    end(&options, &setup);
}

static void whoever_can_connect_is_said(void **state)
{
    (void)state;
    struct options options;
    struct setup setup;
    refused("--http 0.0.0.0:0",
            "--http: 0.0.0.0:0 can be reached from other machines: give --tokens-file FILE, or say "
            "--auth none to serve whoever connects");
    refused("--auth tokens", "--auth: tokens, but there is no tokens_file");
    refused("--auth none --tokens-file t", "--auth: none, but there is a tokens_file");
    refused("--auth some", "--auth: tokens or none expected, got 'some'");
    good("--http 0.0.0.0:0 --auth none", &options, &setup);
    end(&options, &setup);
    good("--http 0.0.0.0:0 --admin 0.0.0.0:0 --tokens-file t", &options, &setup);
    end(&options, &setup);
}

static void words_are_known_ones(void **state)
{
    (void)state;
    refused("--sandbox maybe", "--sandbox: on or off expected, got 'maybe'");
    refused("--log-format xml", "--log-format: text or json expected, got 'xml'");
    refused("--http here", "--http: ADDRESS:PORT expected (127.0.0.1:8080, [::1]:8080), "
                           "got 'here'");
}

static void a_kernel_that_is_not_known_is_told_those_that_are(void **state)
{
    (void)state;
    struct options options;
    struct setup setup;
    struct fault fault;
    assert_false(make("--kernel sse9", &options, &setup, &fault));
    assert_non_null(strstr(fault.text, "--kernel: one of "));
    assert_non_null(strstr(fault.text, "scalar that this machine can run expected, got 'sse9'"));
}

static void certificate_and_key_belong_together(void **state)
{
    (void)state;
    struct options options;
    struct setup setup;
    refused("--tls-key k", "--tls-key: a tls_certificate expected beside it");
    refused("--tls-certificate c", "--tls-certificate: a tls_key expected beside it");
    refused("--tls-client-ca a", "--tls-client-ca: without tls_certificate there is no TLS");
    good("--tls-key k --tls-certificate c --tls-client-ca a", &options, &setup);
    assert_true(setup.http.tls);
    end(&options, &setup);
}

/* The process's limit is low before, and as it was afterwards. */
static rlim_t files_allowed(const char *flags)
{
    struct options options;
    struct setup setup;
    struct rlimit before, after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    good(flags, &options, &setup);
    end(&options, &setup);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    return after.rlim_cur;
}

static void bug_410_who_only_listens_to_events_may_be_connected_too(void **state)
{
    (void)state;
    const rlim_t none = files_allowed("--connection-limit 100");
    const rlim_t served = files_allowed("--connection-limit 100 --zmq tcp://127.0.0.1:0");
    assert_true(none >= 100 && served > none);
    assert_int_equal(files_allowed("--connection-limit 100 --zmq-events tcp://127.0.0.1:0"),
                     served);
}

/* In a process of its own: who has lowered the hard limit cannot raise it again. */
static void bug_411_zeromq_is_served_where_few_files_may_be_open(void **state)
{
    int status;
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit few = {.rlim_cur = 256, .rlim_max = 1024};
        struct options options;
        struct setup setup;
        struct fault fault;
        _exit(setrlimit(RLIMIT_NOFILE, &few) == 0 &&
                      make("--zmq tcp://127.0.0.1:0", &options, &setup, &fault)
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_flags_http_is_served_on_this_machine_with_every_door),
        cmocka_unit_test(an_admin_address_takes_its_doors_from_the_others),
        cmocka_unit_test(zeromq_alone_is_enough),
        cmocka_unit_test(there_is_something_to_serve_on),
        cmocka_unit_test(whoever_can_connect_is_said),
        cmocka_unit_test(words_are_known_ones),
        cmocka_unit_test(a_kernel_that_is_not_known_is_told_those_that_are),
        cmocka_unit_test(certificate_and_key_belong_together),
        cmocka_unit_test(bug_410_who_only_listens_to_events_may_be_connected_too),
        cmocka_unit_test(bug_411_zeromq_is_served_where_few_files_may_be_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
