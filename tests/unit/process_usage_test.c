#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/process_usage.h"

static struct process_usage before, after;

static void it_knows_the_process(void **state)
{
    (void)state;
    assert_true(process_usage_read(&before));
    assert_true(before.resident_bytes > 100 << 10);
    assert_true(before.virtual_bytes >= before.resident_bytes);
    assert_true(before.open_files >= 1 && before.open_files < before.open_files_limit);
    const uint64_t now = (uint64_t)time(NULL) * 1000;
    assert_true(before.start_ms <= now + 2000);
    assert_true(before.start_ms + UINT64_C(3600000) > now);
}

static void open_files_are_counted(void **state)
{
    int files[5];
    (void)state;
    assert_true(process_usage_read(&before));
    for (size_t i = 0; i < 5; i++)
        files[i] = open("/dev/null", O_RDONLY);
    assert_true(process_usage_read(&after));
    for (size_t i = 0; i < 5; i++)
        close(files[i]);
    assert_int_equal(after.open_files, before.open_files + 5);
}

static void touched_memory_is_resident(void **state)
{
    const size_t size = 64 << 20;
    (void)state;
    assert_true(process_usage_read(&before));
    volatile char *memory = malloc(size);
    assert_non_null(memory);
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1;
    assert_true(process_usage_read(&after));
    free((void *)(uintptr_t)memory);
    assert_true(after.resident_bytes > before.resident_bytes + size / 2);
}

static void work_takes_processor_time_and_no_new_start(void **state)
{
    (void)state;
    assert_true(process_usage_read(&before));
    do
        assert_true(process_usage_read(&after));
    while (after.cpu_ns == before.cpu_ns);
    assert_true(after.cpu_ns > before.cpu_ns);
    assert_int_equal(after.start_ms, before.start_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_knows_the_process),
        cmocka_unit_test(open_files_are_counted),
        cmocka_unit_test(touched_memory_is_resident),
        cmocka_unit_test(work_takes_processor_time_and_no_new_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
