#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sequence_steps.h"
#include "server/clock.h"
#include "server/sequences.h"
#include "tests/support/random.h"

enum { STATE = 3, ROWS_MAX = 4 };

static const struct sequence_owner model = {.model_name = "m", .state_size = STATE, .causal = true};
static const struct sequence_owner strict = {
    .model_name = "s", .state_size = STATE, .causal = true, .strict = true};
static const struct sequence_id no_id;

static const struct sequences_config roomy = {
    .count_limit = 100, .bytes_limit = 1 << 20, .idle_timeout = 60 * CLOCK_NS_PER_S};

/* A request, as far as the table is concerned. */
struct request {
    struct sequence_ticket ticket; /* first */
    struct sequence_id id;
    bool now;
    unsigned turns; /* how often turn was called */
};

static struct sequences *table;
static struct fault fault;

static void count_turn(struct sequence_ticket *ticket)
{
    ((struct request *)ticket)->turns++;
}

static int with_config(const struct sequences_config *config)
{
    return sequences_create(&table, config, &fault) ? 0 : -1;
}

static int roomy_table(void **state)
{
    (void)state;
    return with_config(&roomy);
}

static int destroy_table(void **state)
{
    (void)state;
    sequences_destroy(table);
    return 0;
}

static bool enter_as(struct request *request, const struct sequence_owner *owner,
                     struct sequence_id id, bool start, bool end, size_t rows)
{
    *request = (struct request){.ticket = {.turn = count_turn}, .id = id};
    fault = (struct fault){0};
    return sequences_enter(table, owner, &request->id, start, end, rows, &request->ticket,
                           &request->now, &fault);
}

static bool enter(struct request *request, uint64_t number, bool start, bool end, size_t rows)
{
    return enter_as(request, &model, sequence_id_of_number(number), start, end, rows);
}

/* Adds 1 to every number, from `from` when the sequence starts, and leaves. */
static void compute(struct request *request, float from)
{
    const float *before;
    uint64_t steps;
    float after[ROWS_MAX * STATE];
    assert_true(sequences_state(&request->ticket, &before, &steps, &fault));
    for (size_t i = 0; i < sequences_rows(&request->ticket) * STATE; i++)
        after[i] = (before != NULL ? before[i] : from) + 1;
    sequences_leave(table, &request->ticket, after, 10);
}

static void give_up(struct request *request)
{
    sequences_leave(table, &request->ticket, NULL, 0);
}

static void run(uint64_t number, bool start, bool end, size_t rows)
{
    struct request request;
    assert_true(enter(&request, number, start, end, rows));
    assert_true(request.now);
    compute(&request, 0);
}

static void assert_refused(int status)
{
    assert_int_equal(fault.status, status);
}

/* The sequence is alive, with that in all its numbers. */
static void assert_holds(uint64_t number, float value, uint64_t steps_wanted)
{
    struct sequence_ticket ticket;
    const struct sequence_id id = sequence_id_of_number(number);
    const float *state;
    uint64_t steps;
    assert_true(sequences_enter_at_rest(table, &model, &id, false, false, 0, &ticket, &fault));
    assert_true(sequences_state(&ticket, &state, &steps, &fault));
    for (size_t i = 0; i < sequences_rows(&ticket) * STATE; i++)
        assert_true(state[i] == value);
    assert_int_equal(steps, steps_wanted);
    sequences_leave(table, &ticket, NULL, 0);
}

static void assert_unknown(uint64_t number)
{
    struct request request;
    assert_false(enter(&request, number, false, false, 1));
    assert_refused(404);
}

static struct sequences_counts counts(void)
{
    struct sequences_counts counts;
    sequences_count(table, &counts);
    assert_int_equal(counts.started - counts.ended - counts.evicted, counts.alive);
    return counts;
}

/* ---- one after the other ---- */

static void a_sequence_goes_on_where_it_was(void **state)
{
    (void)state;
    run(7, true, false, 2);
    run(7, false, false, 2);
    run(7, false, false, 2);
    assert_holds(7, 3, 30);
}

static void an_unknown_one_is_not_found(void **state)
{
    (void)state;
    run(7, true, false, 1);
    assert_unknown(8);
    struct request request;
    assert_false(enter_as(&request, &strict, sequence_id_of_number(7), false, false, 1));
    assert_refused(404);
    struct sequence_id text;
    assert_true(sequence_id_of_text("7", &text));
    assert_false(enter_as(&request, &model, text, false, false, 1));
    assert_refused(404);
}

