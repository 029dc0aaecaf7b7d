#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "server/job_parts.h"

static struct job_parts parts;
static const struct job_parts_slot *slot;
static bool wake, resume;

static int begin(void **state)
{
    (void)state;
    job_parts_init(&parts);
    assert_true(job_parts_reserve(&parts, 100));
    return 0;
}

static int end(void **state)
{
    (void)state;
    job_parts_fini(&parts);
    return 0;
}

static void write_part(const char *text)
{
    struct json_writer *writer = &job_parts_slot(&parts)->writer;
    assert_int_equal(writer->size, 0);
    assert_true(writer->capacity >= 100);
    memcpy(json_extend(writer, strlen(text)), text, strlen(text));
}

static bool put(const char *text)
{
    write_part(text);
    return job_parts_put(&parts, strlen(text) - 1, &wake);
}

static void expect_taken(enum job_parts_taken taken, const char *text)
{
    assert_int_equal(job_parts_take(&parts, &slot, &resume), taken);
    if (taken == JOB_PARTS_NONE)
        return;
    assert_int_equal(slot->writer.size, strlen(text));
    assert_memory_equal(slot->writer.text, text, strlen(text));
    assert_int_equal(slot->json_size, strlen(text) - 1);
}

static void parts_are_taken_in_order_and_the_worker_stops_without_room(void **state)
{
    (void)state;
    assert_true(put("one"));
    assert_true(wake);
    assert_false(put("second"));
    assert_false(wake);
    expect_taken(JOB_PARTS_ONE, "one"); /* it is in the waiter's hands: no room yet */
    assert_false(resume);
    expect_taken(JOB_PARTS_ONE, "second");
    assert_true(resume);
    assert_false(put("three"));
    expect_taken(JOB_PARTS_ONE, "three");
    assert_true(resume);
    expect_taken(JOB_PARTS_NONE, NULL);
    assert_false(resume);
    write_part("last");
    assert_true(job_parts_end(&parts, 3, &wake));
    assert_false(wake);
    expect_taken(JOB_PARTS_LAST, "last");
    assert_false(resume);
}

static void the_waiter_is_woken_once_for_every_wait(void **state)
{
    (void)state;
    assert_true(put("one"));
    assert_true(wake);
    assert_false(job_parts_wait(&parts)); /* there is something already */
    expect_taken(JOB_PARTS_ONE, "one");
    assert_true(job_parts_wait(&parts));
    assert_false(put("second"));
    assert_true(wake);
    expect_taken(JOB_PARTS_ONE, "second");
    assert_true(job_parts_wait(&parts));
    write_part("end");
    assert_true(job_parts_end(&parts, 2, &wake));
    assert_true(wake);
    assert_false(job_parts_wait(&parts));
    expect_taken(JOB_PARTS_LAST, "end");
}

static void who_stops_waiting_is_not_woken(void **state)
{
    (void)state;
    assert_true(job_parts_stop_waiting(&parts));
    assert_false(job_parts_stop_waiting(&parts));
    assert_true(put("one"));
    assert_false(wake);
}

static void the_first_of_the_waiter_and_the_worker_says_how_it_ended(void **state)
{
    bool settled;
    (void)state;
    assert_true(job_parts_stop_waiting(&parts));
    assert_false(job_parts_settle(&parts));
    end(NULL);
    begin(NULL);
    assert_true(job_parts_settle(&parts));
    assert_false(job_parts_stop_waiting(&parts));
    assert_true(job_parts_end(&parts, 0, &wake));
    assert_true(wake);
    end(NULL);
    begin(NULL);
    assert_false(job_parts_leave(&parts, &settled));
    assert_false(settled);
    assert_false(job_parts_settle(&parts));
}

static void of_the_waiter_and_the_worker_the_second_to_go_knows(void **state)
{
    (void)state;
    bool settled;
    assert_true(job_parts_stop_waiting(&parts));
    assert_false(job_parts_leave(&parts, &settled));
    assert_true(settled);
    assert_false(job_parts_end(&parts, 0, &wake));
    end(NULL);
    begin(NULL);
    assert_true(job_parts_end(&parts, 0, &wake));
    assert_true(wake);
    assert_true(job_parts_leave(&parts, &settled));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_are_taken_in_order_and_the_worker_stops_without_room),
        TEST(the_waiter_is_woken_once_for_every_wait),
        TEST(who_stops_waiting_is_not_woken),
        TEST(the_first_of_the_waiter_and_the_worker_says_how_it_ended),
        TEST(of_the_waiter_and_the_worker_the_second_to_go_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
