#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/events.h"

enum { KEPT = 1024 };

static size_t wakes;

static void wake(void *context)
{
    (*(size_t *)context)++;
}

static int listen_anew(void **state)
{
    (void)state;
    wakes = 0;
    events_listen(wake, &wakes);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    events_listen(NULL, NULL);
    return 0;
}

static void they_come_in_order_with_numbers_one_after_the_other(void **state)
{
    const struct sequence_id sequence = {.kind = SEQUENCE_ID_NUMBER, .number = 7};
    struct event first, second, none;
    (void)state;
    events_tell(EVENT_MODEL_LOADED, "a", NULL);
    events_tell(EVENT_SEQUENCE_EVICTED, "b", &sequence);
    assert_true(events_take(&first) && events_take(&second));
    assert_false(events_take(&none));
    assert_int_equal(first.kind, EVENT_MODEL_LOADED);
    assert_string_equal(first.model, "a");
    assert_int_equal(first.sequence.kind, SEQUENCE_ID_NONE);
    assert_int_equal(second.kind, EVENT_SEQUENCE_EVICTED);
    assert_string_equal(second.model, "b");
    assert_int_equal(second.sequence.number, 7);
    assert_int_equal(second.number, first.number + 1);
    assert_true(second.time_ms >= first.time_ms && first.time_ms > 0);
}

static void the_listener_is_woken_when_there_was_none(void **state)
{
    struct event event;
    (void)state;
    events_tell(EVENT_MODEL_LOADED, "a", NULL);
    events_tell(EVENT_MODEL_LOADED, "a", NULL);
    assert_int_equal(wakes, 1);
    while (events_take(&event))
        continue;
    events_tell(EVENT_MODEL_LOADED, "a", NULL);
    assert_int_equal(wakes, 2);
}

static void without_a_listener_nothing_is_kept(void **state)
{
    struct event event;
    (void)state;
    events_tell(EVENT_MODEL_LOADED, "before", NULL);
    events_listen(NULL, NULL);
    events_tell(EVENT_MODEL_LOADED, "meanwhile", NULL);
    events_listen(wake, &wakes);
    assert_false(events_take(&event));
    assert_int_equal(wakes, 1);
}

/* What was dropped is seen by the numbers. */
static void what_is_not_taken_in_time_is_dropped(void **state)
{
    struct event event, next;
    (void)state;
    for (size_t i = 0; i < KEPT + 10; i++)
        events_tell(EVENT_MODEL_LOADED, "a", NULL);
    assert_true(events_take(&event));
    for (size_t i = 1; i < KEPT; i++, event = next) {
        assert_true(events_take(&next));
        assert_int_equal(next.number, event.number + 1);
    }
    assert_false(events_take(&next));
    events_tell(EVENT_MODEL_LOADED, "a", NULL);
    assert_true(events_take(&next));
    assert_int_equal(next.number, event.number + 11);
}

static void *tell_many(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < KEPT / 4; i++)
        events_tell(EVENT_OVERLOAD_STARTED, "a", NULL);
    return NULL;
}

static void any_thread_may_tell(void **state)
{
    pthread_t threads[4];
    struct event event;
    uint64_t last = 0;
    size_t taken = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, tell_many, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (; events_take(&event); taken++, last = event.number)
        assert_true(last == 0 || event.number == last + 1);
    assert_int_equal(taken, KEPT);
}

static void expect_text(const struct event *event, const char *wanted)
{
    struct json_writer writer;
    char *text;
    size_t size;
    json_writer_init(&writer);
    event_write(event, &writer);
    assert_true(json_writer_take(&writer, &text, &size));
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(text, wanted, size);
    free(text);
}

static void an_event_is_json(void **state)
{
    (void)state;
    struct event event = {
        .kind = EVENT_MODEL_RELOADED, .model = "m", .number = 3, .time_ms = 1700000000123};
    expect_text(&event, "{\"event\":\"model/reloaded\",\"model\":\"m\",\"number\":3,"
                        "\"time_ms\":1700000000123}");
    event.kind = EVENT_SEQUENCE_EVICTED;
    event.sequence = (struct sequence_id){.kind = SEQUENCE_ID_TEXT};
    strcpy(event.sequence.text, "a\"b");
    expect_text(&event,
                "{\"event\":\"sequence/evicted\",\"model\":\"m\",\"sequence_id\":\"a\\\"b\","
                "\"number\":3,\"time_ms\":1700000000123}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, listen_anew, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_come_in_order_with_numbers_one_after_the_other),
        TEST(the_listener_is_woken_when_there_was_none),
        TEST(without_a_listener_nothing_is_kept),
        TEST(what_is_not_taken_in_time_is_dropped),
        TEST(any_thread_may_tell),
        TEST(an_event_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
