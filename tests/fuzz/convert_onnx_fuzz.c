/* Whatever the bytes: an ONNX file is refused with a reason, or converted to what the daemon's own
 * code loads. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/convert.h"
#include "deploy/convert/onnx_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Beside the model, under any name, it stands once more: external data has numbers too. */
static bool give_file(void *context, const char *name, struct blob *blob, struct fault *fault)
{
    const struct blob *file = context;
    (void)name;
    (void)fault;
    blob->bytes = malloc(file->size + 1);
    assert(blob->bytes != NULL);
    memcpy(blob->bytes, file->bytes, file->size + 1);
    blob->size = file->size;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    assert(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    struct input input = {
        .name = "fuzz", .file = {.bytes = copy, .size = size}, .beside = give_file};
    input.context = &input.file;
    if (memmem(copy, size, "wide", 4) != NULL) /* a branch of one of the seeds */
        input.options.subgraph = "wide";
    struct converted converted;
    struct fault fault = {0};
    if (onnx_reader.recognises(&input)) {
        if (convert(&input, "fuzz", &converted, &fault))
            converted_fini(&converted);
        else
            assert(fault.status != 0 && fault.text[0] != '\0');
    }
    free(copy);
    return 0;
}
