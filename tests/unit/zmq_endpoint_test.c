#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/zmq_endpoint.h"

static void endpoints_say_who_can_reach_them(void **state)
{
    static const struct {
        const char *text, *wanted;
        bool is_public, ipv6;
    } rows[] = {
        {"tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555", false, false},
        {"tcp://127.9.9.9:0", "tcp://127.9.9.9:0", false, false},
        {"tcp://127.0.0.1:*", "tcp://127.0.0.1:0", false, false},
        {"tcp://[::1]:5555", "tcp://[::1]:5555", false, true},
        {"tcp://0.0.0.0:5555", "tcp://0.0.0.0:5555", true, false},
        {"tcp://*:5555", "tcp://0.0.0.0:5555", true, false},
        {"tcp://*:*", "tcp://0.0.0.0:0", true, false},
        {"tcp://[::]:5555", "tcp://[::]:5555", true, true},
        {"tcp://128.0.0.1:5555", "tcp://128.0.0.1:5555", true, false},
        {"ipc:///run/lstmd.sock", "ipc:///run/lstmd.sock", false, false},
        {"ipc://@lstmd", "ipc://@lstmd", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zmq_endpoint endpoint;
        struct fault fault;
        if (!zmq_endpoint_parse(&endpoint, rows[i].text, &fault))
            fail_msg("%s", fault.text);
        assert_string_equal(endpoint.text, rows[i].wanted);
        assert_int_equal(endpoint.is_public, rows[i].is_public);
        assert_int_equal(endpoint.ipv6, rows[i].ipv6);
    }
}

static void other_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "tcp://",
        "tcp://localhost:5555",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:65536",
        "none",
        "inproc://x",
        "ipc://",
        "ipc://*",
        "127.0.0.1:5555",
        "tcp://lo:5555",
    };
    char long_path[256] = "ipc:///";
    struct zmq_endpoint endpoint;
    struct fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(zmq_endpoint_parse(&endpoint, texts[i], &fault));
        assert_int_equal(fault.status, 400);
    }
    memset(long_path + 7, 'x', 120);
    assert_false(zmq_endpoint_parse(&endpoint, long_path, &fault));
    assert_non_null(strstr(fault.text, "a path of at most 107 bytes"));
}

/* ---- the file ---- */

static char folder[] = "/tmp/zmq_endpoint_test_XXXXXX";
static char path[64];
static struct zmq_endpoint endpoint;

static int setup(void **state)
{
    struct fault fault;
    char text[80];
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(text, sizeof text, "ipc://%s", path);
    return zmq_endpoint_parse(&endpoint, text, &fault) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    return 0;
}

static bool is_there(void)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static int bind_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void a_dead_socket_s_file_is_cleared_away(void **state)
{
    struct fault fault;
    (void)state;
    assert_true(zmq_endpoint_clear(&endpoint, &fault)); /* nothing is there */
    close(bind_socket());
    assert_true(is_there());
    assert_true(zmq_endpoint_clear(&endpoint, &fault));
    assert_false(is_there());
}

static void a_live_socket_s_is_not(void **state)
{
    struct fault fault;
    (void)state;
    const int fd = bind_socket();
    assert_false(zmq_endpoint_clear(&endpoint, &fault));
    assert_int_equal(fault.status, 503);
    assert_non_null(strstr(fault.text, "another process does"));
    assert_true(is_there());
    close(fd);
}

static void nor_is_what_is_no_socket(void **state)
{
    struct fault fault;
    (void)state;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_false(zmq_endpoint_clear(&endpoint, &fault));
    assert_non_null(strstr(fault.text, "no socket"));
    assert_true(is_there());
}

static void only_the_own_file_is_removed(void **state)
{
    (void)state;
    const int first = bind_socket();
    zmq_endpoint_bound(&endpoint);
    unlink(path);
    const int second = bind_socket();
    zmq_endpoint_remove(&endpoint);
    assert_true(is_there());
    zmq_endpoint_bound(&endpoint);
    zmq_endpoint_remove(&endpoint);
    assert_false(is_there());
    close(first);
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_say_who_can_reach_them),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test_setup_teardown(a_dead_socket_s_file_is_cleared_away, setup, teardown),
        cmocka_unit_test_setup_teardown(a_live_socket_s_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_is_what_is_no_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_own_file_is_removed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
