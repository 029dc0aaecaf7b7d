/* lstm-convert against the frameworks: every form in which PyTorch's and Keras' models are saved,
 * converted and computed in this process, and converted once more to the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/model.h"
#include "tests/support/convert/case_folder.h"
#include "tests/support/die.h"
#include "tests/support/tensor_file.h"

#define BOUND 5e-6

/* The input, ids as the floats that a model takes them as. */
static float *read_input(const struct tensor_file *io, const struct safetensors_tensor *x)
{
    if (x->dtype == SAFETENSORS_F32)
        return tensor_file_f32(io, "input");
    int64_t *ids = tensor_file_i64(io, "input");
    float *input = must_allocate((x->elements + 1) * sizeof *input);
    for (size_t i = 0; i < x->elements; i++)
        input[i] = (float)ids[i];
    free(ids);
    return input;
}

static void compare(const char *folder, const struct safetensors_tensor *y, const float *output,
                    const float *wanted)
{
    for (size_t i = 0; i < y->elements; i++)
        if (!(fabs((double)output[i] - (double)wanted[i]) <= BOUND))
            fail_msg("%s: output[%zu] is %.9g, the framework's %.9g", folder, i, output[i],
                     wanted[i]);
}

static void check_answers(const struct convert_file *file, const char *folder)
{
    char path[160];
    struct tensor_file io;
    snprintf(path, sizeof path, "%s/io.safetensors", folder);
    tensor_file_open(&io, path);
    const struct safetensors_tensor *x = safetensors_find(&io.tensors, "input");
    const struct safetensors_tensor *y = safetensors_find(&io.tensors, "output0");
    assert_true(x != NULL && y != NULL && x->rank >= 2);
    const bool batch_first = file->config.batch_first;
    const size_t steps = x->shape[batch_first], rows = x->shape[!batch_first];
    assert_int_equal(x->elements, rows * steps * model_input_size(file->model));
    assert_int_equal(y->elements, model_output_steps(file->model, steps) * rows *
                                      model_output_size(file->model));
    assert_int_equal(model_output_is_vector(file->model), y->rank == 2);

    float *input = read_input(&io, x), *wanted = tensor_file_f32(&io, "output0");
    float *output = must_allocate((y->elements + 1) * sizeof(float));
    convert_file_run(file, input, steps, rows, output);
    compare(folder, y, output, wanted);
    free(input);
    free(wanted);
    free(output);
    tensor_file_close(&io);
}

static void must_convert(struct convert_file *file, const char *folder)
{
    struct fault fault = {0};
    if (!case_folder_convert(folder, file, &fault))
        fail_msg("%s", fault.text);
}

static void a_file_gives_its_frameworks_answers(void **state)
{
    struct convert_file file;
    must_convert(&file, *state);
    check_answers(&file, *state);
    convert_file_close(&file);
}

static void assert_same(const struct blob *a, const struct blob *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->bytes, b->bytes, a->size);
}

static void what_was_written_converts_to_itself(void **state)
{
    struct convert_file file;
    struct converted again;
    struct fault fault = {0};
    must_convert(&file, *state);
    if (!convert_again(&file.converted, &again, &fault))
        fail_msg("%s", fault.text);
    assert_same(&again.config, &file.converted.config);
    assert_same(&again.weights, &file.converted.weights);
    converted_fini(&again);
    convert_file_close(&file);
}

static void a_file_is_refused_for_what_it_has(void **state)
{
    case_folder_expect_refusal(*state);
}

static size_t add_tests(struct CMUnitTest *tests, struct case_folders *folders,
                        CMUnitTestFunction test)
{
    for (size_t i = 0; i < folders->count; i++)
        tests[i] = (struct CMUnitTest){folders->paths[i], test, NULL, NULL, folders->paths[i]};
    return folders->count;
}

int main(void)
{
    static struct case_folders files, refused;
    static struct CMUnitTest tests[3 * CASE_FOLDERS_MAX];
    case_folders_add(&files, "tests/golden/keras");
    case_folders_add(&files, "tests/golden/keras_files");
    case_folders_add(&files, "tests/golden/torch_files");
    case_folders_add(&refused, "tests/golden/keras_files/refused");
    case_folders_add(&refused, "tests/golden/torch_files/refused");
    size_t count = add_tests(tests, &files, a_file_gives_its_frameworks_answers);
    count += add_tests(tests + count, &files, what_was_written_converts_to_itself);
    count += add_tests(tests + count, &refused, a_file_is_refused_for_what_it_has);
    return _cmocka_run_group_tests("convert_answers", tests, count, NULL, NULL);
}
