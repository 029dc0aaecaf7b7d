#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
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
    assert_int_equal(l[1].activation, ACTIVATION_RELU);
    assert_int_equal(l[2].kind, LAYER_KIND_DROPOUT);
    assert_int_equal(l[3].kind, LAYER_KIND_DROPOUT);
    assert_int_equal(l[4].kind, LAYER_KIND_DENSE);
    assert_string_equal(l[4].place, "layers[4]");
    assert_string_equal(l[4].prefix, "net.out.");
    assert_true(l[4].units.given && l[4].units.value == 1);
    assert_true(l[4].bias.given && l[4].bias.value);
    assert_int_equal(l[4].activation, ACTIVATION_SIGMOID);
    assert_string_equal(l[5].prefix, "net.");
    assert_int_equal(l[5].activation, ACTIVATION_LINEAR);
    assert_false(l[5].units.given || l[5].bias.given);
    model_config_fini(&config);
}

static void all_activations_are_known_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"linear", "relu", "sigmoid", "tanh"};
    static const enum activation values[] = {ACTIVATION_LINEAR, ACTIVATION_RELU, ACTIVATION_SIGMOID,
                                             ACTIVATION_TANH};
    for (size_t i = 0; i < 4; i++) {
        char text[128];
        snprintf(text, sizeof text,
                 "{\"weights\":\"w\",\"layers\":[{\"type\":\"activation\",\"function\":\"%s\"}]}",
                 names[i]);
        struct model_config config = parse(text);
        assert_int_equal(config.layers[0].activation, values[i]);
        model_config_fini(&config);
    }
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
        {"{\"weight\":\"w\"}",
         "weight: unknown key; known are name, weights, prefix, batch_first, lstm, layers, "
         "max_queue_delay_us, strict_sequences, sequence_idle_timeout_ms"},
        {"{\"weights\":\"w\",\"weights\":\"w\"}", "weights: given twice"},
        {"{\"Weights\":\"w\"}",
         "Weights: unknown key; known are name, weights, prefix, batch_first, lstm, layers, "
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
         "batch_first, dropout, bidirectional, proj_size"},
        {LSTM("\"weights\":\"x\""),
         "lstm.weights: unknown key; known are input_size, hidden_size, num_layers, bias, "
         "batch_first, dropout, bidirectional, proj_size"},
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
        {LAYERS("{}"), "layers[0].type: missing; lstm, dense, activation or dropout expected"},
        {LAYERS("{\"type\":\"dropout\"},{\"type\":\"gru\"}"),
         "layers[1].type: \"gru\" is not a layer type; lstm, dense, activation, dropout are"},
        {LAYERS("{\"type\":\"LSTM\"}"),
         "layers[0].type: \"LSTM\" is not a layer type; lstm, dense, activation, dropout are"},
        {LAYERS("{\"type\":3}"), "layers[0].type: a string expected, got 3"},
        {LAYERS("{\"type\":\"dense\",\"type\":\"dense\"}"), "layers[0].type: given twice"},
        {LAYERS("{\"type\":\"dense\",\"name\":1}"), "layers[0].name: a string expected, got 1"},
        {LAYERS("{\"type\":\"lstm\",\"units\":1}"),
         "layers[0].units: unknown key; known are type, name, weights, input_size, hidden_size, "
         "num_layers, bias, batch_first, dropout, bidirectional, proj_size"},
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

static void dense_activation_and_dropout_are_checked(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {LAYERS("{\"type\":\"dense\",\"hidden_size\":1}"),
         "layers[0].hidden_size: unknown key; known are type, name, weights, units, bias, "
         "activation"},
        {LAYERS("{\"type\":\"dense\",\"units\":0}"),
         "layers[0].units: an integer of at least 1 expected, got 0"},
        {LAYERS("{\"type\":\"dense\",\"bias\":0}"),
         "layers[0].bias: true or false expected, got 0"},
        {LAYERS("{\"type\":\"dense\",\"activation\":\"softmax\"}"),
         "layers[0].activation: \"softmax\" is not an activation; linear, relu, sigmoid, tanh are"},
        {LAYERS("{\"type\":\"dense\",\"activation\":null}"),
         "layers[0].activation: a string expected, got null"},
        {LAYERS("{\"type\":\"dropout\"},{\"type\":\"activation\",\"function\":\"rellu\"}"),
         "layers[1].function: \"rellu\" is not an activation; linear, relu, sigmoid, tanh are"},
        {LAYERS("{\"type\":\"activation\"}"),
         "layers[0].function: missing; linear, relu, sigmoid or tanh expected"},
        {LAYERS("{\"type\":\"activation\",\"weights\":\"w\"}"),
         "layers[0].weights: unknown key; known are type, name, function"},
        {LAYERS("{\"type\":\"dropout\",\"p\":-0.1}"),
         "layers[0].p: a number from 0 to 1 expected, got -0.1"},
        {LAYERS("{\"type\":\"dropout\",\"rate\":true}"),
         "layers[0].rate: a number from 0 to 1 expected, got true"},
        {LAYERS("{\"type\":\"dropout\",\"units\":1}"),
         "layers[0].units: unknown key; known are type, name, p, rate"},
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
        cmocka_unit_test(dense_activation_and_dropout_are_checked),
        cmocka_unit_test(the_number_of_layers_is_bounded),
        cmocka_unit_test(prefixes_leave_room_for_the_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
