#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_config.h"

static struct model_config parse_named(const char *text, const char *default_name)
{
    struct model_config config;
    struct fault fault = {0};
    const bool good = model_config_parse(&config, text, strlen(text), default_name, &fault);
    assert_string_equal(fault.text, "");
    assert_true(good);
    return config;
}

static struct model_config parse(const char *text)
{
    return parse_named(text, "file");
}

static void expect_refused_named(const char *text, const char *default_name, const char *wanted)
{
    struct model_config config;
    struct fault fault = {0};
    assert_false(model_config_parse(&config, text, strlen(text), default_name, &fault));
    assert_string_equal(fault.text, wanted);
    assert_int_equal(fault.status, 400);
    assert_null(config.weights);
    assert_null(config.layers);
}

struct refusal {
    const char *text, *wanted;
};

static void expect_all_refused(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_refused_named(refusals[i].text, "file", refusals[i].wanted);
}

#define EXPECT_ALL_REFUSED(table) expect_all_refused(table, sizeof table / sizeof table[0])

/* ---- the short form ---- */

static void a_config_may_name_nothing_but_the_weights(void **state)
{
    (void)state;
    struct model_config config = parse_named("{\"weights\":\"w.safetensors\"}", "my-model.2");
    assert_string_equal(config.name, "my-model.2");
    assert_string_equal(config.weights, "w.safetensors");
    assert_false(config.batch_first);
    assert_int_equal(config.layer_count, 1);
    const struct layer_config *lstm = &config.layers[0];
    assert_int_equal(lstm->kind, LAYER_KIND_LSTM);
    assert_string_equal(lstm->place, "lstm");
    assert_string_equal(lstm->prefix, "");
    assert_false(lstm->input_size.given || lstm->hidden_size.given || lstm->num_layers.given ||
                 lstm->proj_size.given || lstm->bidirectional.given || lstm->bias.given);
    model_config_fini(&config);
    assert_null(config.layers);
}

static void the_short_form_takes_all_arguments_of_torch(void **state)
{
    (void)state;
    struct model_config config =
        parse("{\"name\":\"tagger\",\"weights\":\"/abs/w\",\"prefix\":\"encoder.\",\"lstm\":{"
              "\"input_size\":10,\"hidden_size\":7,\"num_layers\":3,\"bidirectional\":true,"
              "\"bias\":false,\"batch_first\":true,\"proj_size\":0,\"dropout\":0.25}}");
    assert_string_equal(config.name, "tagger");
    assert_string_equal(config.weights, "/abs/w");
    assert_true(config.batch_first);
    const struct layer_config *lstm = &config.layers[0];
    assert_string_equal(lstm->prefix, "encoder.");
    assert_true(lstm->input_size.given && lstm->input_size.value == 10);
    assert_true(lstm->hidden_size.given && lstm->hidden_size.value == 7);
    assert_true(lstm->num_layers.given && lstm->num_layers.value == 3);
    assert_true(lstm->proj_size.given && lstm->proj_size.value == 0);
    assert_true(lstm->bidirectional.given && lstm->bidirectional.value);
    assert_true(lstm->bias.given && !lstm->bias.value);
    model_config_fini(&config);
}

static void a_queue_delay_is_a_bounded_number(void **state)
{
    (void)state;
    struct model_config config = parse("{\"weights\":\"w\"}");
    assert_int_equal(config.max_queue_delay_us, 0);
    model_config_fini(&config);
    config = parse("{\"weights\":\"w\",\"max_queue_delay_us\":10000000}");
    assert_int_equal(config.max_queue_delay_us, 10000000);
    model_config_fini(&config);
    expect_refused_named(
        "{\"weights\":\"w\",\"max_queue_delay_us\":10000001}", "file",
        "max_queue_delay_us: an integer of at most 10000000 expected, got 10000001");
}

static void sequences_have_their_own_keys(void **state)
{
    (void)state;
    struct model_config config = parse("{\"weights\":\"w\"}");
    assert_false(config.strict_sequences);
    assert_int_equal(config.sequence_idle_timeout_ms, 0);
    model_config_fini(&config);
    config = parse("{\"weights\":\"w\",\"strict_sequences\":true,"
                   "\"sequence_idle_timeout_ms\":31536000000}");
    assert_true(config.strict_sequences);
    assert_int_equal(config.sequence_idle_timeout_ms, 31536000000);
    model_config_fini(&config);
    expect_refused_named("{\"weights\":\"w\",\"sequence_idle_timeout_ms\":0}", "file",
                         "sequence_idle_timeout_ms: an integer of at least 1 expected, "
                         "got 0");
}

static void batch_first_may_stand_in_either_place(void **state)
{
    (void)state;
    struct model_config config = parse("{\"weights\":\"w\",\"batch_first\":true}");
    assert_true(config.batch_first);
    model_config_fini(&config);
    config = parse("{\"weights\":\"w\",\"batch_first\":true,\"lstm\":{\"batch_first\":true}}");
    assert_true(config.batch_first);
    model_config_fini(&config);
    config = parse("{\"weights\":\"w\",\"layers\":[{\"type\":\"lstm\",\"batch_first\":true},"
                   "{\"type\":\"lstm\"}]}");
    assert_true(config.batch_first);
    model_config_fini(&config);
}

