#include "deploy/convert/onnx_external.h"

#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "deploy/convert/onnx.pb-c.h"
#include "proto/excerpt.h"

/* The file that was read last: tensors that follow each other mostly lie in the same. */
struct opened {
    const struct input *input;
    const char *name; /* an entry's of the model; NULL before the first */
    struct blob blob;
};

/* NULL where the tensor has no such entry. */
static const char *entry(const OnnxTensor *tensor, const char *key)
{
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const OnnxEntry *found = tensor->external_data[i];
        if (found->key != NULL && found->value != NULL && strcmp(found->key, key) == 0)
            return found->value;
    }
    return NULL;
}

/* A decimal number, *size as it is where there is no such entry. */
static bool read_size(const OnnxTensor *tensor, const char *key, size_t *size, struct fault *fault)
{
    const char *text = entry(tensor, key);
    size_t number = 0;
    if (text == NULL)
        return true;
    bool good = text[0] != '\0';
    for (const char *at = text; good && *at != '\0'; at++)
        good = *at >= '0' && *at <= '9' && checked_mul(number, 10, &number) &&
               checked_add(number, (size_t)(*at - '0'), &number);
    *size = number;
    return good || fault_set(fault, 400, "%s: a number of bytes expected, got %s", key,
                             excerpt_of(text).text);
}

static bool open_file(struct opened *opened, const char *name, struct fault *fault)
{
    struct blob blob;
    if (name == NULL)
        return fault_set(fault, 400, "location is missing");
    if (opened->name != NULL && strcmp(opened->name, name) == 0)
        return true;
    if (!opened->input->beside(opened->input->context, name, &blob, fault))
        return false;
    free(opened->blob.bytes);
    opened->blob = blob;
    opened->name = name;
    return true;
}

/* The bytes at offset, of which there are length. */
static bool take(OnnxTensor *tensor, const struct blob *file, size_t offset, size_t length,
                 size_t *total, struct fault *fault)
{
    if (offset > file->size || length > file->size - offset)
        return fault_set(fault, 400, "%zu bytes at %zu of a file of %zu", length, offset,
                         file->size);
    if (length > INPUT_SIZE_MAX - *total) /* many tensors may name the same bytes */
        return fault_set(fault, 400, "at most %zu bytes expected of all tensors", INPUT_SIZE_MAX);
    unsigned char *bytes = malloc(length + 1);
    if (bytes == NULL)
        return fault_set(fault, 503, "no memory for its %zu bytes", length);
    memcpy(bytes, file->bytes + offset, length);
    *total += length;
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){.len = length, .data = bytes};
    tensor->data_location = 0;
    return true;
}

static bool load(OnnxTensor *tensor, struct opened *opened, size_t *total, struct fault *fault)
{
    size_t offset = 0;
    if (tensor->has_raw_data)
        return fault_set(fault, 400, "and in the model too");
    if (!open_file(opened, entry(tensor, "location"), fault) ||
        !read_size(tensor, "offset", &offset, fault))
        return false;
    size_t length = offset < opened->blob.size ? opened->blob.size - offset : 0;
    return read_size(tensor, "length", &length, fault) &&
           take(tensor, &opened->blob, offset, length, total, fault);
}

bool onnx_external_load(struct OnnxModel *model, const struct input *input, size_t *size,
                        struct fault *fault)
{
    struct opened opened = {.input = input};
    const OnnxGraph *graph = model->graph;
    bool good = true;
    *size = 0;
    for (size_t i = 0; good && i < graph->n_initializer; i++) {
        OnnxTensor *tensor = graph->initializer[i];
        if (tensor->data_location != 0)
            good = load(tensor, &opened, size, fault) ||
                   fault_prefix(fault, "tensor '%s': its numbers are in another file",
                                tensor->name != NULL ? excerpt_of(tensor->name).text : "");
    }
    free(opened.blob.bytes);
    return good;
}
