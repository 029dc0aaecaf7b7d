#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/answer_classes.h"
#include "proto/little_endian.h"

static const char *const labels[] = {"a", "b", "c"};
static const float numbers[] = {0.5f, 2, -1, 3, 3, 1, 0, 0, 0.25f};

static struct infer_request request;
static struct infer_answer answer;
static struct answer_classes classes;

/* [3,3] of numbers, its two largest wanted with labels; and the first two of them as [2], of which
 * nothing special is. */
static void describe(void)
{
    infer_request_clear(&request);
    request.output_count = 2;
    request.outputs[0] = (struct infer_output){.classification = 2};
    request.outputs[1] = (struct infer_output){.classification = 0};
    answer = (struct infer_answer){.output_count = 2};
    answer.outputs[0] =
        (struct infer_answer_tensor){.rank = 2, .shape = {3, 3}, .data = numbers, .labels = labels};
    answer.outputs[1] =
        (struct infer_answer_tensor){.wanted = 1, .rank = 1, .shape = {2}, .data = numbers};
}

static void expect_strings(const struct infer_answer_tensor *tensor)
{
    static const char *const wanted[] = {"2.0:1:b", "0.5:0:a",  "3.0:0:a",
                                         "3.0:1:b", "0.25:2:c", "0.0:0:a"};
    const char *at = tensor->strings;
    assert_int_equal(tensor->datatype, DATATYPE_BYTES);
    assert_int_equal(tensor->shape[0], 3);
    assert_int_equal(tensor->shape[1], 2);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const size_t size = little_endian_read_u32(at);
        assert_int_equal(size, strlen(wanted[i]));
        assert_memory_equal(at + 4, wanted[i], size);
        at += 4 + size;
    }
    assert_int_equal(at - tensor->strings, tensor->strings_size);
}

static void strings_stand_in_for_numbers_whatever_the_slices(void **state)
{
    (void)state;
    size_t bytes;
    describe();
    assert_true(answer_classes_plan(&classes, &request, &answer, &bytes));
    void *memory = malloc(bytes);
    assert_non_null(memory);
    answer_classes_place(&classes, memory);
    for (size_t slice = 1; slice <= 20; slice++) {
        size_t calls = 0, limit;
        answer_classes_begin(&classes);
        do {
            limit = slice;
            calls++;
        } while (!answer_classes_make(&classes, &answer, &limit));
        assert_int_equal(calls, slice <= 3 ? 3 : slice <= 6 ? 2 : 1);
        struct infer_answer shown = answer;
        answer_classes_show(&classes, &shown);
        expect_strings(&shown.outputs[0]);
        assert_int_equal(shown.outputs[1].datatype, DATATYPE_FP32);
        assert_ptr_equal(shown.outputs[1].data, numbers);
    }
    free(memory);
}

/* Fewer rows, and not all of the outputs. */
static void parts_of_an_answer_have_their_own_strings(void **state)
{
    (void)state;
    size_t bytes, limit = 100;
    describe();
    request.outputs[1].classification = 1;
    assert_true(answer_classes_plan(&classes, &request, &answer, &bytes));
    void *memory = malloc(bytes);
    assert_non_null(memory);
    answer_classes_place(&classes, memory);
    answer_classes_begin(&classes);
    assert_true(answer_classes_make(&classes, &answer, &limit));
    struct infer_answer part = {.output_count = 1, .outputs = {answer.outputs[1]}};
    part.outputs[0].shape[0] = 2;
    part.outputs[0].data = numbers + 2;
    answer_classes_begin(&classes);
    assert_true(answer_classes_make(&classes, &part, &limit));
    answer_classes_show(&classes, &part);
    assert_int_equal(part.outputs[0].datatype, DATATYPE_BYTES);
    assert_int_equal(part.outputs[0].strings_size, 4 + strlen("3.0:1"));
    assert_memory_equal(part.outputs[0].strings + 4, "3.0:1", 5);
    answer.outputs[0].shape[0] = 1;
    answer_classes_begin(&classes);
    assert_true(answer_classes_make(&classes, &answer, &limit));
    answer_classes_show(&classes, &answer);
    assert_int_equal(answer.outputs[0].strings_size, 8 + strlen("2.0:1:b") + strlen("0.5:0:a"));
    free(memory);
}

static void before_they_are_made_there_is_room_for_the_longest(void **state)
{
    (void)state;
    size_t bytes;
    describe();
    assert_true(answer_classes_plan(&classes, &request, &answer, &bytes));
    answer_classes_begin(&classes);
    answer_classes_show(&classes, &answer);
    assert_true(answer.outputs[0].strings_size >= 6 * (4 + strlen("0.25:2:c")));
    assert_true(bytes > answer.outputs[0].strings_size);
}

static void more_than_there_are_is_all_there_are(void **state)
{
    (void)state;
    size_t bytes;
    describe();
    request.outputs[1].classification = UINT32_MAX;
    assert_true(answer_classes_plan(&classes, &request, &answer, &bytes));
    answer_classes_begin(&classes);
    answer_classes_show(&classes, &answer);
    assert_int_equal(answer.outputs[1].shape[0], 2);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    size_t bytes;
    describe();
    answer.outputs[0].shape[0] = UINT64_MAX / 3;
    assert_false(answer_classes_plan(&classes, &request, &answer, &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_stand_in_for_numbers_whatever_the_slices),
        cmocka_unit_test(parts_of_an_answer_have_their_own_strings),
        cmocka_unit_test(before_they_are_made_there_is_room_for_the_longest),
        cmocka_unit_test(more_than_there_are_is_all_there_are),
        cmocka_unit_test(sizes_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
