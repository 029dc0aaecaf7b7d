/* What the service manager is told (systemd's protocol), and what a server gives up once it is
 * ready. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/landlock.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/whole_file.h"

#define PATIENCE 60000

static struct fixture fixture;

/* ---- the service manager ---- */

static int manager = -1;
static char place[108 + 16]; /* NOTIFY_SOCKET=... */

/* abstract: in no file system. */
static void open_manager(bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path = temp_dir_file(&fixture.dir, "notify");
    const size_t size = strlen(path);
    memcpy(address.sun_path, path, size);
    if (abstract)
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
                     0);
    snprintf(place, sizeof place, "NOTIFY_SOCKET=%s%s", abstract ? "@" : "",
             path + (abstract ? 1 : 0));
    free(path);
}

static void expect_told(const char *beginning, char text[256])
{
    struct pollfd pollfd = {.fd = manager, .events = POLLIN};
    if (poll(&pollfd, 1, PATIENCE) != 1)
        fail_msg("'%s' was never told", beginning);
    const ssize_t size = recv(manager, text, 255, 0);
    assert_true(size > 0);
    text[size] = '\0';
    if (strncmp(text, beginning, strlen(beginning)) != 0)
        fail_msg("'%s' wanted, got '%s'", beginning, text);
}

static void start_managed(bool abstract, const char *watchdog)
{
    const char *const environment[] = {place, watchdog, NULL};
    fixture_init(&fixture);
    open_manager(abstract);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(fixture_start(&fixture, NULL, environment));
}

static void stop_managed(void)
{
    assert_int_equal(fixture_stop(&fixture), 0);
    close(manager);
}

static unsigned long long monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
}

static void the_manager_is_told_each_turn_of_its_life(void **state)
{
    char text[256];
    unsigned long long at = 0;
    (void)state;
    const unsigned long long before = monotonic_us();
    start_managed(false, NULL);
    expect_told("READY=1", text);
    program_signal(&fixture.daemon.program, SIGHUP);
    expect_told("RELOADING=1\nMONOTONIC_USEC=", text);
    assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%llu", &at), 1);
    assert_true(at > before && at <= monotonic_us());
    expect_told("READY=1", text);
    temp_dir_write(&fixture.dir, "broken.json", "{");
    program_signal(&fixture.daemon.program, SIGHUP);
    expect_told("RELOADING=1", text);
    expect_told("READY=1", text); /* as before */
    assert_int_equal(fixture_stop(&fixture), 0);
    expect_told("STOPPING=1", text);
    close(manager);
}

static void the_watchdog_is_told_by_a_socket_without_a_file(void **state)
{
    char text[256];
    (void)state;
    start_managed(true, "WATCHDOG_USEC=20000");
    expect_told("READY=1", text);
    for (int i = 0; i < 3; i++)
        expect_told("WATCHDOG=1", text);
    stop_managed();
}

static void a_watchdog_of_another_process_is_not_told(void **state)
{
    char text[256];
    struct pollfd pollfd;
    const char *const environment[] = {place, "WATCHDOG_USEC=1000", "WATCHDOG_PID=1", NULL};
    (void)state;
    fixture_init(&fixture);
    open_manager(false);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(fixture_start(&fixture, NULL, environment));
    expect_told("READY=1", text);
    pollfd = (struct pollfd){.fd = manager, .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, 100), 0);
    stop_managed();
}

static void without_a_manager_nothing_is_missed(void **state)
{
    static const char *const environment[] = {"NOTIFY_SOCKET=/no/such/socket", "WATCHDOG_USEC=1000",
                                              NULL};
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(fixture_start(&fixture, NULL, environment));
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* ---- the sandbox ---- */

/* The number behind "name:" in the daemon's status, -1 without it. */
static int status_of(const char *name)
{
    char path[64], wanted[32], line[256];
    int value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)fixture.daemon.program.pid);
    snprintf(wanted, sizeof wanted, "%s:", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, wanted, strlen(wanted)) == 0)
            value = (int)strtol(line + strlen(wanted), NULL, 10);
    fclose(file);
    return value;
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static void start_with(const char *option, const char *value)
{
    const char *const arguments[] = {option, value, NULL};
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(fixture_start(&fixture, arguments, NULL));
}

static void what_serving_does_not_need_is_given_up(void **state)
{
    (void)state;
    start_with("--sandbox", "on");
    assert_int_equal(status_of("NoNewPrivs"), 1);
    assert_int_equal(status_of("Seccomp"), 2);
    char *log = daemon_log(&fixture.daemon);
    assert_true((strstr(log, "warning") == NULL) == has_landlock());
    free(log);
    assert_int_equal(fixture_stop(&fixture), 0);
}

static void off_is_off(void **state)
{
    (void)state;
    start_with("--sandbox", "off");
    assert_int_equal(status_of("NoNewPrivs"), 0);
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* Files of the folder that came later can be read, others cannot. */
static void models_are_reloaded_inside_it(void **state)
{
    size_t size;
    (void)state;
    start_with("--sandbox", "on");
    char *weights = whole_file_read("deploy/models/seed-simple.safetensors", &size);
    char *path = temp_dir_file(&fixture.dir, "later.safetensors");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(weights, size, 1, file), 1);
    fclose(file);
    temp_dir_write(&fixture.dir, "later.json", "{\"weights\":\"later.safetensors\"}");
    program_signal(&fixture.daemon.program, SIGHUP);
    assert_true(daemon_wait_for_log(&fixture.daemon, "lstmd: reloaded models=2 new=1\n"));
    if (has_landlock()) {
        temp_dir_write(&fixture.dir, "later.json", "{\"weights\":\"/etc/hostname\"}");
        program_signal(&fixture.daemon.program, SIGHUP);
        assert_true(daemon_wait_for_log(&fixture.daemon, "/etc/hostname: Permission denied"));
    }
    free(path);
    free(weights);
    assert_int_equal(fixture_stop(&fixture), 0);
}

/* All in one folder, and the file beside them. The exit tells whether it could be written. */
static void bug_416_many_models_leave_room_for_the_sequences_file(void **state)
{
    static const char body[] = "{\"parameters\":{\"sequence_id\":1,\"sequence_start\":true},"
                               "\"inputs\":[{\"name\":\"input\","
                               "\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[1]}]}";
    struct http_response response;
    (void)state;
    fixture_init(&fixture);
    for (int i = 0; i < 600; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        fixture_add_golden_as(&fixture, "one_by_one", name);
    }
    char *path = temp_dir_file(&fixture.dir, "sequences");
    const char *const arguments[] = {"--sandbox", "on", "--sequence-file", path, NULL};
    assert_true(fixture_start(&fixture, arguments, NULL));
    assert_true(http_post(&fixture.client, "/v2/models/m599/infer", body, strlen(body), &response));
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
    free(path);
    assert_int_equal(fixture_stop(&fixture), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manager_is_told_each_turn_of_its_life),
        cmocka_unit_test(the_watchdog_is_told_by_a_socket_without_a_file),
        cmocka_unit_test(a_watchdog_of_another_process_is_not_told),
        cmocka_unit_test(without_a_manager_nothing_is_missed),
        cmocka_unit_test(what_serving_does_not_need_is_given_up),
        cmocka_unit_test(off_is_off),
        cmocka_unit_test(models_are_reloaded_inside_it),
        cmocka_unit_test(bug_416_many_models_leave_room_for_the_sequences_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
