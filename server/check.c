#include "server/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/model_trial.h"

static const struct signature_tensor *find_role(const struct signature_tensor *tensors,
                                                size_t count, enum tensor_role role)
{
    size_t i = 0;
    while (i + 1 < count && tensors[i].role != role)
        i++;
    return &tensors[i];
}

static void shape_text(const struct signature_tensor *tensor, char *text, size_t capacity)
{
    size_t size = 0;
    for (size_t i = 0; i < tensor->rank && size < capacity; i++)
        size += (size_t)snprintf(text + size, capacity - size, "%c%" PRId64, i == 0 ? '[' : ',',
                                 tensor->shape[i]);
    if (size < capacity)
        snprintf(text + size, capacity - size, "]");
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
    char input[64] = "", output[64] = "";
    shape_text(find_role(signature->inputs, signature->input_count, ROLE_INPUT), input,
               sizeof input);
    shape_text(find_role(signature->outputs, signature->output_count, ROLE_OUTPUT), output,
               sizeof output);
    fprintf(out, "%-*s %6zu  %-16s %-16s %12" PRIu64 " %12zu\n", width, served->name,
            served->layer_count, input, output, served->summary.parameters,
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