static void neither_id_nor_start_is_a_bad_request(void **state)
{
    (void)state;
    struct request request;
    assert_false(enter_as(&request, &model, no_id, false, false, 1));
    assert_refused(400);
    assert_false(enter_as(&request, &model, no_id, false, true, 1));
    assert_refused(400);
}

static void an_id_is_made(void **state)
{
    (void)state;
    struct request first, second;
    assert_true(enter_as(&first, &model, no_id, true, false, 1));
    compute(&first, 0);
    assert_true(enter_as(&second, &model, no_id, true, false, 1));
    compute(&second, 5);
    assert_int_equal(first.id.kind, SEQUENCE_ID_NUMBER);
    assert_in_range(first.id.number, 1, (UINT64_C(1) << 53) - 1);
    assert_in_range(second.id.number, 1, (UINT64_C(1) << 53) - 1);
    assert_true(first.id.number != second.id.number);
    assert_holds(first.id.number, 1, 10);
    assert_holds(second.id.number, 6, 10);
}

static void an_end_ends_it(void **state)
{
    (void)state;
    run(7, true, false, 1);
    run(7, false, true, 1);
    assert_unknown(7);
    run(8, true, true, 1); /* both in one */
    assert_unknown(8);
    assert_int_equal(counts().ended, 2);
    assert_int_equal(counts().bytes, 0);
}

static void an_end_without_anything_computed(void **state)
{
    (void)state;
    struct request request;
    const float *before;
    uint64_t steps;
    run(7, true, false, 1);
    assert_true(enter(&request, 7, false, true, 1));
    assert_true(sequences_state(&request.ticket, &before, &steps, &fault));
    sequences_leave(table, &request.ticket, before, 0); /* its own numbers */
    assert_unknown(7);
}

static void other_rows_are_refused(void **state)
{
    (void)state;
    struct request request;
    run(7, true, false, 2);
    assert_false(enter(&request, 7, false, false, 3));
    assert_refused(400);
    assert_holds(7, 1, 10);
}

static void no_rows_are_rows(void **state)
{
    (void)state;
    run(7, true, false, 0);
    run(7, false, false, 0);
    assert_holds(7, 0, 20);
}

static void a_start_begins_anew(void **state)
{
    (void)state;
    run(7, true, false, 2);
    run(7, false, false, 2);
    run(7, true, false, 2);
    assert_holds(7, 1, 10);
    run(7, true, false, 3); /* with other rows */
    assert_holds(7, 1, 10);
    run(7, false, false, 3);
    assert_int_equal(counts().alive, 1);
}

static void a_strict_model_wants_an_end_first(void **state)
{
    (void)state;
    const struct sequence_id id = sequence_id_of_number(7);
    struct request first, again, end, after;
    assert_true(enter_as(&first, &strict, id, true, false, 1));
    assert_false(enter_as(&again, &strict, id, true, false, 1)); /* it is about to be alive */
    assert_refused(409);
    compute(&first, 0);
    assert_false(enter_as(&again, &strict, id, true, false, 1));
    assert_refused(409);
    assert_true(enter_as(&end, &strict, id, false, true, 1));
    assert_true(enter_as(&after, &strict, id, true, false, 1)); /* the end comes before it */
    compute(&end, 0);
    compute(&after, 0);
    assert_int_equal(counts().started, 2);
}

static void a_strict_start_behind_an_end_that_failed(void **state)
{
    (void)state;
    const struct sequence_id id = sequence_id_of_number(7);
    struct request first, end, after;
    const float *before;
    uint64_t steps;
    assert_true(enter_as(&first, &strict, id, true, false, 1));
    compute(&first, 0);
    assert_true(enter_as(&end, &strict, id, false, true, 1));
    assert_true(enter_as(&after, &strict, id, true, false, 1));
    give_up(&end);
    assert_int_equal(after.turns, 1);
    assert_false(sequences_state(&after.ticket, &before, &steps, &fault));
    assert_refused(409);
    give_up(&after);
    assert_int_equal(counts().alive, 1);
}

/* ---- failures ---- */

static void a_failure_changes_nothing(void **state)
{
    (void)state;
    struct request request;
    run(7, true, false, 2);
    assert_true(enter(&request, 7, false, false, 2));
    give_up(&request);
    assert_holds(7, 1, 10);
    assert_true(enter(&request, 7, false, true, 2)); /* not ended either */
    give_up(&request);
    assert_holds(7, 1, 10);
}

