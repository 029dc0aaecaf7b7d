#include "deploy/convert/checkpoint.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/excerpt.h"

#define DEPTH_MAX 4 /* {"model": {"state_dict": ...}} */
#define STEPS_MAX PICKLE_ITEMS_MAX

/* A walk through the values. A dict that holds another many times, or itself, could be walked for
 * ever: each item that is looked at is a step, of all there may be as many as a pickle's items. */
struct walk {
    const struct pickle *pickle;
    size_t steps;
};

/* A dict's key as a C string. */
struct key {
    char text[STATE_DICT_NAME_MAX];
};

static bool read_key(const struct pickle *pickle, pickle_ref ref, struct key *key,
                     struct fault *fault)
{
    const struct pickle_value *value = pickle_get(pickle, ref);
    if (value->type != PICKLE_TEXT)
        return fault_set(fault, 400, "a tensor whose key is no text");
    const struct pickle_text *text = &value->as.text;
    if (text->size >= sizeof key->text || memchr(text->bytes, '\0', text->size) != NULL)
        return fault_set(fault, 400, "a tensor's name of at most %zu bytes expected, got %zu",
                         sizeof key->text - 1, text->size);
    memcpy(key->text, text->bytes, text->size);
    key->text[text->size] = '\0';
    return true;
}

/* ---- which dict ---- */

static bool check_steps(const struct walk *walk, struct fault *fault)
{
    return walk->steps < STEPS_MAX ||
           fault_set(fault, 400, "pickle: a dict of tensors expected, not found in %zu steps",
                     STEPS_MAX);
}

/* Is it an object that may be, or hold, the weights that are looked for where it stands? A class
 * that is only named (torch.float32) is none. */
static bool is_closed(const struct pickle_value *value)
{
    return value->type == PICKLE_UNKNOWN && value->as.unknown.called;
}

static bool check_open(struct walk *walk, const struct pickle_value *dict, struct fault *fault)
{
    for (size_t i = 1; i < dict->as.items.count && walk->steps < STEPS_MAX; i += 2, walk->steps++) {
        const struct pickle_value *value = pickle_get(walk->pickle, dict->as.items.refs[i]);
        if (is_closed(value))
            return pickle_refuse_unknown(value, fault);
    }
    return true;
}

/* Not found either when there are no steps left. */
static bool holds_tensors(struct walk *walk, const struct pickle_value *value)
{
    if (value->type != PICKLE_DICT)
        return false;
    for (size_t i = 1; i < value->as.items.count && walk->steps < STEPS_MAX; i += 2, walk->steps++)
        if (pickle_get(walk->pickle, value->as.items.refs[i])->type == PICKLE_TENSOR)
            return true;
    return false;
}

/* Names under which training scripts keep it, the first that is there. */
static const struct pickle_value *well_known(const struct pickle *pickle,
                                             const struct pickle_value *dict)
{
    static const char *const names[] = {"model_state_dict", "state_dict", "model_state", "model",
                                        "net"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct pickle_value *value = pickle_lookup(pickle, dict, names[i]);
        if (value != NULL && (value->type == PICKLE_DICT || is_closed(value)))
            return value;
    }
    return NULL;
}

/* The only entry that is a dict of tensors; where several are, the dict of them all. An optimizer's
 * state is none. */
static bool find_inner(struct walk *walk, const struct pickle_value *dict,
                       const struct pickle_value **found, struct fault *fault)
{
    size_t count = 0;
    if (!check_open(walk, dict, fault))
        return false;
    for (size_t i = 1; i < dict->as.items.count; i += 2) {
        const struct pickle_value *value = pickle_get(walk->pickle, dict->as.items.refs[i]);
        if (holds_tensors(walk, value) && ++count == 1)
            *found = value;
    }
    if (count > 1)
        *found = dict;
    return check_steps(walk, fault) &&
           (count > 0 || fault_set(fault, 400, "no state_dict found: a dict of tensors expected"));
}

static bool find_dict(struct walk *walk, const struct pickle_value **found, struct fault *fault)
{
    const struct pickle *pickle = walk->pickle;
    const struct pickle_value *dict = pickle_get(pickle, pickle->root);
    if (dict->type == PICKLE_UNKNOWN)
        return pickle_refuse_unknown(dict, fault);
    if (dict->type != PICKLE_DICT)
        return fault_set(fault, 400, "a dict of tensors expected, got another object");
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        const struct pickle_value *inner = well_known(pickle, dict);
        if (inner == NULL)
            break;
        if (is_closed(inner))
            return pickle_refuse_unknown(inner, fault);
        dict = inner;
    }
    *found = dict;
    return holds_tensors(walk, dict) || find_inner(walk, dict, found, fault);
}

