#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "server/content_coding.h"

static void what_a_body_is_packed_in_is_known_or_not(void **state)
{
    static const struct {
        const char *value;
        bool known;
        enum content_coding coding;
    } cases[] = {
        {"gzip", true, CODING_GZIP},
        {"GZip", true, CODING_GZIP},
        {"x-gzip", true, CODING_GZIP},
        {" deflate\t", true, CODING_DEFLATE},
        {"", true, CODING_IDENTITY},
        {"identity", true, CODING_IDENTITY},
        {"br", false, 0},
        {"gzip, gzip", false, 0},
        {"gzip;q=1", false, 0},
        {"gzi", false, 0},
        {"gzipp", false, 0},
        {",", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum content_coding coding;
        const bool known = content_coding_parse(cases[i].value, strlen(cases[i].value), &coding);
        assert_int_equal(known, cases[i].known);
        if (known)
            assert_int_equal(coding, cases[i].coding);
    }
}

static void the_client_s_preference_is_what_its_q_values_say(void **state)
{
    static const struct {
        const char *value;
        enum content_coding coding;
    } cases[] = {
        {"", CODING_IDENTITY},
        {"gzip", CODING_GZIP},
        {"deflate", CODING_DEFLATE},
        {"gzip, deflate", CODING_GZIP},
        {"deflate, gzip", CODING_GZIP},
        {"gzip, deflate, br, zstd", CODING_GZIP},
        {"br", CODING_IDENTITY},
        {"*", CODING_IDENTITY},
        {"identity", CODING_IDENTITY},
        {"gzip;q=0.5, deflate;q=0.8", CODING_DEFLATE},
        {"gzip;q=0.5,deflate;q=0.499", CODING_GZIP},
        {"gzip;q=0", CODING_IDENTITY},
        {"gzip;q=0.000, deflate;q=0.001", CODING_DEFLATE},
        {"GZIP ; Q=0.3 , identity;q=0.2", CODING_GZIP},
        {"gzip;q=0.3, identity;q=0.4", CODING_IDENTITY},
        {"gzip;q=0.3, identity;q=0.3", CODING_GZIP},
        {"identity;q=0, gzip", CODING_GZIP},
        {"gzip;level=9;q=0.1, deflate;q=0.2", CODING_DEFLATE},
        {"gzip;q=1.0001", CODING_IDENTITY},
        {"gzip;q=2", CODING_IDENTITY},
        {"gzip;q=", CODING_IDENTITY},
        {"gzip;q=x", CODING_IDENTITY},
        {"gzip;q=1.", CODING_GZIP},
        {",,;=, gzip", CODING_GZIP},
        {"gzip deflate", CODING_IDENTITY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (content_coding_preferred(cases[i].value, strlen(cases[i].value)) != cases[i].coding)
            fail_msg("%s", cases[i].value);
}

static void json_is_preferred_where_it_is_named_before_bytes(void **state)
{
    static const struct {
        const char *value;
        bool json;
    } cases[] = {
        {"application/json", true},
        {"text/html, Application/JSON;q=0.1", true},
        {"application/json, application/octet-stream;q=0.9", true},
        {"application/json;q=0.9, application/octet-stream", false},
        {"application/json, application/octet-stream", false},
        {"application/json;q=0", false},
        {"application/*", false},
        {"*/*", false},
        {"", false},
        {"application/json2", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (content_coding_prefers_json(cases[i].value, strlen(cases[i].value)) != cases[i].json)
            fail_msg("%s", cases[i].value);
}

static void names_are_those_of_headers(void **state)
{
    (void)state;
    assert_string_equal(content_coding_name(CODING_IDENTITY), "identity");
    assert_string_equal(content_coding_name(CODING_GZIP), "gzip");
    assert_string_equal(content_coding_name(CODING_DEFLATE), "deflate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_body_is_packed_in_is_known_or_not),
        cmocka_unit_test(the_client_s_preference_is_what_its_q_values_say),
        cmocka_unit_test(json_is_preferred_where_it_is_named_before_bytes),
        cmocka_unit_test(names_are_those_of_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
