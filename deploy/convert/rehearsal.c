#include "deploy/convert/rehearsal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "core/model.h"
#include "proto/excerpt.h"
#include "proto/model_builder.h"
#include "proto/model_config.h"
#include "proto/model_summary.h"
#include "proto/safetensors.h"
#include "proto/signature.h"

/* A config's fault begins with its place: "layers[2].units: ...". People know the layer by the name
 * that the trained file gives it. */
static bool name_layer(const struct network *network, struct fault *fault)
{
    size_t layer = 0;
    if (network->layer_count == 1 ||
        (sscanf(fault->text, "layers[%zu]", &layer) == 1 && layer < network->layer_count))
        fault_prefix(fault, "layer '%s'", excerpt_of(network->layers[layer].name).text);
    return false;
}

static bool try_signature(const struct model *model, const struct model_config *config,
                          struct fault *fault)
{
    struct signature *signature = malloc(sizeof *signature); /* large */
    const bool done = signature != NULL ? signature_init(signature, model, config, fault)
                                        : fault_set(fault, 503, "out of memory");
    free(signature);
    return done;
}

static bool try_model(const struct model_config *config, const struct safetensors *weights,
                      struct fault *fault)
{
    struct model *model;
    if (!model_build(config, weights, kernel_find(NULL), &model, fault))
        return false;
    const bool done = try_signature(model, config, fault);
    model_destroy(model);
    return done;
}

static bool summarise(const struct network *network, const struct model_config *config,
                      const struct safetensors *weights, struct blob *text, struct fault *fault)
{
    struct model_summary summary;
    if (!model_summary_init(&summary, config, weights, fault))
        return false;
    char *table = model_summary_text(&summary), *whole = NULL;
    const char *notes = network->notes != NULL ? network->notes : "";
    const int size = table == NULL ? -1 : asprintf(&whole, "%s%s", table, notes);
    free(table);
    model_summary_fini(&summary);
    if (size < 0)
        return fault_set(fault, 503, "out of memory for the summary");
    *text = (struct blob){.bytes = (unsigned char *)whole, .size = (size_t)size};
    return true;
}

static bool try_weights(const struct network *network, const struct model_config *config,
                        const struct blob *weights, struct blob *summary, struct fault *fault)
{
    struct safetensors tensors;
    if (!safetensors_init(&tensors, weights->bytes, weights->size, fault))
        return false;
    const bool done =
        try_model(config, &tensors, fault) && summarise(network, config, &tensors, summary, fault);
    safetensors_fini(&tensors);
    return done;
}

bool rehearse(const struct network *network, const struct blob *config, const struct blob *weights,
              struct blob *summary, struct fault *fault)
{
    struct model_config parsed;
    if (!model_config_parse(&parsed, (const char *)config->bytes, config->size, "", fault))
        return name_layer(network, fault);
    const bool done = try_weights(network, &parsed, weights, summary, fault);
    model_config_fini(&parsed);
    return done || name_layer(network, fault);
}