static void a_start_that_fails_leaves_nothing(void **state)
{
    (void)state;
    struct request request;
    assert_true(enter(&request, 7, true, false, 2));
    give_up(&request);
    assert_unknown(7);
    assert_int_equal(counts().bytes, 0);
    assert_int_equal(counts().started, 0);
}

static void a_start_that_fails_leaves_the_old_one(void **state)
{
    (void)state;
    struct request request;
    run(7, true, false, 2);
    const size_t bytes = counts().bytes;
    assert_true(enter(&request, 7, true, false, 2));
    give_up(&request);
    assert_holds(7, 1, 10);
    assert_true(enter(&request, 7, true, false, 3));
    give_up(&request);
    assert_holds(7, 1, 10);
    assert_int_equal(counts().bytes, bytes);
}

/* ---- order ---- */

static void turns_come_in_the_order_of_tickets(void **state)
{
    (void)state;
    struct request requests[5];
    for (size_t i = 0; i < 5; i++) {
        assert_true(enter(&requests[i], 7, i == 0, false, 1));
        assert_int_equal(requests[i].now, i == 0);
    }
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 1; j < 5; j++)
            assert_int_equal(requests[j].turns, j <= i);
        compute(&requests[i], 0);
    }
    assert_holds(7, 5, 50);
}

static void sequences_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct request one, other;
    assert_true(enter(&one, 1, true, false, 1));
    assert_true(enter(&other, 2, true, false, 1));
    assert_true(other.now);
    compute(&other, 0);
    compute(&one, 0);
}

static void one_that_waits_can_be_withdrawn(void **state)
{
    (void)state;
    struct request first, second, third;
    assert_true(enter(&first, 7, true, false, 1));
    assert_true(enter(&second, 7, true, false, 3)); /* would start it anew */
    assert_true(enter(&third, 7, false, false, 3));
    assert_true(sequences_withdraw(table, &second.ticket));
    assert_false(sequences_withdraw(table, &first.ticket));
    compute(&first, 0);
    assert_int_equal(second.turns, 0);
    assert_int_equal(third.turns, 1);
    assert_false(sequences_withdraw(table, &third.ticket));
    const float *before;
    uint64_t steps;
    assert_false(sequences_state(&third.ticket, &before, &steps, &fault)); /* 1 row, not 3 */
    assert_refused(400);
    give_up(&third);
    assert_holds(7, 1, 10);
}

static void what_waits_behind_an_end_is_refused_in_its_turn(void **state)
{
    (void)state;
    struct request end, next, start;
    const float *before;
    uint64_t steps;
    run(7, true, false, 1);
    assert_true(enter(&end, 7, false, true, 1));
    assert_true(enter(&next, 7, false, false, 1)); /* the end may fail */
    assert_true(enter(&start, 7, true, false, 2));
    compute(&end, 0);
    assert_int_equal(next.turns, 1);
    assert_false(sequences_state(&next.ticket, &before, &steps, &fault));
    assert_refused(404);
    give_up(&next);
    compute(&start, 0);
    assert_holds(7, 1, 10);
}

static void what_waits_behind_a_start_that_fails(void **state)
{
    (void)state;
    struct request start, next;
    const float *before;
    uint64_t steps;
    assert_true(enter(&start, 7, true, false, 1));
    assert_true(enter(&next, 7, false, false, 1));
    give_up(&start);
    assert_false(sequences_state(&next.ticket, &before, &steps, &fault));
    assert_refused(404);
    give_up(&next);
    assert_unknown(7);
    assert_int_equal(counts().bytes, 0);
}

static void a_start_is_seen_by_what_waits_behind_it(void **state)
{
    (void)state;
    struct request running, start, next;
    run(7, true, false, 1);
    assert_true(enter(&running, 7, false, false, 1));
    assert_true(enter(&start, 7, true, false, 2));
    assert_true(enter(&next, 7, false, false, 2));
    assert_false(enter(&(struct request){0}, 7, false, false, 1));
    assert_refused(400);
    compute(&running, 0);
    compute(&start, 10);
    compute(&next, 0);
    assert_holds(7, 12, 20);
}

/* ---- an operator's hand ---- */

static bool enter_at_rest(struct sequence_ticket *ticket, const struct sequence_owner *owner,
                          uint64_t number, bool start, bool end)
{
    const struct sequence_id id = sequence_id_of_number(number);
    return sequences_enter_at_rest(table, owner, &id, start, end, 1, ticket, &fault);
}

