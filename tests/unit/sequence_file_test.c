#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/sequence_file.h"
#include "tests/support/zero_model.h"

/* hidden_size 2 in one layer, or 1 in two: both have states of STATE floats. */
enum { FILE_MAX = 1 << 20, STATE = 4 };

static struct served_model served[2];
static struct model_table *both, *first_only;

static struct sequences *table;
static struct fault fault;
static char folder[] = "/tmp/sequence_file_test_XXXXXX";
static char path[64], beside[80];

static int make_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        snprintf(served[i].name, sizeof served[i].name, "model%zu", i);
        served[i].model = zero_model_create(2, 1);
        served[i].record = model_record_create();
        atomic_init(&served[i].references, 1);
        served[i].sequences = (struct sequence_owner){
            .model_name = served[i].name, .state_size = STATE, .causal = true};
        if (served[i].model == NULL)
            return -1;
    }
    both = model_table_create(2);
    first_only = model_table_create(1);
    for (size_t i = 0; i < 2; i++)
        model_table_add(both, &served[i]);
    model_table_add(first_only, &served[0]);
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/sequences", folder);
    snprintf(beside, sizeof beside, "%s.tmp", path);
    return 0;
}

static int drop_models(void **state)
{
    (void)state;
    model_table_release(both);
    model_table_release(first_only);
    for (size_t i = 0; i < 2; i++) {
        model_destroy(served[i].model);
        model_record_release(served[i].record);
    }
    return rmdir(folder);
}

static void create_table(size_t count_limit)
{
    const struct sequences_config config = {.count_limit = count_limit, .bytes_limit = 1 << 20};
    assert_true(sequences_create(&table, &config, &fault));
}

static int create(void **state)
{
    (void)state;
    create_table(100);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    sequences_destroy(table);
    unlink(path);
    return 0;
}

static void add(size_t model, struct sequence_id id, size_t rows, float value)
{
    struct sequence_ticket ticket;
    float state[2 * STATE];
    for (size_t i = 0; i < 2 * STATE; i++)
        state[i] = value + (float)i;
    assert_true(sequences_enter_at_rest(table, &served[model].sequences, &id, true, false, rows,
                                        &ticket, &fault));
    sequences_leave(table, &ticket, state, 33);
}

static void expect_there(size_t model, struct sequence_id id, size_t rows, float value)
{
    struct sequence_ticket ticket;
    const float *state;
    uint64_t steps;
    assert_true(sequences_enter_at_rest(table, &served[model].sequences, &id, false, false, 0,
                                        &ticket, &fault));
    assert_true(sequences_state(&ticket, &state, &steps, &fault));
    assert_int_equal(sequences_rows(&ticket), rows);
    assert_int_equal(steps, 33);
    for (size_t i = 0; i < rows * STATE; i++)
        assert_true(state[i] == value + (float)i);
    sequences_leave(table, &ticket, NULL, 0);
}

static struct sequence_id text_id(const char *text)
{
    struct sequence_id id;
    assert_true(sequence_id_of_text(text, &id));
    return id;
}

static size_t save(const struct model_table *models)
{
    size_t count;
    if (!sequence_file_save(path, table, models, &count, &fault))
        fail_msg("%s", fault.text);
    assert_int_not_equal(access(beside, F_OK), 0);
    return count;
}

static size_t load(const struct model_table *models)
{
    size_t count;
    if (!sequence_file_load(path, FILE_MAX, table, models, &count, &fault))
        fail_msg("%s", fault.text);
    return count;
}

static void expect_not_loaded(const struct model_table *models, const char *fragment)
{
    size_t count;
    fault = (struct fault){0};
    assert_false(sequence_file_load(path, FILE_MAX, table, models, &count, &fault));
    assert_memory_equal(fault.text, path, strlen(path));
    if (strstr(fault.text, fragment) == NULL)
        fail_msg("\"%s\" wanted, got \"%s\"", fragment, fault.text);
}

static void renew_table(size_t count_limit)
{
    sequences_destroy(table);
    create_table(count_limit);
}

static void what_was_saved_is_loaded(void **state)
{
    struct stat st;
    (void)state;
    add(0, sequence_id_of_number(UINT64_MAX), 2, 10);
    add(0, text_id("one"), 1, 20);
    add(1, sequence_id_of_number(1), 0, 30);
    assert_int_equal(save(both), 3);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    renew_table(100);
    assert_int_equal(load(both), 3);
    expect_there(0, sequence_id_of_number(UINT64_MAX), 2, 10);
    expect_there(0, text_id("one"), 1, 20);
    expect_there(1, sequence_id_of_number(1), 0, 30);
}

static void without_a_file_there_are_none(void **state)
{
    (void)state;
    assert_int_equal(load(both), 0);
}

