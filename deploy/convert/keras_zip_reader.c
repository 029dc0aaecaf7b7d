#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/archive.h"
#include "deploy/convert/hdf5_file.h"
#include "deploy/convert/keras_store.h"
#include "deploy/convert/keras_topology.h"
#include "deploy/convert/keras_zip_reader.h"
#include "deploy/convert/member_text.h"
#include "proto/config_json.h"

static bool has(const struct archive *archive, const char *name)
{
    size_t i = 0;
    while (i < archive->count && strcmp(archive_name(archive, i), name) != 0)
        i++;
    return i < archive->count;
}

static bool recognises(const struct input *input)
{
    struct archive archive;
    struct fault fault = {0};
    if (!archive_is_one(&input->file) || !archive_init(&archive, &input->file, &fault))
        return false;
    const bool keras = has(&archive, "config.json") && has(&archive, "model.weights.h5");
    archive_fini(&archive);
    return keras;
}

static bool read_entry(const struct archive *archive, const char *name, struct blob *blob,
                       struct fault *fault)
{
    size_t i;
    return archive_find(archive, name, &i, fault) &&
           archive_read(archive, i, INPUT_SIZE_MAX, blob, fault);
}

/* metadata.json's keras_version, which config.json does not have. */
static bool read_topology(const struct archive *archive, struct keras_topology *topology,
                          struct fault *fault)
{
    struct blob config, metadata;
    if (!read_entry(archive, "metadata.json", &metadata, fault))
        return false;
    cJSON *json = config_json_parse((const char *)metadata.bytes, metadata.size, fault);
    free(metadata.bytes);
    if (json == NULL)
        return fault_prefix(fault, "metadata.json");
    bool parsed = false;
    if (read_entry(archive, "config.json", &config, fault)) {
        const char *version = member_text(json, "keras_version", NULL);
        parsed = keras_topology_parse(topology, (const char *)config.bytes, config.size, version,
                                      NULL, fault) ||
                 fault_prefix(fault, "config.json");
        free(config.bytes);
    }
    cJSON_Delete(json);
    return parsed;
}

static bool build_from(const struct keras_topology *topology, const struct blob *weights,
                       struct network *network, struct fault *fault)
{
    struct hdf5_file *file;
    if (!hdf5_file_open(&file, weights->bytes, weights->size, fault))
        return false;
    const bool built = keras_store_build(file, topology, network, fault);
    hdf5_file_close(file);
    return built;
}

static bool build(const struct archive *archive, struct network *network, struct fault *fault)
{
    struct keras_topology topology;
    struct blob weights;
    if (!read_topology(archive, &topology, fault))
        return false;
    bool built = read_entry(archive, "model.weights.h5", &weights, fault);
    if (built) {
        built = build_from(&topology, &weights, network, fault) ||
                fault_prefix(fault, "model.weights.h5");
        free(weights.bytes);
    }
    keras_topology_fini(&topology);
    return built;
}

static bool read(const struct input *input, struct network *network, struct fault *fault)
{
    struct archive archive;
    if (!archive_init(&archive, &input->file, fault))
        return false;
    const bool built = build(&archive, network, fault);
    archive_fini(&archive);
    return built;
}

const struct reader keras_zip_reader = {
    .format = "Keras zip",
    .recognises = recognises,
    .read = read,
};
