#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "server/curve_keys.h"
#include "server/zmq_config.h"
#include "tests/support/temp_dir.h"

enum { MOST = ZMQ_ENDPOINTS_MAX + 1 };

static struct temp_dir folder;
static char *keys, *clients;
static char public_key[ZEROMQ_KEY_TEXT];
static char none[] = "none", local[] = "tcp://127.0.0.1:5555", ipc[] = "ipc:///run/lstmd.sock",
            anywhere[] = "tcp://0.0.0.0:5555";
static char *items[MOST];
static struct options options;
static struct zmq_config config;
static struct fault fault;

static int start(void **state)
{
    (void)state;
    temp_dir_create(&folder);
    keys = temp_dir_file(&folder, "keys");
    clients = temp_dir_file(&folder, "clients");
    options = (struct options){
        .zmq = {.items = items},
        .zmq_events = none,
        .zmq_peer_limit = 7,
        .max_body_bytes = 1000,
        .request_timeout_ms = 3,
    };
    if (!curve_keys_make(keys, public_key, &fault))
        return -1;
    temp_dir_write(&folder, "clients", "%s\n", public_key);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    zmq_config_fini(&config);
    free(keys);
    free(clients);
    temp_dir_remove(&folder);
    return 0;
}

static void add(char *endpoint)
{
    items[options.zmq.count++] = endpoint;
}

static void use_curve(void)
{
    options.zmq_curve_secret = keys;
    options.zmq_curve_clients = clients;
}

static void expect_read(void)
{
    if (!zmq_config_read(&config, &options, &fault))
        fail_msg("%s", fault.text);
}

static void expect_refused(const char *wanted)
{
    assert_false(zmq_config_read(&config, &options, &fault));
    assert_int_equal(fault.status, 400);
    if (strstr(fault.text, wanted) != fault.text)
        fail_msg("'%s' is wanted first, got '%s'", wanted, fault.text);
    assert_null(config.clients.keys);
    assert_int_equal(config.secret_key[0], '\0');
}

static void nothing_need_be_served(void **state)
{
    (void)state;
    expect_read();
    assert_int_equal(config.endpoint_count, 0);
    add(none);
    expect_read();
    assert_int_equal(config.endpoint_count, 0);
    assert_false(config.has_events || config.curve);
}

static void several_endpoints_with_the_bounds_of_all(void **state)
{
    (void)state;
    add(local);
    add(ipc);
    options.zmq_events = ipc;
    expect_read();
    assert_int_equal(config.endpoint_count, 2);
    assert_string_equal(config.endpoints[0].text, local);
    assert_string_equal(config.endpoints[1].text, ipc);
    assert_true(config.has_events);
    assert_string_equal(config.events.text, ipc);
    assert_int_equal(config.max_request, 1000);
    assert_int_equal(config.peer_limit, 7);
    assert_int_equal(config.request_timeout, 3000000);
}

static void what_is_no_endpoint_is_named(void **state)
{
    (void)state;
    add(local);
    add(none); /* alone only */
    expect_refused("zmq: ");
    options.zmq.count = 1;
    options.zmq_events = public_key;
    expect_refused("zmq_events: ");
}

static void there_are_only_so_many(void **state)
{
    (void)state;
    while (options.zmq.count < ZMQ_ENDPOINTS_MAX)
        add(local);
    expect_read();
    add(local);
    expect_refused("zmq: at most 16 endpoints expected, got more");
}

static void who_is_reached_from_outside_has_curve(void **state)
{
    (void)state;
    add(local);
    add(anywhere);
    expect_refused("zmq: tcp://0.0.0.0:5555 can be reached from outside this machine: that takes "
                   "CURVE");
    options.zmq.count = 1;
    options.zmq_events = anywhere;
    expect_refused("zmq_events: tcp://0.0.0.0:5555 can be reached");
    add(anywhere);
    use_curve();
    expect_read();
    assert_int_equal(config.endpoint_count, 2);
    assert_true(config.has_events);
}

static void curve_takes_a_secret_and_clients(void **state)
{
    (void)state;
    options.zmq_curve_secret = keys;
    expect_refused("zmq_curve_clients is missing");
    use_curve();
    options.zmq_curve_secret = NULL;
    expect_refused("zmq_curve_secret is missing");
    use_curve();
    expect_read();
    assert_true(config.curve);
    assert_int_equal(strlen(config.secret_key), ZEROMQ_KEY_TEXT - 1);
    assert_int_equal(config.clients.count, 1);
}

static void a_bad_file_of_keys_is_named(void **state)
{
    (void)state;
    use_curve();
    options.zmq_curve_secret = clients;
    expect_refused("zmq_curve_secret: ");
    use_curve();
    temp_dir_write(&folder, "clients", "%s\nno key\n", public_key);
    expect_refused("zmq_curve_clients: ");
}

static void what_fails_later_keeps_no_secret(void **state)
{
    (void)state;
    use_curve();
    add(public_key);
    expect_refused("zmq: ");
}

static void what_stands_in_the_way_of_an_endpoint_is_found_before(void **state)
{
    char endpoint[ZMQ_ENDPOINT_MAX] = "ipc://";
    (void)state;
    add(local);
    options.zmq_events = strcat(endpoint, keys); /* a file that is no socket */
    expect_read();
    assert_false(zmq_config_clear(&config, &fault));
    assert_int_equal(fault.status, 503);
    options.zmq_events = none;
    expect_read();
    assert_true(zmq_config_clear(&config, &fault));
    add(endpoint);
    expect_read();
    assert_false(zmq_config_clear(&config, &fault));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_need_be_served),
        TEST(several_endpoints_with_the_bounds_of_all),
        TEST(what_is_no_endpoint_is_named),
        TEST(there_are_only_so_many),
        TEST(who_is_reached_from_outside_has_curve),
        TEST(curve_takes_a_secret_and_clients),
        TEST(a_bad_file_of_keys_is_named),
        TEST(what_fails_later_keeps_no_secret),
        TEST(what_stands_in_the_way_of_an_endpoint_is_found_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
