#include "deploy/convert/reader.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "deploy/convert/archive.h"
#include "deploy/convert/keras_hdf5_reader.h"
#include "deploy/convert/keras_zip_reader.h"
#include "deploy/convert/npz_reader.h"
#include "deploy/convert/onnx_reader.h"
#include "deploy/convert/pair_reader.h"
#include "deploy/convert/safetensors_reader.h"
#include "deploy/convert/saved_model.h"
#include "deploy/convert/tfjs_reader.h"
#include "deploy/convert/torch_reader.h"

const struct reader *const reader_table[] = {
    &torch_zip_reader, &torch_legacy_reader, &keras_hdf5_reader,  &keras_zip_reader, &tfjs_reader,
    &onnx_reader,      &npz_reader,          &safetensors_reader, &pair_reader,      NULL,
};

static bool fail_unknown(struct fault *fault)
{
    char list[256] = "";
    size_t used = 0;
    for (size_t i = 0; reader_table[i] != NULL && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "",
                                 reader_table[i]->format);
    return fault_set(fault, 400, "its bytes are of none of the formats that can be converted: %s",
                     list);
}

/* What model.to_json() gives: JSON, or a text that holds it. */
static bool is_keras_architecture(const struct blob *file)
{
    static const char key[] = "class_name";
    return file->size > 0 && strchr("{\"", file->bytes[0]) != NULL && file->bytes[0] != '\0' &&
           memmem(file->bytes, file->size, key, strlen(key)) != NULL;
}

/* The formats that are zips show in the list at such a file's end. */
static bool check_archive(const struct blob *file, struct fault *fault)
{
    struct archive archive;
    if (!archive_is_one(file))
        return true;
    if (!archive_init(&archive, file, fault))
        return fault_prefix(fault, "it begins like a zip, and is damaged or cut short");
    archive_fini(&archive);
    return true;
}

static bool fail(const struct input *input, struct fault *fault)
{
    if (is_keras_architecture(&input->file))
        return fault_set(
            fault, 400,
            "a Keras architecture without weights: INPUT is the weights' file, this one is for "
            "--config");
    return check_archive(&input->file, fault) && fail_unknown(fault);
}

const struct reader *reader_find(const struct input *input, struct fault *fault)
{
    if (saved_model_is_one(&input->file)) {
        saved_model_refuse(fault);
        return NULL;
    }
    for (size_t i = 0; reader_table[i] != NULL; i++)
        if (reader_table[i]->recognises(input))
            return reader_table[i];
    fail(input, fault);
    return NULL;
}

bool reader_check_options(const struct reader *reader, const struct input *input,
                          struct fault *fault)
{
    const struct {
        const char *name;
        bool given, taken;
    } options[] = {
        {"--prefix", input->options.prefix != NULL, reader->bare_weights},
        {"--layers", input->options.layers != NULL, reader->bare_weights},
        {"--gate-columns", input->options.gate_columns != NULL, reader->bare_weights},
        {"--lstm-only", input->options.lstm_only, reader->bare_weights},
        {"--batch-first", input->options.batch_first, reader->bare_weights},
        {"--config", input->config.bytes != NULL, reader->takes_config},
        {"--subgraph", input->options.subgraph != NULL, reader->takes_subgraph},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].given && !options[i].taken)
            return fault_set(fault, 400, "%s: this file, %s, %s", options[i].name, reader->format,
                             reader->bare_weights ? "holds weights alone; see --layers"
                                                  : "says itself what its network is");
    return true;
}
