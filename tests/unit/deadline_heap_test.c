#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/deadline_heap.h"

enum { COUNT = 200 };

static void an_empty_heap_has_no_first(void **state)
{
    (void)state;
    struct deadline_heap heap;
    struct deadline node = {0};
    assert_true(deadline_heap_init(&heap, 1));
    assert_null(deadline_heap_first(&heap));
    deadline_heap_remove(&heap, &node); /* was never in: nothing happens */
    deadline_heap_set(&heap, &node, 5);
    assert_ptr_equal(deadline_heap_first(&heap), &node);
    deadline_heap_remove(&heap, &node);
    deadline_heap_remove(&heap, &node);
    assert_null(deadline_heap_first(&heap));
    deadline_heap_fini(&heap);
}

/* A fixed sequence of numbers without order. */
static uint32_t scramble(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void nodes_come_out_earliest_first(void **state)
{
    (void)state;
    struct deadline_heap heap;
    struct deadline nodes[COUNT] = {0};
    uint32_t seed = 1;
    assert_true(deadline_heap_init(&heap, COUNT));
    for (size_t i = 0; i < COUNT; i++)
        deadline_heap_set(&heap, &nodes[i], scramble(&seed) % 50);
    uint64_t before = 0;
    for (size_t i = 0; i < COUNT; i++) {
        struct deadline *first = deadline_heap_first(&heap);
        assert_true(first->at >= before);
        before = first->at;
        deadline_heap_remove(&heap, first);
    }
    assert_null(deadline_heap_first(&heap));
    deadline_heap_fini(&heap);
}

static uint64_t smallest(const struct deadline *nodes, struct deadline **which)
{
    uint64_t at = UINT64_MAX;
    *which = NULL;
    for (size_t i = 0; i < COUNT; i++)
        if (nodes[i].place != 0 && nodes[i].at < at)
            at = nodes[i].at;
    return at;
}

static void the_first_is_right_after_any_change(void **state)
{
    (void)state;
    struct deadline_heap heap;
    struct deadline nodes[COUNT] = {0}, *which;
    uint32_t seed = 7;
    assert_true(deadline_heap_init(&heap, COUNT));
    for (size_t i = 0; i < 20000; i++) {
        struct deadline *node = &nodes[scramble(&seed) % COUNT];
        if (scramble(&seed) % 3 == 0)
            deadline_heap_remove(&heap, node);
        else
            deadline_heap_set(&heap, node, scramble(&seed) % 1000);
        const struct deadline *first = deadline_heap_first(&heap);
        assert_int_equal(first != NULL ? first->at : UINT64_MAX, smallest(nodes, &which));
    }
    deadline_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_heap_has_no_first),
        cmocka_unit_test(nodes_come_out_earliest_first),
        cmocka_unit_test(the_first_is_right_after_any_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
