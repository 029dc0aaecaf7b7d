/* lstm-convert against the frameworks: every form in which PyTorch's and Keras' models are saved,
 * converted and computed in this process, and converted once more to the same bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "core/model.h"
#include "tests/support/convert/case_tests.h"
#include "tests/support/die.h"
#include "tests/support/tensor_file.h"

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

    float *input = tensor_file_any_f32(&io, "input"), *wanted = tensor_file_f32(&io, "output0");
    float *output = must_allocate((y->elements + 1) * sizeof(float));
    convert_file_run(file, input, steps, rows, output);
    case_tests_expect_near(folder, "output", output, wanted, y->elements);
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

static void what_was_written_converts_to_itself(void **state)
{
    struct convert_file file;
    must_convert(&file, *state);
    case_tests_expect_itself(&file.converted);
    convert_file_close(&file);
}

static void a_file_is_refused_for_what_it_has(void **state)
{
    case_folder_expect_refusal(*state);
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
    size_t count = case_tests_add(tests, &files, a_file_gives_its_frameworks_answers);
    count += case_tests_add(tests + count, &files, what_was_written_converts_to_itself);
    count += case_tests_add(tests + count, &refused, a_file_is_refused_for_what_it_has);
    return _cmocka_run_group_tests("convert_answers", tests, count, NULL, NULL);
}