/* ---- its tensors ---- */

static void read_sizes(const struct pickle *pickle, pickle_ref tuple, size_t *sizes)
{
    const struct pickle_items *items = &pickle_get(pickle, tuple)->as.items;
    for (size_t i = 0; i < items->count; i++)
        sizes[i] = (size_t)pickle_get(pickle, items->refs[i])->as.integer;
}

/* Lazy views: the numbers that lie in the file have another sign, or are conjugated, in PyTorch. */
static bool check_mark(const struct pickle *pickle, const struct key *key,
                       const struct pickle_tensor *tensor, struct fault *fault)
{
    if (!tensor->marked)
        return true;
    const char *bit = pickle_is_text(pickle, tensor->mark, "neg")    ? "the neg"
                      : pickle_is_text(pickle, tensor->mark, "conj") ? "the conj"
                                                                     : "an unknown";
    return fault_set(fault, 400,
                     "tensor '%s': a view with %s bit, which is not applied: save "
                     "tensor.resolve_neg().resolve_conj() in its place",
                     excerpt_of(key->text).text, bit);
}

static bool add_tensor(const struct pickle *pickle, const struct storage_source *source,
                       const struct key *key, const struct pickle_tensor *tensor,
                       struct state_dict *dict, struct fault *fault)
{
    const struct pickle_storage *storage = &pickle_get(pickle, tensor->storage)->as.storage;
    struct array array = {.type = storage->type,
                          .rank = pickle_get(pickle, tensor->shape)->as.items.count};
    const unsigned char *bytes;
    size_t size;
    if (!check_mark(pickle, key, tensor, fault))
        return false;
    memcpy(array.name, key->text, sizeof array.name);
    read_sizes(pickle, tensor->shape, array.shape);
    read_sizes(pickle, tensor->strides, array.strides);
    return (source->get(source->context, pickle, storage, &bytes, &size, fault) ||
            fault_prefix(fault, "tensor '%s'", excerpt_of(key->text).text)) &&
           state_dict_add(dict, &array, bytes, size, tensor->offset, fault);
}

/* "encoder" and "weight_ih_l0" as a module that holds the other would call it. */
static bool join_keys(const struct key *outer, const struct key *inner, struct key *joined,
                      struct fault *fault)
{
    const int size = snprintf(joined->text, sizeof joined->text, "%s.%s", outer->text, inner->text);
    return (size_t)size < sizeof joined->text ||
           fault_set(fault, 400, "a tensor's name of at most %zu bytes expected, got %d",
                     sizeof joined->text - 1, size);
}

/* The tensors right in value; outer: what stands before their names, or NULL. */
static bool add_tensors(struct walk *walk, const struct storage_source *source,
                        const struct pickle_value *value, const struct key *outer,
                        struct state_dict *dict, struct fault *fault)
{
    const struct pickle *pickle = walk->pickle;
    if (!check_open(walk, value, fault))
        return false;
    for (size_t i = 0; i < value->as.items.count && walk->steps < STEPS_MAX; i += 2) {
        const struct pickle_value *item = pickle_get(pickle, value->as.items.refs[i + 1]);
        struct key key, joined;
        walk->steps++;
        if (item->type != PICKLE_TENSOR)
            continue;
        if (!read_key(pickle, value->as.items.refs[i], &key, fault) ||
            (outer != NULL && !join_keys(outer, &key, &joined, fault)) ||
            !add_tensor(pickle, source, outer != NULL ? &joined : &key, &item->as.tensor, dict,
                        fault))
            return false;
    }
    return check_steps(walk, fault);
}

bool checkpoint_read(const struct pickle *pickle, const struct storage_source *source,
                     struct state_dict *dict, struct fault *fault)
{
    const struct pickle_value *found = NULL;
    struct walk walk = {.pickle = pickle};
    if (!find_dict(&walk, &found, fault) || !add_tensors(&walk, source, found, NULL, dict, fault))
        return false;
    for (size_t i = 0; i < found->as.items.count; i += 2) {
        const struct pickle_value *inner = pickle_get(pickle, found->as.items.refs[i + 1]);
        struct key key;
        if (holds_tensors(&walk, inner) &&
            (!read_key(pickle, found->as.items.refs[i], &key, fault) ||
             !add_tensors(&walk, source, inner, &key, dict, fault)))
            return false;
    }
    return check_steps(&walk, fault) && state_dict_sort(dict, fault);
}
