#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_builder.h"
#include "tests/support/run_rows.h"
#include "tests/unit/weights_file.h"

/* Builds; the fault's text, "" when all is well. */
static const char *build_file(const struct weights_file *file, const char *config_text,
                              struct model **model)
{
    static struct fault fault;
    struct safetensors st;
    struct model_config config;
    fault = (struct fault){0};
    assert_true(safetensors_init(&st, file->bytes, file->size, &fault));
    assert_true(model_config_parse(&config, config_text, strlen(config_text), "m", &fault));
    const bool good = model_build(&config, &st, kernel_find(NULL), model, &fault);
    assert_int_equal(fault.status, good ? 0 : 400);
    assert_int_equal(*model != NULL, good);
    model_config_fini(&config);
    safetensors_fini(&st);
    return fault.text;
}

static const char *build(const struct weights_tensor *tensors, const char *config_text,
                         struct model **model)
{
    struct weights_file file = weights_file_make(tensors);
    const char *text = build_file(&file, config_text, model);
    weights_file_fini(&file); /* the model keeps nothing of it */
    return text;
}

/* One step of one row through a model without state. */
static void run_step(const struct model *model, const float *input, float *output)
{
    assert_int_equal(model_state_size(model), 0);
    const struct model_row row = {.input = input,
                                  .output = output,
                                  .input_stride = model_input_size(model),
                                  .output_stride = model_output_size(model),
                                  .steps = 1,
                                  .state = NULL};
    run_rows(model, &row, 1);
}

/* ---- what is built ---- */

static void every_golden_case_becomes_a_model(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        size_t input, output, state; /* I, D*P and L*D*(P+H) of the folder's case.json */
        bool causal;
    } cases[] = {
        {"batch_first", 6, 18, 72, false},
        {"deep_5", 4, 11, 110, true},
        {"no_bias", 5, 33, 66, true},
        {"one_by_one", 1, 1, 2, true},
        {"projection", 8, 10, 116, false},
        {"ragged", 7, 17, 34, true},
        {"ragged_bidirectional_stacked", 7, 20, 80, false},
        {"saturated", 6, 8, 16, true},
        {"seed_bidirectional", 10, 14, 28, false},
        {"seed_simple", 10, 7, 14, true},
        {"seed_stacked3_bidirectional", 10, 14, 84, false},
        {"single_step_states", 12, 16, 64, true},
        {"wide_130", 21, 130, 260, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        struct model *model;
        snprintf(path, sizeof path, "tests/golden/torch/%s/model.safetensors", cases[i].folder);
        struct weights_file file = weights_file_read(path);
        assert_string_equal(build_file(&file, "{\"weights\":\"w\"}", &model), "");
        assert_int_equal(model_input_size(model), cases[i].input);
        assert_int_equal(model_output_size(model), cases[i].output);
        assert_int_equal(model_state_size(model), cases[i].state);
        assert_int_equal(model_is_causal(model), cases[i].causal);
        model_destroy(model);
        weights_file_fini(&file);
    }
}

static void the_example_models_build(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t input, output, state;
    } cases[] = {
        {"silero-vad", 128, 1, 256},
        {"seed-simple", 10, 7, 14},
        {"seed-bidirectional", 10, 14, 28},
        {"seed-stacked3-bidirectional", 10, 14, 84},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        struct fault fault = {0};
        struct model_config config;
        struct safetensors st;
        struct model *model;
        snprintf(path, sizeof path, "deploy/models/%s.json", cases[i].name);
        struct weights_file text = weights_file_read(path);
        assert_true(model_config_parse(&config, (const char *)text.bytes, text.size, cases[i].name,
                                       &fault));
        assert_string_equal(config.name, cases[i].name);
        snprintf(path, sizeof path, "deploy/models/%s", config.weights);
        struct weights_file file = weights_file_read(path);
        assert_true(safetensors_init(&st, file.bytes, file.size, &fault));
        assert_true(model_build(&config, &st, kernel_find(NULL), &model, &fault));
        assert_int_equal(model_input_size(model), cases[i].input);
        assert_int_equal(model_output_size(model), cases[i].output);
        assert_int_equal(model_state_size(model), cases[i].state);
        model_destroy(model);
        safetensors_fini(&st);
        weights_file_fini(&file);
        model_config_fini(&config);
        weights_file_fini(&text);
    }
}

