#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load_run.h"
#include "tests/support/die.h"

/* ---- a server that does with each request what a script says, over and over ---- */

enum action {
    ANSWER,
    ANSWER_AND_CLOSE,  /* says so */
    ANSWER_AND_VANISH, /* says nothing, and closes */
    REFUSE,            /* 503 with Retry-After: 0 */
    REFUSE_SILENTLY,   /* without */
    BREAK,             /* 500 */
    ANSWER_HALF,       /* and close */
    STALL,             /* 200, later */
    ACTION_COUNT,
};

enum { KINDS_MAX = 4096, REQUEST_MAX = 1 << 16 };

struct server {
    const enum action *script;
    size_t script_size;
    int listener;
    pthread_t thread;
    size_t done[ACTION_COUNT];
    char kinds[KINDS_MAX]; /* of each request: 's'tart, 'e'nd, 'b'oth, '.' neither */
    size_t request_count;
};

/* Reads one request; false when the client has closed. */
static bool read_request(int fd, char request[REQUEST_MAX])
{
    size_t size = 0;
    for (;;) {
        const ssize_t got = recv(fd, request + size, REQUEST_MAX - 1 - size, 0);
        if (got <= 0)
            return false;
        size += (size_t)got;
        request[size] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strstr(request, "Content-Length: ");
        if (end != NULL && length != NULL &&
            size == (size_t)(end + 4 - request) + strtoul(length + 16, NULL, 10))
            return true;
    }
}

static void note_kind(struct server *server, const char *request)
{
    const bool start = strstr(request, "\"sequence_start\":true") != NULL;
    const bool end = strstr(request, "\"sequence_end\":true") != NULL;
    if (server->request_count < KINDS_MAX)
        server->kinds[server->request_count] = start && end ? 'b' : start ? 's' : end ? 'e' : '.';
}

/* false: the connection is to be closed. */
static bool act(struct server *server, int fd, enum action action)
{
    static const char *const answers[ACTION_COUNT] = {
        [ANSWER] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        [ANSWER_AND_CLOSE] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
        [ANSWER_AND_VANISH] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        [REFUSE] = "HTTP/1.1 503 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        [REFUSE_SILENTLY] = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n",
        [BREAK] = "HTTP/1.1 500 X\r\nContent-Length: 5\r\n\r\noops!",
        [ANSWER_HALF] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        [STALL] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    };
    if (action == STALL)
        nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
    const size_t size = strlen(answers[action]);
    server->done[action]++;
    return send(fd, answers[action], size, MSG_NOSIGNAL) == (ssize_t)size &&
           action != ANSWER_AND_CLOSE && action != ANSWER_AND_VANISH && action != ANSWER_HALF;
}

static void serve_connection(struct server *server, int fd)
{
    static char request[REQUEST_MAX];
    bool open = true;
    while (open && read_request(fd, request)) {
        note_kind(server, request);
        open = act(server, fd, server->script[server->request_count++ % server->script_size]);
    }
    close(fd);
}

static void *serve(void *context)
{
    struct server *server = context;
    int fd;
    while ((fd = accept(server->listener, NULL, NULL)) >= 0)
        serve_connection(server, fd);
    return NULL;
}

static void start_server(struct server *server, struct load_target *target,
                         const enum action *script, size_t script_size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *server = (struct server){.script = script, .script_size = script_size};
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, 16) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server->thread, NULL, serve, server) != 0)
        die("no server could be started");
    static char port[8];
    static char host[] = "127.0.0.1", path[] = "/v2/models/m/infer";
    snprintf(port, sizeof port, "%u", ntohs(address.sin_port));
    *target = (struct load_target){.host = host, .port = port, .path = path};
}