/* ---- the long form ---- */

static void the_long_form_is_read_in_order(void **state)
{
    (void)state;
    struct model_config config =
        parse("{\"weights\":\"w\",\"prefix\":\"net.\",\"layers\":["
              "{\"type\":\"lstm\",\"name\":\"memory\",\"weights\":\"decoder.rnn\","
              "\"hidden_size\":128,\"dropout\":1},"
              "{\"type\":\"activation\",\"function\":\"relu\"},"
              "{\"type\":\"dropout\",\"p\":0.5},{\"type\":\"dropout\",\"rate\":0},"
              "{\"type\":\"dense\",\"weights\":\"out\",\"units\":1,\"activation\":\"sigmoid\","
              "\"bias\":true},"
              "{\"type\":\"dense\"}]}");
    assert_int_equal(config.layer_count, 6);
    const struct layer_config *l = config.layers;
    assert_int_equal(l[0].kind, LAYER_KIND_LSTM);
    assert_string_equal(l[0].place, "layers[0]");
    assert_string_equal(l[0].prefix, "net.decoder.rnn.");
    assert_true(l[0].hidden_size.given && l[0].hidden_size.value == 128);
    assert_int_equal(l[1].kind, LAYER_KIND_ACTIVATION);
    assert_int_equal(l[1].activation.kind, ACTIVATION_RELU);
    assert_int_equal(l[2].kind, LAYER_KIND_DROPOUT);
    assert_int_equal(l[3].kind, LAYER_KIND_DROPOUT);
    assert_int_equal(l[4].kind, LAYER_KIND_DENSE);
    assert_string_equal(l[4].place, "layers[4]");
    assert_string_equal(l[4].prefix, "net.out.");
    assert_true(l[4].units.given && l[4].units.value == 1);
    assert_true(l[4].bias.given && l[4].bias.value);
    assert_int_equal(l[4].activation.kind, ACTIVATION_SIGMOID);
    assert_string_equal(l[5].prefix, "net.");
    assert_int_equal(l[5].activation.kind, ACTIVATION_LINEAR);
    assert_false(l[5].units.given || l[5].bias.given);
    model_config_fini(&config);
}

static void all_activations_are_known_by_name(void **state)
{
    (void)state;
    for (int a = 0; a < ACTIVATIONS; a++) {
        char text[128];
        snprintf(text, sizeof text,
                 "{\"weights\":\"w\",\"layers\":[{\"type\":\"activation\",\"function\":\"%s\"}]}",
                 activation_name((enum activation)a));
        struct model_config config = parse(text);
        assert_int_equal(config.layers[0].activation.kind, a);
        model_config_fini(&config);
    }
}

static void options_of_the_lstm_are_read(void **state)
{
    (void)state;
    struct model_config config =
        parse("{\"weights\":\"w\",\"layers\":[{\"type\":\"lstm\",\"name\":\"m\",\"units\":7,"
              "\"use_bias\":true,\"direction\":\"reverse\",\"return_sequences\":false,"
              "\"return_state\":true,\"activation\":{\"function\":\"elu\",\"alpha\":0.5},"
              "\"recurrent_activation\":\"hard_sigmoid_keras3\",\"peepholes\":false,\"clip\":3,"
              "\"input_forget\":true,\"recurrent_dropout\":0.2,\"unit_forget_bias\":true,"
              "\"unroll\":false,\"stateful\":false},"
              "{\"type\":\"lstm\",\"bidirectional\":true,\"merge_mode\":\"ave\",\"zero_output_for_"
              "mask\":true,\"activations\":["
              "\"sigmoid\",\"tanh\",\"relu\",\"hard_sigmoid\",\"softsign\",\"tanh\"]}]}");
    const struct layer_config *l = config.layers;
    assert_string_equal(l[0].name, "m");
    assert_true(l[0].hidden_size.given && l[0].hidden_size.value == 7);
    assert_true(l[0].bias.given && l[0].bias.value && l[0].reverse);
    assert_true(l[0].bidirectional.given && !l[0].bidirectional.value);
    assert_true(!l[0].return_sequences && l[0].return_state && l[0].input_forget);
    assert_true(l[0].peepholes.given && !l[0].peepholes.value && l[0].clip == 3);
    assert_int_equal(l[0].activations_given, 1);
    assert_int_equal(l[0].activations[0].gates.kind, ACTIVATION_HARD_SIGMOID);
    assert_true(l[0].activations[0].gates.alpha == 1.0f / 6);
    assert_int_equal(l[0].activations[0].candidate.kind, ACTIVATION_ELU);
    assert_true(l[0].activations[0].hidden.alpha == 0.5f);
    assert_int_equal(l[1].activations_given, 2);
    assert_int_equal(l[1].activations[0].hidden.kind, ACTIVATION_RELU);
    assert_int_equal(l[1].activations[1].candidate.kind, ACTIVATION_SOFTSIGN);
    assert_int_equal(l[1].merge, LSTM_AVE);
    assert_true(l[1].zero_output_for_mask && !l[0].zero_output_for_mask);
    assert_true(l[1].return_sequences);
    model_config_fini(&config);
}

