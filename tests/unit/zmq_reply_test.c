#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/zmq_reply.h"
#include "tests/support/zmq_client.h"

enum { WAIT_MS = 10000, UNREAD_LIMIT = 1000 };

static struct zeromq *context;
static struct zeromq_socket *router;
static char endpoint[128];
static struct zmq_client client;
static struct zmq_peer peer;
static struct budget budget;
static struct fault fault;

/* In the library's place: what was unread when it was last given something to send, none of which
 * it can have released. */
static size_t unread;

int zmq_msg_send(void *msg, void *socket, int flags);

int zmq_msg_send(void *msg, void *socket, int flags)
{
    int (*library)(void *, void *, int);
    *(void **)&library = dlsym(RTLD_NEXT, "zmq_msg_send");
    if (socket == (void *)router)
        unread = atomic_load(&peer.unread);
    return library(msg, socket, flags);
}

static int start(void **state)
{
    const struct zeromq_socket_options options = {
        .frame_limit = 1 << 20, .receive_limit = 10, .send_limit = 10};
    (void)state;
    atomic_init(&peer.unread, 0);
    budget_init(&budget, 1 << 20);
    if (!zeromq_open(&context, &fault))
        return -1;
    router = zeromq_router(context, &options, &fault);
    if (router == NULL ||
        !zeromq_bind(router, "tcp://127.0.0.1:0", false, endpoint, sizeof endpoint, &fault))
        return -1;
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, endpoint, NULL);
    return 0;
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Whatever a test did, all memory is back in the end. */
static int stop(void **state)
{
    (void)state;
    zmq_client_fini(&client);
    zeromq_socket_close(router);
    zeromq_close(context);
    assert_int_equal(atomic_load(&peer.unread), 0);
    assert_int_equal(atomic_load(&budget.used), 0);
    return 0;
}

/* The client asks; how many frames the way back to it has. */
static size_t take_route(struct zeromq_frame route[ZMQ_ROUTE_MAX])
{
    const struct zmq_frame question[] = {{"", 0}, {"?", 1}};
    struct zeromq_message message;
    zmq_client_send(&client, question, 2);
    while (!zeromq_receive(router, &message))
        pause_briefly();
    assert_int_equal(message.count, 3);
    zeromq_frame_move(&route[0], &message.frames[0]);
    zeromq_frame_move(&route[1], &message.frames[1]);
    zeromq_message_close(&message);
    return 2;
}

static struct reply make_reply(const char *body, size_t size)
{
    assert_true(budget_take(&budget, size, 0, &fault));
    struct reply reply = {
        .status = 200, .body = malloc(size), .size = size, .budget = &budget, .charge = size};
    assert_non_null(reply.body);
    memcpy(reply.body, body, size);
    return reply;
}

static enum zeromq_sent send_to(struct zeromq_frame *route, size_t route_count, struct reply reply)
{
    const enum zeromq_sent sent =
        zmq_reply_send(router, &peer, route, route_count, UNREAD_LIMIT, &reply);
    assert_null(reply.body);
    return sent;
}

static void expect_frame(const struct zmq_answer *answer, size_t i, const char *wanted, size_t size)
{
    assert_true(i < answer->count);
    assert_int_equal(answer->sizes[i], size);
    assert_memory_equal(answer->frames[i], wanted, size);
}

static void json_and_each_tensor_are_frames(void **state)
{
    struct zeromq_frame route[ZMQ_ROUTE_MAX];
    struct zmq_answer answer;
    struct reply reply = make_reply("{}abcdefgh", 10);
    (void)state;
    reply.json_size = 2;
    reply.tensor_count = 3;
    reply.tensor_sizes[0] = 3;
    reply.tensor_sizes[2] = 5;
    assert_int_equal(send_to(route, take_route(route), reply), ZEROMQ_SENT);
    assert_true(zmq_client_receive(&client, &answer, WAIT_MS));
    assert_int_equal(answer.count, 5);
    expect_frame(&answer, 0, "", 0);
    expect_frame(&answer, 1, "{}", 2);
    expect_frame(&answer, 2, "abc", 3);
    expect_frame(&answer, 3, "", 0);
    expect_frame(&answer, 4, "defgh", 5);
    zmq_answer_fini(&answer);
}

