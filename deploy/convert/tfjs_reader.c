#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/keras_network.h"
#include "deploy/convert/member_text.h"
#include "deploy/convert/tfjs_reader.h"
#include "deploy/convert/keras_topology.h"
#include "deploy/convert/tfjs_manifest.h"
#include "proto/config_json.h"
#include "proto/excerpt.h"

static bool contains(const struct blob *file, const char *text)
{
    return memmem(file->bytes, file->size, text, strlen(text)) != NULL;
}

static bool recognises(const struct input *input)
{
    const struct blob *file = &input->file;
    size_t i = 0;
    while (i < file->size && strchr(" \t\r\n", file->bytes[i]) != NULL && file->bytes[i] != '\0')
        i++;
    return i < file->size && file->bytes[i] == '{' && contains(file, "\"modelTopology\"") &&
           contains(file, "\"weightsManifest\"");
}

/* ---- names: TensorFlow.js itself finds weights by them, there is no other order ---- */

/* Are beginning and name together a part of the path, or several, before the last? */
static bool has_part(const char *path, const char *beginning, const char *name)
{
    const size_t first = strlen(beginning), rest = strlen(name);
    for (const char *slash, *at = path; rest > 0; at = slash + 1) {
        if (strncmp(at, beginning, first) == 0 && strncmp(at + first, name, rest) == 0 &&
            at[first + rest] == '/')
            return true;
        if ((slash = strchr(at, '/')) == NULL)
            break;
    }
    return false;
}

/* "forward_lstm_1" as a part. */
static bool has_part_beginning(const char *path, const char *beginning)
{
    for (const char *at = path; (at = strstr(at, beginning)) != NULL; at++)
        if ((at == path || at[-1] == '/') && strchr(at, '/') != NULL)
            return true;
    return false;
}

/* Is the layer that it wraps a part? Keras 3 leaves the wrapper's own name out. A Bidirectional's
 * two layers are called after the one in its config, which Keras 3 itself calls forward_. */
static bool has_inner_part(const char *path, const struct keras_layer *layer, bool backward)
{
    static const char forward[] = "forward_";
    const char *name = layer->inner_name;
    if (name == NULL || layer->kind != KERAS_LSTM)
        return name != NULL && has_part(path, "", name);
    if (strncmp(name, forward, strlen(forward)) == 0)
        name += strlen(forward);
    return has_part(path, backward ? "backward_" : forward, name);
}

static bool is_weight(const char *path, const struct keras_layer *layer,
                      const struct keras_slot *slot)
{
    const char *slash = strrchr(path, '/');
    const bool directed = layer->kind == KERAS_LSTM && layer->as.lstm.bidirectional;
    if (slash == NULL || strcmp(slash + 1, slot->role) != 0)
        return false;
    return has_inner_part(path, layer, slot->backward) ||
           (has_part(path, "", layer->name) &&
            (!directed || has_part_beginning(path, slot->backward ? "backward_" : "forward_")));
}

static bool read_weight(void *context, const struct keras_node *node, size_t slot,
                        struct float_array *array, struct fault *fault)
{
    const struct tfjs_manifest *manifest = context;
    const struct tfjs_weight *found = NULL;
    struct keras_slot slots[KERAS_SLOTS_MAX];
    size_t count = 0;
    keras_layer_slots(&node->layer, slots);
    for (size_t i = 0; i < manifest->weight_count; i++)
        if (is_weight(manifest->weights[i].name, &node->layer, &slots[slot])) {
            found = &manifest->weights[i];
            count++;
        }
    if (count != 1)
        return fault_set(
            fault, 400, "%s %s.%s: one weight of that name expected in weightsManifest, got %zu",
            node->layer.class_name, excerpt_of(node->layer.name).text, slots[slot].role, count);
    return tfjs_manifest_array(manifest, found, array, fault);
}

/* ---- the reader ---- */

static bool check_format(const cJSON *root, struct fault *fault)
{
    const char *format = member_text(root, "format", NULL);
    return format == NULL || strcmp(format, "layers-model") == 0 ||
           fault_set(fault, 400, "format: layers-model expected, got %s", excerpt_of(format).text);
}

static bool build(const struct input *input, const cJSON *root,
                  const struct keras_topology *topology, struct network *network,
                  struct fault *fault)
{
    struct tfjs_manifest manifest;
    if (!tfjs_manifest_read(&manifest, root, input, fault))
        return false;
    const struct keras_weights weights = {.read = read_weight, .context = &manifest};
    const bool built = keras_network_build(topology, &weights, network, fault);
    tfjs_manifest_fini(&manifest);
    return built;
}

static bool read(const struct input *input, struct network *network, struct fault *fault)
{
    const char *text = (const char *)input->file.bytes;
    struct keras_topology topology;
    cJSON *root = config_json_parse(text, input->file.size, fault);
    if (root == NULL)
        return false;
    bool built = check_format(root, fault) &&
                 keras_topology_parse(&topology, text, input->file.size, NULL, NULL, fault);
    if (built) {
        built = build(input, root, &topology, network, fault);
        keras_topology_fini(&topology);
    }
    cJSON_Delete(root);
    return built;
}

const struct reader tfjs_reader = {
    .format = "TensorFlow.js LayersModel",
    .recognises = recognises,
    .read = read,
};
