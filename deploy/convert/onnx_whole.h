/* Whole numbers on their way from the graph's input to an embedding. Keras 3 counts negative ones
 * from the end, which exporters write with Less, Where, Cast, Mul... What is computed of a number
 * becomes a part (onnx_chain.h) that only an embedding takes, and only where each of the numbers
 * that it has comes out as itself: lstmd refuses others. */
#ifndef DEPLOY_CONVERT_ONNX_WHOLE_H
#define DEPLOY_CONVERT_ONNX_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/onnx_call.h"

/* Does the node compute with such numbers? */
bool onnx_whole_is_for(const struct onnx_call *call);

/* Output 0 becomes what it computes of them: with each other at the same places, or with known
 * numbers, one each. */
onnx_operator onnx_whole;

/* *source, of whole numbers, becomes the graph's input that it is for 0..count-1. Refused (400):
 * where one of them is another. */
bool onnx_whole_source(const struct onnx_call *call, size_t count, uint32_t *source);

#endif
