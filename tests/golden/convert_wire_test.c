/* The frameworks' files from end to end: converted by lstm-convert, served by the daemon, answered
 * over HTTP as the framework answers, the states too where Keras returns them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/convert/case_folder.h"
#include "tests/support/die.h"
#include "tests/support/differences.h"
#include "tests/support/fixture.h"
#include "tests/support/infer_client.h"
#include "tests/support/tensor_file.h"

#define BOUND 5e-6

static struct fixture fixture;
static struct case_folders files;

/* The case's name, which is the model's. */
static const char *name_of(const char *folder)
{
    return strrchr(folder, '/') + 1;
}

/* ---- requests and answers ---- */

/* An embedding's numbers, which TensorFlow.js keeps as floats. */
static int64_t *read_ids(const struct tensor_file *io, const struct safetensors_tensor *x)
{
    if (x->dtype != SAFETENSORS_F32)
        return tensor_file_i64(io, "input");
    float *values = tensor_file_f32(io, "input");
    int64_t *ids = must_allocate((x->elements + 1) * sizeof *ids);
    for (size_t i = 0; i < x->elements; i++)
        ids[i] = (int64_t)values[i];
    free(values);
    return ids;
}

static void post(const char *folder, const struct tensor_file *io, struct infer_result *result)
{
    const struct safetensors_tensor *x = safetensors_find(&io->tensors, "input");
    struct infer_body body;
    assert_non_null(x);
    infer_body_begin(&body, folder);
    if (x->rank == 2) {
        int64_t *ids = read_ids(io, x);
        infer_body_i64(&body, "input", x->rank, x->shape, ids);
        free(ids);
    } else {
        float *input = tensor_file_f32(io, "input");
        infer_body_f32(&body, "input", x->rank, x->shape, input);
        free(input);
    }
    assert_true(infer_post(&fixture.client, name_of(folder), &body, result));
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
    double largest = 0;
    for (size_t i = 0; i < y->elements; i++) {
        const double difference = fabs((double)found->values[i] - (double)wanted[i]);
        if (!(difference <= BOUND))
            fail_msg("%s: %s[%zu] is %.9g, the framework's %.9g", folder, found->name, i,
                     found->values[i], wanted[i]);
        largest = fmax(largest, difference);
    }
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

static void add_model(const char *folder)
{
    char model[256];
    const char *arguments[CASE_ARGUMENTS_MAX];
    char *text = case_folder_read(folder, model, arguments);
    fixture_add_converted(&fixture, name_of(folder), model, arguments);
    free(text);
}

static int start_daemon(void **state)
{
    (void)state;
    fixture_init(&fixture);
    for (size_t i = 0; i < files.count; i++)
        add_model(files.paths[i]);
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
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
    for (size_t i = 0; i < files.count; i++)
        tests[i] = (struct CMUnitTest){files.paths[i], a_served_file_gives_its_frameworks_answers,
                                       NULL, NULL, files.paths[i]};
    return _cmocka_run_group_tests("convert_wire", tests, files.count, start_daemon, stop_daemon);
}
