#include "deploy/convert/keras_topology.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/keras_class.h"
#include "deploy/convert/member_text.h"
#include "proto/config_json.h"
#include "proto/excerpt.h"

/* A layer on the path that is not read yet: a model, until it is replaced by its layers. */
struct pending {
    struct keras_call call;
    size_t top;
    char *prefix, *path; /* as in struct keras_node; owned */
    size_t outputs;      /* how many of its outputs are used */
};

struct pending_list {
    size_t count;
    struct pending *items;
};

static bool fail_memory(struct fault *fault)
{
    return fault_set(fault, 503, "not enough memory for the model's layers");
}

static void pending_fini(struct pending *pending)
{
    free(pending->prefix);
    free(pending->path);
}

static void pending_list_fini(struct pending_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        pending_fini(&list->items[i]);
    free(list->items);
}

/* ---- names in Keras 3's store ---- */

/* "TimeDistributed" -> "time_distributed", "LSTM" -> "lstm", "MaxPooling1D" -> "max_pooling1d": an
 * underscore before a capital that follows a small letter, and before one that a small letter
 * follows. */
static void snake_case(const char *name, char *out, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; name[i] != '\0' && used + 3 < capacity; i++) {
        const unsigned char c = (unsigned char)name[i];
        const bool word =
            i > 0 && isupper(c) &&
            (islower((unsigned char)name[i - 1]) || islower((unsigned char)name[i + 1]));
        if (word && used > 0 && out[used - 1] != '_')
            out[used++] = '_';
        if (isalnum(c) || c == '_')
            out[used++] = (char)tolower(c);
    }
    out[used] = '\0';
}

/* "PARENT/layers/lstm_2": the third of its class in the model's list. */
static char *store_path(const char *parent, const cJSON *layers, const cJSON *layer)
{
    char name[80], *path;
    size_t before = 0;
    for (const cJSON *other = layers->child; other != layer; other = other->next)
        before += strcmp(keras_class_of(other), keras_class_of(layer)) == 0;
    snake_case(keras_class_of(layer), name, sizeof name);
    const char *slash = parent[0] == '\0' ? "" : "/";
    const int size = before == 0
                         ? asprintf(&path, "%s%slayers/%s", parent, slash, name)
                         : asprintf(&path, "%s%slayers/%s_%zu", parent, slash, name, before);
    return size < 0 ? NULL : path;
}

/* ---- a model becomes its layers ---- */

/* How many outputs of its last layer a model is asked for, itself being asked for outputs. */
static size_t outputs_of_last(size_t own, size_t asked)
{
    return asked == KERAS_OUTPUTS_ALL ? own : asked;
}

/* Fills list->items[at, at + path->count) from a model's path. parent: the model, NULL for the
 * outermost. */
static bool fill(struct pending_list *list, size_t at, const struct pending *parent,
                 const cJSON *model, const struct keras_path *path, struct fault *fault)
{
    const cJSON *layers = keras_graph_layers(model, fault);
    const char *class_name, *name = "";
    if (layers == NULL || !keras_layer_names(model, &class_name, &name, fault))
        return false;
    for (size_t i = 0; i < path->count; i++) {
        struct pending *item = &list->items[at + i];
        item->call = path->calls[i];
        item->outputs = i + 1 < path->count ? 1 : path->outputs;
        item->top = parent == NULL ? keras_graph_index(layers, item->call.layer) : parent->top;
        item->path = store_path(parent == NULL ? "" : parent->path, layers, item->call.layer);
        if (parent == NULL)
            item->prefix = strdup("");
        else if (asprintf(&item->prefix, "%s%s.", parent->prefix, name) < 0)
            item->prefix = NULL;
        if (item->prefix == NULL || item->path == NULL)
            return fail_memory(fault);
        if (i == 0 && parent != NULL) {
            item->call.mask = parent->call.mask;
            item->call.mask_is_none = parent->call.mask_is_none;
        }
        if (i + 1 == path->count && parent != NULL)
            item->outputs = outputs_of_last(path->outputs, parent->outputs);
    }
    return true;
}

