/* One node of an ONNX graph at work: its inputs' values, its attributes, room for its outputs. */
#ifndef DEPLOY_CONVERT_ONNX_CALL_H
#define DEPLOY_CONVERT_ONNX_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/onnx_chain.h"
#include "deploy/convert/onnx_value.h"
#include "proto/fault.h"

struct OnnxNode;
struct OnnxAttribute;

#define ONNX_OUTPUTS_MAX 64

struct onnx_call {
    struct onnx_chain *chain;
    const struct OnnxNode *node;
    const char *name; /* the node's, or of its first output where it has none */
    int64_t opset;
    const struct onnx_value *const *inputs; /* [input_count], NULL where one is left out */
    size_t input_count;
    const struct onnx_value *outputs[ONNX_OUTPUTS_MAX];
    size_t output_count;
    struct fault *fault;
    size_t *wanted_width; /* set where the graph's input has another number of features than the
                           * first layer's weights say */
    bool *wants_steps;    /* set where a row of the walk has too few for a window */
};

/* What an operator does: sets all outputs. false with a fault: 400 when it cannot be expressed (its
 * outputs are then unknown for that reason, which matters only when they are needed). */
typedef bool onnx_operator(struct onnx_call *call);

/* Input number i, NULL when it is left out. */
const struct onnx_value *onnx_input(const struct onnx_call *call, size_t i);

/* It must be there. NULL with a fault. */
const struct onnx_value *onnx_need(const struct onnx_call *call, size_t i);

/* Attributes by name; those that are not there have the value that is passed. */
const struct OnnxAttribute *onnx_attribute(const struct onnx_call *call, const char *name);
int64_t onnx_int(const struct onnx_call *call, const char *name, int64_t otherwise);
double onnx_float(const struct onnx_call *call, const char *name, double otherwise);

/* Numbers that are an attribute in older versions, and input number i in newer ones: a known vector
 * of integers. *list is NULL, and true returned, where there are none. Elements that come of sizes
 * are allowed. */
struct onnx_integers {
    const struct onnx_integer *list;
    size_t count;
};
bool onnx_integers(const struct onnx_call *call, const char *name, size_t i,
                   struct onnx_integers *integers);

/* Where so many features of the value are wanted along the axis and it is the graph's input, or
 * what activations and pools make of it, and has its features there, the walk is to be tried with
 * as many. */
void onnx_want_width(const struct onnx_call *call, const struct onnx_value *value, size_t axis,
                     size_t width);

/* From -rank..rank-1 to 0..rank-1. */
bool onnx_axis(const struct onnx_call *call, int64_t axis, size_t rank, size_t *result);

/* "Transpose 'name': ..." goes before the text by the walk. Always false. */
bool onnx_refuse(const struct onnx_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets output 0; false for NULL, whose fault is set already. */
bool onnx_give(struct onnx_call *call, const struct onnx_value *value);

/* Adds the layer, its name and what is before it set here, behind the features of a value; output 0
 * becomes what comes out, width features (0: as many as go in) at the same places. */
bool onnx_give_layer(struct onnx_call *call, const struct onnx_value *value,
                     struct onnx_layer *layer, size_t width);

#endif
