#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/v1_predict.h"

/* The answer, in slices of every small size and in one. */
static void expect(const struct infer_answer *answer, bool columns, const char *wanted)
{
    size_t bound;
    assert_true(v1_answer_size(answer, &bound));
    assert_true(strlen(wanted) <= bound);
    for (size_t limit = 1; limit <= 9; limit++) {
        struct v1_answer_cursor cursor;
        struct json_writer writer;
        char *text;
        size_t size;
        json_writer_init(&writer);
        v1_answer_begin(&cursor);
        while (!v1_answer_write(&cursor, &writer, answer, columns, limit < 9 ? limit : SIZE_MAX))
            ;
        assert_true(json_writer_take(&writer, &text, &size));
        assert_int_equal(size, strlen(wanted));
        assert_memory_equal(text, wanted, size);
        free(text);
    }
}

static const float numbers[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void one_output_is_bare(void **state)
{
    (void)state;
    struct infer_answer answer = {
        .output_count = 1,
        .outputs = {{.name = "y", .rank = 3, .shape = {2, 3, 2}, .data = numbers}},
    };
#define ROWS "[[[1.0,2.0],[3.0,4.0],[5.0,6.0]],[[7.0,8.0],[9.0,10.0],[11.0,12.0]]]"
    expect(&answer, false, "{\"predictions\":" ROWS "}");
    expect(&answer, true, "{\"outputs\":" ROWS "}");
#undef ROWS
    answer.outputs[0].row_axis = 1; /* two steps of three rows */
    expect(&answer, false,
           "{\"predictions\":[[[1.0,2.0],[7.0,8.0]],[[3.0,4.0],[9.0,10.0]],"
           "[[5.0,6.0],[11.0,12.0]]]}");
}

static void rows_are_as_long_as_they_are(void **state)
{
    (void)state;
    static const int64_t steps[] = {1, 0, 2};
    struct infer_answer answer = {
        .output_count = 1,
        .outputs = {{.name = "y",
                     .rank = 3,
                     .shape = {2, 3, 2},
                     .data = numbers,
                     .row_axis = 1,
                     .row_steps = steps}},
    };
    expect(&answer, false, "{\"predictions\":[[[1.0,2.0]],[],[[5.0,6.0],[11.0,12.0]]]}");
    answer.outputs[0].row_axis = 0;
    answer.outputs[0].shape[0] = 3;
    answer.outputs[0].shape[1] = 2;
    expect(&answer, true, "{\"outputs\":[[[1.0,2.0]],[],[[9.0,10.0],[11.0,12.0]]]}");
}

static void several_outputs_have_names(void **state)
{
    (void)state;
    const struct infer_answer answer = {
        .output_count = 3,
        .outputs = {{.name = "y", .rank = 3, .shape = {1, 2, 2}, .data = numbers, .row_axis = 1},
                    {.name = "\"h\"", .rank = 2, .shape = {2, 3}, .data = numbers},
                    {.name = "s", .rank = 1, .shape = {2}, .data = numbers}},
    };
    expect(&answer, false,
           "{\"predictions\":[{\"y\":[[1.0,2.0]],\"\\\"h\\\"\":[1.0,2.0,3.0],\"s\":1.0},"
           "{\"y\":[[3.0,4.0]],\"\\\"h\\\"\":[4.0,5.0,6.0],\"s\":2.0}]}");
    expect(&answer, true,
           "{\"outputs\":{\"y\":[[[1.0,2.0]],[[3.0,4.0]]],"
           "\"\\\"h\\\"\":[[1.0,2.0,3.0],[4.0,5.0,6.0]],\"s\":[1.0,2.0]}}");
}

static void outputs_of_fewer_dimensions_stand_alone(void **state)
{
    (void)state;
    struct infer_answer answer = {
        .output_count = 1,
        .outputs = {{.name = "y", .rank = 2, .shape = {2, 3}, .data = numbers}},
    };
    expect(&answer, false, "{\"predictions\":[[1.0,2.0,3.0],[4.0,5.0,6.0]]}");
    answer.outputs[0].rank = 1;
    expect(&answer, false, "{\"predictions\":[1.0,2.0]}");
    expect(&answer, true, "{\"outputs\":[1.0,2.0]}");
}

static void rows_may_be_lists_of_lists(void **state)
{
    (void)state;
    static const int64_t steps[] = {1, 2};
    struct infer_answer answer = {
        .output_count = 1, /* [T,D,B,H] */
        .outputs = {{.name = "y",
                     .rank = 4,
                     .shape = {2, 3, 2, 1},
                     .data = numbers,
                     .row_axis = 2,
                     .row_steps = steps}},
    };
    expect(&answer, false,
           "{\"predictions\":[[[[1.0],[3.0],[5.0]]],"
           "[[[2.0],[4.0],[6.0]],[[8.0],[10.0],[12.0]]]]}");
    answer.outputs[0].row_axis = 0; /* [B,T,D,H] */
    expect(&answer, true, "{\"outputs\":[[[[1.0],[2.0]]],[[[7.0],[8.0]],[[9.0],[10.0]]]]}");
}

static void outputs_without_steps_are_empty_lists(void **state)
{
    (void)state;
    const struct infer_answer answer = {
        .output_count = 1,
        .outputs = {{.name = "y", .rank = 3, .shape = {0, 2, 2}, .row_axis = 1}},
    };
    expect(&answer, false, "{\"predictions\":[[],[]]}");
}

static void size_that_does_not_fit_is_said(void **state)
{
    (void)state;
    size_t bytes;
    struct infer_answer answer = {
        .output_count = 1,
        .outputs = {{.name = "y", .rank = 3, .shape = {1u << 31, 1u << 31, 2}}},
    };
    assert_false(v1_answer_size(&answer, &bytes));
    answer.outputs[0].shape[1] = 1u << 10;
    assert_true(v1_answer_size(&answer, &bytes));
}

static void failed_writer_ends_the_answer(void **state)
{
    (void)state;
    const struct infer_answer answer = {
        .output_count = 1,
        .outputs = {{.name = "y", .rank = 2, .shape = {2, 3}, .data = numbers}},
    };
    struct v1_answer_cursor cursor;
    struct json_writer writer;
    char *text;
    size_t size;
    json_writer_init(&writer);
    v1_answer_begin(&cursor);
    assert_false(v1_answer_write(&cursor, &writer, &answer, false, 2));
    json_reserve(&writer, SIZE_MAX);
    assert_true(v1_answer_write(&cursor, &writer, &answer, false, 2));
    assert_false(json_writer_take(&writer, &text, &size));
}

static void of_a_sequence_its_id_and_steps_follow(void **state)
{
    (void)state;
    struct sequence_id id = sequence_id_of_number(UINT64_MAX);
    const struct infer_answer answer = {
        .sequence_id = &id,
        .steps = 3,
        .output_count = 1,
        .outputs = {{.name = "y", .rank = 2, .shape = {1, 2}, .data = numbers}},
    };
    expect(&answer, true,
           "{\"outputs\":[[1.0,2.0]],\"parameters\":{\"sequence_id\":18446744073709551615,"
           "\"steps\":3}}");
    char text[SEQUENCE_ID_MAX];
    memset(text, '"', sizeof text - 1); /* two bytes each, in an answer of few numbers */
    text[sizeof text - 1] = '\0';
    assert_true(sequence_id_of_text(text, &id));
    struct v1_answer_cursor cursor;
    struct json_writer writer;
    size_t bound;
    json_writer_init(&writer);
    v1_answer_begin(&cursor);
    assert_true(v1_answer_write(&cursor, &writer, &answer, true, SIZE_MAX));
    assert_true(v1_answer_size(&answer, &bound));
    assert_true(writer.size <= bound && writer.size > 2 * (sizeof text - 1));
    json_writer_fini(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_output_is_bare),
        cmocka_unit_test(rows_are_as_long_as_they_are),
        cmocka_unit_test(several_outputs_have_names),
        cmocka_unit_test(outputs_of_fewer_dimensions_stand_alone),
        cmocka_unit_test(rows_may_be_lists_of_lists),
        cmocka_unit_test(outputs_without_steps_are_empty_lists),
        cmocka_unit_test(of_a_sequence_its_id_and_steps_follow),
        cmocka_unit_test(size_that_does_not_fit_is_said),
        cmocka_unit_test(failed_writer_ends_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
