/* The chain of layers as --layers says it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/chain.h"

static void assert_options(const struct cJSON *options, const char *wanted)
{
    char *text = cJSON_PrintUnformatted(options);
    assert_string_equal(text, wanted);
    free(text);
}

static void items_become_layers(void **state)
{
    static const struct {
        const char *type, *name, *prefix, *options;
    } wanted[] = {
        {"embedding", "emb", "emb.", "{\"mask_zero\":true}"},
        {"lstm", "encoder.rnn", "encoder.rnn.", "{}"},
        {"last_step", "last_step", "", "{}"},
        {"dropout", "dropout", "", "{\"p\":0.5}"},
        {"dense", "fc.0", "fc.0.", "{\"activation\":\"relu\"}"},
        {"activation", "leaky_relu", "", "{\"function\":\"leaky_relu\",\"alpha\":0.2}"},
        {"dense", "fc.2", "fc.2.", "{}"},
    };
    struct network network;
    struct fault fault;
    (void)state;
    network_init(&network);
    assert_true(chain_parse(" embedding emb mask_zero=true,lstm encoder.rnn. , last_step,\n"
                            "dropout p=0.5, linear fc.0 activation=relu, leaky_relu alpha=0.2 "
                            ",\tdense fc.2",
                            &network, &fault));
    assert_int_equal(network.layer_count, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < network.layer_count; i++) {
        assert_string_equal(network.layers[i].type, wanted[i].type);
        assert_string_equal(network.layers[i].prefix, wanted[i].prefix);
        assert_options(network.layers[i].options, wanted[i].options);
    }
    assert_string_equal(network.layers[4].name, "fc.0");
    network_fini(&network);
}

static void steps_are_the_models(void **state)
{
    struct network network;
    struct fault fault;
    (void)state;
    network_init(&network);
    assert_true(chain_parse("lstm a, flatten steps=30, dense b", &network, &fault));
    assert_options(network.options, "{\"steps\":30}");
    assert_options(network.layers[1].options, "{}");
    network_fini(&network);
}

static void pytorchs_modules_go_by_their_names(void **state)
{
    static const char *const wanted[] = {"hard_sigmoid_keras3", "hard_swish", "log_sigmoid",
                                         "log_softmax"};
    struct network network;
    struct fault fault;
    char options[64];
    (void)state;
    network_init(&network);
    assert_true(chain_parse("hardsigmoid, hardswish, logsigmoid, logsoftmax", &network, &fault));
    assert_int_equal(network.layer_count, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < network.layer_count; i++) {
        snprintf(options, sizeof options, "{\"function\":\"%s\"}", wanted[i]);
        assert_options(network.layers[i].options, options);
    }
    network_fini(&network);
}

static void what_is_no_chain_is_named(void **state)
{
    static const struct {
        const char *chain, *text;
    } cases[] = {
        {"", "'' is not a layer type or an activation"},
        {"lstm a,", "'' is not a layer type"},
        {"gru a", "'gru' is not a layer type"},
        {"last", "'last' is not a layer type or an activation; layer types are lstm, dense, "
                 "linear, embedding, layer_norm, batch_norm, conv1d, masking, dropout, flatten, "
                 "reshape, last_step, "},
        {"lstm", "the prefix of its weights expected behind 'lstm'"},
        {"dense bias=true", "the prefix of its weights expected behind 'dense'"},
        {"relu relu", "OPTION=VALUE expected, got 'relu'"},
        {"dense fc =3", "OPTION=VALUE expected, got '=3'"},
        {"dense fc units=", "OPTION=VALUE expected, got 'units='"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct network network;
        struct fault fault = {0};
        network_init(&network);
        assert_false(chain_parse(cases[i].chain, &network, &fault));
        if (strstr(fault.text, cases[i].text) == NULL)
            fail_msg("'%s': '%s' expected, got '%s'", cases[i].chain, cases[i].text, fault.text);
        network_fini(&network);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_become_layers),
        cmocka_unit_test(steps_are_the_models),
        cmocka_unit_test(pytorchs_modules_go_by_their_names),
        cmocka_unit_test(what_is_no_chain_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
