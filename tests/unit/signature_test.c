#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/signature.h"

/* ---- models, with weights of zeros ---- */

static const float zeros[1024];
#define CELL                                                                                       \
    {                                                                                              \
        .weight_ih = zeros, .weight_hh = zeros                                                     \
    }
static const struct lstm_weights cells[] = {CELL, CELL, CELL, CELL, CELL, CELL};
static const struct lstm_weights projected = {
    .weight_ih = zeros, .weight_hh = zeros, .weight_hr = zeros};

static struct layer_spec lstm(size_t input_size, size_t hidden_size, size_t num_layers,
                              bool bidirectional)
{
    return (struct layer_spec){.type = LAYER_LSTM,
                               .as.lstm = {.input_size = input_size,
                                           .hidden_size = hidden_size,
                                           .num_layers = num_layers,
                                           .bidirectional = bidirectional,
                                           .weights = cells}};
}

static struct layer_spec dense(size_t in, size_t out)
{
    return (struct layer_spec){
        .type = LAYER_DENSE, .as.dense = {.in_features = in, .out_features = out, .weight = zeros}};
}

/* Models live as long as the tests: signatures look at them. */
static struct model *models[64];
static size_t model_count;

static struct model *keep(struct model *model)
{
    assert_non_null(model);
    assert_true(model_count < sizeof models / sizeof models[0]);
    return models[model_count++] = model;
}

static int destroy_models(void **state)
{
    (void)state;
    while (model_count > 0)
        model_destroy(models[--model_count]);
    return 0;
}

static struct signature signature_for(const struct layer_spec *layers, size_t count,
                                      const struct model_config *config)
{
    struct signature signature;
    struct fault fault = {0};
    struct model *model = keep(model_create(layers, count, kernel_find(NULL)));
    if (!signature_init(&signature, model, config, &fault))
        fail_msg("%s", fault.text);
    return signature;
}

static struct signature signature_of(const struct layer_spec *layers, size_t count,
                                     bool batch_first)
{
    return signature_for(layers, count, &(struct model_config){.batch_first = batch_first});
}

/* One LSTM 10 -> 7. */
static struct signature simple(bool batch_first)
{
    const struct layer_spec layer = lstm(10, 7, 1, false);
    return signature_of(&layer, 1, batch_first);
}

static void expect_tensor(const struct signature_tensor *tensor, const char *name,
                          enum datatype datatype, bool optional, size_t rank, int64_t a, int64_t b,
                          int64_t c)
{
    const int64_t shape[3] = {a, b, c};
    assert_string_equal(tensor->name, name);
    assert_int_equal(tensor->datatype, datatype);
    assert_int_equal(tensor->optional, optional);
    assert_int_equal(tensor->rank, rank);
    assert_memory_equal(tensor->shape, shape, rank * sizeof shape[0]);
}

/* ---- signatures ---- */

static void one_lstm_has_input_states_and_lengths(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    assert_int_equal(s.input_size, 10);
    assert_int_equal(s.output_size, 7);
    assert_int_equal(s.input_count, 4);
    expect_tensor(&s.inputs[0], "input", DATATYPE_FP32, false, 3, -1, -1, 10);
    expect_tensor(&s.inputs[1], "h_0", DATATYPE_FP32, true, 3, 1, -1, 7);
    expect_tensor(&s.inputs[2], "c_0", DATATYPE_FP32, true, 3, 1, -1, 7);
    expect_tensor(&s.inputs[3], "lengths", DATATYPE_INT64, true, 1, -1, 0, 0);
    assert_int_equal(s.output_count, 3);
    expect_tensor(&s.outputs[0], "output", DATATYPE_FP32, false, 3, -1, -1, 7);
    expect_tensor(&s.outputs[1], "h_n", DATATYPE_FP32, false, 3, 1, -1, 7);
    expect_tensor(&s.outputs[2], "c_n", DATATYPE_FP32, false, 3, 1, -1, 7);
    assert_int_equal(s.inputs[0].role, ROLE_INPUT);
    assert_int_equal(s.inputs[3].role, ROLE_LENGTHS);
    assert_int_equal(s.outputs[0].role, ROLE_OUTPUT);
    assert_int_equal(s.outputs[1].role, ROLE_H);
    assert_int_equal(s.outputs[2].role, ROLE_C);
}

