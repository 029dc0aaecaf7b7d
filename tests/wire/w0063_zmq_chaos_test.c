/* ZeroMQ among peers that vanish, never read, stop in the middle of a message or speak nonsense:
 * whoever behaves is served meanwhile, everything is counted, and nothing is left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/exposition.h"
#include "tests/support/fixture.h"
#include "tests/support/random.h"
#include "tests/support/zmq_client.h"

static struct fixture fixture;
static unsigned port;

static const char request[] =
    "{\"model_name\":\"tiny\",\"id\":\"c\",\"inputs\":[{\"name\":\"input\",\"shape\":[3,1,1],"
    "\"datatype\":\"FP32\",\"data\":[0.5,-1.25,2e-3]}]}";

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    const char *const arguments[] = {"--zmq", "tcp://127.0.0.1:0", "--zmq-peer-limit", "20", NULL};
    return fixture_start(&fixture, arguments, NULL) &&
                   sscanf(fixture.daemon.zmq, "tcp://127.0.0.1:%u", &port) == 1
               ? 0
               : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static double metric(const char *name)
{
    struct http_response response;
    double value = -1;
    assert_true(http_get(&fixture.client, "/metrics", &response));
    assert_true(exposition_value(response.body, name, &value));
    http_response_fini(&response);
    return value;
}

static void expect_served(void)
{
    struct zmq_client client;
    struct zmq_answer answer;
    zmq_client_init(&client, ZMQ_CLIENT_REQ, fixture.daemon.zmq, NULL);
    zmq_client_send_text(&client, request);
    assert_true(zmq_client_receive(&client, &answer, DAEMON_PATIENCE));
    assert_non_null(strstr(answer.frames[0], "\"outputs\""));
    zmq_answer_fini(&answer);
    zmq_client_fini(&client);
}

static int connect_raw(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* A whole conversation as a DEALER has it: greeting, READY, one request. */
static size_t conversation(unsigned char bytes[512])
{
    static const char ready[] = "\4\51\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";
    static const unsigned char begin[] = {0xff, 0,    0, 0, 0,   0,   0,   0,
                                          0,    0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    memset(bytes, 0, 64);
    memcpy(bytes, begin, sizeof begin);
    memcpy(bytes + 64, ready, sizeof ready);
    size_t size = 64 + sizeof ready;
    bytes[size++] = 0;
    bytes[size++] = sizeof request - 1;
    memcpy(bytes + size, request, sizeof request - 1);
    return size + sizeof request - 1;
}

/* How one begins that gives itself an id of so many bytes: greeting and READY, in a long frame. */
static size_t greeting_with_id(size_t id_size, unsigned char bytes[2048])
{
    static const char ready[] = "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0";
    const size_t size = sizeof ready + 2 + id_size;
    conversation(bytes);
    unsigned char *at = bytes + 64;
    const unsigned char head[] = {
        6, 0, 0, 0, 0, 0, 0, (unsigned char)(size >> 8), (unsigned char)size};
    memcpy(at, head, sizeof head);
    at += sizeof head;
    memcpy(at, ready, sizeof ready);
    at += sizeof ready;
    *at++ = (unsigned char)(id_size >> 8);
    *at++ = (unsigned char)id_size;
    memset(at, 'i', id_size);
    return (size_t)(at - bytes) + id_size;
}

static void send_all(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void receive_until(int fd, const char *wanted)
{
    const struct timeval patience = {.tv_sec = DAEMON_PATIENCE / 1000};
    char bytes[4096];
    size_t size = 0;
    ssize_t got = 1;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    while (got > 0 && memmem(bytes, size, wanted, strlen(wanted)) == NULL) {
        got = recv(fd, bytes + size, sizeof bytes - size, 0);
        size += got > 0 ? (size_t)got : 0;
    }
    assert_true(got > 0);
}

/* Connects with an id of so many bytes, and is answered. The descriptor. */
static int ask_as(size_t id_size)
{
    static const unsigned char head[] = {0, sizeof request - 1};
    unsigned char bytes[2048];
    const int fd = connect_raw();
    send_all(fd, bytes, greeting_with_id(id_size, bytes));
    receive_until(fd, "READY");
    send_all(fd, head, sizeof head);
    send_all(fd, request, sizeof request - 1);
    receive_until(fd, "\"outputs\"");
    return fd;
}

/* The library lets them in, whose ids were thought to have 255 bytes at most. */
static void bug_600_peers_with_longer_ids_than_the_protocol_has_are_answered(void **state)
{
    static const size_t sizes[] = {1, 255, 256, 1000};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        close(ask_as(sizes[i]));
    expect_served();
}

/* Cut after every byte, some of them with one bit turned. */
static void conversations_may_end_anywhere(void **state)
{
    unsigned char bytes[512];
    const size_t size = conversation(bytes);
    struct random random = {17};
    (void)state;
    for (size_t cut = 0; cut <= size; cut++) {
        unsigned char copy[512];
        const int fd = connect_raw();
        memcpy(copy, bytes, size);
        if (cut % 3 == 1)
            copy[random_size(&random, 0, cut - 1)] ^=
                (unsigned char)(1 << random_size(&random, 0, 7));
        if (send(fd, copy, cut, MSG_NOSIGNAL) < 0)
            print_message("# cut off before byte %zu\n", cut);
        close(fd);
    }
    expect_served();
}

static void connections_come_and_go_by_the_thousand(void **state)
{
    int fds[100];
    (void)state;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 100; i++)
            fds[i] = connect_raw();
        for (size_t i = 0; i < 100; i++)
            close(fds[i]);
    }
    expect_served();
}

