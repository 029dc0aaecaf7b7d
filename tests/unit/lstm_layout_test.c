#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/lstm_layout.h"
#include "tests/unit/weights_file.h"

/* Infers the layout of the model's first layer; the fault's text, "" when all is well. */
static const char *infer_file(const struct weights_file *file, const char *config_text,
                              struct lstm_layout *layout)
{
    static struct fault fault;
    struct safetensors st;
    struct model_config config;
    fault = (struct fault){0};
    assert_true(safetensors_init(&st, file->bytes, file->size, &fault));
    assert_true(model_config_parse(&config, config_text, strlen(config_text), "m", &fault));
    const bool good = lstm_layout_infer(layout, &config.layers[0], &st, &fault);
    assert_int_equal(fault.status, good ? 0 : 400);
    model_config_fini(&config);
    safetensors_fini(&st);
    return fault.text;
}

static const char *infer(const struct weights_tensor *tensors, const char *config_text,
                         struct lstm_layout *layout)
{
    struct weights_file file = weights_file_make(tensors);
    const char *text = infer_file(&file, config_text, layout);
    weights_file_fini(&file);
    return text;
}

#define SHORT          "{\"weights\":\"w\"}"
#define LSTM(members)  "{\"weights\":\"w\",\"lstm\":{" members "}}"
#define PREFIX(prefix) "{\"weights\":\"w\",\"prefix\":\"" prefix "\"}"

static void expect_layout(const struct lstm_layout *found, const struct lstm_layout *wanted)
{
    assert_int_equal(found->input_size, wanted->input_size);
    assert_int_equal(found->hidden_size, wanted->hidden_size);
    assert_int_equal(found->num_layers, wanted->num_layers);
    assert_int_equal(found->proj_size, wanted->proj_size);
    assert_int_equal(found->bidirectional, wanted->bidirectional);
    assert_int_equal(found->bias, wanted->bias);
    assert_int_equal(found->cell, wanted->cell);
}

/* ---- what is inferred ---- */

static void every_golden_case_is_read_off_its_weights(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        struct lstm_layout wanted; /* as in the folder's case.json: I, H, L, P, both ways, bias */
    } cases[] = {
        {"batch_first", {6, 9, 2, 0, true, true, false, false}},
        {"deep_5", {4, 11, 5, 0, false, true, false, false}},
        {"no_bias", {5, 33, 1, 0, false, false, false, false}},
        {"one_by_one", {1, 1, 1, 0, false, true, false, false}},
        {"projection", {8, 24, 2, 5, true, true, false, false}},
        {"ragged", {7, 17, 1, 0, false, true, false, false}},
        {"ragged_bidirectional_stacked", {7, 10, 2, 0, true, true, false, false}},
        {"saturated", {6, 8, 1, 0, false, true, false, false}},
        {"seed_bidirectional", {10, 7, 1, 0, true, true, false, false}},
        {"seed_simple", {10, 7, 1, 0, false, true, false, false}},
        {"seed_stacked3_bidirectional", {10, 7, 3, 0, true, true, false, false}},
        {"single_step_states", {12, 16, 2, 0, false, true, false, false}},
        {"wide_130", {21, 130, 1, 0, false, true, false, false}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        struct lstm_layout layout;
        snprintf(path, sizeof path, "tests/golden/torch/%s/model.safetensors", cases[i].folder);
        struct weights_file file = weights_file_read(path);
        assert_string_equal(infer_file(&file, SHORT, &layout), "");
        expect_layout(&layout, &cases[i].wanted);
        weights_file_fini(&file);
    }
}

static void an_lstm_cell_is_one_layer(void **state)
{
    (void)state;
    const struct lstm_layout wanted = {128, 128, 1, 0, false, true, false, true};
    struct lstm_layout layout;
    struct weights_file file = weights_file_read("tests/golden/silero/model.safetensors");
    assert_string_equal(infer_file(&file, PREFIX("decoder.rnn."), &layout), "");
    expect_layout(&layout, &wanted);
    weights_file_fini(&file);
}

