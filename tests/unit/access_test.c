#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/access.h"

#define READ   "read-0123456789-abcdef"
#define INFER  "infer/0123456789+abcdef=="
#define INFER2 "infer-2_0123456789.abcdef~"
#define ADMIN  "admin-0123456789abcdef"

static char path[64];
static struct access *access_list;
static struct fault fault;

static void write_tokens(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int open_good(void **state)
{
    (void)state;
    strcpy(path, "/tmp/access_test_XXXXXX");
    const int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    write_tokens("# who may do what\n\nread " READ "\n  infer\t" INFER " \r\ninfer " INFER2
                 "\nadmin " ADMIN);
    return access_open(&access_list, path, &fault) ? 0 : -1;
}

static int close_it(void **state)
{
    (void)state;
    access_close(access_list);
    return unlink(path);
}

/* 200 or what the fault says. */
static int status(enum route_kind kind, const char *authorization)
{
    return access_check(access_list, kind, authorization, &fault) ? 200 : fault.status;
}

/* Who may come in, each scope's holders by those of the wider ones too; 0: nobody has decided. */
enum door { UNDECIDED, FOR_ALL, FOR_READ, FOR_INFER, FOR_ADMIN };

static const enum door doors[ROUTE_COUNT] = {
    [ROUTE_NONE] = FOR_ALL,
    [ROUTE_SERVER_METADATA] = FOR_READ,
    [ROUTE_LIVE] = FOR_ALL,
    [ROUTE_READY] = FOR_ALL,
    [ROUTE_MODEL_LIST] = FOR_READ,
    [ROUTE_MODEL_METADATA] = FOR_READ,
    [ROUTE_MODEL_READY] = FOR_READ,
    [ROUTE_MODEL_CONFIG] = FOR_READ,
    [ROUTE_MODEL_STATS] = FOR_READ,
    [ROUTE_ALL_STATS] = FOR_READ,
    [ROUTE_INFER] = FOR_INFER,
    [ROUTE_INFER_STREAM] = FOR_INFER,
    [ROUTE_SEQUENCE_LIST] = FOR_INFER,
    [ROUTE_SEQUENCE_EXPORT] = FOR_INFER,
    [ROUTE_SEQUENCE_IMPORT] = FOR_INFER,
    [ROUTE_SEQUENCE_DROP] = FOR_INFER,
    [ROUTE_REPOSITORY_INDEX] = FOR_READ,
    [ROUTE_MODEL_LOAD] = FOR_ADMIN,
    [ROUTE_MODEL_UNLOAD] = FOR_ADMIN,
    [ROUTE_LOGGING] = FOR_READ,
    [ROUTE_LOGGING_UPDATE] = FOR_ADMIN,
    [ROUTE_V1_LIVE] = FOR_ALL,
    [ROUTE_V1_PREDICT] = FOR_INFER,
    [ROUTE_V1_MODEL_STATUS] = FOR_READ,
    [ROUTE_V1_MODEL_METADATA] = FOR_READ,
    [ROUTE_METRICS] = FOR_READ,
    [ROUTE_CONSOLE] = FOR_ALL,
    [ROUTE_CONSOLE_SCRIPT] = FOR_ALL,
    [ROUTE_DOCS] = FOR_ALL,
    [ROUTE_DOCS_SCRIPT] = FOR_ALL,
    [ROUTE_DOCS_STYLE] = FOR_ALL,
    [ROUTE_OPENAPI] = FOR_ALL,
};

static void expect_status(enum route_kind kind, const char *authorization, int wanted)
{
    const int found = status(kind, authorization);
    if (found != wanted)
        fail_msg("route %d, '%s': %d wanted, got %d", (int)kind,
                 authorization != NULL ? authorization : "", wanted, found);
}

static void bug_413_each_scope_may_do_what_those_before_it_may_and_no_more(void **state)
{
    (void)state;
    for (enum route_kind kind = ROUTE_NONE; kind < ROUTE_COUNT; kind++) {
        const enum door door = doors[kind];
        assert_int_not_equal(door, UNDECIDED);
        expect_status(kind, NULL, door <= FOR_ALL ? 200 : 401);
        expect_status(kind, "Bearer " READ, door <= FOR_READ ? 200 : 403);
        expect_status(kind, "Bearer " INFER, door <= FOR_INFER ? 200 : 403);
        expect_status(kind, "bearer  " INFER2, door <= FOR_INFER ? 200 : 403);
        expect_status(kind, "BEARER " ADMIN, 200);
    }
}

/* A token that stands in two lines, of these scopes in that order, may do just what the wider may.
 */
static void bug_414_a_token_of_several_lines_has_the_widest_scope_of_them(void **state)
{
    static const struct {
        const char *first, *second;
        int metrics, infer, load;
    } rows[] = {
        {"read", "infer", 200, 200, 403},  {"infer", "read", 200, 200, 403},
        {"read", "read", 200, 403, 403},   {"infer", "infer", 200, 200, 403},
        {"admin", "read", 200, 200, 200},  {"read", "admin", 200, 200, 200},
        {"admin", "infer", 200, 200, 200}, {"infer", "admin", 200, 200, 200},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s " INFER "\nread " READ "\n%s " INFER "\n", rows[i].first,
                 rows[i].second);
        write_tokens(text);
        assert_true(access_reload(access_list, &fault));
        expect_status(ROUTE_METRICS, "Bearer " INFER, rows[i].metrics);
        expect_status(ROUTE_INFER, "Bearer " INFER, rows[i].infer);
        expect_status(ROUTE_MODEL_LOAD, "Bearer " INFER, rows[i].load);
        expect_status(ROUTE_INFER, "Bearer " READ, 403);
    }
}

