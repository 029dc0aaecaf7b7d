#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "proto/server_event.h"

/* Read with so much room at a time. */
static void expect_text(struct server_event *event, const char *wanted, size_t room)
{
    char text[256];
    size_t size = 0, got;
    while ((got = server_event_read(event, text + size, room)) != 0) {
        assert_true(got <= room);
        size += got;
        assert_true(got == room || size == strlen(wanted));
    }
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(text, wanted, size);
    assert_int_equal(server_event_read(event, text, room), 0);
}

static void an_event_is_the_json_between_its_lines(void **state)
{
    static const char json[] = "{\"a\":[1.0,2.0]}";
    struct server_event event;
    (void)state;
    for (size_t room = 1; room < 64; room++) {
        server_event_begin(&event, json, strlen(json));
        expect_text(&event, "data: {\"a\":[1.0,2.0]}\n\n", room);
        server_event_begin(&event, "", 0);
        expect_text(&event, "data: \n\n", room);
    }
}

static void an_error_has_a_name_and_its_status(void **state)
{
    static const char json[] = "{\"error\":\"late\"}";
    struct server_event event;
    (void)state;
    for (size_t room = 1; room < 64; room++) {
        server_event_begin_error(&event, json, strlen(json), 504);
        expect_text(&event, "event: error\ndata: {\"error\":\"late\",\"status\":504}\n\n", room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_the_json_between_its_lines),
        cmocka_unit_test(an_error_has_a_name_and_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
