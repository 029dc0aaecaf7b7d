#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "tests/support/zero_signatures.h"

static const struct lstm_weights projected = {
    .weight_ih = zeros, .weight_hh = zeros, .weight_hr = zeros};

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
    const struct signature rows_first = embedded(true);
    const struct signature s = embedded(false);
    assert_int_equal(s.vocabulary, 30);
    expect_tensor(&s.inputs[0], "input", DATATYPE_INT64, false, 2, -1, -1, 0);
    assert_int_equal(s.inputs[0].rows_axis, 1);
    assert_int_equal(rows_first.inputs[0].rows_axis, 0);
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

static void fixed_steps_stand_in_the_shape(void **state)
{
    (void)state;
    const struct signature s = of_nine_steps();
    expect_tensor(&s.inputs[0], "input", DATATYPE_FP32, false, 3, -1, 9, 3);
    expect_tensor(&s.outputs[0], "output", DATATYPE_FP32, false, 3, -1, 4, 4);
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
        cmocka_unit_test(fixed_steps_stand_in_the_shape),
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
    };
    return cmocka_run_group_tests(tests, NULL, destroy_models);
}