static void all_other_layers_are_read(void **state)
{
    (void)state;
    struct model_config config =
        parse("{\"weights\":\"w\",\"steps\":9,\"input_size\":6,\"layers\":["
              "{\"type\":\"embedding\",\"weights\":\"e\",\"num_embeddings\":5,\"mask_zero\":true},"
              "{\"type\":\"masking\",\"mask_value\":-1.5},{\"type\":\"layer_norm\"},"
              "{\"type\":\"batch_norm\",\"epsilon\":0.001},"
              "{\"type\":\"conv1d\",\"out_channels\":4,\"kernel_size\":3,\"stride\":2,"
              "\"dilation\":5,\"padding\":\"causal\",\"activation\":\"relu\"},"
              "{\"type\":\"conv1d\",\"padding\":6},"
              "{\"type\":\"max_pool1d\",\"pool_size\":3,\"padding\":\"same\"},"
              "{\"type\":\"avg_pool1d\",\"stride\":1,\"padding\":1},{\"type\":\"flatten\"},"
              "{\"type\":\"reshape\",\"target_shape\":[-1,4]},{\"type\":\"last_step\"},"
              "{\"type\":\"repeat_vector\",\"n\":8},{\"type\":\"global_max_pool1d\"},"
              "{\"type\":\"activation\",\"function\":\"clip\",\"alpha\":-3,\"beta\":2}]}");
    const struct layer_config *l = config.layers;
    assert_int_equal(config.steps, 9);
    assert_int_equal(config.input_size, 6);
    assert_true(l[0].num_embeddings.value == 5 && !l[0].embedding_dim.given && l[0].mask_zero);
    assert_true(l[1].mask_value == -1.5f);
    assert_true(l[2].epsilon == 1e-5 && l[3].epsilon == 0.001);
    assert_true(l[4].units.value == 4 && l[4].window_size.value == 3 && l[4].stride == 2);
    assert_true(l[4].dilation == 5 && l[4].padding == LAYER_PADDING_CAUSAL);
    assert_int_equal(l[4].activation.kind, ACTIVATION_RELU);
    assert_true(l[5].padding == LAYER_PADDING_COUNT && l[5].padding_count == 6);
    assert_true(l[5].stride == 1 && l[5].dilation == 1);
    assert_true(l[6].window_size.value == 3 && l[6].stride == 3);
    assert_int_equal(l[6].padding, LAYER_PADDING_SAME);
    assert_true(l[7].window_size.value == 2 && l[7].stride == 1);
    assert_true(l[7].padding == LAYER_PADDING_COUNT && l[7].padding_count == 1);
    assert_true(l[9].target_rank == 2 && l[9].target[0] == 0 && l[9].target[1] == 4);
    assert_int_equal(l[11].repeats, 8);
    assert_true(l[13].activation.alpha == -3 && l[13].activation.beta == 2);
    for (size_t i = 0; i < config.layer_count; i++)
        assert_non_null(layer_kind_name(l[i].kind));
    model_config_fini(&config);
}

static void rows_of_ids_come_first_unless_time_is_said_to(void **state)
{
    (void)state;
#define EMBEDDING "{\"type\":\"embedding\"},{\"type\":\"lstm\"}]"
    static const struct {
        const char *text;
        bool batch_first;
    } rows[] = {
        {"{\"weights\":\"w\",\"layers\":[" EMBEDDING "}", true},
        {"{\"weights\":\"w\",\"layers\":[{\"type\":\"dropout\"}," EMBEDDING "}", true},
        {"{\"weights\":\"w\",\"batch_first\":false,\"layers\":[" EMBEDDING "}", false},
        {"{\"weights\":\"w\",\"layers\":[{\"type\":\"dropout\"}]}", false},
        {"{\"weights\":\"w\"}", false},
    };
#undef EMBEDDING
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model_config config = parse(rows[i].text);
        assert_int_equal(config.batch_first, rows[i].batch_first);
        model_config_fini(&config);
    }
}

