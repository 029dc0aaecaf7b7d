#include "server/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/shape_text.h"
#include "server/access.h"
#include "server/model_trial.h"
#include "server/tls.h"

static bool check_tokens(const char *path, struct fault *fault)
{
    struct access *access;
    if (path == NULL)
        return true;
    if (!access_open(&access, path, fault))
        return fault_prefix(fault, "tokens_file");
    access_close(access);
    return true;
}

static bool check_certificate(const struct tls_files *files, struct fault *fault)
{
    if (files->certificate == NULL)
        return true;
    if (!tls_open(files, fault))
        return false;
    tls_close();
    return true;
}

bool check_files(const struct options *options, struct fault *fault)
{
    const struct tls_files files = {options->tls_certificate, options->tls_key,
                                    options->tls_client_ca};
    return check_tokens(options->tokens_file, fault) && check_certificate(&files, fault);
}

/* The output, or where a model has none the last of its states. */
static const struct signature_tensor *main_output(const struct signature *signature)
{
    size_t i = 0;
    while (i + 1 < signature->output_count && signature->outputs[i].role != ROLE_OUTPUT)
        i++;
    return &signature->outputs[i];
}

/* Columns as wide as the longest name. */
static int name_width(const struct model_table *models)
{
    size_t width = strlen("model");
    for (size_t i = 0; i < models->count; i++)
        if (strlen(models->entries[i].name) > width)
            width = strlen(models->entries[i].name);
    return (int)width;
}

static void print_model(const struct served_model *served, int width, FILE *out)
{
    const struct signature *signature = &served->signature;
    const struct signature_tensor *input = signature_main_input(signature);
    const struct signature_tensor *output = main_output(signature);
    fprintf(out, "%-*s %6zu  %-16s %-16s %12" PRIu64 " %12zu\n", width, served->name,
            served->layer_count, shape_text_of_wanted(input->shape, input->rank).text,
            shape_text_of_wanted(output->shape, output->rank).text, served->summary.parameters,
            model_memory(served->model));
}

static bool print_layers(const struct served_model *served, FILE *out, struct fault *fault)
{
    char *text = model_summary_text(&served->summary);
    if (text == NULL)
        return fault_set(fault, 503, "model '%s': out of memory", served->name);
    fprintf(out, "\n%s\n%s", served->name, text);
    free(text);
    return true;
}

bool check_models(const struct model_table *models, FILE *out, struct fault *fault)
{
    const int width = name_width(models);
    fprintf(out, "%-*s %6s  %-16s %-16s %12s %12s\n", width, "model", "layers", "input", "output",
            "parameters", "bytes");
    for (size_t i = 0; i < models->count; i++) {
        const struct served_model *served = models->entries[i].served;
        if (!model_trial_run(served, fault))
            return false;
        print_model(served, width, out);
    }
    for (size_t i = 0; i < models->count; i++)
        if (!print_layers(models->entries[i].served, out, fault))
            return false;
    return true;
}
