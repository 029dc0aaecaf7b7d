/* Whatever the bytes: a file of bare weights (PyTorch's two containers, .npz, safetensors) is
 * refused with a reason, or gives a network whose tensors are as long as their shapes say. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/npz_reader.h"
#include "deploy/convert/safetensors_reader.h"
#include "deploy/convert/torch_reader.h"
#include "tests/fuzz/read_network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct reader *const readers[] = {&torch_zip_reader, &torch_legacy_reader, &npz_reader,
                                               &safetensors_reader};

static void read_with(const struct reader *reader, const struct input *input)
{
    struct network network;
    if (!read_network(reader, input, &network))
        return;
    assert(network.layer_count == 1 && network.layers[0].tensor_count > 0);
    network_fini(&network);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    struct input input = {
        .name = "fuzz", .file = {.bytes = copy, .size = size}, .options = {.lstm_only = true}};
    unsigned recognised = 0;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
        if (readers[i]->recognises(&input)) {
            read_with(readers[i], &input);
            input.options.gate_columns = "hx";
            read_with(readers[i], &input);
            recognised++;
        }
    assert(recognised <= 1);
    free(copy);
    return 0;
}
