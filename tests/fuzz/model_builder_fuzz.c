/* Whatever the weights file and the config beside it: building ends in a model whose sizes are
 * sound, that has a summary and runs, or in a refusal that says why.
 * The input is the config's JSON, a NUL byte, and the safetensors file. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/model_builder.h"
#include "proto/model_summary.h"
#include "proto/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More than this a config may well ask for, but not of a fuzzer. */
#define FLOATS_MAX ((size_t)1 << 20)

/* One row of `steps` zeros, which are numbers of an embedding too. */
static void run_row(const struct model *model, size_t steps)
{
    size_t bytes, count;
    const size_t input = model_input_size(model), output = model_output_size(model);
    assert(input > 0 && output > 0);
    assert(model_scratch_size(model, 1, steps, &bytes));
    if (!checked_mul(model_output_steps(model, steps), output, &count) || count > FLOATS_MAX ||
        bytes > FLOATS_MAX * sizeof(float))
        return;
    bytes = (bytes / MODEL_SCRATCH_ALIGNMENT + 1) * MODEL_SCRATCH_ALIGNMENT;
    float *floats = calloc(input * steps + count + model_state_size(model), sizeof *floats);
    void *scratch = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes);
    assert(floats != NULL && scratch != NULL);
    const struct model_row row = {.input = floats,
                                  .output = floats + input * steps,
                                  .input_stride = input,
                                  .output_stride = output,
                                  .steps = steps,
                                  .ends = true,
                                  .state = floats + input * steps + count};
    model_run(model, &row, 1, (struct model_scratch){scratch, bytes});
    free(scratch);
    free(floats);
}

/* The summary is made of the same plan: what is built has one. */
static void summarize(const struct model_config *config, const struct safetensors *weights)
{
    struct model_summary summary;
    struct fault fault = {0};
    assert(model_summary_init(&summary, config, weights, &fault));
    assert(summary.layer_count == config->layer_count);
    char *text = model_summary_text(&summary);
    assert(text != NULL && text[0] != '\0');
    free(text);
    model_summary_fini(&summary);
}

static void build(const struct model_config *config, const struct safetensors *weights)
{
    struct model *model;
    struct signature signature;
    struct fault fault = {0};
    if (!model_build(config, weights, kernel_find(NULL), &model, &fault)) {
        assert(model == NULL && fault.status == 400 && fault.text[0] != '\0');
        return;
    }
    summarize(config, weights);
    run_row(model, 1);
    run_row(model, config->steps == 0 || config->steps > 64 ? 1 : config->steps);
    if (!signature_init(&signature, model, config, &fault))
        assert(fault.status == 400 && fault.text[0] != '\0');
    model_destroy(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    if (nul == NULL)
        return 0;
    const size_t config_size = (size_t)(nul - data);
    struct model_config config;
    struct safetensors weights;
    struct fault fault = {0};
    if (!model_config_parse(&config, (const char *)data, config_size, "fuzz", &fault))
        return 0;
    if (safetensors_init(&weights, nul + 1, size - config_size - 1, &fault)) {
        build(&config, &weights);
        safetensors_fini(&weights);
    }
    model_config_fini(&config);
    return 0;
}
