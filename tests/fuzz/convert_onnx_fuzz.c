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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    assert(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    struct input input = {.name = "fuzz", .file = {.bytes = copy, .size = size}};
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
