#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/http_stream.h"

#define GET     "GET /v2 HTTP/1.1\r\nHost: h\r\n"
#define POST    "POST /v2 HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static struct http_stream stream;

/* In pieces of so many bytes. Returns what the last piece, or the one with the fault, had of good
 * ones, and all before it. */
static size_t follow(const char *bytes, size_t size, size_t piece)
{
    http_stream_init(&stream);
    for (size_t at = 0; at < size; at += piece) {
        const size_t part = size - at < piece ? size - at : piece;
        const size_t taken = http_stream_follow(&stream, bytes + at, part);
        assert_true(taken == part || stream.place == STREAM_FAULT);
        if (stream.place == STREAM_FAULT)
            return at + taken;
    }
    return size;
}

static void expect_whole(const char *bytes, size_t requests)
{
    for (size_t piece = 1; piece <= strlen(bytes); piece++) {
        assert_int_equal(follow(bytes, strlen(bytes), piece), strlen(bytes));
        if (stream.place != STREAM_BEFORE || stream.whole != requests)
            fail_msg("%zu requests wanted in pieces of %zu, got %ju, at place %d, fault %s: %s",
                     requests, piece, (uintmax_t)stream.whole, (int)stream.place,
                     stream.fault != NULL ? stream.fault : "none", bytes);
    }
}

static void requests_end_where_they_say(void **state)
{
    (void)state;
    expect_whole(GET "\r\n", 1);
    expect_whole("\r\n\r\n" GET "\r\n\r\n", 1);
    expect_whole(GET "\r\n" GET "A:\r\nB: \t c \t\r\n\r\n", 2);
    expect_whole("GET / HTTP/1.0\r\n\r\n", 1);
    expect_whole(POST "Content-Length: 5\r\n\r\nGET /" GET "\r\n", 2);
    expect_whole(POST "content-LENGTH:\t2 \r\n\r\n\n\r", 1);
    expect_whole(POST "Content-Length: 000000000000000000000000000000002\r\n\r\n{}" GET "\r\n", 2);
    expect_whole(POST "Content-Length: 000000000000000000000000000000000\r\n\r\n" GET "\r\n", 2);
    expect_whole(POST "Content-Length: 0\r\n\r\n" GET "\r\n", 2);
    expect_whole(CHUNKED "0\r\n\r\n", 1);
    expect_whole(CHUNKED "5\r\nGET /\r\n0\r\n\r\n" GET "\r\n", 2);
    expect_whole(CHUNKED "00a;b=\"c\";d\r\n0123456789\r\n1;\r\n\n\r\n000\r\nA: b\r\nC: d\r\n\r\n",
                 1);
    expect_whole(POST "TRANSFER-encoding: \tCHUNKED \r\n\r\n1\r\nx\r\n0\r\n\r\n", 1);
    /* Names that only begin like those that count, or stand behind a body. */
    expect_whole(GET "Content-Length-: 5\r\nContent-Lengt: 5\r\nTransfer-Encodings: x\r\n\r\n", 1);
    expect_whole(CHUNKED "0\r\nContent-Length: 7\r\n\r\n" GET "\r\n", 2);
}

static void expect_fault(const char *bytes, size_t size, size_t good, const char *text)
{
    for (size_t piece = 1; piece <= size; piece++) {
        const size_t got = follow(bytes, size, piece);
        /* In pieces what came of the bad request before was let through, but not more. */
        const bool right = piece == size ? got == good : got >= good && got < size;
        if (stream.place != STREAM_FAULT || strstr(stream.fault, text) == NULL || !right)
            fail_msg("'%s' behind %zu bytes wanted, got '%s' behind %zu (pieces of %zu): %s", text,
                     good, stream.fault != NULL ? stream.fault : "none", got, piece, bytes);
    }
}

#define FAULT(bytes, text)      expect_fault(bytes, sizeof bytes - 1, 0, text)
#define BEHIND(ok, bytes, text) expect_fault(ok bytes, sizeof ok bytes - 1, sizeof ok - 1, text)

