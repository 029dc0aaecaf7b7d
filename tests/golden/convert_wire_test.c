/* The frameworks' files from end to end: converted by lstm-convert, served by the daemon, answered
 * over HTTP as the framework answers, the states too where Keras returns them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/convert/case_tests.h"
#include "tests/support/convert/served_folders.h"
#include "tests/support/die.h"
#include "tests/support/differences.h"
#include "tests/support/fixture.h"
#include "tests/support/infer_client.h"
#include "tests/support/tensor_file.h"

static struct fixture fixture;
static struct case_folders files;

/* ---- requests and answers ---- */

static void post(const char *folder, const struct tensor_file *io, struct infer_result *result)
{
    const struct safetensors_tensor *x = safetensors_find(&io->tensors, "input");
    struct infer_body body;
    assert_non_null(x);
    infer_body_begin(&body, folder);
    if (x->rank == 2) {
        int64_t *ids = tensor_file_any_i64(io, "input");
        infer_body_i64(&body, "input", x->rank, x->shape, ids);
        free(ids);
    } else {
        float *input = tensor_file_f32(io, "input");
        infer_body_f32(&body, "input", x->rank, x->shape, input);
        free(input);
    }
    assert_true(infer_post(&fixture.client, case_folder_name(folder), &body, result));
}

/* The largest difference of an answer's tensor; they stand in the order in which Keras returns its
 * outputs. */
static double compare(const char *folder, const struct tensor_file *io, size_t number,
                      const struct infer_result_tensor *found)
{
    char name[32];
    snprintf(name, sizeof name, "output%zu", number);
    const struct safetensors_tensor *y = safetensors_find(&io->tensors, name);
    assert_int_equal(found->rank, y->rank);
    for (size_t i = 0; i < y->rank; i++)
        assert_int_equal(found->shape[i], y->shape[i]);
    float *wanted = tensor_file_f32(io, name);
    const double largest =
        case_tests_expect_near(folder, found->name, found->values, wanted, y->elements);
    free(wanted);
    return largest;
}

static void a_served_file_gives_its_frameworks_answers(void **state)
{
    const char *folder = *state;
    char path[160];
    struct tensor_file io;
    struct infer_result result;
    snprintf(path, sizeof path, "%s/io.safetensors", folder);
    tensor_file_open(&io, path);
    const size_t outputs = io.tensors.count - 1;
    post(folder, &io, &result);
    assert_string_equal(result.tensors[0].name, "output");
    if (outputs > 1) /* with states */
        assert_int_equal(result.tensor_count, outputs);
    double largest = 0;
    for (size_t i = 0; i < outputs; i++)
        largest = fmax(largest, compare(folder, &io, i, &result.tensors[i]));
    differences_note(folder + strlen("tests/golden/"), largest);
    infer_result_fini(&result);
    tensor_file_close(&io);
}

/* ---- the daemon and its models ---- */

static int start_daemon(void **state)
{
    (void)state;
    return served_folders_start(&fixture, &files) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

int main(void)
{
    static struct CMUnitTest tests[CASE_FOLDERS_MAX];
    case_folders_add(&files, "tests/golden/keras");
    case_folders_add(&files, "tests/golden/keras_files");
    case_folders_add(&files, "tests/golden/torch_files");
    case_tests_add(tests, &files, a_served_file_gives_its_frameworks_answers);
    return _cmocka_run_group_tests("convert_wire", tests, files.count, start_daemon, stop_daemon);
}
