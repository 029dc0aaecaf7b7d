/* Keras' JSON as a chain of checked layers: the words of every version, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "deploy/convert/keras_shape.h"
#include "deploy/convert/keras_topology.h"

/* ---- chains as text ---- */

static void describe_lstm(const struct keras_lstm *lstm, char *out, size_t capacity)
{
    snprintf(out, capacity, "%s%zu%s%s%s%s %s/%s", lstm->bidirectional ? lstm->merge_mode : "",
             lstm->units, lstm->use_bias ? "" : " bare", lstm->return_sequences ? " sequences" : "",
             lstm->return_state ? " state" : "", lstm->go_backwards ? " backwards" : "",
             lstm->recurrent_activation.name, lstm->activation.name);
}

static void describe_layer(const struct keras_layer *layer, char *out, size_t capacity)
{
    out[0] = '\0';
    if (layer->kind == KERAS_LSTM)
        describe_lstm(&layer->as.lstm, out, capacity);
    else if (layer->kind == KERAS_DENSE)
        snprintf(out, capacity, "%zu%s %s", layer->as.dense.units,
                 layer->as.dense.use_bias ? "" : " bare", layer->as.dense.activation.name);
    else if (layer->kind == KERAS_CONV1D)
        snprintf(out, capacity, "%zux%zu/%zu %s", layer->as.conv1d.filters,
                 layer->as.conv1d.kernel_size, layer->as.conv1d.stride, layer->as.conv1d.padding);
    else if (layer->kind == KERAS_POOL1D)
        snprintf(out, capacity, "%zu/%zu", layer->as.pool1d.pool_size, layer->as.pool1d.stride);
    else if (layer->kind == KERAS_GLOBAL_POOL1D)
        snprintf(out, capacity, "%s", layer->as.global_pool1d.average ? "mean" : "max");
    else if (layer->kind == KERAS_ACTIVATION &&
             strcmp(layer->as.activation.function.name, "affine") == 0)
        snprintf(out, capacity, "affine %g %g", layer->as.activation.function.alpha,
                 layer->as.activation.function.beta);
    else if (layer->kind == KERAS_ACTIVATION)
        snprintf(out, capacity, "%s", layer->as.activation.function.name);
    else if (layer->kind == KERAS_LAST_STEP)
        snprintf(out, capacity, "last step");
}

/* "PREFIX.NAME(WHAT)@PATH ..." of every layer that does something. */
static void describe(const struct keras_topology *topology, char *out, size_t capacity)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct keras_node *node = &topology->nodes[i];
        char what[100];
        describe_layer(&node->layer, what, sizeof what);
        if (node->layer.kind != KERAS_IDLE)
            used +=
                (size_t)snprintf(out + used, capacity - used, "%s%s%s(%s)@%s", used > 0 ? " " : "",
                                 node->prefix, node->layer.name, what, node->path);
        assert_true(used < capacity);
    }
}

static void expect_chain(const char *json, const char *version, const char *wanted)
{
    struct keras_topology topology;
    struct fault fault = {0};
    char found[1024];
    if (!keras_topology_parse(&topology, json, strlen(json), version, NULL, &fault))
        fail_msg("%s", fault.text);
    describe(&topology, found, sizeof found);
    assert_string_equal(found, wanted);
    keras_topology_fini(&topology);
}

static void expect_taken(const char *json)
{
    struct keras_topology topology;
    struct fault fault = {0};
    size_t steps;
    if (!keras_topology_parse(&topology, json, strlen(json), "3.0.0", NULL, &fault) ||
        !keras_shape_check(&topology, &steps, &fault))
        fail_msg("%s", fault.text);
    keras_topology_fini(&topology);
}

static void expect_refused(const char *json, const char *version, const char *because)
{
    struct keras_topology topology;
    struct fault fault = {0};
    size_t steps;
    bool taken = keras_topology_parse(&topology, json, strlen(json), version, NULL, &fault);
    if (taken) {
        taken = keras_shape_check(&topology, &steps, &fault);
        keras_topology_fini(&topology);
    }
    if (taken)
        fail_msg("taken, not refused with '%s'", because);
    assert_int_equal(fault.status, 400);
    if (strstr(fault.text, because) == NULL)
        fail_msg("'%s' expected, got '%s'", because, fault.text);
}

/* ---- pieces of JSON ---- */

#define MODEL(layers) "{\"class_name\":\"Sequential\",\"config\":{\"layers\":[" layers "]}}"
#define LAYER(class, options)                                                                      \
    "{\"class_name\":\"" class "\",\"config\":{\"name\":\"a\"" options "}}"
#define LSTM_OPTIONS(more)                                                                         \
    ",\"units\":3,\"activation\":\"tanh\",\"recurrent_activation\":\"sigmoid\"" more
#define LSTM(more)      LAYER("LSTM", LSTM_OPTIONS(more))
#define SEQUENCES       ",\"return_sequences\":true"
#define DENSE(more)     LAYER("Dense", ",\"units\":2" more)
#define EMBEDDING(more) LAYER("Embedding", ",\"input_dim\":9,\"output_dim\":2" more)

/* ---- versions ---- */

static void versions_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        unsigned major;
        bool tensorflow;
    } cases[] = {
        {"1.2.2", 1, false}, {"2.0.5", 2, false}, {"2.2.4-tf", 2, true},
        {"2.3.1", 2, false}, {"2.4.0", 2, true},  {"2.15.0", 2, true},
        {"3.8.0", 3, false}, {"3", 3, false},     {"tfjs-layers 4.22.0", 2, false},
        {"", 0, false},      {"none", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct keras_version version = keras_version_parse(cases[i].text);
        assert_int_equal(version.major, cases[i].major);
        assert_int_equal(version.tensorflow, cases[i].tensorflow);
    }
}

static void hard_sigmoid_is_the_writers(void **state)
{
#define HARD(key)                                                                                  \
    MODEL(LAYER("LSTM", ",\"units\":3,\"activation\":\"tanh\",\"" key "\":\"hard_sigmoid\""))
    (void)state;
    expect_chain(HARD("recurrent_activation"), "2.15.0", "a(3 hard_sigmoid/tanh)@layers/lstm");
    expect_chain(HARD("recurrent_activation"), "3.0.5",
                 "a(3 hard_sigmoid_keras3/tanh)@layers/lstm");
    expect_chain(HARD("inner_activation"), NULL, "a(3 hard_sigmoid/tanh)@layers/lstm");
    expect_refused(HARD("recurrent_activation"), NULL, "keras_version");
    /* What the config says itself is nearer than what stands beside it. */
    expect_chain("{\"keras_version\":\"3.1.0\",\"model_config\":" HARD("recurrent_activation") "}",
                 "2.1.0", "a(3 hard_sigmoid_keras3/tanh)@layers/lstm");
    expect_chain("{\"module\":\"keras\",\"class_name\":\"Sequential\",\"config\":[" LAYER(
                     "LSTM", ",\"units\":3,\"activation\":\"tanh\","
                             "\"recurrent_activation\":\"hard_sigmoid\"") "]}",
                 NULL, "a(3 hard_sigmoid_keras3/tanh)@layers/lstm");
}

/* ---- shells and lists ---- */

static void every_shell_is_opened(void **state)
{
    static const char wanted[] = "a(3 sequences sigmoid/tanh)@layers/lstm a(2 linear)@layers/dense";
    (void)state;
    expect_chain(MODEL(LSTM(SEQUENCES) "," DENSE("")), "2.1.5", wanted);
    expect_chain("{\"class_name\":\"Sequential\",\"config\":[" LSTM(SEQUENCES) "," DENSE("") "]}",
                 "2.1.5", wanted);
    expect_chain("{\"modelTopology\":{\"keras_version\":\"2.1.5\",\"model_config\":" MODEL(
                     LSTM(SEQUENCES) "," DENSE("")) "},\"weightsManifest\":[]}",
                 NULL, wanted);
    expect_chain("\"{\\\"class_name\\\":\\\"Sequential\\\",\\\"config\\\":[{\\\"class_name\\\":"
                 "\\\"Dense\\\",\\\"config\\\":{\\\"name\\\":\\\"a\\\",\\\"units\\\":2}}]}\"",
                 NULL, "a(2 linear)@layers/dense");
}