/* nn.LSTM's states are what it returns; those of layers in a network are not, unless the config
 * names them. */
static void what_a_network_returns_is_told_from_what_it_keeps(void **state)
{
    (void)state;
    static const struct model_config configs[] = {
        {.bare_lstm = false},
        {.bare_lstm = true},
        {.tensors.names[MODEL_H_N] = "Y_h"},
    };
    static const bool h_n[] = {false, true, true}, c_n[] = {false, true, false};
    const struct layer_spec layer = lstm(10, 7, 1, false);
    for (size_t i = 0; i < 3; i++) {
        const struct signature s = signature_for(&layer, 1, &configs[i]);
        assert_true(s.outputs[0].returned);
        assert_int_equal(s.outputs[1].returned, h_n[i]);
        assert_int_equal(s.outputs[2].returned, c_n[i]);
    }
}

static void labels_are_of_output_s_features(void **state)
{
    (void)state;
    static const char *labels[] = {"a", "b", "c", "d", "e", "f", "g"};
    const struct layer_spec layer = lstm(10, 7, 1, false);
    struct model_config config = {.labels = labels, .label_count = 7};
    const struct signature s = signature_for(&layer, 1, &config);
    assert_int_equal(s.label_count, 7);
    assert_string_equal(s.labels[6], "g");
    struct signature refused;
    struct fault fault;
    config.label_count = 6;
    assert_false(signature_init(&refused, s.model, &config, &fault));
    assert_int_equal(fault.status, 400);
    assert_string_equal(fault.text, "labels: 7 expected, one for each feature of output, got 6");
}

static void layers_and_directions_share_one_pair_of_states(void **state)
{
    (void)state;
    const struct layer_spec layer = lstm(10, 7, 3, true);
    const struct signature s = signature_of(&layer, 1, false);
    assert_int_equal(s.state_count, 1);
    assert_int_equal(s.states[0].cells, 6);
    expect_tensor(&s.inputs[1], "h_0", DATATYPE_FP32, true, 3, 6, -1, 7);
    expect_tensor(&s.outputs[0], "output", DATATYPE_FP32, false, 3, -1, -1, 14);
    expect_tensor(&s.outputs[2], "c_n", DATATYPE_FP32, false, 3, 6, -1, 7);
}

static void a_projection_makes_h_narrower_than_c(void **state)
{
    (void)state;
    struct layer_spec layer = lstm(10, 7, 1, false);
    layer.as.lstm.proj_size = 2;
    layer.as.lstm.weights = &projected;
    const struct signature s = signature_of(&layer, 1, false);
    expect_tensor(&s.inputs[1], "h_0", DATATYPE_FP32, true, 3, 1, -1, 2);
    expect_tensor(&s.inputs[2], "c_0", DATATYPE_FP32, true, 3, 1, -1, 7);
    expect_tensor(&s.outputs[0], "output", DATATYPE_FP32, false, 3, -1, -1, 2);
}

static void a_chain_of_equal_lstms_counts_all_their_cells(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {lstm(5, 4, 1, false), lstm(4, 4, 2, false), dense(4, 1)};
    const struct signature s = signature_of(layers, 3, false);
    assert_int_equal(s.state_count, 1);
    assert_int_equal(s.states[0].offset, 0);
    assert_int_equal(s.states[0].cells, 3);
    expect_tensor(&s.inputs[1], "h_0", DATATYPE_FP32, true, 3, 3, -1, 4);
    expect_tensor(&s.outputs[0], "output", DATATYPE_FP32, false, 3, -1, -1, 1);
}

static void lstms_of_different_sizes_have_states_of_their_own(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {lstm(5, 4, 2, false), lstm(4, 3, 1, false)};
    const struct signature s = signature_of(layers, 2, false);
    assert_int_equal(s.state_count, 2);
    assert_int_equal(s.states[1].offset, 16);
    assert_int_equal(s.states[1].cells, 1);
    assert_int_equal(s.input_count, 6);
    expect_tensor(&s.inputs[1], "h_0.0", DATATYPE_FP32, true, 3, 2, -1, 4);
    expect_tensor(&s.inputs[2], "c_0.0", DATATYPE_FP32, true, 3, 2, -1, 4);
    expect_tensor(&s.inputs[3], "h_0.1", DATATYPE_FP32, true, 3, 1, -1, 3);
    expect_tensor(&s.inputs[4], "c_0.1", DATATYPE_FP32, true, 3, 1, -1, 3);
    assert_int_equal(s.output_count, 5);
    expect_tensor(&s.outputs[4], "c_n.1", DATATYPE_FP32, false, 3, 1, -1, 3);
    assert_int_equal(s.outputs[4].state, 1);
}