static void other_tensors_beside_the_lstm_do_not_matter(void **state)
{
    (void)state;
    static const struct weights_tensor tensors[] = {
        {"a.weight_hh_l0", 8, 2},
        {"a.weight_ih_l0", 8, 3},
        {"a.weight_ih_l1", 8, 2},
        {"weight_ih_l0_raw", 8, 3},
        {"weight_ih_l00", 8, 3},
        {"weight_hh_l1234567", 8, 3},
        {"weight_ih_l", 8, 3},
        {"weight_ih_lx", 8, 3},
        {"weight_ih_l1_reversed", 8, 3},
        {"weight_ih", 8, 3},
        {"bias_ih", 8, 0},
        {"weight_hh_l0", 4, 1},
        {"weight_ih_l0", 4, 5},
        {NULL, 0, 0},
    };
    const struct lstm_layout wanted = {5, 1, 1, 0, false, false, false, false};
    struct lstm_layout layout;
    assert_string_equal(infer(tensors, SHORT, &layout), "");
    expect_layout(&layout, &wanted);
}

static void a_config_that_agrees_is_good(void **state)
{
    (void)state;
    struct lstm_layout layout;
    struct weights_file file = weights_file_read("tests/golden/torch/projection/model.safetensors");
    assert_string_equal(infer_file(&file,
                                   LSTM("\"input_size\":8,\"hidden_size\":24,\"num_layers\":2,"
                                        "\"proj_size\":5,\"bidirectional\":true,\"bias\":true"),
                                   &layout),
                        "");
    weights_file_fini(&file);
}

static void each_tensor_is_found_by_its_place(void **state)
{
    (void)state;
    static const struct weights_tensor tensors[] = {{"weight_ih_l0", 8, 3},
                                                    {"weight_hh_l0", 8, 2},
                                                    {"weight_ih_l0_reverse", 8, 3},
                                                    {"weight_hh_l0_reverse", 8, 2},
                                                    {NULL, 0, 0}};
    struct weights_file file = weights_file_make(tensors);
    struct safetensors st;
    struct lstm_layout layout;
    struct layer_config config = {.kind = LAYER_KIND_LSTM, .place = "lstm"};
    struct fault fault = {0};
    assert_true(safetensors_init(&st, file.bytes, file.size, &fault));
    assert_true(lstm_layout_infer(&layout, &config, &st, &fault));
    assert_ptr_equal(lstm_layout_find(&layout, &config, &st, LSTM_WEIGHT_IH, 0, false),
                     &st.tensors[0]);
    assert_ptr_equal(lstm_layout_find(&layout, &config, &st, LSTM_WEIGHT_HH, 0, true),
                     &st.tensors[3]);
    assert_null(lstm_layout_find(&layout, &config, &st, LSTM_BIAS_IH, 0, false));
    assert_null(lstm_layout_find(&layout, &config, &st, LSTM_WEIGHT_HR, 0, false));
    safetensors_fini(&st);
    weights_file_fini(&file);
}

static void a_single_bias_and_peepholes_are_found(void **state)
{
    (void)state;
    static const struct weights_tensor tensors[] = {{"weight_ih_l0", 8, 3},
                                                    {"weight_hh_l0", 8, 2},
                                                    {"bias_ih_l0", 8, 0},
                                                    {"weight_peephole_l0", 6, 0},
                                                    {NULL, 0, 0}};
    struct lstm_layout layout;
    assert_string_equal(infer(tensors, SHORT, &layout), "");
    assert_true(layout.bias && layout.peepholes);
}

/* ---- what is refused ---- */

struct refusal {
    const char *config;
    const char *wanted;
    struct weights_tensor tensors[10];
};

static void expect_all_refused(const struct refusal *refusals, size_t count)
{
    struct lstm_layout layout;
    for (size_t i = 0; i < count; i++)
        assert_string_equal(infer(refusals[i].tensors, refusals[i].config, &layout),
                            refusals[i].wanted);
}

#define EXPECT_ALL_REFUSED(table) expect_all_refused(table, sizeof table / sizeof table[0])

