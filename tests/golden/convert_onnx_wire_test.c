/* ONNX graphs from end to end: converted by lstm-convert, served by the daemon, asked over HTTP
 * with the graph's inputs under their own names; every output of the graph comes back under its
 * name, of its shape, as ONNX Runtime answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/convert/case_tests.h"
#include "tests/support/convert/graph_tensors.h"
#include "tests/support/convert/served_folders.h"
#include "tests/support/fixture.h"
#include "tests/support/infer_client.h"
#include "tests/support/tensor_file.h"

static struct fixture fixture;
static struct case_folders files;

static void add_input(struct infer_body *body, const struct tensor_file *io,
                      const struct signature_tensor *tensor)
{
    const struct safetensors_tensor *x = safetensors_find(&io->tensors, tensor->name);
    if (tensor->datatype == DATATYPE_INT64) {
        int64_t *numbers = tensor_file_any_i64(io, tensor->name);
        infer_body_i64(body, tensor->name, x->rank, x->shape, numbers);
        free(numbers);
    } else {
        float *values = tensor_file_f32(io, tensor->name);
        infer_body_f32(body, tensor->name, x->rank, x->shape, values);
        free(values);
    }
}

static void compare(const char *folder, const struct tensor_file *io,
                    const struct infer_result_tensor *found)
{
    const struct safetensors_tensor *y = safetensors_find(&io->tensors, found->name);
    assert_non_null(y);
    assert_int_equal(found->rank, y->rank);
    for (size_t i = 0; i < y->rank; i++)
        assert_int_equal(found->shape[i], y->shape[i]);
    float *wanted = tensor_file_f32(io, found->name);
    case_tests_expect_near(folder, found->name, found->values, wanted, y->elements);
    free(wanted);
}

static void a_served_graph_answers_as_onnx_runtime(void **state)
{
    const char *folder = *state;
    struct graph_tensors graph;
    struct tensor_file io;
    struct infer_body body;
    struct infer_result result;
    graph_tensors_open(&graph, folder, &io);
    infer_body_begin(&body, folder);
    for (size_t i = 0; i < graph.signature.input_count; i++)
        add_input(&body, &io, &graph.signature.inputs[i]);
    assert_true(infer_post(&fixture.client, case_folder_name(folder), &body, &result));
    assert_int_equal(io.tensors.count, graph.signature.input_count + result.tensor_count);
    for (size_t i = 0; i < result.tensor_count; i++)
        compare(folder, &io, &result.tensors[i]);
    infer_result_fini(&result);
    graph_tensors_close(&graph);
    tensor_file_close(&io);
}

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
    case_folders_add(&files, "tests/golden/onnx");
    case_folders_add(&files, "tests/golden/onnx_files");
    case_tests_add(tests, &files, a_served_graph_answers_as_onnx_runtime);
    return _cmocka_run_group_tests("convert_onnx_wire", tests, files.count, start_daemon,
                                   stop_daemon);
}
