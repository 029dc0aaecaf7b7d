/* Whatever the JSON: it is refused with a reason, or it is a chain of layers that becomes a
 * network, given weights of the shapes its layers call for. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/keras_network.h"
#include "deploy/convert/keras_topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IN 3 /* features of every input */
#define SIZES_MAX                                                                                  \
    4096 /* layers larger than that get no weights: memory is not what is tried here */

static bool shape_of(const struct keras_layer *layer, const char *role, struct float_array *array)
{
    const bool kernel = strcmp(role, "kernel") == 0;
    size_t out = IN;
    if (layer->kind == KERAS_LSTM)
        out = layer->as.lstm.units;
    else if (layer->kind == KERAS_DENSE)
        out = layer->as.dense.units;
    else if (layer->kind == KERAS_CONV1D)
        out = layer->as.conv1d.filters;
    const size_t columns = layer->kind == KERAS_LSTM ? 4 * out : out;
    *array = (struct float_array){.rank = 1, .shape = {columns}};
    if (layer->kind == KERAS_EMBEDDING)
        *array = (struct float_array){
            .rank = 2, .shape = {layer->as.embedding.input_dim, layer->as.embedding.output_dim}};
    else if (kernel && layer->kind == KERAS_CONV1D)
        *array =
            (struct float_array){.rank = 3, .shape = {layer->as.conv1d.kernel_size, IN, columns}};
    else if (kernel)
        *array = (struct float_array){.rank = 2, .shape = {IN, columns}};
    else if (strcmp(role, "recurrent_kernel") == 0)
        *array = (struct float_array){.rank = 2, .shape = {out, columns}};
    else if (layer->kind == KERAS_NORMALIZATION)
        *array =
            (struct float_array){.rank = layer->as.normalization.of_all ? 0 : 1, .shape = {IN}};
    array->elements = 1;
    for (size_t i = 0; i < array->rank; i++) {
        if (array->shape[i] > SIZES_MAX || array->elements > SIZES_MAX * 16)
            return false;
        array->elements *= array->shape[i];
    }
    return true;
}

static bool read_weight(void *context, const struct keras_node *node, size_t slot,
                        struct float_array *array, struct fault *fault)
{
    struct keras_slot slots[KERAS_SLOTS_MAX];
    (void)context;
    assert(slot < keras_layer_slots(&node->layer, slots));
    if (!shape_of(&node->layer, slots[slot].role, array))
        return fault_set(fault, 400, "too large to be tried");
    array->values = calloc(array->elements + 1, sizeof *array->values);
    assert(array->values != NULL);
    return true;
}

static void check_network(const struct keras_topology *topology)
{
    const struct keras_weights weights = {.read = read_weight};
    struct network network;
    struct fault fault = {0};
    network_init(&network);
    if (keras_network_build(topology, &weights, &network, &fault)) {
        assert(!network.out_of_memory && network.layer_count > 0);
        assert(network.layer_count <= 2 * topology->node_count);
        for (size_t i = 0; i < network.layer_count; i++)
            assert(network.layers[i].type != NULL && network.layers[i].options != NULL);
    } else {
        assert(fault.status == 400 && fault.text[0] != '\0');
    }
    network_fini(&network);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const versions[] = {NULL, "2.1.5", "2.9.0", "3.8.0"};
    struct keras_topology topology;
    struct fault fault = {0};
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (keras_topology_parse(&topology, text, size, versions[size % 4], NULL, &fault)) {
        assert(fault.status == 0 && topology.node_count > 0 && topology.top_count > 0);
        for (size_t i = 0; i < topology.node_count; i++)
            assert(topology.nodes[i].top < topology.top_count);
        check_network(&topology);
        keras_topology_fini(&topology);
    } else {
        assert(fault.status == 400 && fault.text[0] != '\0');
    }
    free(text);
    return 0;
}
