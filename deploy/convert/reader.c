#include "deploy/convert/reader.h"

#include <stddef.h>

#include "deploy/convert/npz_reader.h"
#include "deploy/convert/safetensors_reader.h"
#include "deploy/convert/torch_reader.h"

const struct reader *const reader_table[] = {
    &torch_zip_reader, &torch_legacy_reader, &npz_reader, &safetensors_reader, NULL,
};

const struct reader *reader_find(const struct input *input, struct fault *fault)
{
    for (size_t i = 0; reader_table[i] != NULL; i++)
        if (reader_table[i]->recognises(input))
            return reader_table[i];
    fault_set(fault, 400,
              "the bytes are of none of the formats that can be converted: PyTorch (.pt, .pth; zip "
              "or legacy), NumPy .npz, safetensors");
    return NULL;
}

bool reader_check_options(const struct reader *reader, const struct input *input,
                          struct fault *fault)
{
    const struct {
        const char *name;
        bool given, for_bare_weights;
    } options[] = {
        {"--prefix", input->options.prefix != NULL, true},
        {"--layers", input->options.layers != NULL, true},
        {"--lstm-only", input->options.lstm_only, true},
        {"--batch-first", input->options.batch_first, true},
        {"--config", input->config.bytes != NULL, false},
        {"--subgraph", input->options.subgraph != NULL, false},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].given && options[i].for_bare_weights != reader->bare_weights)
            return fault_set(fault, 400, "%s: this file, %s, %s", options[i].name, reader->format,
                             reader->bare_weights ? "holds weights alone; see --layers"
                                                  : "says itself what its network is");
    return true;
}
