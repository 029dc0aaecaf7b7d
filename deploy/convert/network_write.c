#include "deploy/convert/network_write.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/little_endian.h"

static bool out_of_memory(struct fault *fault)
{
    return fault_set(fault, 503, "out of memory for the answer");
}

/* ---- the config ---- */

/* torch.nn.LSTM's own arguments: a layer that needs no other fits the short form. */
static bool is_torch_argument(const char *key)
{
    static const char *const arguments[] = {"input_size", "hidden_size",  "num_layers",
                                            "bias",       "batch_first",  "dropout",
                                            "proj_size",  "bidirectional"};
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++)
        if (strcmp(arguments[i], key) == 0)
            return true;
    return false;
}

static bool fits_short_form(const struct network *network)
{
    if (network->layer_count != 1 || strcmp(network->layers[0].type, "lstm") != 0)
        return false;
    for (const cJSON *option = network->layers[0].options->child; option != NULL;
         option = option->next)
        if (!is_torch_argument(option->string))
            return false;
    return true;
}

static bool add(cJSON *object, const char *key, cJSON *item)
{
    if (item != NULL && cJSON_AddItemToObject(object, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static bool add_copies(cJSON *object, const cJSON *options)
{
    for (const cJSON *option = options->child; option != NULL; option = option->next)
        if (!add(object, option->string, cJSON_Duplicate(option, true)))
            return false;
    return true;
}

/* "lstm." is written "lstm": the long form's reader adds the dot. */
static bool add_prefix(cJSON *object, const struct network_layer *layer)
{
    const size_t size = strlen(layer->prefix);
    cJSON *prefix = cJSON_CreateString(layer->prefix);
    if (prefix != NULL && size > 0 && layer->prefix[size - 1] == '.')
        prefix->valuestring[size - 1] = '\0';
    return add(object, "weights", prefix);
}

static bool add_layers(cJSON *root, const struct network *network)
{
    cJSON *array = cJSON_AddArrayToObject(root, "layers");
    for (size_t i = 0; array != NULL && i < network->layer_count; i++) {
        const struct network_layer *layer = &network->layers[i];
        cJSON *object = cJSON_CreateObject();
        if (object == NULL || !cJSON_AddItemToArray(array, object)) {
            cJSON_Delete(object);
            return false;
        }
        if (!add(object, "type", cJSON_CreateString(layer->type)) ||
            !add(object, "name", cJSON_CreateString(layer->name)) ||
            (layer->tensor_count > 0 && !add_prefix(object, layer)) ||
            !add_copies(object, layer->options))
            return false;
    }
    return array != NULL;
}

static bool add_short_form(cJSON *root, const struct network_layer *layer)
{
    return (layer->prefix[0] == '\0' || add(root, "prefix", cJSON_CreateString(layer->prefix))) &&
           add(root, "lstm", cJSON_Duplicate(layer->options, true));
}

static bool fill_root(cJSON *root, const struct network *network, const char *name)
{
    char weights[300];
    const int size = snprintf(weights, sizeof weights, "%s.safetensors", name);
    if (size < 0 || (size_t)size >= sizeof weights)
        return false;
    return add(root, "name", cJSON_CreateString(name)) &&
           add(root, "weights", cJSON_CreateString(weights)) &&
           add_copies(root, network->options) &&
           (fits_short_form(network) ? add_short_form(root, &network->layers[0])
                                     : add_layers(root, network));
}

bool network_write_config(const struct network *network, const char *name, struct blob *config,
                          struct fault *fault)
{
    cJSON *root = cJSON_CreateObject();
    char *text = root != NULL && fill_root(root, network, name) ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (text == NULL)
        return out_of_memory(fault);
    const size_t size = strlen(text);
    char *line = realloc(text, size + 2);
    if (line == NULL) {
        free(text);
        return out_of_memory(fault);
    }
    memcpy(line + size, "\n", 2);
    *config = (struct blob){.bytes = (unsigned char *)line, .size = size + 1};
    return true;
}

/* ---- the weights ---- */

/* A tensor under its name in the file. */
struct entry {
    char *name; /* owned */
    const struct network_tensor *tensor;
};

struct entries {
    size_t count;
    struct entry *list;
};

static void entries_fini(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->list[i].name);
    free(entries->list);
}

static int compare_names(const void *a, const void *b)
{
    const struct entry *const x = a, *const y = b;
    return strcmp(x->name, y->name);
}

static char *joined(const char *prefix, const char *name)
{
    const size_t prefix_size = strlen(prefix), name_size = strlen(name) + 1;
    char *whole = malloc(prefix_size + name_size);
    if (whole != NULL) {
        memcpy(whole, prefix, prefix_size);
        memcpy(whole + prefix_size, name, name_size);
    }
    return whole;
}

static size_t count_tensors(const struct network *network)
{
    size_t count = 0;
    for (size_t i = 0; i < network->layer_count; i++)
        count += network->layers[i].tensor_count;
    return count;
}

static bool collect(const struct network *network, struct entries *entries, struct fault *fault)
{
    const size_t count = count_tensors(network);
    entries->list = calloc(count > 0 ? count : 1, sizeof *entries->list);
    if (entries->list == NULL)
        return out_of_memory(fault);
    for (size_t i = 0; i < network->layer_count; i++)
        for (size_t t = 0; t < network->layers[i].tensor_count; t++) {
            const struct network_tensor *tensor = &network->layers[i].tensors[t];
            struct entry *entry = &entries->list[entries->count++];
            *entry = (struct entry){.name = joined(network->layers[i].prefix, tensor->name),
                                    .tensor = tensor};
            if (entry->name == NULL)
                return out_of_memory(fault);
        }
    qsort(entries->list, entries->count, sizeof *entries->list, compare_names);
    for (size_t i = 1; i < entries->count; i++)
        if (strcmp(entries->list[i - 1].name, entries->list[i].name) == 0)
            return fault_set(fault, 400, "two tensors of one name, '%s'",
                             excerpt_of(entries->list[i].name).text);
    return true;
}

static bool add_entry(cJSON *root, const struct entry *entry, size_t begin, size_t end)
{
    cJSON *object = cJSON_AddObjectToObject(root, entry->name);
    if (object == NULL || !add(object, "dtype", cJSON_CreateString("F32")))
        return false;
    cJSON *shape = cJSON_AddArrayToObject(object, "shape");
    for (size_t i = 0; shape != NULL && i < entry->tensor->rank; i++)
        if (!cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)entry->tensor->shape[i])))
            return false;
    const double offsets[2] = {(double)begin, (double)end};
    return shape != NULL && add(object, "data_offsets", cJSON_CreateDoubleArray(offsets, 2));
}

