#include "deploy/convert/checkpoint.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/excerpt.h"

#define DEPTH_MAX 4 /* {"model": {"state_dict": ...}} */

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

static bool holds_tensors(const struct pickle *pickle, const struct pickle_value *value)
{
    if (value->type == PICKLE_DICT)
        for (size_t i = 1; i < value->as.items.count; i += 2)
            if (pickle_get(pickle, value->as.items.refs[i])->type == PICKLE_TENSOR)
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
        if (value != NULL && value->type == PICKLE_DICT)
            return value;
    }
    return NULL;
}

/* The only entry that is a dict of tensors; an optimizer's state is none. */
static bool find_only(const struct pickle *pickle, const struct pickle_value *dict,
                      const struct pickle_value **found, struct fault *fault)
{
    char list[200] = "";
    size_t count = 0, used = 0;
    for (size_t i = 0; i < dict->as.items.count; i += 2) {
        const struct pickle_value *value = pickle_get(pickle, dict->as.items.refs[i + 1]);
        struct key key = {{0}};
        if (!holds_tensors(pickle, value))
            continue;
        if (!read_key(pickle, dict->as.items.refs[i], &key, fault))
            return false;
        *found = value;
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'",
                                     count > 0 ? ", " : "", excerpt_of(key.text).text);
        count++;
    }
    if (count == 1)
        return true;
    if (count == 0)
        return fault_set(fault, 400, "no state_dict found: a dict of tensors expected");
    return fault_set(fault, 400, "one state_dict expected, found %zu: %s", count, list);
}

static bool find_dict(const struct pickle *pickle, const struct pickle_value **found,
                      struct fault *fault)
{
    const struct pickle_value *dict = pickle_get(pickle, pickle->root);
    if (dict->type != PICKLE_DICT)
        return fault_set(fault, 400, "a dict of tensors expected, got another object");
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        const struct pickle_value *inner = well_known(pickle, dict);
        if (inner == NULL)
            break;
        dict = inner;
    }
    *found = dict;
    return holds_tensors(pickle, dict) || find_only(pickle, dict, found, fault);
}

/* ---- its tensors ---- */

static void read_sizes(const struct pickle *pickle, pickle_ref tuple, size_t *sizes)
{
    const struct pickle_items *items = &pickle_get(pickle, tuple)->as.items;
    for (size_t i = 0; i < items->count; i++)
        sizes[i] = (size_t)pickle_get(pickle, items->refs[i])->as.integer;
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
    memcpy(array.name, key->text, sizeof array.name);
    read_sizes(pickle, tensor->shape, array.shape);
    read_sizes(pickle, tensor->strides, array.strides);
    return (source->get(source->context, pickle, storage, &bytes, &size, fault) ||
            fault_prefix(fault, "tensor '%s'", excerpt_of(key->text).text)) &&
           state_dict_add(dict, &array, bytes, size, tensor->offset, fault);
}

bool checkpoint_read(const struct pickle *pickle, const struct storage_source *source,
                     struct state_dict *dict, struct fault *fault)
{
    const struct pickle_value *found = NULL;
    if (!find_dict(pickle, &found, fault))
        return false;
    for (size_t i = 0; i < found->as.items.count; i += 2) {
        const struct pickle_value *value = pickle_get(pickle, found->as.items.refs[i + 1]);
        const bool nested = holds_tensors(pickle, value);
        struct key key;
        if (value->type != PICKLE_TENSOR && !nested)
            continue;
        if (!read_key(pickle, found->as.items.refs[i], &key, fault))
            return false;
        if (nested)
            return fault_set(fault, 400, "a state_dict expected, got tensors beside a dict '%s'",
                             excerpt_of(key.text).text);
        if (!add_tensor(pickle, source, &key, &value->as.tensor, dict, fault))
            return false;
    }
    return state_dict_sort(dict, fault);
}
