#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include "server/events.h"
#include "server/overload.h"

static void wake(void *context)
{
    (void)context;
}

static int listen_anew(void **state)
{
    (void)state;
    events_listen(wake, NULL);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    events_listen(NULL, NULL);
    return 0;
}

static void expect_event(enum event_kind kind)
{
    struct event event;
    assert_true(events_take(&event));
    assert_int_equal(event.kind, kind);
    assert_string_equal(event.model, "m");
}

static void expect_none(void)
{
    struct event event;
    assert_false(events_take(&event));
}

static void it_begins_with_the_first_refusal(void **state)
{
    struct overload overload;
    (void)state;
    overload_init(&overload);
    assert_false(overload_is_on(&overload));
    overload_refused(&overload, "m", 10);
    expect_event(EVENT_OVERLOAD_STARTED);
    assert_true(overload_is_on(&overload));
    overload_refused(&overload, "m", 10);
    expect_none();
}

static void it_ends_with_half_of_what_was_there(void **state)
{
    struct overload overload;
    (void)state;
    overload_init(&overload);
    overload_refused(&overload, "m", 11);
    expect_event(EVENT_OVERLOAD_STARTED);
    overload_eased(&overload, "m", 6);
    expect_none();
    assert_true(overload_is_on(&overload));
    overload_eased(&overload, "m", 5);
    expect_event(EVENT_OVERLOAD_ENDED);
    assert_false(overload_is_on(&overload));
    overload_eased(&overload, "m", 0);
    expect_none();
}

/* Refused for its rows, or by the client's share, while there was none. */
static void one_that_began_with_nothing_there_ends_too(void **state)
{
    struct overload overload;
    (void)state;
    overload_init(&overload);
    overload_refused(&overload, "m", 0);
    expect_event(EVENT_OVERLOAD_STARTED);
    overload_eased(&overload, "m", 1);
    expect_none();
    overload_eased(&overload, "m", 0);
    expect_event(EVENT_OVERLOAD_ENDED);
}

static void it_may_come_again(void **state)
{
    struct overload overload;
    (void)state;
    overload_init(&overload);
    for (int i = 0; i < 3; i++) {
        overload_refused(&overload, "m", 4);
        expect_event(EVENT_OVERLOAD_STARTED);
        overload_eased(&overload, "m", 2);
        expect_event(EVENT_OVERLOAD_ENDED);
    }
    expect_none();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, listen_anew, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_begins_with_the_first_refusal),
        TEST(it_ends_with_half_of_what_was_there),
        TEST(one_that_began_with_nothing_there_ends_too),
        TEST(it_may_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
