/* Functions that exporters write in parts: SiLU as x times its sigmoid, GELU with Erf, Softsign,
 * Mish... An operator that is no layer by itself, or that joins what was made of one thing in two
 * ways, becomes a part (onnx_chain.h). What such parts come to is known by its values: one of
 * lstmd's activations that has the same ones all over the floats takes their place. Parts that come
 * to none are refused where the network is put together. */
#ifndef DEPLOY_CONVERT_ONNX_EXPRESSION_H
#define DEPLOY_CONVERT_ONNX_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/onnx_call.h"

#define ONNX_JOINED_MAX 3

/* Output 0 becomes the node's function of each element, with a known number where it has one. */
bool onnx_give_part(struct onnx_call *call, const struct onnx_value *value, double operand);

/* Output 0 becomes the node's function of values that each are a function of the same features, at
 * the same places. *done: they are. false with a fault. */
bool onnx_join(struct onnx_call *call, const struct onnx_value *const *values, size_t count,
               bool *done);

/* Puts one activation in the place of the parts that output 0 ends with, where it is one. */
bool onnx_settle(struct onnx_call *call);

#endif
