#include "deploy/convert/rehearsal.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/kernel.h"
#include "core/model.h"
#include "proto/excerpt.h"
#include "proto/model_builder.h"
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

static bool try_model(const struct rehearsal *rehearsal, struct fault *fault)
{
    struct model *model;
    struct signature *signature = malloc(sizeof *signature);
    bool done = signature != NULL || fault_set(fault, 503, "out of memory");
    if (done &&
        model_build(&rehearsal->config, &rehearsal->weights, kernel_find(NULL), &model, fault)) {
        done = signature_init(signature, model, &rehearsal->config, fault);
        model_destroy(model);
    } else {
        done = false;
    }
    free(signature);
    return done;
}

static bool plan_and_try(struct rehearsal *rehearsal, struct fault *fault)
{
    if (!model_plan_init(&rehearsal->plan, &rehearsal->config, &rehearsal->weights, fault))
        return false;
    if (try_model(rehearsal, fault))
        return true;
    model_plan_fini(&rehearsal->plan);
    return false;
}

static bool read_weights_and_try(struct rehearsal *rehearsal, const struct blob *weights,
                                 struct fault *fault)
{
    if (!safetensors_init(&rehearsal->weights, weights->bytes, weights->size, fault))
        return false;
    if (plan_and_try(rehearsal, fault))
        return true;
    safetensors_fini(&rehearsal->weights);
    return false;
}

bool rehearsal_init(struct rehearsal *rehearsal, const struct network *network,
                    const struct blob *config, const struct blob *weights, struct fault *fault)
{
    if (!model_config_parse(&rehearsal->config, (const char *)config->bytes, config->size, "",
                            fault))
        return name_layer(network, fault);
    if (read_weights_and_try(rehearsal, weights, fault))
        return true;
    model_config_fini(&rehearsal->config);
    return name_layer(network, fault);
}

void rehearsal_fini(struct rehearsal *rehearsal)
{
    model_plan_fini(&rehearsal->plan);
    safetensors_fini(&rehearsal->weights);
    model_config_fini(&rehearsal->config);
}
