#include "tests/support/convert/graph_tensors.h"

#include <stdio.h>

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
