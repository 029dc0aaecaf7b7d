/* Named arrays as they lie in a file: what is taken, and what comes out of views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "deploy/convert/state_dict.h"

/* float32 0, 1, 2... as bytes. */
static unsigned char storage[12 * sizeof(float)];

static void fill_storage(void)
{
    for (size_t i = 0; i < 12; i++) {
        const float value = (float)i;
        memcpy(storage + i * sizeof value, &value, sizeof value);
    }
}

static void assert_view(const struct array *array, size_t offset, const float *wanted, size_t count)
{
    struct state_dict dict = {0};
    struct fault fault = {0};
    float values[12];
    if (!state_dict_add(&dict, array, storage, sizeof storage, offset, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(dict.arrays[0].elements, count);
    assert_true(array_read(&dict.arrays[0], values, &fault));
    assert_memory_equal(values, wanted, count * sizeof *wanted);
    state_dict_fini(&dict);
}

static void views_are_read_row_by_row(void **state)
{
    struct array array = {.name = "w", .type = ARRAY_F32, .rank = 2, .shape = {2, 3}};
    (void)state;
    fill_storage();
    assert_true(array_set_strides(&array, false));
    assert_view(&array, 0, (const float[]){0, 1, 2, 3, 4, 5}, 6);
    assert_view(&array, 6, (const float[]){6, 7, 8, 9, 10, 11}, 6);
    assert_true(array_set_strides(&array, true));
    assert_view(&array, 1, (const float[]){1, 3, 5, 2, 4, 6}, 6);
    array.strides[0] = 7;
    array.strides[1] = 2;
    assert_view(&array, 0, (const float[]){0, 2, 4, 7, 9, 11}, 6);
}

static void scalars_and_empty_arrays_are_arrays(void **state)
{
    const struct array scalar = {.name = "s", .type = ARRAY_F32, .rank = 0};
    const struct array empty = {
        .name = "e", .type = ARRAY_F32, .rank = 2, .shape = {0, 5}, .strides = {5, 1}};
    (void)state;
    fill_storage();
    assert_view(&scalar, 11, (const float[]){11}, 1);
    assert_view(&empty, 12, (const float[]){0}, 0);
    assert_string_equal(array_shape(&scalar).text, "[]");
    assert_string_equal(array_shape(&empty).text, "[0,5]");
}

static void assert_refused(const struct array *array, size_t offset, const char *text)
{
    struct state_dict dict = {0};
    struct fault fault = {0};
    assert_false(state_dict_add(&dict, array, storage, sizeof storage, offset, &fault));
    assert_int_equal(fault.status, 400);
    assert_string_equal(fault.text, text);
    assert_int_equal(dict.count, 0);
    state_dict_fini(&dict);
}

static void what_is_outside_of_the_storage_is_refused(void **state)
{
    struct array array = {
        .name = "w", .type = ARRAY_F32, .rank = 2, .shape = {3, 4}, .strides = {4, 1}};
    (void)state;
    assert_refused(&array, 1, "tensor 'w': [3,4] from element 1 lies outside of its storage of 12");
    assert_refused(&array, SIZE_MAX, "tensor 'w': its shape [3,4] overflows");
    array.strides[0] = SIZE_MAX / 2 + 1;
    assert_refused(&array, 0, "tensor 'w': its shape [3,4] overflows");
    array.strides[0] = 0;
    array.shape[0] = 4;
    assert_refused(&array, 0, "tensor 'w': [4,4] repeats the elements of its storage of 12");
    array = (struct array){.name = "w", .type = ARRAY_F64, .rank = 1, .shape = {7}, .strides = {1}};
    assert_refused(&array, 0, "tensor 'w': [7] from element 0 lies outside of its storage of 6");
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    assert_refused(&(struct array){.name = "", .type = ARRAY_F32}, 0, "a tensor without a name");
    assert_refused(&(struct array){.name = "a\nb", .type = ARRAY_F32}, 0,
                   "tensor 'a?b': its name has control characters");
}

static void arrays_are_found_by_name_and_are_there_once(void **state)
{
    static const char *const names[] = {"rnn.weight_ih_l0", "b", "a.b", "a"};
    struct state_dict dict = {0};
    struct fault fault = {0};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct array array = {.type = ARRAY_F32};
        strcpy(array.name, names[i]);
        assert_true(state_dict_add(&dict, &array, storage, sizeof storage, i, &fault));
    }
    assert_true(state_dict_sort(&dict, &fault));
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(state_dict_find(&dict, names[i])->bytes, storage + i * sizeof(float));
    assert_null(state_dict_find(&dict, "a."));
    struct array twice = {.name = "a.b", .type = ARRAY_F32};
    assert_true(state_dict_add(&dict, &twice, storage, sizeof storage, 0, &fault));
    assert_false(state_dict_sort(&dict, &fault));
    assert_string_equal(fault.text, "tensor 'a.b': given twice");
    state_dict_fini(&dict);
}

static void whole_numbers_are_no_weights(void **state)
{
    struct state_dict dict = {0};
    struct fault fault = {0};
    const struct array array = {.name = "n", .type = ARRAY_I64};
    float value;
    (void)state;
    assert_true(state_dict_add(&dict, &array, storage, sizeof storage, 0, &fault));
    assert_false(array_read(&dict.arrays[0], &value, &fault));
    assert_string_equal(fault.text,
                        "tensor 'n': float32, float16, bfloat16 or float64 expected, got int64");
    state_dict_fini(&dict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_read_row_by_row),
        cmocka_unit_test(scalars_and_empty_arrays_are_arrays),
        cmocka_unit_test(what_is_outside_of_the_storage_is_refused),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(arrays_are_found_by_name_and_are_there_once),
        cmocka_unit_test(whole_numbers_are_no_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