static void a_network_without_lstm_has_no_states(void **state)
{
    (void)state;
    const struct layer_spec layer = dense(3, 2);
    const struct signature s = signature_of(&layer, 1, false);
    assert_int_equal(s.state_count, 0);
    assert_int_equal(s.input_count, 2);
    expect_tensor(&s.inputs[1], "lengths", DATATYPE_INT64, true, 1, -1, 0, 0);
    assert_int_equal(s.output_count, 1);
}

static void the_number_of_different_lstms_is_bounded(void **state)
{
    (void)state;
    struct layer_spec layers[SIGNATURE_STATES_MAX + 1];
    for (size_t i = 0; i < SIGNATURE_STATES_MAX + 1; i++)
        layers[i] = lstm(1 + i % 2, 2 - i % 2, 1, false);
    const struct signature s = signature_of(layers, SIGNATURE_STATES_MAX, false);
    assert_int_equal(s.input_count, 30);
    assert_int_equal(s.output_count, 29);

    struct fault fault = {0};
    struct signature signature;
    struct model *model = model_create(layers, SIGNATURE_STATES_MAX + 1, kernel_find(NULL));
    assert_non_null(model);
    assert_false(signature_init(&signature, model, &(struct model_config){0}, &fault));
    assert_string_equal(fault.text,
                        "layers: at most 14 LSTM layers of different sizes expected, got 15");
    assert_int_equal(fault.status, 400);
    model_destroy(model);
}

static void output_shapes_follow_the_input_s_layout(void **state)
{
    (void)state;
    uint64_t shape[3];
    struct signature s = simple(false);
    signature_output_shape(&s, &s.outputs[0], 17, 2, shape);
    assert_true(shape[0] == 17 && shape[1] == 2 && shape[2] == 7);
    signature_output_shape(&s, &s.outputs[1], 17, 2, shape);
    assert_true(shape[0] == 1 && shape[1] == 2 && shape[2] == 7);
    s = simple(true);
    signature_output_shape(&s, &s.outputs[0], 17, 2, shape);
    assert_true(shape[0] == 2 && shape[1] == 17 && shape[2] == 7);
    signature_output_shape(&s, &s.outputs[2], 17, 2, shape);
    assert_true(shape[0] == 1 && shape[1] == 2 && shape[2] == 7);
}

/* ---- requests ---- */

static void add_input(struct infer_request *request, const char *name, enum datatype datatype,
                      const char *datatype_text, size_t rank, uint64_t a, uint64_t b, uint64_t c)
{
    struct infer_input *input = &request->inputs[request->input_count++];
    snprintf(input->name, sizeof input->name, "%s", name);
    snprintf(input->datatype_text, sizeof input->datatype_text, "%s", datatype_text);
    input->datatype = datatype;
    input->rank = rank;
    memcpy(input->shape, (const uint64_t[]){a, b, c}, sizeof(uint64_t[3]));
}

static void add_f32(struct infer_request *request, const char *name, uint64_t a, uint64_t b,
                    uint64_t c)
{
    add_input(request, name, DATATYPE_FP32, "FP32", 3, a, b, c);
}

static void add_output(struct infer_request *request, const char *name)
{
    struct infer_output *output = &request->outputs[request->output_count++];
    snprintf(output->name, sizeof output->name, "%s", name);
}

static void expect_unbound(const struct signature *signature, const struct infer_request *request,
                           const char *text)
{
    struct binding binding;
    struct fault fault = {0};
    assert_false(signature_bind(signature, request, "m", &binding, &fault));
    assert_string_equal(fault.text, text);
    assert_int_equal(fault.status, 400);
}

static struct binding bound(const struct signature *signature, const struct infer_request *request)
{
    struct binding binding;
    struct fault fault = {0};
    const bool good = signature_bind(signature, request, "m", &binding, &fault);
    assert_string_equal(fault.text, "");
    assert_true(good);
    return binding;
}

