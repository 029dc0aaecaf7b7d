#include "deploy/convert/keras_operation.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "deploy/convert/keras_class.h"
#include "deploy/convert/keras_options.h"
#include "deploy/convert/member_text.h"
#include "proto/excerpt.h"

/* ---- calls ---- */

/* Of the only call: Keras 3's {"args": [...], "kwargs": {...}}, or Keras 2's ["lstm", 0, 0, {...}],
 * which may stand in a list of its own. NULL when there is none. */
static const cJSON *call_of(const cJSON *json)
{
    const cJSON *call =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "inbound_nodes"), 0);
    if (!cJSON_IsArray(call) || !cJSON_IsArray(call->child))
        return call;
    return call->child->next == NULL ? call->child : NULL;
}

static bool is_lambda(const cJSON *json)
{
    return strcmp(keras_class_of(json), "TFOpLambda") == 0;
}

/* Keras 2's call whose first argument is a number: ["_CONSTANT_VALUE", -1, 2.0, {"y": TENSOR}]. */
static bool begins_with_number(const cJSON *call)
{
    return cJSON_IsArray(call) && cJSON_IsString(call->child) &&
           strcmp(call->child->valuestring, "_CONSTANT_VALUE") == 0;
}

static bool find_tensor(const cJSON *arguments, struct keras_reference *input)
{
    struct keras_reference found;
    size_t count = 0;
    const cJSON *argument;
    cJSON_ArrayForEach(argument, arguments)
    {
        if (keras_reference_of_tensor(argument, &found) && count++ == 0)
            *input = found;
        else if (!cJSON_IsNumber(argument))
            return false;
    }
    return count == 1 && cJSON_GetArraySize(arguments) <= 2;
}

bool keras_operation_input(const struct cJSON *json, struct keras_reference *input)
{
    const cJSON *call = call_of(json);
    if (cJSON_IsObject(call))
        return find_tensor(cJSON_GetObjectItemCaseSensitive(call, "args"), input);
    if (begins_with_number(call))
        return keras_reference_read(
            cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(call, 3), "y"), input);
    return keras_reference_read(call, input);
}

/* ---- arguments ---- */

struct operation {
    struct keras_layer *layer;
    struct keras_options options; /* the arguments by name */
    const cJSON *call;
};

/* The other argument of x * 2; first: it stood before the tensor. */
static bool read_number(const struct operation *op, double *number, bool *first,
                        struct fault *fault)
{
    const cJSON *found = keras_options_find(&op->options, "y", NULL);
    *first = begins_with_number(op->call);
    if (*first)
        found = cJSON_GetArrayItem(op->call, 2);
    if (cJSON_IsObject(op->call)) {
        const cJSON *arguments = cJSON_GetObjectItemCaseSensitive(op->call, "args");
        *first = cJSON_IsNumber(cJSON_GetArrayItem(arguments, 0));
        found = cJSON_GetArrayItem(arguments, *first ? 0 : 1);
    }
    if (!cJSON_IsNumber(found) || !isfinite(found->valuedouble))
        return fault_set(fault, 400, "%s: a tensor and a number expected", op->options.place);
    *number = found->valuedouble;
    return true;
}

static void become_function(const struct operation *op, const struct keras_function *function)
{
    op->layer->kind = KERAS_ACTIVATION;
    op->layer->as.activation.function = *function;
    op->layer->as.activation.axis = -1;
}

static bool become_affine(const struct operation *op, double alpha, double beta)
{
    become_function(
        op,
        &(struct keras_function){
            .name = "affine", .has_alpha = true, .has_beta = true, .alpha = alpha, .beta = beta});
    return true;
}

/* ---- functions ---- */

static bool parse_idle(const struct operation *op, const char *name, struct fault *fault)
{
    (void)name;
    (void)fault;
    op->layer->kind = KERAS_IDLE;
    return true;
}

static bool parse_cast(const struct operation *op, const char *name, struct fault *fault)
{
    const cJSON *type = keras_options_find(&op->options, "dtype", NULL);
    (void)name;
    op->layer->kind = KERAS_IDLE;
    return (cJSON_IsString(type) && strcmp(type->valuestring, "float32") == 0) ||
           keras_options_refuse(&op->options, "dtype", NULL, "float32", fault);
}

