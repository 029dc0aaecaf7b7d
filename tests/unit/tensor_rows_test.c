#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/tensor_rows.h"
#include "tests/support/random.h"

enum { ROWS_MAX = 6, STEPS_MAX = 5, SIZE_MOST = 4 };

/* Rows of random lengths, as text and as what they decode to. */
struct sample {
    char texts[ROWS_MAX][512];
    struct tensor_row rows[ROWS_MAX];
    float wanted[ROWS_MAX * STEPS_MAX * SIZE_MOST];
    uint64_t shape[3];
    struct tensor_rows tensor;
};

#define UNTOUCHED (-1.0f)

static void sample_init(struct sample *sample, struct random *random, size_t axis)
{
    const size_t rows = random_size(random, 1, ROWS_MAX), size = random_size(random, 1, SIZE_MOST);
    size_t longest = 0, steps[ROWS_MAX], number = 0;
    for (size_t b = 0; b < rows; b++) {
        steps[b] = random_size(random, 0, STEPS_MAX);
        longest = steps[b] > longest ? steps[b] : longest;
    }
    for (size_t i = 0; i < sizeof sample->wanted / sizeof *sample->wanted; i++)
        sample->wanted[i] = UNTOUCHED;
    for (size_t b = 0; b < rows; b++) {
        char *at = sample->texts[b] + sprintf(sample->texts[b], "[ ");
        for (size_t t = 0; t < steps[b]; t++) {
            at += sprintf(at, t == 0 ? "[" : " , [");
            for (size_t i = 0; i < size; i++, number++) {
                const size_t place = axis == 0 ? b * longest + t : t * rows + b;
                sample->wanted[place * size + i] = (float)number;
                at += sprintf(at, "%s%zu", i == 0 ? "" : ",", number);
            }
            at += sprintf(at, "]");
        }
        at += sprintf(at, "]");
        sample->rows[b] =
            (struct tensor_row){sample->texts[b], (size_t)(at - sample->texts[b]), steps[b]};
    }
    sample->shape[axis] = rows;
    sample->shape[1 - axis] = longest;
    sample->shape[2] = size;
    sample->tensor =
        (struct tensor_rows){sample->rows, sample->shape, 3, axis, rows * longest * size};
}

static void rows_go_to_their_places(void **state)
{
    (void)state;
    struct random random = {7};
    for (int round = 0; round < 500; round++) {
        struct sample sample;
        struct tensor_rows_cursor cursor;
        struct fault fault = {0};
        float out[ROWS_MAX * STEPS_MAX * SIZE_MOST];
        sample_init(&sample, &random, (size_t)round & 1);
        for (size_t i = 0; i < sizeof out / sizeof *out; i++)
            out[i] = UNTOUCHED;
        tensor_rows_begin(&cursor, &sample.tensor);
        do {
            const size_t limit = random_size(&random, 1, 9);
            if (!tensor_rows_read_f32(&cursor, out, limit, &fault))
                fail_msg("round %d: %s", round, fault.text);
        } while (cursor.index < sample.tensor.elements);
        assert_int_equal(cursor.index, sample.tensor.elements);
        assert_memory_equal(out, sample.wanted, sizeof out);
    }
}

/* So that a slice ends however many rows without numbers there are. */
static void empty_rows_count_against_the_limit(void **state)
{
    (void)state;
    static const struct tensor_row rows[] = {
        {"[]", 2, 0}, {"[]", 2, 0}, {"[[8,9]]", 7, 1}, {"[]", 2, 0}};
    static const uint64_t shape[] = {4, 1, 2};
    const struct tensor_rows tensor = {rows, shape, 3, 0, 8};
    static const size_t indices[] = {2, 4, 5, 6, 8};
    struct tensor_rows_cursor cursor;
    struct fault fault = {0};
    float out[8];
    tensor_rows_begin(&cursor, &tensor);
    for (size_t i = 0; i < 5; i++) {
        assert_true(tensor_rows_read_f32(&cursor, out, 1, &fault));
        assert_int_equal(cursor.index, indices[i]);
    }
    assert_true(out[4] == 8 && out[5] == 9);
}

static void bare_numbers_are_rows_of_one_dimension(void **state)
{
    (void)state;
    static const char text[] = "{\"n\":7,\"n\":-2 }";
    const struct tensor_row rows[] = {{text + 5, 1, 0}, {text + 11, 2, 0}};
    static const uint64_t shape[] = {2};
    const struct tensor_rows tensor = {rows, shape, 1, 0, 2};
    struct tensor_rows_cursor cursor;
    struct fault fault = {0};
    int64_t i64[2];
    float f32[2];
    tensor_rows_begin(&cursor, &tensor);
    assert_true(tensor_rows_read_i64(&cursor, -2, 7, i64, 5, &fault));
    assert_true(i64[0] == 7 && i64[1] == -2 && cursor.index == 2);
    tensor_rows_begin(&cursor, &tensor);
    assert_true(tensor_rows_read_f32(&cursor, f32, 5, &fault));
    assert_true(f32[0] == 7 && f32[1] == -2);
    tensor_rows_begin(&cursor, &tensor);
    assert_false(tensor_rows_read_i64(&cursor, -1, 7, i64, 5, &fault));
    assert_string_equal(fault.text,
                        "row 1: element 0: a whole number from -1 to 7 is wanted, got '-2'");
}

/* [T,B]: no two numbers of a row stand together. */
static void numbers_of_a_row_may_stand_apart(void **state)
{
    (void)state;
    static const struct tensor_row rows[] = {{"[1,2,3]", 7, 3}, {"[]", 2, 0}, {"[ 4 , 5 ]", 9, 2}};
    static const uint64_t shape[] = {3, 3};
    static const int64_t wanted[] = {1, -9, 4, 2, -9, 5, 3, -9, -9};
    const struct tensor_rows tensor = {rows, shape, 2, 1, 9};
    for (size_t limit = 1; limit <= 9; limit++) {
        struct tensor_rows_cursor cursor;
        struct fault fault = {0};
        int64_t out[9];
        for (size_t i = 0; i < 9; i++)
            out[i] = -9;
        tensor_rows_begin(&cursor, &tensor);
        do {
            assert_true(tensor_rows_read_i64(&cursor, 0, 9, out, limit, &fault));
        } while (cursor.index < 9);
        assert_memory_equal(out, wanted, sizeof out);
    }
}

static void flat_rows_are_refused(void **state)
{
    (void)state;
    static const struct tensor_row rows[] = {{"[1,2]", 5, 1}};
    static const uint64_t shape[] = {1, 1, 2};
    const struct tensor_rows tensor = {rows, shape, 3, 1, 2};
    struct tensor_rows_cursor cursor;
    struct fault fault = {0};
    float out[2];
    tensor_rows_begin(&cursor, &tensor);
    assert_false(tensor_rows_read_f32(&cursor, out, 5, &fault));
    assert_string_equal(fault.text, "row 0: element 0: '[' is wanted, got '1'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_to_their_places),
        cmocka_unit_test(empty_rows_count_against_the_limit),
        cmocka_unit_test(bare_numbers_are_rows_of_one_dimension),
        cmocka_unit_test(numbers_of_a_row_may_stand_apart),
        cmocka_unit_test(flat_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
