/* Tensors of an ONNX graph whose numbers lie in files beside the model ("external data"): what
 * PyTorch's exporter writes by default, however small the model is. */
#ifndef DEPLOY_CONVERT_ONNX_EXTERNAL_H
#define DEPLOY_CONVERT_ONNX_EXTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/input.h"
#include "proto/fault.h"

struct OnnxModel;

/* Reads the numbers of the graph's initializers that lie beside it into the tensors themselves, as
 * raw data, which is the model's to free. *size: the bytes that were read. Tensors of other graphs
 * and of attributes stay as they are: exporters leave those in the model. Refused (400): locations
 * that are no plain names, bytes that the file does not have, more than INPUT_SIZE_MAX of them,
 * numbers that the model has too. What was read before a fault is the model's as well. */
bool onnx_external_load(struct OnnxModel *model, const struct input *input, size_t *size,
                        struct fault *fault);

#endif