/* Replaces the model at list->items[at] by its layers; with an empty list, adds those of model. */
static bool expand(struct pending_list *list, size_t at, const cJSON *model, struct fault *fault)
{
    struct keras_path path;
    struct pending parent = {0};
    const bool outermost = list->count == 0;
    if (!keras_graph_path(model, &path, fault))
        return false;
    const size_t count = list->count + path.count - (outermost ? 0 : 1);
    struct pending *items = count > KERAS_LAYERS_MAX ? NULL : calloc(count, sizeof *items);
    if (items == NULL) {
        free(path.calls);
        return count > KERAS_LAYERS_MAX
                   ? fault_set(fault, 400, "at most %d layers expected", KERAS_LAYERS_MAX)
                   : fail_memory(fault);
    }
    if (!outermost) {
        parent = list->items[at];
        memcpy(items, list->items, at * sizeof *items);
        memcpy(items + at + path.count, list->items + at + 1,
               (list->count - at - 1) * sizeof *items);
    }
    free(list->items);
    *list = (struct pending_list){count, items};
    const bool filled = fill(list, at, outermost ? NULL : &parent, model, &path, fault);
    pending_fini(&parent);
    free(path.calls);
    return filled;
}

static bool expand_all(struct pending_list *list, const cJSON *model, struct fault *fault)
{
    if (!expand(list, 0, model, fault))
        return false;
    for (size_t i = 0; i < list->count;) {
        if (!keras_graph_is_model(list->items[i].call.layer))
            i++;
        else if (!expand(list, i, list->items[i].call.layer, fault))
            return false;
    }
    return true;
}

/* ---- layers ---- */

/* An LSTM's states count as outputs when all of them are the model's; what nobody looks at is as if
 * it were not returned. */
static bool settle_outputs(struct keras_layer *layer, size_t outputs, struct fault *fault)
{
    struct keras_lstm *lstm = &layer->as.lstm;
    const bool states = layer->kind == KERAS_LSTM && lstm->return_state;
    const size_t given = !states ? 1 : lstm->bidirectional ? 5 : 3;
    if (outputs == KERAS_OUTPUTS_ALL || outputs == given)
        return true;
    if (outputs != 1)
        return fault_set(fault, 400,
                         "%s %s: all %zu outputs or the first alone expected as the model's, got "
                         "%zu",
                         layer->class_name, excerpt_of(layer->name).text, given, outputs);
    lstm->return_state = false;
    return true;
}

static bool parse_nodes(struct keras_topology *topology, struct pending_list *list,
                        struct fault *fault)
{
    topology->nodes = calloc(list->count, sizeof *topology->nodes);
    if (topology->nodes == NULL)
        return fail_memory(fault);
    topology->node_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        struct pending *item = &list->items[i];
        struct keras_node *node = &topology->nodes[i];
        node->call = item->call;
        node->top = item->top;
        node->prefix = item->prefix;
        node->path = item->path;
        item->prefix = item->path = NULL;
        if (!keras_layer_parse(&node->layer, item->call.layer, &topology->version, fault) ||
            !settle_outputs(&node->layer, item->outputs, fault))
            return false;
    }
    return true;
}

/* ---- the input's shape ---- */

static const cJSON *shape_of(const cJSON *object, const char *key)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(object, key);
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(shape, "items"); /* a TensorShape */
    shape = cJSON_IsArray(items) ? items : shape;
    return cJSON_IsArray(shape) ? shape : NULL;
}

/* Wherever the versions put it: [batch, steps, features] or [batch, steps]. */
static const cJSON *find_input_shape(const cJSON *model, const cJSON *first)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(first, "config");
    const cJSON *build = cJSON_GetObjectItemCaseSensitive(first, "build_config");
    const cJSON *whole = cJSON_GetObjectItemCaseSensitive(model, "config");
    const cJSON *const shapes[] = {
        shape_of(config, "batch_shape"),
        shape_of(config, "batch_input_shape"),
        shape_of(whole, "build_input_shape"),
        shape_of(build, "input_shape"),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (shapes[i] != NULL)
            return shapes[i];
    return NULL;
}

/* 0 for null, and for what is no size. */
static size_t size_of(const cJSON *item)
{
    return cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= KERAS_SIZE_MAX
               ? (size_t)item->valuedouble
               : 0;
}

