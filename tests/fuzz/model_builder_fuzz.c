/* Whatever the weights file and the config beside it: building ends in a model whose sizes are
 * sound and that runs a step, or in a refusal that says why.
 * The input is the config's JSON, a NUL byte, and the safetensors file. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_step(const struct model *model)
{
    size_t bytes;
    const size_t input = model_input_size(model), output = model_output_size(model);
    assert(input > 0 && output > 0);
    assert(model_scratch_size(model, 1, 1, &bytes));
    bytes = (bytes / MODEL_SCRATCH_ALIGNMENT + 1) * MODEL_SCRATCH_ALIGNMENT;
    float *floats = calloc(input + output + model_state_size(model), sizeof *floats);
    void *scratch = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes);
    assert(floats != NULL && scratch != NULL);
    const struct model_row row = {.input = floats,
                                  .output = floats + input,
                                  .input_stride = input,
                                  .output_stride = output,
                                  .steps = 1,
                                  .state = floats + input + output};
    model_run(model, &row, 1, scratch);
    free(scratch);
    free(floats);
}

static void build(const struct model_config *config, const struct safetensors *weights)
{
    struct model *model;
    struct fault fault = {0};
    if (model_build(config, weights, kernel_find(NULL), &model, &fault)) {
        run_step(model);
        model_destroy(model);
    } else {
        assert(model == NULL && fault.status == 400 && fault.text[0] != '\0');
    }
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
