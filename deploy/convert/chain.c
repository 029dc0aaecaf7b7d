#include "deploy/convert/chain.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"

#define WORD_MAX 256 /* with the NUL */

static const char space[] = " \t\n";

static const struct {
    const char *word, *type;
    bool has_weights;
} types[] = {
    {"lstm", "lstm", true},
    {"dense", "dense", true},
    {"linear", "dense", true},
    {"embedding", "embedding", true},
    {"layer_norm", "layer_norm", true},
    {"batch_norm", "batch_norm", true},
    {"conv1d", "conv1d", true},
    {"masking", "masking", false},
    {"dropout", "dropout", false},
    {"flatten", "flatten", false},
    {"reshape", "reshape", false},
    {"last_step", "last_step", false},
    {"repeat_vector", "repeat_vector", false},
    {"max_pool1d", "max_pool1d", false},
    {"avg_pool1d", "avg_pool1d", false},
    {"global_max_pool1d", "global_max_pool1d", false},
    {"global_average_pool1d", "global_average_pool1d", false},
};

/* "linear" is PyTorch's dense layer here, not the activation that does nothing. */
static const char *const functions[] = {
    "relu",        "sigmoid",      "tanh",
    "softsign",    "softplus",     "exponential",
    "selu",        "swish",        "silu",
    "relu6",       "mish",         "log_sigmoid",
    "hard_swish",  "hard_sigmoid", "hard_sigmoid_keras3",
    "elu",         "leaky_relu",   "thresholded_relu",
    "clip",        "gelu",         "gelu_tanh",
    "affine",      "scaled_tanh",  "softmax",
    "log_softmax",
};

/* What PyTorch's modules of the name without its capitals are here. hard_sigmoid is Keras' own. */
static const struct {
    const char *module, *function;
} modules[] = {
    {"hardsigmoid", "hard_sigmoid_keras3"},
    {"hardswish", "hard_swish"},
    {"logsigmoid", "log_sigmoid"},
    {"logsoftmax", "log_softmax"},
};

static const char *function_of(const char *word)
{
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        if (strcmp(modules[i].module, word) == 0)
            return modules[i].function;
    return word;
}

bool chain_type_has_weights(const char *type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].type, type) == 0)
            return types[i].has_weights;
    return false;
}

static bool is_function(const char *word)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strcmp(functions[i], word) == 0)
            return true;
    return false;
}

/* The next word of the item, which ends at a comma; "" when there is no more. */
static bool next_word(const char **at, char word[WORD_MAX], struct fault *fault)
{
    *at += strspn(*at, space);
    const size_t size = strcspn(*at, ", \t\n");
    if (size >= WORD_MAX)
        return fault_set(fault, 400, "--layers: words of at most %d bytes expected", WORD_MAX - 1);
    memcpy(word, *at, size);
    word[size] = '\0';
    *at += size;
    return true;
}

/* "stride=2": numbers, true and false as such, anything else as a text. "steps" is the model's. */
static bool set_option(struct network *network, size_t layer, char *word, struct fault *fault)
{
    char *equals = strchr(word, '=');
    if (equals == NULL || equals == word || equals[1] == '\0')
        return fault_set(fault, 400, "--layers: OPTION=VALUE expected, got '%s'",
                         excerpt_of(word).text);
    *equals = '\0';
    const char *value = equals + 1;
    char *end;
    const double number = strtod(value, &end);
    cJSON *json = *end == '\0'                  ? cJSON_CreateNumber(number)
                  : strcmp(value, "true") == 0  ? cJSON_CreateTrue()
                  : strcmp(value, "false") == 0 ? cJSON_CreateFalse()
                                                : cJSON_CreateString(value);
    network_set_json(network, strcmp(word, "steps") == 0 ? NETWORK_ROOT : layer, word, json);
    return true;
}

static bool fail_type(const char *word, struct fault *fault)
{
    char known[384];
    size_t used = 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const int size =
            snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", types[i].word);
        assert(size > 0 && (size_t)size < sizeof known - used);
        used += (size_t)size;
    }
    return fault_set(fault, 400,
                     "--layers: '%s' is not a layer type or an activation; layer types are %s",
                     excerpt_of(word).text, known);
}

static bool add_layer(struct network *network, const char *word, const char *prefix, size_t *layer,
                      struct fault *fault)
{
    char dotted[WORD_MAX + 1];
    const size_t size = strlen(prefix);
    snprintf(dotted, sizeof dotted, "%s%s", prefix, size > 0 && prefix[size - 1] != '.' ? "." : "");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].word, word) == 0) {
            *layer = network_add_layer(network, types[i].type, size > 0 ? prefix : word, dotted);
            return !types[i].has_weights || size > 0 ||
                   fault_set(fault, 400, "--layers: the prefix of its weights expected behind '%s'",
                             word);
        }
    *layer = network_add_layer(network, "activation", word, "");
    network_set_string(network, *layer, "function", function_of(word));
    return is_function(function_of(word)) || fail_type(word, fault);
}

static bool parse_item(const char **at, struct network *network, struct fault *fault)
{
    char type[WORD_MAX], word[WORD_MAX];
    size_t layer;
    if (!next_word(at, type, fault) || !next_word(at, word, fault))
        return false;
    const bool prefixed = chain_type_has_weights(strcmp(type, "linear") == 0 ? "dense" : type) &&
                          strchr(word, '=') == NULL;
    if (!add_layer(network, type, prefixed ? word : "", &layer, fault))
        return false;
    if (prefixed && !next_word(at, word, fault))
        return false;
    while (word[0] != '\0')
        if (!set_option(network, layer, word, fault) || !next_word(at, word, fault))
            return false;
    return true;
}

bool chain_parse(const char *text, struct network *network, struct fault *fault)
{
    for (;;) {
        if (!parse_item(&text, network, fault))
            return false;
        if (*text == '\0')
            return true;
        text++; /* the comma */
    }
}
