#include "deploy/convert/keras_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/keras_network.h"
#include "proto/excerpt.h"

/* The weights of one of the model's own layers, in order. */
struct store_layer {
    char *group;
    struct hdf5_texts names; /* paths below group */
    bool split;              /* Keras 1: an LSTM's four gates are arrays of their own */
};

struct store {
    const struct hdf5_file *file;
    const struct keras_topology *topology;
    struct store_layer *layers; /* [topology->top_count]; NULL for saving_lib's order */
};

static bool fail_memory(struct fault *fault)
{
    return fault_set(fault, 503, "not enough memory for the names of the weights");
}

/* ---- the two lists ---- */

/* A list of names; those that do not fit one attribute (64 KiB) stand in NAME0, NAME1... */
static bool read_names(const struct hdf5_file *file, const char *path, const char *name,
                       struct hdf5_texts *texts, struct fault *fault)
{
    char part[40];
    if (hdf5_file_has_attribute(file, path, name))
        return hdf5_file_read_texts(file, path, name, texts, fault);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(part, sizeof part, "%s%u", name, i);
        if (!hdf5_file_has_attribute(file, path, part))
            return i > 0 || fault_set(fault, 400, "%s: the attribute %s is missing",
                                      excerpt_of(path).text, name);
        if (!hdf5_file_read_texts(file, path, part, texts, fault))
            return false;
    }
    return fault_set(fault, 400, "%s: %s is too long", excerpt_of(path).text, name);
}

static bool has_names(const struct hdf5_file *file, const char *path, const char *name)
{
    char first[40];
    snprintf(first, sizeof first, "%s0", name);
    return hdf5_file_has_attribute(file, path, name) || hdf5_file_has_attribute(file, path, first);
}

/* ---- what the topology wants ---- */

/* Arrays that a slot is kept in: one, or Keras 1's four. */
static size_t slot_width(const struct keras_node *node, bool split)
{
    return split && node->layer.kind == KERAS_LSTM ? 4 : 1;
}

/* Arrays in the group of the model's own layer number top. */
static size_t count_arrays(const struct keras_topology *topology, size_t top, bool split)
{
    struct keras_slot slots[KERAS_SLOTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct keras_node *node = &topology->nodes[i];
        if (node->top == top)
            count += keras_layer_slots(&node->layer, slots) * slot_width(node, split);
    }
    return count;
}

/* The array of a group with which a node's weight number slot begins: what is trained comes first,
 * through all layers of the group, then what is not. */
static size_t array_index(const struct keras_topology *topology, const struct keras_node *node,
                          size_t slot, bool split)
{
    struct keras_slot slots[KERAS_SLOTS_MAX];
    size_t before = 0;
    keras_layer_slots(&node->layer, slots);
    const bool trainable = slots[slot].trainable;
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct keras_node *other = &topology->nodes[i];
        const size_t count = other->top == node->top ? keras_layer_slots(&other->layer, slots) : 0;
        for (size_t k = 0; k < count; k++) {
            const bool earlier = other < node || (other == node && k < slot);
            if (slots[k].trainable == trainable ? earlier : slots[k].trainable)
                before += slot_width(other, split);
        }
    }
    return before;
}

/* ---- a group for each layer ---- */

static const char *top_name(const struct keras_topology *topology, size_t top)
{
    for (size_t i = 0; i < topology->node_count; i++)
        if (topology->nodes[i].top == top)
            return topology->nodes[i].layer.name;
    return "";
}

/* The group's list is the weights of the model's own layer number top. */
static bool check_count(const struct keras_topology *topology, size_t top,
                        struct store_layer *layer, struct fault *fault)
{
    const size_t wanted = count_arrays(topology, top, false);
    if (layer->names.count == wanted)
        return true;
    layer->split = layer->names.count == count_arrays(topology, top, true);
    return layer->split ||
           fault_set(fault, 400, "%s: %zu weights expected, got %zu",
                     excerpt_of(top_name(topology, top)).text, wanted, layer->names.count);
}

/* Takes the group for the next of the model's layers that has weights, *top counting them. */
static bool assign(struct store *store, size_t *top, struct store_layer *layer, struct fault *fault)
{
    while (*top < store->topology->top_count && count_arrays(store->topology, *top, false) == 0)
        ++*top;
    if (*top == store->topology->top_count)
        return fault_set(fault, 400, "%s: weights of a layer that the config does not have",
                         excerpt_of(layer->group).text);
    if (!check_count(store->topology, *top, layer, fault))
        return false;
    store->layers[(*top)++] = *layer;
    *layer = (struct store_layer){0};
    return true;
}

