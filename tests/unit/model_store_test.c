#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/model_store.h"

enum { READERS = 4, TABLES = 3000 };

static struct model_store store;
static struct model_record *record;
static struct fault fault;

static struct served_model *make_model(const char *name)
{
    struct served_model *served = served_model_create();
    assert_non_null(served);
    strcpy(served->name, name);
    served->record = record;
    model_record_acquire(record);
    atomic_fetch_add(&record->models, 1);
    return served;
}

/* A table of one new model of that name. */
static struct model_table *make_table(const char *name)
{
    struct model_table *table = model_table_create(3);
    struct served_model *served = make_model(name);
    assert_non_null(table);
    model_table_add(table, served);
    served_model_release(served);
    return table;
}

static int open_store(void **state)
{
    (void)state;
    record = model_record_create();
    model_store_init(&store, make_table("m"));
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    model_store_fini(&store);
    const bool all_gone = atomic_load(&record->models) == 0;
    const bool last = atomic_load(&record->references) == 1;
    model_record_release(record);
    return all_gone && last ? 0 : -1;
}

static struct served_model *take(const char *name, const char *version)
{
    return model_store_acquire(&store, name, strlen(name), version,
                               version != NULL ? strlen(version) : 0, &fault);
}

static void expect_no(const char *name, const char *version, int status, const char *text)
{
    assert_null(take(name, version));
    assert_int_equal(fault.status, status);
    if (strstr(fault.text, text) == NULL)
        fail_msg("'%s' wanted, got '%s'", text, fault.text);
}

static void a_model_is_found_by_name_and_version(void **state)
{
    (void)state;
    struct served_model *any = take("m", NULL), *first = take("m", "1");
    assert_non_null(any);
    assert_ptr_equal(any, first);
    served_model_release(any);
    served_model_release(first);
    expect_no("m", "2", 404, "'m' version 2 is not found");
    expect_no("mm", NULL, 404, "'mm' is not found");
    expect_no("", NULL, 404, "'' is not found");
}

static void what_is_not_ready_is_known_but_not_found(void **state)
{
    struct model_table *table = make_table("m");
    (void)state;
    model_table_add_absent(table, "comes", record, MODEL_LOADING, "");
    model_table_add_absent(table, "gone", record, MODEL_UNAVAILABLE, "unloaded");
    model_store_replace(&store, table);
    expect_no("comes", NULL, 503, "not at ready state");
    expect_no("gone", NULL, 404, "no available versions");
    assert_true(model_store_is_absent(&store, "comes", 5));
    assert_true(model_store_is_absent(&store, "gone", 4));
    assert_false(model_store_is_absent(&store, "m", 1));
    assert_false(model_store_is_absent(&store, "nobody", 6));
}

static void a_model_that_was_replaced_stays_for_whoever_holds_it(void **state)
{
    (void)state;
    struct served_model *before = take("m", NULL);
    model_store_replace(&store, make_table("m"));
    struct served_model *after = take("m", NULL);
    assert_ptr_not_equal(before, after);
    assert_string_equal(before->name, "m");
    assert_int_equal(atomic_load(&record->models), 2);
    served_model_release(before);
    assert_int_equal(atomic_load(&record->models), 1);
    served_model_release(after);
}

static void a_copied_entry_is_the_same_model(void **state)
{
    (void)state;
    struct model_table *old = model_store_table(&store);
    struct model_table *copy = model_table_create(1);
    strcpy(old->entries[0].reason, "why");
    model_table_add_copy(copy, &old->entries[0]);
    assert_ptr_equal(copy->entries[0].served, old->entries[0].served);
    assert_string_equal(copy->entries[0].reason, "why");
    model_table_release(old);
    model_store_replace(&store, copy);
}

/* ---- looking while it is replaced ---- */

static atomic_bool stop;

/* A model that was let go too early shows as freed memory under the sanitizers, and as a name that
 * is no more. */
static void *look_on_and_on(void *argument)
{
    size_t *looks = argument;
    while (!atomic_load(&stop)) {
        struct fault why;
        struct served_model *served = model_store_acquire(&store, "m", 1, NULL, 0, &why);
        if (served == NULL || strcmp(served->name, "m") != 0)
            return NULL;
        served_model_release(served);
        struct model_table *table = model_store_table(&store);
        if (table->count != 1)
            return NULL;
        model_table_release(table);
        ++*looks;
    }
    return looks;
}

static void nobody_sees_a_model_that_is_gone(void **state)
{
    pthread_t readers[READERS];
    size_t looks[READERS] = {0};
    (void)state;
    atomic_store(&stop, false);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, look_on_and_on, &looks[i]), 0);
    for (size_t i = 0; i < TABLES; i++)
        model_store_replace(&store, make_table("m"));
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        void *result;
        pthread_join(readers[i], &result);
        assert_ptr_equal(result, &looks[i]);
    }
    assert_int_equal(atomic_load(&record->models), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_is_found_by_name_and_version),
        TEST(what_is_not_ready_is_known_but_not_found),
        TEST(a_model_that_was_replaced_stays_for_whoever_holds_it),
        TEST(a_copied_entry_is_the_same_model),
        TEST(nobody_sees_a_model_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
