/* SIGTERM under load, again and again: whatever was accepted is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fixture.h"

enum { CLIENTS = 4, ROUNDS = 4 };

#define BODY                                                                                       \
    "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[1]}]}"

static struct fixture fixture;
static atomic_size_t answered, wrong, under_way;

/* The server says goodbye with the last answer of each connection. A client that was told nothing
 * and then finds the connection gone has lost a request. */
static void *ask_to_the_end(void *argument)
{
    struct http_client client;
    struct http_response response;
    bool first = true, last = false;
    (void)argument;
    http_client_init(&client, fixture.daemon.port);
    while (!last) {
        char connection[32] = "";
        if (!http_post(&client, "/v2/models/tiny/infer", BODY, strlen(BODY), &response)) {
            atomic_fetch_add(&wrong, 1);
            break;
        }
        atomic_fetch_add(response.status == 200 ? &answered : &wrong, 1);
        http_header(&response, "Connection", connection, sizeof connection);
        if (first)
            atomic_fetch_add(&under_way, 1);
        first = false;
        last = strcasecmp(connection, "close") == 0;
        http_response_fini(&response);
    }
    http_client_fini(&client);
    return NULL;
}

static void stop_under_load(void)
{
    pthread_t clients[CLIENTS];
    fixture_init(&fixture);
    fixture_add_golden_as(&fixture, "one_by_one", "tiny");
    assert_true(fixture_start(&fixture, NULL, NULL));
    atomic_store(&under_way, 0);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients[i], NULL, ask_to_the_end, NULL), 0);
    while (atomic_load(&under_way) < CLIENTS && atomic_load(&wrong) == 0)
        usleep(1000);
    usleep(5000);
    assert_int_equal(fixture_stop(&fixture), 0);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
}

static void what_was_accepted_is_answered(void **state)
{
    const char *wanted = getenv("LSTMD_TEST_DRAINS");
    const unsigned long rounds = wanted != NULL ? strtoul(wanted, NULL, 10) : ROUNDS;
    (void)state;
    for (unsigned long i = 0; i < rounds; i++)
        stop_under_load();
    print_message("# %lu stops, %zu requests\n", rounds, atomic_load(&answered));
    assert_int_equal(atomic_load(&wrong), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_accepted_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
