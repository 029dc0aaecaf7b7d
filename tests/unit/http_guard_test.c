#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/http_guard.h"

#define MAX_BODY 1000

/* A head as text: "METHOD TARGET VERSION\n", then "name:value\n" without spaces thrown in, so that
 * what the library would hand over can be written down exactly. */
static bool check_where(bool body_optional, const char *text, struct http_head_facts *facts,
                        struct fault *fault)
{
    static char copy[2 * HTTP_GUARD_HEAD_MAX];
    static struct http_header headers[2 * HTTP_GUARD_HEADERS_MAX];
    struct http_head head = {.headers = headers, .body_optional = body_optional};
    assert_true(strlen(text) < sizeof copy);
    strcpy(copy, text);
    char *line = strchr(copy, '\n');
    *line++ = '\0';
    head.method = copy;
    char *target = strchr(copy, ' '), *version = strrchr(copy, ' ');
    *target++ = '\0';
    *version++ = '\0';
    char *mark = strchr(target, '?');
    if (mark != NULL)
        *mark++ = '\0';
    head.target = target;
    head.query = mark;
    head.version = version;
    while (*line != '\0') {
        char *end = strchr(line, '\n'), *colon = memchr(line, ':', (size_t)(end - line));
        *end = '\0';
        headers[head.header_count++] = (struct http_header){line, colon + 1, (size_t)(colon - line),
                                                            (size_t)(end - colon - 1)};
        line = end + 1;
    }
    return http_guard_check(&head, MAX_BODY, facts, fault);
}

static bool check(const char *text, struct http_head_facts *facts, struct fault *fault)
{
    return check_where(false, text, facts, fault);
}

#define GET  "GET /v2 HTTP/1.1\nHost:h\n"
#define POST "POST /v2/models/m/infer HTTP/1.1\nHost:h\n"

