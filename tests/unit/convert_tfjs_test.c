/* TensorFlow.js' LayersModels: what model.json lists, in shards that hold exactly that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "deploy/convert/tfjs_reader.h"
#include "tests/support/die.h"

/* ---- model.json and its shards, in memory ---- */

struct shard {
    const char *name;
    const char *bytes;
    size_t size;
};

/* From shards ended by one without a name. */
static bool shard_beside(void *context, const char *name, struct blob *blob, struct fault *fault)
{
    for (const struct shard *shard = context; shard->name != NULL; shard++)
        if (strcmp(shard->name, name) == 0) {
            blob->bytes = must_allocate(shard->size + 1);
            memcpy(blob->bytes, shard->bytes, shard->size);
            blob->size = shard->size;
            return true;
        }
    return fault_set(fault, 400, "%s: there is no such file", name);
}

static bool read_model(const char *json, const struct shard *shards, struct network *network,
                       struct fault *fault)
{
    char *copy = strdup(json);
    struct shard list[4];
    memcpy(list, shards, sizeof list);
    const struct input input = {
        .name = "model.json",
        .file = {.bytes = (unsigned char *)copy, .size = strlen(json)},
        .beside = shard_beside,
        .context = list,
    };
    assert_true(tfjs_reader.recognises(&input));
    network_init(network);
    const bool read = tfjs_reader.read(&input, network, fault);
    free(copy);
    return read;
}

/* A Dense called d of two units, inputs as the weights say. */
#define MODEL(groups)                                                                              \
    "{\"format\":\"layers-model\",\"modelTopology\":{\"keras_version\":\"2.1.0\",\"model_"         \
    "config\":"                                                                                    \
    "{\"class_name\":\"Sequential\",\"config\":[{\"class_name\":\"Dense\",\"config\":{\"name\":"   \
    "\"d\",\"units\":2}}]}},\"weightsManifest\":[" groups "]}"
#define GROUP(paths, weights)      "{\"paths\":[" paths "],\"weights\":[" weights "]}"
#define WEIGHT(name, shape, dtype) "{\"name\":\"" name "\",\"shape\":" shape ",\"dtype\":" dtype "}"
#define FLOAT32                    "\"float32\""
#define QUANTIZED(how)             "\"float32\",\"quantization\":{" how "}"

/* 1, 2 / 3, 4 as the kernel, 5, 6 as the bias. */
static const char numbers[] = "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40"
                              "\0\0\xa0\x40\0\0\xc0\x40";