static void a_file_of_none_is_a_file(void **state)
{
    (void)state;
    assert_int_equal(save(both), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(load(both), 0);
}

static void a_file_replaces_the_one_before(void **state)
{
    (void)state;
    add(0, sequence_id_of_number(1), 1, 10);
    save(both);
    add(0, sequence_id_of_number(2), 1, 20);
    assert_int_equal(save(both), 2);
    renew_table(100);
    assert_int_equal(load(both), 2);
}

static void models_without_sequences_may_be_gone(void **state)
{
    (void)state;
    add(0, sequence_id_of_number(1), 1, 10);
    save(both);
    renew_table(100);
    assert_int_equal(load(first_only), 1);
}

static void a_model_that_is_gone_is_told(void **state)
{
    (void)state;
    add(1, sequence_id_of_number(1), 1, 10);
    save(both);
    renew_table(100);
    expect_not_loaded(first_only, "holds sequences of model 'model1', which is not served");
}

static void a_model_that_has_changed_is_told(void **state)
{
    (void)state;
    add(0, sequence_id_of_number(1), 1, 10);
    save(both);
    struct model *before = served[0].model;
    served[0].model = zero_model_create(1, 2);
    assert_non_null(served[0].model);
    expect_not_loaded(both, "holds sequences of model 'model0' as it was");
    model_destroy(served[0].model);
    served[0].model = before;
}

static void a_table_that_is_too_small_is_told(void **state)
{
    (void)state;
    add(0, sequence_id_of_number(1), 1, 10);
    add(0, sequence_id_of_number(2), 1, 10);
    save(both);
    renew_table(1);
    expect_not_loaded(both, "sequence_limit");
}

static void a_damaged_file_is_told(void **state)
{
    (void)state;
    add(0, sequence_id_of_number(1), 1, 10);
    save(both);
    renew_table(100);
    assert_int_equal(truncate(path, 60), 0);
    expect_not_loaded(both, "damaged");
}

static void a_file_over_the_size_is_told(void **state)
{
    size_t count;
    (void)state;
    save(both);
    assert_false(sequence_file_load(path, 4, table, both, &count, &fault));
    assert_non_null(strstr(fault.text, "at most 4 bytes"));
}

static void a_place_that_is_none_is_told(void **state)
{
    size_t count;
    (void)state;
    assert_false(sequence_file_save("/proc/none/file", table, both, &count, &fault));
    assert_memory_equal(fault.text, "/proc/none/file.tmp: ", 21);
    /* A folder stands where the file should. */
    assert_false(sequence_file_save(folder, table, both, &count, &fault));
    char left[80];
    snprintf(left, sizeof left, "%s.tmp", folder);
    assert_int_not_equal(access(left, F_OK), 0);
}

static void a_link_beside_it_is_not_followed(void **state)
{
    size_t count;
    (void)state;
    add(0, sequence_id_of_number(1), 1, 10);
    assert_int_equal(symlink("/dev/full", beside), 0);
    assert_false(sequence_file_save(path, table, both, &count, &fault));
    assert_int_equal(unlink(beside), 0);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* As on a full disk. */
static void a_write_that_fails_leaves_the_file_before(void **state)
{
    size_t count;
    struct rlimit before, small;
    (void)state;
    add(0, sequence_id_of_number(1), 1, 10);
    save(both);
    add(0, sequence_id_of_number(2), 1, 20);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 50;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const bool saved = sequence_file_save(path, table, both, &count, &fault);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(saved);
    assert_memory_equal(fault.text, beside, strlen(beside));
    assert_int_not_equal(access(beside, F_OK), 0);
    renew_table(100);
    assert_int_equal(load(both), 1);
}

static void a_file_is_removed_once_it_is_taken_up(void **state)
{
    (void)state;
    save(both);
    assert_true(sequence_file_remove(path, &fault));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(sequence_file_remove(path, &fault));
    assert_false(sequence_file_remove(folder, &fault));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_loaded),
        TEST(without_a_file_there_are_none),
        TEST(a_file_of_none_is_a_file),
        TEST(a_file_replaces_the_one_before),
        TEST(models_without_sequences_may_be_gone),
        TEST(a_model_that_is_gone_is_told),
        TEST(a_model_that_has_changed_is_told),
        TEST(a_table_that_is_too_small_is_told),
        TEST(a_damaged_file_is_told),
        TEST(a_file_over_the_size_is_told),
        TEST(a_place_that_is_none_is_told),
        TEST(a_link_beside_it_is_not_followed),
        TEST(a_write_that_fails_leaves_the_file_before),
        TEST(a_file_is_removed_once_it_is_taken_up),
    };
    return cmocka_run_group_tests(tests, make_models, drop_models);
}