/* After this what the server counted may be read. */
static void stop_server(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

static const struct load_model model = {.input = "input", .input_size = 3};

static struct load_options options_for(const struct load_target *target)
{
    return (struct load_options){
        .transport = &load_http,
        .target = *target,
        .mix = {.count = 1, .steps = {1}, .until = {1}},
        .batch = 1,
        .connections = 1,
        .seconds = 0.1,
        .drain = 60,
        .expect_503 = true,
        .seed = 1,
    };
}

static struct load_result result;

static void run_against(struct server *server, const enum action *script, size_t script_size)
{
    struct load_target target;
    start_server(server, &target, script, script_size);
    const struct load_options options = options_for(&target);
    load_run(&options, &model, &result);
    stop_server(server);
}

/* ---- tests ---- */

static void every_answer_is_counted(void **state)
{
    (void)state;
    struct server server;
    run_against(&server, (enum action[]){ANSWER}, 1);
    assert_true(server.request_count > 0);
    assert_int_equal(result.good[0].latency.count, server.request_count);
    assert_int_equal(result.errors, 0);
    assert_int_equal(result.retries, 0);
    assert_string_equal(result.first_error, "");
}

/* Whether a vanished connection is noticed before the next request is sent or after: it is sent
 * anew. */
static void closed_connections_are_opened_anew(void **state)
{
    (void)state;
    struct server server;
    const enum action script[] = {ANSWER, ANSWER_AND_CLOSE, ANSWER_AND_VANISH, ANSWER, ANSWER};
    run_against(&server, script, 5);
    assert_true(server.done[ANSWER_AND_VANISH] > 0);
    assert_int_equal(result.errors, 0);
    assert_int_equal(result.good[0].latency.count, server.request_count);
}

static void refusals_are_counted_apart(void **state)
{
    (void)state;
    struct server server;
    const enum action script[] = {ANSWER, REFUSE, REFUSE_SILENTLY};
    run_against(&server, script, 3);
    assert_int_equal(result.good[0].latency.count, server.done[ANSWER]);
    assert_int_equal(result.refused.latency.count,
                     server.done[REFUSE] + server.done[REFUSE_SILENTLY]);
    assert_int_equal(result.refused_silently, server.done[REFUSE_SILENTLY]);
    assert_int_equal(result.errors, 0);
}

static void what_is_broken_is_an_error(void **state)
{
    (void)state;
    struct server server;
    const enum action script[] = {BREAK, ANSWER, ANSWER_HALF};
    run_against(&server, script, 3);
    assert_int_equal(result.good[0].latency.count, server.done[ANSWER]);
    assert_int_equal(result.errors, server.done[BREAK] + server.done[ANSWER_HALF]);
    assert_string_equal(result.first_error, "status 500: oops!");
}

static void nobody_there_is_an_error(void **state)
{
    (void)state;
    struct server server;
    struct load_target target;
    start_server(&server, &target, (enum action[]){ANSWER}, 1);
    stop_server(&server);
    const struct load_options options = options_for(&target);
    load_run(&options, &model, &result);
    assert_true(result.errors > 0);
    assert_string_equal(result.first_error, "status 0: Connection refused");
}

/* All that was due in the 150 ms of the first answer waited for it, and that counts. */
static void the_wait_for_a_connection_counts(void **state)
{
    (void)state;
    struct server server;
    struct load_target target;
    static enum action script[1 << 14] = {STALL};
    start_server(&server, &target, script, 1 << 14);
    struct load_options options = options_for(&target);
    options.seconds = 0.2;
    options.rate = 1000;
    load_run(&options, &model, &result);
    stop_server(&server);
    assert_int_equal(result.errors, 0);
    assert_int_equal(result.unsent, 0);
    assert_int_equal(result.good[0].latency.count, server.request_count);
    assert_in_range(server.request_count, 100, 300);
    assert_true(load_histogram_quantile(&result.good[0].latency, 0.5) > 20000000);
}

static void sequences_begin_go_on_and_end(void **state)
{
    (void)state;
    struct server server;
    struct load_target target;
    start_server(&server, &target, (enum action[]){ANSWER}, 1);
    struct load_options options = options_for(&target);
    options.sequence_length = 3;
    load_run(&options, &model, &result);
    stop_server(&server);
    assert_true(server.request_count >= 3);
    for (size_t i = 0; i < server.request_count && i < KINDS_MAX; i++)
        assert_int_equal(server.kinds[i], "s.e"[i % 3]);
}

static void a_sequence_that_failed_begins_anew(void **state)
{
    (void)state;
    struct server server;
    struct load_target target;
    const enum action script[] = {ANSWER, REFUSE};
    start_server(&server, &target, script, 2);
    struct load_options options = options_for(&target);
    options.sequence_length = 3;
    load_run(&options, &model, &result);
    stop_server(&server);
    assert_true(server.request_count >= 3);
    for (size_t i = 0; i < server.request_count && i < KINDS_MAX; i++)
        assert_int_equal(server.kinds[i], "s."[i % 2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_counted),
        cmocka_unit_test(closed_connections_are_opened_anew),
        cmocka_unit_test(refusals_are_counted_apart),
        cmocka_unit_test(what_is_broken_is_an_error),
        cmocka_unit_test(nobody_there_is_an_error),
        cmocka_unit_test(the_wait_for_a_connection_counts),
        cmocka_unit_test(sequences_begin_go_on_and_end),
        cmocka_unit_test(a_sequence_that_failed_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
