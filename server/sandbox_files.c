#include "server/sandbox_files.h"

static void allow_models(struct sandbox_plan *plan, const struct model_places *places,
                         const struct model_table *models)
{
    for (size_t i = 0; i < places->folder_count; i++)
        sandbox_allow(plan, places->folders[i], false);
    for (size_t i = 0; i < places->file_count; i++)
        sandbox_allow_beside(plan, places->files[i], false);
    for (size_t i = 0; i < models->count; i++)
        sandbox_allow_beside(plan, models->entries[i].served->source.weights_path, false);
}

/* A socket's file is made and removed where it stands. */
static void allow_endpoint(struct sandbox_plan *plan, const struct zmq_endpoint *endpoint)
{
    const char *path = zmq_endpoint_path(endpoint);
    if (path != NULL)
        sandbox_allow_beside(plan, path, true);
}

void sandbox_files_allow(struct sandbox_plan *plan, const struct setup *setup,
                         const struct model_table *models)
{
    const struct options *options = setup->options;
    const struct model_places places = setup_places(setup);
    const char *const files[] = {options->tokens_file, options->tls_certificate, options->tls_key};
    allow_models(plan, &places, models);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] != NULL)
            sandbox_allow_beside(plan, files[i], false);
    if (options->sequence_file != NULL)
        sandbox_allow_beside(plan, options->sequence_file, true);
    for (size_t i = 0; i < setup->zmq.endpoint_count; i++)
        allow_endpoint(plan, &setup->zmq.endpoints[i]);
    if (setup->zmq.has_events)
        allow_endpoint(plan, &setup->zmq.events);
}