static void only_one_at_rest_is_handled(void **state)
{
    (void)state;
    struct request request;
    struct sequence_ticket ticket;
    assert_false(enter_at_rest(&ticket, &model, 7, false, true));
    assert_refused(404);
    assert_true(enter(&request, 7, true, false, 1));
    assert_false(enter_at_rest(&ticket, &model, 7, false, true));
    assert_refused(409);
    assert_false(enter_at_rest(&ticket, &model, 7, true, false));
    assert_refused(409);
    compute(&request, 0);
    assert_true(enter_at_rest(&ticket, &model, 7, false, true));
    assert_true(enter(&request, 7, false, false, 1)); /* which then waits */
    assert_false(request.now);
    assert_true(sequences_withdraw(table, &request.ticket));
    sequences_leave(table, &ticket, (const float[STATE]){0}, 0);
    assert_unknown(7);
}

static void an_import_may_replace_a_strict_one(void **state)
{
    (void)state;
    const float numbers[STATE] = {1, 2, 3};
    struct sequence_ticket ticket;
    for (int i = 0; i < 2; i++) {
        assert_true(enter_at_rest(&ticket, &strict, 7, true, false));
        sequences_leave(table, &ticket, numbers, 99);
    }
    assert_int_equal(counts().alive, 1);
    assert_int_equal(counts().started, 2);
}

/* What they are is counted to where an import may still say it. */
static void bug_577_steps_stay_below_their_bound(void **state)
{
    (void)state;
    const float numbers[STATE] = {1, 1, 1};
    struct sequence_ticket ticket;
    assert_true(enter_at_rest(&ticket, &model, 7, true, false));
    sequences_leave(table, &ticket, numbers, SEQUENCE_STEPS_MAX - 11);
    run(7, false, false, 1);
    assert_holds(7, 2, SEQUENCE_STEPS_MAX - 1);
    run(7, false, false, 1);
    assert_holds(7, 3, SEQUENCE_STEPS_MAX);
    assert_true(enter_at_rest(&ticket, &model, 7, true, false));
    sequences_leave(table, &ticket, numbers, UINT64_MAX); /* as a file may say */
    run(7, false, false, 1);
    assert_holds(7, 2, SEQUENCE_STEPS_MAX);
}

static void a_model_with_another_state_does_not_know_the_old_ones(void **state)
{
    (void)state;
    const struct sequence_owner anew = {.model_name = "m", .state_size = STATE + 1, .causal = true};
    const struct sequence_id id = sequence_id_of_number(7);
    struct request request;
    struct sequence_ticket ticket;
    run(7, true, false, 1);
    assert_false(enter_as(&request, &anew, id, false, false, 1));
    assert_refused(404);
    assert_false(enter_at_rest(&ticket, &anew, 7, false, false));
    assert_refused(404);
    assert_true(enter_as(&request, &anew, id, true, false, 1));
    sequences_leave(table, &request.ticket, (const float[STATE + 1]){1, 2, 3, 4}, 5);
    assert_true(enter_at_rest(&ticket, &anew, 7, false, false));
    const float *numbers;
    uint64_t steps;
    assert_true(sequences_state(&ticket, &numbers, &steps, &fault));
    assert_true(numbers[STATE] == 4);
    sequences_leave(table, &ticket, NULL, 0);
}

static void a_model_that_is_not_causal_has_none(void **state)
{
    (void)state;
    const struct sequence_owner both_ways = {.model_name = "b", .state_size = STATE};
    struct request request;
    struct sequence_ticket ticket;
    assert_false(enter_as(&request, &both_ways, sequence_id_of_number(7), true, false, 1));
    assert_refused(400);
    fault.status = 0;
    assert_false(enter_at_rest(&ticket, &both_ways, 7, true, false));
    assert_refused(400);
}

/* ---- limits ---- */

static int two_only(void **state)
{
    (void)state;
    struct sequences_config config = roomy;
    config.count_limit = 2;
    return with_config(&config);
}

static void a_full_table_refuses_starts_and_nothing_else(void **state)
{
    (void)state;
    struct request request;
    run(1, true, false, 1);
    run(2, true, false, 1);
    assert_false(enter(&request, 3, true, false, 1));
    assert_refused(503);
    assert_int_equal(counts().rejected, 1);
    run(1, false, false, 1);
    run(2, true, false, 4);
    run(2, false, true, 4);
    run(3, true, false, 1);
    assert_int_equal(counts().rejected, 1);
}