/* name is the function's. */
static bool parse_function(const struct operation *op, const char *name, struct fault *fault)
{
    struct keras_function function;
    (void)fault;
    const bool known = keras_function_named(name, &function);
    assert(known);
    become_function(op, &function);
    return true;
}

/* Of Keras 3. */
static bool parse_hard_sigmoid(const struct operation *op, const char *name, struct fault *fault)
{
    (void)name;
    (void)fault;
    become_function(op, &(struct keras_function){.name = "hard_sigmoid_keras3"});
    return true;
}

static bool parse_softmax(const struct operation *op, const char *name, struct fault *fault)
{
    return parse_function(op, name, fault) &&
           keras_options_integer(&op->options, "axis", &op->layer->as.activation.axis, fault);
}

/* With the options of the layer of that name. */
static bool parse_relu(const struct operation *op, const char *name, struct fault *fault)
{
    struct keras_function function;
    long axis = -1;
    if (!keras_function_layer(name, op->layer->name, op->options.json, &function, &axis, fault))
        return false;
    become_function(op, &function);
    return true;
}

static bool parse_sloped(const struct operation *op, const char *name, struct fault *fault)
{
    struct keras_function *function = &op->layer->as.activation.function;
    return parse_function(op, name, fault) &&
           keras_options_number(&op->options, "negative_slope", "alpha", &function->alpha, fault);
}

/* tf.nn.gelu is the exact one by default, keras.ops.gelu the other, which says so. */
static bool parse_gelu(const struct operation *op, const char *name, struct fault *fault)
{
    bool approximate = false;
    if (keras_options_find(&op->options, "approximate", NULL) == NULL &&
        strcmp(op->layer->class_name, "TFOpLambda") != 0)
        return keras_options_refuse(&op->options, "approximate", NULL, "true or false", fault);
    if (!keras_options_bool(&op->options, "approximate", NULL, &approximate, fault) ||
        !parse_function(op, name, fault))
        return false;
    if (approximate)
        op->layer->as.activation.function = (struct keras_function){.name = "gelu_tanh"};
    return true;
}

static bool parse_clip(const struct operation *op, const char *name, struct fault *fault)
{
    struct keras_function clip = {.name = "clip", .has_alpha = true, .has_beta = true};
    (void)name;
    if (keras_options_find(&op->options, "x_min", "clip_value_min") == NULL)
        return keras_options_refuse(&op->options, "x_min", "clip_value_min", "a number", fault);
    if (keras_options_find(&op->options, "x_max", "clip_value_max") == NULL)
        return keras_options_refuse(&op->options, "x_max", "clip_value_max", "a number", fault);
    if (!keras_options_number(&op->options, "x_min", "clip_value_min", &clip.alpha, fault) ||
        !keras_options_number(&op->options, "x_max", "clip_value_max", &clip.beta, fault))
        return false;
    become_function(op, &clip);
    return clip.alpha <= clip.beta ||
           fault_set(fault, 400, "%s: a minimum that is no larger than the maximum expected",
                     op->options.place);
}

static bool parse_negative(const struct operation *op, const char *name, struct fault *fault)
{
    (void)name;
    (void)fault;
    return become_affine(op, -1, 0);
}

static bool parse_multiply(const struct operation *op, const char *name, struct fault *fault)
{
    double number;
    bool first;
    (void)name;
    return read_number(op, &number, &first, fault) && become_affine(op, number, 0);
}

static bool parse_add(const struct operation *op, const char *name, struct fault *fault)
{
    double number;
    bool first;
    (void)name;
    return read_number(op, &number, &first, fault) && become_affine(op, 1, number);
}

static bool parse_subtract(const struct operation *op, const char *name, struct fault *fault)
{
    double number;
    bool first;
    (void)name;
    return read_number(op, &number, &first, fault) &&
           (first ? become_affine(op, -1, number) : become_affine(op, 1, -number));
}

static bool parse_divide(const struct operation *op, const char *name, struct fault *fault)
{
    double number;
    bool first;
    (void)name;
    if (!read_number(op, &number, &first, fault))
        return false;
    if (first || number == 0)
        return fault_set(fault, 400,
                         "%s: a tensor that is divided by a number other than 0 "
                         "expected",
                         op->options.place);
    return become_affine(op, 1 / number, 0);
}

/* ---- what changes the shape ---- */

static bool read_axis(const struct operation *op, long *axis, struct fault *fault)
{
    if (keras_options_find(&op->options, "axis", NULL) == NULL)
        return keras_options_refuse(&op->options, "axis", NULL, "a whole number", fault);
    return keras_options_integer(&op->options, "axis", axis, fault);
}

