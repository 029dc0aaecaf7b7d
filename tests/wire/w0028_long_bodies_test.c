/* Bodies of many kilobytes come in pieces, of any size and at any moment: each is read to its end
 * and not further, every byte to its place, whatever stands behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/clock.h"
#include "tests/support/die.h"
#include "tests/support/expect.h"
#include "tests/support/exposition.h"
#include "tests/support/fixture.h"
#include "tests/support/random.h"
#include "tests/support/raw_socket.h"

#define PATIENCE 60000

enum {
    ROUNDS = 60,
    STEPS_MIN = 8000,
    STEPS_MAX = 250000,
    PAUSE_US_MAX = 300,
    SPIN_NS_MAX = 100000
};

static struct fixture fixture;
static struct random rng = {20261128};
static float input[STEPS_MAX];

static int start_daemon(void **state)
{
    (void)state;
    random_floats(&rng, input, STEPS_MAX, 2);
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* ---- requests: the first `steps` of the input, in binary, for all outputs in binary ---- */

struct bytes {
    char *data;
    size_t size;
};

static void append(struct bytes *bytes, const void *data, size_t size)
{
    bytes->data = realloc(bytes->data, bytes->size + size + 1);
    if (bytes->data == NULL)
        die("no memory");
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = '\0';
}

static size_t print_json(char *json, size_t room, size_t steps)
{
    const int size = snprintf(json, room,
                              "{\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":"
                              "\"input\",\"datatype\":\"FP32\",\"shape\":[%zu,1,1],\"parameters\":"
                              "{\"binary_data_size\":%zu}}],\"outputs\":[{\"name\":\"output\"}]}",
                              steps, steps * sizeof *input);
    assert_true(size > 0 && (size_t)size < room);
    return (size_t)size;
}

static void append_request(struct bytes *bytes, const char *model, size_t steps, bool last)
{
    char json[512], head[512];
    const size_t json_size = print_json(json, sizeof json, steps);
    snprintf(head, sizeof head,
             "POST /v2/models/%s/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: "
             "%zu\r\nContent-Length: %zu\r\n%s\r\n",
             model, json_size, json_size + steps * sizeof *input,
             last ? "Connection: close\r\n" : "");
    append(bytes, head, strlen(head));
    append(bytes, json, json_size);
    append(bytes, input, steps * sizeof *input);
}

/* The same in chunks, which are read another way. */
static void expected_output(size_t steps, struct bytes *output)
{
    struct http_response response;
    struct bytes body = {0};
    char json[512], header[80];
    const size_t json_size = print_json(json, sizeof json, steps);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu", json_size);
    const char *const headers[] = {header, "Transfer-Encoding: chunked", NULL};
    append(&body, json, json_size);
    append(&body, input, steps * sizeof *input);
    assert_true(http_send(&fixture.client, "POST", "/v2/models/tiny/infer", body.data, body.size,
                          headers, &response));
    assert_int_equal(response.status, 200);
    *output = (struct bytes){0};
    append(output, response.body, response.body_size);
    http_response_fini(&response);
    free(body.data);
}

/* ---- sending in pieces, and receiving meanwhile ---- */

static size_t next_piece(size_t left)
{
    static const size_t most[] = {100, 9000, 20000, 70000, 400000};
    const size_t piece = random_size(&rng, 1, most[random_size(&rng, 0, 4)]);
    return piece < left ? piece : left;
}

static void rest(void)
{
    if (random_size(&rng, 0, 2) == 0)
        usleep((useconds_t)random_size(&rng, 0, PAUSE_US_MAX));
}

/* Returns what is left of the bytes. */
static size_t send_piece(int fd, const struct bytes *bytes, size_t left)
{
    const ssize_t sent =
        send(fd, bytes->data + bytes->size - left, next_piece(left), MSG_NOSIGNAL | MSG_DONTWAIT);
    rest();
    return left - (sent > 0 ? (size_t)sent : 0);
}

/* false: there will be no more. */
static bool receive_some(int fd, struct bytes *answers)
{
    char block[65536];
    const ssize_t got = recv(fd, block, sizeof block, MSG_DONTWAIT);
    if (got > 0)
        append(answers, block, (size_t)got);
    return got != 0;
}

/* All of it, and what comes until the daemon closes. */
static void exchange(int fd, const struct bytes *requests, struct bytes *answers)
{
    size_t left = requests->size;
    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = left > 0 ? POLLIN | POLLOUT : POLLIN};
        if (poll(&waiting, 1, PATIENCE) <= 0)
            fail_msg("nothing came any more: %zu of %zu bytes were not sent, %zu came", left,
                     requests->size, answers->size);
        if ((waiting.revents & POLLOUT) != 0 && left > 0)
            left = send_piece(fd, requests, left);
        if ((waiting.revents & (POLLIN | POLLHUP)) != 0 && !receive_some(fd, answers))
            return;
    }
}