static int few_bytes(void **state)
{
    (void)state;
    struct sequences_config config = roomy;
    config.bytes_limit = 4096;
    return with_config(&config);
}

static void bytes_are_limited(void **state)
{
    (void)state;
    struct request request;
    run(1, true, false, 1);
    assert_false(enter(&request, 2, true, false, 4096 / sizeof(float) / STATE));
    assert_refused(503);
    assert_false(enter(&request, 2, true, false, SIZE_MAX / STATE));
    assert_refused(503);
    assert_false(enter(&request, 1, true, false, SIZE_MAX));
    assert_refused(503);
    assert_holds(1, 1, 10);
    run(2, true, false, 1);
    assert_int_equal(counts().rejected, 3);
}

static int few_that_leave_soon(void **state)
{
    (void)state;
    struct sequences_config config = roomy;
    config.count_limit = 2;
    config.idle_timeout = 1;
    return with_config(&config);
}

static void room_is_made_by_those_that_are_due(void **state)
{
    (void)state;
    struct request running;
    assert_true(enter(&running, 1, true, false, 1));
    run(2, true, false, 1);
    const uint64_t at = clock_now();
    while (clock_now() == at)
        continue;
    run(3, true, false, 1);
    assert_unknown(2);
    compute(&running, 0);
    assert_int_equal(counts().evicted, 1);
    assert_int_equal(counts().rejected, 0);
}

/* ---- idle ---- */

static void those_at_rest_too_long_are_evicted(void **state)
{
    (void)state;
    struct request running;
    assert_int_equal(sequences_evict_idle(table, clock_now()), UINT64_MAX);
    const uint64_t before = clock_now();
    run(1, true, false, 1);
    run(2, true, false, 1);
    assert_true(enter(&running, 3, true, false, 1));
    const uint64_t next = sequences_evict_idle(table, clock_now());
    assert_in_range(next, before + roomy.idle_timeout, clock_now() + roomy.idle_timeout);
    const uint64_t second = sequences_evict_idle(table, next);
    assert_in_range(second, next + 1, clock_now() + roomy.idle_timeout);
    assert_int_equal(sequences_evict_idle(table, UINT64_MAX - 1), UINT64_MAX);
    assert_unknown(1);
    assert_unknown(2);
    assert_int_equal(counts().evicted, 2);
    compute(&running, 0);
    assert_holds(3, 1, 10);
}

static void many_are_evicted_at_once(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= roomy.count_limit; i++)
        run(i, true, false, 1);
    assert_int_equal(sequences_evict_idle(table, UINT64_MAX - 1), UINT64_MAX);
    assert_int_equal(counts().evicted, roomy.count_limit);
    assert_int_equal(counts().bytes, 0);
}

static void a_request_starts_the_time_anew(void **state)
{
    (void)state;
    run(1, true, false, 1);
    const uint64_t first = sequences_evict_idle(table, 0);
    while (clock_now() + roomy.idle_timeout <= first)
        continue;
    run(1, false, false, 1);
    assert_true(sequences_evict_idle(table, first) > first);
    assert_holds(1, 2, 20);
}

static void a_model_may_have_its_own_time(void **state)
{
    (void)state;
    const struct sequence_owner owner = {
        .model_name = "o", .state_size = STATE, .causal = true, .idle_timeout = 5};
    struct request request;
    run(1, true, false, 1);
    assert_true(enter_as(&request, &owner, sequence_id_of_number(1), true, false, 1));
    compute(&request, 0);
    sequences_evict_idle(table, clock_now() + 5);
    assert_int_equal(counts().evicted, 1);
    assert_holds(1, 1, 10);
}

static int never_idle(void **state)
{
    (void)state;
    struct sequences_config config = roomy;
    config.idle_timeout = 0;
    return with_config(&config);
}

static void without_a_time_none_is_evicted(void **state)
{
    (void)state;
    run(1, true, false, 1);
    assert_int_equal(sequences_evict_idle(table, UINT64_MAX - 1), UINT64_MAX);
    assert_holds(1, 1, 10);
}

/* Sleeps until there is one to evict, or it is woken; says which. */
static void *sleep_and_evict(void *argument)
{
    bool *woken = argument;
    struct sequences_counts seen;
    do {
        *woken = !sequences_sleep(table, sequences_evict_idle(table, clock_now()));
        sequences_count(table, &seen);
    } while (!*woken && seen.evicted == 0);
    return NULL;
}