static void without_tensors_all_of_it_is_json(void **state)
{
    struct zeromq_frame route[ZMQ_ROUTE_MAX];
    struct zmq_answer answer;
    (void)state;
    assert_int_equal(send_to(route, take_route(route), make_reply("{\"a\":1}", 7)), ZEROMQ_SENT);
    assert_true(zmq_client_receive(&client, &answer, WAIT_MS));
    assert_int_equal(answer.count, 2);
    expect_frame(&answer, 1, "{\"a\":1}", 7);
    zmq_answer_fini(&answer);
}

static void what_the_library_has_sent_is_given_back(void **state)
{
    struct zeromq_frame route[ZMQ_ROUTE_MAX];
    struct zmq_answer answer;
    (void)state;
    assert_int_equal(send_to(route, take_route(route), make_reply("{}", 2)), ZEROMQ_SENT);
    assert_true(zmq_client_receive(&client, &answer, WAIT_MS));
    zmq_answer_fini(&answer);
    while (atomic_load(&budget.used) != 0 || atomic_load(&peer.unread) != 0)
        pause_briefly();
}

static void beyond_what_may_be_unread_it_is_dropped(void **state)
{
    struct zeromq_frame route[ZMQ_ROUTE_MAX];
    (void)state;
    atomic_store(&peer.unread, UNREAD_LIMIT + 1);
    assert_int_equal(send_to(route, take_route(route), make_reply("{}", 2)), ZEROMQ_FULL);
    assert_int_equal(atomic_load(&budget.used), 0);
    assert_int_equal(atomic_load(&peer.unread), UNREAD_LIMIT + 1);
    atomic_store(&peer.unread, UNREAD_LIMIT);
    assert_int_equal(send_to(route, take_route(route), make_reply("{}", 2)), ZEROMQ_SENT);
    struct zmq_answer answer;
    assert_true(zmq_client_receive(&client, &answer, WAIT_MS));
    zmq_answer_fini(&answer);
    while (atomic_load(&peer.unread) != UNREAD_LIMIT)
        pause_briefly();
    atomic_store(&peer.unread, 0);
}

/* Its room may be much larger than what is sent. */
static void bug_465_what_is_unread_is_all_that_it_holds(void **state)
{
    struct zeromq_frame route[ZMQ_ROUTE_MAX];
    struct reply reply = make_reply("{}", 2);
    (void)state;
    assert_true(budget_take(&budget, 400, 0, &fault));
    reply.charge += 400;
    assert_int_equal(send_to(route, take_route(route), reply), ZEROMQ_SENT);
    assert_int_equal(unread, 402);
}

static void without_a_router_it_is_dropped(void **state)
{
    struct zeromq_frame route[ZMQ_ROUTE_MAX];
    struct reply reply = make_reply("{}", 2);
    (void)state;
    const size_t route_count = take_route(route);
    assert_int_equal(zmq_reply_send(NULL, &peer, route, route_count, UNREAD_LIMIT, &reply),
                     ZEROMQ_NO_MEMORY);
    assert_null(reply.body);
    assert_int_equal(atomic_load(&budget.used), 0);
}

/* The router does not know yet when the client has only just left. */
static void who_has_left_is_told_nothing(void **state)
{
    struct zeromq_frame route[ZMQ_ROUTE_MAX], copies[ZMQ_ROUTE_MAX];
    enum zeromq_sent sent;
    (void)state;
    const size_t route_count = take_route(route);
    zmq_client_fini(&client);
    do {
        pause_briefly();
        for (size_t i = 0; i < route_count; i++)
            zeromq_frame_copy(&copies[i], &route[i]);
        sent = send_to(copies, route_count, make_reply("{}", 2));
    } while (sent == ZEROMQ_SENT);
    assert_int_equal(sent, ZEROMQ_GONE);
    for (size_t i = 0; i < route_count; i++)
        zeromq_frame_close(&route[i]);
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, endpoint, NULL); /* for stop */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json_and_each_tensor_are_frames),
        TEST(without_tensors_all_of_it_is_json),
        TEST(what_the_library_has_sent_is_given_back),
        TEST(beyond_what_may_be_unread_it_is_dropped),
        TEST(bug_465_what_is_unread_is_all_that_it_holds),
        TEST(without_a_router_it_is_dropped),
        TEST(who_has_left_is_told_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