static void tensors_labels_and_service_are_read(void **state)
{
    (void)state;
    struct model_config config =
        parse("{\"weights\":\"w\",\"labels\":[\"yes\",\"\",\"no\"],\"max_queue_delay_us\":250,"
              "\"strict_sequences\":true,\"sequence_idle_timeout_ms\":60000,\"tensors\":{"
              "\"input\":\"X\",\"lengths\":null,\"h_0\":\"initial_h\","
              "\"output_layout\":\"BTDH\",\"state_layout\":\"BLH\"}}");
    assert_int_equal(config.label_count, 3);
    assert_string_equal(config.labels[0], "yes");
    assert_string_equal(config.labels[1], "");
    assert_string_equal(config.labels[2], "no");
    assert_int_equal(config.max_queue_delay_us, 250);
    assert_int_equal(config.sequence_idle_timeout_ms, 60000);
    assert_true(config.strict_sequences);
    assert_string_equal(config.tensors.names[MODEL_INPUT], "X");
    assert_string_equal(config.tensors.names[MODEL_OUTPUT], "");
    assert_string_equal(config.tensors.names[MODEL_H_0], "initial_h");
    assert_true(config.tensors.hidden[MODEL_LENGTHS] && !config.tensors.hidden[MODEL_H_0]);
    assert_int_equal(config.tensors.output_layout, OUTPUT_BTDH);
    assert_true(config.tensors.states_batch_first);
    model_config_fini(&config);
    config = parse("{\"weights\":\"w\",\"tensors\":{\"output\":null,"
                   "\"h_n\":[\"a\",null,\"b\"],\"c_n\":\"c\"}}");
    assert_true(config.tensors.hidden[MODEL_OUTPUT]);
    assert_int_equal(config.tensors.each[MODEL_H_N].count, 3);
    assert_string_equal(config.tensors.each[MODEL_H_N].names[0], "a");
    assert_string_equal(config.tensors.each[MODEL_H_N].names[1], "");
    assert_string_equal(config.tensors.each[MODEL_H_N].names[2], "b");
    assert_int_equal(config.tensors.each[MODEL_C_N].count, 0);
    model_config_fini(&config);
    config = parse("{\"weights\":\"w\"}");
    assert_true(config.labels == NULL && config.max_queue_delay_us == 0 && config.steps == 0);
    assert_true(config.sequence_idle_timeout_ms == 0 && !config.strict_sequences);
    assert_int_equal(config.tensors.output_layout, OUTPUT_BY_BATCH_FIRST);
    model_config_fini(&config);
}

/* ---- refusals ---- */

static void text_that_is_no_json_object_is_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"weights\":\"w\"", "line 1: ',' or '}' is wanted, got the end at byte 14"},
        {"[]", "an object expected, got an array"},
        {"\"w\"", "an object expected, got \"w\""},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void keys_of_the_model_are_checked(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"weight\":\"w\"}", "weight: unknown key; known are name, weights, prefix, batch_first, "
                               "lstm, layers, steps, input_size, tensors, labels, "
                               "max_queue_delay_us, strict_sequences, sequence_idle_timeout_ms"},
        {"{\"weights\":\"w\",\"weights\":\"w\"}", "weights: given twice"},
        {"{\"Weights\":\"w\"}", "Weights: unknown key; known are name, weights, prefix, "
                                "batch_first, lstm, layers, steps, input_size, tensors, labels, "
                                "max_queue_delay_us, strict_sequences, sequence_idle_timeout_ms"},
        {"{\"weights\":\"w\",\"lstm\":{},\"layers\":[{\"type\":\"dense\"}]}",
         "layers: either lstm or layers expected, got both"},
        {"{}", "weights: missing; a safetensors file's name expected"},
        {"{\"weights\":\"\"}", "weights: a safetensors file's name expected, got \"\""},
        {"{\"weights\":5}", "weights: a string expected, got 5"},
        {"{\"weights\":\"w\",\"prefix\":false}", "prefix: a string expected, got false"},
        {"{\"weights\":\"w\",\"batch_first\":1}", "batch_first: true or false expected, got 1"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void names_are_checked(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"name\":\"\",\"weights\":\"w\"}", "name: at most 64 of A-Z a-z 0-9 . _ - expected, a "
                                              "letter or digit first, got \"\""},
        {"{\"name\":\"../x\",\"weights\":\"w\"}", "name: at most 64 of A-Z a-z 0-9 . _ - expected, "
                                                  "a letter or digit first, got \"../x\""},
        {"{\"name\":7,\"weights\":\"w\"}", "name: a string expected, got 7"},
    };
    EXPECT_ALL_REFUSED(refusals);
    expect_refused_named("{\"weights\":\"w\"}", "my model",
                         "name: at most 64 of A-Z a-z 0-9 . _ - expected, a letter or digit first, "
                         "got \"my model\" from the file's name");
}

static void a_good_name_makes_up_for_the_file_s(void **state)
{
    (void)state;
    struct model_config config = parse_named("{\"name\":\"m\",\"weights\":\"w\"}", "my model");
    assert_string_equal(config.name, "m");
    model_config_fini(&config);
}