/* Clients that ask and leave without having waited. */
static void peers_may_vanish(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct zmq_client client;
        struct zmq_answer answer;
        zmq_client_init(&client, ZMQ_CLIENT_DEALER, fixture.daemon.zmq, NULL);
        for (int j = 0; j < 10; j++)
            zmq_client_send_text(&client, request);
        if (i % 2 == 0 && zmq_client_receive(&client, &answer, DAEMON_PATIENCE))
            zmq_answer_fini(&answer);
        zmq_client_fini(&client);
    }
    expect_served();
}

/* Some hundred requests' bytes, as many as the daemon takes just now; `*sent` of the message they
 * are in the middle of had gone out before. */
static void send_some(int fd, const unsigned char *message, size_t size, size_t *sent)
{
    for (int i = 0; i < 500; i++) {
        const ssize_t taken = send(fd, message + *sent, size - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken < 0) {
            assert_int_equal(errno, EAGAIN);
            usleep(1000);
            return;
        }
        *sent = (*sent + (size_t)taken) % size;
    }
}

/* Answers that are never fetched: the first fill what stands between, the rest are dropped. */
static void peers_may_never_read(void **state)
{
    static const char dropped[] = "lstmd_zmq_dropped_total{reason=\"full\"}";
    unsigned char bytes[512];
    const size_t size = conversation(bytes), head = 64 + 43;
    const double before = metric(dropped);
    const time_t patience = time(NULL) + DAEMON_PATIENCE / 1000;
    size_t sent = 0;
    (void)state;
    const int fd = connect_raw();
    assert_int_equal(send(fd, bytes, head, MSG_NOSIGNAL), head);
    while (metric(dropped) == before && time(NULL) < patience)
        send_some(fd, bytes + head, size - head, &sent);
    assert_true(metric(dropped) > before);
    expect_served();
    close(fd);
}

static void nothing_is_left_over(void **state)
{
    double peers = -1;
    (void)state;
    for (int i = 0; i < DAEMON_PATIENCE / 100 && peers != 0; i++) {
        usleep(100000);
        peers = metric("lstmd_zmq_peers");
    }
    assert_true(peers == 0);
    assert_true(metric("lstmd_memory_in_flight_bytes") == 0);
    assert_true(metric("lstmd_zmq_handshakes_failed_total") > 0);
}

/* More than the router's queue holds of one peer. */
static void flood(int fd)
{
    unsigned char message[256] = {0, sizeof request - 1};
    memcpy(message + 2, request, sizeof request - 1);
    for (int i = 0; i < 300; i++)
        if (send(fd, message, sizeof request + 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
}

/* So that the other side is told at once, however much it has not read. */
static void reset(int fd)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
    close(fd);
}

/* Of two of one name the library takes nothing more of one, and heartbeats came every five seconds.
 */
static void bug_603_connections_that_break_while_nothing_is_taken_of_them_do_no_harm(void **state)
{
    unsigned char bytes[2048];
    (void)state;
    const int one = ask_as(5), other = connect_raw();
    send_all(other, bytes, greeting_with_id(5, bytes));
    receive_until(other, "READY");
    flood(one);
    flood(other);
    sleep(1);
    reset(one);
    reset(other);
    sleep(6);
    expect_served();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations_may_end_anywhere),
        cmocka_unit_test(bug_600_peers_with_longer_ids_than_the_protocol_has_are_answered),
        cmocka_unit_test(connections_come_and_go_by_the_thousand),
        cmocka_unit_test(peers_may_vanish),
        cmocka_unit_test(peers_may_never_read),
        cmocka_unit_test(nothing_is_left_over),
        cmocka_unit_test(bug_603_connections_that_break_while_nothing_is_taken_of_them_do_no_harm),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