/* Over the steps: the axis in the middle of three. */
static bool parse_reduce(const struct operation *op, const char *name, struct fault *fault)
{
    long axis = 0;
    if (!read_axis(op, &axis, fault) || !keras_options_never(&op->options, "keepdims", fault))
        return false;
    if (axis != 1 && axis != -2)
        return keras_options_refuse(&op->options, "axis", NULL, "that of the steps, 1,", fault);
    op->layer->kind = KERAS_GLOBAL_POOL1D;
    op->layer->as.global_pool1d.average = strcmp(name, "mean") == 0;
    op->layer->as.global_pool1d.of_all_steps = true;
    return true;
}

/* Of a vector: [F] to [1,F] or to [F,1]. */
static bool parse_expand_dims(const struct operation *op, const char *name, struct fault *fault)
{
    long axis = 0;
    (void)name;
    if (!read_axis(op, &axis, fault))
        return false;
    const bool before = axis == 1 || axis == -2, behind = axis == 2 || axis == -1;
    if (!before && !behind)
        return keras_options_refuse(&op->options, "axis", NULL, "1 or -1", fault);
    op->layer->kind = KERAS_RESHAPE;
    op->layer->as.reshape.of_vector = true;
    op->layer->as.reshape.rank = 2;
    op->layer->as.reshape.target_shape[0] = before ? 1 : -1;
    op->layer->as.reshape.target_shape[1] = before ? -1 : 1;
    return true;
}

static bool parse_squeeze(const struct operation *op, const char *name, struct fault *fault)
{
    (void)name;
    (void)fault;
    op->layer->kind = KERAS_SQUEEZE;
    return true;
}

/* ---- the functions ---- */

#define KNOWN(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define NOTHING  KNOWN("name")
#define SOFTMAX  KNOWN("axis")
#define SLOPED   KNOWN("negative_slope", "alpha")
#define RELU     KNOWN("negative_slope", "max_value", "threshold")
#define CLIP     KNOWN("x_min", "x_max", "clip_value_min", "clip_value_max")
#define REDUCE   KNOWN("axis", "keepdims")
#define OPERATOR KNOWN("y")

