#include "deploy/convert/keras_function.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "deploy/convert/keras_class.h"
#include "proto/config_json.h"
#include "proto/excerpt.h"

/* Keras' names. hard_sigmoid is not among them: it means two things. */
static const struct {
    const char *keras;
    struct keras_function function;
} functions[] = {
    {"linear", {.name = "linear"}},
    {"relu", {.name = "relu"}},
    {"sigmoid", {.name = "sigmoid"}},
    {"tanh", {.name = "tanh"}},
    {"softmax", {.name = "softmax"}},
    {"elu", {.name = "elu", .has_alpha = true, .alpha = 1}},
    {"selu", {.name = "selu"}},
    {"softplus", {.name = "softplus"}},
    {"softsign", {.name = "softsign"}},
    {"exponential", {.name = "exponential"}},
    {"swish", {.name = "swish"}},
    {"silu", {.name = "swish"}},
    {"gelu", {.name = "gelu"}},
    {"relu6", {.name = "relu6"}},
    {"mish", {.name = "mish"}},
    {"log_sigmoid", {.name = "log_sigmoid"}},
    {"log_softmax", {.name = "log_softmax"}},
    {"hard_swish", {.name = "hard_swish"}},
    {"hard_silu", {.name = "hard_swish"}},
    {"leaky_relu", {.name = "leaky_relu", .has_alpha = true, .alpha = 0.2}},
    {"hard_tanh", {.name = "clip", .has_alpha = true, .has_beta = true, .alpha = -1, .beta = 1}},
};
#define FUNCTION_COUNT (sizeof functions / sizeof functions[0])

/* ---- layers that are a function ---- */

static bool read_relu(const struct keras_options *options, struct keras_function *function,
                      struct fault *fault)
{
    double slope = 0, threshold = 0, ceiling = 0;
    if (!keras_options_number(options, "negative_slope", NULL, &slope, fault) ||
        !keras_options_number(options, "threshold", NULL, &threshold, fault) ||
        !keras_options_number(options, "max_value", NULL, &ceiling, fault))
        return false;
    const bool capped = keras_options_find(options, "max_value", NULL) != NULL;
    if (threshold != 0)
        return keras_options_refuse(options, "threshold", NULL, "0", fault);
    if (capped && (slope != 0 || ceiling < 0))
        return keras_options_refuse(options, "max_value", NULL,
                                    "null, or with negative_slope 0 a positive number", fault);
    *function = (struct keras_function){.name = "relu"};
    if (capped)
        *function = (struct keras_function){
            .name = "clip", .has_alpha = true, .has_beta = true, .beta = ceiling};
    else if (slope != 0)
        *function =
            (struct keras_function){.name = "leaky_relu", .has_alpha = true, .alpha = slope};
    return true;
}

static bool read_leaky_relu(const struct keras_options *options, struct keras_function *function,
                            struct fault *fault)
{
    *function = (struct keras_function){.name = "leaky_relu", .has_alpha = true, .alpha = 0.3};
    return keras_options_number(options, "negative_slope", "alpha", &function->alpha, fault);
}

static bool read_elu(const struct keras_options *options, struct keras_function *function,
                     struct fault *fault)
{
    *function = (struct keras_function){.name = "elu", .has_alpha = true, .alpha = 1};
    return keras_options_number(options, "alpha", NULL, &function->alpha, fault);
}

static bool read_thresholded_relu(const struct keras_options *options,
                                  struct keras_function *function, struct fault *fault)
{
    *function = (struct keras_function){.name = "thresholded_relu", .has_alpha = true, .alpha = 1};
    return keras_options_number(options, "theta", NULL, &function->alpha, fault);
}

static bool read_softmax(const struct keras_options *options, struct keras_function *function,
                         struct fault *fault)
{
    (void)options;
    (void)fault;
    *function = (struct keras_function){.name = "softmax"};
    return true;
}