static void keras_1_had_other_names(void **state)
{
    (void)state;
    expect_chain(
        MODEL(LAYER(
            "Convolution1D",
            ",\"nb_filter\":4,\"filter_length\":3,\"subsample_"
            "length\":2,"
            "\"border_mode\":\"same\",\"bias\":true,\"init\":\"x\","
            "\"W_regularizer\":{\"l2\":0.1},\"activation\":"
            "\"relu\","
            "\"batch_input_shape\":[null,8,2],\"input_dtype\":"
            "\"float32\"") "," LAYER("MaxPooling1D",
                                     ",\"pool_length\":2,"
                                     "\"stride\":3,\"border_mode\":"
                                     "\"valid\"") "," LAYER("LSTM",
                                                            ",\"out"
                                                            "put_"
                                                            "dim\":"
                                                            "5,"
                                                            "\"acti"
                                                            "vation"
                                                            "\":"
                                                            "\"tanh"
                                                            "\","
                                                            "\"inne"
                                                            "r_"
                                                            "activa"
                                                            "tion\""
                                                            ":"
                                                            "\"hard"
                                                            "_sigmo"
                                                            "id\","
                                                            "\"inne"
                                                            "r_"
                                                            "init\""
                                                            ":\"x\""
                                                            ",\"for"
                                                            "get_"
                                                            "bias_"
                                                            "init\""
                                                            ":\"one"
                                                            "\","
                                                            "\"drop"
                                                            "out_"
                                                            "W\":0."
                                                            "2,"
                                                            "\"drop"
                                                            "out_"
                                                            "U\":0."
                                                            "1,"
                                                            "\"cons"
                                                            "ume_"
                                                            "less\""
                                                            ":\"gpu"
                                                            "\"") "," LAYER("Dense",
                                                                            ",\"output_dim\":2,"
                                                                            "\"bias\":false,"
                                                                            "\"activation\":"
                                                                            "\"softmax\"") "," LAYER("Dropout",
                                                                                                     ",\"p\":0.5")),
        "1.2.2",
        "a(4x3/2 same)@layers/convolution1d a(2/3)@layers/max_pooling1d "
        "a(5 hard_sigmoid/tanh)@layers/lstm a(2 bare softmax)@layers/dense");
}

static void groups_are_numbered_by_class(void **state)
{
    (void)state;
    expect_chain(MODEL(LSTM(SEQUENCES) "," DENSE("") "," LSTM(SEQUENCES) "," LAYER(
                     "LeakyReLU", "") "," LSTM("") "," DENSE("")),
                 "3.0.0",
                 "a(3 sequences sigmoid/tanh)@layers/lstm a(2 linear)@layers/dense "
                 "a(3 sequences sigmoid/tanh)@layers/lstm_1 a(leaky_relu)@layers/leaky_re_lu "
                 "a(3 sigmoid/tanh)@layers/lstm_2 a(2 linear)@layers/dense_1");
}

/* ---- graphs ---- */

#define INPUT(name)                                                                                \
    "{\"class_name\":\"InputLayer\",\"name\":\"" name "\",\"config\":{\"name\":\"" name "\","      \
    "\"batch_shape\":[null,7,4]},\"inbound_nodes\":[]}"
#define NODE(class, name, options, calls)                                                          \
    "{\"class_name\":\"" class "\",\"name\":\"" name "\",\"config\":{\"name\":\"" name             \
                               "\"" options "},\"inbound_nodes\":[" calls "]}"
#define CALL(from) "[[\"" from "\",0,0,{}]]"
#define CALL_3(from, kwargs)                                                                       \
    "{\"args\":[{\"class_name\":\"__keras_tensor__\",\"config\":{\"keras_history\":[\"" from       \
    "\",0,0]}}],\"kwargs\":{" kwargs "}}"
#define GRAPH(layers, inputs, outputs)                                                             \
    "{\"class_name\":\"Functional\",\"config\":{\"name\":\"m\",\"layers\":[" layers                \
    "],\"input_layers\":" inputs ",\"output_layers\":" outputs "}}"

static void graphs_are_followed_not_listed(void **state)
{
    static const char wanted[] = "l(3 sequences sigmoid/tanh)@layers/lstm d(2 linear)@layers/dense";
    (void)state;
    expect_chain(GRAPH(NODE("Dense", "d", ",\"units\":2", CALL("l")) "," INPUT("i") "," NODE(
                           "LSTM", "l", LSTM_OPTIONS(SEQUENCES), CALL("i")),
                       "[[\"i\",0,0]]", "[[\"d\",0,0]]"),
                 "2.9.0", wanted);
    expect_chain(
        GRAPH(INPUT("i") "," NODE(
                  "LSTM", "l", LSTM_OPTIONS(SEQUENCES),
                  CALL_3("i", "\"training\":false,\"mask\":null")) "," NODE("Dense", "d",
                                                                            ",\"units\":2",
                                                                            CALL_3("l", "")),
              "[\"i\",0,0]", "[\"d\",0,0]"),
        "3.0.0", wanted);
}

static void models_in_models_are_flattened(void **state)
{
    (void)state;
    expect_chain(
        GRAPH(
            INPUT(
                "i") ",{\"class_name\":\"Sequential\",\"name\":\"s\",\"config\":{\"name\":\"s\","
                     "\"layers\":[" NODE("Dense", "x", ",\"units\":5", "") "," GRAPH(
                         INPUT("j") "," NODE("Dense", "y", ",\"units\":6", CALL("j")),
                         "[[\"j\",0,0]]",
                         "[[\"y\",0,0]]") "]},\"inbound_nodes\":[" CALL("i") "]}," NODE("LSTM", "l",
                                                                                        LSTM_OPTIONS(
                                                                                            ""),
                                                                                        CALL("s")),
            "[[\"i\",0,0]]", "[[\"l\",0,0]]"),
        "2.9.0",
        "s.x(5 linear)@layers/sequential/layers/dense "
        "s.m.y(6 linear)@layers/sequential/layers/functional/layers/dense "
        "l(3 sigmoid/tanh)@layers/lstm");
}

#define ALL_2         "{\"start\":null,\"stop\":null,\"step\":null}"
#define ALL_3         "{\"class_name\":\"__slice__\",\"config\":" ALL_2 "}"
#define ALL_BUT_FIRST "{\"start\":1,\"stop\":null,\"step\":null}"
#define GETITEM       ",\"function\":\"__operators__.getitem\""
#define SLICED(class, options, calls)                                                              \
    GRAPH(INPUT("i") "," NODE("LSTM", "l", LSTM_OPTIONS(SEQUENCES),                                \
                              CALL("i")) "," NODE(class, "s", options, calls),                     \
          "[[\"i\",0,0]]", "[[\"s\",0,0]]")
#define SLICED_2(key) SLICED("SlicingOpLambda", GETITEM, "[\"l\",0,0,{\"slice_spec\":" key "}]")
#define SLICED_3(key)                                                                              \
    SLICED("GetItem", "",                                                                          \
           "{\"args\":[{\"class_name\":\"__keras_tensor__\",\"config\":{\"keras_history\":[\"l\"," \
           "0,0]}"                                                                                 \
           "}," key "],\"kwargs\":{}}")