static void layer_fini(struct store_layer *layer)
{
    free(layer->group);
    hdf5_texts_fini(&layer->names);
}

static bool read_group(struct store *store, const char *base, const char *name, size_t *top,
                       struct fault *fault)
{
    struct store_layer layer = {0};
    if (asprintf(&layer.group, "%s/%s", base, name) < 0)
        return fail_memory(fault);
    const bool read = read_names(store->file, layer.group, "weight_names", &layer.names, fault) &&
                      (layer.names.count == 0 || assign(store, top, &layer, fault));
    layer_fini(&layer);
    return read;
}

static bool read_groups(struct store *store, const char *base, struct fault *fault)
{
    struct hdf5_texts names = {0};
    size_t top = 0;
    bool read = read_names(store->file, base, "layer_names", &names, fault);
    for (size_t i = 0; read && i < names.count; i++)
        read = read_group(store, base, names.texts[i], &top, fault);
    hdf5_texts_fini(&names);
    for (; read && top < store->topology->top_count; top++)
        if (count_arrays(store->topology, top, false) > 0)
            read = fault_set(fault, 400, "%s: its weights are not in the file",
                             excerpt_of(top_name(store->topology, top)).text);
    return read;
}

/* From Keras 2 on the last part of a name says what the weight is; where it is another than the
 * order says, the order is not the one we know. */
static bool check_role(const char *name, const char *role, struct fault *fault)
{
    static const char *const roles[] = {
        "kernel",          "recurrent_kernel", "bias", "gamma",    "beta", "moving_mean",
        "moving_variance", "embeddings",       "mean", "variance", "count"};
    const char *slash = strrchr(name, '/');
    const char *last = slash == NULL ? name : slash + 1;
    const size_t length = strcspn(last, ":");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strlen(roles[i]) == length && strncmp(last, roles[i], length) == 0 &&
            strcmp(roles[i], role) != 0)
            return fault_set(fault, 400, "%s: %s expected in its place", excerpt_of(name).text,
                             role);
    return true;
}

static bool read_listed(const struct store *store, const struct store_layer *layer, size_t index,
                        struct float_array *array, struct fault *fault)
{
    char *path;
    if (asprintf(&path, "%s/%s", layer->group, layer->names.texts[index]) < 0)
        return fail_memory(fault);
    const bool read = hdf5_file_read_array(store->file, path, array, fault);
    free(path);
    return read;
}

/* Gate by gate into the columns of the whole: Keras 1 keeps i,c,f,o, the whole is i,f,c,o. */
static bool join_gates(const struct float_array *gates, struct float_array *whole,
                       struct fault *fault)
{
    static const size_t kept_at[4] = {0, 2, 1, 3};
    const size_t rank = gates[0].rank;
    for (size_t g = 1; g < 4; g++)
        if (gates[g].rank != rank || gates[g].shape[0] != gates[0].shape[0] ||
            gates[g].shape[1] != gates[0].shape[1])
            return fault_set(fault, 400, "four gates of one shape expected");
    if (rank < 1 || rank > 2 || gates[0].elements == 0)
        return fault_set(fault, 400, "gates that are matrices or vectors expected");
    const size_t columns = gates[0].shape[rank - 1], rows = gates[0].elements / columns;
    *whole = gates[0];
    whole->shape[rank - 1] = 4 * columns;
    whole->elements = 4 * gates[0].elements;
    whole->values = calloc(whole->elements, sizeof *whole->values);
    if (whole->values == NULL)
        return fault_set(fault, 503, "not enough memory for the four gates");
    for (size_t g = 0; g < 4; g++)
        for (size_t r = 0; r < rows; r++)
            memcpy(whole->values + (4 * r + g) * columns, gates[kept_at[g]].values + r * columns,
                   columns * sizeof *whole->values);
    return true;
}

/* Keras 1's W_i, U_i, b_i, W_c, U_c, b_c, W_f...: every third array from first on. */
static bool read_gates(const struct store *store, const struct store_layer *layer, size_t first,
                       struct float_array *array, struct fault *fault)
{
    struct float_array gates[4] = {0};
    bool read = true;
    for (size_t g = 0; read && g < 4; g++)
        read = read_listed(store, layer, first + 3 * g, &gates[g], fault);
    read = read && (join_gates(gates, array, fault) ||
                    fault_prefix(fault, "%s", excerpt_of(layer->names.texts[first]).text));
    for (size_t g = 0; g < 4; g++)
        float_array_fini(&gates[g]);
    return read;
}

