#include "deploy/convert/keras_shape.h"

#include <string.h>

#include "proto/excerpt.h"

/* What comes out of a layer. */
struct shape {
    bool vector;    /* one for each row, not one for each step */
    bool own_steps; /* as many steps as a layer said, whatever the input has */
    bool masked;
    bool mask_left; /* Keras' mask has ended, the served network's goes on */
};

static bool fail(const struct keras_layer *layer, const char *text, struct fault *fault)
{
    return fault_set(fault, 400, "%.48s %s: %s", layer->class_name, excerpt_of(layer->name).text,
                     text);
}

/* Of layers whose answers depend on a mask. */
static bool check_mask_left(const struct keras_layer *layer, const struct shape *shape,
                            struct fault *fault)
{
    return !shape->mask_left ||
           fail(layer, "masked steps before a layer that ends masks cannot be expressed", fault);
}

static bool check_lstm(const struct keras_layer *layer, struct shape *shape, struct fault *fault)
{
    const struct keras_lstm *lstm = &layer->as.lstm;
    if (shape->vector)
        return fail(layer, "a sequence expected, got a vector", fault);
    if (!check_mask_left(layer, shape, fault))
        return false;
    if (shape->masked && lstm->return_sequences && lstm->go_backwards)
        return fail(layer, "go_backwards with return_sequences on masked steps cannot be expressed",
                    fault);
    if (shape->masked && !lstm->return_sequences && lstm->zero_output_for_mask)
        return fail(layer, "zero_output_for_mask without return_sequences cannot be expressed",
                    fault);
    if (!lstm->return_sequences)
        *shape = (struct shape){.vector = true};
    return true;
}

static bool check_average(const struct keras_layer *layer, const struct shape *shape,
                          struct fault *fault)
{
    if (layer->as.global_pool1d.of_all_steps && shape->masked)
        return fail(layer, "the mean of masked steps too cannot be expressed", fault);
    return check_mask_left(layer, shape, fault);
}

/* axis as Keras counts: 0 is the batch. */
static bool check_axis(const struct keras_layer *layer, long axis, const struct shape *shape,
                       struct fault *fault)
{
    const bool vector = shape->vector || layer->time_distributed;
    if (axis == -1 || axis == (vector ? 1 : 2))
        return true;
    return fault_set(fault, 400, "%.48s %s.axis: the last one (-1) expected, got %ld",
                     layer->class_name, excerpt_of(layer->name).text, axis);
}

static bool check_activation(const struct keras_topology *topology, const struct keras_layer *layer,
                             const struct shape *shape, struct fault *fault)
{
    const bool takes_masks = topology->version.tensorflow || topology->version.major >= 3;
    const bool masked = shape->masked || shape->mask_left;
    if (layer->as.activation.softmax_layer && masked && takes_masks)
        return fail(layer, "the softmax of masked steps cannot be expressed", fault);
    return check_axis(layer, layer->as.activation.axis, shape, fault);
}

/* The whole sequence becomes something else, so that its length matters. */
static bool fix_steps(const struct keras_topology *topology, const struct keras_layer *layer,
                      const struct shape *shape, size_t *steps, struct fault *fault)
{
    if (shape->own_steps)
        return true;
    if (topology->input_steps == 0)
        return fail(layer, "a model whose input has a fixed number of steps expected", fault);
    *steps = topology->input_steps;
    return true;
}

static bool check_reshape(const struct keras_topology *topology, const struct keras_layer *layer,
                          struct shape *shape, size_t *steps, struct fault *fault)
{
    const bool flat = layer->as.reshape.rank == 1;
    if (layer->as.reshape.of_vector && !shape->vector)
        return fail(layer, "a vector expected, got a sequence", fault);
    /* [-1, F'] may cut each step for itself; if it does not, the daemon's code will say so. */
    const bool any_steps = !flat && layer->as.reshape.target_shape[0] == -1;
    if (!shape->vector && !(any_steps && topology->input_steps == 0) &&
        !fix_steps(topology, layer, shape, steps, fault))
        return false;
    *shape = (struct shape){.vector = flat, .own_steps = shape->vector || shape->own_steps};
    return true;
}

