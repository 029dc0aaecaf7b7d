/* A golden ONNX file converted in this process, and the tensors that the model takes and gives. */
#ifndef TESTS_SUPPORT_CONVERT_GRAPH_TENSORS_H
#define TESTS_SUPPORT_CONVERT_GRAPH_TENSORS_H

#include "proto/signature.h"
#include "tests/support/convert/convert_file.h"
#include "tests/support/tensor_file.h"

struct graph_tensors {
    struct convert_file file;
    struct signature signature;
};

/* Converts FOLDER/model.onnx and opens FOLDER/io.safetensors. Dies when it is refused. */
void graph_tensors_open(struct graph_tensors *graph, const char *folder, struct tensor_file *io);
void graph_tensors_close(struct graph_tensors *graph);

#endif