static const struct function_layer {
    const char *class_name;
    bool (*read)(const struct keras_options *options, struct keras_function *function,
                 struct fault *fault);
    const char *const *known;
} function_layers[] = {
    {"ReLU", read_relu, (const char *const[]){"max_value", "negative_slope", "threshold", NULL}},
    {"LeakyReLU", read_leaky_relu, (const char *const[]){"negative_slope", "alpha", NULL}},
    {"ELU", read_elu, (const char *const[]){"alpha", NULL}},
    {"ThresholdedReLU", read_thresholded_relu, (const char *const[]){"theta", NULL}},
    {"Softmax", read_softmax, (const char *const[]){"axis", NULL}},
};

static const struct function_layer *find_layer(const char *class_name)
{
    for (size_t i = 0; i < sizeof function_layers / sizeof function_layers[0]; i++)
        if (strcmp(class_name, function_layers[i].class_name) == 0)
            return &function_layers[i];
    return NULL;
}

bool keras_function_is_layer(const char *class_name)
{
    return find_layer(class_name) != NULL;
}

bool keras_function_layer(const char *class_name, const char *name, const struct cJSON *config,
                          struct keras_function *function, long *axis, struct fault *fault)
{
    struct keras_options options;
    const struct function_layer *layer = find_layer(class_name);
    return keras_options_init(&options, class_name, name, config, layer->known, fault) &&
           keras_options_integer(&options, "axis", axis, fault) &&
           layer->read(&options, function, fault);
}

/* ---- names ---- */

bool keras_function_named(const char *name, struct keras_function *function)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        if (strcmp(name, functions[i].keras) == 0) {
            *function = functions[i].function;
            return true;
        }
    return false;
}

static bool read_hard_sigmoid(const struct keras_options *options, const char *key,
                              const char *old_key, const struct keras_version *version,
                              struct keras_function *function, struct fault *fault)
{
    /* Keras 1's key tells Keras 1, which did not always say its version. */
    const bool first = keras_options_find(options, key, NULL) == NULL;
    if (version->major == 0 && !first)
        return keras_options_refuse(
            options, key, old_key,
            "with a file that does not say its keras_version, any function but hard_sigmoid (which "
            "Keras 3 changed)",
            fault);
    *function = version->major >= 3 ? (struct keras_function){.name = "hard_sigmoid_keras3"}
                                    : (struct keras_function){.name = "hard_sigmoid"};
    return true;
}

/* {"class_name": "LeakyReLU", "config": {...}} where a name would stand. */
static bool read_nested_layer(const struct keras_options *options, const char *key,
                              const char *old_key, const cJSON *found,
                              struct keras_function *function, struct fault *fault)
{
    long axis = -1;
    const cJSON *class_name = cJSON_GetObjectItemCaseSensitive(found, "class_name");
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(found, "config");
    if (!cJSON_IsString(class_name) || !keras_function_is_layer(class_name->valuestring) ||
        !keras_class_is_own(found))
        return keras_options_refuse(options, key, old_key,
                                    "the name of one of Keras' own functions", fault);
    if (!keras_function_layer(class_name->valuestring, "in its place", config, function, &axis,
                              fault))
        return fault_prefix(fault, "%s.%s", options->place, key);
    return axis == -1 || keras_options_refuse(options, key, old_key, "a Softmax of axis -1", fault);
}

bool keras_function_option(const struct keras_options *options, const char *key,
                           const char *old_key, bool required, const struct keras_version *version,
                           struct keras_function *function, struct fault *fault)
{
    const cJSON *found = keras_options_find(options, key, old_key);
    if (found == NULL && !required) {
        *function = (struct keras_function){.name = "linear"};
        return true;
    }
    if (cJSON_IsObject(found))
        return read_nested_layer(options, key, old_key, found, function, fault);
    if (cJSON_IsString(found) && strcmp(found->valuestring, "hard_sigmoid") == 0)
        return read_hard_sigmoid(options, key, old_key, version, function, fault);
    if (cJSON_IsString(found) && keras_function_named(found->valuestring, function))
        return true;
    return keras_options_refuse(options, key, old_key, "the name of one of Keras' own functions",
                                fault);
}
