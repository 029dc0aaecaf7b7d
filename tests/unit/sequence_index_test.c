#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/sequence_index.h"

enum { COUNT = 500 };

static struct sequence_index sequences;
static struct sequence_node nodes[COUNT];
static const struct sequence_id none;

static void name(struct sequence_node *node, const char *model, uint64_t number)
{
    *node = (struct sequence_node){.id = sequence_id_of_number(number)};
    snprintf(node->model_name, sizeof node->model_name, "%s", model);
}

static int empty(void **state)
{
    (void)state;
    sequence_index_init(&sequences, 0);
    return 0;
}

static void an_empty_index_has_nothing(void **state)
{
    (void)state;
    const struct sequence_id id = sequence_id_of_number(1);
    assert_null(sequence_index_find(&sequences, "m", &id));
    assert_null(sequence_index_after(&sequences, "m", &none));
}

/* Numbers 1 to COUNT in an order that looks like none. */
static void add_all(const char *model)
{
    for (size_t i = 0; i < COUNT; i++) {
        name(&nodes[i], model, 1 + i * 311 % COUNT);
        sequence_index_add(&sequences, &nodes[i]);
    }
}

static void what_was_added_is_found_until_removed(void **state)
{
    (void)state;
    add_all("m");
    for (size_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(sequence_index_find(&sequences, "m", &nodes[i].id), &nodes[i]);
        assert_null(sequence_index_find(&sequences, "l", &nodes[i].id));
    }
    for (size_t i = 0; i < COUNT; i += 2)
        sequence_index_remove(&sequences, &nodes[i]);
    for (size_t i = 0; i < COUNT; i++)
        assert_ptr_equal(sequence_index_find(&sequences, "m", &nodes[i].id),
                         i % 2 == 0 ? NULL : &nodes[i]);
}

static void a_walk_is_in_order(void **state)
{
    (void)state;
    struct sequence_id at = none;
    add_all("m");
    for (uint64_t number = 1; number <= COUNT; number++) {
        const struct sequence_node *node = sequence_index_after(&sequences, "m", &at);
        assert_non_null(node);
        assert_int_equal(node->id.number, number);
        at = node->id;
    }
    assert_null(sequence_index_after(&sequences, "m", &at));
}

static void a_walk_goes_on_behind_what_is_gone(void **state)
{
    (void)state;
    name(&nodes[0], "m", 3);
    name(&nodes[1], "m", 9);
    sequence_index_add(&sequences, &nodes[1]);
    sequence_index_add(&sequences, &nodes[0]);
    const struct sequence_id five = sequence_id_of_number(5), nine = sequence_id_of_number(9);
    assert_ptr_equal(sequence_index_after(&sequences, "m", &five), &nodes[1]);
    assert_null(sequence_index_after(&sequences, "m", &nine));
}

static void models_are_apart(void **state)
{
    (void)state;
    static const char *const models[] = {"b", "a", "ab"};
    for (size_t i = 0; i < 3; i++) {
        name(&nodes[i], models[i], 7);
        sequence_index_add(&sequences, &nodes[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(sequence_index_find(&sequences, models[i], &nodes[i].id), &nodes[i]);
        assert_ptr_equal(sequence_index_after(&sequences, models[i], &none), &nodes[i]);
        assert_null(sequence_index_after(&sequences, models[i], &nodes[i].id));
    }
    assert_null(sequence_index_after(&sequences, "aa", &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_index_has_nothing, empty),
        cmocka_unit_test_setup(what_was_added_is_found_until_removed, empty),
        cmocka_unit_test_setup(a_walk_is_in_order, empty),
        cmocka_unit_test_setup(a_walk_goes_on_behind_what_is_gone, empty),
        cmocka_unit_test_setup(models_are_apart, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
