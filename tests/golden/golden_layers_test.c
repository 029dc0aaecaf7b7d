/* Keras' and ONNX' layers against the frameworks: every case of tests/golden/keras and onnx, its
 * weights as lstmd.json and lstmd.safetensors have them, computed in this process. Every tensor has
 * the framework's shape and is within 5e-6 of its answer; kernels and pieces change no bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "proto/model_builder.h"
#include "proto/signature.h"
#include "tests/support/die.h"
#include "tests/support/run_rows.h"
#include "tests/support/tensor_file.h"
#include "tests/support/whole_file.h"

#define TOLERANCE 5e-6

#define KERAS_CASES(X)                                                                             \
    X(keras, embedding_dense)                                                                      \
    X(keras, go_backwards)                                                                         \
    X(keras, hard_sigmoid)                                                                         \
    X(keras, masking)                                                                              \
    X(keras, merge_ave)                                                                            \
    X(keras, merge_mul)                                                                            \
    X(keras, merge_sum)                                                                            \
    X(keras, relu_no_bias)                                                                         \
    X(keras, seed_bidirectional)                                                                   \
    X(keras, seed_sequences_states)                                                                \
    X(keras, seed_simple)                                                                          \
    X(keras, seed_stacked3)                                                                        \
    X(keras, time_distributed)

#define ONNX_CASES(X)                                                                              \
    X(onnx, activations)                                                                           \
    X(onnx, bidirectional)                                                                         \
    X(onnx, clip)                                                                                  \
    X(onnx, clip_long)                                                                             \
    X(onnx, forward)                                                                               \
    X(onnx, input_forget)                                                                          \
    X(onnx, no_bias)                                                                               \
    X(onnx, peepholes)                                                                             \
    X(onnx, reverse)                                                                               \
    X(onnx, sequence_lens)                                                                         \
    X(onnx, sequence_lens_bidirectional)                                                           \
    X(onnx, states)

struct layers_case {
    struct tensor_file weights, io;
    struct model_config config;
    struct model *model;
    struct signature signature;
    size_t steps, rows, output_steps;
    float *input;
    float *h_0, *c_0; /* or NULL */
    int64_t *lengths; /* or NULL */
};

/* What came out: output in its own layout, and the rows' states. */
struct answer {
    float *output, *states;
};

static const struct signature_tensor *input_of(const struct layers_case *c, enum tensor_role role)
{
    for (size_t i = 0; i < c->signature.input_count; i++)
        if (c->signature.inputs[i].role == role)
            return &c->signature.inputs[i];
    return NULL;
}

static float *optional_f32(const struct layers_case *c, enum tensor_role role)
{
    const struct signature_tensor *tensor = input_of(c, role);
    return tensor != NULL && tensor_file_has(&c->io, tensor->name)
               ? tensor_file_f32(&c->io, tensor->name)
               : NULL;
}

static void read_inputs(struct layers_case *c)
{
    const struct signature_tensor *input = input_of(c, ROLE_INPUT);
    const struct signature_tensor *lengths = input_of(c, ROLE_LENGTHS);
    const struct safetensors_tensor *tensor = safetensors_find(&c->io.tensors, input->name);
    assert_non_null(tensor);
    assert_int_equal(tensor->rank, input->rank);
    c->steps = tensor->shape[input->steps_axis];
    c->rows = tensor->shape[input->rows_axis];
    c->output_steps = model_output_steps(c->model, c->steps);
    c->input = tensor_file_f32(&c->io, input->name);
    c->h_0 = optional_f32(c, ROLE_H);
    c->c_0 = optional_f32(c, ROLE_C);
    if (lengths != NULL && tensor_file_has(&c->io, lengths->name))
        c->lengths = tensor_file_i64(&c->io, lengths->name);
}

