#include <stdlib.h>
#include <string.h>

#include "deploy/convert/hdf5_file.h"
#include "deploy/convert/keras_hdf5_reader.h"
#include "deploy/convert/keras_store.h"
#include "deploy/convert/keras_topology.h"

/* What the file says about the model it is of; each NULL when it says nothing. */
struct attributes {
    char *model_config, *keras_version, *backend;
};

static bool recognises(const struct input *input)
{
    return hdf5_file_recognises(input->file.bytes, input->file.size);
}

static bool read_optional(const struct hdf5_file *file, const char *path, const char *name,
                          char **text, struct fault *fault)
{
    return !hdf5_file_has_attribute(file, path, name) ||
           hdf5_file_read_text(file, path, name, text, fault);
}

static void attributes_fini(struct attributes *attributes)
{
    free(attributes->model_config);
    free(attributes->keras_version);
    free(attributes->backend);
}

static bool attributes_read(struct attributes *attributes, const struct hdf5_file *file,
                            struct fault *fault)
{
    *attributes = (struct attributes){0};
    const bool whole = hdf5_file_has_attribute(file, "", "keras_version");
    const char *base = whole ? "" : "model_weights"; /* where Keras 1 put it */
    return read_optional(file, "", "model_config", &attributes->model_config, fault) &&
           read_optional(file, base, "keras_version", &attributes->keras_version, fault) &&
           read_optional(file, base, "backend", &attributes->backend, fault);
}

/* The file's own config, or the one beside it. */
static bool parse_topology(const struct input *input, const struct attributes *attributes,
                           struct keras_topology *topology, struct fault *fault)
{
    const char *own = attributes->model_config;
    if (own == NULL && input->config.bytes == NULL)
        return fault_set(
            fault, 400,
            "weights alone: their architecture is needed too, as model.to_json() gives "
            "it (--config FILE)");
    if (own != NULL && input->config.bytes != NULL)
        return fault_set(fault, 400, "--config: the file has a config of its own");
    return keras_topology_parse(topology, own != NULL ? own : (const char *)input->config.bytes,
                                own != NULL ? strlen(own) : input->config.size,
                                attributes->keras_version, attributes->backend, fault) ||
           fault_prefix(fault, "%s", own != NULL ? "model_config" : "--config");
}

static bool build(const struct input *input, const struct hdf5_file *file, struct network *network,
                  struct fault *fault)
{
    struct attributes attributes;
    struct keras_topology topology;
    const bool parsed = attributes_read(&attributes, file, fault) &&
                        parse_topology(input, &attributes, &topology, fault);
    attributes_fini(&attributes);
    if (!parsed)
        return false;
    const bool built = keras_store_build(file, &topology, network, fault);
    keras_topology_fini(&topology);
    return built;
}

static bool read(const struct input *input, struct network *network, struct fault *fault)
{
    struct hdf5_file *file;
    if (!hdf5_file_open(&file, input->file.bytes, input->file.size, fault))
        return false;
    const bool built = build(input, file, network, fault);
    hdf5_file_close(file);
    return built;
}

const struct reader keras_hdf5_reader = {
    .format = "Keras HDF5",
    .recognises = recognises,
    .read = read,
    .takes_config = true,
};