static bool read_input_shape(struct keras_topology *topology, const cJSON *model,
                             const cJSON *first, struct fault *fault)
{
    const cJSON *shape = find_input_shape(model, first);
    const int rank = cJSON_GetArraySize(shape);
    if (shape == NULL)
        return true;
    if (rank < 2 || rank > 3)
        return fault_set(fault, 400,
                         "an input of shape [batch, steps, features] expected, got %d dimensions",
                         rank);
    topology->input_rank = (size_t)rank - 1;
    topology->input_steps = size_of(cJSON_GetArrayItem(shape, 1));
    topology->input_features = size_of(cJSON_GetArrayItem(shape, 2));
    return true;
}

/* Of the InputLayer, whose config has few options. */
static bool check_input_layers(const struct pending_list *list, struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++) {
        const cJSON *config = cJSON_GetObjectItemCaseSensitive(list->items[i].call.layer, "config");
        const bool input = strcmp(keras_class_of(list->items[i].call.layer), "InputLayer") == 0;
        if (input && (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "sparse")) ||
                      cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "ragged"))))
            return fault_set(fault, 400, "InputLayer: sparse and ragged false expected, got true");
    }
    return true;
}

/* ---- the whole ---- */

/* A string in the JSON that holds the JSON: to_json's result saved by json.dump. */
static cJSON *parse_json(const char *json, size_t size, struct fault *fault)
{
    cJSON *root = config_json_parse(json, size, fault);
    if (!cJSON_IsString(root))
        return root;
    cJSON *inner = config_json_parse(root->valuestring, strlen(root->valuestring), fault);
    cJSON_Delete(root);
    return inner;
}

/* What stands around the model, and the model itself. */
static const cJSON *find_model(struct keras_topology *topology, const char *keras_version,
                               const char *backend)
{
    const cJSON *at = topology->json;
    static const char *const shells[] = {"modelTopology", "model_config"};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        keras_version = member_text(at, "keras_version", keras_version);
        backend = member_text(at, "backend", backend);
        const cJSON *within = cJSON_GetObjectItemCaseSensitive(at, shells[i]);
        at = within == NULL ? at : within;
    }
    keras_version = member_text(at, "keras_version", keras_version);
    backend = member_text(at, "backend", backend);
    /* Keras 3's to_json says no version, but the module of each class. */
    if (keras_version == NULL && member_text(at, "module", NULL) != NULL)
        keras_version = "3";
    topology->version = keras_version_parse(keras_version == NULL ? "" : keras_version);
    topology->theano = backend != NULL && strcmp(backend, "theano") == 0;
    return at;
}

static bool parse_model(struct keras_topology *topology, const cJSON *model,
                        struct pending_list *list, struct fault *fault)
{
    if (!keras_graph_is_model(model))
        return fault_set(fault, 400,
                         "a class_name, Sequential, Model or Functional, expected, got \"%s\"",
                         excerpt_of(keras_class_of(model)).text);
    if (!expand_all(list, model, fault))
        return false;
    topology->top_count = (size_t)cJSON_GetArraySize(keras_graph_layers(model, fault));
    return read_input_shape(topology, model, list->items[0].call.layer, fault) &&
           check_input_layers(list, fault) && parse_nodes(topology, list, fault);
}

bool keras_topology_parse(struct keras_topology *topology, const char *json, size_t size,
                          const char *keras_version, const char *backend, struct fault *fault)
{
    struct pending_list list = {0};
    *topology = (struct keras_topology){.json = parse_json(json, size, fault)};
    if (topology->json == NULL)
        return false;
    const cJSON *model = find_model(topology, keras_version, backend);
    const bool parsed = parse_model(topology, model, &list, fault);
    pending_list_fini(&list);
    if (!parsed)
        keras_topology_fini(topology);
    return parsed;
}

void keras_topology_fini(struct keras_topology *topology)
{
    for (size_t i = 0; i < topology->node_count; i++) {
        free(topology->nodes[i].prefix);
        free(topology->nodes[i].path);
    }
    free(topology->nodes);
    cJSON_Delete(topology->json);
    *topology = (struct keras_topology){0};
}