static void the_input_alone_is_a_request(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request request;
    add_f32(&request, "input", 17, 2, 10);
    const struct binding binding = bound(&s, &request);
    assert_int_equal(binding.steps, 17);
    assert_int_equal(binding.rows, 2);
    assert_ptr_equal(binding.input, &request.inputs[0]);
    assert_null(binding.lengths);
    assert_null(binding.h_0[0]);
    assert_null(binding.c_0[0]);
    assert_int_equal(binding.output_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(binding.outputs[i], &s.outputs[i]);
    assert_int_equal(binding.output_elements, 17 * 2 * 7 + 2 * 7 + 2 * 7);
}

static void all_tensors_are_bound_in_any_order(void **state)
{
    (void)state;
    const struct signature s = simple(true);
    static struct infer_request request;
    add_input(&request, "lengths", DATATYPE_INT32, "INT32", 1, 2, 0, 0);
    add_f32(&request, "c_0", 1, 2, 7);
    add_f32(&request, "h_0", 1, 2, 7);
    add_f32(&request, "input", 2, 17, 10);
    add_output(&request, "c_n");
    add_output(&request, "output");
    const struct binding binding = bound(&s, &request);
    assert_int_equal(binding.steps, 17);
    assert_int_equal(binding.rows, 2);
    assert_ptr_equal(binding.lengths, &request.inputs[0]);
    assert_ptr_equal(binding.c_0[0], &request.inputs[1]);
    assert_ptr_equal(binding.h_0[0], &request.inputs[2]);
    assert_ptr_equal(binding.input, &request.inputs[3]);
    assert_int_equal(binding.output_count, 2);
    assert_string_equal(binding.outputs[0]->name, "c_n");
    assert_string_equal(binding.outputs[1]->name, "output");
    assert_int_equal(binding.output_elements, 2 * 7 + 2 * 17 * 7);
}

static void states_of_several_groups_find_their_group(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {lstm(5, 4, 2, false), lstm(4, 3, 1, false)};
    const struct signature s = signature_of(layers, 2, false);
    static struct infer_request request;
    add_f32(&request, "input", 1, 6, 5);
    add_f32(&request, "h_0.1", 1, 6, 3);
    add_f32(&request, "c_0.1", 1, 6, 3);
    const struct binding binding = bound(&s, &request);
    assert_null(binding.h_0[0]);
    assert_ptr_equal(binding.h_0[1], &request.inputs[1]);
    assert_ptr_equal(binding.c_0[1], &request.inputs[2]);
}

static void no_steps_and_no_rows_are_allowed(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request request, empty;
    add_f32(&request, "input", 0, 2, 10);
    add_input(&request, "lengths", DATATYPE_INT64, "INT64", 1, 2, 0, 0);
    struct binding binding = bound(&s, &request);
    assert_int_equal(binding.steps, 0);
    assert_int_equal(binding.rows, 2);
    assert_int_equal(binding.output_elements, 28);
    add_f32(&empty, "input", 5, 0, 10);
    binding = bound(&s, &empty);
    assert_int_equal(binding.steps, 5);
    assert_int_equal(binding.rows, 0);
    assert_int_equal(binding.output_elements, 0);
}

static void unknown_and_missing_and_repeated_inputs_are_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request unknown, missing, repeated, none;
    add_f32(&unknown, "input", 17, 2, 10);
    add_f32(&unknown, "foo", 1, 2, 7);
    expect_unbound(&s, &unknown, "unexpected inference input 'foo' for model 'm'");
    add_f32(&missing, "h_0", 1, 2, 7);
    expect_unbound(&s, &missing, "missing inference input 'input' for model 'm'");
    expect_unbound(&s, &none, "missing inference input 'input' for model 'm'");
    add_f32(&repeated, "input", 17, 2, 10);
    add_f32(&repeated, "input", 17, 2, 10);
    expect_unbound(&s, &repeated, "inference input 'input' given twice for model 'm'");
}