/* The header's text, the caller's to free, and the bytes of all tensors; NULL without memory. */
static char *header_text(const struct entries *entries, size_t *data_size)
{
    cJSON *root = cJSON_CreateObject();
    bool done = root != NULL;
    *data_size = 0;
    for (size_t i = 0; done && i < entries->count; i++) {
        const size_t begin = *data_size;
        *data_size += entries->list[i].tensor->elements * sizeof(float);
        done = add_entry(root, &entries->list[i], begin, *data_size);
    }
    char *text = done ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}

static void store_floats(unsigned char *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        little_endian_write_u32(out + 4 * i, bits);
    }
}

static bool assemble(const struct entries *entries, const char *header, size_t data_size,
                     struct blob *weights, struct fault *fault)
{
    const size_t text_size = strlen(header);
    const size_t header_size = (text_size + 7) / 8 * 8;
    size_t size;
    if (!checked_add(data_size, 8 + header_size, &size) || size == SIZE_MAX)
        return out_of_memory(fault);
    unsigned char *bytes = malloc(size + 1);
    if (bytes == NULL)
        return out_of_memory(fault);
    little_endian_write_u64(bytes, header_size);
    memcpy(bytes + 8, header, text_size);
    memset(bytes + 8 + text_size, ' ', header_size - text_size);
    unsigned char *out = bytes + 8 + header_size;
    for (size_t i = 0; i < entries->count; i++) {
        const struct network_tensor *tensor = entries->list[i].tensor;
        store_floats(out, tensor->values, tensor->elements);
        out += tensor->elements * sizeof(float);
    }
    *out = '\0';
    *weights = (struct blob){.bytes = bytes, .size = size};
    return true;
}

bool network_write_weights(const struct network *network, struct blob *weights, struct fault *fault)
{
    struct entries entries = {0};
    size_t data_size;
    bool done = collect(network, &entries, fault);
    if (done) {
        char *header = header_text(&entries, &data_size);
        done = header != NULL ? assemble(&entries, header, data_size, weights, fault)
                              : out_of_memory(fault);
        free(header);
    }
    entries_fini(&entries);
    return done;
}
