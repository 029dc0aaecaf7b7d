/* lstm-convert against PyTorch: every form in which weights are saved, converted and computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "tests/support/convert/convert_file.h"
#include "tests/support/die.h"
#include "tests/support/golden_case.h"
#include "tests/support/golden_run.h"
#include "tests/support/tensor_file.h"
#include "tests/support/whole_file.h"

#define FOLDER "tests/golden/torch_files"
#define BOUND  5e-6

/* ---- the cases of torch_files, one folder each ---- */

struct names {
    char list[64][64];
    size_t count;
};

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list_folder(const char *path, struct names *names)
{
    DIR *stream = opendir(path);
    names->count = 0;
    if (stream == NULL)
        die("%s is missing", path);
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "refused") != 0) {
            if (names->count == 64 || strlen(entry->d_name) >= sizeof names->list[0])
                die("%s: too many cases", path);
            strcpy(names->list[names->count++], entry->d_name);
        }
    closedir(stream);
    qsort(names->list, names->count, sizeof names->list[0], compare);
}

/* FOLDER/model.ANYTHING */
static void find_model(const char *folder, char path[256])
{
    DIR *stream = opendir(folder);
    path[0] = '\0';
    for (const struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;)
        if (strncmp(entry->d_name, "model.", 6) == 0)
            snprintf(path, 256, "%.120s/%.100s", folder, entry->d_name);
    if (path[0] == '\0')
        die("%s has no model", folder);
    closedir(stream);
}

/* Cuts the text at its lines. */
static void split_lines(char *text, const char *lines[16])
{
    size_t count = 0;
    for (char *line = strtok(text, "\n"); line != NULL && count < 15; line = strtok(NULL, "\n"))
        lines[count++] = line;
    lines[count] = NULL;
}

/* [T,B,I] of numbers, or [T,B] of an embedding's whole numbers. */
static float *read_input(const struct tensor_file *io, const struct safetensors_tensor *x)
{
    if (x->rank == 3)
        return tensor_file_f32(io, "input");
    int64_t *ids = tensor_file_i64(io, "input");
    float *input = must_allocate(x->elements * sizeof(float));
    for (size_t i = 0; i < x->elements; i++)
        input[i] = (float)ids[i];
    free(ids);
    return input;
}

static void check_answers(const struct convert_file *file, const char *folder)
{
    char path[160];
    struct tensor_file io;
    snprintf(path, sizeof path, "%s/io.safetensors", folder);
    tensor_file_open(&io, path);
    const struct safetensors_tensor *x = safetensors_find(&io.tensors, "input");
    const struct safetensors_tensor *y = safetensors_find(&io.tensors, "output");
    assert_true(x != NULL && (x->rank == 3 || x->rank == 2) && y != NULL);
    const bool batch_first = file->config.batch_first;
    const size_t steps = x->shape[batch_first], rows = x->shape[!batch_first];
    assert_int_equal(x->rank == 3 ? x->shape[2] : 1, model_input_size(file->model));
    assert_int_equal(x->rank == 2, model_vocabulary(file->model) > 0);
    assert_int_equal(y->elements, model_output_steps(file->model, steps) * rows *
                                      model_output_size(file->model));

    float *input = read_input(&io, x), *wanted = tensor_file_f32(&io, "output");
    float *output = must_allocate(y->elements * sizeof(float));
    convert_file_run(file, input, steps, rows, output);
    for (size_t i = 0; i < y->elements; i++)
        if (!(fabs((double)output[i] - (double)wanted[i]) <= BOUND))
            fail_msg("%s: output[%zu] is %.9g, torch gives %.9g", folder, i, output[i], wanted[i]);
    free(input);
    free(wanted);
    free(output);
    tensor_file_close(&io);
}

