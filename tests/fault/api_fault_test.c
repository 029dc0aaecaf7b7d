/* Every door that needs no computing while memory runs out: each allocation fails in its turn. What
 * comes is a 503 then, and afterwards nothing is held. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "server/api.h"
#include "server/api_repository.h"
#include "server/clock.h"
#include "tests/fault/failing_calls.h"
#include "tests/support/zero_model.h"

enum { RUNS_MAX = 100 };

static struct model_stats stats;
static struct lane lane;
static struct served_model served = {.references = 1, .name = "m"};
static struct model_store models;
static struct service service = {.models = &models, .kernel = "scalar", .workers = 1};

static int start(void **state)
{
    const struct scheduler_config config = {
        .workers = 1, .queue_limit = 10, .queue_rows_limit = 100};
    const struct sequences_config sequences = {10, 1 << 20, 0};
    struct fault fault;
    (void)state;
    budget_init(&service.budget, 1 << 20);
    status_counts_init(&service.http_responses);
    atomic_init(&service.draining, false);
    if (!zero_model_serve(&served, &lane, &stats))
        return -1;
    served.record = model_record_create();
    struct model_table *table = model_table_create(1);
    model_table_add(table, &served);
    model_store_init(&models, table);
    return sequences_create(&service.sequences, &sequences, &fault) &&
                   scheduler_start(&service.scheduler, &config, &fault)
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    assert_true(scheduler_stop(service.scheduler, clock_now() + 10 * CLOCK_NS_PER_S));
    sequences_destroy(service.sequences);
    model_store_fini(&models);
    model_record_release(served.record);
    zero_model_drop(&served);
    return 0;
}

static void ask(const struct route *route, const char *body, struct reply *reply)
{
    api_answer(&service, route, body, strlen(body), reply);
}

/* The answer without any failure, to be held against what comes when just enough succeed. */
static int good_status(const struct route *route, const char *body)
{
    struct reply reply;
    ask(route, body, &reply);
    assert_non_null(reply.body);
    const int status = reply.status;
    reply_fini(&reply);
    return status;
}

/* Returns how many allocations it took. */
static long fail_each_allocation(const struct route *route, const char *body)
{
    const int good = good_status(route, body);
    for (long failing = 0; failing < RUNS_MAX; failing++) {
        struct reply reply;
        fail_memory_after(failing);
        ask(route, body, &reply);
        const bool failed = fail_memory_no_more();
        assert_int_equal(reply.status, failed ? 503 : good);
        assert_true(failed || reply.body != NULL);
        reply_fini(&reply);
        if (!failed)
            return failing;
        assert_int_equal(live_blocks(), 0);
    }
    fail_msg("it takes more allocations than %d", RUNS_MAX);
    return 0;
}

static void every_door_survives_the_lack_of_memory(void **state)
{
    static const struct {
        const char *method, *path, *body;
    } doors[] = {
        {"GET", "/v2", ""},
        {"GET", "/v2/health/live", ""},
        {"GET", "/v2/health/ready", ""},
        {"GET", "/v2/models", ""},
        {"GET", "/v2/models/m", ""},
        {"GET", "/v2/models/nobody", ""},
        {"GET", "/v2/models/m/ready", ""},
        {"GET", "/v2/models/m/config", ""},
        {"GET", "/v2/models/m/stats", ""},
        {"GET", "/v2/models/stats", ""},
        {"POST", "/v2/repository/index", ""},
        {"POST", "/v2/repository/index", "{\"ready\":1}"},
        {"GET", "/v2/logging", ""},
        {"POST", "/v2/logging", "{\"log_verbose_level\":0}"},
        {"GET", "/v2/models/m/sequences", ""},
        {"GET", "/v2/models/m/sequences/1", ""},
        {"DELETE", "/v2/models/m/sequences/1", ""},
        {"GET", "/", ""},
        {"GET", "/v1/models", ""},
        {"GET", "/v1/models/m", ""},
        {"GET", "/v1/models/m/metadata", ""},
        {"GET", "/metrics", ""},
    };
    struct route route;
    struct fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
        assert_true(route_find(&route, doors[i].method, doors[i].path, &fault));
        assert_true(fail_each_allocation(&route, doors[i].body) > 0);
    }
}

/* What is left to do once a model was loaded or unloaded. Returns the status of the answer. */
static int answer_command(const struct model_command *command, long allocations)
{
    struct reply reply;
    fail_memory_after(allocations);
    api_repository_answer(command, &reply);
    fail_memory_no_more();
    const int status = reply.status;
    assert_true(status == 503 || reply.body != NULL);
    assert_true(reply.retry_after == (status == 503));
    reply_fini(&reply);
    assert_int_equal(live_blocks(), 0);
    return status;
}

static void bug_417_a_model_s_change_without_memory_for_the_answer_is_503(void **state)
{
    const struct model_control_config config = {.allowed = true};
    struct fault fault;
    (void)state;
    assert_true(model_control_start(&service.control, &config, &fault));
    struct model_command *command =
        model_command_create(service.control, MODEL_LOAD, "m", 1, &fault);
    assert_non_null(command);
    assert_int_equal(answer_command(command, 0), 503);
    assert_int_equal(answer_command(command, 1), 200);
    model_command_destroy(command);
    assert_true(model_control_stop(service.control, clock_now() + 10 * CLOCK_NS_PER_S));
    service.control = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_door_survives_the_lack_of_memory),
        cmocka_unit_test(bug_417_a_model_s_change_without_memory_for_the_answer_is_503),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