static bool read_from_group(const struct store *store, const struct keras_node *node, size_t slot,
                            struct float_array *array, struct fault *fault)
{
    struct keras_slot slots[KERAS_SLOTS_MAX];
    const struct store_layer *layer = &store->layers[node->top];
    keras_layer_slots(&node->layer, slots);
    if (layer->split && node->layer.kind == KERAS_LSTM) {
        const size_t cell = slot / 3 * 3; /* a direction's three roles stand together */
        return read_gates(store, layer,
                          array_index(store->topology, node, cell, true) + slot - cell, array,
                          fault);
    }
    const size_t index = array_index(store->topology, node, slot, layer->split);
    return check_role(layer->names.texts[index], slots[slot].role, fault) &&
           read_listed(store, layer, index, array, fault);
}

/* ---- saving_lib's order ---- */

/* "layers/bidirectional/forward_layer/cell/vars": where a node's weight stands. */
static char *vars_path(const struct keras_node *node, bool backward)
{
    const struct keras_layer *layer = &node->layer;
    const char *direction = "";
    char *path;
    if (layer->kind == KERAS_LSTM && layer->as.lstm.bidirectional)
        direction = backward ? "/backward_layer" : "/forward_layer";
    const int size =
        asprintf(&path, "%s%s%s%s/vars", node->path, direction,
                 layer->time_distributed ? "/layer" : "", layer->kind == KERAS_LSTM ? "/cell" : "");
    return size < 0 ? NULL : path;
}

/* Number index of the vars there, of which there are to be count. */
static bool read_var(const struct store *store, const char *vars, size_t index, size_t count,
                     struct float_array *array, struct fault *fault)
{
    char *path, *beyond;
    if (asprintf(&path, "%s/%zu", vars, index) < 0)
        return fail_memory(fault);
    if (asprintf(&beyond, "%s/%zu", vars, count) < 0) {
        free(path);
        return fail_memory(fault);
    }
    const bool read = (!hdf5_file_has(store->file, beyond) ||
                       fault_set(fault, 400, "%s: %zu weights expected, got more",
                                 excerpt_of(vars).text, count)) &&
                      hdf5_file_read_array(store->file, path, array, fault);
    free(path);
    free(beyond);
    return read;
}

static bool read_from_vars(const struct store *store, const struct keras_node *node, size_t slot,
                           struct float_array *array, struct fault *fault)
{
    struct keras_slot slots[KERAS_SLOTS_MAX];
    const size_t slot_count = keras_layer_slots(&node->layer, slots);
    size_t before = 0, count = 0; /* of the same direction */
    for (size_t k = 0; k < slot_count; k++) {
        before += k < slot && slots[k].backward == slots[slot].backward;
        count += slots[k].backward == slots[slot].backward;
    }
    char *vars = vars_path(node, slots[slot].backward);
    if (vars == NULL)
        return fail_memory(fault);
    const bool read = read_var(store, vars, before, count, array, fault);
    free(vars);
    return read;
}

/* ---- the store ---- */

static void store_fini(struct store *store)
{
    for (size_t i = 0; store->layers != NULL && i < store->topology->top_count; i++)
        layer_fini(&store->layers[i]);
    free(store->layers);
}

/* Whatever it returns, store is to be finished. */
static bool store_init(struct store *store, const struct hdf5_file *file,
                       const struct keras_topology *topology, struct fault *fault)
{
    *store = (struct store){.file = file, .topology = topology};
    const char *base = has_names(file, "model_weights", "layer_names") ? "model_weights" : "";
    if (!has_names(file, base, "layer_names"))
        return hdf5_file_has(file, "layers") ||
               fault_set(fault, 400, "neither layer_names nor layers: no file of Keras weights");
    store->layers = calloc(topology->top_count, sizeof *store->layers);
    return store->layers == NULL ? fail_memory(fault) : read_groups(store, base, fault);
}

static bool read_weight(void *context, const struct keras_node *node, size_t slot,
                        struct float_array *array, struct fault *fault)
{
    const struct store *store = context;
    return store->layers == NULL ? read_from_vars(store, node, slot, array, fault)
                                 : read_from_group(store, node, slot, array, fault);
}

bool keras_store_build(const struct hdf5_file *file, const struct keras_topology *topology,
                       struct network *network, struct fault *fault)
{
    struct store store;
    const struct keras_weights weights = {.read = read_weight, .context = &store};
    const bool built = store_init(&store, file, topology, fault) &&
                       keras_network_build(topology, &weights, network, fault);
    store_fini(&store);
    return built;
}