#define LAYERS(layers) "{\"weights\":\"w\",\"layers\":[" layers "]}"
#define DENSE          "{\"type\":\"dense\"}"
#define DENSE_AT(name) "{\"type\":\"dense\",\"weights\":\"" name "\"}"
#define RELU           "{\"type\":\"activation\",\"function\":\"relu\"}"

static void a_dense_layer_multiplies_and_adds(void **state)
{
    (void)state;
    /* weight rows 0, 1/64, 2/64 and 3/64, 4/64, 5/64; bias 0, 1/64 */
    static const struct weights_tensor tensors[] = {{"weight", 2, 3}, {"bias", 2, 0}, {NULL, 0, 0}};
    const float input[] = {64, 128, -64};
    float output[2];
    struct model *model;
    assert_string_equal(build(tensors, LAYERS(DENSE), &model), "");
    run_step(model, input, output);
    assert_true(output[0] == 0.0f);
    assert_true(output[1] == 3 + 8 - 5 + 1 / 64.0f);
    model_destroy(model);
}

static void a_convolution_of_width_one_is_a_dense_layer(void **state)
{
    (void)state;
    static const char header[] =
        "{\"c.weight\":{\"dtype\":\"F32\",\"shape\":[1,2,1],\"data_offsets\":[0,8]}}";
    const float weights[] = {0.5f, -2.0f}, input[] = {4, 3};
    float output[1];
    struct model *model;
    struct weights_file file = weights_file_raw(header, strlen(header), weights, sizeof weights);
    assert_string_equal(build_file(&file, LAYERS(DENSE_AT("c")), &model), "");
    run_step(model, input, output);
    assert_true(output[0] == -4.0f);
    model_destroy(model);
    weights_file_fini(&file);
}

static void half_and_double_weights_are_converted(void **state)
{
    (void)state;
    static const char header[] =
        "{\"weight\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[0,4]},"
        "\"bias\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[4,12]}}";
    unsigned char data[12] = {0x00, 0x3c, 0x00, 0xc0}; /* 1, -2 */
    const double bias = 0.25;
    const float input[] = {4, 3};
    float output[1];
    struct model *model;
    memcpy(data + 4, &bias, sizeof bias);
    struct weights_file file = weights_file_raw(header, strlen(header), data, sizeof data);
    assert_string_equal(build_file(&file, LAYERS(DENSE), &model), "");
    run_step(model, input, output);
    assert_true(output[0] == -1.75f);
    model_destroy(model);
    weights_file_fini(&file);
}

static void activations_before_all_weights_take_their_width(void **state)
{
    (void)state;
    static const struct weights_tensor tensors[] = {{"d.weight", 1, 3}, {NULL, 0, 0}};
    const float input[] = {5, 64, -64};
    float output[1];
    struct model *model;
    assert_string_equal(
        build(tensors, LAYERS("{\"type\":\"dropout\"}," RELU "," DENSE_AT("d") "," RELU), &model),
        "");
    assert_int_equal(model_input_size(model), 3);
    run_step(model, input, output);
    assert_true(output[0] == 1.0f);
    model_destroy(model);
}

static void a_reshape_before_all_weights_is_told_the_inputs_size(void **state)
{
    (void)state;
    static const struct weights_tensor tensors[] = {{"d.weight", 1, 3}, {NULL, 0, 0}};
    const float input[] = {5, 64, -64};
    float output[1];
    struct model *model;
    assert_string_equal(
        build(tensors,
              "{\"weights\":\"w\",\"steps\":1,\"input_size\":3,\"layers\":[{\"type\":"
              "\"flatten\"}," DENSE_AT("d") "]}",
              &model),
        "");
    assert_int_equal(model_input_size(model), 3);
    run_step(model, input, output);
    assert_true(output[0] == -1.0f);
    model_destroy(model);
}

