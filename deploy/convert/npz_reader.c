#include "deploy/convert/npz_reader.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/convert/archive.h"
#include "deploy/convert/bare_weights.h"
#include "deploy/convert/npy.h"
#include "proto/excerpt.h"

#define SUFFIX ".npy"

static bool is_array(const char *name)
{
    const size_t size = strlen(name);
    return size > strlen(SUFFIX) && strcmp(name + size - strlen(SUFFIX), SUFFIX) == 0;
}

/* An archive of arrays and nothing else. */
static bool recognises(const struct input *input)
{
    struct archive archive;
    struct fault fault = {0};
    if (!archive_is_one(&input->file) || !archive_init(&archive, &input->file, &fault))
        return false;
    size_t arrays = 0;
    while (arrays < archive.count && is_array(archive_name(&archive, arrays)))
        arrays++;
    const bool all = archive.count > 0 && arrays == archive.count;
    archive_fini(&archive);
    return all;
}

/* The arrays' bytes, unpacked. */
struct unpacked {
    size_t count;
    struct blob *blobs;
    size_t size; /* of all together */
};

static bool add_array(const struct archive *archive, size_t i, struct unpacked *unpacked,
                      struct state_dict *dict, struct fault *fault)
{
    const char *name = archive_name(archive, i);
    const size_t name_size = strlen(name) - strlen(SUFFIX);
    struct blob *blob = &unpacked->blobs[unpacked->count];
    struct array array = {.rank = 0};
    size_t data;
    if (name_size >= sizeof array.name)
        return fault_set(fault, 400, "'%s': a name of at most %zu bytes expected",
                         excerpt_of(name).text, sizeof array.name - 1);
    memcpy(array.name, name, name_size);
    if (!archive_read(archive, i, INPUT_SIZE_MAX - unpacked->size, blob, fault))
        return false;
    unpacked->count++;
    unpacked->size += blob->size;
    if (!npy_parse(blob, &array, &data, fault))
        return fault_prefix(fault, "'%s'", excerpt_of(name).text);
    return state_dict_add(dict, &array, blob->bytes + data, blob->size - data, 0, fault);
}

static bool read_arrays(const struct archive *archive, struct unpacked *unpacked,
                        const struct input *input, struct network *network, struct fault *fault)
{
    struct state_dict dict = {0};
    bool done = true;
    for (size_t i = 0; done && i < archive->count; i++)
        done = add_array(archive, i, unpacked, &dict, fault);
    done = done && state_dict_sort(&dict, fault) &&
           bare_weights_to_network(&dict, &input->options, network, fault);
    state_dict_fini(&dict);
    return done;
}

static bool read(const struct input *input, struct network *network, struct fault *fault)
{
    struct archive archive;
    struct unpacked unpacked = {0};
    if (!archive_init(&archive, &input->file, fault))
        return false;
    unpacked.blobs = calloc(archive.count > 0 ? archive.count : 1, sizeof *unpacked.blobs);
    const bool done = unpacked.blobs != NULL
                          ? read_arrays(&archive, &unpacked, input, network, fault)
                          : fault_set(fault, 503, "out of memory");
    for (size_t i = 0; i < unpacked.count; i++)
        free(unpacked.blobs[i].bytes);
    free(unpacked.blobs);
    archive_fini(&archive);
    return done;
}

const struct reader npz_reader = {
    .format = "NumPy .npz", .recognises = recognises, .read = read, .bare_weights = true};