static void each_state_may_come_alone(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request only_h, only_c;
    add_f32(&only_h, "input", 17, 2, 10);
    add_f32(&only_h, "h_0", 1, 2, 7);
    struct binding binding = bound(&s, &only_h);
    assert_ptr_equal(binding.h_0[0], &only_h.inputs[1]);
    assert_null(binding.c_0[0]);
    add_f32(&only_c, "input", 17, 2, 10);
    add_f32(&only_c, "c_0", 1, 2, 7);
    binding = bound(&s, &only_c);
    assert_null(binding.h_0[0]);
    assert_ptr_equal(binding.c_0[0], &only_c.inputs[1]);
}

static void wrong_datatypes_are_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request wide, float_lengths;
    add_input(&wide, "input", DATATYPE_OTHER, "FP64", 3, 17, 2, 10);
    expect_unbound(&s, &wide,
                   "inference input 'input' data-type is 'FP64', but model 'm' expects 'FP32'");
    add_f32(&float_lengths, "input", 17, 2, 10);
    add_input(&float_lengths, "lengths", DATATYPE_FP32, "FP32", 1, 2, 0, 0);
    expect_unbound(&s, &float_lengths,
                   "inference input 'lengths' data-type is 'FP32', but model 'm' expects 'INT64'");
    static struct infer_request whole;
    add_input(&whole, "input", DATATYPE_INT32, "INT32", 3, 17, 2, 10);
    expect_unbound(&s, &whole,
                   "inference input 'input' data-type is 'INT32', but model 'm' expects 'FP32'");
}

static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request narrow, flat, scalar;
    add_f32(&narrow, "input", 17, 2, 9);
    expect_unbound(&s, &narrow,
                   "unexpected shape for input 'input' for model 'm'. Expected "
                   "[-1,-1,10], got [17,2,9]");
    add_input(&flat, "input", DATATYPE_FP32, "FP32", 2, 17, 10, 0);
    expect_unbound(&s, &flat,
                   "unexpected shape for input 'input' for model 'm'. Expected "
                   "[-1,-1,10], got [17,10]");
    add_input(&scalar, "input", DATATYPE_FP32, "FP32", 0, 0, 0, 0);
    expect_unbound(&s, &scalar,
                   "unexpected shape for input 'input' for model 'm'. Expected "
                   "[-1,-1,10], got []");
    static struct infer_request huge;
    add_f32(&huge, "input", UINT64_MAX, 0, 10);
    expect_unbound(&s, &huge,
                   "unexpected shape for input 'input' for model 'm'. Expected "
                   "[-1,-1,10], got [18446744073709551615,0,10]");
}

static void all_tensors_must_have_the_input_s_rows(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request states, lengths, cells_wrong;
    add_f32(&states, "input", 17, 2, 10);
    add_f32(&states, "h_0", 1, 2, 7);
    add_f32(&states, "c_0", 1, 3, 7);
    expect_unbound(&s, &states,
                   "unexpected shape for input 'c_0' for model 'm'. Expected [1,2,7], "
                   "got [1,3,7]");
    add_input(&lengths, "lengths", DATATYPE_INT64, "INT64", 1, 17, 0, 0);
    add_f32(&lengths, "input", 17, 2, 10);
    expect_unbound(&s, &lengths,
                   "unexpected shape for input 'lengths' for model 'm'. Expected [2],"
                   " got [17]");
    add_f32(&cells_wrong, "input", 17, 2, 10);
    add_f32(&cells_wrong, "h_0", 2, 2, 7);
    add_f32(&cells_wrong, "c_0", 2, 2, 7);
    expect_unbound(&s, &cells_wrong,
                   "unexpected shape for input 'h_0' for model 'm'. Expected "
                   "[1,2,7], got [2,2,7]");
}

static void unknown_and_repeated_outputs_are_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request unknown, repeated;
    add_f32(&unknown, "input", 17, 2, 10);
    add_output(&unknown, "output");
    add_output(&unknown, "foo");
    expect_unbound(&s, &unknown, "unexpected inference output 'foo' for model 'm'");
    add_f32(&repeated, "input", 17, 2, 10);
    add_output(&repeated, "h_n");
    add_output(&repeated, "h_n");
    expect_unbound(&s, &repeated, "inference output 'h_n' given twice for model 'm'");
}

static void an_answer_too_large_to_count_is_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request request;
    add_f32(&request, "input", 0, (uint64_t)1 << 62, 10);
    expect_unbound(&s, &request, "outputs for 4611686018427387904 rows of 0 steps are too large");
    add_output(&request, "output");
    assert_int_equal(bound(&s, &request).output_elements, 0);
}