static int soon_idle(void **state)
{
    (void)state;
    struct sequences_config config = roomy;
    config.idle_timeout = 1000;
    return with_config(&config);
}

static void who_evicts_is_woken_by_the_first_at_rest(void **state)
{
    (void)state;
    pthread_t thread;
    bool woken = false;
    assert_int_equal(pthread_create(&thread, NULL, sleep_and_evict, &woken), 0);
    run(1, true, false, 1);
    /* Asleep for ever before, or not yet asleep: either way it hears of the sequence. The call
     * behind its last sleep evicts, so the loop ends by itself. */
    while (counts().evicted == 0)
        sched_yield();
    sequences_wake(table);
    pthread_join(thread, NULL);
    assert_unknown(1);
}

static void who_sleeps_can_be_woken(void **state)
{
    (void)state;
    pthread_t thread;
    bool woken = false;
    assert_int_equal(pthread_create(&thread, NULL, sleep_and_evict, &woken), 0);
    sequences_wake(table);
    pthread_join(thread, NULL);
    assert_true(woken);
    assert_false(sequences_sleep(table, UINT64_MAX));
}

/* ---- models that go ---- */

/* The next model of the name, whose states are of the same size but mean something else. */
static const struct sequence_owner next_model = {
    .model_name = "m", .state_size = STATE, .layout = 1, .causal = true};

static void those_of_a_model_that_is_gone_are_evicted(void **state)
{
    struct sequence_owner old = model;
    struct request request;
    (void)state;
    for (uint64_t i = 1; i <= 70; i++)
        run(i, true, false, 1);
    assert_true(enter_as(&request, &strict, sequence_id_of_number(1), true, false, 1));
    compute(&request, 0);
    sequences_retire(table, &old);
    assert_int_equal(counts().evicted, 70);
    assert_int_equal(counts().alive, 1);
    assert_unknown(1);
}

static void a_request_under_way_finishes_before_its_sequence_goes(void **state)
{
    struct sequence_owner old = model;
    struct request first, second;
    (void)state;
    run(1, true, false, 1);
    assert_true(enter(&first, 1, false, false, 1));
    assert_true(enter(&second, 1, false, false, 1));
    sequences_retire(table, &old);
    compute(&first, 0);
    assert_int_equal(second.turns, 1);
    compute(&second, 0);
    assert_int_equal(counts().evicted, 1);
    assert_unknown(1);
}

static void a_start_on_a_model_that_is_gone_leaves_nothing(void **state)
{
    struct sequence_owner old = model;
    struct request request;
    (void)state;
    sequences_retire(table, &old);
    assert_true(enter_as(&request, &old, sequence_id_of_number(1), true, false, 1));
    compute(&request, 0);
    assert_int_equal(counts().evicted, 1);
    assert_unknown(1);
}

static void the_next_model_does_not_know_them_but_may_start_them(void **state)
{
    struct sequence_owner old = model;
    struct request running, request;
    (void)state;
    run(1, true, false, 1);
    assert_true(enter(&running, 1, false, false, 1));
    sequences_retire(table, &old);
    assert_false(enter_as(&request, &next_model, sequence_id_of_number(1), false, false, 1));
    assert_refused(404);
    assert_true(enter_as(&request, &next_model, sequence_id_of_number(1), true, false, 1));
    compute(&running, 0);
    assert_int_equal(request.turns, 1);
    compute(&request, 0);
    assert_int_equal(counts().evicted, 0);
    assert_int_equal(counts().alive, 1);
    assert_true(enter_as(&request, &next_model, sequence_id_of_number(1), false, false, 1));
    compute(&request, 0);
}

/* ---- watching ---- */

struct listing {
    size_t count, limit;
    struct sequence_view views[10];
};

static bool list_one(void *context, const struct sequence_view *view)
{
    struct listing *listing = context;
    assert_true(listing->count < 10);
    listing->views[listing->count++] = *view;
    return listing->count < listing->limit;
}

