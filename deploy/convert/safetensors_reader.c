#include "deploy/convert/safetensors_reader.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/bare_weights.h"
#include "deploy/convert/pair.h"
#include "deploy/convert/safetensors_arrays.h"

/* The header's length, which is far below 2^32, then the header. */
static bool recognises(const struct input *input)
{
    const unsigned char *bytes = input->file.bytes;
    return input->file.size > 8 && memcmp(bytes + 4, "\0\0\0\0", 4) == 0 && bytes[8] == '{';
}

/* The config of a served model that lies beside its weights, NAME.json by NAME.safetensors, where
 * nothing is said that tells otherwise; NULL when there is none. */
static cJSON *config_beside(const struct input *input)
{
    const struct read_options *options = &input->options;
    const char *dot = strrchr(input->name, '.');
    struct fault fault = {0};
    struct blob json;
    char name[256];
    if (dot == NULL || options->prefix != NULL || options->layers != NULL || options->lstm_only ||
        options->gate_columns != NULL || options->batch_first)
        return NULL;
    const int size =
        snprintf(name, sizeof name, "%.*s.json", (int)(dot - input->name), input->name);
    if ((size_t)size >= sizeof name || !input->beside(input->context, name, &json, &fault))
        return NULL;
    cJSON *config = pair_config(&json, input->name);
    free(json.bytes);
    return config;
}

static bool build(const struct safetensors *tensors, const struct input *input,
                  struct network *network, struct fault *fault)
{
    struct state_dict dict = {0};
    cJSON *config = config_beside(input);
    const bool built =
        safetensors_arrays(tensors, &dict, fault) &&
        (config != NULL ? pair_to_network(config, &dict, network, fault)
                        : bare_weights_to_network(&dict, &input->options, network, fault));
    cJSON_Delete(config);
    state_dict_fini(&dict);
    return built;
}

static bool read(const struct input *input, struct network *network, struct fault *fault)
{
    struct safetensors tensors;
    if (!safetensors_init(&tensors, input->file.bytes, input->file.size, fault))
        return false;
    const bool done = build(&tensors, input, network, fault);
    safetensors_fini(&tensors);
    return done;
}

const struct reader safetensors_reader = {
    .format = "safetensors", .recognises = recognises, .read = read, .bare_weights = true};
