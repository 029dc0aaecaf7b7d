/* lstm-convert against ONNX Runtime: graphs as exporters write them, converted and computed in this
 * process; graphs that must be refused. What the operator alone can have is also held against the
 * weights that stand beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "tests/support/convert/case_tests.h"
#include "tests/support/convert/graph_tensors.h"
#include "tests/support/die.h"

/* ---- the input alone goes in, the output comes out as it stands in the rows' memory ---- */

static void run(const struct graph_tensors *graph, const struct tensor_file *io,
                const struct signature_tensor *output, const char *folder)
{
    const struct signature *s = &graph->signature;
    const struct safetensors_tensor *x = safetensors_find(&io->tensors, s->inputs[0].name);
    const struct safetensors_tensor *y = safetensors_find(&io->tensors, output->name);
    assert_true(x != NULL && y != NULL);
    const size_t steps = x->shape[s->inputs[0].steps_axis], rows = x->shape[s->inputs[0].rows_axis];
    float *input = tensor_file_any_f32(io, s->inputs[0].name);
    float *wanted = tensor_file_f32(io, output->name);
    float *got = must_allocate((y->elements + 1) * sizeof *got);
    convert_file_run(&graph->file, input, steps, rows, got);
    case_tests_expect_near(folder, output->name, got, wanted, y->elements);
    free(input);
    free(wanted);
    free(got);
}

/* Requests with states or lengths, and outputs in other layouts than the input, are the daemon's:
 * convert_onnx_wire_test.c. */
static bool is_plain(const struct graph_tensors *graph, const struct tensor_file *io)
{
    const struct signature *s = &graph->signature;
    bool plain = s->outputs[0].role == ROLE_OUTPUT && !s->output_apart &&
                 (s->vector || s->batch_first == s->output_batch_first);
    for (size_t i = 1; i < s->input_count; i++)
        plain = plain && !tensor_file_has(io, s->inputs[i].name);
    return plain;
}

static void a_graph_gives_onnx_runtimes_answers(void **state)
{
    struct graph_tensors graph;
    struct tensor_file io;
    graph_tensors_open(&graph, *state, &io);
    case_tests_expect_itself(&graph.file.converted);
    if (is_plain(&graph, &io))
        run(&graph, &io, &graph.signature.outputs[0], *state);
    graph_tensors_close(&graph);
    tensor_file_close(&io);
}

/* ---- gates in this project's order, every number where it belongs ---- */

static void the_operators_weights_are_those_beside_it(void **state)
{
    char path[160];
    struct graph_tensors graph;
    struct tensor_file io, beside;
    graph_tensors_open(&graph, *state, &io);
    snprintf(path, sizeof path, "%s/lstmd.safetensors", (const char *)*state);
    tensor_file_open(&beside, path);
    assert_int_equal(graph.file.weights.count, beside.tensors.count);
    for (size_t i = 0; i < beside.tensors.count; i++) {
        const struct safetensors_tensor *wanted = &beside.tensors.tensors[i];
        const struct safetensors_tensor *found =
            safetensors_find(&graph.file.weights, wanted->name);
        assert_non_null(found);
        assert_int_equal(found->elements, wanted->elements);
        assert_memory_equal(found->bytes, wanted->bytes, wanted->size);
    }
    tensor_file_close(&beside);
    graph_tensors_close(&graph);
    tensor_file_close(&io);
}

static void a_graph_is_refused_for_what_it_has(void **state)
{
    case_folder_expect_refusal(*state);
}

int main(void)
{
    static struct case_folders operators, files, refused;
    static struct CMUnitTest tests[3 * CASE_FOLDERS_MAX];
    case_folders_add(&operators, "tests/golden/onnx");
    case_folders_add(&files, "tests/golden/onnx_files");
    case_folders_add(&refused, "tests/golden/onnx_files/refused");
    size_t count = case_tests_add(tests, &operators, the_operators_weights_are_those_beside_it);
    count += case_tests_add(tests + count, &files, a_graph_gives_onnx_runtimes_answers);
    count += case_tests_add(tests + count, &refused, a_graph_is_refused_for_what_it_has);
    return _cmocka_run_group_tests("convert_onnx", tests, count, NULL, NULL);
}