/* x[:, -1, :] was refused: its second argument was taken for a second input. */
static void bug_431_the_last_step_is_a_layer(void **state)
{
    static const char wanted[] = "l(3 sequences sigmoid/tanh)@layers/lstm ";
    static const char *const whole[][2] = {
        {SLICED_3("[" ALL_3 ",-1," ALL_3 "]"), "s(last step)@layers/get_item"},
        {SLICED_3("[" ALL_3 ",-1]"), "s(last step)@layers/get_item"},
        {SLICED_2("[" ALL_2 ",-1," ALL_2 "]"), "s(last step)@layers/slicing_op_lambda"},
        {SLICED_2("[" ALL_2 ",-1]"), "s(last step)@layers/slicing_op_lambda"},
        {SLICED("SlicingOpLambda", GETITEM,
                "[[\"l\",0,0,{\"slice_spec\":[" ALL_2 ",-1," ALL_2 "]}]]"),
         "s(last step)@layers/slicing_op_lambda"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s%s", wanted, whole[i][1]);
        expect_chain(whole[i][0], "3.0.0", text);
    }
}

static void bug_431_every_other_slicing_is_refused(void **state)
{
#define OTHER "slicing other than [:, -1, :] cannot be expressed, got "
    static const char *const cases[][2] = {
        {SLICED_3("[" ALL_3 ",0," ALL_3 "]"), "GetItem s: " OTHER "[:, 0, :]"},
        {SLICED_3("[" ALL_3 ",-1," ALL_3 "," ALL_3 "]"), OTHER "[:, -1, :, :]"},
        {SLICED_3("[" ALL_3 "," ALL_3 ",-1]"), OTHER "[:, :, -1]"},
        {SLICED_3("[" ALL_3 ",-1,0]"), OTHER "[:, -1, 0]"},
        {SLICED_3("[0,-1," ALL_3 "]"), OTHER "[0, -1, :]"},
        {SLICED_3("[" ALL_3 ",null,-1]"), OTHER "[:, None, -1]"},
        {SLICED_3("[{\"class_name\":\"__ellipsis__\",\"config\":{}},-1," ALL_3 "]"),
         OTHER "[?, -1"},
        {SLICED_3("[" ALL_3 ",{\"class_name\":\"__slice__\",\"config\":{\"start\":-1,\"stop\":null,"
                  "\"step\":null}}]"),
         OTHER "[:, -1:]"},
        {SLICED_3("[]"), OTHER "[]"},
        {SLICED_3("-1"), OTHER "[-1]"},
        {SLICED_3("[" ALL_3 ",-1],1"), "GetItem s: one input expected, got 3"},
        {SLICED_2("[" ALL_BUT_FIRST ",-1]"), "SlicingOpLambda s: " OTHER "[1:, -1]"},
        {SLICED_2("[" ALL_2 ",{\"start\":null,\"stop\":9,\"step\":2}]"), OTHER "[:, :9:2]"},
        {SLICED_2("[" ALL_2 ",-1.5]"), OTHER "[:, -1.5]"},
        {SLICED("SlicingOpLambda", GETITEM, CALL("l")), OTHER "[]"},
        {SLICED("SlicingOpLambda", "", "[\"l\",0,0,{\"slice_spec\":[" ALL_2 ",-1]}]"),
         "SlicingOpLambda s.function: __operators__.getitem expected, got nothing"},
        {SLICED("SlicingOpLambda", ",\"function\":\"boolean_mask\"", CALL("l")),
         "function: __operators__.getitem expected, got \"boolean_mask\""},
        {SLICED("SlicingOpLambda", GETITEM, "[\"l\",0,0,{\"mask\":[true]}]"), "called with mask"},
        {MODEL(LSTM(SEQUENCES) "," LAYER("GetItem", "")), OTHER "[]"},
        {MODEL(LSTM("") "," NODE("GetItem", "s", "", "{\"args\":[0,[" ALL_3 ",-1]]}")),
         "GetItem s: a sequence expected, got a vector"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "3.0.0", cases[i][1]);
}

/* Functions called on tensors were no known layers. Keras 3's .keras tells them by their module,
 * its .h5 by nothing but what they do not say. */
#define OPS(class, config, args)                                                                   \
    "{\"class_name\":\"" class "\",\"module\":\"keras.src.ops.nn\",\"name\":\"f\",\"config\":{"    \
                               "\"name\":"                                                         \
                               "\"f\"" config "},\"inbound_nodes\":[{\"args\":[" args              \
                               "],\"kwargs\":{}}]}"
#define H5_OPS(class, config, args) NODE(class, "f", config, "{\"args\":[" args "],\"kwargs\":{}}")
#define TF(function, call)          NODE("TFOpLambda", "f", ",\"function\":\"" function "\"", call)
#define CALLED_ON(more, function)                                                                  \
    GRAPH(INPUT("i") "," NODE("LSTM", "l", LSTM_OPTIONS(more), CALL("i")) "," function,            \
          "[[\"i\",0,0]]", "[[\"f\",0,0]]")
#define CALLED(function) CALLED_ON(SEQUENCES, function)
#define OF_L             "{\"class_name\":\"__keras_tensor__\",\"config\":{\"keras_history\":[\"l\",0,0]}}"

static void bug_502_functions_called_on_tensors_are_layers(void **state)
{
    static const char *const cases[][2] = {
        {CALLED(OPS("Relu", "", OF_L)), "f(relu)@layers/relu"},
        {CALLED(H5_OPS("Relu", "", OF_L)), "f(relu)@layers/relu"},
        {CALLED(OPS("Softmax", ",\"axis\":-1", OF_L)), "f(softmax)@layers/softmax"},
        {CALLED(OPS("HardSigmoid", "", OF_L)), "f(hard_sigmoid_keras3)@layers/hard_sigmoid"},
        {CALLED(OPS("Gelu", ",\"approximate\":true", OF_L)), "f(gelu_tanh)@layers/gelu"},
        {CALLED(OPS("Clip", ",\"x_min\":-1,\"x_max\":2", OF_L)), "f(clip)@layers/clip"},
        {CALLED(H5_OPS("ReLU", ",\"max_value\":6,\"negative_slope\":0,\"threshold\":0", OF_L)),
         "f(clip)@layers/re_lu"},
        {CALLED(OPS("Multiply", "", OF_L ",2.5")), "f(affine 2.5 0)@layers/multiply"},
        {CALLED(OPS("Multiply", "", "2.5," OF_L)), "f(affine 2.5 0)@layers/multiply"},
        {CALLED(OPS("Add", "", OF_L ",3")), "f(affine 1 3)@layers/add"},
        {CALLED(OPS("Subtract", "", OF_L ",3")), "f(affine 1 -3)@layers/subtract"},
        {CALLED(OPS("Subtract", "", "3," OF_L)), "f(affine -1 3)@layers/subtract"},
        {CALLED(OPS("TrueDivide", "", OF_L ",4")), "f(affine 0.25 0)@layers/true_divide"},
        {CALLED(OPS("Negative", "", OF_L)), "f(affine -1 0)@layers/negative"},
        {CALLED(OPS("Mean", ",\"axis\":1,\"keepdims\":false", OF_L)), "f(mean)@layers/mean"},
        {CALLED(OPS("Max", ",\"axis\":[-2],\"initial\":null", OF_L)), "f(max)@layers/max"},
        {CALLED(TF("nn.relu", "[\"l\",0,0,{\"name\":null}]")), "f(relu)@layers/tf_op_lambda"},
        {CALLED(TF("nn.gelu", "[[\"l\",0,0,{}]]")), "f(gelu)@layers/tf_op_lambda"},
        {CALLED(TF("nn.leaky_relu", "[\"l\",0,0,{\"alpha\":0.5}]")),
         "f(leaky_relu)@layers/tf_op_lambda"},
        {CALLED(TF("math.multiply", "[\"l\",0,0,{\"y\":2,\"name\":null}]")),
         "f(affine 2 0)@layers/tf_op_lambda"},
        {CALLED(TF("math.subtract", "[\"_CONSTANT_VALUE\",-1,1,{\"y\":[\"l\",0,0]}]")),
         "f(affine -1 1)@layers/tf_op_lambda"},
        {CALLED(TF("math.reduce_mean", "[\"l\",0,0,{\"axis\":[1]}]")),
         "f(mean)@layers/tf_op_lambda"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[200];
        snprintf(wanted, sizeof wanted, "l(3 sequences sigmoid/tanh)@layers/lstm %s", cases[i][1]);
        expect_chain(cases[i][0], "3.0.0", wanted);
    }
    expect_taken(CALLED_ON("", OPS("ExpandDims", ",\"axis\":-1", OF_L)));
    expect_taken(CALLED(OPS("Squeeze", ",\"axis\":-1", OF_L)));
    expect_taken(CALLED(OPS("Cast", ",\"dtype\":\"float32\"", OF_L)));
}

static void bug_502_other_functions_are_refused(void **state)
{
#define ONE_TENSOR "called on one tensor, and at most a number beside it, expected"
    static const char *const cases[][2] = {
        {CALLED(OPS("Sqrt", "", OF_L)), "f (Sqrt): a function that is no layer"},
        {CALLED(TF("concat", "[\"l\",0,0,{\"axis\":1}]")), "f (concat): a function that is no"},
        {CALLED(TF("nn.relu", "[\"l\",0,0,{\"beta\":2}]")), "nn.relu f.beta: no such option"},
        {CALLED(OPS("Relu", "", "")), "Relu f: " ONE_TENSOR},
        {CALLED(OPS("Add", "", OF_L "," OF_L)), "Add f: " ONE_TENSOR},
        {CALLED(OPS("Add", "", OF_L ",1,2")), "Add f: " ONE_TENSOR},
        {CALLED(OPS("Add", "", OF_L ",[1,2]")), "Add f: " ONE_TENSOR},
        {CALLED(OPS("Add", "", OF_L ",1e999")), "Add f: a tensor and a number expected"},
        {CALLED(OPS("Add", "", OF_L)), "Add f: a tensor and a number expected"},
        {CALLED(TF("math.add", "[[\"l\",0,0,{}],[\"i\",0,0,{}]]")), ONE_TENSOR},
        {CALLED(TF("math.add", "[\"l\",0,0,{\"y\":[\"i\",0,0]}]")), "f: a tensor and a number"},
        {CALLED(TF("math.add", "[\"_CONSTANT_VALUE\",-1,1,{\"y\":2}]")), ONE_TENSOR},
        {CALLED(OPS("TrueDivide", "", "1," OF_L)), "TrueDivide f: a tensor that is divided"},
        {CALLED(OPS("TrueDivide", "", OF_L ",0")), "TrueDivide f: a tensor that is divided"},
        {CALLED(OPS("Gelu", "", OF_L)), "Gelu f.approximate: true or false expected"},
        {CALLED(OPS("Clip", ",\"x_min\":2,\"x_max\":1", OF_L)), "Clip f: a minimum that is"},
        {CALLED(OPS("Clip", ",\"x_min\":2", OF_L)), "Clip f.x_max: a number expected"},
        {CALLED(OPS("Softmax", ",\"axis\":1", OF_L)), "Softmax f.axis: the last one"},
        {CALLED(OPS("Mean", "", OF_L)), "Mean f.axis: a whole number expected, got nothing"},
        {CALLED(OPS("Mean", ",\"axis\":-1", OF_L)), "Mean f.axis: that of the steps, 1, expected"},
        {CALLED(OPS("Mean", ",\"axis\":[1,2]", OF_L)), "Mean f.axis: a whole number"},
        {CALLED(OPS("Max", ",\"axis\":1,\"keepdims\":true", OF_L)), "Max f.keepdims: false"},
        {CALLED_ON("", OPS("Max", ",\"axis\":1", OF_L)), "Max f: a sequence expected, got a vec"},
        {CALLED(OPS("ExpandDims", ",\"axis\":-1", OF_L)), "ExpandDims f: a vector expected"},
        {CALLED(OPS("ExpandDims", ",\"axis\":0", OF_L)), "ExpandDims f.axis: 1 or -1 expected"},
        {CALLED(OPS("Cast", ",\"dtype\":\"float16\"", OF_L)), "Cast f.dtype: float32 expected"},
        {CALLED(TF("cast", "[\"l\",0,0,{\"dtype\":\"int32\"}]")), "f.dtype: a float type"},
        {MODEL(LSTM(SEQUENCES) "," LAYER("TFOpLambda", ",\"function\":\"nn.relu\"")),
         "a (nn.relu): called on one tensor"},
        {MODEL(LAYER("Lambda", "")), "a (Lambda): Python code, which is not run"},
        {GRAPH(INPUT("i") "," NODE("LSTM", "l", LSTM_OPTIONS(SEQUENCES), CALL("i")) "," OPS(
                   "Squeeze", "", OF_L) "," NODE("Dense", "d", ",\"units\":2", CALL("f")),
               "[[\"i\",0,0]]", "[[\"d\",0,0]]"),
         "Squeeze f: expected as the model's last layer"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "3.0.0", cases[i][1]);
}

#define STATEFUL_GRAPH(outputs)                                                                    \
    GRAPH(INPUT("i") "," NODE("LSTM", "l", LSTM_OPTIONS(",\"return_state\":true"), CALL("i")),     \
          "[[\"i\",0,0]]", outputs)

static void states_are_returned_where_they_are_outputs(void **state)
{
    (void)state;
    expect_chain(STATEFUL_GRAPH("[[\"l\",0,0],[\"l\",0,1],[\"l\",0,2]]"), "2.9.0",
                 "l(3 state sigmoid/tanh)@layers/lstm");
    expect_chain(STATEFUL_GRAPH("[[\"l\",0,0]]"), "2.9.0", "l(3 sigmoid/tanh)@layers/lstm");
    expect_refused(STATEFUL_GRAPH("[[\"l\",0,0],[\"l\",0,1]]"), "2.9.0", "all 3 outputs");
    expect_refused(STATEFUL_GRAPH("[[\"l\",0,1]]"), "2.9.0", "output_layers");
    expect_refused(STATEFUL_GRAPH("[[\"l\",0,0],[\"l\",0,2],[\"l\",0,1]]"), "2.9.0",
                   "output_layers");
}

static void other_graphs_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {GRAPH(INPUT("i") "," INPUT("j") "," NODE("Dense", "d", ",\"units\":2", CALL("i")),
               "[[\"i\",0,0],[\"j\",0,0]]", "[[\"d\",0,0]]"),
         "Functional m.input_layers: one input expected, got 2"},
        {GRAPH(INPUT("i") "," NODE("Dense", "d", ",\"units\":2", CALL("i")), "[[\"i\",0,0]]",
               "[[\"d\",0,0],[\"i\",0,0]]"),
         "output_layers"},
        {GRAPH(INPUT("i") "," NODE("Add", "d", "", "[[\"i\",0,0,{}],[\"i\",0,0,{}]]"),
               "[[\"i\",0,0]]", "[[\"d\",0,0]]"),
         "Add d: one input expected, got 2"},
        {GRAPH(INPUT("i") "," NODE("Dense", "d", "", CALL("i") "," CALL("i")), "[[\"i\",0,0]]",
               "[[\"d\",0,0]]"),
         "Dense d: used once expected, got 2 times"},
        {GRAPH(INPUT("i") "," NODE("Dense", "d", "", CALL("d")), "[[\"i\",0,0]]", "[[\"d\",0,0]]"),
         "a single path from input to output expected"},
        {GRAPH(INPUT("i") "," NODE("Dense", "d", "", CALL("x")), "[[\"i\",0,0]]", "[[\"d\",0,0]]"),
         "a layer that is not in it"},
        {GRAPH(
             INPUT("i") "," NODE("Dense", "d", "", CALL("i")) "," NODE("Dense", "e", "", CALL("i")),
             "[[\"i\",0,0]]", "[[\"d\",0,0]]"),
         "got 1 layers beside it"},
        {GRAPH(INPUT("i") "," NODE("Dense", "d", "", "[[\"i\",0,1,{}]]"), "[[\"i\",0,0]]",
               "[[\"d\",0,0]]"),
         "a state of the layer before"},
        {GRAPH(INPUT("i") "," NODE("LSTM", "d", "", CALL_3("i", "\"initial_state\":[1]")),
               "[\"i\",0,0]", "[\"d\",0,0]"),
         "LSTM d: called with initial_state"},
        {GRAPH(INPUT("i") "," NODE("LSTM", "d", "", "[[\"i\",0,0,{\"mask\":[\"i\",0,0]}]]"),
               "[[\"i\",0,0]]", "[[\"d\",0,0]]"),
         "LSTM d: called with mask"},
        {GRAPH(INPUT("i"), "{}", "[[\"i\",0,0]]"), "input_layers"},
        {GRAPH("", "[[\"i\",0,0]]", "[[\"i\",0,0]]"), "a list of layers expected"},
        {GRAPH(INPUT("i"), "[[\"i\",0,0]]", "[[\"i\",0,0]]"), "computes something"},
        {GRAPH(INPUT("i"), "[[\"i\",0,0]]", "[[\"i\",0,-1]]"), "output_layers cannot be read"},
        {"{\"class_name\":\"Mine\",\"config\":{}}",
         "a class_name, Sequential, Model or Functional, expected, got "},
        {"[]", "a class_name, Sequential, Model or Functional, expected, got "},
        {"\"\\\"x\\\"\"", "a class_name, Sequential, Model or Functional, expected, got "},
        {"{", "line 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "2.9.0", cases[i][1]);
}

/* ---- masks in Keras 3's graphs ---- */

#define IDS                                                                                        \
    "{\"class_name\":\"InputLayer\",\"name\":\"i\",\"config\":{\"name\":\"i\",\"batch_shape\":"    \
    "[null,7]},\"inbound_nodes\":[]}"
#define TENSOR(from)                                                                               \
    "{\"class_name\":\"__keras_tensor__\",\"config\":{\"keras_history\":[\"" from "\",0,0]}}"
#define MASK(from) "\"mask\":" TENSOR(from)
#define NO_MASK    "\"mask\":null"
#define OPERATION(class, name, options, args)                                                      \
    NODE(class, name, options, "{\"args\":[" args "],\"kwargs\":{}}")
#define NOT_EQUAL(from, value) OPERATION("NotEqual", "ne", "", TENSOR(from) "," value)
#define LAST_AXIS              ",\"axis\":-1,\"keepdims\":false"
#define ANY(options)           OPERATION("Any", "any", options, TENSOR("ne"))
#define EMBEDDED(more)                                                                             \
    NODE("Embedding", "e", ",\"input_dim\":9,\"output_dim\":2" more, CALL_3("i", ""))
#define MASKED(name, from)       NODE("Masking", name, ",\"mask_value\":0.5", CALL_3(from, ""))
#define SEQUENCE(name, from, kw) NODE("LSTM", name, LSTM_OPTIONS(SEQUENCES), CALL_3(from, kw))
#define SEQUENTIAL(name, from, kw, layers)                                                         \
    "{\"class_name\":\"Sequential\",\"name\":\"" name "\",\"config\":{\"name\":\"" name            \
    "\",\"layers\":[" layers "]},\"inbound_nodes\":[" CALL_3(from, kw) "]}"
#define CONVOLUTION(from)                                                                          \
    NODE("Conv1D", "k", ",\"filters\":2,\"kernel_size\":[2]", CALL_3(from, ""))
#define AVERAGE(from, kw)        NODE("GlobalAveragePooling1D", "g", "", CALL_3(from, kw))
#define TO(output, layers)       GRAPH(layers, "[\"i\",0,0]", "[\"" output "\",0,0]")
#define ZEROS                    ",\"mask_zero\":true"
#define ID_MASK                  NOT_EQUAL("i", "0")
#define HALF_MASK                NOT_EQUAL("i", "0.5") "," ANY(LAST_AXIS)
#define FROM_IDS(output, layers) TO(output, IDS "," ID_MASK "," EMBEDDED(ZEROS) "," layers)
#define FROM_HALF(output, layers)                                                                  \
    TO(output, INPUT("i") "," HALF_MASK "," MASKED("m", "i") "," layers)

static void masks_that_come_along_are_taken(void **state)
{
    static const char *const cases[] = {
        FROM_IDS("l", SEQUENCE("l", "e", MASK("ne"))),
        FROM_HALF("l", SEQUENCE("l", "m", MASK("any"))),
        FROM_HALF("r", SEQUENCE("l", "m", MASK("any")) "," SEQUENCE("r", "l", MASK("any"))),
        FROM_HALF("g", SEQUENCE("l", "m", MASK("any")) "," AVERAGE("l", MASK("any"))),
        /* It has ended, and nobody is given it. */
        FROM_HALF("r", SEQUENCE("l", "m", MASK("any")) "," CONVOLUTION("l") "," SEQUENCE("r", "k",
                                                                                         NO_MASK)),
        /* It goes into a model, through it, and comes out of one. */
        FROM_HALF("s", SEQUENTIAL("s", "m", MASK("any"), LSTM(SEQUENCES) "," LSTM(""))),
        FROM_HALF("l",
                  SEQUENTIAL("s", "m", MASK("any"), DENSE("")) "," SEQUENCE("l", "s", NO_MASK)),
        TO("l",
           IDS "," SEQUENTIAL("s", "i", NO_MASK, EMBEDDING(ZEROS)) "," SEQUENCE("l", "s", NO_MASK)),
        /* The second mask is of what the first Masking puts out. */
        TO("l", INPUT("i") "," MASKED("a", "i") "," NOT_EQUAL("a", "0.5") "," ANY(
                    LAST_AXIS) "," MASKED("b", "a") "," SEQUENCE("l", "b", MASK("any"))),
        TO("l", IDS "," EMBEDDED("") "," SEQUENCE("l", "e", NO_MASK)),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_taken(cases[i]);
}

static void other_masks_are_refused(void **state)
{
#define NO_MAKER "LSTM l: called with a mask that no Embedding or Masking before it makes"
#define ANOTHER  "called with another mask than comes along with its input"
#define WITHOUT  "called without the mask that comes along with its input"
#define HALF_OF(operations)                                                                        \
    TO("l", INPUT("i") "," operations "," MASKED("m", "i") "," SEQUENCE("l", "m", MASK("any")))
    static const char *const cases[][2] = {
        /* No layer makes them. */
        {TO("l", IDS "," ID_MASK "," EMBEDDED("") "," SEQUENCE("l", "e", MASK("ne"))), NO_MAKER},
        {TO("l", INPUT("i") "," HALF_MASK "," SEQUENCE("l", "i", MASK("any"))), NO_MAKER},
        {TO("l",
            IDS "," NOT_EQUAL("i", "1") "," EMBEDDED(ZEROS) "," SEQUENCE("l", "e", MASK("ne"))),
         NO_MAKER},
        {HALF_OF(NOT_EQUAL("i", "0.25") "," ANY(LAST_AXIS)), NO_MAKER},
        {HALF_OF(NOT_EQUAL("m", "0.5") "," ANY(LAST_AXIS)), NO_MAKER},
        {HALF_OF(NOT_EQUAL("x", "0.5") "," ANY(LAST_AXIS)), NO_MAKER},
        {HALF_OF(NOT_EQUAL("i", TENSOR("i")) "," ANY(LAST_AXIS)), NO_MAKER},
        {HALF_OF(NOT_EQUAL("i", "0.5,0") "," ANY(LAST_AXIS)), NO_MAKER},
        {HALF_OF(NOT_EQUAL("i", "0.5") "," ANY(",\"axis\":1,\"keepdims\":false")), NO_MAKER},
        {HALF_OF(NOT_EQUAL("i", "0.5") "," ANY(",\"axis\":null,\"keepdims\":false")), NO_MAKER},
        {HALF_OF(NOT_EQUAL("i", "0.5") "," ANY(",\"axis\":-1,\"keepdims\":true")), NO_MAKER},
        {HALF_OF(OPERATION("Equal", "ne", "", TENSOR("i") ",0.5") "," ANY(LAST_AXIS)), NO_MAKER},
        {HALF_OF(OPERATION("NotEqual", "any", "", TENSOR("i") ",0.5")), NO_MAKER},
        {HALF_OF(OPERATION("Any", "any", LAST_AXIS, "")), NO_MAKER},
        {HALF_OF(NODE("Any", "any", LAST_AXIS, "")), NO_MAKER},
        {FROM_HALF("l", SEQUENCE("l", "m", MASK("i"))), NO_MAKER},
        {FROM_HALF("l", SEQUENCE("l", "m", MASK("x"))), NO_MAKER},
        {FROM_HALF("l", SEQUENCE("l", "m", "\"mask\":true")), NO_MAKER},
        /* Of another Masking, of one that comes later, of one whose mask has ended. */
        {FROM_HALF("l", MASKED("b", "m") "," SEQUENCE("l", "b", MASK("any"))), "LSTM l: " ANOTHER},
        {TO("m", INPUT("i") "," SEQUENCE("l", "i", MASK("any")) "," NOT_EQUAL("l", "0.5") "," ANY(
                     LAST_AXIS) "," MASKED("m", "l")),
         "LSTM l: " ANOTHER},
        {FROM_HALF("l", CONVOLUTION("m") "," SEQUENCE("l", "k", MASK("any"))), "LSTM l: " ANOTHER},
        {FROM_HALF("s", CONVOLUTION("m") "," SEQUENTIAL("s", "k", MASK("any"), LSTM(""))),
         "LSTM a: " ANOTHER},
        {FROM_HALF("d", CONVOLUTION("m") "," NODE("TimeDistributed", "d", ",\"layer\":" DENSE(""),
                                                  CALL_3("k", MASK("any")))),
         "TimeDistributed d: " ANOTHER},
        /* Not given, though it comes along. */
        {FROM_HALF("r", SEQUENCE("l", "m", MASK("any")) "," SEQUENCE("r", "l", NO_MASK)),
         "LSTM r: " WITHOUT},
        {FROM_HALF("g", SEQUENCE("l", "m", MASK("any")) "," AVERAGE("l", "")),
         "GlobalAveragePooling1D g: " WITHOUT},
        {TO("l", IDS "," EMBEDDED(ZEROS) "," SEQUENCE("l", "e", NO_MASK)), "LSTM l: " WITHOUT},
        /* Beside the path, and no mask of anything on it. */
        {TO("m", INPUT("i") "," HALF_MASK "," MASKED("m", "i")), "got 2 layers beside it"},
        {TO("l", INPUT("i") "," HALF_MASK
                            "," MASKED("m", "i") "," DENSE("") "," SEQUENCE("l", "m", MASK("any"))),
         "got 1 layers beside it"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "3.0.0", cases[i][1]);
}

/* A layer of Keras 2 called with mask=None masks nothing, and nothing behind it is masked: the mask
 * was served nevertheless. */
#define CALL_2(from, named) "[[\"" from "\",0,0,{" named "}]]"
#define MASKED_2            NODE("Masking", "m", ",\"mask_value\":0", CALL_2("i", ""))

static void bug_505_no_mask_of_keras_2_is_none(void **state)
{
#define NONE_2(layers)            TO("r", INPUT("i") "," MASKED_2 "," layers)
#define LSTM_2(name, from, named) NODE("LSTM", name, LSTM_OPTIONS(SEQUENCES), CALL_2(from, named))
#define WRITTEN                   "called with mask=None on masked steps, which cannot be expressed"
    static const char *const cases[][2] = {
        {NONE_2(LSTM_2("r", "m", NO_MASK)), "LSTM r: " WRITTEN},
        {NONE_2(LSTM_2("l", "m", "") "," NODE("GlobalAveragePooling1D", "r", "",
                                              CALL_2("l", NO_MASK))),
         "GlobalAveragePooling1D r: " WRITTEN},
        {NONE_2(NODE("TimeDistributed", "t", ",\"layer\":" DENSE(""),
                     CALL_2("m", NO_MASK)) "," LSTM_2("r", "t", "")),
         "LSTM r: masked steps before a layer that ends masks"},
        {NONE_2(
             "{\"class_name\":\"Sequential\",\"name\":\"r\",\"config\":{\"name\":\"r\",\"layers\":"
             "[" LSTM("") "]},\"inbound_nodes\":[" CALL_2("m", NO_MASK) "]}"),
         "LSTM a: " WRITTEN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "2.9.0", cases[i][1]);
    expect_taken(
        NONE_2(LSTM_2("l", "m", "") "," NODE("GlobalMaxPooling1D", "r", "", CALL_2("l", NO_MASK))));
}

/* mask=None stands in the graphs of newer versions of Keras 3 where it was written. To Keras 3 it
 * says nothing: the mask comes along. */
static void bug_506_no_mask_of_keras_3_comes_along(void **state)
{
    static const char json[] =
        FROM_HALF("r", SEQUENCE("l", "m", MASK("any")) "," SEQUENCE("r", "l", NO_MASK));
    struct keras_topology topology;
    struct fault fault = {0};
    size_t steps;
    (void)state;
    assert_true(keras_topology_parse(&topology, json, strlen(json), "3.15.1", NULL, &fault));
    if (!keras_shape_check(&topology, &steps, &fault))
        fail_msg("%s", fault.text);
    keras_topology_fini(&topology);
    expect_refused(json, "3.9.2", "LSTM r: called without the mask that comes along");
    expect_refused(FROM_HALF("g", SEQUENCE("l", "m", MASK("any")) "," AVERAGE("l", "")), "3.15.1",
                   "GlobalAveragePooling1D g: called without the mask");
}

/* ReLU and Softmax called on a tensor in a model in the model were taken for the layers of these
 * names, which pass masks on: what came behind was masked. */
static void bug_503_masks_end_at_functions(void **state)
{
#define IN_MODEL(function, behind) FROM_HALF("r", GRAPH_NODE("g", "m", function) "," behind)
#define GRAPH_NODE(name, from, function)                                                           \
    "{\"class_name\":\"Functional\",\"name\":\"" name "\",\"config\":{\"name\":\"" name            \
    "\",\"layers\":[" INPUT("j") "," NODE(                                                         \
        "LSTM", "l", LSTM_OPTIONS(SEQUENCES),                                                      \
        CALL_3("j", NO_MASK)) "," function                                                         \
                              "],\"input_layers\":[[\"j\",0,0]],\"output_layers\":[[\"f\",0,0]]}," \
                              "\"inbound_nodes\":[" CALL_3(from, MASK("any")) "]}"
    (void)state;
    expect_refused(IN_MODEL(H5_OPS("ReLU", "", OF_L), SEQUENCE("r", "g", NO_MASK)), "3.0.0",
                   "LSTM r: masked steps before a layer that ends masks cannot be expressed");
    expect_refused(IN_MODEL(OPS("Softmax", ",\"axis\":-1", OF_L), SEQUENCE("r", "g", NO_MASK)),
                   "3.0.0", "LSTM r: masked steps before a layer that ends masks");
    expect_refused(
        IN_MODEL(OPS("Relu", "", OF_L), NODE("GlobalAveragePooling1D", "r", "", CALL_3("g", ""))),
        "3.0.0", "GlobalAveragePooling1D r: masked steps before a layer that");
    expect_refused(IN_MODEL(OPS("Mean", ",\"axis\":1", OF_L),
                            NODE("Dense", "r", ",\"units\":2", CALL_3("g", ""))),
                   "3.0.0", "Mean f: the mean of masked steps too cannot be expressed");
    expect_refused(IN_MODEL(OPS("Relu", "", OF_L),
                            NODE("Softmax", "r", ",\"trainable\":true", CALL_3("g", ""))),
                   "3.0.0", "Softmax r: the softmax of masked steps cannot be expressed");
    expect_taken(
        IN_MODEL(OPS("Relu", "", OF_L), NODE("GlobalMaxPooling1D", "r", "", CALL_3("g", ""))));
    expect_taken(
        IN_MODEL(OPS("Relu", "", OF_L), NODE("Dense", "r", ",\"units\":2", CALL_3("g", ""))));
}

/* A layer of Keras 1 or 2 that was called with training=True does train, in predict too; it was
 * served as if it did not. Keras 3's predict tells each layer anew. */
static void bug_566_what_was_called_to_train_is_refused(void **state)
{
#define TRAINED_2(class, options, call)                                                            \
    TO("d", INPUT("i") "," NODE("LSTM", "l", LSTM_OPTIONS(""), CALL("i")) "," NODE(class, "d",     \
                                                                                   options, call))
#define TRAIN(value)  CALL_2("l", "\"training\":" value)
#define DROPOUT(call) TRAINED_2("Dropout", ",\"rate\":0.5", call)
    static const char *const cases[][2] = {
        {DROPOUT(TRAIN("true")), "Dropout d: called with training: false expected, got true"},
        {DROPOUT(TRAIN("1")), "Dropout d: called with training: false expected, got 1"},
        {DROPOUT("[\"l\",0,0,{\"training\":true}]"), "Dropout d: called with training"},
        {TRAINED_2("BatchNormalization", ",\"epsilon\":0.1", TRAIN("true")),
         "BatchNormalization d: called with training"},
        {TO("s", INPUT("i") ",{\"class_name\":\"Sequential\",\"name\":\"s\",\"config\":{\"name\":"
                            "\"s\",\"layers\":[" LSTM("") "]},\"inbound_nodes\":[" CALL_2(
                                "i", "\"training\":true") "]}"),
         "Sequential s: called with training"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "2.9.0", cases[i][1]);
    expect_taken(DROPOUT(TRAIN("false")));
    expect_taken(DROPOUT(TRAIN("null")));
    expect_taken(TRAINED_2("Dropout", ",\"rate\":0.5", CALL_3("l", "\"training\":true")));
}

/* ---- whose class it is ---- */

#define OF(module, class, registered, options)                                                     \
    "{\"module\":" module ",\"class_name\":\"" class "\",\"config\":{\"name\":\"a\"" options       \
                                                     "},\"registered_name\":" registered "}"
#define CUSTOM(class, options) OF("null", class, "\"" class "\"", options)

/* A class of the user's that was called like one of Keras' was taken for it. */
static void bug_567_a_custom_class_is_not_keras_own(void **state)
{
#define IS_CUSTOM(class)                                                                           \
    "a (" class "): a class of Keras' own expected, got the custom class " class
#define ANOTHERS(name) name "\",\"registered_name\":\"mine"
#define BY_NAME        "the name of one of Keras' own functions expected"
    static const char *const cases[][2] = {
        {MODEL(CUSTOM("LSTM", LSTM_OPTIONS(""))), IS_CUSTOM("LSTM")},
        {MODEL(LSTM(SEQUENCES) "," CUSTOM("Dense", ",\"units\":2")), IS_CUSTOM("Dense")},
        {MODEL(LSTM("") "," CUSTOM("Dropout", ",\"rate\":0.1")), IS_CUSTOM("Dropout")},
        {MODEL(LSTM("") "," CUSTOM("ReLU", "")), IS_CUSTOM("ReLU")},
        {MODEL(OF("\"mine\"", "LSTM", "\"mine>LSTM\"", LSTM_OPTIONS(""))), "class mine>LSTM"},
        {MODEL(OF("\"keras_mine.layers\"", "LSTM", "\"LSTM\"", LSTM_OPTIONS(""))),
         IS_CUSTOM("LSTM")},
        {MODEL(OF("3", "LSTM", "\"LSTM\"", LSTM_OPTIONS(""))), IS_CUSTOM("LSTM")},
        {MODEL(LAYER("Bidirectional",
                     ",\"merge_mode\":\"sum\",\"layer\":" CUSTOM("LSTM", LSTM_OPTIONS("")))),
         "Bidirectional a.layer: " IS_CUSTOM("LSTM")},
        {MODEL(LAYER("Bidirectional",
                     ",\"merge_mode\":\"sum\",\"layer\":" LSTM("") ",\"backward_layer\":" CUSTOM(
                         "LSTM", LSTM_OPTIONS(",\"go_backwards\":true")))),
         "Bidirectional a.backward_layer: " IS_CUSTOM("LSTM")},
        {MODEL(LSTM(SEQUENCES) "," LAYER("TimeDistributed",
                                         ",\"layer\":" CUSTOM("Dense", ",\"units\":2"))),
         IS_CUSTOM("Dense")},
        {MODEL(LAYER("RNN", ",\"cell\":" CUSTOM("LSTMCell", LSTM_OPTIONS("")))),
         "RNN a.cell: " IS_CUSTOM("LSTMCell")},
        {MODEL(DENSE(",\"activation\":" CUSTOM("LeakyReLU", ""))), "Dense a.activation: " BY_NAME},
        {MODEL(CUSTOM("Sequential", ",\"layers\":[" LSTM("") "]")), IS_CUSTOM("Sequential")},
        {CUSTOM("Sequential", ",\"layers\":[" LSTM("") "]"), IS_CUSTOM("Sequential")},
        {TO("l",
            INPUT("i") "," OPERATION("NotEqual", ANOTHERS("ne"), "", TENSOR("i") ",0.5") "," ANY(
                LAST_AXIS) "," MASKED("m", "i") "," SEQUENCE("l", "m", MASK("any"))),
         NO_MAKER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "3.0.0", cases[i][1]);
    expect_taken(MODEL(OF("\"keras.layers\"", "LSTM", "null", LSTM_OPTIONS(""))));
    expect_taken(MODEL(OF("\"keras.src.layers.rnn.lstm\"", "LSTM", "\"LSTM\"", LSTM_OPTIONS(""))));
    expect_taken(MODEL(OF("\"tf_keras.src.engine.sequential\"", "Sequential", "\"Sequential\"",
                          ",\"layers\":[" LSTM("") "]")));
}

/* ---- layers and options ---- */

static void what_trains_is_looked_over(void **state)
{
    (void)state;
    expect_chain(
        MODEL(LSTM(",\"dropout\":0.3,\"recurrent_dropout\":0.2,\"unit_forget_bias\":false,"
                   "\"implementation\":2,\"unroll\":true,\"stateful\":true,\"seed\":1,"
                   "\"kernel_initializer\":{\"class_name\":\"X\"},\"bias_regularizer\":null,"
                   "\"kernel_constraint\":{\"class_name\":\"Y\"},\"dtype\":{\"class_name\":"
                   "\"DTypePolicy\",\"config\":{\"name\":\"mixed_float16\"}},"
                   "\"quantization_config\":null,\"time_major\":false")),
        "3.0.0", "a(3 sigmoid/tanh)@layers/lstm");
}

static void what_is_not_known_is_refused_by_name(void **state)
{
#define BOTH(more, inner)                                                                          \
    MODEL(LAYER("Bidirectional", ",\"merge_mode\":\"sum\",\"layer\":" LSTM(inner) more))
    static const char *const cases[][2] = {
        {MODEL(LAYER("GRU", "")), "a (GRU): a layer of this class cannot be expressed"},
        {MODEL(LAYER("Lambda", "")), "a (Lambda)"},
        {MODEL(LSTM(",\"projection\":4")),
         "LSTM a.projection: no such option is known: null expected, got 4"},
        {MODEL(LSTM(",\"time_major\":true")), "LSTM a.time_major: false expected, got true"},
        {MODEL(LSTM(",\"units\":4")), "LSTM a.units: given twice"},
        {MODEL(LSTM(",\"return_state\":1")), "LSTM a.return_state: true or false expected, got 1"},
        {MODEL(LAYER("LSTM", ",\"units\":0")), "LSTM a.units: a whole number from 1"},
        {MODEL(LAYER("LSTM", ",\"units\":2.5")), "LSTM a.units: a whole number from 1"},
        {MODEL(LAYER("LSTM", ",\"units\":99999999")), "LSTM a.units: a whole number from 1"},
        {MODEL(LAYER("LSTM", "")),
         "LSTM a.units: a whole number from 1 to 16777216 expected, got nothing"},
        {MODEL(LAYER("LSTM", ",\"units\":2")), "LSTM a.activation: the name of one"},
        {MODEL(LSTM(",\"dtype\":\"int8\"")), "LSTM a.dtype: a float type expected, got \"int8\""},
        {MODEL(DENSE(",\"activation\":\"snake\"")), "got \"snake\""},
        {MODEL(DENSE(",\"activation\":{\"class_name\":\"function\",\"config\":\"f\"}")),
         "Dense a.activation: the name of one of Keras' own functions expected, got an object"},
        {MODEL(DENSE(",\"activation\":{\"class_name\":\"ReLU\",\"config\":{\"threshold\":1}}")),
         "Dense a.activation: ReLU in its place.threshold: 0 expected, got 1"},
        {MODEL(LAYER("ReLU", ",\"max_value\":6,\"negative_slope\":0.1")), "ReLU a.max_value: null"},
        {MODEL(LAYER("Softmax", ",\"axis\":[1,2]")), "Softmax a.axis: a whole number"},
        {MODEL(EMBEDDING(",\"sparse\":true")), "Embedding a.sparse: false expected, got true"},
        {MODEL(LAYER("Flatten", ",\"data_format\":\"channels_first\"")),
         "Flatten a.data_format: channels_last expected"},
        {MODEL(LAYER("Reshape", ",\"target_shape\":[2,3,4]")),
         "Reshape a.target_shape: one or two"},
        {MODEL(LAYER("Reshape", ",\"target_shape\":[0]")), "Reshape a.target_shape: one or two"},
        {MODEL(LAYER("RepeatVector", "")), "RepeatVector a.n: a whole number"},
        {MODEL(LAYER("BatchNormalization", ",\"epsilon\":0.1,\"mode\":2")),
         "mode: 0 expected, got 2"},
        {MODEL(LAYER("BatchNormalization", "")), "BatchNormalization a.epsilon"},
        {MODEL(LAYER("BatchNormalization", ",\"epsilon\":0.1,\"renorm\":true")),
         "renorm: false expected"},
        {MODEL(LAYER("LayerNormalization", ",\"epsilon\":0.1,\"rms_scaling\":true")),
         "rms_scaling: false"},
        {MODEL(LAYER("Conv1D", ",\"filters\":2,\"kernel_size\":[3],\"groups\":2")),
         "groups: 1 expected, got 2"},
        {MODEL(LAYER("Conv1D", ",\"filters\":2,\"kernel_size\":[3],\"padding\":\"full\"")),
         "valid or same or causal expected, got \"full\""},
        {MODEL(LAYER("GlobalMaxPooling1D", ",\"keepdims\":true")), "keepdims: false expected"},
        {BOTH("", ",\"go_backwards\":true"),
         "Bidirectional a.layer.go_backwards: false expected, got true"},
        {BOTH("", ",\"stateful\":true"), "stateful: false expected, got true"},
        {BOTH(",\"backward_layer\":" LSTM(""), ""), "but go_backwards true"},
        {BOTH(",\"backward_layer\":" LSTM(",\"go_backwards\":true,\"use_bias\":false"), ""),
         "Bidirectional a.backward_layer: the options of layer expected"},
        {MODEL(LAYER("Bidirectional", ",\"merge_mode\":null,\"layer\":" LSTM(""))),
         "Bidirectional a.merge_mode: concat, sum, mul or ave expected, got nothing"},
        {MODEL(LAYER("Bidirectional", ",\"merge_mode\":\"sum\",\"layer\":" LAYER("GRU", ""))),
         "Bidirectional a.layer: LSTM or CuDNNLSTM expected, got GRU"},
        {MODEL(LAYER("TimeDistributed", ",\"layer\":" LSTM(""))),
         "TimeDistributed a.layer: a layer of single steps expected, got LSTM"},
        {MODEL(LAYER("TimeDistributed", ",\"layer\":" LAYER("Conv2D", ""))), "a (Conv2D)"},
        {MODEL("{\"config\":{}}"), "class_name is missing"},
        {MODEL("{\"class_name\":\"Dense\"}"), "Dense .config: an object expected"},
        {MODEL(LAYER("InputLayer", ",\"batch_shape\":[null,4,4,3]") "," DENSE("")),
         "got 4 dimensions"},
        {MODEL(LAYER("InputLayer", ",\"batch_shape\":[null,4,4],\"ragged\":true") "," DENSE("")),
         "ragged"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "2.9.0", cases[i][1]);
}

/* Normalization and Rescaling were no known layers. */
#define NORMALIZATION(options) LAYER("Normalization", options)
#define GIVEN(mean, variance)  ",\"axis\":[-1],\"mean\":" mean ",\"variance\":" variance
#define MASKING                LAYER("Masking", "")

static void bug_501_normalization_and_rescaling_are_layers(void **state)
{
    static const char *const cases[] = {
        MODEL(NORMALIZATION(GIVEN("null", "null")) "," LSTM("")),
        MODEL(NORMALIZATION(GIVEN("[1,2.5]", "[0,1]") ",\"invert\":true") "," LSTM("")),
        MODEL(NORMALIZATION(",\"axis\":[]") "," LSTM("")),
        MODEL(NORMALIZATION(",\"axis\":2") "," LSTM("")),
        MODEL(LSTM("") "," NORMALIZATION(",\"axis\":[1]")),
        MODEL(LAYER("Rescaling", ",\"scale\":0.5,\"offset\":-1") "," LSTM("")),
        MODEL(MASKING "," NORMALIZATION(",\"axis\":[-1]") "," LSTM("")),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_taken(cases[i]);
}

static void bug_501_other_normalizations_are_refused(void **state)
{
#define RESCALING "Rescaling a."
#define LEFT      "masked steps before a layer that ends masks cannot be expressed"
    static const char *const cases[][2] = {
        {MODEL(NORMALIZATION("")), "Normalization a.axis: the last one (-1), or none"},
        {MODEL(NORMALIZATION(",\"axis\":[1,2]")), "Normalization a.axis: a whole number"},
        {MODEL(NORMALIZATION(",\"axis\":1")), "Normalization a.axis: the last one (-1) expected"},
        {MODEL(LSTM("") "," NORMALIZATION(",\"axis\":2")), "Normalization a.axis: the last one"},
        {MODEL(NORMALIZATION(GIVEN("1", "null"))),
         "Normalization a.variance: mean and variance, or neither, expected, got nothing"},
        {MODEL(NORMALIZATION(GIVEN("null", "[1]"))), "Normalization a.mean: mean and variance"},
        {MODEL(NORMALIZATION(",\"axis\":-1,\"invert\":1")), "Normalization a.invert: true or"},
        {MODEL(LAYER("Rescaling", "")), RESCALING "scale: a number expected, got nothing"},
        {MODEL(LAYER("Rescaling", ",\"scale\":[1,2]")), RESCALING "scale: a number expected"},
        {MODEL(LAYER("Rescaling", ",\"scale\":1e999")), RESCALING "scale: a number expected"},
        /* Keras 2's end masks, which the served layers pass on. */
        {MODEL(MASKING "," NORMALIZATION(",\"axis\":[-1]") "," LSTM("")), "LSTM a: " LEFT},
        {MODEL(MASKING
               "," LAYER("Rescaling", ",\"scale\":2") "," LAYER("GlobalAveragePooling1D", "")),
         "GlobalAveragePooling1D a: " LEFT},
        {MODEL(LAYER("TimeDistributed", ",\"layer\":" LAYER("Rescaling", ",\"scale\":2"))),
         "TimeDistributed a.layer: a layer of single steps expected, got Rescaling"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "2.9.0", cases[i][1]);
}

/* An RNN of an LSTMCell, Identity and a TimeDistributed Flatten were refused. */
#define RNN_OF(cell, more) LAYER("RNN", ",\"cell\":" cell more)
#define CELL               LAYER("LSTMCell", LSTM_OPTIONS(",\"dropout\":0.1"))

static void bug_504_a_cell_in_an_rnn_is_an_lstm(void **state)
{
    (void)state;
    expect_chain(
        MODEL(RNN_OF(CELL, SEQUENCES ",\"return_state\":false,\"unroll\":true") "," RNN_OF(
            LAYER("LSTMCell", LSTM_OPTIONS(",\"use_bias\":false")), ",\"go_backwards\":true")),
        "3.0.0",
        "a(3 sequences sigmoid/tanh)@layers/rnn a(3 bare backwards sigmoid/tanh)@layers/"
        "rnn_1");
    expect_taken(MODEL(LAYER("Identity", "") "," LAYER(
        "TimeDistributed", ",\"layer\":" LAYER("Flatten", "")) "," LSTM("")));
    expect_refused(MODEL(RNN_OF(LAYER("GRUCell", ""), "")), "3.0.0",
                   "RNN a.cell: one LSTMCell expected, got GRUCell");
    expect_refused(MODEL(RNN_OF("[" CELL "," CELL "]", "")), "3.0.0",
                   "RNN a.cell: a cell expected");
    expect_refused(MODEL(LAYER("RNN", "")), "3.0.0", "RNN a.cell: a cell expected, got nothing");
    expect_refused(MODEL(RNN_OF(LAYER("LSTMCell", LSTM_OPTIONS(SEQUENCES)), "")), "3.0.0",
                   "LSTMCell a.return_sequences: no such option is known");
    expect_refused(MODEL(RNN_OF(CELL, ",\"time_major\":true")), "2.9.0", "RNN a.time_major: false");
    expect_refused(MODEL(MASKING "," LAYER("Identity", "") "," LSTM("")), "2.9.0",
                   "LSTM a: masked steps before a layer that ends masks");
}

/* ---- what passes between layers ---- */

static void shapes_decide_too(void **state)
{
#define TWO_DIMENSIONS ",\"batch_input_shape\":[null,4]"
#define ANY_STEPS      ",\"batch_input_shape\":[null,null,4]"
    static const char *const cases[][2] = {
        {MODEL(LSTM("") "," LSTM("")), "LSTM a: a sequence expected, got a vector"},
        {MODEL(LSTM("") "," LAYER("GlobalMaxPooling1D", "")), "a sequence expected, got a vector"},
        {MODEL(LSTM("") "," LAYER("TimeDistributed", ",\"layer\":" DENSE(""))),
         "TimeDistributed a: a sequence expected, got a vector"},
        {MODEL(LSTM(SEQUENCES) "," LAYER("RepeatVector", ",\"n\":2")),
         "RepeatVector a: a vector expected, got a sequence"},
        {MODEL(LSTM(SEQUENCES ANY_STEPS) "," LAYER("Flatten", "")),
         "Flatten a: a model whose input has a fixed"},
        {MODEL(LSTM(SEQUENCES) "," EMBEDDING("")),
         "Embedding a: expected as the model's first layer"},
        {MODEL(LSTM(TWO_DIMENSIONS)),
         "LSTM a: an input of shape [batch, steps, features] expected"},
        {MODEL(LAYER("InputLayer", ",\"batch_shape\":[null,4,4]") "," EMBEDDING("")),
         "Embedding a: an input of shape [batch, steps] expected"},
        {MODEL(LSTM("") "," LAYER("LayerNormalization", ",\"epsilon\":0.1,\"axis\":2")),
         "LayerNormalization a.axis: the last one (-1) expected, got 2"},
        {MODEL(LSTM(SEQUENCES) "," LAYER("LayerNormalization", ",\"epsilon\":0.1,\"axis\":[1]")),
         "LayerNormalization a.axis: the last one (-1) expected, got 1"},
        {MODEL(EMBEDDING(",\"mask_zero\":true") "," LAYER("Softmax", "")),
         "the softmax of masked steps"},
        {MODEL(EMBEDDING(",\"mask_zero\":true") "," LSTM(SEQUENCES ",\"go_backwards\":true")),
         "go_backwards with return_sequences on masked steps"},
        {MODEL(LAYER("Dropout", ",\"rate\":0.1")), "computes something"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i][0], "2.9.0", cases[i][1]);
}

static void expect_steps(const char *json, size_t wanted)
{
    struct keras_topology topology;
    struct fault fault = {0};
    size_t steps;
    assert_true(keras_topology_parse(&topology, json, strlen(json), "2.9.0", NULL, &fault));
    if (!keras_shape_check(&topology, &steps, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(steps, wanted);
    keras_topology_fini(&topology);
}

static void steps_are_fixed_only_where_it_matters(void **state)
{
#define SIX_STEPS ",\"batch_input_shape\":[null,6,4]"
    (void)state;
    expect_steps(MODEL(LSTM(SEQUENCES SIX_STEPS)), 0);
    expect_steps(MODEL(LSTM(SEQUENCES SIX_STEPS) "," LAYER("Flatten", "")), 6);
    expect_steps(MODEL(LSTM(SIX_STEPS) "," LAYER("Flatten", "")), 0);
    expect_steps(
        MODEL(LSTM(SIX_STEPS) "," LAYER("RepeatVector", ",\"n\":2") "," LAYER("Flatten", "")), 0);
    expect_steps(MODEL(LAYER("Reshape", ",\"target_shape\":[3,8]" SIX_STEPS) "," LSTM("")), 6);
    expect_steps(
        MODEL(LSTM(",\"batch_input_shape\":{\"class_name\":\"TensorShape\",\"items\":[null,"
                   "5,4]}" SEQUENCES) "," LAYER("Flatten", "")),
        5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_told_apart),
        cmocka_unit_test(hard_sigmoid_is_the_writers),
        cmocka_unit_test(every_shell_is_opened),
        cmocka_unit_test(keras_1_had_other_names),
        cmocka_unit_test(groups_are_numbered_by_class),
        cmocka_unit_test(graphs_are_followed_not_listed),
        cmocka_unit_test(models_in_models_are_flattened),
        cmocka_unit_test(bug_431_the_last_step_is_a_layer),
        cmocka_unit_test(bug_431_every_other_slicing_is_refused),
        cmocka_unit_test(bug_502_functions_called_on_tensors_are_layers),
        cmocka_unit_test(bug_502_other_functions_are_refused),
        cmocka_unit_test(states_are_returned_where_they_are_outputs),
        cmocka_unit_test(other_graphs_are_refused),
        cmocka_unit_test(masks_that_come_along_are_taken),
        cmocka_unit_test(other_masks_are_refused),
        cmocka_unit_test(bug_505_no_mask_of_keras_2_is_none),
        cmocka_unit_test(bug_506_no_mask_of_keras_3_comes_along),
        cmocka_unit_test(bug_503_masks_end_at_functions),
        cmocka_unit_test(bug_566_what_was_called_to_train_is_refused),
        cmocka_unit_test(bug_567_a_custom_class_is_not_keras_own),
        cmocka_unit_test(what_trains_is_looked_over),
        cmocka_unit_test(what_is_not_known_is_refused_by_name),
        cmocka_unit_test(bug_501_normalization_and_rescaling_are_layers),
        cmocka_unit_test(bug_501_other_normalizations_are_refused),
        cmocka_unit_test(bug_504_a_cell_in_an_rnn_is_an_lstm),
        cmocka_unit_test(shapes_decide_too),
        cmocka_unit_test(steps_are_fixed_only_where_it_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