/* ---- other networks than PyTorch's LSTM ---- */

static struct layer_spec last_only(struct layer_spec layer)
{
    layer.as.lstm.last_only = true;
    return layer;
}

static void a_vector_has_no_steps(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {last_only(lstm(10, 7, 1, true)), dense(14, 3)};
    const struct signature s = signature_of(layers, 2, true);
    uint64_t shape[SIGNATURE_RANK_MAX];
    assert_true(s.vector && s.output_batch_first);
    expect_tensor(&s.outputs[0], "output", DATATYPE_FP32, false, 2, -1, 3, 0);
    signature_output_shape(&s, &s.outputs[0], 17, 2, shape);
    assert_true(shape[0] == 2 && shape[1] == 3);
    signature_output_shape(&s, &s.outputs[0], 0, 2, shape);
    assert_true(shape[0] == 2 && shape[1] == 3);
}

static void an_embedding_takes_whole_numbers(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {
        {.type = LAYER_EMBEDDING,
         .as.embedding = {.num_embeddings = 30, .embedding_dim = 8, .weight = zeros}},
        lstm(8, 4, 1, false)};
    const struct signature rows_first = signature_of(layers, 2, true);
    const struct signature s = signature_of(layers, 2, false);
    assert_int_equal(s.vocabulary, 30);
    expect_tensor(&s.inputs[0], "input", DATATYPE_INT64, false, 2, -1, -1, 0);
    assert_int_equal(s.inputs[0].rows_axis, 1);
    assert_int_equal(rows_first.inputs[0].rows_axis, 0);
    struct infer_request request = {0};
    add_input(&request, "input", DATATYPE_INT32, "INT32", 2, 17, 3, 0);
    const struct binding binding = bound(&s, &request);
    assert_int_equal(binding.steps, 17);
    assert_int_equal(binding.rows, 3);
    assert_int_equal(bound(&rows_first, &request).steps, 3);
    request.inputs[0].datatype = DATATYPE_FP32;
    strcpy(request.inputs[0].datatype_text, "FP32");
    expect_unbound(&s, &request,
                   "inference input 'input' data-type is 'FP32', but model 'm' expects 'INT64'");
}

/* Layers of a config that only say what they return. */
static const struct layer_config returning = {.kind = LAYER_KIND_LSTM, .return_state = true};
static const struct layer_config not_returning = {.kind = LAYER_KIND_LSTM};
static const struct layer_config other_layer = {.kind = LAYER_KIND_DENSE};

static void keras_states_are_one_tensor_each(void **state)
{
    (void)state;
    const struct layer_spec layer = lstm(10, 7, 1, false);
    struct layer_config configs[] = {returning};
    const struct signature s = signature_for(
        &layer, 1,
        &(struct model_config){.batch_first = true, .layer_count = 1, .layers = configs});
    assert_int_equal(s.output_count, 3);
    expect_tensor(&s.outputs[1], "h_n", DATATYPE_FP32, false, 2, -1, 7, 0);
    expect_tensor(&s.outputs[2], "c_n", DATATYPE_FP32, false, 2, -1, 7, 0);
    expect_tensor(&s.inputs[1], "h_0", DATATYPE_FP32, true, 3, 1, -1, 7);
}

