/* The strict reader that other tests lean on: it must refuse what Prometheus refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "tests/support/exposition.h"

#define FAMILY(name, type) "# HELP " name " A text\n# TYPE " name " " type "\n"

static void good_text_is_good(void **state)
{
    static const char text[] = FAMILY("a_total", "counter") "a_total 1\n" FAMILY(
        "b", "gauge") "b{x=\"1\\\"\\\\\\n\"} -0.5\nb{x=\"2\",y=\"\"} "
                      "1e3\n" FAMILY("h", "histogram") "h_bucket{m=\"1\",le="
                                                       "\"0.1\"} "
                                                       "1\nh_bucket{m=\"1\","
                                                       "le=\"+Inf\"} 2\n"
                                                       "h_sum{m=\"1\"} "
                                                       "7\nh_count{m=\"1\"} "
                                                       "2\n";
    char problem[256];
    double value;
    (void)state;
    assert_true(exposition_check(text, problem, sizeof problem));
    assert_true(exposition_value(text, "b{x=\"2\",y=\"\"}", &value));
    assert_true(value == 1000);
    assert_false(exposition_value(text, "b", &value));
}

static void bad_text_is_told(void **state)
{
    static const struct {
        const char *text, *problem;
    } bad[] = {
        {"a 1\n", "a sample outside its family"},
        {FAMILY("a", "gauge") "a 1", "the last line has no end"},
        {FAMILY("a", "gauge") "b 1\n", "a sample outside its family"},
        {FAMILY("a", "gauge") "a_x 1\n", "not the family's name"},
        {FAMILY("a", "gauge") "a 1\na 1\n", "a series comes twice"},
        {FAMILY("a", "gauge") FAMILY("a", "gauge"), "a family comes twice"},
        {FAMILY("a", "number") "a 1\n", "an unknown type"},
        {"# HELP a\n", "HELP without a text"},
        {"# TYPE a gauge\n", "TYPE must follow its family's HELP"},
        {FAMILY("a", "gauge") "a x\n", "malformed sample"},
        {FAMILY("a", "gauge") "a  1\n", "malformed sample"},
        {FAMILY("a", "gauge") "a{x=1} 1\n", "malformed sample"},
        {FAMILY("a", "gauge") "a{x=\"1} 1\n", "malformed sample"},
        {FAMILY("a", "gauge") "a{x=\"\\t\"} 1\n", "malformed sample"},
        {FAMILY("a", "gauge") "a{1=\"\"} 1\n", "malformed sample"},
        {FAMILY("a", "counter") "a -1\n", "a counter below 0"},
        {FAMILY("h", "histogram") "h_bucket{le=\"1\"} 1\nh_sum 1\n", "do not end with +Inf"},
        {FAMILY("h", "histogram") "h_bucket{le=\"1\"} 1\nh_bucket{le=\"0.5\"} 2\n", "ascend"},
        {FAMILY("h", "histogram") "h_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 1\n", "ascend"},
        {FAMILY("h", "histogram") "h_bucket 1\n", "a bucket without a bound"},
        {FAMILY("h", "histogram") "h_bucket{le=\"+Inf\"} 1\nh_count 2\n", "_count is not"},
        {FAMILY("h", "histogram") "h 1\n", "no sample of a histogram"},
    };
    char problem[256];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (exposition_check(bad[i].text, problem, sizeof problem))
            fail_msg("taken for good: %s", bad[i].text);
        if (strstr(problem, bad[i].problem) == NULL)
            fail_msg("wanted \"%s\", got \"%s\"", bad[i].problem, problem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_text_is_good),
        cmocka_unit_test(bad_text_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
