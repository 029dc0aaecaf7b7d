/* Bodies that come packed, and answers that go so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/infer_client.h"

#define PATH "/v2/models/tiny/infer"

static struct fixture fixture;

static int start_daemon(void **state)
{
    static const char *const arguments[] = {"--max-body-bytes", "200000", "--compress-from-bytes",
                                            "2000", NULL};
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

enum { ZLIB = MAX_WBITS, GZIP = MAX_WBITS + 16 };

/* Packed, the caller's. */
static char *pack(int format, const void *data, size_t size, size_t *packed_size)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY), Z_OK);
    const size_t capacity = deflateBound(&stream, size) + 64;
    char *packed = malloc(capacity);
    assert_non_null(packed);
    stream.next_in = (Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)size;
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *packed_size = capacity - stream.avail_out;
    deflateEnd(&stream);
    return packed;
}

/* Replaces the response's body by what it is unpacked. */
static void unpack(int format, struct http_response *response)
{
    enum { MOST = 1 << 20 };
    z_stream stream = {0};
    char *plain = malloc(MOST + 1);
    assert_non_null(plain);
    assert_int_equal(inflateInit2(&stream, format), Z_OK);
    stream.next_in = (Bytef *)response->body;
    stream.avail_in = (uInt)response->body_size;
    stream.next_out = (Bytef *)plain;
    stream.avail_out = MOST;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    inflateEnd(&stream);
    free(response->body);
    response->body = plain;
    response->body_size = MOST - stream.avail_out;
    plain[response->body_size] = '\0';
}

static void send_packed(const char *encoding, const char *further, const char *data, size_t size,
                        struct http_response *response)
{
    char header[64];
    snprintf(header, sizeof header, "Content-Encoding: %s", encoding);
    const char *const headers[] = {header, further, NULL};
    assert_true(http_send(&fixture.client, "POST", PATH, data, size, headers, response));
}

#define BODY                                                                                       \
    "{\"inputs\":[{\"name\":\"input\",\"shape\":[3,1,1],\"datatype\":\"FP32\","                    \
    "\"data\":[0.5,-1.25,2e-3]}]}"
#define BINARY                                                                                     \
    "{\"inputs\":[{\"name\":\"input\",\"shape\":[3,1,1],\"datatype\":\"FP32\","                    \
    "\"parameters\":{\"binary_data_size\":12}}]}"

static void packed_requests_are_answered_as_others_are(void **state)
{
    static const struct {
        const char *encoding;
        int format;
    } cases[] = {{"gzip", GZIP}, {"x-gzip", GZIP}, {"deflate", ZLIB}};
    struct http_response plain, response;
    (void)state;
    assert_true(http_post(&fixture.client, PATH, BODY, strlen(BODY), &plain));
    assert_int_equal(plain.status, 200);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        char *packed = pack(cases[i].format, BODY, strlen(BODY), &size);
        send_packed(cases[i].encoding, NULL, packed, size, &response);
        assert_int_equal(response.status, 200);
        assert_string_equal(response.body, plain.body);
        http_response_fini(&response);
        free(packed);
    }
    send_packed("identity", NULL, BODY, strlen(BODY), &response);
    assert_string_equal(response.body, plain.body);
    http_response_fini(&response);
    http_response_fini(&plain);
}

/* It may be more than Content-Length. */
static void the_json_s_size_is_counted_unpacked(void **state)
{
    static const float steps[3] = {0.5f, -1.25f, 2e-3f};
    char body[256], header[64];
    struct http_response plain, response;
    size_t size;
    (void)state;
    memcpy(body, BINARY, strlen(BINARY));
    memcpy(body + strlen(BINARY), steps, sizeof steps);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu", strlen(BINARY));
    char *packed = pack(GZIP, body, strlen(BINARY) + sizeof steps, &size);
    assert_true(http_post(&fixture.client, PATH, BODY, strlen(BODY), &plain));
    send_packed("gzip", header, packed, size, &response);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, plain.body);
    http_response_fini(&plain);
    http_response_fini(&response);
    send_packed("gzip", "Inference-Header-Content-Length: 9999", packed, size, &response);
    expect_error(&response, 400, "inference header size should be in range (0, 112), got: 9999");
    http_response_fini(&response);
    free(packed);
}

static void what_is_not_what_it_says_is_refused(void **state)
{
    struct http_response response;
    size_t size;
    char *packed = pack(GZIP, BODY, strlen(BODY), &size);
    (void)state;
    send_packed("gzip", NULL, BODY, strlen(BODY), &response);
    expect_error(&response, 400, "the body is not what its Content-Encoding, gzip, says");
    http_response_fini(&response);
    send_packed("deflate", NULL, packed, size, &response);
    expect_error(&response, 400, "the body is not what its Content-Encoding, deflate, says");
    http_response_fini(&response);
    send_packed("gzip", NULL, packed, size - 1, &response);
    expect_error(&response, 400, "it ends too early");
    http_response_fini(&response);
    free(packed);
}

static void unknown_codings_are_415_and_hear_of_the_known_ones(void **state)
{
    static const char *const encodings[] = {"br", "gzip, gzip", "compress"};
    struct http_response response;
    char value[64];
    (void)state;
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        send_packed(encodings[i], NULL, BODY, strlen(BODY), &response);
        expect_error(&response, 415, "only gzip and deflate are understood");
        assert_true(http_header(&response, "Accept-Encoding", value, sizeof value));
        assert_string_equal(value, "gzip, deflate");
        http_response_fini(&response);
    }
}

