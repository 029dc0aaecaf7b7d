#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/bench/http_scan.h"
#include "tests/support/random.h"

/* What the scanner should make of a text. */
struct example {
    const char *text;
    enum http_scan_result result;
    int status;
    bool keep_alive;
    size_t unused;           /* bytes behind the answer */
    const char *retry_after; /* NULL: none */
    const char *excerpt;
};

static const struct example examples[] = {
    {.text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
     .result = HTTP_SCAN_DONE,
     .status = 200,
     .keep_alive = true},
    {.text = "HTTP/1.1 200\ncontent-length:5\n\nhello",
     .result = HTTP_SCAN_DONE,
     .status = 200,
     .keep_alive = true},
    {.text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP",
     .result = HTTP_SCAN_DONE,
     .status = 200,
     .keep_alive = true,
     .unused = 4},
    {.text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
     .result = HTTP_SCAN_DONE,
     .status = 200},
    {.text = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
     .result = HTTP_SCAN_DONE,
     .status = 200},
    {.text = "HTTP/1.0 200 OK\r\nCONNECTION: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
     .result = HTTP_SCAN_DONE,
     .status = 200,
     .keep_alive = true},
    {.text = "HTTP/1.1 204 No Content\r\n\r\n",
     .result = HTTP_SCAN_DONE,
     .status = 204,
     .keep_alive = true},
    {.text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     .result = HTTP_SCAN_DONE,
     .status = 200,
     .keep_alive = true},
    {.text = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 16\r\n\r\n"
             "{\"error\":\"full\"}",
     .result = HTTP_SCAN_DONE,
     .status = 503,
     .keep_alive = true,
     .retry_after = "2",
     .excerpt = "{\"error\":\"full\"}"},
    {.text = "HTTP/1.1 503 X\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"
             "Content-Length: 0\r\n\r\n",
     .result = HTTP_SCAN_DONE,
     .status = 503,
     .keep_alive = true},
    {.text = "HTTP/1.1 200 OK\r\nX-Content-Length: 3\r\nContent-Lengths: 9\r\n"
             "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
     .result = HTTP_SCAN_DONE,
     .status = 200,
     .keep_alive = true},
    {.text =
         "HTTP/1.1 200 OK\r\nX: 0123456789012345678901234567890123456789012345678901234567890123"
         "456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "\r\nContent-Length: 2\r\n\r\nok",
     .result = HTTP_SCAN_DONE,
     .status = 200,
     .keep_alive = true},
    {.text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
     .result = HTTP_SCAN_MORE,
     .status = 200,
     .keep_alive = true},
    {.text = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\nuntil the end",
     .result = HTTP_SCAN_MORE,
     .status = 404,
     .excerpt = "until the end"},
    {.text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
     .result = HTTP_SCAN_BAD,
     .status = 200},
    {.text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
     .result = HTTP_SCAN_BAD,
     .status = 200},
    {.text = "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", .result = HTTP_SCAN_BAD, .status = 200},
    {.text = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n",
     .result = HTTP_SCAN_BAD,
     .status = 200},
    {.text = "HTTP/1.1 200 OK\r\nno header\r\n", .result = HTTP_SCAN_BAD, .status = 200},
    {.text = "HTTP/2 200 OK\r\n", .result = HTTP_SCAN_BAD},
    {.text = "HTTP/1.1 20 OK\r\n", .result = HTTP_SCAN_BAD},
    {.text = "HTTP/1.1 2000 OK\r\n", .result = HTTP_SCAN_BAD, .status = 200},
    {.text = "\r\n", .result = HTTP_SCAN_BAD},
    {.text = "SSH-2.0-OpenSSH_9.2\r\n", .result = HTTP_SCAN_BAD},
};

enum { EXAMPLE_COUNT = sizeof examples / sizeof *examples };

/* Feeds one piece from storage of exactly its size, so that a sanitizer sees what reads beyond. */
static enum http_scan_result feed_piece(struct http_scan *scan, const char *text, size_t size,
                                        size_t *used)
{
    char *piece = malloc(size == 0 ? 1 : size);
    assert_non_null(piece);
    memcpy(piece, text, size);
    const enum http_scan_result result = http_scan_feed(scan, piece, size, used);
    free(piece);
    assert_true(*used <= size);
    return result;
}

static void expect_example(const struct example *example, const struct http_scan *scan,
                           enum http_scan_result result, size_t used)
{
    if (result != example->result)
        fail_msg("result %d, expected %d: %s", (int)result, (int)example->result, example->text);
    if (result == HTTP_SCAN_BAD)
        return;
    assert_int_equal(scan->status, example->status);
    assert_int_equal(scan->keep_alive, example->keep_alive);
    assert_int_equal(used, strlen(example->text) - example->unused);
    assert_int_equal(scan->bytes, used);
    assert_int_equal(scan->retry_after, example->retry_after != NULL);
    if (example->retry_after != NULL)
        assert_int_equal(scan->retry_after_s, strtoul(example->retry_after, NULL, 10));
    assert_string_equal(scan->excerpt, example->excerpt != NULL ? example->excerpt : "");
}

