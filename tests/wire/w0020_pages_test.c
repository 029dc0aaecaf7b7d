/* What a browser is shown: the console, the interface's description, and no resource from
 * elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/whole_file.h"

static struct fixture fixture;

static const char *const browser[] = {
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", NULL};

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "seed_simple", "simple");
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

static void expect_header(const struct http_response *response, const char *name, const char *value)
{
    char found[256];
    assert_true(http_header(response, name, found, sizeof found));
    assert_string_equal(found, value);
}

/* The answer is the file, with headers that let it load nothing but its own server's. */
static void expect_page(const char *path, const char *const *headers, const char *type,
                        const char *file)
{
    struct http_response response;
    size_t size;
    char *bytes = whole_file_read(file, &size);
    assert_true(http_send(&fixture.client, "GET", path, NULL, 0, headers, &response));
    assert_int_equal(response.status, 200);
    expect_header(&response, "Content-Type", type);
    expect_header(&response, "Content-Security-Policy", "default-src 'self'");
    expect_header(&response, "X-Content-Type-Options", "nosniff");
    assert_int_equal(response.body_size, size);
    assert_memory_equal(response.body, bytes, size);
    http_response_fini(&response);
    free(bytes);
}

static void every_page_is_its_file(void **state)
{
    (void)state;
    expect_page("/docs", NULL, "text/html; charset=utf-8", "server/pages/docs.html");
    expect_page("/docs/docs.js", NULL, "text/javascript; charset=utf-8", "server/pages/docs.js");
    expect_page("/docs/console.js", NULL, "text/javascript; charset=utf-8",
                "server/pages/console.js");
    expect_page("/docs/style.css", NULL, "text/css; charset=utf-8", "server/pages/style.css");
    expect_page("/docs/openapi.json", NULL, "application/json", "server/pages/openapi.json");
}

/* KServe's clients ask the same of "/" and want to hear that the server is alive. */
static void the_root_is_the_console_to_browsers_alone(void **state)
{
    (void)state;
    expect_page("/", browser, "text/html; charset=utf-8", "server/pages/console.html");
    expect_get_json(&fixture.client, "/", 200, "{\"status\":\"alive\"}");
}

/* Either answer says so: a cache must give neither to who would get the other. */
static void what_the_root_answers_depends_on_accept(void **state)
{
    static const char *const *const askers[] = {browser, NULL};
    (void)state;
    for (size_t i = 0; i < sizeof askers / sizeof *askers; i++) {
        struct http_response response;
        assert_true(http_send(&fixture.client, "GET", "/", NULL, 0, askers[i], &response));
        expect_header(&response, "Vary", "Accept");
        http_response_fini(&response);
    }
}

static void a_page_s_head_has_its_length(void **state)
{
    struct http_response response;
    size_t size;
    char length[32];
    (void)state;
    free(whole_file_read("server/pages/docs.html", &size));
    assert_true(http_send(&fixture.client, "HEAD", "/docs", NULL, 0, NULL, &response));
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body_size, 0);
    assert_true(http_header(&response, "Content-Length", length, sizeof length));
    assert_int_equal(strtoul(length, NULL, 10), size);
    http_response_fini(&response);
}

static void pages_are_only_read(void **state)
{
    struct http_response response;
    (void)state;
    assert_true(http_post(&fixture.client, "/docs", "{}", 2, &response));
    expect_error(&response, 405, "Method Not Allowed");
    expect_header(&response, "Allow", "GET, HEAD");
    http_response_fini(&response);
    expect_get_error(&fixture.client, "/docs/", 404, "Not Found");
    expect_get_error(&fixture.client, "/docs/../docs", 404, "Not Found");
}

/* An address of elsewhere in them would be asked for by every browser that shows them. */
static void pages_name_no_other_server(void **state)
{
    static const char *const files[] = {"server/pages/docs.html", "server/pages/docs.js",
                                        "server/pages/console.html", "server/pages/console.js",
                                        "server/pages/style.css"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t size;
        char *text = whole_file_read(files[i], &size);
        assert_null(strstr(text, "http:"));
        assert_null(strstr(text, "https:"));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_is_its_file),
        cmocka_unit_test(the_root_is_the_console_to_browsers_alone),
        cmocka_unit_test(what_the_root_answers_depends_on_accept),
        cmocka_unit_test(a_page_s_head_has_its_length),
        cmocka_unit_test(pages_are_only_read),
        cmocka_unit_test(pages_name_no_other_server),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
