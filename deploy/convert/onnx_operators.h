/* The operators of an ONNX graph, by what they do to values. */
#ifndef DEPLOY_CONVERT_ONNX_OPERATORS_H
#define DEPLOY_CONVERT_ONNX_OPERATORS_H

#include "deploy/convert/onnx_call.h"

struct OnnxTensor;

/* A tensor of the file as a value. Refused (400): external data that was not read, element types
 * that are neither numbers nor booleans, sizes that disagree. NULL with a fault. */
struct onnx_value *onnx_constant_value(struct onnx_arena *arena, const struct OnnxTensor *tensor,
                                       struct fault *fault);

/* onnx_constant.c: values out of nothing */
onnx_operator onnx_constant, onnx_constant_of_shape, onnx_range;

/* onnx_shape.c: sizes of values, and the same elements in another shape */
onnx_operator onnx_shape, onnx_size, onnx_reshape, onnx_flatten, onnx_squeeze, onnx_unsqueeze,
    onnx_identity, onnx_dropout;

/* onnx_move.c: elements moved, whatever they are */
onnx_operator onnx_transpose, onnx_slice, onnx_split, onnx_concat, onnx_expand, onnx_tile,
    onnx_where, onnx_pick;

/* The value with its dimensions in that order, [rank]; NULL with a fault. */
const struct onnx_value *onnx_turned(struct onnx_call *call, const struct onnx_value *value,
                                     const size_t *order);

/* onnx_channels.c: run on values whose features are turned to the last dimension, which they are
 * not where convolutions are around; and onnx_give_layer where they are that axis. */
bool onnx_features_last(struct onnx_call *call, onnx_operator *run);
bool onnx_give_layer_along(struct onnx_call *call, const struct onnx_value *value, size_t axis,
                           struct onnx_layer *layer);

/* Windows along the steps of [B,C,T], each in a file of its own. onnx_pool: MaxPool, AveragePool.
 */
onnx_operator onnx_conv, onnx_pool, onnx_pad;

/* onnx_fold.c: arithmetic on what is known */
onnx_operator onnx_cast, onnx_fold_binary, onnx_fold_unary, onnx_fold_reduce;

/* onnx_dense.c: layers with weights but the LSTM */
onnx_operator onnx_matmul, onnx_gemm, onnx_gather, onnx_layer_norm, onnx_batch_norm;

/* onnx_pointwise.c: layers that are a function of each element, or of a step's features */
onnx_operator onnx_activation, onnx_prelu, onnx_softmax, onnx_arithmetic, onnx_clip, onnx_bound,
    onnx_negate, onnx_function_part, onnx_function_with_number, onnx_choice;

/* onnx_reduce.c: a row's steps made one */
onnx_operator onnx_reduce, onnx_global_pool;

/* onnx_normalization.c. The functions are for what others of these operators may turn out to be a
 * part of: *done tells. false with a fault. */
onnx_operator onnx_feature_mean, onnx_power, onnx_square_root;
bool onnx_add_epsilon(struct onnx_call *call, const struct onnx_value *value,
                      const struct onnx_value *operand, bool *done);
bool onnx_normalization_step(struct onnx_call *call, const struct onnx_value *a,
                             const struct onnx_value *b, bool *done);

/* onnx_merge.c. The sum or product of an LSTM's two directions: *done tells. false with a fault. */
bool onnx_merge(struct onnx_call *call, const struct onnx_value *a, const struct onnx_value *b,
                bool *done);

/* onnx_lstm.c */
onnx_operator onnx_lstm;

/* The operator of that name in the standard's domain; NULL when it cannot be converted. attributes
 * becomes the names of those it may have, each between spaces. */
onnx_operator *onnx_operator_find(const char *name, const char **attributes);

#endif