static void a_listing_shows_those_alive(void **state)
{
    (void)state;
    struct listing listing = {.limit = 10};
    struct request starting, running, waiting;
    run(3, true, false, 2);
    run(1, true, false, 1);
    run(1, false, false, 1);
    assert_true(enter(&starting, 2, true, false, 1)); /* not there yet */
    assert_true(enter(&running, 3, false, false, 2));
    assert_true(enter(&waiting, 3, false, false, 2));
    sequences_each(table, "m", &no_id, list_one, &listing);
    assert_int_equal(listing.count, 2);
    assert_int_equal(listing.views[0].id.number, 1);
    assert_int_equal(listing.views[0].steps, 20);
    assert_int_equal(listing.views[0].requests, 0);
    assert_true(listing.views[0].idle > 0);
    assert_int_equal(listing.views[1].id.number, 3);
    assert_int_equal(listing.views[1].rows, 2);
    assert_int_equal(listing.views[1].requests, 2);
    assert_int_equal(listing.views[1].idle, 0);
    compute(&starting, 0);
    compute(&running, 0);
    compute(&waiting, 0);
}

static void a_listing_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct listing listing = {.limit = 2};
    for (uint64_t i = 1; i <= 3; i++)
        run(i, true, false, 1);
    sequences_each(table, "m", &no_id, list_one, &listing);
    assert_int_equal(listing.count, 2);
    run(2, false, true, 1); /* the one to go on behind is gone */
    const struct sequence_id last = listing.views[1].id;
    listing.count = 0;
    sequences_each(table, "m", &last, list_one, &listing);
    assert_int_equal(listing.count, 1);
    assert_int_equal(listing.views[0].id.number, 3);
    listing.count = 0;
    sequences_each(table, "l", &no_id, list_one, &listing);
    assert_int_equal(listing.count, 0);
}

/* ---- all at once ---- */

/* Threads take tickets of a few sequences, fail, end, start anew, withdraw, list and evict at
 * random. Every state holds, in all its numbers, the serial of the ticket that wrote it, so that a
 * turn that came out of order, two at once, or a torn state would show: serials are taken inside
 * turn order, and a request finds what the last that was successful wrote. */
enum { THREADS = 6, IDS = 5, REQUESTS = 1500 };

struct actor {
    struct sequence_ticket ticket; /* first */
    struct random random;
    pthread_mutex_t lock;
    pthread_cond_t ready;
    bool turned;
};

static struct {
    atomic_int inside;  /* who has their turn in it: never above 1 */
    atomic_size_t rows; /* what the last successful one wrote; 0 rows: not alive */
    _Atomic float value;
} truth[IDS + 1];

static void let_run(struct sequence_ticket *ticket)
{
    struct actor *actor = (struct actor *)ticket;
    pthread_mutex_lock(&actor->lock);
    actor->turned = true;
    pthread_cond_signal(&actor->ready);
    pthread_mutex_unlock(&actor->lock);
}

static void wait_for_turn(struct actor *actor)
{
    pthread_mutex_lock(&actor->lock);
    while (!actor->turned)
        pthread_cond_wait(&actor->ready, &actor->lock);
    pthread_mutex_unlock(&actor->lock);
}

static void on_its_turn(struct actor *actor, uint64_t id, bool start, bool end, size_t rows)
{
    const float *before;
    uint64_t steps;
    float after[ROWS_MAX * STATE];
    struct fault refused;
    assert_int_equal(atomic_fetch_add(&truth[id].inside, 1), 0);
    bool done = sequences_state(&actor->ticket, &before, &steps, &refused);
    if (!done)
        assert_true(!start && atomic_load(&truth[id].rows) != rows);
    float value = 1;
    if (done && !start) {
        assert_int_equal(atomic_load(&truth[id].rows), rows);
        for (size_t i = 0; i < rows * STATE; i++)
            assert_true(before[i] == atomic_load(&truth[id].value));
        value = before[0] + 1;
    }
    for (size_t i = 0; i < rows * STATE; i++)
        after[i] = value;
    done = done && random_size(&actor->random, 1, 8) != 1;
    if (done) {
        atomic_store(&truth[id].rows, end ? 0 : rows);
        atomic_store(&truth[id].value, value);
    }
    atomic_fetch_sub(&truth[id].inside, 1);
    sequences_leave(table, &actor->ticket, done ? after : NULL, 1);
}

static void act(struct actor *actor)
{
    struct random *random = &actor->random;
    const uint64_t number = random_size(random, 1, IDS);
    const bool start = random_size(random, 1, 4) == 1, end = random_size(random, 1, 10) == 1;
    const size_t rows = random_size(random, 1, 2);
    struct sequence_id id = sequence_id_of_number(number);
    struct fault refused;
    bool now;
    actor->ticket = (struct sequence_ticket){.turn = let_run};
    actor->turned = false;
    if (!sequences_enter(table, &model, &id, start, end, rows, &actor->ticket, &now, &refused))
        return;
    if (!now && random_size(random, 1, 8) == 1 && sequences_withdraw(table, &actor->ticket))
        return;
    if (!now)
        wait_for_turn(actor);
    on_its_turn(actor, number, start, end, rows);
}