static void open_case(struct layers_case *c, const char *folder, const struct kernel *kernel)
{
    char path[160];
    size_t size;
    struct fault fault = {0};
    *c = (struct layers_case){0};
    snprintf(path, sizeof path, "tests/golden/%s/lstmd.safetensors", folder);
    tensor_file_open(&c->weights, path);
    snprintf(path, sizeof path, "tests/golden/%s/io.safetensors", folder);
    tensor_file_open(&c->io, path);
    snprintf(path, sizeof path, "tests/golden/%s/lstmd.json", folder);
    char *text = whole_file_read(path, &size);
    if (!model_config_parse(&c->config, text, size, "case", &fault) ||
        !model_build(&c->config, &c->weights.tensors, kernel, &c->model, &fault) ||
        !signature_init(&c->signature, c->model, &c->config, &fault))
        die("%s: %s", folder, fault.text);
    free(text);
    read_inputs(c);
}

static void close_case(struct layers_case *c)
{
    model_destroy(c->model);
    model_config_fini(&c->config);
    tensor_file_close(&c->weights);
    tensor_file_close(&c->io);
    free(c->input);
    free(c->h_0);
    free(c->c_0);
    free(c->lengths);
}

/* h_0, c_0 [cells,B,n] into the rows' states. */
static void set_states(const struct layers_case *c, float *states)
{
    const struct signature_state *s = &c->signature.states[0];
    const size_t cell = s->h_size + s->c_size;
    for (size_t j = 0; c->h_0 != NULL && j < s->cells; j++)
        for (size_t b = 0; b < c->rows; b++) {
            float *h = states + b * model_state_size(c->model) + s->offset + j * cell;
            memcpy(h, c->h_0 + (j * c->rows + b) * s->h_size, s->h_size * sizeof *h);
            memcpy(h + s->h_size, c->c_0 + (j * c->rows + b) * s->c_size, s->c_size * sizeof *h);
        }
}

static struct model_row row_of(const struct layers_case *c, const struct answer *answer, size_t b)
{
    const struct signature *s = &c->signature;
    const size_t in = s->input_size, out = s->output_size;
    return (struct model_row){
        .input = c->input + (s->batch_first ? b * c->steps : b) * in,
        .output = answer->output + (s->output_batch_first ? b * c->output_steps : b) * out,
        .input_stride = s->batch_first ? in : c->rows * in,
        .output_stride = s->output_batch_first ? out : c->rows * out,
        .steps = c->lengths != NULL ? (size_t)c->lengths[b] : c->steps,
        .state = answer->states + b * model_state_size(c->model),
    };
}

/* All rows, at most `piece` steps a call. */
static struct answer run(const struct layers_case *c, size_t piece)
{
    const size_t outputs = c->output_steps * c->rows * c->signature.output_size;
    const struct answer answer = {
        must_allocate_zeros(outputs + 1, sizeof(float)),
        must_allocate_zeros(c->rows * model_state_size(c->model) + 1, sizeof(float))};
    struct model_row *rows = must_allocate_zeros(c->rows, sizeof *rows);
    set_states(c, answer.states);
    for (size_t begin = 0; begin < c->steps; begin += piece) {
        for (size_t b = 0; b < c->rows; b++) {
            rows[b] = row_of(c, &answer, b);
            const size_t length = rows[b].steps, left = length > begin ? length - begin : 0;
            rows[b].input += begin * rows[b].input_stride;
            if (!c->signature.vector)
                rows[b].output += begin * rows[b].output_stride;
            rows[b].steps = left < piece ? left : piece;
            rows[b].ends = left > 0 && left <= piece;
        }
        run_rows(c->model, rows, c->rows);
    }
    if (c->signature.output_apart) {
        float *scratch = must_allocate_zeros(c->rows * c->signature.output_size, sizeof *scratch);
        signature_set_apart(&c->signature, c->output_steps, c->rows, answer.output, scratch);
        free(scratch);
    }
    free(rows);
    return answer;
}

static void free_answer(struct answer answer)
{
    free(answer.output);
    free(answer.states);
}

