#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/connections.h"
#include "server/status_counts.h"

enum { LIMIT = 4 };

/* A connection with both its ends here. */
struct pair {
    int ours, theirs;
    struct connection *connection;
};

/* What is suspended: notes what happened to it. */
struct request {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool keep; /* give_up answers no */
    int given_up, resumed;
    enum give_up_reason reason;
};

static struct connections *table;

static uint64_t in_ms(uint64_t ms)
{
    return clock_now() + ms * CLOCK_NS_PER_MS;
}

static bool give_up(void *argument, enum give_up_reason reason)
{
    struct request *request = argument;
    pthread_mutex_lock(&request->lock);
    request->given_up++;
    request->reason = reason;
    const bool keep = request->keep;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
    return !keep;
}

static void resume(void *argument)
{
    struct request *request = argument;
    pthread_mutex_lock(&request->lock);
    request->resumed++;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
}

static void request_init(struct request *request)
{
    *request = (struct request){.keep = false};
    pthread_mutex_init(&request->lock, NULL);
    pthread_cond_init(&request->changed, NULL);
}

static bool wait_resumed(struct request *request)
{
    const struct timespec until = clock_timespec(in_ms(5000));
    int error = 0;
    pthread_mutex_lock(&request->lock);
    while (request->resumed == 0 && error == 0)
        error = pthread_cond_clockwait(&request->changed, &request->lock, CLOCK_MONOTONIC, &until);
    const bool resumed = request->resumed == 1;
    pthread_mutex_unlock(&request->lock);
    return resumed;
}

static struct status_counts responses;

static int start_with(bool ignore_half_close)
{
    const struct connections_config config = {
        .limit = LIMIT,
        .ignore_half_close = ignore_half_close,
        .responses = &responses,
        .give_up = give_up,
        .resume = resume,
    };
    struct fault fault;
    status_counts_init(&responses);
    return connections_start(&table, &config, &fault) ? 0 : -1;
}

static int start(void **state)
{
    (void)state;
    return start_with(false);
}

static int stop(void **state)
{
    (void)state;
    connections_stop(table);
    return 0;
}

static struct pair open_pair(uint64_t deadline)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    return (struct pair){ends[0], ends[1], connections_add(table, ends[0], deadline)};
}

static void close_pair(struct pair *pair)
{
    connections_remove(table, pair->connection);
    close(pair->ours);
    close(pair->theirs);
}

/* What their end gets until it is cut; -1 when it is not cut within a second. */
static ssize_t read_until_cut(const struct pair *pair, char *text, size_t capacity)
{
    size_t size = 0;
    for (;;) {
        struct pollfd pollfd = {.fd = pair->theirs, .events = POLLIN};
        if (poll(&pollfd, 1, 1000) != 1)
            return -1;
        const ssize_t got = read(pair->theirs, text + size, capacity - 1 - size);
        if (got <= 0) {
            text[size] = '\0';
            return (ssize_t)size;
        }
        size += (size_t)got;
    }
}

static void an_idle_connection_is_cut_without_a_word(void **state)
{
    (void)state;
    char text[512];
    const uint64_t begun = clock_now();
    struct pair pair = open_pair(in_ms(50));
    assert_int_equal(read_until_cut(&pair, text, sizeof text), 0);
    assert_true(clock_now() - begun >= 50 * CLOCK_NS_PER_MS);
    close_pair(&pair);
}

/* In its headers, or in its body. */
static void begin_late(const struct pair *pair, enum connection_phase phase, bool by_head)
{
    const bool in_body = phase == CONNECTION_BODY;
    connections_begin(table, pair->connection, by_head, in_ms(in_body ? 60000 : 10));
    if (in_body)
        connections_set(table, pair->connection, phase, in_ms(10));
}

static void a_late_request_is_told_408_and_cut(void **state)
{
    (void)state;
    char text[512];
    for (enum connection_phase phase = CONNECTION_HEADER; phase <= CONNECTION_BODY; phase++) {
        struct pair pair = open_pair(in_ms(60000));
        begin_late(&pair, phase, false);
        assert_true(read_until_cut(&pair, text, sizeof text) > 0);
        assert_memory_equal(text, "HTTP/1.1 408 Request Timeout\r\n", 30);
        const char *body = strstr(text, "\r\n\r\n") + 4;
        assert_string_equal(body, "{\"error\":\"the request did not arrive in time\"}");
        assert_non_null(strstr(text, "Content-Length: 46\r\n"));
        assert_int_equal(strlen(body), 46);
        assert_int_equal(connections_told(table, pair.connection), 408);
        close_pair(&pair);
    }
    assert_int_equal(status_counts_of(&responses, 408), 2);
}

