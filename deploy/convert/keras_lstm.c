#include "deploy/convert/keras_layer.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "deploy/convert/keras_options.h"

/* What an LSTM may say; what is not read below changes no answer (or, unit_forget_bias, is in the
 * weights). */
static const char *const lstm_known[] = {
    "units",
    "output_dim",
    "activation",
    "recurrent_activation",
    "inner_activation",
    "use_bias",
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "time_major",
    "zero_output_for_mask",
    "unit_forget_bias",
    "dropout",
    "recurrent_dropout",
    "dropout_W",
    "dropout_U",
    "implementation",
    "consume_less",
    "unroll",
    "input_dim",
    "input_length",
    "use_cudnn",
    NULL,
};

static bool read_functions(const struct keras_options *options, bool cudnn,
                           const struct keras_version *version, struct keras_lstm *lstm,
                           struct fault *fault)
{
    if (cudnn) {
        lstm->activation = (struct keras_function){.name = "tanh"};
        lstm->recurrent_activation = (struct keras_function){.name = "sigmoid"};
        return true;
    }
    return keras_function_option(options, "activation", NULL, true, version, &lstm->activation,
                                 fault) &&
           keras_function_option(options, "recurrent_activation", "inner_activation", true, version,
                                 &lstm->recurrent_activation, fault);
}

static bool read_flags(const struct keras_options *options, struct keras_lstm *lstm,
                       struct fault *fault)
{
    return keras_options_bool(options, "use_bias", NULL, &lstm->use_bias, fault) &&
           keras_options_bool(options, "go_backwards", NULL, &lstm->go_backwards, fault) &&
           keras_options_bool(options, "return_sequences", NULL, &lstm->return_sequences, fault) &&
           keras_options_bool(options, "return_state", NULL, &lstm->return_state, fault) &&
           keras_options_bool(options, "zero_output_for_mask", NULL, &lstm->zero_output_for_mask,
                              fault) &&
           keras_options_bool(options, "stateful", NULL, &lstm->stateful, fault) &&
           keras_options_never(options, "time_major", fault);
}

bool keras_lstm_parse(struct keras_layer *layer, const struct cJSON *config,
                      const struct keras_version *version, struct fault *fault)
{
    struct keras_options options;
    struct keras_lstm *lstm = &layer->as.lstm;
    const bool cudnn = strcmp(layer->class_name, "CuDNNLSTM") == 0;
    layer->kind = KERAS_LSTM;
    *lstm = (struct keras_lstm){.use_bias = true, .merge_mode = "concat"};
    return keras_options_init(&options, layer->class_name, layer->name, config, lstm_known,
                              fault) &&
           keras_options_size(&options, "units", "output_dim", true, 1, &lstm->units, fault) &&
           read_functions(&options, cudnn, version, lstm, fault) &&
           read_flags(&options, lstm, fault);
}

/* ---- RNN ---- */

/* What the cell may say, and only it: the rest of an LSTM's options is the RNN's. */
static bool parse_cell(const struct keras_options *rnn, const cJSON *json,
                       const struct keras_version *version, struct keras_lstm *lstm,
                       struct fault *fault)
{
    static const char *const known[] = {
        "units",   "activation",        "recurrent_activation", "use_bias", "unit_forget_bias",
        "dropout", "recurrent_dropout", "implementation",       NULL,
    };
    struct keras_options options;
    const char *class_name, *name;
    if (!cJSON_IsObject(json))
        return keras_options_refuse(rnn, "cell", NULL, "a cell", fault);
    if (!keras_layer_names(json, &class_name, &name, fault))
        return fault_prefix(fault, "%s.cell", rnn->place);
    if (strcmp(class_name, "LSTMCell") != 0)
        return fault_set(fault, 400, "%s.cell: one LSTMCell expected, got %.48s", rnn->place,
                         class_name);
    return keras_options_init(&options, class_name, name,
                              cJSON_GetObjectItemCaseSensitive(json, "config"), known, fault) &&
           keras_options_size(&options, "units", NULL, true, 1, &lstm->units, fault) &&
           keras_options_bool(&options, "use_bias", NULL, &lstm->use_bias, fault) &&
           read_functions(&options, false, version, lstm, fault);
}

