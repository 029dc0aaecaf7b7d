/* The two files a network becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/network_write.h"
#include "proto/safetensors.h"

static struct fault fault;

static float *add_tensor(struct network *network, size_t layer, const char *name, size_t rank,
                         const size_t *shape)
{
    float *values = network_add_tensor(network, layer, name, rank, shape, &fault);
    assert_non_null(values);
    return values;
}

static char *config_of(const struct network *network)
{
    struct blob config;
    assert_true(network_write_config(network, "tagger", &config, &fault));
    assert_int_equal(strlen((char *)config.bytes), config.size);
    cJSON *json = cJSON_Parse((char *)config.bytes);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    free(config.bytes);
    return text;
}

static void a_torch_lstm_alone_takes_the_short_form(void **state)
{
    struct network network;
    (void)state;
    network_init(&network);
    const size_t lstm = network_add_layer(&network, "lstm", "encoder", "encoder.");
    network_set_size(&network, lstm, "hidden_size", 7);
    network_set_bool(&network, lstm, "bidirectional", true);
    network_set_bool(&network, NETWORK_ROOT, "batch_first", true);
    char *text = config_of(&network);
    assert_string_equal(text, "{\"name\":\"tagger\",\"weights\":\"tagger.safetensors\","
                              "\"batch_first\":true,\"prefix\":\"encoder.\","
                              "\"lstm\":{\"hidden_size\":7,\"bidirectional\":true}}");
    free(text);
    network_fini(&network);
}

static void everything_else_takes_the_long_form(void **state)
{
    struct network network;
    const size_t shape[] = {1};
    (void)state;
    network_init(&network);
    const size_t lstm = network_add_layer(&network, "lstm", "lstm_1", "lstm_1.");
    network_set_string(&network, lstm, "activation", "relu");
    network_set_string(&network, lstm, "activation", "elu"); /* the last one stays */
    add_tensor(&network, lstm, "weight_ih_l0", 1, shape);
    const size_t out = network_add_layer(&network, "activation", "out", "");
    network_set_json(&network, out, "function", cJSON_Parse("{\"function\":\"elu\",\"alpha\":2}"));
    network_set_number(&network, out, "beta", 0.1);
    char *text = config_of(&network);
    assert_string_equal(text, "{\"name\":\"tagger\",\"weights\":\"tagger.safetensors\",\"layers\":["
                              "{\"type\":\"lstm\",\"name\":\"lstm_1\",\"weights\":\"lstm_1\","
                              "\"activation\":\"elu\"},"
                              "{\"type\":\"activation\",\"name\":\"out\","
                              "\"function\":{\"function\":\"elu\",\"alpha\":2},\"beta\":0.1}]}");
    free(text);
    network_fini(&network);
}

static void weights_are_sorted_by_name_and_aligned(void **state)
{
    static const char *const names[] = {"z.bias", "a.weight", "m.weight_ih"};
    struct network network;
    struct blob weights;
    struct safetensors tensors;
    float values[6];
    (void)state;
    network_init(&network);
    for (size_t i = 0; i < 3; i++) {
        const char *dot = strchr(names[i], '.') + 1;
        const char prefix[] = {names[i][0], '.', '\0'};
        const size_t shape[] = {2, i + 1};
        const size_t layer = network_add_layer(&network, "dense", "d", prefix);
        float *to = add_tensor(&network, layer, dot, 2, shape);
        for (size_t e = 0; e < shape[0] * shape[1]; e++)
            to[e] = (float)(100 * i + e);
    }
    assert_true(network_write_weights(&network, &weights, &fault));
    assert_true(safetensors_init(&tensors, weights.bytes, weights.size, &fault));
    assert_int_equal(tensors.count, 3);
    assert_string_equal(tensors.tensors[0].name, "a.weight");
    assert_string_equal(tensors.tensors[1].name, "m.weight_ih");
    assert_string_equal(tensors.tensors[2].name, "z.bias");
    assert_int_equal((tensors.tensors[0].bytes - weights.bytes) % 8, 0);
    assert_true(safetensors_read_f32(&tensors.tensors[1], values, &fault));
    for (size_t e = 0; e < 6; e++)
        assert_true(values[e] == (float)(200 + e));
    safetensors_fini(&tensors);
    free(weights.bytes);
    network_fini(&network);
}

static void two_tensors_of_one_name_are_refused(void **state)
{
    struct network network;
    struct blob weights;
    const size_t shape[] = {1};
    (void)state;
    network_init(&network);
    for (int i = 0; i < 2; i++)
        add_tensor(&network, network_add_layer(&network, "dense", "d", "d."), "bias", 1, shape);
    assert_false(network_write_weights(&network, &weights, &fault));
    assert_string_equal(fault.text, "two tensors of one name, 'd.bias'");
    network_fini(&network);
}

static void what_is_not_finite_is_named(void **state)
{
    struct network network;
    const size_t shape[] = {3};
    (void)state;
    network_init(&network);
    assert_false(network_is_whole(&network, &fault));
    assert_string_equal(fault.text, "a network expected, found no layer");
    const size_t layer = network_add_layer(&network, "dense", "out", "out.");
    float *bias = add_tensor(&network, layer, "bias", 1, shape);
    assert_true(network_is_whole(&network, &fault));
    bias[2] = NAN;
    assert_false(network_is_whole(&network, &fault));
    assert_string_equal(fault.text, "layer 'out': tensor 'bias': a finite float32 expected, "
                                    "element 2 is NaN");
    network_fini(&network);
}

static void a_tensor_too_large_is_refused_before_memory_is_taken(void **state)
{
    struct network network;
    const size_t shapes[][2] = {{SIZE_MAX, 2}, {(size_t)1 << 20, (size_t)1 << 20}};
    (void)state;
    network_init(&network);
    const size_t layer = network_add_layer(&network, "dense", "out", "out.");
    for (size_t i = 0; i < 2; i++) {
        assert_null(network_add_tensor(&network, layer, "weight", 2, shapes[i], &fault));
        assert_string_equal(fault.text, "tensor 'weight': at most 536870912 elements expected");
    }
    network_fini(&network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torch_lstm_alone_takes_the_short_form),
        cmocka_unit_test(everything_else_takes_the_long_form),
        cmocka_unit_test(weights_are_sorted_by_name_and_aligned),
        cmocka_unit_test(two_tensors_of_one_name_are_refused),
        cmocka_unit_test(what_is_not_finite_is_named),
        cmocka_unit_test(a_tensor_too_large_is_refused_before_memory_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