/* Of how long it would be it is told. */
static void bug_575_a_late_request_by_HEAD_is_told_without_a_body(void **state)
{
    (void)state;
    char text[512];
    for (enum connection_phase phase = CONNECTION_HEADER; phase <= CONNECTION_BODY; phase++) {
        struct pair pair = open_pair(in_ms(60000));
        begin_late(&pair, phase, true);
        assert_true(read_until_cut(&pair, text, sizeof text) > 0);
        assert_memory_equal(text, "HTTP/1.1 408 Request Timeout\r\n", 30);
        assert_non_null(strstr(text, "Content-Length: 46\r\n"));
        assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
        close_pair(&pair);
    }
}

static void a_reply_that_is_not_taken_is_cut(void **state)
{
    (void)state;
    char text[512];
    struct pair pair = open_pair(in_ms(60000));
    connections_set(table, pair.connection, CONNECTION_REPLY, in_ms(10));
    assert_int_equal(read_until_cut(&pair, text, sizeof text), 0);
    close_pair(&pair);
}

static void a_deadline_that_moved_away_does_not_count(void **state)
{
    (void)state;
    struct pair pair = open_pair(in_ms(20));
    connections_begin(table, pair.connection, false, in_ms(60000));
    struct pollfd pollfd = {.fd = pair.theirs, .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, 100), 0);
    close_pair(&pair);
}

static void late_work_is_given_up_and_resumed(void **state)
{
    (void)state;
    struct request request;
    request_init(&request);
    struct pair pair = open_pair(in_ms(60000));
    connections_work(table, pair.connection, &request, in_ms(10));
    assert_true(wait_resumed(&request));
    assert_int_equal(request.given_up, 1);
    assert_int_equal(request.reason, GIVE_UP_LATE);
    connections_set(table, pair.connection, CONNECTION_REPLY, in_ms(60000));
    close_pair(&pair);
}

static void work_that_is_done_already_is_not_resumed(void **state)
{
    (void)state;
    struct request request;
    request_init(&request);
    request.keep = true;
    struct pair pair = open_pair(in_ms(60000));
    connections_work(table, pair.connection, &request, in_ms(10));
    pthread_mutex_lock(&request.lock);
    while (request.given_up == 0)
        pthread_cond_wait(&request.changed, &request.lock);
    pthread_mutex_unlock(&request.lock);
    connections_set(table, pair.connection, CONNECTION_REPLY, in_ms(60000));
    close_pair(&pair);
    assert_int_equal(request.resumed, 0);
}

static void work_for_a_peer_that_leaves_is_given_up(void **state)
{
    (void)state;
    struct request request;
    request_init(&request);
    struct pair pair = open_pair(in_ms(60000));
    connections_work(table, pair.connection, &request, in_ms(60000));
    shutdown(pair.theirs, SHUT_WR);
    assert_true(wait_resumed(&request));
    assert_int_equal(request.reason, GIVE_UP_GONE);
    connections_set(table, pair.connection, CONNECTION_REPLY, in_ms(60000));
    close_pair(&pair);
}

static void work_for_a_peer_that_has_left_is_given_up_at_once(void **state)
{
    (void)state;
    struct request request;
    request_init(&request);
    struct pair pair = open_pair(in_ms(60000));
    shutdown(pair.theirs, SHUT_WR);
    usleep(50000); /* the thread notes it */
    connections_work(table, pair.connection, &request, in_ms(60000));
    assert_true(wait_resumed(&request));
    assert_int_equal(request.reason, GIVE_UP_GONE);
    connections_set(table, pair.connection, CONNECTION_REPLY, in_ms(60000));
    close_pair(&pair);
}

static void bug_554_a_request_of_a_peer_that_left_is_told_400_and_cut_soon(void **state)
{
    (void)state;
    char text[512];
    struct pair pair = open_pair(in_ms(60000));
    connections_set(table, pair.connection, CONNECTION_BODY, in_ms(60000));
    shutdown(pair.theirs, SHUT_WR);
    usleep(50000);
    connections_set(table, pair.connection, CONNECTION_BODY, in_ms(60000));
    const uint64_t begun = clock_now();
    while (read_until_cut(&pair, text, sizeof text) < 0)
        continue;
    assert_true(clock_now() - begun < 3 * CLOCK_NS_PER_S);
    assert_memory_equal(text, "HTTP/1.1 400 Bad Request\r\n", 26);
    assert_non_null(strstr(text, "\r\n\r\n" CONNECTIONS_CUT_SHORT));
    assert_int_equal(connections_told(table, pair.connection), 400);
    close_pair(&pair);
}

