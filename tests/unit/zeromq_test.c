#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/zeromq.h"
#include "tests/support/zmq_client.h"

enum { WAIT_MS = 10000, FRAME_LIMIT = 1000, MESSAGE_LIMIT = 10 };

static struct zeromq *context;
static struct zeromq_socket *router, *monitor;
static struct zmq_client client;
static char endpoint[128];
static struct fault fault;
static size_t released; /* by this thread only: where what is sent did not reach the library */

static int start(void **state)
{
    const struct zeromq_socket_options options = {
        .frame_limit = FRAME_LIMIT, .receive_limit = MESSAGE_LIMIT, .send_limit = MESSAGE_LIMIT};
    (void)state;
    released = 0;
    if (!zeromq_open(&context, &fault))
        return -1;
    router = zeromq_router(context, &options, &fault);
    if (router == NULL)
        return -1;
    monitor = zeromq_monitor(context, router, "test", &fault);
    if (monitor == NULL ||
        !zeromq_bind(router, "tcp://127.0.0.1:0", false, endpoint, sizeof endpoint, &fault))
        return -1;
    zmq_client_init(&client, ZMQ_CLIENT_DEALER, endpoint, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    zmq_client_fini(&client);
    zeromq_socket_close(monitor);
    zeromq_socket_close(router);
    zeromq_close(context);
    return 0;
}

static void wait_for(const struct zeromq_socket *socket)
{
    struct pollfd readable = {.fd = zeromq_descriptor(socket), .events = POLLIN};
    assert_true(poll(&readable, 1, WAIT_MS) > 0);
}

static void receive(struct zeromq_message *message)
{
    while (!zeromq_receive(router, message))
        wait_for(router);
}

static void expect_event(enum zeromq_event wanted)
{
    enum zeromq_event event;
    do
        while (!zeromq_next_event(monitor, &event))
            wait_for(monitor);
    while (event != wanted);
}

static struct zeromq_part text_part(const char *text)
{
    return (struct zeromq_part){.data = text, .size = strlen(text)};
}

/* ---- keys ---- */

static void a_key_is_forty_characters_of_z85(void **state)
{
    char public_key[ZEROMQ_KEY_TEXT], secret_key[ZEROMQ_KEY_TEXT];
    unsigned char bytes[ZEROMQ_KEY_SIZE], others[ZEROMQ_KEY_SIZE];
    (void)state;
    assert_true(zeromq_make_keys(public_key, secret_key, &fault));
    assert_true(zeromq_read_key(public_key, bytes));
    assert_true(zeromq_read_key(secret_key, others));
    assert_memory_not_equal(bytes, others, sizeof bytes);
    assert_false(zeromq_read_key("", bytes));
    assert_false(zeromq_read_key(public_key + 1, bytes));
    for (const char *c = " ~,;'\"\\`_|\n\x7f\xff"; *c != '\0'; c++) {
        public_key[20] = *c;
        assert_false(zeromq_read_key(public_key, bytes));
    }
}

/* ---- receiving ---- */

static void a_message_is_its_sender_and_its_frames(void **state)
{
    const struct zmq_frame frames[] = {{"", 0}, {"ab", 2}};
    struct zeromq_message message;
    (void)state;
    zmq_client_send(&client, frames, 2);
    receive(&message);
    assert_int_equal(message.count, 3);
    assert_int_equal(message.size, zeromq_frame_size(&message.frames[0]) + 2);
    assert_int_equal(zeromq_frame_size(&message.frames[1]), 0);
    assert_memory_equal(zeromq_frame_data(&message.frames[2]), "ab", 2);
    assert_false(message.cut_off);
    zeromq_message_close(&message);
    assert_false(zeromq_receive(router, &message));
}

static void what_has_too_many_frames_is_cut_off_and_counted(void **state)
{
    struct zmq_frame frames[ZEROMQ_FRAMES_MAX + 2];
    struct zeromq_message message;
    (void)state;
    for (size_t i = 0; i < ZEROMQ_FRAMES_MAX + 2; i++)
        frames[i] = (struct zmq_frame){"xyz", 3};
    zmq_client_send(&client, frames, ZEROMQ_FRAMES_MAX + 2);
    zmq_client_send(&client, frames, ZEROMQ_FRAMES_MAX - 1); /* with the sender just enough */
    receive(&message);
    const size_t sender = zeromq_frame_size(&message.frames[0]);
    assert_true(message.cut_off);
    assert_int_equal(message.count, ZEROMQ_FRAMES_MAX);
    assert_int_equal(message.size, sender + 3 * (ZEROMQ_FRAMES_MAX + 2));
    zeromq_message_close(&message);
    receive(&message);
    assert_false(message.cut_off);
    assert_int_equal(message.count, ZEROMQ_FRAMES_MAX);
    assert_int_equal(message.size, sender + 3 * (ZEROMQ_FRAMES_MAX - 1));
    zeromq_message_close(&message);
}

static void who_sends_too_large_a_frame_is_disconnected(void **state)
{
    static const char bytes[FRAME_LIMIT + 1];
    const struct zmq_frame large = {bytes, sizeof bytes}, most = {bytes, sizeof bytes - 1};
    struct zeromq_message message;
    (void)state;
    zmq_client_send(&client, &most, 1);
    receive(&message);
    assert_int_equal(zeromq_frame_size(&message.frames[1]), FRAME_LIMIT);
    zeromq_message_close(&message);
    zmq_client_send(&client, &large, 1);
    expect_event(ZEROMQ_CONNECTED);
    expect_event(ZEROMQ_DISCONNECTED);
    assert_false(zeromq_receive(router, &message));
}

/* ---- sending ---- */

/* The client's name, copied from its next message. */
static struct zeromq_frame name_of_client(void)
{
    struct zeromq_message message;
    struct zeromq_frame name;
    zmq_client_send_text(&client, "here");
    receive(&message);
    zeromq_frame_copy(&name, &message.frames[0]);
    zeromq_message_close(&message);
    return name;
}

static void release(void *data, void *hint)
{
    assert_string_equal(data, "bytes");
    ++*(size_t *)hint;
}

static struct zeromq_part released_part(void)
{
    static const char bytes[] = "bytes";
    return (struct zeromq_part){
        .data = bytes, .size = sizeof bytes - 1, .release = release, .hint = &released};
}

static void frames_and_bytes_go_to_whom_the_first_one_names(void **state)
{
    struct zeromq_frame name = name_of_client(), again;
    struct zmq_answer answer;
    (void)state;
    zeromq_frame_copy(&again, &name);
    struct zeromq_part parts[] = {
        {.frame = &name}, {.frame = &again}, text_part(""), text_part("ab")};
    assert_int_equal(zeromq_send(router, parts, 4), ZEROMQ_SENT);
    assert_true(zmq_client_receive(&client, &answer, WAIT_MS));
    assert_int_equal(answer.count, 3);
    assert_true(answer.sizes[0] > 0);
    assert_int_equal(answer.sizes[1], 0);
    assert_string_equal(answer.frames[2], "ab");
    zmq_answer_fini(&answer);
}

static void to_nobody_nothing_is_sent_and_all_is_released(void **state)
{
    struct zeromq_part parts[] = {text_part("nobody"), released_part(), released_part()};
    (void)state;
    assert_int_equal(zeromq_send(router, parts, 3), ZEROMQ_GONE);
    assert_int_equal(released, 2);
}

/* A large answer, since the system's own buffers take much. */
static enum zeromq_sent send_large(struct zeromq_frame *name)
{
    static const char bytes[1 << 20];
    struct zeromq_frame copy;
    zeromq_frame_copy(&copy, name);
    struct zeromq_part parts[] = {{.frame = &copy}, {.data = bytes, .size = sizeof bytes}};
    return zeromq_send(router, parts, 2);
}

/* It is full for good when the system's buffers are too: until then the library's thread may still
 * make room between two sends. */
static void for_who_does_not_read_it_gets_full(void **state)
{
    struct zeromq_frame name = name_of_client();
    enum zeromq_sent sent = ZEROMQ_SENT;
    (void)state;
    for (int i = 0; i < 5000 && sent == ZEROMQ_SENT; i++) {
        while (i < 5000 && send_large(&name) == ZEROMQ_SENT)
            i++;
        struct zeromq_frame copy;
        zeromq_frame_copy(&copy, &name);
        struct zeromq_part parts[] = {{.frame = &copy}, released_part()};
        released = 0;
        sent = zeromq_send(router, parts, 2);
    }
    assert_int_equal(sent, ZEROMQ_FULL);
    assert_int_equal(released, 1);
    zeromq_frame_close(&name);
}

/* ---- sockets ---- */

static void an_address_that_is_taken_is_named(void **state)
{
    const struct zeromq_socket_options options = {.frame_limit = 1};
    char bound[128];
    (void)state;
    struct zeromq_socket *second = zeromq_router(context, &options, &fault);
    assert_non_null(second);
    assert_false(zeromq_bind(second, endpoint, false, bound, sizeof bound, &fault));
    assert_int_equal(fault.status, 503);
    assert_non_null(strstr(fault.text, endpoint));
    zeromq_socket_close(second);
}

static void a_key_that_is_none_makes_no_socket(void **state)
{
    const struct zeromq_socket_options options = {.frame_limit = 1, .secret_key = "short"};
    (void)state;
    assert_null(zeromq_router(context, &options, &fault));
    assert_int_equal(fault.status, 503);
    assert_null(zeromq_publisher(context, &options, &fault));
}

/* Nobody answers for the clients, so nobody is let in. */
static void with_keys_who_has_none_fails_to_shake_hands(void **state)
{
    char public_key[ZEROMQ_KEY_TEXT], secret_key[ZEROMQ_KEY_TEXT], bound[128];
    struct zmq_client stranger;
    enum zeromq_event event;
    (void)state;
    assert_true(zeromq_make_keys(public_key, secret_key, &fault));
    const struct zeromq_socket_options options = {.frame_limit = 1, .secret_key = secret_key};
    struct zeromq_socket *closed = zeromq_router(context, &options, &fault);
    struct zeromq_socket *watch = zeromq_monitor(context, closed, "closed", &fault);
    assert_true(zeromq_bind(closed, "tcp://127.0.0.1:0", false, bound, sizeof bound, &fault));
    zmq_client_init(&stranger, ZMQ_CLIENT_DEALER, bound, NULL);
    do
        while (!zeromq_next_event(watch, &event))
            wait_for(watch);
    while (event != ZEROMQ_HANDSHAKE_FAILED);
    zmq_client_fini(&stranger);
    zeromq_socket_close(watch);
    zeromq_socket_close(closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_forty_characters_of_z85),
        TEST(a_message_is_its_sender_and_its_frames),
        TEST(what_has_too_many_frames_is_cut_off_and_counted),
        TEST(who_sends_too_large_a_frame_is_disconnected),
        TEST(frames_and_bytes_go_to_whom_the_first_one_names),
        TEST(to_nobody_nothing_is_sent_and_all_is_released),
        TEST(for_who_does_not_read_it_gets_full),
        TEST(an_address_that_is_taken_is_named),
        TEST(a_key_that_is_none_makes_no_socket),
        TEST(with_keys_who_has_none_fails_to_shake_hands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
