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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct reader *const readers[] = {&torch_zip_reader, &torch_legacy_reader, &npz_reader,
                                               &safetensors_reader};

static void check_network(const struct network *network)
{
    assert(!network->out_of_memory && network->layer_count == 1);
    const struct network_layer *layer = &network->layers[0];
    assert(layer->tensor_count > 0);
    for (size_t i = 0; i < layer->tensor_count; i++) {
        size_t elements = 1;
        for (size_t d = 0; d < layer->tensors[i].rank; d++)
            elements *= layer->tensors[i].shape[d];
        assert(elements == layer->tensors[i].elements);
    }
}

static void read_with(const struct reader *reader, const struct input *input)
{
    struct network network;
    struct fault fault = {0};
    network_init(&network);
    if (reader->read(input, &network, &fault))
        check_network(&network);
    else
        assert(fault.status != 0 && fault.text[0] != '\0');
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
