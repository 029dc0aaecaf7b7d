#include "server/model_trial.h"

#include <math.h>
#include <stdlib.h>

#include "server/compute.h"
#include "server/tick.h"

enum { TRIAL_STEPS = 2, TRIAL_ROWS = 1 };

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static bool try_run(const struct served_model *served, struct compute *compute, struct fault *fault)
{
    compute_clear(compute);
    tick_run_alone(compute, NULL);
    const size_t count = compute->output_steps * TRIAL_ROWS * served->signature.output_size;
    return all_finite(compute->output, count) ||
           fault_set(fault, 500, "model '%s' answers zeros with what is not a finite number",
                     served->name);
}

bool model_trial_run(const struct served_model *served, struct fault *fault)
{
    const struct signature_tensor *input = &served->signature.inputs[0];
    const int64_t steps = input->shape[input->steps_axis]; /* -1: any */
    struct binding binding = {.steps = steps < 0 ? TRIAL_STEPS : (size_t)steps, .rows = TRIAL_ROWS};
    struct compute compute;
    size_t bytes;
    void *block = NULL;
    compute_init(&compute, served->model, &served->signature, &binding);
    if (compute_plan(&compute, 0, &bytes))
        block = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes);
    if (block == NULL)
        return fault_set(fault, 503, "model '%s': out of memory", served->name);
    compute_place(&compute, block);
    const bool done = try_run(served, &compute, fault);
    free(block);
    return done;
}
