/* What every reader of the converter promises, whatever the bytes. */
#ifndef TESTS_FUZZ_READ_NETWORK_H
#define TESTS_FUZZ_READ_NETWORK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/reader.h"

/* Reads the input: it is refused with a reason, or gives a network whose tensors are as long as
 * their shapes say. true: network_fini is due. */
static inline bool read_network(const struct reader *reader, const struct input *input,
                                struct network *network)
{
    struct fault fault = {0};
    network_init(network);
    if (!reader->read(input, network, &fault)) {
        assert((fault.status == 400 || fault.status == 503) && fault.text[0] != '\0');
        network_fini(network);
        return false;
    }
    assert(!network->out_of_memory);
    for (size_t i = 0; i < network->layer_count; i++)
        for (size_t t = 0; t < network->layers[i].tensor_count; t++) {
            const struct network_tensor *tensor = &network->layers[i].tensors[t];
            size_t elements = 1;
            for (size_t d = 0; d < tensor->rank; d++)
                elements *= tensor->shape[d];
            assert(elements == tensor->elements);
        }
    return true;
}

#endif
