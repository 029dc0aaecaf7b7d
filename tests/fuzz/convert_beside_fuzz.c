/* Whatever the bytes: a JSON of TensorFlow.js or of a served model, and behind a NUL the one file
 * that stands beside it under any name, are refused with a reason or give tensors as long as their
 * shapes say. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/pair_reader.h"
#include "deploy/convert/tfjs_reader.h"
#include "tests/fuzz/read_network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool give_file(void *context, const char *name, struct blob *blob, struct fault *fault)
{
    const struct blob *file = context;
    (void)name;
    (void)fault;
    blob->bytes = malloc(file->size + 1);
    assert(blob->bytes != NULL);
    memcpy(blob->bytes, file->bytes, file->size);
    blob->size = file->size;
    return true;
}

static void read_with(const struct reader *reader, const struct input *input)
{
    struct network network;
    if (read_network(reader, input, &network))
        network_fini(&network);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    assert(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    const size_t json = strlen((const char *)copy);
    struct blob file = {copy + json, size - json};
    if (file.size > 0)
        file = (struct blob){file.bytes + 1, file.size - 1};
    const struct input input = {.name = "fuzz",
                                .file = {.bytes = copy, .size = json},
                                .beside = give_file,
                                .context = &file};
    if (tfjs_reader.recognises(&input))
        read_with(&tfjs_reader, &input);
    if (pair_reader.recognises(&input))
        read_with(&pair_reader, &input);
    free(copy);
    return 0;
}
