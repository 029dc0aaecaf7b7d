/* Whatever the text: a chain of layers is refused with a reason, or has a layer for every item. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct network network;
    struct fault fault = {0};
    size_t commas = 0;
    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (const char *at = text; (at = strchr(at, ',')) != NULL; at++)
        commas++;
    network_init(&network);
    if (chain_parse(text, &network, &fault))
        assert(network.layer_count == commas + 1);
    else
        assert(fault.status == 400 && fault.text[0] != '\0');
    network_fini(&network);
    free(text);
    return 0;
}
