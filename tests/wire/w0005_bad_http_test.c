/* HTTP that must be refused, most of it sent byte for byte: wrong verbs and paths, bodies without a
 * length or with two, and heads that two readers could read in two ways. After each one a request
 * hidden behind it must not have been answered, and the daemon must be as good as before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/http_guard.h"
#include "tests/support/die.h"
#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/raw_socket.h"

#define PATIENCE 20000 /* milliseconds until a connection that should close is given up */
#define MAX_BODY 4096

static struct fixture fixture;

static int start_daemon(void **state)
{
    static const char *const arguments[] = {"--max-body-bytes", "4096", "--body-timeout-ms", "3000",
                                            NULL};
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    return fixture_start(&fixture, arguments, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static void assert_still_good(void)
{
    expect_get_json(&fixture.client, "/v2/health/live", 200, "{\"live\":true}");
}

/* ---- verbs and paths ---- */

static void expect_refusal(const char *method, const char *path, const char *body, long status,
                           const char *text, const char *allow)
{
    struct http_response response;
    char value[64] = "";
    assert_true(http_send(&fixture.client, method, path, body, body != NULL ? strlen(body) : 0,
                          NULL, &response));
    expect_error(&response, status, text);
    http_header(&response, "Allow", value, sizeof value);
    assert_string_equal(value, allow);
    http_response_fini(&response);
    assert_still_good();
}

static void a_wrong_verb_is_405_and_told_the_right_ones(void **state)
{
    static const char no[] = "Method Not Allowed";
    (void)state;
    expect_refusal("GET", "/v2/models/tiny/infer", NULL, 405, no, "POST");
    expect_refusal("PUT", "/v2/models/tiny/infer", "{}", 405, no, "POST");
    expect_refusal("DELETE", "/v2/models/tiny/infer", NULL, 405, no, "POST");
    expect_refusal("POST", "/v2/health/live", "{}", 405, no, "GET, HEAD");
    expect_refusal("POST", "/v2/health/ready", "", 405, no, "GET, HEAD");
    expect_refusal("POST", "/v2", "", 405, no, "GET, HEAD");
    expect_refusal("DELETE", "/v2/models/tiny", NULL, 405, no, "GET, HEAD");
    expect_refusal("PATCH", "/v2/models", "{}", 405, no, "GET, HEAD");
}

static void an_unknown_path_is_404(void **state)
{
    static const char *const paths[] = {
        "/v1",
        "/v2/health",
        "/v2/health/live/",
        "/V2/health/live",
        "/v2//health/live",
        "/v2/models/",
        "/v2/models/tiny/",
        "/v2/models/tiny/infers",
        "/v2/models//infer",
        "/v2/models/tiny/versions",
        "/v2/models/tiny/versions//infer",
        "/../etc/passwd",
        "/v2/models/../../etc/passwd",
        "/v2/health/live%00",
        "/%2e%2e/v2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        expect_get_error(&fixture.client, paths[i], 404, "Not Found");
    expect_refusal("POST", "/v2/infer", "{}", 404, "Not Found", "");
    assert_still_good();
}

/* ---- bodies ---- */

static void a_body_over_the_limit_is_413(void **state)
{
    char *body = must_allocate(MAX_BODY + 2);
    struct http_response response;
    (void)state;
    memset(body, ' ', MAX_BODY + 1);
    assert_true(http_post(&fixture.client, "/v2/models/tiny/infer", body, MAX_BODY + 1, &response));
    expect_error(&response, 413, "larger than 4096 bytes");
    http_response_fini(&response);

    assert_true(http_post(&fixture.client, "/v2/models/tiny/infer", body, MAX_BODY, &response));
    expect_error(&response, 400, "got the end");
    http_response_fini(&response);
    free(body);
}

static void a_chunked_body_over_the_limit_is_413(void **state)
{
    static const char *const headers[] = {"Transfer-Encoding: chunked", "Expect:", NULL};
    char *body = must_allocate(MAX_BODY + 2);
    struct http_response response;
    (void)state;
    memset(body, ' ', MAX_BODY + 1);
    assert_true(http_send(&fixture.client, "POST", "/v2/models/tiny/infer", body, MAX_BODY + 1,
                          headers, &response));
    expect_error(&response, 413, "larger than 4096 bytes");
    http_response_fini(&response);
    free(body);
    assert_still_good();
}

/* The answer comes at once, while the client goes on sending; reset, it would never read it. */
static void expect_answer_beside_sending(const char *head, size_t sent, const char *answer)
{
    enum { PIECE = 1 << 16 };
    bool closed;
    char *piece = must_allocate(PIECE);
    const int fd = raw_connect(fixture.daemon.port);
    memset(piece, ' ', PIECE);
    assert_true(fd >= 0);
    memcpy(piece, head, strlen(head)); /* more at once than the library reads with a head */
    for (size_t left = sent; left > 0; left -= PIECE) {
        assert_true(raw_send(fd, piece, PIECE));
        memset(piece, ' ', PIECE);
    }
    char *text = raw_receive(fd, PATIENCE, &closed);
    close(fd);
    free(piece);
    assert_true(closed);
    if (strncmp(text, answer, strlen(answer)) != 0)
        fail_msg("%s wanted, got: %s", answer, text);
    free(text);
    assert_still_good();
}

static void bug_521_who_is_still_sending_can_read_the_refusal(void **state)
{
    static const size_t much = 16 << 20; /* more than sockets hold */
    (void)state;
    expect_answer_beside_sending("POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"
                                 "Content-Length: 16777216\r\n\r\n",
                                 much, "HTTP/1.1 413 ");
    expect_answer_beside_sending("POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"
                                 "Content-Length: 16777216\r\nContent-Length: 5\r\n\r\n",
                                 much, "HTTP/1.1 400 ");
    /* The library's own answer. */
    expect_answer_beside_sending("POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"
                                 "Content-Length: five\r\n\r\n",
                                 much, "HTTP/1.1 400 ");
}

/* Cut without a word after twice the limit. */
static void bug_551_chunks_without_end_are_told_why(void **state)
{
    (void)state;
    expect_answer_beside_sending("POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n1000000\r\n",
                                 16 << 20, "HTTP/1.1 413 ");
}

/* Browsers' and proxies' heads fit. */
static void expect_with_header_of(size_t size, long status)
{
    char *header = must_allocate(size + sizeof "X-Long: ");
    const char *const headers[] = {header, NULL};
    struct http_response response;
    memset(header, 'a', size + sizeof "X-Long: " - 1);
    memcpy(header, "X-Long: ", strlen("X-Long: "));
    header[size + sizeof "X-Long: " - 1] = '\0';
    assert_true(http_send(&fixture.client, "GET", "/v2/health/live", NULL, 0, headers, &response));
    assert_int_equal(response.status, status);
    if (status == 431)
        expect_error(&response, 431,
                     "a head of at most 16384 bytes expected, 64 more for each header");
    http_response_fini(&response);
    free(header);
    assert_still_good();
}

static void a_head_over_the_limit_is_431(void **state)
{
    (void)state;
    expect_with_header_of(8192, 200);
    expect_with_header_of(15 * 1024, 200);
    expect_with_header_of(17 * 1024, 431);
    expect_with_header_of(100 * 1024, 431);
}

/* One header, or many that fill the library's memory by their number: whoever is just below the
 * limit or above it gets an answer. Without room for one the connection was only closed. */
static void expect_answer_to_head(int headers, int size)
{
    char head[32768];
    size_t used = (size_t)snprintf(
        head, sizeof head, "GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (int i = 0; i < headers; i++)
        used += (size_t)snprintf(head + used, sizeof head - used, "X-%d: %0*d\r\n", i, size, 0);
    used += (size_t)snprintf(head + used, sizeof head - used, "\r\n");
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, head, used));
    bool closed;
    char *answer = raw_receive(fd, PATIENCE, &closed);
    if (strstr(answer, "HTTP/1.1 200 ") != answer && strstr(answer, "HTTP/1.1 431 ") != answer)
        fail_msg("%d headers of %d: '%s'", headers, size, answer);
    free(answer);
    close(fd);
}

static void bug_402_a_head_about_as_large_as_the_limit_is_answered(void **state)
{
    (void)state;
    for (int size = 15500; size < 18700; size += 50)
        expect_answer_to_head(1, size);
    for (int size = 20; size < 120; size++)
        expect_answer_to_head(90, size);
    assert_still_good();
}

/* ---- byte for byte ---- */

#define POST    "POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"
#define HIDDEN  "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define LINES   "lines that end in CRLF"
#define INDEX   "POST /v2/repository/index HTTP/1.1\r\nHost: x\r\n" CHUNKED "\r\n"
#define CHUNK   "malformed chunk"
#define NAME    "malformed header name"
#define VALUE   "malformed value of a header"
#define FIRST   "malformed request line: METHOD TARGET HTTP/1.1 expected"

static struct raw_case {
    const char *name, *bytes;
    int status;
    const char *text;
} table[] = {
    /* a body's length */
    {"a POST without a length", POST "\r\n" HIDDEN, 411, "Content-Length"},
    {"bug_472_a_POST_without_a_length_to_no_door_is_404",
     "POST /v2/models/tiny/infers HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 404, "Not Found"},
    {"bug_472_a_wrong_verb_without_a_length_is_405",
     "PUT /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 405, "Method Not Allowed"},
    {"bug_472_a_folded_header_to_no_door",
     "POST /v2/no HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" HIDDEN,
     400, NAME},
    {"bug_552_a_folded_header_where_no_body_is_needed",
     "POST /v2/repository/index HTTP/1.1\r\nHost: x\r\n"
     "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" HIDDEN,
     400, NAME},
    {"a negative length", POST "Content-Length: -1\r\n\r\n" HIDDEN, 400,
     "Content-Length: a number"},
    {"a length with a plus", POST "Content-Length: +5\r\n\r\nhello" HIDDEN, 400,
     "Content-Length: a number"},
    {"a hexadecimal length", POST "Content-Length: 0x5\r\n\r\nhello" HIDDEN, 400,
     "Content-Length: a number"},
    {"a length that is no number", POST "Content-Length: five\r\n\r\nhello" HIDDEN, 400,
     "Content-Length: a number"},
    {"an empty length", POST "Content-Length:\r\n\r\n" HIDDEN, 400, "Content-Length: a number"},
    {"a list of lengths", POST "Content-Length: 5, 5\r\n\r\nhello" HIDDEN, 400,
     "Content-Length: a number"},
    {"a length over the limit", POST "Content-Length: 4097\r\n\r\n" HIDDEN, 413, "4096 bytes"},
    {"a length of 2^64-1", POST "Content-Length: 18446744073709551615\r\n\r\n" HIDDEN, 413, ""},
    {"a length past 2^64", POST "Content-Length: 99999999999999999999999\r\n\r\n" HIDDEN, 413,
     "less than 2^64"},
    {"100-continue with a length over the limit",
     POST "Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n", 413, "4096 bytes"},
    {"another expectation", POST "Expect: coffee\r\nContent-Length: 5\r\n\r\nhello" HIDDEN, 417,
     "100-continue"},
    {"a GET with a body", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" HIDDEN,
     400, "with a body"},

    /* two ways to see where a body ends */
    {"two lengths", POST "Content-Length: 5\r\nContent-Length: 50\r\n\r\nhello" HIDDEN, 400,
     "more than one Content-Length"},
    {"the same length twice", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" HIDDEN,
     400, "more than one Content-Length"},
    {"a length and chunks", POST "Content-Length: 5\r\n" CHUNKED "\r\n0\r\n\r\n" HIDDEN, 400,
     "both Content-Length and Transfer-Encoding"},
    {"chunks and a length", POST CHUNKED "Content-Length: 5\r\n\r\n0\r\n\r\n" HIDDEN, 400,
     "both Content-Length and Transfer-Encoding"},
    {"chunks twice", POST CHUNKED CHUNKED "\r\n0\r\n\r\n" HIDDEN, 400,
     "more than one Transfer-Encoding"},
    {"another coding", POST "Transfer-Encoding: gzip\r\n\r\n" HIDDEN, 400, "only chunked"},
    {"another coding before chunks", POST "Transfer-Encoding: gzip, chunked\r\n\r\n" HIDDEN, 400,
     "only chunked"},
    {"almost chunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" HIDDEN, 400,
     "only chunked"},
    {"chunks in HTTP/1.0",
     "POST /v2/models/tiny/infer HTTP/1.0\r\nHost: x\r\n" CHUNKED "\r\n0\r\n\r\n" HIDDEN, 400,
     "not allowed in HTTP/1.0"},
    {"a space before the colon", POST "Content-Length : 5\r\n\r\nhello" HIDDEN, 400, ""},
    {"a space before the header", POST " Content-Length: 5\r\n\r\nhello" HIDDEN, 400, ""},
    {"a folded header", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" HIDDEN, 400, NAME},
    {"bug_552_a_folded_header_beside_a_length",
     POST "Content-Length: 2\r\nA: b\r\n c\r\n\r\n{}" HIDDEN, 400, NAME},
    {"a chunk size that is no number", POST CHUNKED "\r\nzz\r\n" HIDDEN, 400, "malformed chunk"},
    {"bug_550_a_chunk_of_more_than_2^64_bytes", POST CHUNKED "\r\n11111111111111111\r\n", 413,
     "less than 2^64"},
    {"bug_550_a_chunk_longer_than_it_says", POST CHUNKED "\r\n1\r\n[]\r\n", 400, "malformed chunk"},
    {"a chunk of 2^64-1 bytes", POST CHUNKED "\r\nffffffffffffffff\r\n", 408,
     "did not arrive in time"},

    /* who is meant */
    {"no Host", "GET /v2 HTTP/1.1\r\n\r\n" HIDDEN, 400, "one Host header"},
    {"two Hosts", "GET /v2 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" HIDDEN, 400,
     "more than one Host"},
    {"a Host with a path", "GET /v2 HTTP/1.1\r\nHost: x/y\r\n\r\n" HIDDEN, 400, "Host"},
    {"a whole URL as target", "GET http://x/v2 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 400,
     "starts with '/'"},
    {"an asterisk as target", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 400, ""},

    /* the first line */
    {"an unknown verb", "BREW /v2 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 405, "Method Not Allowed"},
    {"TRACE", "TRACE /v2 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 405, "Method Not Allowed"},
    {"CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 400, ""},
    {"a verb with a comma", "GE,T /v2 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 400, "method"},
    {"HTTP/1.9", "GET /v2 HTTP/1.9\r\nHost: x\r\n\r\n" HIDDEN, 505, "HTTP/1.0 or HTTP/1.1"},
    {"HTTP/2.0", "GET /v2 HTTP/2.0\r\nHost: x\r\n\r\n" HIDDEN, 505, "HTTP/1.0 or HTTP/1.1"},
    {"no version", "GET /v2\r\n\r\n", 400, FIRST},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.0 or HTTP/1.1"},
    {"a TLS greeting", "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 abc\r\n\r\n", 400, FIRST},
    {"bug_550_a_header_without_a_colon", "GET /v2 HTTP/1.1\r\nHost: x\r\nA\r\n\r\n" HIDDEN, 400,
     NAME},
    {"no HTTP at all", "hello\r\n\r\n", 400, FIRST},
    {"a control character in a header", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n" HIDDEN,
     400, VALUE},
    {"bug_552_two_spaces_in_the_first_line", "GET  /v2 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 400,
     FIRST},
    {"bug_552_a_control_character_in_a_query", "GET /v2?a=\x01 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN,
     400, FIRST},
    {"bug_552_the_first_line_ends_in_LF", "GET /v2 HTTP/1.1\nHost: x\r\n\r\n" HIDDEN, 400, LINES},
    {"bug_552_a_header_ends_in_LF", "GET /v2 HTTP/1.1\r\nHost: x\nA: b\r\n\r\n" HIDDEN, 400, LINES},
    {"bug_552_the_last_header_ends_in_LF", "GET /v2 HTTP/1.1\r\nHost: x\n\r\n" HIDDEN, 400, LINES},
    {"bug_552_the_head_ends_in_LF", "GET /v2 HTTP/1.1\r\nHost: x\r\n\n" HIDDEN, 400, LINES},
    {"bug_562_a_colon_is_no_empty_line", "GET /v2 HTTP/1.1\r\nHost: x\r\n:\n" HIDDEN, 400, NAME},
    {"bug_562_a_colon_ends_no_trailers", INDEX "0\r\nA: b\r\n:\r\n" HIDDEN, 400, NAME},
    {"bug_562_a_folded_trailer", INDEX "0\r\nA: b\r\n c\r\n\r\n" HIDDEN, 400, NAME},
    {"bug_562_a_trailer_that_ends_in_LF", INDEX "0\r\nA: b\n\r\n" HIDDEN, 400, LINES},
    {"bug_562_a_chunk_s_line_that_ends_in_LF", INDEX "2\n{}\r\n0\r\n\r\n" HIDDEN, 400, CHUNK},
    {"bug_562_a_chunk_s_extension_that_ends_in_LF", INDEX "2;\nx\r\n{}\r\n0\r\n\r\n" HIDDEN, 400,
     CHUNK},
    {"bug_562_a_chunk_that_ends_in_LF", INDEX "2\r\n{}\n0\r\n\r\n" HIDDEN, 400, CHUNK},
    {"a verb alone", "GET\r\n\r\n", 400, FIRST},
    {"tabs between a request line's parts", "GET\t/v2\tHTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 400,
     FIRST},
    {"a space before a request", " GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 400, FIRST},
};
enum { COUNT = sizeof table / sizeof table[0] };

/* A NUL ended what the library read, so that what was served was not what had been asked for. */
#define NUL_CASE(name, bytes, text)                                                                \
    {                                                                                              \
        name, bytes, sizeof bytes - 1, text                                                        \
    }
static const struct nul_case {
    const char *where, *bytes;
    size_t size;
    const char *text;
} nul_cases[] = {
    NUL_CASE("verb", "GET\0X /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n", FIRST),
    NUL_CASE("target", "GET /v2/health/live\0/../x HTTP/1.1\r\nHost: x\r\n\r\n", FIRST),
    NUL_CASE("a target's end", "GET /v2\0HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n", FIRST),
    NUL_CASE("query", "GET /v2?a\0b HTTP/1.1\r\nHost: x\r\n\r\n", FIRST),
    NUL_CASE("before a query", "GET /v2\0?a HTTP/1.1\r\nHost: x\r\n\r\n", FIRST),
    NUL_CASE("version", "GET /v2 HTTP/1.1\0\r\nHost: x\r\n\r\n", FIRST),
    NUL_CASE("name", "GET /v2 HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n", NAME),
    NUL_CASE("value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\0c\r\nD: e\r\n\r\n", VALUE),
    NUL_CASE("a value's end", "GET /v2 HTTP/1.1\r\nHost: x\0\r\n\r\n", VALUE),
    NUL_CASE("length", POST "Content-Length: 2\0009\r\n\r\n{}", VALUE),
    NUL_CASE("coding", POST "Transfer-Encoding: chunked\0x\r\n\r\n0\r\n\r\n", VALUE),
    NUL_CASE("before a request", "\0GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n", FIRST),
    NUL_CASE("before a trailer", INDEX "0\r\n\0A: b\r\n\r\n", NAME),
    NUL_CASE("a chunk's extension", INDEX "2;\0\r\n{}\r\n0\r\n\r\n", CHUNK),
    NUL_CASE("before a header", POST "Content-Length: 2\r\n\0A: b\r\nC: d\r\n\r\n", NAME),
};

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    while ((text = strstr(text, word)) != NULL) {
        text += strlen(word);
        n++;
    }
    return n;
}

/* Sends the bytes and takes what comes until the daemon closes the connection, as it must. */
static char *exchange(const char *bytes, size_t size)
{
    bool closed;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(fd >= 0);
    assert_true(raw_send(fd, bytes, size));
    char *answer = raw_receive(fd, PATIENCE, &closed);
    close(fd);
    if (!closed)
        fail_msg("the connection was not closed after: %s", answer);
    return answer;
}

/* One answer with a length, nothing before its body or behind it, and that JSON. */
static void expect_one_answer(const char *answer)
{
    const char *length = strstr(answer, "Content-Length: "), *body = strstr(answer, "\r\n\r\n");
    if (length == NULL || body == NULL || length > body ||
        strtoul(length + strlen("Content-Length: "), NULL, 10) != strlen(body + 4))
        fail_msg("one answer with a length wanted, got: %s", answer);
    cJSON *json = cJSON_ParseWithOpts(body + 4, NULL, true);
    if (json == NULL)
        fail_msg("JSON wanted, got: %s", body + 4);
    cJSON_Delete(json);
}

static void is_refused(void **state)
{
    const struct raw_case *raw = *state;
    char status[16];
    char *answer = exchange(raw->bytes, strlen(raw->bytes));
    snprintf(status, sizeof status, "HTTP/1.1 %d ", raw->status);
    assert_int_equal(count(answer, " 200 OK"), 0);
    assert_int_equal(count(answer, "\"live\""), 0);
    if (strncmp(answer, status, strlen(status)) != 0)
        fail_msg("status %d wanted, got: %s", raw->status, answer);
    else
        expect_one_answer(answer);
    if (raw->text != NULL &&
        (strstr(answer, "\r\n\r\n{\"error\":\"") == NULL || strstr(answer, raw->text) == NULL))
        fail_msg("an error with \"%s\" wanted, got: %s", raw->text, answer);
    free(answer);
    assert_still_good();
}

static void bug_552_a_NUL_hides_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nul_cases / sizeof *nul_cases; i++) {
        const struct nul_case *it = &nul_cases[i];
        char *answer = exchange(it->bytes, it->size);
        expect_one_answer(answer);
        if (strncmp(answer, "HTTP/1.1 400 ", 13) != 0 || strstr(answer, it->text) == NULL)
            fail_msg("a NUL in %s: 400 with \"%s\" wanted, got: %s", it->where, it->text, answer);
        free(answer);
    }
    assert_still_good();
}

/* What was sent beside the library went on into what other requests had left in memory. */
static void bug_561_an_answer_ends_where_its_text_does(void **state)
{
    static const char others[] = "{\"parameters\":{\"sequence_id\":\"somebody else's\"}}";
    char head[4096];
    size_t used = (size_t)snprintf(head, sizeof head, "GET /v2 HTTP/1.1\r\nHost: x\r\n");
    (void)state;
    for (int i = 0; i < HTTP_GUARD_HEADERS_MAX; i++)
        used += (size_t)snprintf(head + used, sizeof head - used, "H%d: v\r\n", i);
    used += (size_t)snprintf(head + used, sizeof head - used, "\r\n");
    for (int i = 0; i < 50; i++) {
        struct http_response response;
        assert_true(http_post(&fixture.client, "/v2/models/tiny/infer", others, sizeof others - 1,
                              &response));
        http_response_fini(&response);
        char *answer = exchange(head, used);
        expect_one_answer(answer);
        assert_non_null(strstr(answer, "\r\n\r\n{\"error\":\"at most 100 headers expected\"}"));
        free(answer);
    }
}

/* The library had no end of it in all its memory and said 500. */
static void bug_553_a_chunk_with_long_extensions_is_400(void **state)
{
    enum { SIZE = 20000 };
    static const char head[] = POST CHUNKED "\r\n2;";
    char *text = must_allocate(SIZE);
    (void)state;
    memset(text, 'a', SIZE);
    memcpy(text, head, sizeof head - 1);
    char *answer = exchange(text, SIZE);
    if (strncmp(answer, "HTTP/1.1 400 ", 13) != 0 || strstr(answer, "line before it") == NULL)
        fail_msg("400 wanted, got: %s", answer);
    expect_one_answer(answer);
    free(answer);
    free(text);
    assert_still_good();
}

/* Of a body that is cut short, or of a head. */
static void bug_554_who_ends_the_connection_too_early_is_told_400(void **state)
{
    static const char *const cut[] = {POST "Content-Length: 20\r\n\r\n{}",
                                      POST CHUNKED "\r\n2\r\n{}\r\n", POST "Content-Length: 2\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        bool closed;
        const int fd = raw_connect(fixture.daemon.port);
        assert_true(raw_send(fd, cut[i], strlen(cut[i])));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        char *answer = raw_receive(fd, PATIENCE, &closed);
        close(fd);
        expect_one_answer(answer);
        if (strncmp(answer, "HTTP/1.1 400 ", 13) != 0 || strstr(answer, "ended before") == NULL)
            fail_msg("400 wanted, got: %s", answer);
        free(answer);
    }
    assert_still_good();
}

/* The same, which may have no body; its headers were not there yet. */
static void bug_575_who_ends_a_HEAD_too_early_is_told_without_a_body(void **state)
{
    static const char head[] = "GET /v2/health/ready HTTP/1.1\r\nHost: x\r\n\r\n"
                               "HEAD /v2 HTTP/1.1\r\nHost: x\r\nX: ";
    bool closed;
    (void)state;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, head, strlen(head)));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    char *answer = raw_receive(fd, PATIENCE, &closed);
    close(fd);
    const char *said = strstr(answer, "HTTP/1.1 400 ");
    if (said == NULL || strcmp(strstr(said, "\r\n\r\n"), "\r\n\r\n") != 0)
        fail_msg("400 without a body wanted, got: %s", answer);
    free(answer);
    assert_still_good();
}

static void what_came_before_a_fault_is_answered(void **state)
{
    static const char one[] = "GET /v2/health/ready HTTP/1.1\r\nHost: x\r\n\r\n";
    char bytes[400];
    (void)state;
    const int size = snprintf(bytes, sizeof bytes, "%s%shello\r\n" HIDDEN, one, one);
    char *answer = exchange(bytes, (size_t)size);
    assert_int_equal(count(answer, "HTTP/1.1 200 OK\r\n"), 2);
    assert_int_equal(count(answer, "HTTP/1.1 400 "), 1);
    assert_non_null(strstr(answer, FIRST));
    free(answer);
    assert_still_good();
}

/* Of the reader that stands before the library's a length with many zeros had been none, and it let
 * everything pass from there on. */
static void bug_569_a_length_with_many_zeros_is_one(void **state)
{
    static const char bytes[] = "GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                "000000000000000000000000\r\n\r\n"
                                "POST /v2/repository/index HTTP/1.1\r\nHost: x\r\n"
                                "Content-Length: 00000000000000000000000000000002\r\n\r\n{}" INDEX
                                "0\r\nA: b\r\n:\r\n" HIDDEN;
    (void)state;
    char *answer = exchange(bytes, sizeof bytes - 1);
    assert_int_equal(count(answer, "HTTP/1.1 200 OK\r\n"), 2);
    assert_int_equal(count(answer, "HTTP/1.1 400 "), 1);
    assert_null(strstr(answer, "\r\n\r\n{\"live\""));
    free(answer);
    assert_still_good();
}

/* It is told that it is the last one. */
static void bug_570_nothing_follows_an_answer_that_closes(void **state)
{
    static const char *const cases[] = {
        "GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n\nhello\n",
        "GET /v2/health/ready HTTP/1.0\r\nHost: x\r\n\r\nxx\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        POST "Content-Length: 5000\r\n\r\n\n\n",
        "GET /v2 HTTP/1.1\r\nHost: x/y\r\n\r\n\n\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *answer = exchange(cases[i], strlen(cases[i]));
        expect_one_answer(answer);
        free(answer);
    }
    assert_still_good();
}

/* Short ones took most of the library's memory by their number. */
static void bug_571_a_head_of_however_many_headers_is_answered(void **state)
{
    (void)state;
    for (int size = 1; size < 100; size += 9)
        for (int headers = 90; headers < 320; headers += 2)
            expect_answer_to_head(headers, size);
    assert_still_good();
}

/* The library asked for a body that nobody had announced, and took the next request for it. */
static void bug_563_who_expects_100_without_a_body_gets_one_answer(void **state)
{
    static const char *const heads[] = {
        "GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
        "POST /v2/repository/index HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        "Content-Length: 0\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char bytes[400];
        const int size = snprintf(
            bytes, sizeof bytes,
            "%sGET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", heads[i]);
        char *answer = exchange(bytes, (size_t)size);
        assert_int_equal(count(answer, "HTTP/1.1 200 OK\r\n"), 2);
        assert_int_equal(count(answer, "HTTP/1.1 "), 2);
        free(answer);
    }
    assert_still_good();
}

/* Whatever says no: a client would take a body for the next answer's begin. */
static void bug_564_HEAD_is_answered_without_a_body(void **state)
{
    char many[4096];
    size_t used = (size_t)snprintf(many, sizeof many, "HEAD /v2 HTTP/1.1\r\nHost: x\r\n");
    (void)state;
    for (int i = 0; i < HTTP_GUARD_HEADERS_MAX; i++)
        used += (size_t)snprintf(many + used, sizeof many - used, "H%d: v\r\n", i);
    snprintf(many + used, sizeof many - used, "\r\n");
    const char *heads[] = {NULL,
                           many,
                           "HEAD /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n",
                           "HEAD /v2 HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n",
                           "HEAD /v2?\xff HTTP/1.1\r\nHost: x\r\n\r\n",
                           "HEAD /v2?\xff HTTP/1.1\r\nHost: x\r\n\r\nGET"};
    char long_ones[9000];
    used = (size_t)snprintf(long_ones, sizeof long_ones, "HEAD /v2 HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 200; i++)
        used += (size_t)snprintf(long_ones + used, sizeof long_ones - used, "A%d:%030d\r\n", i, 0);
    snprintf(long_ones + used, sizeof long_ones - used, "\r\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n");
    heads[0] = long_ones; /* refused by the library, when all of it was there */
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char *answer = exchange(heads[i], strlen(heads[i]));
        const char *body = strstr(answer, "\r\n\r\n");
        if (strncmp(answer, "HTTP/1.1 4", 10) != 0 || body == NULL || body[4] != '\0')
            fail_msg("a head alone wanted to %.60s, got: %s", heads[i], answer);
        free(answer);
    }
    assert_still_good();
}

/* Its refusal found no memory in the library. */
static void bug_565_a_long_head_with_a_fault_is_told_so(void **state)
{
    static char head[20000];
    (void)state;
    for (size_t size = 17500; size < 18600; size += 50) {
        const int used = snprintf(
            head, sizeof head, "GET /v2?\xff HTTP/1.1\r\nHost: x\r\nL: %0*d\r\n\r\n", (int)size, 0);
        char *answer = exchange(head, (size_t)used);
        expect_one_answer(answer);
        assert_memory_equal(answer, "HTTP/1.1 4", 10);
        free(answer);
    }
    assert_still_good();
}

/* Whose client is still sending is not reset, or it would throw away the answers unread. */
static void bug_591_who_sends_on_behind_a_fault_hears_the_answers_before_it(void **state)
{
    static const char bytes[] = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
                                "GET\x01 /v2 HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char more[10000];
    bool closed;
    (void)state;
    const int fd = raw_connect(fixture.daemon.port);
    assert_true(raw_send(fd, bytes, sizeof bytes - 1));
    for (int i = 0; i < 20; i++) {
        usleep(10000);
        assert_true(raw_send(fd, more, sizeof more));
    }
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    char *answer = raw_receive(fd, PATIENCE, &closed);
    assert_true(closed);
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_int_equal(count(answer, "HTTP/1.1 400 "), 1);
    free(answer);
    close(fd);
    assert_still_good();
}

/* ---- what looks odd and is good ---- */

static void trailers_and_extensions_are_let_be(void **state)
{
    static const char bytes[] =
        INDEX "0002;a=\"b\"\r\n{}\r\n0;x\r\nA: b\r\nC:\r\n\r\n"
              "\r\nGET /v2/health/live HTTP/1.1\r\nHost: x,y\r\nConnection: close\r\n\r\n";
    (void)state;
    char *answer = exchange(bytes, sizeof bytes - 1);
    assert_int_equal(count(answer, "HTTP/1.1 200 OK\r\n"), 2);
    free(answer);
}

#define BODY                                                                                       \
    "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,1,1],\"data\":[0]}]}"
#define LAST "Connection: close\r\n"

static void expect_good(const char *head, const char *body)
{
    char *text = must_allocate(strlen(head) + strlen(body) + 1);
    strcpy(text, head);
    strcat(text, body);
    char *answer = exchange(text, strlen(text));
    if (strstr(answer, "HTTP/1.1 200 OK\r\n") == NULL)
        fail_msg("200 to %.300s wanted, got: %s", head, answer);
    free(answer);
    free(text);
}

/* The library keeps it as a part of the value, and obeys some of the headers by itself. */
static void bug_555_white_space_behind_a_value_is_none_of_it(void **state)
{
    (void)state;
    char size[64];
    snprintf(size, sizeof size, "Content-Length: %zu \t \r\n", sizeof BODY - 1);
    char head[512];
    static const char *const headers[] = {"", "Expect: 100-continue \r\n",
                                          "X-Request-Timeout-Ms: 5000\t\r\n",
                                          "Content-Encoding: identity \r\n", "Empty:  \r\n"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        snprintf(head, sizeof head, POST LAST "%s%s\r\n", headers[i], size);
        expect_good(head, BODY);
    }
    snprintf(head, sizeof head, POST LAST "Transfer-Encoding: chunked \r\n\r\n%zx\r\n",
             sizeof BODY - 1);
    expect_good(head, BODY "\r\n0\r\n\r\n");
    assert_still_good();
}

/* Each had taken a record of the library's memory: 279 parameters were answered after ten seconds
 * with 408, 245 cookies not at all, 300 twice. */
static void expect_good_with_many(const char *before, const char *one, const char *behind)
{
    for (size_t n = 200; n <= 3000; n += n < 310 ? 1 : 450) {
        char many[12001] = "", head[sizeof many + 200];
        for (size_t i = 0; i < n; i++)
            memcpy(many + i * strlen(one), one, strlen(one) + 1);
        snprintf(head, sizeof head, "%s%s%s", before, many, behind);
        expect_good(head, "");
    }
}

static void bug_556_parameters_and_cookies_are_as_many_as_fit(void **state)
{
    (void)state;
    expect_good_with_many("GET /v2/health/live?", "a=1&", " HTTP/1.1\r\nHost: x\r\n" LAST "\r\n");
    expect_good_with_many("GET /v2/health/live HTTP/1.1\r\nHost: x\r\n" LAST "Cookie: ", "a=1;",
                          "\r\n\r\n");
    assert_still_good();
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(a_wrong_verb_is_405_and_told_the_right_ones),
        cmocka_unit_test(an_unknown_path_is_404),
        cmocka_unit_test(a_body_over_the_limit_is_413),
        cmocka_unit_test(a_chunked_body_over_the_limit_is_413),
        cmocka_unit_test(bug_521_who_is_still_sending_can_read_the_refusal),
        cmocka_unit_test(bug_551_chunks_without_end_are_told_why),
        cmocka_unit_test(a_head_over_the_limit_is_431),
        cmocka_unit_test(bug_402_a_head_about_as_large_as_the_limit_is_answered),
        cmocka_unit_test(bug_552_a_NUL_hides_nothing),
        cmocka_unit_test(bug_561_an_answer_ends_where_its_text_does),
        cmocka_unit_test(bug_575_who_ends_a_HEAD_too_early_is_told_without_a_body),
        cmocka_unit_test(what_came_before_a_fault_is_answered),
        cmocka_unit_test(bug_569_a_length_with_many_zeros_is_one),
        cmocka_unit_test(bug_570_nothing_follows_an_answer_that_closes),
        cmocka_unit_test(bug_571_a_head_of_however_many_headers_is_answered),
        cmocka_unit_test(bug_563_who_expects_100_without_a_body_gets_one_answer),
        cmocka_unit_test(bug_564_HEAD_is_answered_without_a_body),
        cmocka_unit_test(bug_565_a_long_head_with_a_fault_is_told_so),
        cmocka_unit_test(bug_591_who_sends_on_behind_a_fault_hears_the_answers_before_it),
        cmocka_unit_test(trailers_and_extensions_are_let_be),
        cmocka_unit_test(bug_553_a_chunk_with_long_extensions_is_400),
        cmocka_unit_test(bug_554_who_ends_the_connection_too_early_is_told_400),
        cmocka_unit_test(bug_555_white_space_behind_a_value_is_none_of_it),
        cmocka_unit_test(bug_556_parameters_and_cookies_are_as_many_as_fit),
    };
    enum { OTHERS = sizeof others / sizeof others[0] };
    struct CMUnitTest tests[COUNT + OTHERS];
    memcpy(tests, others, sizeof others);
    for (size_t i = 0; i < COUNT; i++)
        tests[OTHERS + i] = (struct CMUnitTest){table[i].name, is_refused, NULL, NULL, &table[i]};
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
