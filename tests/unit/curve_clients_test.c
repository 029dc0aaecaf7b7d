#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "server/curve_clients.h"
#include "tests/support/temp_dir.h"

static struct temp_dir folder;
static char *path;
static struct curve_clients clients;
static struct fault fault;
static char known[ZEROMQ_KEY_TEXT], other[ZEROMQ_KEY_TEXT], stranger[ZEROMQ_KEY_TEXT];

static int start(void **state)
{
    char secret[ZEROMQ_KEY_TEXT];
    (void)state;
    temp_dir_create(&folder);
    path = temp_dir_file(&folder, "clients");
    return zeromq_make_keys(known, secret, &fault) && zeromq_make_keys(other, secret, &fault) &&
                   zeromq_make_keys(stranger, secret, &fault)
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    free(path);
    temp_dir_remove(&folder);
    return 0;
}

/* ---- the file ---- */

static void a_line_is_a_key_and_a_comment(void **state)
{
    unsigned char key[ZEROMQ_KEY_SIZE];
    (void)state;
    temp_dir_write(&folder, "clients", "# ours\n\n  %s\r\n\t%s the microphone\n#%s", known, other,
                   stranger);
    assert_true(curve_clients_read(&clients, path, &fault));
    assert_int_equal(clients.count, 2);
    assert_true(zeromq_read_key(other, key));
    assert_memory_equal(clients.keys[1], key, sizeof key);
    curve_clients_fini(&clients);
    assert_int_equal(clients.count, 0);
}

static void bug_471_the_file_may_begin_with_a_byte_order_mark(void **state)
{
    (void)state;
    temp_dir_write(&folder, "clients", "\xef\xbb\xbf%s\r\n", known);
    assert_true(curve_clients_read(&clients, path, &fault));
    assert_int_equal(clients.count, 1);
    curve_clients_fini(&clients);
}

static void an_empty_file_lets_nobody_in(void **state)
{
    (void)state;
    temp_dir_write(&folder, "clients", "%s", "");
    assert_true(curve_clients_read(&clients, path, &fault));
    assert_int_equal(clients.count, 0);
    curve_clients_fini(&clients);
}

static void expect_refused(const char *wanted)
{
    assert_false(curve_clients_read(&clients, path, &fault));
    assert_int_equal(fault.status, 400);
    if (strstr(fault.text, wanted) == NULL || strstr(fault.text, path) != fault.text)
        fail_msg("'%s' is wanted, behind the path, got '%s'", wanted, fault.text);
    assert_int_equal(clients.count, 0);
    assert_null(clients.keys);
}

static void a_line_that_is_no_key_is_named(void **state)
{
    (void)state;
    temp_dir_write(&folder, "clients", "%s\n\n%.39s\n", known, other);
    expect_refused("line 3: a CURVE public key of 40 Z85 characters expected");
    temp_dir_write(&folder, "clients", "%sx\n", known);
    expect_refused("line 1: ");
    temp_dir_write(&folder, "clients", "%.39s~\n", known);
    expect_refused("line 1: ");
}

static void a_file_that_is_not_there_is_named(void **state)
{
    char *const there = path;
    (void)state;
    path = temp_dir_file(&folder, "nowhere");
    expect_refused("No such file");
    free(path);
    path = there;
}

/* ---- the library's questions ---- */

enum { FRAMES = 7, CLIENT_KEY = 6 };

struct question {
    const void *frames[FRAMES];
    size_t sizes[FRAMES], count;
};

static struct question question_about(const char *text, unsigned char key[ZEROMQ_KEY_SIZE])
{
    static const char *const texts[] = {"1.0", "id", "lstmd", "127.0.0.1", "", "CURVE"};
    struct question question = {.count = FRAMES};
    for (size_t i = 0; i < CLIENT_KEY; i++) {
        question.frames[i] = texts[i];
        question.sizes[i] = strlen(texts[i]);
    }
    assert_true(zeromq_read_key(text, key));
    question.frames[CLIENT_KEY] = key;
    question.sizes[CLIENT_KEY] = ZEROMQ_KEY_SIZE;
    return question;
}