static void both_directions_states_are_named_as_keras_returns_them(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {lstm(10, 7, 1, false), dense(7, 5), lstm(5, 7, 1, true)};
    struct layer_config configs[] = {not_returning, other_layer, returning};
    static const char *const names[] = {"output", "forward_h", "forward_c", "backward_h",
                                        "backward_c"};
    const struct signature s =
        signature_for(layers, 3, &(struct model_config){.layer_count = 3, .layers = configs});
    assert_int_equal(s.output_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(s.outputs[i].name, names[i]);
    assert_int_equal(s.outputs[1].cell, 1); /* the first layer's is 0 */
    assert_int_equal(s.outputs[4].cell, 2);
    assert_int_equal(s.outputs[4].role, ROLE_C);
}

static void a_graph_keeps_its_names_and_layouts(void **state)
{
    (void)state;
    const struct layer_spec layer = lstm(4, 9, 1, true);
    const struct model_config config = {
        .tensors = {.names = {[MODEL_INPUT] = "X", [MODEL_OUTPUT] = "Y", [MODEL_H_N] = "Y_h"},
                    .hidden = {[MODEL_LENGTHS] = true, [MODEL_C_N] = true},
                    .output_layout = OUTPUT_TDBH,
                    .states_batch_first = true}};
    const struct signature s = signature_for(&layer, 1, &config);
    uint64_t shape[SIGNATURE_RANK_MAX];
    static const int64_t wanted[] = {-1, 2, -1, 9};
    assert_int_equal(s.input_count, 3);
    assert_string_equal(s.inputs[0].name, "X");
    expect_tensor(&s.inputs[1], "h_0", DATATYPE_FP32, true, 3, -1, 2, 9);
    assert_int_equal(s.output_count, 2);
    assert_int_equal(s.outputs[0].rank, 4);
    assert_memory_equal(s.outputs[0].shape, wanted, sizeof wanted);
    assert_string_equal(s.outputs[1].name, "Y_h");
    signature_output_shape(&s, &s.outputs[0], 8, 3, shape);
    assert_true(shape[0] == 8 && shape[1] == 2 && shape[2] == 3 && shape[3] == 9);
    assert_true(s.output_apart);
}

static void each_lstm_may_have_tensors_of_its_own(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {lstm(4, 9, 1, true), lstm(18, 9, 1, false)};
    const struct model_config config = {
        .tensors = {.each = {[MODEL_H_0] = {2, {"a", "b"}}, [MODEL_C_N] = {2, {"", "c"}}},
                    .hidden = {[MODEL_OUTPUT] = true, [MODEL_C_0] = true, [MODEL_LENGTHS] = true}}};
    const struct signature s = signature_for(layers, 2, &config);
    assert_int_equal(s.state_count, 2);
    assert_int_equal(s.input_count, 3);
    expect_tensor(&s.inputs[1], "a", DATATYPE_FP32, true, 3, 2, -1, 9);
    expect_tensor(&s.inputs[2], "b", DATATYPE_FP32, true, 3, 1, -1, 9);
    assert_int_equal(s.output_count, 3);
    expect_tensor(&s.outputs[0], "h_n.0", DATATYPE_FP32, false, 3, 2, -1, 9);
    expect_tensor(&s.outputs[1], "h_n.1", DATATYPE_FP32, false, 3, 1, -1, 9);
    expect_tensor(&s.outputs[2], "c", DATATYPE_FP32, false, 3, 1, -1, 9);
    assert_int_equal(s.outputs[2].state, 1);
}

static void directions_are_set_apart_step_by_step(void **state)
{
    (void)state;
    const struct layer_spec layer = lstm(1, 2, 1, true);
    const struct model_config config = {.tensors.output_layout = OUTPUT_TDBH};
    const struct signature s = signature_for(&layer, 1, &config);
    /* [T=2][B=3][D=2][H=2]: tdbh in digits, written as they come */
    float output[24], scratch[12];
    for (size_t i = 0; i < 24; i++)
        output[i] = (float)(1000 * (i / 12) + 100 * (i / 2 % 2) + 10 * (i / 4 % 3) + i % 2);
    signature_set_apart(&s, 2, 3, output, scratch);
    for (size_t i = 0; i < 24; i++)
        assert_true(output[i] ==
                    (float)(1000 * (i / 12) + 100 * (i / 6 % 2) + 10 * (i / 2 % 3) + i % 2));
}

static void expect_no_signature(const struct layer_spec *layers, size_t count,
                                const struct model_config *config, const char *wanted)
{
    struct signature signature;
    struct fault fault = {0};
    struct model *model = keep(model_create(layers, count, kernel_find(NULL)));
    assert_false(signature_init(&signature, model, config, &fault));
    assert_int_equal(fault.status, 400);
    assert_string_equal(fault.text, wanted);
}

static void tensors_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {lstm(4, 9, 1, true), dense(18, 2)};
    const struct layer_spec vector = last_only(lstm(4, 9, 1, true));
    const struct model_config apart = {.tensors.output_layout = OUTPUT_TDBH};
    const struct model_config twice = {.tensors.names[MODEL_H_N] = "output"};
    expect_no_signature(layers, 2, &apart,
                        "tensors.output_layout: not expected, as the last layer is no LSTM with "
                        "its directions side by side");
    expect_no_signature(&vector, 1, &apart,
                        "tensors.output_layout: not expected, as a row's output is a vector, "
                        "[B,F]");
    expect_no_signature(layers, 1, &twice, "tensors: two of one name, 'output'");
    const struct model_config names = {.tensors.each[MODEL_H_N] = {2, {"a", "b"}}};
    expect_no_signature(layers, 2, &names,
                        "tensors.h_n: 1 names expected, one for each LSTM layer, got 2");
    const char *labels[] = {"a"};
    const struct model_config unlabelled = {
        .tensors.hidden[MODEL_OUTPUT] = true, .labels = labels, .label_count = 1};
    expect_no_signature(layers, 1, &unlabelled,
                        "labels: not expected, as the output is not offered");
    const struct model_config nothing = {
        .tensors.hidden = {[MODEL_OUTPUT] = true, [MODEL_H_N] = true, [MODEL_C_N] = true}};
    expect_no_signature(layers, 1, &nothing,
                        "tensors.output: null not expected, as no output is left");
}