/* Feeds the text cut at the given places (ascending, the last one its end). */
static void feed_cut(const struct example *example, const size_t *cuts, size_t cut_count)
{
    struct http_scan scan;
    http_scan_init(&scan);
    enum http_scan_result result = HTTP_SCAN_MORE;
    size_t at = 0;
    for (size_t i = 0; i < cut_count && result == HTTP_SCAN_MORE; i++) {
        size_t used;
        result = feed_piece(&scan, example->text + at, cuts[i] - at, &used);
        if (result == HTTP_SCAN_MORE)
            assert_int_equal(used, cuts[i] - at);
        at += used;
    }
    expect_example(example, &scan, result, at);
}

static void answers_in_one_piece(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        const size_t size = strlen(examples[i].text);
        feed_cut(&examples[i], &size, 1);
    }
}

static void answers_cut_anywhere_in_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        const size_t size = strlen(examples[i].text);
        for (size_t cut = 0; cut <= size; cut++)
            feed_cut(&examples[i], (size_t[]){cut, size}, 2);
    }
}

static void answers_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        size_t cuts[512];
        const size_t size = strlen(examples[i].text);
        assert_true(size <= 512);
        for (size_t cut = 0; cut < size; cut++)
            cuts[cut] = cut + 1;
        feed_cut(&examples[i], cuts, size);
    }
}

/* Any bytes at all, in pieces of any size, give the same as in one piece. */
static void garbage_gives_the_same_however_it_is_cut(void **state)
{
    (void)state;
    struct random random = {17};
    for (int round = 0; round < 20000; round++) {
        const struct example *example = &examples[random_size(&random, 0, EXAMPLE_COUNT - 1)];
        const size_t size = strlen(example->text);
        char text[512];
        memcpy(text, example->text, size);
        for (size_t i = random_size(&random, 0, 3); i > 0; i--)
            text[random_size(&random, 0, size - 1)] = (char)random_bits(&random);

        struct http_scan whole, cut;
        size_t used, at = 0;
        http_scan_init(&whole);
        http_scan_init(&cut);
        const enum http_scan_result expected = feed_piece(&whole, text, size, &used);
        enum http_scan_result result = HTTP_SCAN_MORE;
        while (result == HTTP_SCAN_MORE && at < size) {
            size_t part;
            result = feed_piece(&cut, text + at, random_size(&random, 0, size - at), &part);
            at += part;
        }
        assert_int_equal(result, expected);
        assert_int_equal(at, used);
        assert_int_equal(cut.status, whole.status);
        assert_int_equal(cut.keep_alive, whole.keep_alive);
        assert_int_equal(cut.bytes, whole.bytes);
        assert_string_equal(cut.excerpt, whole.excerpt);
    }
}

static enum http_scan_result end_after(const char *text)
{
    struct http_scan scan;
    size_t used;
    http_scan_init(&scan);
    assert_int_equal(http_scan_feed(&scan, text, strlen(text), &used), HTTP_SCAN_MORE);
    return http_scan_end(&scan);
}

static void the_connections_end_ends_a_body_without_length(void **state)
{
    (void)state;
    assert_int_equal(end_after("HTTP/1.1 200 OK\r\n\r\nbody"), HTTP_SCAN_DONE);
    assert_int_equal(end_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody"), HTTP_SCAN_BAD);
    assert_int_equal(end_after("HTTP/1.1 200 OK\r\nContent-Le"), HTTP_SCAN_BAD);
    assert_int_equal(end_after(""), HTTP_SCAN_BAD);
}

static void an_errors_text_is_kept_up_to_the_room_for_it(void **state)
{
    (void)state;
    char text[600];
    const int head = snprintf(text, sizeof text, "HTTP/1.1 500 X\r\nContent-Length: 400\r\n\r\n");
    memset(text + head, 'x', 400);
    struct http_scan scan;
    size_t used;
    http_scan_init(&scan);
    assert_int_equal(http_scan_feed(&scan, text, (size_t)head + 400, &used), HTTP_SCAN_DONE);
    assert_int_equal(strlen(scan.excerpt), HTTP_SCAN_EXCERPT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_in_one_piece),
        cmocka_unit_test(answers_cut_anywhere_in_two),
        cmocka_unit_test(answers_byte_by_byte),
        cmocka_unit_test(garbage_gives_the_same_however_it_is_cut),
        cmocka_unit_test(the_connections_end_ends_a_body_without_length),
        cmocka_unit_test(an_errors_text_is_kept_up_to_the_room_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