static void receive_text(void *socket, const char *wanted)
{
    char text[100];
    const int size = zmq_recv(socket, text, sizeof text - 1, 0);
    assert_in_range(size, 0, sizeof text - 1);
    text[size] = '\0';
    assert_string_equal(text, wanted);
}

/* Puts it as the library does, over its own wire. */
static void expect_answer(const struct question *question, const char *id, const char *status)
{
    struct zeromq *context;
    assert_true(zeromq_open(&context, &fault));
    struct zeromq_socket *authenticator = zeromq_authenticator(context, &fault);
    assert_non_null(authenticator);
    void *library = zmq_socket(context, ZMQ_REQ);
    assert_int_equal(zmq_connect(library, "inproc://zeromq.zap.01"), 0);
    for (size_t i = 0; i < question->count; i++)
        assert_int_equal(zmq_send(library, question->frames[i], question->sizes[i],
                                  i + 1 < question->count ? ZMQ_SNDMORE : 0),
                         question->sizes[i]);
    curve_clients_answer(&clients, authenticator); /* inproc: it is there already */
    receive_text(library, "1.0");
    receive_text(library, id);
    receive_text(library, status);
    receive_text(library, strcmp(status, "200") == 0 ? "" : "the key is not known");
    receive_text(library, "");
    receive_text(library, "");
    zmq_close(library);
    zeromq_socket_close(authenticator);
    zeromq_close(context);
}

static int start_asking(void **state)
{
    if (start(state) != 0)
        return -1;
    temp_dir_write(&folder, "clients", "%s\n%s\n", known, other);
    return curve_clients_read(&clients, path, &fault) ? 0 : -1;
}

static int stop_asking(void **state)
{
    curve_clients_fini(&clients);
    return stop(state);
}

static void who_is_listed_is_let_in(void **state)
{
    unsigned char key[ZEROMQ_KEY_SIZE];
    (void)state;
    struct question question = question_about(known, key);
    expect_answer(&question, "id", "200");
    question = question_about(other, key);
    expect_answer(&question, "id", "200");
}

static void nobody_else_is(void **state)
{
    unsigned char key[ZEROMQ_KEY_SIZE];
    (void)state;
    struct question question = question_about(stranger, key);
    expect_answer(&question, "id", "400");
    question = question_about(known, key);
    question.sizes[CLIENT_KEY]--;
    expect_answer(&question, "id", "400");
}

/* Nothing but a question about a key is answered with yes, whatever key it is behind. */
static void what_is_not_such_a_question_is_refused(void **state)
{
    static const struct {
        size_t frame;
        const char *text;
    } others[] = {{0, "1.1"}, {0, ""}, {5, "NULL"}, {5, "PLAIN"}, {5, "CURV"}, {5, "CURVES"}};
    unsigned char key[ZEROMQ_KEY_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct question question = question_about(known, key);
        question.frames[others[i].frame] = others[i].text;
        question.sizes[others[i].frame] = strlen(others[i].text);
        expect_answer(&question, "id", "400");
    }
    struct question question = question_about(known, key);
    for (question.count = 1; question.count < FRAMES; question.count++)
        expect_answer(&question, question.count > 1 ? "id" : "", "400");
}

#define FILE_TEST(name)     cmocka_unit_test_setup_teardown(name, start, stop)
#define QUESTION_TEST(name) cmocka_unit_test_setup_teardown(name, start_asking, stop_asking)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(a_line_is_a_key_and_a_comment),
        FILE_TEST(bug_471_the_file_may_begin_with_a_byte_order_mark),
        FILE_TEST(an_empty_file_lets_nobody_in),
        FILE_TEST(a_line_that_is_no_key_is_named),
        FILE_TEST(a_file_that_is_not_there_is_named),
        QUESTION_TEST(who_is_listed_is_let_in),
        QUESTION_TEST(nobody_else_is),
        QUESTION_TEST(what_is_not_such_a_question_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
