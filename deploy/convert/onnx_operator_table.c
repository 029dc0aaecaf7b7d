#include <string.h>

#include "deploy/convert/onnx_operators.h"

static const struct operator
{
    const char *name;
    onnx_operator *run;
    const char *attributes; /* each between spaces */
}
operators[] = {
    {"Abs", onnx_function_part, " "},
    {"Add", onnx_arithmetic, " "},
    {"And", onnx_fold_binary, " "},
    {"AveragePool", onnx_pool,
     " auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides "},
    {"BatchNormalization", onnx_batch_norm, " epsilon momentum training_mode "},
    {"Cast", onnx_cast, " to saturate round_mode "},
    {"Celu", onnx_activation, " alpha "},
    {"Clip", onnx_clip, " min max "},
    {"Concat", onnx_concat, " axis "},
    {"Constant", onnx_constant, " value value_float value_floats value_int value_ints "},
    {"ConstantOfShape", onnx_constant_of_shape, " value "},
    {"Conv", onnx_conv, " auto_pad dilations group kernel_shape pads strides "},
    {"Div", onnx_arithmetic, " "},
    {"Dropout", onnx_dropout, " ratio seed "},
    {"Elu", onnx_activation, " alpha "},
    {"Equal", onnx_fold_binary, " "},
    {"Erf", onnx_function_part, " "},
    {"Exp", onnx_activation, " "},
    {"Expand", onnx_expand, " "},
    {"Flatten", onnx_flatten, " axis "},
    {"Gather", onnx_gather, " axis "},
    {"Gelu", onnx_activation, " approximate "},
    {"Gemm", onnx_gemm, " alpha beta transA transB "},
    {"GlobalAveragePool", onnx_global_pool, " "},
    {"GlobalMaxPool", onnx_global_pool, " "},
    {"Greater", onnx_function_with_number, " "},
    {"GreaterOrEqual", onnx_function_with_number, " "},
    {"HardSigmoid", onnx_activation, " alpha beta "},
    {"HardSwish", onnx_activation, " "},
    {"Identity", onnx_identity, " "},
    {"LSTM", onnx_lstm,
     " activations activation_alpha activation_beta clip direction hidden_size input_forget "
     "layout "},
    {"LayerNormalization", onnx_layer_norm, " axis epsilon stash_type "},
    {"LeakyRelu", onnx_activation, " alpha "},
    {"Less", onnx_function_with_number, " "},
    {"LessOrEqual", onnx_function_with_number, " "},
    {"Log", onnx_function_part, " "},
    {"LogSoftmax", onnx_softmax, " axis "},
    {"MatMul", onnx_matmul, " "},
    {"Max", onnx_bound, " "},
    {"MaxPool", onnx_pool,
     " auto_pad ceil_mode dilations kernel_shape pads storage_order strides "},
    {"Min", onnx_bound, " "},
    {"Mish", onnx_activation, " "},
    {"Mod", onnx_fold_binary, " "},
    {"Mul", onnx_arithmetic, " "},
    {"Neg", onnx_negate, " "},
    {"Not", onnx_fold_unary, " "},
    {"Or", onnx_fold_binary, " "},
    {"PRelu", onnx_prelu, " "},
    {"Pad", onnx_pad, " mode pads value "},
    {"Pow", onnx_power, " "},
    {"Range", onnx_range, " "},
    {"ReduceMax", onnx_reduce, " axes keepdims noop_with_empty_axes "},
    {"ReduceMean", onnx_reduce, " axes keepdims noop_with_empty_axes "},
    {"ReduceMin", onnx_fold_reduce, " axes keepdims noop_with_empty_axes "},
    {"ReduceProd", onnx_fold_reduce, " axes keepdims noop_with_empty_axes "},
    {"ReduceSum", onnx_fold_reduce, " axes keepdims noop_with_empty_axes "},
    {"Relu", onnx_activation, " "},
    {"Reshape", onnx_reshape, " allowzero shape "},
    {"Selu", onnx_activation, " alpha gamma "},
    {"Shape", onnx_shape, " start end "},
    {"Sigmoid", onnx_activation, " "},
    {"Size", onnx_size, " "},
    {"Slice", onnx_slice, " starts ends axes "},
    {"Softmax", onnx_softmax, " axis "},
    {"Softplus", onnx_activation, " "},
    {"Softsign", onnx_activation, " "},
    {"Split", onnx_split, " axis split num_outputs "},
    {"Sqrt", onnx_square_root, " "},
    {"Squeeze", onnx_squeeze, " axes "},
    {"Sub", onnx_arithmetic, " "},
    {"Swish", onnx_activation, " alpha "},
    {"Tanh", onnx_activation, " "},
    {"ThresholdedRelu", onnx_activation, " alpha "},
    {"Tile", onnx_tile, " "},
    {"Transpose", onnx_transpose, " perm "},
    {"Unsqueeze", onnx_unsqueeze, " axes "},
    {"Where", onnx_choice, " "},
};

onnx_operator *onnx_operator_find(const char *name, const char **attributes)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (strcmp(operators[i].name, name) == 0) {
            *attributes = operators[i].attributes;
            return operators[i].run;
        }
    return NULL;
}