static void a_reply_to_a_peer_that_sends_no_more_is_not_hurried(void **state)
{
    (void)state;
    struct pair pair = open_pair(in_ms(60000));
    connections_set(table, pair.connection, CONNECTION_REPLY, in_ms(60000));
    shutdown(pair.theirs, SHUT_WR);
    struct pollfd pollfd = {.fd = pair.theirs, .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, 1500), 0);
    close_pair(&pair);
}

static void a_new_user_of_a_slot_does_not_inherit_the_last_one_s_leaving(void **state)
{
    (void)state;
    struct request request;
    request_init(&request);
    struct pair first = open_pair(in_ms(60000));
    shutdown(first.theirs, SHUT_WR);
    usleep(50000);
    close_pair(&first);
    struct pair pair = open_pair(in_ms(60000));
    connections_work(table, pair.connection, &request, in_ms(60000));
    usleep(50000);
    connections_set(table, pair.connection, CONNECTION_REPLY, in_ms(60000));
    assert_int_equal(request.given_up, 0);
    close_pair(&pair);
}

static void half_closing_can_be_ignored(void **state)
{
    (void)state;
    struct request request;
    request_init(&request);
    assert_int_equal(start_with(true), 0);
    struct pair pair = open_pair(in_ms(60000));
    connections_work(table, pair.connection, &request, in_ms(60000));
    shutdown(pair.theirs, SHUT_WR);
    usleep(50000);
    connections_set(table, pair.connection, CONNECTION_REPLY, in_ms(60000));
    assert_int_equal(request.given_up, 0);
    close_pair(&pair);
    connections_stop(table);
}

static void a_full_table_takes_no_more(void **state)
{
    (void)state;
    struct pair pairs[LIMIT];
    for (size_t i = 0; i < LIMIT; i++) {
        pairs[i] = open_pair(in_ms(60000));
        assert_non_null(pairs[i].connection);
    }
    assert_null(connections_add(table, 0, in_ms(60000)));
    close_pair(&pairs[2]);
    pairs[2] = open_pair(in_ms(60000));
    assert_non_null(pairs[2].connection);
    for (size_t i = 0; i < LIMIT; i++)
        close_pair(&pairs[i]);
}

static void stopping_goes_in_three_steps(void **state)
{
    (void)state;
    char text[512];
    struct request running, late;
    request_init(&running);
    request_init(&late);
    struct pair idle = open_pair(in_ms(60000)), busy = open_pair(in_ms(60000));
    struct pair next = open_pair(in_ms(60000));
    connections_work(table, busy.connection, &running, in_ms(60000));
    connections_begin(table, next.connection, false, in_ms(60000));

    connections_close_idle(table, in_ms(10));
    assert_int_equal(read_until_cut(&idle, text, sizeof text), 0);
    close_pair(&idle);
    assert_int_equal(running.given_up, 0);
    assert_false(connections_wait_empty(table, in_ms(10)));

    connections_give_up(table);
    assert_true(wait_resumed(&running));
    assert_int_equal(running.reason, GIVE_UP_STOPPING);
    connections_set(table, busy.connection, CONNECTION_REPLY, in_ms(60000));
    connections_work(table, next.connection, &late, in_ms(60000));
    assert_true(wait_resumed(&late));
    assert_int_equal(late.reason, GIVE_UP_STOPPING);
    connections_set(table, next.connection, CONNECTION_IDLE, in_ms(60000));
    assert_int_equal(read_until_cut(&next, text, sizeof text), 0);

    connections_cut(table);
    assert_int_equal(read_until_cut(&busy, text, sizeof text), 0);
    close_pair(&busy);
    close_pair(&next);
    assert_true(connections_wait_empty(table, in_ms(10)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_connection_is_cut_without_a_word),
        TEST(a_late_request_is_told_408_and_cut),
        TEST(bug_575_a_late_request_by_HEAD_is_told_without_a_body),
        TEST(a_reply_that_is_not_taken_is_cut),
        TEST(a_deadline_that_moved_away_does_not_count),
        TEST(late_work_is_given_up_and_resumed),
        TEST(work_that_is_done_already_is_not_resumed),
        TEST(work_for_a_peer_that_leaves_is_given_up),
        TEST(work_for_a_peer_that_has_left_is_given_up_at_once),
        TEST(bug_554_a_request_of_a_peer_that_left_is_told_400_and_cut_soon),
        TEST(a_reply_to_a_peer_that_sends_no_more_is_not_hurried),
        TEST(a_new_user_of_a_slot_does_not_inherit_the_last_one_s_leaving),
        cmocka_unit_test(half_closing_can_be_ignored),
        TEST(a_full_table_takes_no_more),
        TEST(stopping_goes_in_three_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
