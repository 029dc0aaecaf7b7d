/* The stream of PyTorch before 1.6: pickles of a magic number, a version, the machine's byte order,
 * the object and the storages' keys, then the storages. */
#include <stdint.h>
#include <string.h>

#include "deploy/convert/bare_weights.h"
#include "deploy/convert/checkpoint.h"
#include "deploy/convert/torch_reader.h"
#include "deploy/convert/torch_storages.h"
#include "proto/little_endian.h"

/* The magic number as LONG1 writes it. */
static const unsigned char magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

static bool legacy_recognises(const struct input *input)
{
    const size_t window = input->file.size < 32 ? input->file.size : 32;
    return input->file.size > 0 && input->file.bytes[0] == 0x80 &&
           memmem(input->file.bytes, window, magic, sizeof magic) != NULL;
}

struct legacy_stream {
    struct blob rest; /* not read yet */
    struct torch_storages storages;
};

static void skip(struct blob *rest, size_t size)
{
    rest->bytes += size;
    rest->size -= size;
}

static bool next_pickle(struct legacy_stream *stream, struct pickle *pickle, const char *what,
                        struct fault *fault)
{
    if (!pickle_init(pickle, stream->rest.bytes, stream->rest.size, fault))
        return fault_prefix(fault, "%s", what);
    skip(&stream->rest, pickle->size);
    return true;
}

static bool skip_magic(struct legacy_stream *stream, struct fault *fault)
{
    struct pickle pickle;
    if (!next_pickle(stream, &pickle, "magic number", fault))
        return false;
    const struct pickle_value *value = pickle_get(&pickle, pickle.root);
    const bool good = value->type == PICKLE_LONG && value->as.text.size == sizeof magic - 2 &&
                      memcmp(value->as.text.bytes, magic + 2, sizeof magic - 2) == 0;
    pickle_fini(&pickle);
    return good || fault_set(fault, 400, "PyTorch's magic number expected, got another object");
}

static bool skip_version(struct legacy_stream *stream, struct fault *fault)
{
    struct pickle pickle;
    if (!next_pickle(stream, &pickle, "protocol version", fault))
        return false;
    const struct pickle_value *value = pickle_get(&pickle, pickle.root);
    const bool good = value->type == PICKLE_INT && value->as.integer == 1001;
    pickle_fini(&pickle);
    return good || fault_set(fault, 400, "protocol version 1001 expected, got another");
}

static bool skip_machine(struct legacy_stream *stream, struct fault *fault)
{
    struct pickle pickle;
    if (!next_pickle(stream, &pickle, "sys_info", fault))
        return false;
    const struct pickle_value *little =
        pickle_lookup(&pickle, pickle_get(&pickle, pickle.root), "little_endian");
    const bool good = little != NULL && little->type == PICKLE_BOOL && little->as.integer == 1;
    pickle_fini(&pickle);
    return good || fault_set(fault, 400, "sys_info.little_endian: True expected");
}

/* What the object says of the storage of that key. */
static const struct pickle_storage *find_said(const struct pickle *object,
                                              const struct pickle_text *key)
{
    for (size_t i = 0; i < object->count; i++) {
        const struct pickle_value *value = &object->values[i];
        if (value->type != PICKLE_STORAGE)
            continue;
        const struct pickle_text *said = &pickle_get(object, value->as.storage.key)->as.text;
        if (said->size == key->size && memcmp(said->bytes, key->bytes, key->size) == 0)
            return &value->as.storage;
    }
    return NULL;
}

/* Eight bytes with the number of elements, then the elements. */
static bool take_storage(struct legacy_stream *stream, const struct pickle *object,
                         const struct pickle_text *key, struct fault *fault)
{
    const struct pickle_storage *said = find_said(object, key);
    size_t size = 0;
    if (said == NULL)
        return fault_set(fault, 400, "a storage that no tensor is a view of");
    if (stream->rest.size < 8)
        return fault_set(fault, 400, "the file ends before its storages do");
    const uint64_t elements = little_endian_read_u64(stream->rest.bytes);
    skip(&stream->rest, 8);
    if (!torch_storage_size(said, &size, fault))
        return false;
    if (elements != said->elements || size > stream->rest.size)
        return fault_set(fault, 400, "a storage of %zu elements expected, got %ju in %zu bytes",
                         said->elements, (uintmax_t)elements, stream->rest.size);
    /* The key stays valid as long as the object's pickle does. */
    const struct torch_storage storage = {
        .key = pickle_get(object, said->key)->as.text, .bytes = stream->rest.bytes, .size = size};
    skip(&stream->rest, size);
    return torch_storages_add(&stream->storages, &storage, fault);
}

static bool take_storages(struct legacy_stream *stream, const struct pickle *object,
                          struct fault *fault)
{
    struct pickle keys;
    if (!next_pickle(stream, &keys, "storage keys", fault))
        return false;
    const struct pickle_value *list = pickle_get(&keys, keys.root);
    bool done = list->type == PICKLE_LIST || fault_set(fault, 400, "a list of storages expected");
    if (done && list->as.items.count > STATE_DICT_ARRAYS_MAX * 4)
        done = fault_set(fault, 400, "at most %d storages expected", STATE_DICT_ARRAYS_MAX * 4);
    for (size_t i = 0; done && i < list->as.items.count; i++) {
        const struct pickle_value *key = pickle_get(&keys, list->as.items.refs[i]);
        done = key->type == PICKLE_TEXT
                   ? take_storage(stream, object, &key->as.text, fault)
                   : fault_set(fault, 400, "a storage's key: text expected, got another object");
    }
    pickle_fini(&keys);
    return done;
}

static bool get_from_stream(void *context, const struct pickle *pickle,
                            const struct pickle_storage *storage, const unsigned char **bytes,
                            size_t *size, struct fault *fault)
{
    const struct legacy_stream *stream = context;
    const struct torch_storage *found =
        torch_storages_find(&stream->storages, &pickle_get(pickle, storage->key)->as.text);
    if (found == NULL)
        return fault_set(fault, 400, "its storage is missing");
    *bytes = found->bytes;
    *size = found->size;
    return torch_storage_check(found, storage, fault);
}

static bool read_object(struct legacy_stream *stream, const struct pickle *object,
                        const struct input *input, struct network *network, struct fault *fault)
{
    const struct storage_source source = {.get = get_from_stream, .context = stream};
    struct state_dict dict = {0};
    const bool done = take_storages(stream, object, fault) &&
                      checkpoint_read(object, &source, &dict, fault) &&
                      bare_weights_to_network(&dict, &input->options, network, fault);
    state_dict_fini(&dict);
    return done;
}

static bool legacy_read(const struct input *input, struct network *network, struct fault *fault)
{
    struct legacy_stream stream = {.rest = input->file};
    struct pickle object;
    if (!skip_magic(&stream, fault) || !skip_version(&stream, fault) ||
        !skip_machine(&stream, fault) || !next_pickle(&stream, &object, "object", fault))
        return false;
    const bool done = read_object(&stream, &object, input, network, fault);
    torch_storages_fini(&stream.storages);
    pickle_fini(&object);
    return done;
}

const struct reader torch_legacy_reader = {.format = "PyTorch (before 1.6)",
                                           .recognises = legacy_recognises,
                                           .read = legacy_read,
                                           .bare_weights = true};