/* Element i of an output tensor. */
static float element(const struct layers_case *c, const struct answer *answer,
                     const struct signature_tensor *tensor, size_t i)
{
    if (tensor->role == ROLE_OUTPUT)
        return answer->output[i];
    const struct signature_state *s = &c->signature.states[tensor->state];
    const size_t n = tensor->role == ROLE_H ? s->h_size : s->c_size;
    const size_t cell = tensor->cell + i / n / c->rows, b = i / n % c->rows;
    return answer
        ->states[b * model_state_size(c->model) + s->offset + cell * (s->h_size + s->c_size) +
                 (tensor->role == ROLE_H ? 0 : s->h_size) + i % n];
}

/* ONNX' tensors are found by name, Keras' by their place. */
static const struct safetensors_tensor *answer_of(const struct layers_case *c, size_t place)
{
    char name[32];
    snprintf(name, sizeof name, "output%zu", place);
    const struct safetensors_tensor *found = safetensors_find(&c->io.tensors, name);
    return found != NULL ? found
                         : safetensors_find(&c->io.tensors, c->signature.outputs[place].name);
}

static size_t count_answers(const struct layers_case *c)
{
    size_t count = 0;
    while (count < c->signature.output_count && answer_of(c, count) != NULL)
        count++;
    return count;
}

static void check_tensor(const struct layers_case *c, const struct answer *answer, size_t place)
{
    const struct signature_tensor *tensor = &c->signature.outputs[place];
    const struct safetensors_tensor *wanted = answer_of(c, place);
    uint64_t shape[SIGNATURE_RANK_MAX];
    signature_output_shape(&c->signature, tensor, c->steps, c->rows, shape);
    assert_int_equal(tensor->rank, wanted->rank);
    for (size_t i = 0; i < wanted->rank; i++)
        assert_int_equal(shape[i], wanted->shape[i]);
    float *values = tensor_file_f32(&c->io, wanted->name);
    for (size_t i = 0; i < wanted->elements; i++) {
        const float found = element(c, answer, tensor, i);
        if (!(fabs((double)found - (double)values[i]) <= TOLERANCE))
            fail_msg("%s[%zu] is %.9g, the framework's %.9g", tensor->name, i, (double)found,
                     (double)values[i]);
    }
    free(values);
}

static void answers_are_the_frameworks(void **state)
{
    struct layers_case c;
    open_case(&c, *state, kernel_find(NULL));
    const struct answer answer = run(&c, c.steps);
    assert_true(count_answers(&c) > 0);
    for (size_t i = 0; i < count_answers(&c); i++)
        check_tensor(&c, &answer, i);
    free_answer(answer);
    close_case(&c);
}

static void kernels_and_pieces_change_no_bit(void **state)
{
    struct layers_case c;
    open_case(&c, *state, kernel_find("scalar"));
    const struct answer truth = run(&c, c.steps);
    for (const struct kernel *const *kernel = kernel_table; *kernel != NULL; kernel++) {
        struct layers_case other;
        if (!(*kernel)->supported())
            continue;
        open_case(&other, *state, *kernel);
        for (size_t piece = model_is_causal(c.model) ? 1 : c.steps; piece <= c.steps; piece++) {
            const struct answer answer = run(&other, piece);
            assert_memory_equal(answer.output, truth.output,
                                c.output_steps * c.rows * c.signature.output_size * sizeof(float));
            assert_memory_equal(answer.states, truth.states,
                                c.rows * model_state_size(c.model) * sizeof(float));
            free_answer(answer);
        }
        close_case(&other);
    }
    free_answer(truth);
    close_case(&c);
}

#define FOLDER(source, case_name) static char source##_##case_name[] = #source "/" #case_name;
#define TESTS_OF(source, case_name)                                                                \
    {"answers_are_the_frameworks(" #source "/" #case_name ")", answers_are_the_frameworks, NULL,   \
     NULL, source##_##case_name},                                                                  \
        {"kernels_and_pieces_change_no_bit(" #source "/" #case_name ")",                           \
         kernels_and_pieces_change_no_bit, NULL, NULL, source##_##case_name},

KERAS_CASES(FOLDER)
ONNX_CASES(FOLDER)

int main(void)
{
    const struct CMUnitTest tests[] = {KERAS_CASES(TESTS_OF) ONNX_CASES(TESTS_OF)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
