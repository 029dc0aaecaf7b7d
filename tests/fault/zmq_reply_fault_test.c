/* A reply over ZeroMQ while memory runs out: the first allocation fails, then the second, and so
 * on. Either its peer gets all of it or nothing, nothing is held afterwards, and others' replies
 * are what they were. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/zmq_reply.h"
#include "tests/fault/failing_calls.h"
#include "tests/support/zmq_client.h"

enum { WAIT_MS = 10000, UNREAD_LIMIT = 1000, RUNS_MAX = 100 };

/* One who is answered, and one of another name. */
struct party {
    struct zmq_client client;
    struct zmq_peer peer;
    struct zeromq_frame route[2];
};

static struct zeromq *context;
static struct zeromq_socket *router;
static struct party parties[2];
static struct budget budget;
static struct fault fault;

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* It asks, so that its name is known. */
static void join(struct party *party, const char *endpoint)
{
    const struct zmq_frame question[] = {{"", 0}, {"?", 1}};
    struct zeromq_message message;
    atomic_init(&party->peer.unread, 0);
    zmq_client_init(&party->client, ZMQ_CLIENT_DEALER, endpoint, NULL);
    zmq_client_send(&party->client, question, 2);
    while (!zeromq_receive(router, &message))
        pause_briefly();
    assert_int_equal(message.count, 3);
    zeromq_frame_move(&party->route[0], &message.frames[0]);
    zeromq_frame_move(&party->route[1], &message.frames[1]);
    zeromq_message_close(&message);
}

static int start(void **state)
{
    const struct zeromq_socket_options options = {
        .frame_limit = 1 << 20, .receive_limit = 10, .send_limit = 10};
    char endpoint[128];
    (void)state;
    budget_init(&budget, 1 << 20);
    if (!zeromq_open(&context, &fault))
        return -1;
    router = zeromq_router(context, &options, &fault);
    if (router == NULL ||
        !zeromq_bind(router, "tcp://127.0.0.1:0", false, endpoint, sizeof endpoint, &fault))
        return -1;
    for (size_t i = 0; i < 2; i++)
        join(&parties[i], endpoint);
    return 0;
}

static void leave(struct party *party)
{
    zmq_client_fini(&party->client);
    zeromq_frame_close(&party->route[0]);
    zeromq_frame_close(&party->route[1]);
}

static int stop(void **state)
{
    (void)state;
    leave(&parties[0]);
    leave(&parties[1]);
    zeromq_socket_close(router);
    zeromq_close(context);
    return 0;
}

/* text: JSON of two bytes, then two tensors of three. */
static enum zeromq_sent send_to(struct party *party, const char text[9])
{
    struct zeromq_frame route[2];
    struct reply reply = {.status = 200, .size = 8, .json_size = 2, .tensor_count = 2};
    reply.tensor_sizes[0] = reply.tensor_sizes[1] = 3;
    reply.body = malloc(reply.size);
    if (reply.body == NULL || !budget_take(&budget, reply.size, 0, &fault))
        return ZEROMQ_NO_MEMORY;
    reply.budget = &budget;
    reply.charge = reply.size;
    memcpy(reply.body, text, reply.size);
    zeromq_frame_copy(&route[0], &party->route[0]);
    zeromq_frame_copy(&route[1], &party->route[1]);
    return zmq_reply_send(router, &party->peer, route, 2, UNREAD_LIMIT, &reply);
}

static void expect(struct party *party, const char *const wanted[4])
{
    struct zmq_answer answer;
    assert_true(zmq_client_receive(&party->client, &answer, WAIT_MS));
    assert_int_equal(answer.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(answer.frames[i], wanted[i]);
    zmq_answer_fini(&answer);
}

static void expect_nothing_held(struct party *party)
{
    for (int waited = 0; waited < WAIT_MS && atomic_load(&party->peer.unread) != 0; waited++)
        pause_briefly();
    assert_int_equal(atomic_load(&party->peer.unread), 0);
    assert_int_equal(atomic_load(&budget.used), 0);
}

static void bug_403_what_cannot_be_made_whole_is_not_begun(void **state)
{
    static const char *const first[] = {"", "{}", "abc", "def"}, *const other[] = {"", "[]", "uvw",
                                                                                   "xyz"};
    enum zeromq_sent sent = ZEROMQ_NO_MEMORY;
    long failing = 0;
    (void)state;
    for (; sent == ZEROMQ_NO_MEMORY; failing++) {
        assert_true(failing < RUNS_MAX);
        fail_memory_after(failing);
        sent = send_to(&parties[0], "{}abcdef");
        assert_true(fail_memory_no_more() == (sent == ZEROMQ_NO_MEMORY));
        if (sent == ZEROMQ_NO_MEMORY)
            expect_nothing_held(&parties[0]);
        assert_int_equal(send_to(&parties[1], "[]uvwxyz"), ZEROMQ_SENT);
        expect(&parties[1], other);
        expect_nothing_held(&parties[1]);
    }
    assert_int_equal(sent, ZEROMQ_SENT);
    expect(&parties[0], first); /* and nothing before it */
    expect_nothing_held(&parties[0]);
    assert_int_equal(failing, 6); /* body, reply, and each of its frames failed once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bug_403_what_cannot_be_made_whole_is_not_begun, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
