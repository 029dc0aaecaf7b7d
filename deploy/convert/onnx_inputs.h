/* What the inputs of an ONNX graph are to the network: its input, initial states, rows' lengths. */
#ifndef DEPLOY_CONVERT_ONNX_INPUTS_H
#define DEPLOY_CONVERT_ONNX_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/onnx_walk.h"

struct OnnxValueInfo;

/* Shape and type as the graph declares them. */
struct onnx_declared {
    int32_t type; /* TensorProto's; 0: not said */
    bool has_shape;
    size_t rank;
    int64_t dims[ONNX_RANK_MAX];       /* -1: any */
    const char *params[ONNX_RANK_MAX]; /* names of dimensions, or NULL */
};

bool onnx_declared_is_float(const struct onnx_declared *declared);
bool onnx_declared_is_integer(const struct onnx_declared *declared);

/* A rank above ONNX_RANK_MAX is read as no shape. */
struct onnx_declared onnx_declared_of(const struct OnnxValueInfo *info);

/* The value of input number i, unknown where it is none of these. NULL with a fault. */
struct onnx_value *onnx_inputs_value(struct onnx_walk *walk, size_t i, struct fault *fault);

#endif