bool keras_rnn_parse(struct keras_layer *layer, const struct cJSON *config,
                     const struct keras_version *version, struct fault *fault)
{
    static const char *const known[] = {
        "cell",       "return_sequences", "return_state",         "go_backwards", "stateful",
        "time_major", "unroll",           "zero_output_for_mask", NULL,
    };
    struct keras_options options;
    struct keras_lstm *lstm = &layer->as.lstm;
    layer->kind = KERAS_LSTM;
    *lstm = (struct keras_lstm){.use_bias = true, .merge_mode = "concat"};
    return keras_options_init(&options, layer->class_name, layer->name, config, known, fault) &&
           read_flags(&options, lstm, fault) &&
           parse_cell(&options, keras_options_find(&options, "cell", NULL), version, lstm, fault);
}

/* ---- Bidirectional ---- */

/* The LSTM in a Bidirectional. */
static bool parse_direction(struct keras_layer *inner, const struct keras_options *options,
                            const char *key, const struct keras_version *version,
                            struct fault *fault)
{
    const cJSON *json = keras_options_find(options, key, NULL);
    *inner = (struct keras_layer){0};
    if (!cJSON_IsObject(json))
        return keras_options_refuse(options, key, NULL, "a layer", fault);
    if (!keras_layer_names(json, &inner->class_name, &inner->name, fault))
        return fault_prefix(fault, "%s.%s", options->place, key);
    if (strcmp(inner->class_name, "LSTM") != 0 && strcmp(inner->class_name, "CuDNNLSTM") != 0)
        return fault_set(fault, 400, "%s.%s: LSTM or CuDNNLSTM expected, got %.48s", options->place,
                         key, inner->class_name);
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(json, "config");
    struct keras_options own;
    return keras_lstm_parse(inner, config, version, fault) &&
           keras_options_init(&own, inner->class_name, inner->name, config, lstm_known, fault) &&
           keras_options_never(&own, "stateful", fault);
}

static bool same_function(const struct keras_function *a, const struct keras_function *b)
{
    return strcmp(a->name, b->name) == 0 && a->has_alpha == b->has_alpha && a->alpha == b->alpha &&
           a->has_beta == b->has_beta && a->beta == b->beta;
}

/* A second layer of its own: the schema has one set of options for both directions. */
static bool check_backward(const struct keras_options *options, const struct keras_lstm *forward,
                           const struct keras_version *version, struct fault *fault)
{
    struct keras_layer backward;
    if (keras_options_find(options, "backward_layer", NULL) == NULL)
        return true;
    if (!parse_direction(&backward, options, "backward_layer", version, fault))
        return false;
    const struct keras_lstm *lstm = &backward.as.lstm;
    if (lstm->units == forward->units && lstm->use_bias == forward->use_bias &&
        lstm->return_sequences == forward->return_sequences &&
        lstm->return_state == forward->return_state && lstm->go_backwards &&
        same_function(&lstm->activation, &forward->activation) &&
        same_function(&lstm->recurrent_activation, &forward->recurrent_activation))
        return true;
    return fault_set(fault, 400,
                     "%s.backward_layer: the options of layer expected, but go_backwards true",
                     options->place);
}

bool keras_bidirectional_parse(struct keras_layer *layer, const struct cJSON *config,
                               const struct keras_version *version, struct fault *fault)
{
    static const char *const known[] = {"layer",     "backward_layer", "merge_mode",
                                        "input_dim", "input_length",   NULL};
    static const char *const merge_modes[] = {"concat", "sum", "mul", "ave", NULL};
    struct keras_options options;
    struct keras_layer forward;
    const char *merge_mode = NULL;
    if (!keras_options_init(&options, layer->class_name, layer->name, config, known, fault) ||
        !keras_options_choice(&options, "merge_mode", NULL, merge_modes, &merge_mode, fault) ||
        !parse_direction(&forward, &options, "layer", version, fault) ||
        !check_backward(&options, &forward.as.lstm, version, fault))
        return false;
    if (merge_mode == NULL)
        return keras_options_refuse(&options, "merge_mode", NULL, "concat, sum, mul or ave", fault);
    if (forward.as.lstm.go_backwards)
        return fault_set(fault, 400, "%s.layer.go_backwards: false expected, got true",
                         options.place);
    layer->kind = KERAS_LSTM;
    layer->inner_name = forward.name;
    layer->as.lstm = forward.as.lstm;
    layer->as.lstm.bidirectional = true;
    layer->as.lstm.merge_mode = merge_mode;
    /* Since tf.keras it is forced where sequences are returned, whatever the LSTM itself says. */
    if (version->tensorflow || version->major >= 3)
        layer->as.lstm.zero_output_for_mask = forward.as.lstm.return_sequences;
    return true;
}
