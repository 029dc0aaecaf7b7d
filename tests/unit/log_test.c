#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "proto/utf8.h"
#include "server/log.h"

static int saved, reading;

/* stderr becomes a pipe while a test runs. */
static int catch_stderr(void **state)
{
    (void)state;
    int ends[2];
    saved = dup(STDERR_FILENO);
    if (pipe2(ends, O_NONBLOCK) != 0 || fcntl(ends[1], F_SETFL, 0) != 0)
        return -1;
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reading = ends[0];
    return 0;
}

static int give_stderr_back(void **state)
{
    (void)state;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(reading);
    return 0;
}

static const char *caught(void)
{
    static char text[1 << 17];
    size_t size = 0;
    for (ssize_t got; (got = read(reading, text + size, sizeof text - 1 - size)) > 0;)
        size += (size_t)got;
    text[size] = '\0';
    return text;
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    char out[64];
    assert_int_equal(log_escape(out, sizeof out, "a\nb\x1b[31m\x7f\\ \xc3\xa4"), 25);
    assert_string_equal(out, "a\\x0ab\\x1b[31m\\x7f\\x5c \xc3\xa4");
}

static void what_does_not_fit_is_cut_whole(void **state)
{
    (void)state;
    char out[6];
    assert_int_equal(log_escape(out, sizeof out, "abcdefgh"), 5);
    assert_string_equal(out, "abcde");
    assert_int_equal(log_escape(out, sizeof out, "ab\n"), 2);
    assert_string_equal(out, "ab");
    assert_int_equal(log_escape(out, sizeof out, "a\n"), 5);
    assert_string_equal(out, "a\\x0a");
    assert_int_equal(log_escape(out, 1, "a"), 0);
    assert_string_equal(out, "");
}

static void a_line_is_one_line(void **state)
{
    (void)state;
    log_line("got %s and %d", "a\nlstmd ready", 3);
    assert_string_equal(caught(), "got a\\x0alstmd ready and 3\n");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_line("%s", text);
    const char *line = caught();
    assert_true(strlen(line) < LOG_LINE_MAX);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

/* A line that had been filled to its last byte but one was written past its end: a client could end
 * the daemon with a path of one certain length. Of a character that did not fit a part was left. */
static void bug_559_a_line_of_JSON_is_cut_at_whatever_length(void **state)
{
    static const char *const characters[] = {"x",        "\"",           "\x01",
                                             "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    (void)state;
    log_set_json(true);
    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++)
        for (size_t before = 0; before < 8; before++)
            for (size_t count = 100; count < 1100; count += count < 150 || count > 850 ? 1 : 50) {
                char text[1100 * 4 + 8] = "";
                memset(text, 'a', before);
                for (size_t at = before;
                     at + 4 < sizeof text && at < before + count * strlen(characters[i]);)
                    at += strlen(strcpy(text + at, characters[i]));
                const struct log_field fields[] = {{"path", text, 0}, {"status", NULL, 200}};
                log_event("request", fields, 2);
                const char *line = caught();
                const size_t size = strlen(line);
                assert_true(size > 2 && size < LOG_LINE_MAX && line[size - 1] == '\n');
                assert_true(utf8_is_valid(line, size));
                cJSON *object = cJSON_Parse(line);
                if (object == NULL)
                    fail_msg("%zu and %zu of '%s': %s", before, count, characters[i], line);
                cJSON_Delete(object);
            }
    log_set_json(false);
}

static void a_reader_that_stands_still_costs_lines_and_no_time(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 1000; i++) /* a pipe holds 64 KiB */
        log_line("%s", text);
    const size_t size = strlen(caught());
    assert_true(size > 10000 && size < 1 << 17);
    log_line("next");
    const char *after = caught();
    assert_non_null(strstr(after, " log lines dropped\n"));
    assert_non_null(strstr(after, "\nnext\n"));
    log_line("last");
    assert_string_equal(caught(), "last\n");
}

static void limited_lines_stop_at_their_number(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        log_limited("line %d", i);
    size_t lines = 0;
    for (const char *c = caught(); *c != '\0'; c++)
        lines += *c == '\n';
    /* The second may have changed on the way. */
    assert_true(lines >= LOG_LIMITED_PER_SECOND && lines <= 2 * LOG_LIMITED_PER_SECOND + 1);
}

static void requests_are_logged_when_that_is_asked_for(void **state)
{
    (void)state;
    assert_false(log_requests());
    log_set_requests(true);
    assert_true(log_requests());
    log_set_requests(false);
    assert_false(log_requests());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(requests_are_logged_when_that_is_asked_for),
        cmocka_unit_test(what_does_not_fit_is_cut_whole),
        cmocka_unit_test_setup_teardown(a_line_is_one_line, catch_stderr, give_stderr_back),
        cmocka_unit_test_setup_teardown(a_long_line_is_cut, catch_stderr, give_stderr_back),
        cmocka_unit_test_setup_teardown(bug_559_a_line_of_JSON_is_cut_at_whatever_length,
                                        catch_stderr, give_stderr_back),
        cmocka_unit_test_setup_teardown(a_reader_that_stands_still_costs_lines_and_no_time,
                                        catch_stderr, give_stderr_back),
        cmocka_unit_test_setup_teardown(limited_lines_stop_at_their_number, catch_stderr,
                                        give_stderr_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