static void every_doubtful_head_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int status;
        const char *text;
    } cases[] = {
        /* where does the body end? */
        {POST "Content-Length:5\nTransfer-Encoding:chunked\n", 400,
         "both Content-Length and Transfer-Encoding given"},
        {POST "Transfer-Encoding:chunked\nContent-Length:5\n", 400, NULL},
        {POST "Transfer-Encoding:chunked\ncontent-length:0\n", 400, NULL},
        {POST "Content-Length:5\nContent-Length:6\n", 400, "more than one Content-Length header"},
        {POST "Content-Length:5\ncONTENT-lENGTH:5\n", 400, NULL},
        {POST "Content-Length:5, 5\n", 400, "malformed Content-Length header"},
        {POST "Content-Length:+5\n", 400, NULL},
        {POST "Content-Length:-5\n", 400, NULL},
        {POST "Content-Length:5 \n", 400, NULL},
        {POST "Content-Length:0x5\n", 400, NULL},
        {POST "Content-Length:5e0\n", 400, NULL},
        {POST "Content-Length:\n", 400, NULL},
        {POST "Content-Length:5\v\n", 400, "malformed value of header Content-Length"},
        {POST "Content-Length:1001\n", 413,
         "the request body is larger than 1000 bytes (max_body_bytes)"},
        {POST "Content-Length:18446744073709551615\n", 413, NULL},
        {POST "Content-Length:18446744073709551616\n", 413, NULL},
        {POST "Content-Length:18446744073709551621\n", 413, NULL},
        {POST "Content-Length:99999999999999999999999999999999\n", 413, NULL},
        {POST "Transfer-Encoding:chunked\nTransfer-Encoding:chunked\n", 400,
         "more than one Transfer-Encoding header"},
        {POST "Transfer-Encoding:xchunked\n", 400, "Transfer-Encoding: only chunked is understood"},
        {POST "Transfer-Encoding:gzip, chunked\n", 400, NULL},
        {POST "Transfer-Encoding:chunked, identity\n", 400, NULL},
        {POST "Transfer-Encoding:identity\n", 400, NULL},
        {POST "Transfer-Encoding:chunked;q=1\n", 400, NULL},
        {POST "Transfer-Encoding:\tchunked\n", 400, NULL},
        {POST "Transfer-Encoding:\n", 400, NULL},
        {"POST /x HTTP/1.0\nTransfer-Encoding:chunked\n", 400,
         "Transfer-Encoding is not allowed in HTTP/1.0"},
        {POST "Transfer-Encodingchunked:\n", 411, "a Content-Length header or chunks expected"},
        {POST, 411, NULL},
        {"PUT /x HTTP/1.1\nHost:h\n", 411, NULL},
        {"PATCH /x HTTP/1.1\nHost:h\n", 411, NULL},
        {GET "Content-Length:5\n", 400, "a GET request with a body"},
        {GET "Transfer-Encoding:chunked\n", 400, NULL},
        {"HEAD /v2 HTTP/1.1\nHost:h\nContent-Length:1\n", 400, "a HEAD request with a body"},
        /* names */
        {POST "Content-Length :5\n", 400, "malformed header name"},
        {POST " Content-Length:5\n", 400, NULL},
        {POST "\tX:5\nContent-Length:5\n", 400, NULL},
        {POST "Content\x01Length:5\nContent-Length:5\n", 400, NULL},
        {POST "Content-Length\x80:5\nContent-Length:5\n", 400, NULL},
        {POST "X(Y):5\nContent-Length:5\n", 400, NULL},
        {GET ":5\n", 400, NULL},
        /* values */
        {GET "X:a\rb\n", 400, "malformed value of header X"},
        {GET "X:a\x7f\n", 400, NULL},
        /* whom is it for? */
        {"GET /v2 HTTP/1.1\n", 400, "one Host header expected, got none"},
        {GET "Host:h\n", 400, "more than one Host header"},
        {"GET /v2 HTTP/1.0\nHost:a\nHost:b\n", 400, NULL},
        {"GET /v2 HTTP/1.1\nHost:a b\n", 400, "malformed Host header"},
        {"GET /v2 HTTP/1.1\nHost:a/b\n", 400, NULL},
        {"GET /v2 HTTP/1.1\nHost:u@h\n", 400, NULL},
        {"GET http://evil/v2 HTTP/1.1\nHost:h\n", 400,
         "a request target that starts with '/' expected"},
        {"GET /v2?a\tb HTTP/1.1\nHost:h\n", 400, "a query of printable ASCII expected"},
        {"GET /v2?a b HTTP/1.1\nHost:h\n", 400, NULL},
        {"GET /v2?\x7f HTTP/1.1\nHost:h\n", 400, NULL},
        {"GET /v2?\xff HTTP/1.1\nHost:h\n", 400, NULL},
        {"GET v2 HTTP/1.1\nHost:h\n", 400, NULL},
        {"OPTIONS * HTTP/1.1\nHost:h\n", 400, NULL},
        {"GET  HTTP/1.1\nHost:h\n", 400, NULL},
        {"GET /a\x01 HTTP/1.1\nHost:h\n", 400, NULL},
        {"GET /a\xc3\xa4 HTTP/1.1\nHost:h\n", 400, NULL},
        {"GET /a b HTTP/1.1\nHost:h\n", 400, NULL},
        /* the line */
        {"GET /v2 HTTP/1.9\nHost:h\n", 505, "HTTP/1.0 or HTTP/1.1 expected"},
        {"GET /v2 HTTP/2.0\nHost:h\n", 505, NULL},
        {"GET /v2 HTTP/1.10\nHost:h\n", 505, NULL},
        {"GET /v2 http/1.1\nHost:h\n", 505, NULL},
        {"GET /v2 \nHost:h\n", 505, NULL},
        {"G<T /v2 HTTP/1.1\nHost:h\n", 400, "malformed request method"},
        {" /v2 HTTP/1.1\nHost:h\n", 400, NULL},
        {"TRACE /v2 HTTP/1.1\nHost:h\n", 405, "Method Not Allowed"},
        {"CONNECT /v2 HTTP/1.1\nHost:h\n", 405, NULL},
        {"get /v2 HTTP/1.1\nHost:h\n", 405, NULL},
        /* the rest */
        {POST "Content-Length:5\nExpect:200-ok\n", 417, "Expect: only 100-continue is understood"},
        {POST "Content-Length:5\nContent-Type:a\nContent-Type:b\n", 400, NULL},
        {POST "Content-Length:5\nContent-Encoding:gzip\nContent-Encoding:identity\n", 400, NULL},
        {POST "Content-Length:5\nInference-Header-Content-Length:5\n"
              "inference-header-content-length:6\n",
         400, "more than one Inference-Header-Content-Length header"},
        {POST "Content-Length:5\nInference-Header-Content-Length:-1\n", 400,
         "malformed Inference-Header-Content-Length header"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_head_facts facts;
        struct fault fault = {0};
        if (check(cases[i].head, &facts, &fault))
            fail_msg("case %zu passed: %s", i, cases[i].head);
        if (fault.status != cases[i].status)
            fail_msg("case %zu: %d, not %d: %s", i, fault.status, cases[i].status, cases[i].head);
        if (cases[i].text != NULL)
            assert_string_equal(fault.text, cases[i].text);
    }
}