static void a_missing_tensor_is_named(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {SHORT, "lstm: tensor 'weight_ih_l0' is missing", {{"fc.weight", 1, 1}}},
        {SHORT,
         "lstm: tensor 'weight_ih_l0' is missing, while 'encoder.weight_ih_l0' is there",
         {{"encoder.weight_hh_l0", 8, 2}, {"encoder.weight_ih_l0", 8, 3}}},
        {PREFIX("decoder"),
         "lstm: tensor 'decoderweight_ih_l0' is missing, while 'decoder.weight_ih' is there",
         {{"decoder.weight_ih", 8, 3}}},
        {SHORT,
         "lstm: tensor 'weight_hh_l0' is missing, while 'weight_ih_l0' is there",
         {{"weight_ih_l0", 8, 3}}},
        {SHORT,
         "lstm: tensor 'weight_ih_l0' is missing, while 'weight_hh_l0' is there",
         {{"weight_hh_l0", 8, 2}}},
        {SHORT,
         "lstm: tensor 'weight_ih_l1' is missing, while 'weight_ih_l2' is there",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"weight_ih_l2", 8, 2},
          {"weight_hh_l2", 8, 2}}},
        {SHORT,
         "lstm: tensor 'weight_hh_l1' is missing, while 'weight_ih_l1' is there",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 2}, {"weight_ih_l1", 8, 2}}},
        {SHORT,
         "lstm: tensor 'weight_ih_l1' is missing, while 'weight_ih_l999999' is there",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 2}, {"weight_ih_l999999", 8, 2}}},
        {SHORT,
         "lstm: tensor 'weight_hh' is missing, while 'weight_ih' is there",
         {{"weight_ih", 8, 3}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void a_missing_bias_or_direction_is_named(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {SHORT,
         "lstm: tensor 'bias_hh_l1' is missing, while 'bias_hh_l0' is there",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"bias_ih_l0", 8, 0},
          {"bias_hh_l0", 8, 0},
          {"weight_ih_l1", 8, 2},
          {"weight_hh_l1", 8, 2},
          {"bias_ih_l1", 8, 0}}},
        {SHORT,
         "weight_peephole_l0: [6] expected, got [8]",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 2}, {"weight_peephole_l0", 8, 0}}},
        {SHORT,
         "lstm: tensor 'bias_ih_l0' is missing, while 'bias_hh_l0' is there",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 2}, {"bias_hh_l0", 8, 0}}},
        {SHORT,
         "lstm: tensor 'bias_ih_l0' is missing, while 'bias_ih_l1' is there",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"weight_ih_l1", 8, 2},
          {"weight_hh_l1", 8, 2},
          {"bias_ih_l1", 8, 0},
          {"bias_hh_l1", 8, 0}}},
        {SHORT,
         "lstm: tensor 'weight_ih_l1_reverse' is missing, while 'weight_ih_l0_reverse' is there",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"weight_ih_l0_reverse", 8, 3},
          {"weight_hh_l0_reverse", 8, 2},
          {"weight_ih_l1", 8, 4},
          {"weight_hh_l1", 8, 2}}},
        {SHORT,
         "lstm: tensor 'weight_hr_l0_reverse' is missing, while 'weight_hr_l0' is there",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 1},
          {"weight_hr_l0", 1, 2},
          {"weight_ih_l0_reverse", 8, 3},
          {"weight_hh_l0_reverse", 8, 1}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

#define ONE_LAYER                                                                                  \
    {"weight_ih_l0", 512, 10},                                                                     \
    {                                                                                              \
        "weight_hh_l0", 512, 128                                                                   \
    }