static void fixed_steps_are_asked_for(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {
        {.type = LAYER_POOL1D,
         .as.pool1d = {.features = 3, .window = {.size = 2, .stride = 2, .dilation = 1}}},
        lstm(3, 4, 1, false)};
    const struct signature s =
        signature_for(layers, 2, &(struct model_config){.batch_first = true, .steps = 9});
    expect_tensor(&s.inputs[0], "input", DATATYPE_FP32, false, 3, -1, 9, 3);
    expect_tensor(&s.outputs[0], "output", DATATYPE_FP32, false, 3, -1, 4, 4);
    struct infer_request request = {0};
    add_input(&request, "input", DATATYPE_FP32, "FP32", 3, 2, 8, 3);
    expect_unbound(
        &s, &request,
        "unexpected shape for input 'input' for model 'm'. Expected [-1,9,3], got [2,8,3]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_has_no_steps),
        cmocka_unit_test(an_embedding_takes_whole_numbers),
        cmocka_unit_test(keras_states_are_one_tensor_each),
        cmocka_unit_test(both_directions_states_are_named_as_keras_returns_them),
        cmocka_unit_test(a_graph_keeps_its_names_and_layouts),
        cmocka_unit_test(each_lstm_may_have_tensors_of_its_own),
        cmocka_unit_test(directions_are_set_apart_step_by_step),
        cmocka_unit_test(tensors_that_cannot_be_are_refused),
        cmocka_unit_test(fixed_steps_are_asked_for),
        cmocka_unit_test(one_lstm_has_input_states_and_lengths),
        cmocka_unit_test(what_a_network_returns_is_told_from_what_it_keeps),
        cmocka_unit_test(labels_are_of_output_s_features),
        cmocka_unit_test(layers_and_directions_share_one_pair_of_states),
        cmocka_unit_test(a_projection_makes_h_narrower_than_c),
        cmocka_unit_test(a_chain_of_equal_lstms_counts_all_their_cells),
        cmocka_unit_test(lstms_of_different_sizes_have_states_of_their_own),
        cmocka_unit_test(a_network_without_lstm_has_no_states),
        cmocka_unit_test(the_number_of_different_lstms_is_bounded),
        cmocka_unit_test(output_shapes_follow_the_input_s_layout),
        cmocka_unit_test(the_input_alone_is_a_request),
        cmocka_unit_test(all_tensors_are_bound_in_any_order),
        cmocka_unit_test(states_of_several_groups_find_their_group),
        cmocka_unit_test(no_steps_and_no_rows_are_allowed),
        cmocka_unit_test(unknown_and_missing_and_repeated_inputs_are_refused),
        cmocka_unit_test(each_state_may_come_alone),
        cmocka_unit_test(wrong_datatypes_are_refused),
        cmocka_unit_test(wrong_shapes_are_refused),
        cmocka_unit_test(all_tensors_must_have_the_input_s_rows),
        cmocka_unit_test(unknown_and_repeated_outputs_are_refused),
        cmocka_unit_test(an_answer_too_large_to_count_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, destroy_models);
}