static void a_file_gives_torchs_answers(void **state)
{
    char folder[128], path[256], name[160];
    const char *arguments[16];
    struct convert_file file;
    struct fault fault = {0};
    size_t size;
    snprintf(folder, sizeof folder, FOLDER "/%s", (const char *)*state);
    find_model(folder, path);
    snprintf(name, sizeof name, "%s/arguments", folder);
    char *text = whole_file_read(name, &size);
    split_lines(text, arguments);
    if (!convert_file_open(&file, path, arguments, &fault))
        fail_msg("%s", fault.text);
    check_answers(&file, folder);
    convert_file_close(&file);
    free(text);
}

static void a_file_is_refused_for_what_it_has(void **state)
{
    char folder[128], path[256], name[160];
    struct convert_file file;
    struct fault fault = {0};
    size_t size;
    snprintf(folder, sizeof folder, FOLDER "/refused/%s", (const char *)*state);
    find_model(folder, path);
    snprintf(name, sizeof name, "%s/because", folder);
    char *because = whole_file_read(name, &size);
    because[strcspn(because, "\n")] = '\0';
    assert_false(convert_file_open(&file, path, NULL, &fault));
    assert_int_equal(fault.status, 400);
    if (strstr(fault.text, because) == NULL)
        fail_msg("'%s' expected, got '%s'", because, fault.text);
    free(because);
}

/* ---- tests/golden/torch: state_dicts of PyTorch 1.13, with the answers in float64 ---- */

static void a_golden_case_is_within_its_bound(void **state)
{
    char path[256];
    const char *batch_first[] = {"--batch-first", NULL};
    const struct golden_plan at_once = {.chunk = 0};
    struct golden_case golden;
    struct golden_answer answer;
    struct convert_file file;
    struct fault fault = {0};
    golden_case_open(&golden, *state);
    snprintf(path, sizeof path, "%s/model.pt", golden.folder);
    if (!convert_file_open(&file, path, golden.batch_first ? batch_first : NULL, &fault))
        fail_msg("%s", fault.text);
    assert_true(file.config.batch_first == golden.batch_first);
    golden_run(&golden, file.model, &at_once, &answer);
    if (golden_error(&golden, &answer) > golden.bound)
        fail_msg("error %.3g, allowed %.3g", golden_error(&golden, &answer), golden.bound);
    golden_answer_fini(&answer);
    convert_file_close(&file);
    golden_case_close(&golden);
}

/* ---- what was written is a fixed point ---- */

static void converting_again_gives_the_same_bytes(void **state)
{
    char folder[128], path[256];
    struct convert_file file;
    struct converted again = {0};
    struct fault fault = {0};
    (void)state;
    snprintf(folder, sizeof folder, FOLDER "/checkpoint");
    find_model(folder, path);
    assert_true(convert_file_open(&file, path, NULL, &fault));
    const struct blob *first = &file.converted.weights;
    assert_true(convert_bytes(first->bytes, first->size, &again, &fault));
    assert_int_equal(again.weights.size, first->size);
    assert_memory_equal(again.weights.bytes, first->bytes, first->size);
    converted_fini(&again);
    convert_file_close(&file);
}

/* clang-format off */
#define GOLDEN_TEST(case) {#case ": within its bound", a_golden_case_is_within_its_bound, NULL, NULL, (char[]){#case}},
/* clang-format on */

static void add_tests(struct CMUnitTest *tests, size_t *count, struct names *names,
                      CMUnitTestFunction test)
{
    for (size_t i = 0; i < names->count; i++)
        tests[(*count)++] = (struct CMUnitTest){names->list[i], test, NULL, NULL, names->list[i]};
}

int main(void)
{
    static struct names files, refused;
    struct CMUnitTest tests[192] = {GOLDEN_CASES(GOLDEN_TEST)
                                        cmocka_unit_test(converting_again_gives_the_same_bytes)};
    size_t count = 0;
    while (tests[count].name != NULL)
        count++;
    list_folder(FOLDER, &files);
    list_folder(FOLDER "/refused", &refused);
    add_tests(tests, &count, &files, a_file_gives_torchs_answers);
    add_tests(tests, &count, &refused, a_file_is_refused_for_what_it_has);
    return _cmocka_run_group_tests("convert_torch", tests, count, NULL, NULL);
}