/* 400 bytes that are 200 thousand and one. */
static void the_body_limit_counts_unpacked_bytes(void **state)
{
    const size_t size = 200001;
    struct http_response response;
    size_t packed_size;
    char *spaces = malloc(size);
    (void)state;
    assert_non_null(spaces);
    memset(spaces, ' ', size);
    char *packed = pack(GZIP, spaces, size, &packed_size);
    assert_true(packed_size < 1000);
    send_packed("gzip", NULL, packed, packed_size, &response);
    expect_error(&response, 413, "larger than 200000 bytes");
    http_response_fini(&response);
    free(packed);
    memcpy(spaces, BODY, strlen(BODY));
    packed = pack(GZIP, spaces, size - 1, &packed_size);
    send_packed("gzip", NULL, packed, packed_size, &response);
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
    free(packed);
    free(spaces);
}

/* ---- answers ---- */

/* So many steps, asked for so. */
static void ask(size_t steps, const char *output, const char *accept,
                struct http_response *response)
{
    char *body = malloc(300 + steps * 8), *at = body;
    const char *const headers[] = {accept, NULL};
    assert_non_null(body);
    at += sprintf(at,
                  "{\"outputs\":[%s],\"inputs\":[{\"name\":\"input\",\"shape\":[%zu,1,1],"
                  "\"datatype\":\"FP32\",\"data\":[0",
                  output, steps);
    for (size_t i = 1; i < steps; i++)
        at += sprintf(at, ",0.%zu", i % 100);
    strcpy(at, "]}]}");
    assert_true(http_send(&fixture.client, "POST", PATH, body, strlen(body), headers, response));
    assert_int_equal(response->status, 200);
    free(body);
}

static void expect_coding(const struct http_response *response, const char *wanted)
{
    char value[64];
    const bool found = http_header(response, "Content-Encoding", value, sizeof value);
    assert_int_equal(found, wanted != NULL);
    if (wanted != NULL)
        assert_string_equal(value, wanted);
}

static void long_answers_are_packed_as_the_client_prefers(void **state)
{
    static const struct {
        const char *accept, *coding;
        int format;
    } cases[] = {
        {"Accept-Encoding: gzip", "gzip", GZIP},
        {"Accept-Encoding: gzip, deflate", "gzip", GZIP},
        {"Accept-Encoding: gzip;q=0.5, deflate;q=0.9", "deflate", ZLIB},
    };
    static const size_t steps[] = {300, 20000}; /* computed at once; by a worker, in slices */
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        struct http_response plain, response;
        ask(steps[s], "{\"name\":\"output\"}", "Accept-Encoding: br", &plain);
        expect_coding(&plain, NULL);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            ask(steps[s], "{\"name\":\"output\"}", cases[i].accept, &response);
            expect_coding(&response, cases[i].coding);
            assert_true(response.body_size < plain.body_size);
            unpack(cases[i].format, &response);
            assert_string_equal(response.body, plain.body);
            http_response_fini(&response);
        }
        http_response_fini(&plain);
    }
}

static void binary_answers_count_their_json_unpacked(void **state)
{
    static const char output[] = "{\"name\":\"output\",\"parameters\":{\"binary_data\":true}}";
    struct http_response plain, response;
    char wanted[32], found[32];
    (void)state;
    ask(3000, output, "Accept: */*", &plain);
    ask(3000, output, "Accept-Encoding: gzip", &response);
    expect_coding(&response, "gzip");
    assert_true(http_header(&plain, "Inference-Header-Content-Length", wanted, sizeof wanted));
    assert_true(http_header(&response, "Inference-Header-Content-Length", found, sizeof found));
    assert_string_equal(found, wanted);
    unpack(GZIP, &response);
    assert_int_equal(response.body_size, plain.body_size);
    assert_memory_equal(response.body, plain.body, plain.body_size);
    http_response_fini(&plain);
    http_response_fini(&response);
}

/* tritonclient's asyncio twin unpacks the answers of inference alone. */
static void nothing_else_is_packed(void **state)
{
    static const char *const headers[] = {"Accept-Encoding: gzip", NULL};
    struct http_response response;
    (void)state;
    ask(20, "{\"name\":\"output\"}", headers[0], &response);
    expect_coding(&response, NULL);
    http_response_fini(&response);
    assert_true(http_send(&fixture.client, "GET", "/metrics", NULL, 0, headers, &response));
    assert_true(response.body_size > 2000);
    expect_coding(&response, NULL);
    http_response_fini(&response);
    assert_true(http_send(&fixture.client, "POST", PATH, "{}", 2, headers, &response));
    expect_coding(&response, NULL);
    expect_error(&response, 400, "'inputs' is missing");
    http_response_fini(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_requests_are_answered_as_others_are),
        cmocka_unit_test(the_json_s_size_is_counted_unpacked),
        cmocka_unit_test(what_is_not_what_it_says_is_refused),
        cmocka_unit_test(unknown_codings_are_415_and_hear_of_the_known_ones),
        cmocka_unit_test(the_body_limit_counts_unpacked_bytes),
        cmocka_unit_test(long_answers_are_packed_as_the_client_prefers),
        cmocka_unit_test(binary_answers_count_their_json_unpacked),
        cmocka_unit_test(nothing_else_is_packed),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
