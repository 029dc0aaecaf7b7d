#include "deploy/convert/pair_reader.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "deploy/convert/member_text.h"
#include "deploy/convert/pair.h"
#include "deploy/convert/safetensors_arrays.h"
#include "proto/excerpt.h"
#include "proto/utf8.h"

static bool recognises(const struct input *input)
{
    const char *text = (const char *)input->file.bytes;
    cJSON *config = input->file.size > 0 && text[utf8_mark(text, input->file.size)] == '{'
                        ? pair_config(&input->file, NULL)
                        : NULL;
    cJSON_Delete(config);
    return config != NULL;
}

static bool build(const cJSON *config, const struct blob *weights, struct network *network,
                  struct fault *fault)
{
    struct safetensors tensors;
    struct state_dict dict = {0};
    if (!safetensors_init(&tensors, weights->bytes, weights->size, fault))
        return false;
    const bool built = safetensors_arrays(&tensors, &dict, fault) &&
                       pair_to_network(config, &dict, network, fault);
    state_dict_fini(&dict);
    safetensors_fini(&tensors);
    return built;
}

static bool read_pair(const cJSON *config, const struct input *input, struct network *network,
                      struct fault *fault)
{
    const char *name = member_text(config, "weights", NULL);
    struct blob weights;
    if (!input->beside(input->context, name, &weights, fault))
        return false;
    const bool built =
        build(config, &weights, network, fault) || fault_prefix(fault, "%s", excerpt_of(name).text);
    free(weights.bytes);
    return built;
}

static bool read(const struct input *input, struct network *network, struct fault *fault)
{
    cJSON *config = pair_config(&input->file, NULL);
    const bool done = config != NULL ? read_pair(config, input, network, fault)
                                     : fault_set(fault, 503, "out of memory");
    cJSON_Delete(config);
    return done;
}

const struct reader pair_reader = {
    .format = "lstmd model",
    .recognises = recognises,
    .read = read,
};