/* Told that a target starting with '/' was expected, whoever had sent one looked elsewhere. */
static void bug_613_a_path_that_is_not_ascii_is_called_that(void **state)
{
    static const char *const heads[] = {
        "GET /v2/models/\xc3\xa4 HTTP/1.1\nHost:h\n",
        "GET /v2/\x7f HTTP/1.1\nHost:h\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct http_head_facts facts;
        struct fault fault;
        assert_false(check(heads[i], &facts, &fault));
        assert_int_equal(fault.status, 400);
        assert_string_equal(fault.text, "a path of printable ASCII expected");
    }
}

static struct http_head_facts pass(const char *head)
{
    struct http_head_facts facts;
    struct fault fault = {0};
    if (!check(head, &facts, &fault))
        fail_msg("%d %s: %s", fault.status, fault.text, head);
    return facts;
}

static void plain_reading_requests_pass(void **state)
{
    (void)state;
    assert_false(pass(GET).has_body);
    assert_false(pass(GET "Content-Length:0\n").has_body);
    assert_false(pass("GET /v2 HTTP/1.0\n").has_body);
    assert_false(pass("GET /v2 HTTP/1.1\nHost:\n").has_body);
    assert_false(pass("GET /%2e%2e/x HTTP/1.1\nHost:[::1]:8080\n").has_body);
    assert_false(pass("DELETE /x HTTP/1.1\nhost:a.example:80\n").has_body);
    assert_false(pass(GET "Accept:\nX-Y:a\tb \xc3\xa4\n").has_body);
}

static void a_known_length_is_told(void **state)
{
    (void)state;
    struct http_head_facts facts = pass(POST "content-length:1000\n");
    assert_true(facts.has_body);
    assert_false(facts.chunked);
    assert_int_equal(facts.length, 1000);
    facts = pass(POST "Content-Length:0\n");
    assert_false(facts.has_body);
    facts = pass(POST "Content-Length:0000000000000000000000007\n");
    assert_int_equal(facts.length, 7);
}

static void chunks_are_told(void **state)
{
    (void)state;
    const struct http_head_facts facts = pass(POST "Transfer-Encoding:Chunked\n");
    assert_true(facts.has_body);
    assert_true(facts.chunked);
    assert_int_equal(facts.length, 0);
}

static void an_expectation_is_told_and_an_empty_one_let_be(void **state)
{
    (void)state;
    assert_true(pass(POST "Content-Length:5\nExpect:100-Continue\n").expects_continue);
    assert_false(pass(POST "Content-Length:5\nExpect:\n").expects_continue);
}

static void a_content_encoding_is_told(void **state)
{
    (void)state;
    assert_int_equal(pass(POST "Content-Length:5\nContent-Encoding:gzip\n").coding, CODING_GZIP);
    assert_int_equal(pass(POST "Content-Length:5\nContent-Encoding:identity\n").coding,
                     CODING_IDENTITY);
    assert_int_equal(pass(POST "Content-Length:5\n").coding, CODING_IDENTITY);
    assert_false(pass(POST "Content-Length:5\nContent-Encoding:gzip\n").coding_unknown);
    assert_true(pass(POST "Content-Length:5\nContent-Encoding:br\n").coding_unknown);
    assert_int_equal(pass(GET "Accept-Encoding:br\naccept-encoding:deflate\n").answer_coding,
                     CODING_DEFLATE);
    assert_int_equal(pass(GET).answer_coding, CODING_IDENTITY);
    assert_true(pass(GET "Accept:text/html\nAccept:application/json\n").prefers_json);
    assert_false(pass(GET "Accept:*/*\nAccept:\n").prefers_json);
}