/* The first answer's body is compared, then taken off; returns what is behind it. */
static const char *expect_answer(const char *answers, const char *status, const struct bytes *body)
{
    const char *length = strstr(answers, "\r\nContent-Length: "),
               *end = strstr(answers, "\r\n\r\n");
    assert_memory_equal(answers, "HTTP/1.1 ", 9);
    assert_memory_equal(answers + 9, status, 3);
    assert_true(length != NULL && end != NULL && length < end);
    const size_t size = strtoul(length + 18, NULL, 10);
    if (body != NULL) {
        assert_int_equal(size, body->size);
        assert_memory_equal(end + 4, body->data, size);
    }
    return end + 4 + size;
}

static double memory_in_flight(void)
{
    struct http_response response;
    double value;
    assert_true(http_get(&fixture.client, "/metrics", &response));
    assert_true(exposition_value(response.body, "lstmd_memory_in_flight_bytes", &value));
    http_response_fini(&response);
    return value;
}

static void every_byte_comes_to_its_place(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const size_t steps = random_size(&rng, STEPS_MIN, STEPS_MAX);
        struct bytes requests = {0}, answers = {0}, expected;
        expected_output(steps, &expected);
        append_request(&requests, "tiny", steps, false);
        append_request(&requests, "tiny", steps, true);
        const int fd = raw_connect(fixture.daemon.port);
        assert_true(fd >= 0);
        exchange(fd, &requests, &answers);
        const char *second = expect_answer(answers.data, "200", &expected);
        const char *end = expect_answer(second, "200", &expected);
        assert_ptr_equal(end, answers.data + answers.size);
        close(fd);
        free(requests.data);
        free(answers.data);
        free(expected.data);
    }
}

static void spin(uint64_t ns)
{
    const uint64_t until = clock_now() + ns;
    while (clock_now() < until)
        continue;
}

/* The daemon reads the first piece, then looks for more: at whatever moment that comes. There is
 * room for all of it then, which grows by doubling. */
static void nothing_is_forgotten_that_comes_while_it_is_read(void **state)
{
    enum { STEPS = 25000, FIRST = 67000 };
    struct bytes request = {0}, expected;
    (void)state;
    expected_output(STEPS, &expected);
    append_request(&request, "tiny", STEPS, true);
    for (int round = 0; round < 20 * ROUNDS; round++) {
        struct bytes answer = {0};
        const int fd = raw_connect(fixture.daemon.port);
        assert_true(fd >= 0);
        assert_true(raw_send(fd, request.data, FIRST));
        spin(random_size(&rng, 0, SPIN_NS_MAX));
        assert_true(raw_send(fd, request.data + FIRST, request.size - FIRST));
        exchange(fd, &(struct bytes){0}, &answer);
        expect_answer(answer.data, "200", &expected);
        close(fd);
        free(answer.data);
    }
    free(request.data);
    free(expected.data);
}

static void one_that_is_refused_is_thrown_away_to_its_end(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS / 4; round++) {
        const size_t steps = random_size(&rng, STEPS_MIN, STEPS_MAX);
        struct bytes requests = {0}, answers = {0}, expected;
        expected_output(STEPS_MIN, &expected);
        append_request(&requests, "nobody", steps, false);
        append_request(&requests, "tiny", STEPS_MIN, true);
        const int fd = raw_connect(fixture.daemon.port);
        assert_true(fd >= 0);
        exchange(fd, &requests, &answers);
        expect_answer(expect_answer(answers.data, "404", NULL), "200", &expected);
        close(fd);
        free(requests.data);
        free(answers.data);
        free(expected.data);
    }
}

static void who_leaves_in_the_middle_leaves_nothing_behind(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct bytes request = {0};
        append_request(&request, "tiny", STEPS_MAX, true);
        const int fd = raw_connect(fixture.daemon.port);
        assert_true(fd >= 0);
        size_t left = request.size;
        const size_t until = random_size(&rng, 1, request.size);
        while (left > until)
            left = send_piece(fd, &request, left);
        if (round % 2 == 0) {
            const struct linger reset = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        close(fd);
        free(request.data);
    }
    for (int i = 0; i < PATIENCE / 10 && memory_in_flight() > 0; i++)
        usleep(10000);
    assert_true(memory_in_flight() == 0);
    expect_get_json(&fixture.client, "/v2/health/live", 200, "{\"live\":true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_comes_to_its_place),
        cmocka_unit_test(nothing_is_forgotten_that_comes_while_it_is_read),
        cmocka_unit_test(one_that_is_refused_is_thrown_away_to_its_end),
        cmocka_unit_test(who_leaves_in_the_middle_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
