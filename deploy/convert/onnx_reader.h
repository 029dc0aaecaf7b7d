/* ONNX graphs (.onnx). */
#ifndef DEPLOY_CONVERT_ONNX_READER_H
#define DEPLOY_CONVERT_ONNX_READER_H

#include "deploy/convert/reader.h"

extern const struct reader onnx_reader;

#endif
