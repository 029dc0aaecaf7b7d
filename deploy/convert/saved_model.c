#include "deploy/convert/saved_model.h"

#include <string.h>
#include <unistd.h>

/* tensorflow/core/protobuf/saved_model.proto: schema version 1, then the first graph with its size;
 * a graph begins with what is told of it (meta_graph.proto). Where the graph's size stands here, an
 * ONNX file has that of its producer's name, which does not begin with a line's end. */
bool saved_model_is_one(const struct blob *file)
{
    size_t i = 3;
    if (file->size < 16 || memcmp(file->bytes, "\x08\x01\x12", i) != 0)
        return false;
    while (i + 1 < file->size && file->bytes[i] >= 0x80)
        i++;
    return i + 1 < file->size && file->bytes[i + 1] == 0x0a;
}

bool saved_model_is_folder(int fd)
{
    return faccessat(fd, "saved_model.pb", F_OK, 0) == 0;
}

bool saved_model_refuse(struct fault *fault)
{
    return fault_set(fault, 400,
                     "a TensorFlow SavedModel: save the model as .keras or .h5, or convert it to "
                     "ONNX with tf2onnx");
}
