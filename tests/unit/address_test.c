#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/address.h"

static void expect(const char *text, const char *printed)
{
    struct address address;
    struct fault fault;
    char out[ADDRESS_TEXT_MAX];
    if (!address_parse(&address, text, &fault))
        fail_msg("%s: %s", text, fault.text);
    address_print(&address, out);
    assert_string_equal(out, printed);
}

static void addresses_are_read_and_printed(void **state)
{
    (void)state;
    expect("127.0.0.1:8080", "127.0.0.1:8080");
    expect("0.0.0.0:0", "0.0.0.0:0");
    expect("[::1]:65535", "[::1]:65535");
    expect("[::]:1", "[::]:1");
    expect("[2001:DB8:0:0::1]:80", "[2001:db8::1]:80");
    expect("10.0.0.1:00080", "10.0.0.1:80");
}

static uint64_t client_of(const char *text)
{
    struct address address;
    struct fault fault;
    assert_true(address_parse(&address, text, &fault));
    return address_client((const struct sockaddr *)&address.storage);
}

static void a_client_is_a_host(void **state)
{
    const struct sockaddr local = {.sa_family = AF_UNIX};
    (void)state;
    assert_true(client_of("10.0.0.1:80") == client_of("10.0.0.1:9999"));
    assert_true(client_of("10.0.0.1:80") != client_of("10.0.0.2:80"));
    assert_true(client_of("[2001:db8:1:2::3]:80") == client_of("[2001:db8:1:2:9::1]:81"));
    assert_true(client_of("[2001:db8:1:2::3]:80") != client_of("[2001:db8:1:3::3]:80"));
    assert_true(client_of("0.0.0.0:1") != client_of("[::]:1"));
    assert_int_equal(address_client(&local), 0);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "8080",
        ":8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "1.2.3:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "]:80",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1: 1",
        "h:80",
        "[h]:80",
        "1.2.3.4 :80",
        "127.0.0.1:999999",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:80",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address address;
        struct fault fault = {0};
        if (address_parse(&address, texts[i], &fault))
            fail_msg("accepted: %s", texts[i]);
    }
}

static void the_error_shows_what_was_found(void **state)
{
    (void)state;
    struct address address;
    struct fault fault = {0};
    assert_false(address_parse(&address, "localhost", &fault));
    assert_string_equal(fault.text,
                        "ADDRESS:PORT expected (127.0.0.1:8080, [::1]:8080), got 'localhost'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_printed),
        cmocka_unit_test(a_client_is_a_host),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(the_error_shows_what_was_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
