#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/cgroup.h"

static void a_quota_is_worth_whole_processors_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(cgroup_quota_cpus(100000, 100000), 1);
    assert_int_equal(cgroup_quota_cpus(150000, 100000), 2);
    assert_int_equal(cgroup_quota_cpus(200000, 100000), 2);
    assert_int_equal(cgroup_quota_cpus(200001, 100000), 3);
    assert_int_equal(cgroup_quota_cpus(1000, 100000), 1);
    assert_int_equal(cgroup_quota_cpus(-1, 100000), 0);
    assert_int_equal(cgroup_quota_cpus(100000, 0), 0);
}

static void cpu_max_is_read(void **state)
{
    (void)state;
    assert_int_equal(cgroup_parse_cpu_max("250000 100000\n"), 3);
    assert_int_equal(cgroup_parse_cpu_max("max 100000\n"), 0);
    assert_int_equal(cgroup_parse_cpu_max(""), 0);
    assert_int_equal(cgroup_parse_cpu_max("100000"), 0);
}

static void memory_limits_are_read(void **state)
{
    (void)state;
    assert_int_equal(cgroup_parse_memory("1073741824\n"), 1073741824);
    assert_int_equal(cgroup_parse_memory("max\n"), SIZE_MAX);
    assert_int_equal(cgroup_parse_memory("9223372036854771712\n"), SIZE_MAX);
    assert_int_equal(cgroup_parse_memory(""), SIZE_MAX);
    assert_int_equal(cgroup_parse_memory("-1\n"), SIZE_MAX);
}

static const char mixed[] = "12:pids:/p\n"
                            "4:memory:/process/a:b\n"
                            "2:cpu,cpuacct:/c\n"
                            "1:cpuset:/s\n"
                            "0::/v2/group\n";

static void the_group_of_a_controller_is_found(void **state)
{
    (void)state;
    char path[64];
    assert_true(cgroup_parse_path(mixed, "memory", path, sizeof path));
    assert_string_equal(path, "/process/a:b");
    assert_true(cgroup_parse_path(mixed, "cpu", path, sizeof path));
    assert_string_equal(path, "/c");
    assert_true(cgroup_parse_path(mixed, "cpuacct", path, sizeof path));
    assert_string_equal(path, "/c");
    assert_true(cgroup_parse_path(mixed, NULL, path, sizeof path));
    assert_string_equal(path, "/v2/group");
    assert_true(cgroup_parse_path("0::/", NULL, path, sizeof path));
    assert_string_equal(path, "/");
}

static void a_group_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    char path[8];
    assert_false(cgroup_parse_path(mixed, "io", path, sizeof path));
    assert_false(cgroup_parse_path("2:cpu:/c\n", NULL, path, sizeof path));
    assert_false(cgroup_parse_path("", NULL, path, sizeof path));
    assert_false(cgroup_parse_path("garbage\n\n:\n", "cpu", path, sizeof path));
    assert_false(cgroup_parse_path("0::/12345678", NULL, path, sizeof path));
    assert_true(cgroup_parse_path("0::/123456", NULL, path, sizeof path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quota_is_worth_whole_processors_rounded_up),
        cmocka_unit_test(cpu_max_is_read),
        cmocka_unit_test(memory_limits_are_read),
        cmocka_unit_test(the_group_of_a_controller_is_found),
        cmocka_unit_test(a_group_that_is_not_there_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