static void a_chain_of_all_layer_types_is_built(void **state)
{
    (void)state;
    static const struct weights_tensor tensors[] = {
        {"a.weight", 3, 5},       {"b.weight_ih_l0", 8, 3},
        {"b.weight_hh_l0", 8, 2}, {"c.weight_ih", 16, 2},
        {"c.weight_hh", 16, 4},   {"c.bias_ih", 16, 0},
        {"c.bias_hh", 16, 0},     {"d.weight", 2, 4},
        {"d.bias", 2, 0},         {NULL, 0, 0}};
    struct model *model;
    assert_string_equal(
        build(tensors,
              LAYERS(DENSE_AT("a") ",{\"type\":\"lstm\",\"weights\":\"b\"}," RELU
                                   ",{\"type\":\"lstm\",\"weights\":\"c\"},"
                                   "{\"type\":\"dropout\",\"p\":0.1}," DENSE_AT("d")),
              &model),
        "");
    assert_int_equal(model_input_size(model), 5);
    assert_int_equal(model_output_size(model), 2);
    assert_int_equal(model_lstm_count(model), 2);
    assert_int_equal(model_lstm_state(model, 1).offset, 4);
    assert_int_equal(model_lstm_state(model, 1).c_size, 4);
    model_destroy(model);
}

/* ---- what is refused ---- */

struct refusal {
    const char *config;
    const char *wanted;
    struct weights_tensor tensors[8];
};

static void expect_all_refused(const struct refusal *refusals, size_t count)
{
    struct model *model;
    for (size_t i = 0; i < count; i++)
        assert_string_equal(build(refusals[i].tensors, refusals[i].config, &model),
                            refusals[i].wanted);
}

#define EXPECT_ALL_REFUSED(table) expect_all_refused(table, sizeof table / sizeof table[0])