static bool sum_rows(void *context, const struct sequence_view *view)
{
    *(size_t *)context += view->rows;
    return true;
}

static void *act_at_random(void *argument)
{
    struct actor *actor = argument;
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t rows = 0;
        act(actor);
        sequences_each(table, "m", &no_id, sum_rows, &rows);
        sequences_evict_idle(table, clock_now());
    }
    return NULL;
}

static void many_threads_keep_the_order(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct actor actors[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.random = {.state = i + 1}};
        pthread_mutex_init(&actors[i].lock, NULL);
        pthread_cond_init(&actors[i].ready, NULL);
        assert_int_equal(pthread_create(&threads[i], NULL, act_at_random, &actors[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    size_t alive = 0;
    for (size_t i = 1; i <= IDS; i++)
        alive += atomic_load(&truth[i].rows) != 0;
    assert_int_equal(counts().alive, alive);
    assert_true(counts().started > 0 && counts().ended > 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_cond_destroy(&actors[i].ready);
        pthread_mutex_destroy(&actors[i].lock);
    }
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, destroy_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sequence_goes_on_where_it_was, roomy_table),
        TEST(an_unknown_one_is_not_found, roomy_table),
        TEST(neither_id_nor_start_is_a_bad_request, roomy_table),
        TEST(an_id_is_made, roomy_table),
        TEST(an_end_ends_it, roomy_table),
        TEST(an_end_without_anything_computed, roomy_table),
        TEST(other_rows_are_refused, roomy_table),
        TEST(no_rows_are_rows, roomy_table),
        TEST(a_start_begins_anew, roomy_table),
        TEST(a_strict_model_wants_an_end_first, roomy_table),
        TEST(a_strict_start_behind_an_end_that_failed, roomy_table),
        TEST(a_failure_changes_nothing, roomy_table),
        TEST(a_start_that_fails_leaves_nothing, roomy_table),
        TEST(a_start_that_fails_leaves_the_old_one, roomy_table),
        TEST(turns_come_in_the_order_of_tickets, roomy_table),
        TEST(sequences_do_not_wait_for_each_other, roomy_table),
        TEST(one_that_waits_can_be_withdrawn, roomy_table),
        TEST(what_waits_behind_an_end_is_refused_in_its_turn, roomy_table),
        TEST(what_waits_behind_a_start_that_fails, roomy_table),
        TEST(a_start_is_seen_by_what_waits_behind_it, roomy_table),
        TEST(only_one_at_rest_is_handled, roomy_table),
        TEST(an_import_may_replace_a_strict_one, roomy_table),
        TEST(bug_577_steps_stay_below_their_bound, roomy_table),
        TEST(a_model_with_another_state_does_not_know_the_old_ones, roomy_table),
        TEST(a_model_that_is_not_causal_has_none, roomy_table),
        TEST(a_full_table_refuses_starts_and_nothing_else, two_only),
        TEST(bytes_are_limited, few_bytes),
        TEST(room_is_made_by_those_that_are_due, few_that_leave_soon),
        TEST(those_at_rest_too_long_are_evicted, roomy_table),
        TEST(many_are_evicted_at_once, roomy_table),
        TEST(a_request_starts_the_time_anew, roomy_table),
        TEST(a_model_may_have_its_own_time, roomy_table),
        TEST(without_a_time_none_is_evicted, never_idle),
        TEST(who_evicts_is_woken_by_the_first_at_rest, soon_idle),
        TEST(who_sleeps_can_be_woken, roomy_table),
        TEST(those_of_a_model_that_is_gone_are_evicted, roomy_table),
        TEST(a_request_under_way_finishes_before_its_sequence_goes, roomy_table),
        TEST(a_start_on_a_model_that_is_gone_leaves_nothing, roomy_table),
        TEST(the_next_model_does_not_know_them_but_may_start_them, roomy_table),
        TEST(a_listing_shows_those_alive, roomy_table),
        TEST(a_listing_goes_on_where_it_stopped, roomy_table),
        TEST(many_threads_keep_the_order, roomy_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