static void what_is_not_to_the_letter_is_a_fault(void **state)
{
    static const char line[] = "malformed request line", end[] = "end in CRLF",
                      name[] = "malformed header name", value[] = "malformed value";
    (void)state;
    FAULT("hello\r\n", line);
    FAULT("GET /\r\n", line);
    FAULT("GET / HTTP/1.1 \r\n", line);
    FAULT("GET  / HTTP/1.1\r\n", line);
    FAULT(" GET / HTTP/1.1\r\n", line);
    FAULT("GET / a HTTP/1.1\r\n", line);
    FAULT("GET\t/ HTTP/1.1\r\n", line);
    FAULT("GET /\0 HTTP/1.1\r\n", line);
    FAULT("\0GET / HTTP/1.1\r\n", line);
    FAULT("\rGET / HTTP/1.1\r\n", line);
    FAULT("\nGET / HTTP/1.1\r\n", end);
    FAULT("GET / HTTP/1.1\n", end);
    FAULT("GET / HTTP/1.1\rA: b\r\n", end);
    FAULT(GET "A: b\n", end);
    FAULT(GET "A: b\rC: d\r\n", end);
    FAULT(GET "\n", end);
    FAULT(GET "\rx", end);
    FAULT(GET "A: b\0c\r\n", value);
    FAULT(GET "A: \x7f\r\n", value);
    FAULT(GET "A\0: b\r\n", name);
    FAULT(GET "\0\r\n", name);
    FAULT(GET ": b\r\n", name);
    FAULT(GET ":\n", name);
    FAULT(GET "A : b\r\n", name);
    FAULT(GET " A: b\r\n", name);
    FAULT(GET "A\r\n", name);
    FAULT(GET "\xe9: b\r\n", name);
    FAULT(GET "A: b\r\n c\r\n", name);
    FAULT(CHUNKED "\r\n", "malformed chunk");
    FAULT(CHUNKED "x\r\n", "malformed chunk");
    FAULT(CHUNKED "0x1\r\n", "malformed chunk");
    FAULT(CHUNKED "+1\r\n", "malformed chunk");
    FAULT(CHUNKED "1 \r\n", "malformed chunk");
    FAULT(CHUNKED "1\n", "malformed chunk");
    FAULT(CHUNKED "1\rx", "malformed chunk");
    FAULT(CHUNKED "1;\n", "malformed chunk");
    FAULT(CHUNKED "1;\0\r\n", "malformed chunk");
    FAULT(CHUNKED "1\r\nxy", "malformed chunk");
    FAULT(CHUNKED "1\r\nx\n", "malformed chunk");
    FAULT(CHUNKED "1\r\nx\ry", "malformed chunk");
    FAULT(CHUNKED "0\r\n:\r\n", name);
    FAULT(CHUNKED "0\r\nA: b\r\n:\r\n", name);
    FAULT(CHUNKED "0\r\n\0A: b\r\n", name);
    FAULT(CHUNKED "0\r\nA: b\r\n c\r\n", name);
    FAULT(CHUNKED "0\r\nA: b\n", end);
}

static void what_came_before_a_fault_is_good(void **state)
{
    (void)state;
    BEHIND(GET "\r\n", "hello\r\n", "malformed request line");
    BEHIND(GET "\r\n" POST "Content-Length: 2\r\n\r\n{}", GET "\0", "malformed header name");
    BEHIND(CHUNKED "0\r\n\r\n", CHUNKED "2\n", "malformed chunk");
}

/* Behind it anything may come: whose head it is will be refused for it. */
static void a_body_whose_end_is_in_doubt_is_not_followed(void **state)
{
    static const char *const fields[] = {
        "Content-Length: x\r\n",
        "Content-Length:\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 0000000000000000000000000000001x\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: chunked                 x\r\n",
        "Content-Length: 2                       3\r\n",
        "Transfer-Encoding:\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char bytes[300];
        const int size = snprintf(bytes, sizeof bytes, POST "%s\r\n" GET "\r\n\n\n", fields[i]);
        for (size_t piece = 1; piece <= (size_t)size; piece++) {
            assert_int_equal(follow(bytes, (size_t)size, piece), size);
            if (stream.place != STREAM_UNKNOWN || stream.whole != 0)
                fail_msg("followed: %s", bytes);
        }
    }
}

static void the_largest_lengths_are_followed(void **state)
{
    static const char length[] = POST "Content-Length: 9223372036854775807\r\n\r\nx",
                      chunk[] = CHUNKED "ffffffffffffffff\r\nx",
                      beyond[] = CHUNKED "10000000000000000\r\nx";
    (void)state;
    follow(length, sizeof length - 1, 7);
    assert_true(stream.place == STREAM_BODY && stream.left == INT64_MAX - 1);
    follow(chunk, sizeof chunk - 1, 7);
    assert_true(stream.place == STREAM_CHUNK && stream.left == UINT64_MAX - 1);
    follow(beyond, sizeof beyond - 1, 7);
    assert_int_equal(stream.place, STREAM_UNKNOWN);
}

static void HEAD_is_told_from_others(void **state)
{
    (void)state;
    follow("HEAD / HTTP/1.1\r\n", 17, 17);
    assert_true(stream.head);
    follow("HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n", 35, 1);
    assert_false(stream.head);
    assert_int_equal(stream.heads, 1);
    follow("HEADS / HTTP/1.1\r\n", 18, 1);
    assert_false(stream.head);
    follow("HEAD / HTTP/1.1\r\n\r\n\rx", 21, 1);
    assert_false(stream.head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_end_where_they_say),
        cmocka_unit_test(what_is_not_to_the_letter_is_a_fault),
        cmocka_unit_test(what_came_before_a_fault_is_good),
        cmocka_unit_test(a_body_whose_end_is_in_doubt_is_not_followed),
        cmocka_unit_test(the_largest_lengths_are_followed),
        cmocka_unit_test(HEAD_is_told_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
