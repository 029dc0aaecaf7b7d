/* Whatever the bytes: a config that is refused says why in clean text and holds nothing; one that
 * is taken has a name fit for a URL, weights, and layers whose prefixes leave room for names. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/model_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_size(struct optional_size size, size_t min)
{
    assert(!size.given || (size.value >= min && size.value <= MODEL_SIZE_MAX));
}

static void check_function(const struct activation_function *function)
{
    assert(function->kind < ACTIVATIONS);
    assert(isfinite(function->alpha) && isfinite(function->beta));
}

static void check_lstm(const struct layer_config *layer)
{
    check_size(layer->input_size, 1);
    check_size(layer->hidden_size, 1);
    check_size(layer->num_layers, 1);
    check_size(layer->proj_size, 0);
    assert(layer->activations_given <= 2 && layer->merge <= LSTM_AVE);
    assert(isfinite(layer->clip) && layer->clip >= 0);
    assert(!layer->go_backwards || !layer->reverse);
    for (size_t d = 0; d < layer->activations_given; d++) {
        check_function(&layer->activations[d].gates);
        check_function(&layer->activations[d].candidate);
        check_function(&layer->activations[d].hidden);
        assert(!activation_is_vector(layer->activations[d].gates.kind));
    }
}

static void check_layer(const struct layer_config *layer)
{
    assert(layer->kind < LAYER_KINDS);
    assert(layer->place[0] == 'l' && memchr(layer->place, '\0', sizeof layer->place) != NULL);
    assert(memchr(layer->prefix, '\0', sizeof layer->prefix) != NULL);
    assert(memchr(layer->name, '\0', sizeof layer->name) != NULL);
    check_function(&layer->activation);
    check_size(layer->units, 1);
    check_size(layer->num_embeddings, 1);
    check_size(layer->embedding_dim, 1);
    check_size(layer->window_size, 1);
    if (layer->kind == LAYER_KIND_LSTM)
        check_lstm(layer);
    if (layer->kind == LAYER_KIND_RESHAPE)
        assert(layer->target_rank == 1 || layer->target_rank == 2);
    if (layer->kind == LAYER_KIND_CONV1D)
        assert(layer->stride > 0 && layer->dilation > 0);
    if (layer->kind == LAYER_KIND_REPEAT_VECTOR)
        assert(layer->repeats > 0);
}

static void check_fault(const struct fault *fault)
{
    assert(fault->status == 400);
    assert(fault->text[0] != '\0' && strlen(fault->text) < sizeof fault->text);
    for (const char *c = fault->text; *c != '\0'; c++)
        assert((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model_config config;
    struct fault fault = {0};
    if (model_config_parse(&config, (const char *)data, size, "fuzz", &fault)) {
        assert(fault.status == 0);
        assert(model_name_is_valid(config.name));
        assert(config.weights[0] != '\0');
        assert(config.layer_count >= 1 && config.layer_count <= MODEL_LAYERS_MAX);
        for (size_t i = 0; i < config.layer_count; i++)
            check_layer(&config.layers[i]);
        assert((config.label_count == 0) == (config.labels == NULL));
        assert(config.steps <= MODEL_SIZE_MAX);
    } else {
        check_fault(&fault);
    }
    model_config_fini(&config);
    return 0;
}
