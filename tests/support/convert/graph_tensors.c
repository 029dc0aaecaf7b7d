#include "tests/support/convert/graph_tensors.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/convert/case_folder.h"
#include "tests/support/die.h"

void graph_tensors_open(struct graph_tensors *graph, const char *folder, struct tensor_file *io)
{
    char path[160];
    struct fault fault = {0};
    if (!case_folder_convert(folder, &graph->file, &fault) ||
        !signature_init(&graph->signature, graph->file.model, &graph->file.config, &fault))
        die("%s: %s", folder, fault.text);
    snprintf(path, sizeof path, "%s/io.safetensors", folder);
    tensor_file_open(io, path);
}

void graph_tensors_close(struct graph_tensors *graph)
{
    convert_file_close(&graph->file);
}

int64_t *graph_tensors_integers(const struct tensor_file *io, const char *name)
{
    const struct safetensors_tensor *tensor = safetensors_find(&io->tensors, name);
    if (tensor == NULL)
        die("%s is missing", name);
    if (tensor->dtype != SAFETENSORS_F32)
        return tensor_file_i64(io, name);
    float *values = tensor_file_f32(io, name);
    int64_t *numbers = must_allocate((tensor->elements + 1) * sizeof *numbers);
    for (size_t i = 0; i < tensor->elements; i++)
        numbers[i] = (int64_t)values[i];
    free(values);
    return numbers;
}