static void an_lstm_that_disagrees_is_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"weights\":\"w\",\"lstm\":{\"hidden_size\":64}}",
         "lstm.hidden_size: 128 expected from weight_hh_l0 [512,128], got 64",
         {{"weight_ih_l0", 512, 10}, {"weight_hh_l0", 512, 128}}},
        {"{\"weights\":\"w\"}",
         "weight_hh_l1: [8,2] expected, got [8,1]",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"weight_ih_l1", 8, 2},
          {"weight_hh_l1", 8, 1}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void a_dense_layer_that_disagrees_is_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS(DENSE_AT("d")), "layers[0]: tensor 'd.weight' is missing", {{"weight", 1, 1}}},
        {LAYERS(DENSE), "weight: [units,features] expected, got [4]", {{"weight", 4, 0}}},
        {LAYERS("{\"type\":\"dense\",\"weights\":\"d\",\"units\":2}"),
         "layers[0].units: 1 expected from d.weight [1,3], got 2",
         {{"d.weight", 1, 3}}},
        {LAYERS("{\"type\":\"dense\",\"weights\":\"d\",\"bias\":true}"),
         "layers[0].bias: false expected, as there is no d.bias, got true",
         {{"d.weight", 1, 3}}},
        {LAYERS("{\"type\":\"dense\",\"weights\":\"d\",\"bias\":false}"),
         "layers[0].bias: true expected, as there is d.bias, got false",
         {{"d.weight", 1, 3}, {"d.bias", 1, 0}}},
        {LAYERS(DENSE_AT("d")),
         "d.bias: [2] expected, got [3]",
         {{"d.weight", 2, 3}, {"d.bias", 3, 0}}},
        {LAYERS(DENSE_AT("d")),
         "d.bias: [2] expected, got [2,1]",
         {{"d.weight", 2, 3}, {"d.bias", 2, 1}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void layers_whose_widths_differ_are_both_named(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS("{\"type\":\"lstm\"}," RELU "," DENSE_AT("d")),
         "layers[2]: an input of size 2 expected from layers[0], got 3 from d.weight [1,3]",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 2}, {"d.weight", 1, 3}}},
        {LAYERS(DENSE_AT("d") ",{\"type\":\"lstm\",\"weights\":\"rnn\"}"),
         "layers[1]: an input of size 1 expected from layers[0], got 3 from rnn.weight_ih [8,3]",
         {{"rnn.weight_ih", 8, 3}, {"rnn.weight_hh", 8, 2}, {"d.weight", 1, 3}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void layers_in_places_they_cannot_have_are_refused(void **state)
{
    (void)state;
#define LSTM_2                                                                                     \
    {"weight_ih_l0", 8, 3},                                                                        \
    {                                                                                              \
        "weight_hh_l0", 8, 2                                                                       \
    }
#define LSTM    "{\"type\":\"lstm\"}"
#define LAST    "{\"type\":\"last_step\"}"
#define FLATTEN "{\"type\":\"flatten\"}"
    static const struct refusal refusals[] = {
        {LAYERS(LAST "," LSTM), "layers[1]: steps expected, got a vector from layers[0]", {LSTM_2}},
        {LAYERS(LSTM "," LAST "," LAST),
         "layers[2]: steps expected, got a vector from layers[1]",
         {LSTM_2}},
        {LAYERS(LSTM ",{\"type\":\"embedding\",\"weights\":\"e\"}"),
         "layers[1]: an embedding is expected to be the first layer",
         {LSTM_2, {"e.weight", 3, 3}}},
        {"{\"weights\":\"w\",\"input_size\":4,\"layers\":[" LSTM "]}",
         "layers[0]: an input of size 4 expected from input_size, got 3 from weight_ih_l0 [8,3]",
         {LSTM_2}},
        {"{\"weights\":\"w\",\"input_size\":4,\"layers\":[{\"type\":\"embedding\",\"weights\":"
         "\"e\"}]}",
         "input_size: not expected before an embedding, got 4",
         {{"e.weight", 3, 3}}},
        {LAYERS(FLATTEN "," LSTM),
         "layers[0]: a layer with weights, like lstm or dense, expected before",
         {LSTM_2}},
        {LAYERS(LSTM "," FLATTEN),
         "layers[1]: the model's \"steps\" expected, how many every row has",
         {LSTM_2}},
        {LAYERS(LSTM ",{\"type\":\"repeat_vector\",\"n\":3}"),
         "layers[1]: a vector expected, got steps; last_step makes one",
         {LSTM_2}},
        {LAYERS(LSTM "," LAST ",{\"type\":\"reshape\",\"target_shape\":[3,-1]}"),
         "layers[2].target_shape: 2 floats a row expected from layers[0], got another number",
         {LSTM_2}},
        {"{\"weights\":\"w\",\"steps\":1,\"layers\":[" LSTM ",{\"type\":\"max_pool1d\"}]}",
         "layers[1]: more steps expected, got 1",
         {LSTM_2}},
        {"{\"weights\":\"w\",\"labels\":[\"a\"]}",
         "labels: 2 expected, as many as features from lstm, got 1",
         {LSTM_2}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void lstm_options_that_the_weights_do_not_allow_are_refused(void **state)
{
    (void)state;
#define REVERSE_2                                                                                  \
    {"weight_ih_l0_reverse", 8, 3},                                                                \
    {                                                                                              \
        "weight_hh_l0_reverse", 8, 2                                                               \
    }
#define LSTM_WITH(member) "{\"weights\":\"w\",\"lstm\":{" member "}}"
    static const struct refusal refusals[] = {
        {LSTM_WITH("\"go_backwards\":true"),
         "lstm.go_backwards: false expected with two directions",
         {LSTM_2, REVERSE_2}},
        {LSTM_WITH("\"direction\":\"reverse\""),
         "lstm.bidirectional: true expected, as there is weight_ih_l0_reverse, got false",
         {LSTM_2, REVERSE_2}},
        {LSTM_WITH("\"merge_mode\":\"sum\""),
         "lstm.merge_mode: concat expected with one direction",
         {LSTM_2}},
        {LSTM_WITH("\"peepholes\":true"),
         "lstm.peepholes: false expected, as there is no weight_peephole_l0, got true",
         {LSTM_2}},
        {LSTM_WITH("\"activations\":[\"sigmoid\",\"tanh\",\"tanh\",\"sigmoid\",\"tanh\","
                   "\"tanh\"]"),
         "lstm.activations: 3 expected, as there is one direction, got 6",
         {LSTM_2}},
        {LSTM_WITH("\"return_state\":true"),
         "lstm.return_state: not for more than one layer, got 2",
         {LSTM_2, {"weight_ih_l1", 8, 2}, {"weight_hh_l1", 8, 2}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void norms_and_embeddings_that_disagree_are_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS("{\"type\":\"batch_norm\"}"),
         "layers[0]: tensor 'running_mean' is missing",
         {{"weight", 3, 0}}},
        {LAYERS("{\"type\":\"batch_norm\"}"),
         "running_var: [3] expected, got [4]",
         {{"weight", 3, 0}, {"running_mean", 3, 0}, {"running_var", 4, 0}}},
        {LAYERS("{\"type\":\"batch_norm\",\"epsilon\":0}"),
         "running_var: element 0: more than -epsilon expected, got 0",
         {{"running_mean", 3, 0}, {"running_var", 3, 0}}},
        {LAYERS("{\"type\":\"layer_norm\"}"),
         "weight: [features] expected, got [3,3]",
         {{"weight", 3, 3}}},
        {LAYERS("{\"type\":\"embedding\",\"num_embeddings\":4}"),
         "layers[0].num_embeddings: 5 expected from weight [5,3], got 4",
         {{"weight", 5, 3}}},
        {LAYERS("{\"type\":\"conv1d\"}"),
         "weight: [out_channels,in_channels,kernel_size] expected, got [5,3]",
         {{"weight", 5, 3}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

/* It would be served without its scale and shift. */
static void bug_425_a_norm_whose_named_weights_are_not_there_is_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS("{\"type\":\"lstm\"},{\"type\":\"layer_norm\",\"weights\":\"n\"}"),
         "layers[1]: tensor 'n.weight' is missing, and so is its bias",
         {{"weight_ih_l0", 4, 1}, {"weight_hh_l0", 4, 1}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

/* It asserted. */
static void bug_424_a_network_that_only_trains_is_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"weights\":\"w\",\"input_size\":5,\"layers\":[{\"type\":\"dropout\"},"
         "{\"type\":\"dropout\"}]}",
         "layers: a layer that computes something expected",
         {{"weight", 1, 1}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void a_network_without_weights_is_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS(RELU ",{\"type\":\"dropout\"}"),
         "layers: a layer with weights, lstm or dense, expected",
         {{"weight", 1, 1}}},
        {LAYERS("{\"type\":\"dropout\"}"),
         "layers: a layer with weights, lstm or dense, expected",
         {{"weight", 1, 1}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void weights_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *wanted;
    } cases[] = {
        {"{\"weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}",
         "tensor 'weight': element 1 is not a finite float32"},
        {"{\"weight\":{\"dtype\":\"I64\",\"shape\":[1,1],\"data_offsets\":[0,8]}}",
         "tensor 'weight': F32, F16, BF16 or F64 expected, got I64"},
        {"{\"weight\":{\"dtype\":\"F64\",\"shape\":[1,1,1,1],\"data_offsets\":[0,8]}}",
         "weight: [units,features] expected, got [1,1,1,1]"},
        {"{\"weight\":{\"dtype\":\"F32\",\"shape\":[1,1,2],\"data_offsets\":[0,8]}}",
         "weight: [units,features] expected, got [1,1,2]"},
        {"{\"weight\":{\"dtype\":\"F32\",\"shape\":[2,0],\"data_offsets\":[0,0]},"
         "\"x\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
         "weight: [units,features] expected, got [2,0]"},
    };
    const unsigned char data[8] = {0, 0, 0, 0, 0, 0, 0x80, 0x7f};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model *model;
        struct weights_file file =
            weights_file_raw(cases[i].header, strlen(cases[i].header), data, sizeof data);
        assert_string_equal(build_file(&file, LAYERS(DENSE), &model), cases[i].wanted);
        weights_file_fini(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_case_becomes_a_model),
        cmocka_unit_test(the_example_models_build),
        cmocka_unit_test(a_dense_layer_multiplies_and_adds),
        cmocka_unit_test(a_convolution_of_width_one_is_a_dense_layer),
        cmocka_unit_test(half_and_double_weights_are_converted),
        cmocka_unit_test(activations_before_all_weights_take_their_width),
        cmocka_unit_test(a_reshape_before_all_weights_is_told_the_inputs_size),
        cmocka_unit_test(a_chain_of_all_layer_types_is_built),
        cmocka_unit_test(an_lstm_that_disagrees_is_refused),
        cmocka_unit_test(a_dense_layer_that_disagrees_is_refused),
        cmocka_unit_test(layers_whose_widths_differ_are_both_named),
        cmocka_unit_test(layers_in_places_they_cannot_have_are_refused),
        cmocka_unit_test(lstm_options_that_the_weights_do_not_allow_are_refused),
        cmocka_unit_test(norms_and_embeddings_that_disagree_are_refused),
        cmocka_unit_test(bug_425_a_norm_whose_named_weights_are_not_there_is_refused),
        cmocka_unit_test(bug_424_a_network_that_only_trains_is_refused),
        cmocka_unit_test(a_network_without_weights_is_refused),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