static void health_is_open(void **state)
{
    (void)state;
    assert_int_equal(status(ROUTE_LIVE, NULL), 200);
    assert_int_equal(status(ROUTE_READY, "nonsense"), 200);
    assert_int_equal(status(ROUTE_V1_LIVE, NULL), 200);
}

/* The console is where a browser is given a token: it has none when it asks for that. */
static void bug_415_the_server_s_own_pages_are_open(void **state)
{
    static const enum route_kind pages[] = {ROUTE_CONSOLE,     ROUTE_CONSOLE_SCRIPT, ROUTE_DOCS,
                                            ROUTE_DOCS_SCRIPT, ROUTE_DOCS_STYLE,     ROUTE_OPENAPI};
    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        expect_status(pages[i], NULL, 200);
        expect_status(pages[i], "nonsense", 200);
    }
}

static void what_is_no_token_of_the_file_is_401(void **state)
{
    static const char *const values[] = {
        "",
        "Bearer",
        "Bearer ",
        ADMIN,
        "Basic " ADMIN,
        "Bearer " ADMIN "x",
        "Bearer admin-0123456789abcde",
        "Bearer Admin-0123456789abcdef",
        "Bearer " ADMIN " " ADMIN,
        "Bearer infer",
        "Bearer \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    };
    char longest[400] = "Bearer ";
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(status(ROUTE_METRICS, values[i]), 401);
    memset(longest + 7, 'a', 300);
    assert_int_equal(status(ROUTE_METRICS, longest), 401);
}

static void the_challenge_fits_the_refusal(void **state)
{
    (void)state;
    assert_string_equal(access_challenge(401, false), "Bearer realm=\"lstmd\"");
    assert_non_null(strstr(access_challenge(401, true), "invalid_token"));
    assert_non_null(strstr(access_challenge(403, true), "insufficient_scope"));
    assert_null(access_challenge(404, true));
}

static void tokens_change_when_the_file_is_read_again(void **state)
{
    (void)state;
    write_tokens("infer " INFER2 "\n");
    assert_int_equal(status(ROUTE_INFER, "Bearer " INFER), 200);
    assert_true(access_reload(access_list, &fault));
    assert_int_equal(status(ROUTE_INFER, "Bearer " INFER), 401);
    assert_int_equal(status(ROUTE_INFER, "Bearer " INFER2), 200);
}

static void bug_471_a_file_of_tokens_may_begin_with_a_byte_order_mark(void **state)
{
    (void)state;
    write_tokens("\xef\xbb\xbfinfer " INFER2 "\r\n");
    assert_true(access_reload(access_list, &fault));
    assert_int_equal(status(ROUTE_INFER, "Bearer " INFER2), 200);
}

static void a_bad_file_changes_nothing_and_shows_no_token(void **state)
{
    static const struct {
        const char *text, *problem;
    } rows[] = {
        {"", "holds no token"},
        {"# nothing\n", "holds no token"},
        {"infer short\n", "line 1: "},
        {"read " READ "\nroot " ADMIN "\n", "line 2: "},
        {"infer " INFER " " INFER2 "\n", "line 1: "},
        {"infer\n" INFER2 "\n", "line 1: "},
        {"infer secret-secret-secret!\n", "line 1: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_tokens(rows[i].text);
        assert_false(access_reload(access_list, &fault));
        assert_int_equal(fault.status, 400);
        assert_memory_equal(fault.text, path, strlen(path));
        if (strstr(fault.text, rows[i].problem) == NULL)
            fail_msg("'%s' wanted, got '%s'", rows[i].problem, fault.text);
        assert_null(strstr(fault.text, "secret"));
        assert_int_equal(status(ROUTE_INFER, "Bearer " INFER), 200);
    }
}

static void more_tokens_than_there_is_room_for_are_refused(void **state)
{
    char text[ACCESS_TOKENS_MAX * 32 + 64] = "";
    (void)state;
    for (int i = 0; i <= ACCESS_TOKENS_MAX; i++)
        sprintf(text + strlen(text), "read token-0123456789%04d\n", i);
    write_tokens(text);
    assert_false(access_reload(access_list, &fault));
    *strrchr(text, 'r') = '\0';
    write_tokens(text);
    assert_true(access_reload(access_list, &fault));
    assert_int_equal(status(ROUTE_METRICS, "Bearer token-01234567890063"), 200);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_good, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bug_413_each_scope_may_do_what_those_before_it_may_and_no_more),
        TEST(bug_414_a_token_of_several_lines_has_the_widest_scope_of_them),
        TEST(health_is_open),
        TEST(bug_415_the_server_s_own_pages_are_open),
        TEST(what_is_no_token_of_the_file_is_401),
        TEST(the_challenge_fits_the_refusal),
        TEST(tokens_change_when_the_file_is_read_again),
        TEST(bug_471_a_file_of_tokens_may_begin_with_a_byte_order_mark),
        TEST(a_bad_file_changes_nothing_and_shows_no_token),
        TEST(more_tokens_than_there_is_room_for_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
