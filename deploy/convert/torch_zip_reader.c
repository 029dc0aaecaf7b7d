/* The container of PyTorch 1.6 and later: ROOT/data.pkl, and the storages as ROOT/data/KEY. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/archive.h"
#include "deploy/convert/bare_weights.h"
#include "deploy/convert/checkpoint.h"
#include "deploy/convert/suffix.h"
#include "deploy/convert/torch_reader.h"
#include "deploy/convert/torch_storages.h"

struct zip_container {
    struct archive archive;
    const char *root; /* of the entries' names, with the slash; not ended */
    int root_size;
    struct torch_storages storages;
    size_t unpacked; /* bytes of all storages together */
};

/* "ROOT/data.pkl", the first one; NULL when the archive has none. */
static const char *find_pickle(const struct archive *archive)
{
    for (size_t i = 0; i < archive->count; i++)
        if (suffix_is(archive_name(archive, i), "/data.pkl"))
            return archive_name(archive, i);
    return NULL;
}

static bool zip_recognises(const struct input *input)
{
    struct archive archive;
    struct fault fault = {0};
    if (!archive_is_one(&input->file) || !archive_init(&archive, &input->file, &fault))
        return false;
    const bool found = find_pickle(&archive) != NULL;
    archive_fini(&archive);
    return found;
}

/* The entry ROOT/NAME. */
static bool find_entry(const struct zip_container *zip, const char *name, size_t name_size,
                       size_t *entry, struct fault *fault)
{
    char path[1024];
    const int size = snprintf(path, sizeof path, "%.*s%.*s", zip->root_size, zip->root,
                              (int)(name_size < sizeof path ? name_size : sizeof path), name);
    if (size < 0 || (size_t)size >= sizeof path || name_size >= sizeof path)
        return fault_set(fault, 400, "zip: an entry's name of less than %zu bytes expected",
                         sizeof path);
    return archive_find(&zip->archive, path, entry, fault);
}

/* Unpacks a storage that is said to have wanted bytes. */
static bool load_storage(struct zip_container *zip, const struct pickle_text *key, size_t wanted,
                         struct fault *fault)
{
    char name[256];
    size_t entry;
    struct blob blob;
    const int size = snprintf(name, sizeof name, "data/%.*s",
                              (int)(key->size < sizeof name ? key->size : sizeof name),
                              (const char *)key->bytes);
    if (size < 0 || (size_t)size >= sizeof name)
        return fault_set(fault, 400, "a storage's key of less than %zu bytes expected",
                         sizeof name - strlen("data/"));
    if (wanted > INPUT_SIZE_MAX - zip->unpacked)
        return fault_set(fault, 400, "at most %zu bytes of storages expected", INPUT_SIZE_MAX);
    if (!find_entry(zip, name, (size_t)size, &entry, fault) ||
        !archive_read(&zip->archive, entry, wanted, &blob, fault))
        return false;
    zip->unpacked += blob.size;
    const struct torch_storage storage = {
        .key = *key, .owned = blob.bytes, .bytes = blob.bytes, .size = blob.size};
    return torch_storages_add(&zip->storages, &storage, fault);
}

static bool get_from_zip(void *context, const struct pickle *pickle,
                         const struct pickle_storage *storage, const unsigned char **bytes,
                         size_t *size, struct fault *fault)
{
    struct zip_container *zip = context;
    const struct pickle_text *key = &pickle_get(pickle, storage->key)->as.text;
    const struct torch_storage *found = torch_storages_find(&zip->storages, key);
    if (found == NULL) {
        size_t wanted = 0;
        if (!torch_storage_size(storage, &wanted, fault) || !load_storage(zip, key, wanted, fault))
            return false;
        found = &zip->storages.list[zip->storages.count - 1];
    }
    *bytes = found->bytes;
    *size = found->size;
    return torch_storage_check(found, storage, fault);
}

/* Absent before PyTorch 2.1, which then wrote in the machine's own order. */
static bool check_byte_order(const struct zip_container *zip, struct fault *fault)
{
    struct fault ignored = {0};
    struct blob order;
    size_t entry;
    if (!find_entry(zip, "byteorder", strlen("byteorder"), &entry, &ignored))
        return true;
    if (!archive_read(&zip->archive, entry, 16, &order, fault))
        return false;
    const bool little = strcmp((const char *)order.bytes, "little") == 0;
    free(order.bytes);
    return little || fault_set(fault, 400, "byteorder: little expected, got another");
}

static bool read_pickled(const struct blob *blob, const struct storage_source *source,
                         const struct input *input, struct network *network, struct fault *fault)
{
    struct pickle pickle;
    struct state_dict dict = {0};
    if (!pickle_init(&pickle, blob->bytes, blob->size, fault))
        return false;
    const bool done = checkpoint_read(&pickle, source, &dict, fault) &&
                      bare_weights_to_network(&dict, &input->options, network, fault);
    state_dict_fini(&dict);
    pickle_fini(&pickle);
    return done;
}

static bool read_container(struct zip_container *zip, const struct input *input,
                           struct network *network, struct fault *fault)
{
    const char *name = find_pickle(&zip->archive);
    const struct storage_source source = {.get = get_from_zip, .context = zip};
    size_t entry;
    struct blob blob;
    if (name == NULL)
        return fault_set(fault, 400, "zip: 'data.pkl' is missing");
    zip->root = name;
    zip->root_size = (int)(strlen(name) - strlen("data.pkl"));
    if (!check_byte_order(zip, fault) || !archive_find(&zip->archive, name, &entry, fault) ||
        !archive_read(&zip->archive, entry, PICKLE_SIZE_MAX, &blob, fault))
        return false;
    const bool done = read_pickled(&blob, &source, input, network, fault);
    free(blob.bytes);
    return done;
}

static bool zip_read(const struct input *input, struct network *network, struct fault *fault)
{
    struct zip_container zip = {0};
    if (!archive_init(&zip.archive, &input->file, fault))
        return false;
    const bool done = read_container(&zip, input, network, fault);
    torch_storages_fini(&zip.storages);
    archive_fini(&zip.archive);
    return done;
}

const struct reader torch_zip_reader = {
    .format = "PyTorch", .recognises = zip_recognises, .read = zip_read, .bare_weights = true};