static void a_config_that_disagrees_is_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LSTM("\"hidden_size\":64"),
         "lstm.hidden_size: 128 expected from weight_hh_l0 [512,128], got 64",
         {ONE_LAYER}},
        {LSTM("\"input_size\":9"),
         "lstm.input_size: 10 expected from weight_ih_l0 [512,10], got 9",
         {ONE_LAYER}},
        {LSTM("\"num_layers\":2"),
         "lstm.num_layers: 1 expected, as weight_ih_l0 is of the last layer, got 2",
         {ONE_LAYER}},
        {LSTM("\"num_layers\":1"),
         "lstm.num_layers: 2 expected, as weight_ih_l1 is of the last layer, got 1",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"weight_ih_l1", 8, 2},
          {"weight_hh_l1", 8, 2}}},
        {LSTM("\"bidirectional\":true"),
         "lstm.bidirectional: false expected, as there is no weight_ih_l0_reverse, got true",
         {ONE_LAYER}},
        {LSTM("\"bidirectional\":false"),
         "lstm.bidirectional: true expected, as there is weight_ih_l0_reverse, got false",
         {ONE_LAYER, {"weight_ih_l0_reverse", 512, 10}, {"weight_hh_l0_reverse", 512, 128}}},
        {LSTM("\"bidirectional\":false"),
         "lstm.bidirectional: true expected, as there is weight_hh_l0_reverse, got false",
         {ONE_LAYER, {"weight_hh_l0_reverse", 512, 128}}},
        {LSTM("\"bias\":true"),
         "lstm.bias: false expected, as there is no bias_ih_l0, got true",
         {ONE_LAYER}},
        {LSTM("\"bias\":false"),
         "lstm.bias: true expected, as there is bias_ih_l0, got false",
         {ONE_LAYER, {"bias_ih_l0", 512, 0}, {"bias_hh_l0", 512, 0}}},
        {LSTM("\"proj_size\":5"),
         "lstm.proj_size: 0 expected, as there is no weight_hr_l0, got 5",
         {ONE_LAYER}},
        {LSTM("\"proj_size\":0"),
         "lstm.proj_size: 5 expected from weight_hr_l0 [5,24], got 0",
         {{"weight_ih_l0", 96, 8}, {"weight_hh_l0", 96, 5}, {"weight_hr_l0", 5, 24}}},
        {LSTM("\"proj_size\":6"),
         "lstm.proj_size: 5 expected from weight_hr_l0 [5,24], got 6",
         {{"weight_ih_l0", 96, 8}, {"weight_hh_l0", 96, 5}, {"weight_hr_l0", 5, 24}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void the_long_form_names_the_layer_and_the_whole_tensor(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"weights\":\"w\",\"layers\":[{\"type\":\"lstm\",\"weights\":\"rnn\","
         "\"hidden_size\":64}]}",
         "layers[0].hidden_size: 128 expected from rnn.weight_hh [512,128], got 64",
         {{"rnn.weight_ih", 512, 10}, {"rnn.weight_hh", 512, 128}}},
        {"{\"weights\":\"w\",\"layers\":[{\"type\":\"lstm\",\"weights\":\"rnn\","
         "\"num_layers\":2}]}",
         "layers[0].num_layers: 1 expected, as rnn.weight_ih is of the last layer, got 2",
         {{"rnn.weight_ih", 512, 10}, {"rnn.weight_hh", 512, 128}}},
        {"{\"weights\":\"w\",\"layers\":[{\"type\":\"lstm\",\"weights\":\"rnn\"}]}",
         "layers[0]: tensor 'rnn.weight_ih_l0' is missing",
         {{"fc.weight", 1, 1}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void shapes_that_do_not_fit_each_other_are_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {SHORT,
         "weight_hh_l0: [4*hidden_size,hidden_size] expected, got [510,128]",
         {{"weight_ih_l0", 512, 10}, {"weight_hh_l0", 510, 128}}},
        {SHORT,
         "weight_hh_l0: [4*hidden_size,hidden_size] expected, got [512]",
         {{"weight_ih_l0", 512, 10}, {"weight_hh_l0", 512, 0}}},
        {SHORT,
         "weight_hh_l0: [512,128] expected, got [512,64]",
         {{"weight_ih_l0", 512, 10}, {"weight_hh_l0", 512, 64}}},
        {SHORT,
         "weight_ih_l0: [512,10] expected, got [8,10]",
         {{"weight_ih_l0", 8, 10}, {"weight_hh_l0", 512, 128}}},
        {SHORT,
         "weight_ih_l0: [4*hidden_size,input_size] expected, got [512]",
         {{"weight_ih_l0", 512, 0}, {"weight_hh_l0", 512, 128}}},
        {SHORT,
         "bias_ih_l0: [8] expected, got [7]",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"bias_ih_l0", 7, 0},
          {"bias_hh_l0", 8, 0}}},
        {SHORT,
         "bias_hh_l0: [8] expected, got [8,1]",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"bias_ih_l0", 8, 0},
          {"bias_hh_l0", 8, 1}}},
        {SHORT,
         "weight_hh_l1: [8,2] expected, got [8,1]",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"weight_ih_l1", 8, 2},
          {"weight_hh_l1", 8, 1}}},
        {SHORT,
         "weight_ih_l1: [8,4] expected, got [8,2]",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"weight_ih_l0_reverse", 8, 3},
          {"weight_hh_l0_reverse", 8, 2},
          {"weight_ih_l1", 8, 2},
          {"weight_hh_l1", 8, 2},
          {"weight_ih_l1_reverse", 8, 2},
          {"weight_hh_l1_reverse", 8, 2}}},
        {SHORT,
         "weight_ih_l0_reverse: [8,3] expected, got [8,4]",
         {{"weight_ih_l0", 8, 3},
          {"weight_hh_l0", 8, 2},
          {"weight_ih_l0_reverse", 8, 4},
          {"weight_hh_l0_reverse", 8, 2}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void projections_must_be_smaller_than_the_state(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {SHORT,
         "weight_hr_l0: [proj_size,hidden_size], the first the smaller, expected, got [2,2]",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 2}, {"weight_hr_l0", 2, 2}}},
        {SHORT,
         "weight_hr_l0: [proj_size,hidden_size], the first the smaller, expected, got [1]",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 1}, {"weight_hr_l0", 1, 0}}},
        {SHORT,
         "weight_hr_l0: [1,2] expected, got [1,3]",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 1}, {"weight_hr_l0", 1, 3}}},
        {SHORT,
         "weight_hh_l0: [8,1] expected, got [8,2]",
         {{"weight_ih_l0", 8, 3}, {"weight_hh_l0", 8, 2}, {"weight_hr_l0", 1, 2}}},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void sizes_of_zero_and_beyond_the_file_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *wanted;
    } cases[] = {
        {"{\"weight_ih_l0\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]},"
         "\"weight_hh_l0\":{\"dtype\":\"F32\",\"shape\":[0,0],\"data_offsets\":[0,0]}}",
         "weight_hh_l0: [4*hidden_size,hidden_size] expected, got [0,0]"},
        {"{\"weight_ih_l0\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808,0],"
         "\"data_offsets\":[0,0]},"
         "\"weight_hh_l0\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808,0],"
         "\"data_offsets\":[0,0]}}",
         "weight_ih_l0: [4*hidden_size,input_size] expected, got [9223372036854775808,0]"},
        {"{\"weight_ih_l0\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]},"
         "\"weight_hh_l0\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808,0],"
         "\"data_offsets\":[0,0]}}",
         "weight_ih_l0: [9223372036854775808,3] expected, got [0,3]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lstm_layout layout;
        struct weights_file file =
            weights_file_raw(cases[i].header, strlen(cases[i].header), NULL, 0);
        assert_string_equal(infer_file(&file, SHORT, &layout), cases[i].wanted);
        weights_file_fini(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_case_is_read_off_its_weights),
        cmocka_unit_test(an_lstm_cell_is_one_layer),
        cmocka_unit_test(other_tensors_beside_the_lstm_do_not_matter),
        cmocka_unit_test(a_config_that_agrees_is_good),
        cmocka_unit_test(each_tensor_is_found_by_its_place),
        cmocka_unit_test(a_missing_tensor_is_named),
        cmocka_unit_test(a_single_bias_and_peepholes_are_found),
        cmocka_unit_test(a_missing_bias_or_direction_is_named),
        cmocka_unit_test(a_config_that_disagrees_is_refused),
        cmocka_unit_test(the_long_form_names_the_layer_and_the_whole_tensor),
        cmocka_unit_test(shapes_that_do_not_fit_each_other_are_refused),
        cmocka_unit_test(projections_must_be_smaller_than_the_state),
        cmocka_unit_test(sizes_of_zero_and_beyond_the_file_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
