#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/lingering.h"

/* A TCP connection with both its ends here. */
struct pair {
    int ours, theirs;
};

static struct lingering *lingering;
static struct fault fault;

static struct pair connect_pair(void)
{
    struct pair pair;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    pair.theirs = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair.theirs, (struct sockaddr *)&address, size), 0);
    pair.ours = accept(listener, NULL, NULL);
    assert_true(pair.ours >= 0);
    close(listener);
    return pair;
}

/* As the server does: the last word, then the end. */
static void leave(const struct pair *pair)
{
    assert_int_equal(send(pair->ours, "no", 2, 0), 2);
    lingering_take(lingering, pair->ours);
    close(pair->ours);
}

static bool send_all(int fd, size_t size)
{
    static const char piece[1 << 16];
    for (size_t left = size; left > 0;) {
        const ssize_t sent =
            send(fd, piece, left < sizeof piece ? left : sizeof piece, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        left -= (size_t)sent;
    }
    return true;
}

/* The other side is reset, or closed for good. */
static bool is_gone(int fd, int milliseconds)
{
    struct pollfd gone = {.fd = fd, .events = 0};
    return poll(&gone, 1, milliseconds) > 0 && (gone.revents & (POLLHUP | POLLERR)) != 0;
}

static int start(void **state)
{
    (void)state;
    return lingering_start(&lingering, &fault) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    lingering_stop(lingering);
    return 0;
}

static void what_still_comes_is_taken_and_the_last_word_stays(void **state)
{
    const struct pair pair = connect_pair();
    char word[8];
    (void)state;
    assert_true(send_all(pair.theirs, 1000)); /* unread when it leaves */
    leave(&pair);
    assert_true(send_all(pair.theirs, (size_t)32 << 20));
    assert_int_equal(recv(pair.theirs, word, sizeof word, 0), 2);
    assert_memory_equal(word, "no", 2);
    assert_int_equal(recv(pair.theirs, word, sizeof word, 0), 0);
    close(pair.theirs);
}

static void it_ends_when_the_client_closes(void **state)
{
    struct pair pairs[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        pairs[i] = connect_pair();
        leave(&pairs[i]);
    }
    for (int i = 0; i < 3; i++) {
        shutdown(pairs[i].theirs, SHUT_WR);
        assert_true(is_gone(pairs[i].theirs, 4000));
        close(pairs[i].theirs);
    }
}

static void it_ends_after_a_while(void **state)
{
    const struct pair pair = connect_pair();
    (void)state;
    leave(&pair);
    assert_false(is_gone(pair.theirs, 1000));
    for (int i = 0; i < 200 && send(pair.theirs, "x", 1, MSG_NOSIGNAL) == 1; i++)
        usleep(100000);
    assert_int_equal(errno, EPIPE);
    close(pair.theirs);
}

static void of_too_many_the_last_are_closed_at_once(void **state)
{
    enum { MORE = 3 };
    struct pair pairs[LINGERING_MAX + MORE];
    (void)state;
    for (int i = 0; i < LINGERING_MAX + MORE; i++) {
        pairs[i] = connect_pair();
        leave(&pairs[i]);
    }
    for (int i = 0; i < LINGERING_MAX; i++)
        assert_true(send_all(pairs[i].theirs, 1) && !is_gone(pairs[i].theirs, 0));
    for (int i = LINGERING_MAX; i < LINGERING_MAX + MORE; i++)
        assert_true(send_all(pairs[i].theirs, 1) && is_gone(pairs[i].theirs, 4000));
    for (int i = 0; i < LINGERING_MAX + MORE; i++)
        close(pairs[i].theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_still_comes_is_taken_and_the_last_word_stays, start,
                                        stop),
        cmocka_unit_test_setup_teardown(it_ends_when_the_client_closes, start, stop),
        cmocka_unit_test_setup_teardown(it_ends_after_a_while, start, stop),
        cmocka_unit_test_setup_teardown(of_too_many_the_last_are_closed_at_once, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