static void expect_dense(const char *json, const struct shard *shards, const float kernel[4],
                         const float bias[2])
{
    struct network network;
    struct fault fault = {0};
    if (!read_model(json, shards, &network, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(network.layer_count, 1);
    const struct network_layer *layer = &network.layers[0];
    assert_string_equal(layer->type, "dense");
    assert_int_equal(layer->tensor_count, 2);
    for (size_t i = 0; i < 4; i++) /* transposed */
        assert_true(layer->tensors[0].values[i] == kernel[i % 2 * 2 + i / 2]);
    for (size_t i = 0; i < 2; i++)
        assert_true(layer->tensors[1].values[i] == bias[i]);
    network_fini(&network);
}

static void expect_refused(const char *json, const struct shard *shards, const char *because)
{
    struct network network;
    struct fault fault = {0};
    if (read_model(json, shards, &network, &fault))
        fail_msg("taken, not refused with '%s'", because);
    assert_int_equal(fault.status, 400);
    if (strstr(fault.text, because) == NULL)
        fail_msg("'%s' expected, got '%s'", because, fault.text);
    network_fini(&network);
}

/* ---- tests ---- */

static const float plain_kernel[] = {1, 2, 3, 4}, plain_bias[] = {5, 6};
static const struct shard one_shard[4] = {{"a", numbers, 24}};

#define KERNEL WEIGHT("d/kernel", "[2,2]", FLOAT32)
#define BIAS   WEIGHT("d/bias", "[2]", FLOAT32)

static void shards_are_joined_and_groups_kept_apart(void **state)
{
    static const struct shard cut[4] = {{"a", numbers, 3}, {"b", numbers + 3, 21}};
    static const struct shard groups[4] = {{"a", numbers + 16, 8}, {"b", numbers, 16}};
    (void)state;
    expect_dense(MODEL(GROUP("\"a\"", KERNEL "," BIAS)), one_shard, plain_kernel, plain_bias);
    expect_dense(MODEL(GROUP("\"a\",\"b\"", KERNEL "," BIAS)), cut, plain_kernel, plain_bias);
    expect_dense(MODEL(GROUP("\"a\"", BIAS) "," GROUP("\"b\"", KERNEL)), groups, plain_kernel,
                 plain_bias);
}

static void names_may_have_more_before_and_between(void **state)
{
    (void)state;
    expect_dense(MODEL(GROUP("\"a\"", WEIGHT("sequential/d/kernel", "[2,2]", FLOAT32) "," WEIGHT(
                                          "sequential/d/dense/bias", "[2]", FLOAT32))),
                 one_shard, plain_kernel, plain_bias);
}

/* What Keras keeps from call to call, a client asks for here. */
static void a_stateful_lstm_is_noted(void **state)
{
#define STATEFUL(value)                                                                            \
    "{\"format\":\"layers-model\",\"modelTopology\":{\"keras_version\":\"2.1.0\",\"model_"         \
    "config\":{\"class_name\":\"Sequential\",\"config\":[{\"class_name\":\"LSTM\",\"config\":{"    \
    "\"name\":\"l\",\"units\":1,\"activation\":\"tanh\",\"recurrent_activation\":\"sigmoid\","     \
    "\"stateful\":" value "}}]}},\"weightsManifest\":[" GROUP(                                     \
        "\"a\"",                                                                                   \
        WEIGHT("l/kernel", "[1,4]", FLOAT32) "," WEIGHT(                                           \
            "l/recurrent_kernel", "[1,4]", FLOAT32) "," WEIGHT("l/bias", "[4]", FLOAT32)) "]}"
    static const char zeros[48];
    static const struct shard shards[4] = {{"a", zeros, sizeof zeros}};
    struct network network;
    struct fault fault = {0};
    (void)state;
    if (!read_model(STATEFUL("true"), shards, &network, &fault))
        fail_msg("%s", fault.text);
    assert_non_null(network.notes);
    assert_non_null(strstr(network.notes, "l is stateful"));
    assert_non_null(strstr(network.notes, "sequence_id"));
    network_fini(&network);
    assert_true(read_model(STATEFUL("false"), shards, &network, &fault));
    assert_null(network.notes);
    network_fini(&network);
}

static void quantized_weights_are_numbers_again(void **state)
{
    static const struct shard bytes[4] = {{"a", "\0\1\2\xff\0\2", 6}};
    static const float byte_kernel[] = {-1, -0.5f, 0, 126.5f}, byte_bias[] = {-1, 0};
    static const struct shard words[4] = {{"a", "\0\0\1\0\0\1\xff\xff\0\0\2\0", 12}};
    static const float word_kernel[] = {3, 3.25f, 67, 16386.75f}, word_bias[] = {3, 3.5f};
    static const struct shard halves[4] = {{"a", "\0\x3c\0\x40\0\xc0\0\x38\0\0\1\0", 12}};
    static const float half_kernel[] = {1, 2, -2, 0.5f}, half_bias[] = {0, 0x1p-24f};
    (void)state;
#define ALL(how)                                                                                   \
    MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[2,2]", QUANTIZED(how)) "," WEIGHT("d/bias", "[2]",   \
                                                                                QUANTIZED(how))))
    expect_dense(ALL("\"dtype\":\"uint8\",\"scale\":0.5,\"min\":-1"), bytes, byte_kernel,
                 byte_bias);
    expect_dense(ALL("\"dtype\":\"uint16\",\"scale\":0.25,\"min\":3"), words, word_kernel,
                 word_bias);
    expect_dense(ALL("\"dtype\":\"float16\""), halves, half_kernel, half_bias);
    expect_refused(ALL("\"dtype\":\"uint8\",\"scale\":0.5"), bytes, "scale and min expected");
    expect_refused(ALL("\"dtype\":\"int4\""), bytes, "expected, got int4");
}

static void a_manifest_that_does_not_fit_is_refused(void **state)
{
    static const struct {
        const char *json, *because;
    } cases[] = {
        {MODEL(GROUP("\"a\"", KERNEL)), "shards of 16 bytes expected, got 24"},
        {MODEL(GROUP("\"a\",\"a\"", KERNEL "," BIAS)), "shards of 24 bytes expected, got 48"},
        {MODEL(GROUP("\"b\"", KERNEL "," BIAS)), "b: there is no such file"},
        {MODEL(GROUP("\"a\"", KERNEL "," WEIGHT("e/bias", "[2]", FLOAT32))),
         "Dense d.bias: one weight of that name expected in weightsManifest, got 0"},
        {MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[2,1]", FLOAT32) "," WEIGHT("x/d/kernel", "[1,2]",
                                                                              FLOAT32) "," BIAS)),
         "Dense d.kernel: one weight of that name expected in weightsManifest, got 2"},
        {MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[4]", FLOAT32) "," BIAS)),
         "Dense d.kernel: shape [any,2] expected, got [4]"},
        {MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[2,2]", "\"int32\"") "," BIAS)),
         "d/kernel: float32 expected, got int32"},
        {MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[2,2]", "\"string\"") "," BIAS)), "got string"},
        {MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[2,-2]", FLOAT32))), "its shape cannot be read"},
        {MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[2,1.5]", FLOAT32))), "its shape cannot be read"},
        {MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[1,1,1,1,1]", FLOAT32))), "at most 4 dimensions"},
        {MODEL(GROUP("\"a\"",
                     WEIGHT("d/kernel", "[2147483647,2147483647,2147483647,2147483647]", FLOAT32))),
         "its shape cannot be read"},
        {MODEL(GROUP("\"a\"", WEIGHT("d/kernel", "[2147483647,2147483647,2,1]", FLOAT32) "," WEIGHT(
                                  "d/bias", "[2147483647,2147483647,2,1]", FLOAT32))),
         "more bytes listed than there can be"},
        {MODEL(GROUP("7", KERNEL "," BIAS)), "paths that are strings expected"},
        {MODEL("{\"paths\":[\"a\"]}"), "a list of weights expected in each group"},
        {MODEL("{\"weights\":[]}"), "a list of paths expected in each group"},
        {MODEL("7"), "a list of weights expected in each group"},
        {MODEL(""), "Dense d.kernel: one weight of that name expected"},
        {"{\"modelTopology\":{},\"weightsManifest\":[]}", "Sequential, Model or Functional"},
        {"{\"format\":\"graph-model\",\"modelTopology\":{},\"weightsManifest\":[]}",
         "format: layers-model expected, got graph-model"},
        {"{\"modelTopology\":{},\"weightsManifest\":[],}", "line 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i].json, one_shard, cases[i].because);
}

/* A Bidirectional called b of one unit, its LSTM called lstm, and the names of four weights. */
/* clang-format off */
#define TWO_DIRECTIONS(lstm, first, second, third, fourth)                                         \
    "{\"modelTopology\":{\"keras_version\":\"2.1.0\",\"class_name\":\"Sequential\",\"config\":"         \
    "[{\"class_name\":\"Bidirectional\",\"config\":{\"name\":\"b\",\"merge_mode\":\"sum\","            \
    "\"layer\":{\"class_name\":\"LSTM\",\"config\":{\"name\":\"" lstm "\",\"units\":1,\"use_bias\":"     \
    "false,\"activation\":\"tanh\",\"recurrent_activation\":\"sigmoid\"}}}}]},"                     \
    "\"weightsManifest\":[{\"paths\":[\"a\"],\"weights\":["                                         \
    WEIGHT(first, "[1,4]", FLOAT32) "," WEIGHT(second, "[1,4]", FLOAT32) ","                       \
    WEIGHT(third, "[1,4]", FLOAT32) "," WEIGHT(fourth, "[1,4]", FLOAT32) "]}]}"
/* clang-format on */

/* The manifest's weights 1, 2, 3, 4 are backward kernel, forward kernel, forward and backward
 * recurrent_kernel. */
static void expect_directions(const char *json)
{
    static const char *const names[] = {"weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse",
                                        "weight_hh_l0_reverse"};
    static const float first[] = {2, 3, 1, 4};
    char bytes[64] = {0};
    struct network network;
    struct fault fault = {0};
    for (size_t i = 0; i < 4; i++) {
        const float value = (float)(i + 1);
        memcpy(bytes + 16 * i, &value, sizeof value);
    }
    const struct shard shards[4] = {{"a", bytes, sizeof bytes}};
    if (!read_model(json, shards, &network, &fault))
        fail_msg("%s", fault.text);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(network.layers[0].tensors[i].name, names[i]);
        assert_true(network.layers[0].tensors[i].values[0] == first[i]);
    }
    network_fini(&network);
}

/* layer, direction and role together make a name. */
static void two_directions_are_told_apart(void **state)
{
    (void)state;
    expect_directions(TWO_DIRECTIONS("l", "b/backward_l/kernel", "b/forward_l/kernel",
                                     "b/forward_l/recurrent_kernel",
                                     "b/backward_l/recurrent_kernel"));
}

static void keras_3_leaves_the_wrappers_name_out(void **state)
{
    (void)state;
    expect_directions(TWO_DIRECTIONS(
        "forward_l", "backward_l/lstm_cell/kernel", "forward_l/lstm_cell/kernel",
        "forward_l/lstm_cell/recurrent_kernel", "backward_l/lstm_cell/recurrent_kernel"));
}

static void other_json_is_left_to_others(void **state)
{
    static const char *const texts[] = {"", "{}", "[\"modelTopology\",\"weightsManifest\"]",
                                        "{\"modelTopology\":1}", "x"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *copy = strdup(texts[i]);
        const struct input input = {.file = {.bytes = (unsigned char *)copy, .size = strlen(copy)}};
        assert_false(tfjs_reader.recognises(&input));
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_joined_and_groups_kept_apart),
        cmocka_unit_test(names_may_have_more_before_and_between),
        cmocka_unit_test(a_stateful_lstm_is_noted),
        cmocka_unit_test(quantized_weights_are_numbers_again),
        cmocka_unit_test(a_manifest_that_does_not_fit_is_refused),
        cmocka_unit_test(two_directions_are_told_apart),
        cmocka_unit_test(keras_3_leaves_the_wrappers_name_out),
        cmocka_unit_test(other_json_is_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