static void names_are_tokens(void **state)
{
    (void)state;
    static const char longest[] =
        "a123456789012345678901234567890123456789012345678901234567890123";
    assert_int_equal(strlen(longest), 64);
    assert_true(model_name_is_valid("a"));
    assert_true(model_name_is_valid("0-._A"));
    assert_true(model_name_is_valid(longest));
    assert_false(
        model_name_is_valid("a1234567890123456789012345678901234567890123456789012345678901"
                            "234"));
    static const char *const bad[] = {"", ".a", "-a", "_a", "a/b", "a b", "a\n", "\xc3\xa4", "a%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(model_name_is_valid(bad[i]));
}

#define LSTM(members) "{\"weights\":\"w\",\"lstm\":{" members "}}"

static void arguments_of_the_lstm_are_checked(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LSTM("\"hiden_size\":128"),
         "lstm.hiden_size: unknown key; known are input_size, hidden_size, num_layers, bias, "
         "batch_first, dropout, bidirectional, proj_size, units, use_bias, direction, "
         "go_backwards, return_sequences, return_state, merge_mode, activation, "
         "recurrent_activation, activations, peepholes, clip, input_forget, "
         "zero_output_for_mask, recurrent_dropout, unit_forget_bias, unroll, stateful"},
        {LSTM("\"weights\":\"x\""),
         "lstm.weights: unknown key; known are input_size, hidden_size, num_layers, bias, "
         "batch_first, dropout, bidirectional, proj_size, units, use_bias, direction, "
         "go_backwards, return_sequences, return_state, merge_mode, activation, "
         "recurrent_activation, activations, peepholes, clip, input_forget, "
         "zero_output_for_mask, recurrent_dropout, unit_forget_bias, unroll, stateful"},
        {LSTM("\"hidden_size\":1,\"hidden_size\":1"), "lstm.hidden_size: given twice"},
        {LSTM("\"hidden_size\":\"128\""),
         "lstm.hidden_size: an integer of at least 1 expected, got \"128\""},
        {LSTM("\"input_size\":0"), "lstm.input_size: an integer of at least 1 expected, got 0"},
        {LSTM("\"num_layers\":1.5"), "lstm.num_layers: an integer of at least 1 expected, got 1.5"},
        {LSTM("\"num_layers\":16777217"),
         "lstm.num_layers: an integer of at most 16777216 expected, got 16777217"},
        {LSTM("\"proj_size\":-1"), "lstm.proj_size: an integer of at least 0 expected, got -1"},
        {LSTM("\"bidirectional\":\"yes\""),
         "lstm.bidirectional: true or false expected, got \"yes\""},
        {LSTM("\"bias\":null"), "lstm.bias: true or false expected, got null"},
        {LSTM("\"dropout\":1.5"), "lstm.dropout: a number from 0 to 1 expected, got 1.5"},
        {LSTM("\"dropout\":\"0\""), "lstm.dropout: a number from 0 to 1 expected, got \"0\""},
        {"{\"weights\":\"w\",\"lstm\":[]}", "lstm: an object expected, got an array"},
        {"{\"weights\":\"w\",\"lstm\":null}", "lstm: an object expected, got null"},
        {"{\"weights\":\"w\",\"batch_first\":true,\"lstm\":{\"batch_first\":false}}",
         "lstm.batch_first: true expected as said before, got false"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

#define LAYERS(layers) "{\"weights\":\"w\",\"layers\":[" layers "]}"

static void layers_are_checked(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"weights\":\"w\",\"layers\":{}}", "layers: an array expected, got an object"},
        {LAYERS(""), "layers: 1 to 256 layers expected, got 0"},
        {LAYERS("5"), "layers[0]: an object expected, got 5"},
        {LAYERS("{}"),
         "layers[0].type: missing; one of lstm, dense, activation, dropout, embedding, masking, "
         "layer_norm, batch_norm, flatten, reshape, last_step, repeat_vector, conv1d, max_pool1d, "
         "avg_pool1d, global_max_pool1d, global_average_pool1d expected"},
        {LAYERS("{\"type\":\"dropout\"},{\"type\":\"gru\"}"),
         "layers[1].type: \"gru\" is not a layer type; lstm, dense, activation, dropout, "
         "embedding, masking, "
         "layer_norm, batch_norm, flatten, reshape, last_step, repeat_vector, conv1d, max_pool1d, "
         "avg_pool1d, global_max_pool1d, global_average_pool1d are"},
        {LAYERS("{\"type\":\"LSTM\"}"),
         "layers[0].type: \"LSTM\" is not a layer type; lstm, dense, activation, dropout, "
         "embedding, masking, "
         "layer_norm, batch_norm, flatten, reshape, last_step, repeat_vector, conv1d, max_pool1d, "
         "avg_pool1d, global_max_pool1d, global_average_pool1d are"},
        {LAYERS("{\"type\":3}"), "layers[0].type: a string expected, got 3"},
        {LAYERS("{\"type\":\"dense\",\"type\":\"dense\"}"), "layers[0].type: given twice"},
        {LAYERS("{\"type\":\"dense\",\"name\":1}"), "layers[0].name: a string expected, got 1"},
        {LAYERS("{\"type\":\"lstm\",\"size\":1}"),
         "layers[0].size: unknown key; known are type, name, weights, input_size, hidden_size, "
         "num_layers, bias, batch_first, dropout, bidirectional, proj_size, units, use_bias, "
         "direction, go_backwards, return_sequences, return_state, merge_mode, activation, "
         "recurrent_activation, activations, peepholes, clip, input_forget, "
         "zero_output_for_mask, recurrent_dropout, unit_forget_bias, unroll, stateful"},
        {LAYERS("{\"type\":\"lstm\",\"hidden_size\":[]}"),
         "layers[0].hidden_size: an integer of at least 1 expected, got an array"},
        {LAYERS("{\"type\":\"lstm\",\"weights\":1}"),
         "layers[0].weights: a string expected, got 1"},
        {LAYERS("{\"type\":\"lstm\",\"batch_first\":false},"
                "{\"type\":\"lstm\",\"batch_first\":true}"),
         "layers[1].batch_first: false expected as said before, got true"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

/* They are shown in tables. */
static void bug_428_names_without_control_characters_are_expected(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS("{\"type\":\"dense\",\"name\":\"a\\u001b[31m\"}"),
         "layers[0].name: no control characters expected, got \"a?[31m\""},
        {LAYERS("{\"type\":\"dense\",\"weights\":\"a\\nb\"}"),
         "layers[0].weights: no control characters expected, got \"a?b\""},
        {"{\"weights\":\"w\",\"prefix\":\"\\u007f.\"}",
         "prefix: no control characters expected, got \"?.\""},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void dense_activation_and_dropout_are_checked(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS("{\"type\":\"dense\",\"hidden_size\":1}"),
         "layers[0].hidden_size: unknown key; known are type, name, weights, units, bias, "
         "use_bias, activation"},
        {LAYERS("{\"type\":\"dense\",\"units\":0}"),
         "layers[0].units: an integer of at least 1 expected, got 0"},
        {LAYERS("{\"type\":\"dense\",\"bias\":0}"),
         "layers[0].bias: true or false expected, got 0"},
        {LAYERS("{\"type\":\"dense\",\"activation\":\"soft\"}"),
         "layers[0].activation: \"soft\" is not an activation; linear, relu, sigmoid, tanh, "
         "hard_sigmoid, softsign, softplus, exponential, elu, selu, swish, relu6, mish, "
         "log_sigmoid, hard_swish, leaky_relu, thresholded_relu, clip, gelu, gelu_tanh, affine, "
         "scaled_tanh, softmax, log_softmax are"},
        {LAYERS("{\"type\":\"dense\",\"activation\":null}"),
         "layers[0].activation: an activation's name or an object expected, got null"},
        {LAYERS("{\"type\":\"dropout\"},{\"type\":\"activation\",\"function\":\"rellu\"}"),
         "layers[1].function: \"rellu\" is not an activation; linear, relu, sigmoid, tanh, "
         "hard_sigmoid, softsign, softplus, exponential, elu, selu, swish, relu6, mish, "
         "log_sigmoid, hard_swish, leaky_relu, thresholded_relu, clip, gelu, gelu_tanh, affine, "
         "scaled_tanh, softmax, log_softmax are"},
        {LAYERS("{\"type\":\"activation\"}"),
         "layers[0].function: missing; an activation's name expected"},
        {LAYERS("{\"type\":\"activation\",\"weights\":\"w\"}"),
         "layers[0].weights: unknown key; known are type, name, function, alpha, beta"},
        {LAYERS("{\"type\":\"dropout\",\"p\":-0.1}"),
         "layers[0].p: a number from 0 to 1 expected, got -0.1"},
        {LAYERS("{\"type\":\"dropout\",\"rate\":true}"),
         "layers[0].rate: a number from 0 to 1 expected, got true"},
        {LAYERS("{\"type\":\"dropout\",\"units\":1}"),
         "layers[0].units: unknown key; known are type, name, p, rate"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LSTM("\"units\":3,\"hidden_size\":4"),
         "lstm.units: 4 expected, as hidden_size says, got 3"},
        {LSTM("\"bias\":true,\"use_bias\":false"),
         "lstm.use_bias: true expected, as bias says, got false"},
        {LSTM("\"bidirectional\":true,\"direction\":\"reverse\""),
         "lstm.direction: bidirectional expected, as bidirectional says"},
        {LSTM("\"direction\":\"backward\""),
         "lstm.direction: forward, reverse or bidirectional expected, got \"backward\""},
        {LSTM("\"go_backwards\":true,\"bidirectional\":true"),
         "lstm.go_backwards: false expected with another direction than forward"},
        {LSTM("\"zero_output_for_mask\":true,\"return_sequences\":false"),
         "lstm.zero_output_for_mask: false expected, as return_sequences is"},
        {LSTM("\"activation\":\"tanh\",\"activations\":[]"),
         "lstm.activations: not expected beside activation or recurrent_activation"},
        {LSTM("\"activations\":[\"tanh\"]"),
         "lstm.activations: 3 of them, or 6 with two directions, expected, got 1"},
        {LSTM("\"activations\":\"tanh\""), "lstm.activations: an array expected, got \"tanh\""},
        {LSTM("\"activations\":[\"sigmoid\",5,\"tanh\"]"),
         "lstm.activations[1]: an activation's name or an object expected, got 5"},
        {LSTM("\"recurrent_activation\":\"softmax\""),
         "lstm.recurrent_activation: softmax is not for the inside of an LSTM"},
        {LSTM("\"merge_mode\":\"average\""),
         "lstm.merge_mode: concat, sum, mul or ave expected, got \"average\""},
        {LSTM("\"recurrent_dropout\":2"),
         "lstm.recurrent_dropout: a number from 0 to 1 expected, got 2"},
        {LSTM("\"unroll\":1"), "lstm.unroll: true or false expected, got 1"},
        {LSTM("\"stateful\":true"),
         "lstm.stateful: false expected: the state is kept for requests that say sequence_id"},
        {LSTM("\"clip\":0"), "lstm.clip: a number from 7.88861e-31 to 1e+30 expected, got 0"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void parameters_of_layers_are_checked(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS("{\"type\":\"activation\",\"function\":\"relu\",\"alpha\":1}"),
         "layers[0].alpha: the function has no such parameter"},
        {LAYERS("{\"type\":\"dense\",\"activation\":{\"function\":\"elu\",\"beta\":1}}"),
         "layers[0].activation.beta: the function has no such parameter"},
        {LAYERS("{\"type\":\"dense\",\"activation\":{\"alpha\":1}}"),
         "layers[0].activation.function: missing; an activation's name expected"},
        {LAYERS("{\"type\":\"reshape\"}"),
         "layers[0].target_shape: missing; [features] or [steps,features] expected"},
        {LAYERS("{\"type\":\"reshape\",\"target_shape\":[1,2,3]}"),
         "layers[0].target_shape: [features] or [steps,features] expected, got an array"},
        {LAYERS("{\"type\":\"reshape\",\"target_shape\":[-1,-1]}"),
         "layers[0].target_shape: one -1 at most expected, got two"},
        {LAYERS("{\"type\":\"reshape\",\"target_shape\":[0]}"),
         "layers[0].target_shape: sizes of at least 1, or -1 for one of them, expected, got 0"},
        {LAYERS("{\"type\":\"repeat_vector\"}"),
         "layers[0].n: missing; how many steps are wanted expected"},
        {LAYERS("{\"type\":\"conv1d\",\"padding\":-1}"),
         "layers[0].padding: an integer of at least 0 expected, got -1"},
        {LAYERS("{\"type\":\"max_pool1d\",\"padding\":\"causal\"}"),
         "layers[0].padding: valid, same or a number of steps expected, got \"causal\""},
        {LAYERS("{\"type\":\"avg_pool1d\",\"pool_size\":3,\"padding\":3}"),
         "layers[0].padding: an integer of at most 2 expected, got 3"},
        {LAYERS("{\"type\":\"max_pool1d\",\"pool_size\":3,\"padding\":-1}"),
         "layers[0].padding: an integer of at least 0 expected, got -1"},
        {LAYERS("{\"type\":\"max_pool1d\",\"pool_size\":1,\"padding\":1}"),
         "layers[0].padding: an integer of at most 0 expected, got 1"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void tensors_labels_and_service_are_checked(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"weights\":\"w\",\"tensors\":{\"input\":null}}",
         "tensors.input: a string expected, got null"},
        {"{\"weights\":\"w\",\"tensors\":{\"h_0\":[]}}",
         "tensors.h_0: a name for each LSTM layer expected, got none"},
        {"{\"weights\":\"w\",\"tensors\":{\"h_n\":[\"a\",1]}}",
         "tensors.h_n: names or null expected, got 1"},
        {"{\"weights\":\"w\",\"tensors\":{\"lengths\":[\"a\"]}}",
         "tensors.lengths: a string expected, got an array"},
        {"{\"weights\":\"w\",\"tensors\":{\"h_0\":\"a\\u0007\"}}",
         "tensors.h_0: 1 to 119 bytes without control characters expected, got \"a?\""},
        {"{\"weights\":\"w\",\"tensors\":{\"output_layout\":\"\"}}",
         "tensors.output_layout: TBF, BTF, TDBH or BTDH expected, got \"\""},
        {"{\"weights\":\"w\",\"labels\":[]}", "labels: at least one label expected, got an array"},
        {"{\"weights\":\"w\",\"labels\":[\"a\",1]}", "labels: an array of strings expected, got 1"},
        {"{\"weights\":\"w\",\"max_queue_delay_us\":1.5}",
         "max_queue_delay_us: an integer of at least 0 expected, got 1.5"},
        {"{\"weights\":\"w\",\"sequence_idle_timeout_ms\":0}",
         "sequence_idle_timeout_ms: an integer of at least 1 expected, got 0"},
        {"{\"weights\":\"w\",\"input_size\":0}",
         "input_size: an integer of at least 1 expected, got 0"},
        {"{\"weights\":\"w\",\"steps\":0}", "steps: an integer of at least 1 expected, got 0"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void the_number_of_layers_is_bounded(void **state)
{
    (void)state;
    static const char layer[] = "{\"type\":\"dropout\"},";
    const size_t size = sizeof layer - 1;
    char *text = malloc(64 + (MODEL_LAYERS_MAX + 1) * size);
    assert_non_null(text);
    for (size_t count = MODEL_LAYERS_MAX; count <= MODEL_LAYERS_MAX + 1; count++) {
        size_t used = (size_t)sprintf(text, "{\"weights\":\"w\",\"layers\":[");
        for (size_t i = 0; i < count; i++, used += size)
            memcpy(text + used, layer, size);
        memcpy(text + used - 1, "]}", 3);
        if (count > MODEL_LAYERS_MAX) {
            expect_refused_named(text, "file", "layers: 1 to 256 layers expected, got 257");
        } else {
            struct model_config config = parse(text);
            assert_int_equal(config.layer_count, MODEL_LAYERS_MAX);
            assert_string_equal(config.layers[255].place, "layers[255]");
            model_config_fini(&config);
        }
    }
    free(text);
}

static void bug_445_clip_may_be_on_one_side_alone(void **state)
{
    (void)state;
    struct model_config config = parse(LAYERS(
        "{\"type\":\"activation\",\"function\":\"clip\",\"alpha\":0,\"beta\":3.4028235e38}"));
    assert_true(config.layers[0].activation.alpha == 0 &&
                config.layers[0].activation.beta == FLT_MAX);
    model_config_fini(&config);
    config = parse(LAYERS("{\"type\":\"dense\",\"activation\":{\"function\":\"clip\","
                          "\"alpha\":-3.4028234663852886e38,\"beta\":6}}"));
    assert_true(config.layers[0].activation.alpha == -FLT_MAX &&
                config.layers[0].activation.beta == 6);
    model_config_fini(&config);
    static const struct refusal refusals[] = {
        {LAYERS("{\"type\":\"activation\",\"function\":\"clip\",\"beta\":3.4028236e38}"),
         "layers[0].beta: a number from -3.40282e+38 to 3.40282e+38 expected, got 3.4028236e+38"},
        {LAYERS("{\"type\":\"activation\",\"function\":\"affine\",\"alpha\":2e30}"),
         "layers[0].alpha: a number from -1e+30 to 1e+30 expected, got 2e+30"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void prefixes_leave_room_for_the_names(void **state)
{
    (void)state;
    char text[640], prefix[MODEL_PREFIX_MAX + 1];
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[MODEL_PREFIX_MAX] = '\0';
    snprintf(text, sizeof text, "{\"weights\":\"w\",\"prefix\":\"%s\"}", prefix);
    expect_refused_named(text, "file", "prefix: at most 199 bytes expected, got 200");
    snprintf(text, sizeof text, "{\"weights\":\"w\",\"prefix\":\"%s\"}", prefix + 1);
    struct model_config config = parse(text);
    assert_string_equal(config.layers[0].prefix, prefix + 1);
    model_config_fini(&config);
    snprintf(text, sizeof text,
             "{\"weights\":\"w\",\"prefix\":\"%s\",\"layers\":[{\"type\":\"dense\","
             "\"weights\":\"d\"}]}",
             prefix + 1);
    expect_refused_named(text, "file",
                         "layers[0].weights: at most 199 bytes expected, with the model's prefix, "
                         "got 201");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_may_name_nothing_but_the_weights),
        cmocka_unit_test(the_short_form_takes_all_arguments_of_torch),
        cmocka_unit_test(a_queue_delay_is_a_bounded_number),
        cmocka_unit_test(sequences_have_their_own_keys),
        cmocka_unit_test(batch_first_may_stand_in_either_place),
        cmocka_unit_test(the_long_form_is_read_in_order),
        cmocka_unit_test(all_activations_are_known_by_name),
        cmocka_unit_test(text_that_is_no_json_object_is_refused),
        cmocka_unit_test(keys_of_the_model_are_checked),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(a_good_name_makes_up_for_the_file_s),
        cmocka_unit_test(names_are_tokens),
        cmocka_unit_test(arguments_of_the_lstm_are_checked),
        cmocka_unit_test(layers_are_checked),
        cmocka_unit_test(bug_428_names_without_control_characters_are_expected),
        cmocka_unit_test(dense_activation_and_dropout_are_checked),
        cmocka_unit_test(options_of_the_lstm_are_read),
        cmocka_unit_test(all_other_layers_are_read),
        cmocka_unit_test(rows_of_ids_come_first_unless_time_is_said_to),
        cmocka_unit_test(tensors_labels_and_service_are_read),
        cmocka_unit_test(options_that_contradict_each_other_are_refused),
        cmocka_unit_test(parameters_of_layers_are_checked),
        cmocka_unit_test(bug_445_clip_may_be_on_one_side_alone),
        cmocka_unit_test(tensors_labels_and_service_are_checked),
        cmocka_unit_test(the_number_of_layers_is_bounded),
        cmocka_unit_test(prefixes_leave_room_for_the_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