static bool check_layer(const struct keras_topology *topology, const struct keras_layer *layer,
                        struct shape *shape, size_t *steps, struct fault *fault)
{
    if (layer->time_distributed && shape->vector)
        return fail(layer, "a sequence expected, got a vector", fault);
    switch (layer->kind) {
    case KERAS_LSTM:
        return check_lstm(layer, shape, fault);
    case KERAS_EMBEDDING:
        shape->masked = layer->as.embedding.mask_zero;
        return true;
    case KERAS_MASKING:
        shape->masked = true;
        shape->mask_left = false;
        return !shape->vector || fail(layer, "a sequence expected, got a vector", fault);
    case KERAS_ACTIVATION:
        return check_activation(topology, layer, shape, fault);
    case KERAS_LAYER_NORM:
    case KERAS_BATCH_NORM:
        return check_axis(layer, layer->as.norm.axis, shape, fault);
    case KERAS_NORMALIZATION:
        return check_axis(layer, layer->as.normalization.axis, shape, fault);
    case KERAS_LAST_STEP:
        if (shape->vector)
            return fail(layer, "a sequence expected, got a vector", fault);
        *shape = (struct shape){.vector = true};
        return true;
    case KERAS_FLATTEN:
        if (!shape->vector && !fix_steps(topology, layer, shape, steps, fault))
            return false;
        *shape = (struct shape){.vector = true};
        return true;
    case KERAS_RESHAPE:
        return check_reshape(topology, layer, shape, steps, fault);
    case KERAS_REPEAT_VECTOR:
        if (!shape->vector)
            return fail(layer, "a vector expected, got a sequence", fault);
        *shape = (struct shape){.own_steps = true};
        return true;
    case KERAS_CONV1D:
    case KERAS_POOL1D:
    case KERAS_GLOBAL_POOL1D:
        if (shape->vector)
            return fail(layer, "a sequence expected, got a vector", fault);
        if (layer->kind == KERAS_GLOBAL_POOL1D && layer->as.global_pool1d.average &&
            !check_average(layer, shape, fault))
            return false;
        shape->masked = shape->mask_left = false;
        shape->vector = layer->kind == KERAS_GLOBAL_POOL1D;
        return true;
    case KERAS_IDLE:
    case KERAS_DENSE:
    case KERAS_SQUEEZE:
        return true;
    }
    return true;
}

/* ---- masks that are told ---- */

/* The mask that comes along with a tensor. */
struct carried {
    const struct keras_node *maker; /* NULL for none */
    /* It has not left maker's model and come back. Between a model and one in it Keras 3 knows of
     * no mask when it writes the graphs; it comes along when the model runs. */
    bool known;
};

static bool is_known(const struct carried *carried, const struct keras_node *node)
{
    return carried->known && carried->maker->call.model == node->call.model;
}

/* Do its answers depend on its mask? (Softmax is refused where there is one.) */
static bool looks_at_masks(const struct keras_layer *layer)
{
    return layer->kind == KERAS_LSTM ||
           (layer->kind == KERAS_GLOBAL_POOL1D && layer->as.global_pool1d.average);
}

/* Where mask=None was written, and newer versions of Keras 3 keep it, the mask comes along when the
 * model runs. Before, a graph told every mask: one without knew of none. */
static bool none_comes_along(const struct keras_node *node, const struct keras_version *version)
{
    return node->call.mask_is_none && version->major == 3 && version->minor >= 10;
}

/* The graph of a functional model of Keras 3 tells what mask a layer is called with; what is served
 * is the mask that comes along. */
