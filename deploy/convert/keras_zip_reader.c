#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "deploy/convert/hdf5_file.h"
#include "deploy/convert/keras_zip_reader.h"
#include "deploy/convert/keras_store.h"
#include "deploy/convert/keras_topology.h"
#include "proto/config_json.h"

/* What deflate can make of a byte at the most. */
#define DEFLATE_RATIO 1032

static zip_t *open_zip(const struct blob *file)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(file->bytes, file->size, 0, &error);
    zip_t *zip = source == NULL ? NULL : zip_open_from_source(source, ZIP_RDONLY, &error);
    if (zip == NULL && source != NULL)
        zip_source_free(source);
    zip_error_fini(&error);
    return zip;
}

static bool recognises(const struct input *input)
{
    if (input->file.size < 4 || memcmp(input->file.bytes, "PK\3\4", 4) != 0)
        return false;
    zip_t *zip = open_zip(&input->file);
    if (zip == NULL)
        return false;
    const bool keras = zip_name_locate(zip, "config.json", 0) >= 0 &&
                       zip_name_locate(zip, "model.weights.h5", 0) >= 0;
    zip_discard(zip);
    return keras;
}

static bool fail_entry(struct fault *fault, const char *name, const char *text)
{
    return fault_set(fault, 400, "%s: %s", name, text);
}

/* The whole of an entry that is there; libzip checks its size and CRC. */
static bool read_opened(zip_file_t *entry, const char *name, size_t size, struct blob *blob,
                        struct fault *fault)
{
    char beyond;
    blob->bytes = malloc(size + 1);
    if (blob->bytes == NULL)
        return fault_set(fault, 503, "not enough memory for %s", name);
    blob->bytes[size] = '\0';
    blob->size = size;
    if (zip_fread(entry, blob->bytes, size) == (zip_int64_t)size &&
        zip_fread(entry, &beyond, 1) == 0)
        return true;
    free(blob->bytes);
    return fail_entry(fault, name, "the zip entry is damaged");
}

static bool read_entry(zip_t *zip, const char *name, struct blob *blob, struct fault *fault)
{
    zip_stat_t stat;
    if (zip_stat(zip, name, 0, &stat) != 0)
        return fail_entry(fault, name, "missing in the zip file");
    if ((stat.valid & ZIP_STAT_SIZE) == 0 || (stat.valid & ZIP_STAT_COMP_SIZE) == 0 ||
        stat.size > INPUT_SIZE_MAX)
        return fail_entry(fault, name, "at most 2 GiB expected");
    if (stat.size / DEFLATE_RATIO > stat.comp_size)
        return fail_entry(fault, name, "more bytes announced than it can hold");
    zip_file_t *entry = zip_fopen(zip, name, 0);
    if (entry == NULL)
        return fail_entry(fault, name, "the zip entry cannot be read");
    const bool read = read_opened(entry, name, (size_t)stat.size, blob, fault);
    zip_fclose(entry);
    return read;
}

/* metadata.json's keras_version, which config.json does not have. */
static bool read_topology(zip_t *zip, struct keras_topology *topology, struct fault *fault)
{
    struct blob config, metadata;
    if (!read_entry(zip, "metadata.json", &metadata, fault))
        return false;
    cJSON *json = config_json_parse((const char *)metadata.bytes, metadata.size, fault);
    free(metadata.bytes);
    if (json == NULL)
        return fault_prefix(fault, "metadata.json");
    bool parsed = false;
    if (read_entry(zip, "config.json", &config, fault)) {
        const char *version =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "keras_version"));
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

static bool build(zip_t *zip, struct network *network, struct fault *fault)
{
    struct keras_topology topology;
    struct blob weights;
    if (!read_topology(zip, &topology, fault))
        return false;
    bool built = read_entry(zip, "model.weights.h5", &weights, fault);
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
    zip_t *zip = open_zip(&input->file);
    if (zip == NULL)
        return fault_set(fault, 400, "a whole zip file expected, got one that is damaged or cut");
    const bool built = build(zip, network, fault);
    zip_discard(zip);
    return built;
}

const struct reader keras_zip_reader = {
    .format = "Keras zip",
    .recognises = recognises,
    .read = read,
};
