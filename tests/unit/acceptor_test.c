#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "server/acceptor.h"
#include "server/address.h"
#include "server/clock.h"
#include "server/listener.h"

enum { THREADS = 3, MOST = 64, PATIENCE_MS = 10000 };

static struct acceptor *acceptor;
static struct address address;
static struct fault fault;
static int listener, clients[MOST];
static size_t client_count;
static atomic_size_t given[THREADS]; /* that came */
static atomic_int taken[MOST];       /* their descriptors, in order */
static atomic_size_t taken_count;
static atomic_bool takes_up, refuses; /* as a thread does, or fails to */

static bool give(void *context, size_t thread, int fd, const struct sockaddr *peer, socklen_t size)
{
    assert_ptr_equal(context, &listener);
    assert_int_equal(peer->sa_family, AF_INET);
    assert_int_equal(size, sizeof(struct sockaddr_in));
    if (atomic_load(&refuses)) {
        close(fd);
        atomic_store(&refuses, false);
        return false;
    }
    atomic_store(&taken[atomic_load(&taken_count)], fd);
    atomic_fetch_add(&given[thread], 1);
    if (atomic_load(&takes_up))
        acceptor_started(acceptor, thread);
    atomic_fetch_add(&taken_count, 1);
    return true;
}

static void start_with_limit(size_t limit)
{
    const struct acceptor_config config = {.listener = listener,
                                           .threads = THREADS,
                                           .limit = limit,
                                           .context = &listener,
                                           .give = give};
    assert_true(acceptor_start(&acceptor, &config, &fault));
}

static int start(void **state)
{
    (void)state;
    client_count = 0;
    atomic_store(&taken_count, 0);
    atomic_store(&takes_up, true);
    atomic_store(&refuses, false);
    for (size_t i = 0; i < THREADS; i++)
        atomic_store(&given[i], 0);
    return address_parse(&address, "127.0.0.1:0", &fault) &&
                   listener_open(&address, "--http", &listener, &fault)
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    acceptor_close(acceptor);
    acceptor_free(acceptor);
    close(listener);
    for (size_t i = 0; i < client_count; i++)
        close(clients[i]);
    for (size_t i = 0; i < atomic_load(&taken_count); i++)
        close(atomic_load(&taken[i]));
    return 0;
}

static void connect_one(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address.storage, address.size), 0);
    clients[client_count++] = fd;
}

static bool comes_to(size_t count, int milliseconds)
{
    for (int i = 0; i < milliseconds && atomic_load(&taken_count) != count; i++)
        usleep(1000);
    return atomic_load(&taken_count) == count;
}

static void connect_and_expect(size_t count)
{
    for (size_t i = 0; i < count; i++)
        connect_one();
    assert_true(comes_to(client_count, PATIENCE_MS));
}

static void expect_given(size_t first, size_t second, size_t third)
{
    assert_int_equal(atomic_load(&given[0]), first);
    assert_int_equal(atomic_load(&given[1]), second);
    assert_int_equal(atomic_load(&given[2]), third);
}

static void a_crowd_is_shared_evenly(void **state)
{
    (void)state;
    start_with_limit(MOST);
    connect_and_expect(30);
    expect_given(10, 10, 10);
}

static void who_has_fewest_gets_the_next(void **state)
{
    (void)state;
    start_with_limit(MOST);
    connect_and_expect(9);
    acceptor_closed(acceptor, 1);
    acceptor_closed(acceptor, 1);
    acceptor_closed(acceptor, 2);
    connect_and_expect(3);
    expect_given(3, 5, 4);
}

static void beyond_the_limit_they_wait_for_room(void **state)
{
    (void)state;
    start_with_limit(4);
    connect_and_expect(4);
    connect_one();
    assert_false(comes_to(5, 100));
    acceptor_closed(acceptor, 0);
    assert_true(comes_to(5, PATIENCE_MS));
}

static void one_that_was_refused_does_not_count(void **state)
{
    (void)state;
    start_with_limit(2);
    atomic_store(&refuses, true);
    connect_one();
    while (atomic_load(&refuses))
        usleep(1000);
    connect_one();
    connect_one();
    assert_true(comes_to(2, PATIENCE_MS));
    expect_given(1, 1, 0);
}

static void one_that_is_never_taken_up_counts_for_a_second(void **state)
{
    (void)state;
    start_with_limit(1);
    atomic_store(&takes_up, false);
    connect_and_expect(1);
    atomic_store(&takes_up, true);
    connect_one();
    assert_false(comes_to(2, 100));
    assert_true(comes_to(2, PATIENCE_MS));
}

static void *take_up_late(void *unused)
{
    (void)unused;
    usleep(50000);
    acceptor_started(acceptor, 0);
    return NULL;
}

static void closing_waits_until_what_was_given_is_taken_up(void **state)
{
    pthread_t thread;
    (void)state;
    start_with_limit(MOST);
    atomic_store(&takes_up, false);
    connect_and_expect(1);
    const uint64_t begun = clock_now();
    assert_int_equal(pthread_create(&thread, NULL, take_up_late, NULL), 0);
    acceptor_close(acceptor);
    assert_true(clock_now() - begun >= 50 * CLOCK_NS_PER_MS);
    pthread_join(thread, NULL);
    acceptor_free(acceptor);
    close(listener);
    assert_true(listener_open(&address, "--http", &listener, &fault)); /* for stop */
    start_with_limit(MOST);
}

static void once_closed_nobody_can_connect(void **state)
{
    (void)state;
    start_with_limit(MOST);
    connect_and_expect(1);
    acceptor_close(acceptor);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_not_equal(connect(fd, (struct sockaddr *)&address.storage, address.size), 0);
    close(fd);
    acceptor_free(acceptor);
    close(listener);
    assert_int_equal(listener_open(&address, "--http", &listener, &fault), true); /* for stop */
    start_with_limit(MOST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_crowd_is_shared_evenly),
        TEST(who_has_fewest_gets_the_next),
        TEST(beyond_the_limit_they_wait_for_room),
        TEST(one_that_was_refused_does_not_count),
        TEST(one_that_is_never_taken_up_counts_for_a_second),
        TEST(closing_waits_until_what_was_given_is_taken_up),
        TEST(once_closed_nobody_can_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