static bool check_told(const struct keras_node *node, const struct keras_version *version,
                       const struct carried *carried, struct fault *fault)
{
    const struct cJSON *comes = carried->maker == NULL ? NULL : carried->maker->call.layer;
    if (node->call.mask != NULL && node->call.mask != comes)
        return fail(&node->layer,
                    "called with another mask than comes along with its input, which cannot be "
                    "expressed",
                    fault);
    const bool told_none =
        node->call.is_keras3 && is_known(carried, node) && !none_comes_along(node, version);
    if (node->call.mask == NULL && told_none && looks_at_masks(&node->layer))
        return fail(&node->layer,
                    "called without the mask that comes along with its input, which cannot be "
                    "expressed",
                    fault);
    return true;
}

/* Keras 2 keeps mask=None where it was written, and then masks nothing there and behind. */
static bool check_none(const struct keras_topology *topology, const struct keras_node *node,
                       struct shape *shape, struct fault *fault)
{
    if (!node->call.mask_is_none || topology->version.major >= 3 || !shape->masked)
        return true;
    shape->masked = false;
    shape->mask_left = true;
    return !looks_at_masks(&node->layer) ||
           fail(&node->layer, "called with mask=None on masked steps, which cannot be expressed",
                fault);
}

/* Past node, behind which steps are masked or not. */
static void carry(struct carried *carried, const struct keras_node *node, bool masked)
{
    if (!masked)
        *carried = (struct carried){.maker = NULL};
    else if (keras_layer_makes_masks(&node->layer))
        *carried = (struct carried){.maker = node, .known = true};
    else
        carried->known = is_known(carried, node);
}

/* ---- the whole ---- */

/* The first layer that does something takes the model's input. */
static bool check_input(const struct keras_topology *topology, size_t first, struct fault *fault)
{
    for (size_t i = first + 1; i < topology->node_count; i++)
        if (topology->nodes[i].layer.kind == KERAS_EMBEDDING)
            return fail(&topology->nodes[i].layer, "expected as the model's first layer", fault);
    if (first == topology->node_count)
        return fault_set(fault, 400, "a layer that computes something expected");
    const struct keras_layer *layer = &topology->nodes[first].layer;
    const size_t wanted = layer->kind == KERAS_EMBEDDING ? 1 : 2;
    if (topology->input_rank == 0 || topology->input_rank == wanted)
        return true;
    return fail(layer,
                wanted == 1 ? "an input of shape [batch, steps] expected, got three dimensions"
                            : "an input of shape [batch, steps, features] expected, got two "
                              "dimensions",
                fault);
}

/* Nothing looks at the shape behind it. */
static bool check_squeezes(const struct keras_topology *topology, struct fault *fault)
{
    const struct keras_layer *squeeze = NULL;
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct keras_layer *layer = &topology->nodes[i].layer;
        if (squeeze != NULL && layer->kind != KERAS_IDLE)
            return fail(squeeze, "expected as the model's last layer", fault);
        if (layer->kind == KERAS_SQUEEZE)
            squeeze = layer;
    }
    return true;
}

bool keras_shape_check(const struct keras_topology *topology, size_t *steps, struct fault *fault)
{
    struct shape shape = {0};
    struct carried carried = {.maker = NULL};
    size_t first = 0;
    *steps = 0;
    while (first < topology->node_count && topology->nodes[first].layer.kind == KERAS_IDLE)
        first++;
    if (!check_input(topology, first, fault) || !check_squeezes(topology, fault))
        return false;
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct keras_node *node = &topology->nodes[i];
        if (!check_told(node, &topology->version, &carried, fault) ||
            !check_none(topology, node, &shape, fault) ||
            !check_layer(topology, &node->layer, &shape, steps, fault))
            return false;
        if (node->layer.ends_masks && shape.masked) {
            shape.masked = false;
            shape.mask_left = true;
        }
        carry(&carried, node, shape.masked);
    }
    return true;
}