static const struct function {
    const char *name; /* Keras 3's class, or the function of a TFOpLambda */
    bool (*parse)(const struct operation *op, const char *name, struct fault *fault);
    const char *as; /* the name that parse is given */
    const char *const *known;
} functions[] = {
    {"Relu", parse_function, "relu", NOTHING},
    {"Sigmoid", parse_function, "sigmoid", NOTHING},
    {"Tanh", parse_function, "tanh", NOTHING},
    {"Softplus", parse_function, "softplus", NOTHING},
    {"Softsign", parse_function, "softsign", NOTHING},
    {"Silu", parse_function, "silu", NOTHING},
    {"Selu", parse_function, "selu", NOTHING},
    {"Relu6", parse_function, "relu6", NOTHING},
    {"HardSigmoid", parse_hard_sigmoid, "", NOTHING},
    {"HardSilu", parse_function, "hard_silu", NOTHING},
    {"HardTanh", parse_function, "hard_tanh", NOTHING},
    {"LogSigmoid", parse_function, "log_sigmoid", NOTHING},
    {"Exp", parse_function, "exponential", NOTHING},
    {"Softmax", parse_softmax, "softmax", SOFTMAX},
    {"LogSoftmax", parse_softmax, "log_softmax", SOFTMAX},
    {"Gelu", parse_gelu, "gelu", KNOWN("approximate")},
    {"LeakyRelu", parse_sloped, "leaky_relu", SLOPED},
    {"Elu", parse_sloped, "elu", SLOPED},
    {"ReLU", parse_relu, "ReLU", RELU},
    {"Clip", parse_clip, "", CLIP},
    {"Negative", parse_negative, "", NOTHING},
    {"Multiply", parse_multiply, "", OPERATOR},
    {"Add", parse_add, "", OPERATOR},
    {"Subtract", parse_subtract, "", OPERATOR},
    {"Divide", parse_divide, "", OPERATOR},
    {"TrueDivide", parse_divide, "", OPERATOR},
    {"Mean", parse_reduce, "mean", REDUCE},
    {"Max", parse_reduce, "max", REDUCE},
    {"Amax", parse_reduce, "max", REDUCE},
    {"ExpandDims", parse_expand_dims, "", SOFTMAX},
    {"Squeeze", parse_squeeze, "", SOFTMAX},
    {"Cast", parse_cast, "", NOTHING},
    {"StopGradient", parse_idle, "", NOTHING},
    {"nn.relu", parse_function, "relu", NOTHING},
    {"math.sigmoid", parse_function, "sigmoid", NOTHING},
    {"math.tanh", parse_function, "tanh", NOTHING},
    {"math.softplus", parse_function, "softplus", NOTHING},
    {"nn.softsign", parse_function, "softsign", NOTHING},
    {"nn.silu", parse_function, "silu", NOTHING},
    {"nn.selu", parse_function, "selu", NOTHING},
    {"nn.elu", parse_function, "elu", NOTHING},
    {"nn.relu6", parse_function, "relu6", NOTHING},
    {"math.log_sigmoid", parse_function, "log_sigmoid", NOTHING},
    {"math.exp", parse_function, "exponential", NOTHING},
    {"nn.softmax", parse_softmax, "softmax", SOFTMAX},
    {"nn.log_softmax", parse_softmax, "log_softmax", SOFTMAX},
    {"nn.gelu", parse_gelu, "gelu", KNOWN("approximate")},
    {"nn.leaky_relu", parse_sloped, "leaky_relu", SLOPED},
    {"clip_by_value", parse_clip, "", CLIP},
    {"math.negative", parse_negative, "", NOTHING},
    {"math.multiply", parse_multiply, "", OPERATOR},
    {"math.add", parse_add, "", OPERATOR},
    {"__operators__.add", parse_add, "", OPERATOR},
    {"math.subtract", parse_subtract, "", OPERATOR},
    {"math.divide", parse_divide, "", OPERATOR},
    {"math.truediv", parse_divide, "", OPERATOR},
    {"math.reduce_mean", parse_reduce, "mean", REDUCE},
    {"math.reduce_max", parse_reduce, "max", REDUCE},
    {"expand_dims", parse_expand_dims, "", SOFTMAX},
    {"squeeze", parse_squeeze, "", SOFTMAX},
    {"compat.v1.squeeze", parse_squeeze, "", SOFTMAX},
    {"cast", parse_cast, "", NOTHING},
    {"identity", parse_idle, "", NOTHING},
    {"stop_gradient", parse_idle, "", NOTHING},
};

static const struct function *find_function(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strcmp(name, functions[i].name) == 0)
            return &functions[i];
    return NULL;
}

/* Keras 3's .h5 leaves modules out. Each of its layers says whether it is trainable, an operation
 * never does; ReLU and Softmax are the names of both. */
static bool looks_like_operation(const cJSON *json)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(json, "config");
    return cJSON_IsObject(call_of(json)) &&
           cJSON_GetObjectItemCaseSensitive(config, "trainable") == NULL &&
           find_function(keras_class_of(json)) != NULL;
}

bool keras_operation_is_layer(const struct cJSON *json)
{
    static const char *const modules[] = {"keras.src.ops.", "keras.src.activations.", "keras.ops",
                                          "keras.activations"};
    const char *module = member_text(json, "module", "");
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        if (strncmp(module, modules[i], strlen(modules[i])) == 0)
            return true;
    return is_lambda(json) || (module[0] == '\0' && looks_like_operation(json));
}

bool keras_operation_parse(struct keras_layer *layer, const struct cJSON *json, struct fault *fault)
{
    struct operation op = {.layer = layer, .call = call_of(json)};
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(json, "config");
    const bool lambda = is_lambda(json);
    const char *name = lambda ? member_text(config, "function", "") : layer->class_name;
    const struct function *function = find_function(name);
    struct keras_reference input;
    if (function == NULL)
        return fault_set(fault, 400, "%s (%s): a function that is no layer cannot be expressed",
                         excerpt_of(layer->name).text, excerpt_of(name).text);
    if (!keras_operation_input(json, &input))
        return fault_set(fault, 400, "%s (%s): called on one tensor expected",
                         excerpt_of(layer->name).text, excerpt_of(name).text);
    layer->ends_masks = true;
    return keras_options_init(&op.options, name, layer->name,
                              lambda ? cJSON_GetArrayItem(op.call, 3) : config, function->known,
                              fault) &&
           function->parse(&op, function->as, fault);
}