static void the_size_of_the_json_part_is_told(void **state)
{
    (void)state;
    const struct http_head_facts facts =
        pass(POST "Content-Length:5\ninference-header-content-length:5\n");
    assert_true(facts.json_size_given);
    assert_int_equal(facts.json_size, 5);
    assert_false(pass(POST "Content-Length:5\n").json_size_given);
}

static void a_timeout_is_told_and_checked(void **state)
{
    (void)state;
    assert_int_equal(pass("GET / HTTP/1.1\nHost:x\n").timeout_ms, 0);
    assert_int_equal(pass("GET / HTTP/1.1\nHost:x\nx-request-timeout-ms:1\n").timeout_ms, 1);
    assert_int_equal(pass("GET / HTTP/1.1\nHost:x\nX-Request-Timeout-Ms:86400000\n").timeout_ms,
                     86400000);
    static const char *const bad[] = {
        "0", "86400001", "-1", "1.0", "1 ", "", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char head[128];
        struct http_head_facts facts;
        struct fault fault = {0};
        snprintf(head, sizeof head, "GET / HTTP/1.1\nHost:x\nX-Request-Timeout-Ms:%s\n", bad[i]);
        assert_false(check(head, &facts, &fault));
        assert_int_equal(fault.status, 400);
        assert_string_equal(fault.text,
                            "X-Request-Timeout-Ms: a whole number from 1 to 86400000 expected");
    }
}

static void a_hundred_headers_pass_and_one_more_is_431(void **state)
{
    (void)state;
    char head[4096];
    size_t size = (size_t)snprintf(head, sizeof head, "%s", GET);
    for (int i = 1; i < HTTP_GUARD_HEADERS_MAX; i++)
        size += (size_t)snprintf(head + size, sizeof head - size, "X-%d:1\n", i);
    pass(head);
    snprintf(head + size, sizeof head - size, "Y:1\n");
    struct http_head_facts facts;
    struct fault fault;
    assert_false(check(head, &facts, &fault));
    assert_int_equal(fault.status, 431);
}

static void a_head_has_its_size(void **state)
{
    (void)state;
    static char head[HTTP_GUARD_HEAD_MAX + 100];
    struct http_head_facts facts;
    struct fault fault;
    const int most =
        HTTP_GUARD_HEAD_MAX - 2 * HTTP_GUARD_HEADER_COST - (int)sizeof "GET/v2HTTP/1.1HostxX";
    snprintf(head, sizeof head, "%sX:%0*d\n", GET, most, 0);
    pass(head);
    snprintf(head, sizeof head, "%sX:%0*d\n", GET, most + 64, 0);
    assert_false(check(head, &facts, &fault));
    assert_int_equal(fault.status, 431);
}

static void a_length_may_be_missing_where_a_body_is_optional(void **state)
{
    struct http_head_facts facts;
    struct fault fault;
    (void)state;
    assert_true(check_where(true, POST, &facts, &fault));
    assert_true(facts.length_missing);
    assert_false(facts.has_body);
    assert_true(check_where(true, POST "Content-Length:0\n", &facts, &fault));
    assert_false(facts.length_missing);
    assert_true(check_where(true, POST "Content-Length:7\n", &facts, &fault));
    assert_false(facts.length_missing);
    assert_int_equal(facts.length, 7);
    assert_true(check_where(true, POST "Transfer-Encoding:chunked\n", &facts, &fault));
    assert_false(facts.length_missing);
    assert_true(check_where(true, GET, &facts, &fault));
    assert_false(facts.length_missing);
    assert_false(check_where(true, POST "Content-Length:1\nContent-Length:1\n", &facts, &fault));
    assert_int_equal(fault.status, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_may_be_missing_where_a_body_is_optional),
        cmocka_unit_test(every_doubtful_head_is_refused),
        cmocka_unit_test(bug_613_a_path_that_is_not_ascii_is_called_that),
        cmocka_unit_test(plain_reading_requests_pass),
        cmocka_unit_test(a_known_length_is_told),
        cmocka_unit_test(chunks_are_told),
        cmocka_unit_test(an_expectation_is_told_and_an_empty_one_let_be),
        cmocka_unit_test(a_content_encoding_is_told),
        cmocka_unit_test(the_size_of_the_json_part_is_told),
        cmocka_unit_test(a_timeout_is_told_and_checked),
        cmocka_unit_test(a_hundred_headers_pass_and_one_more_is_431),
        cmocka_unit_test(a_head_has_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
