#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "server/huge_pages.h"
#include "tests/support/random.h"
#include "tests/support/run_rows.h"

enum { FEATURES = 1024 }; /* 4 MiB of weights: a whole huge page at least, wherever they begin */

static struct model *create_dense(float *weights)
{
    struct random random = {7};
    random_floats(&random, weights, (size_t)FEATURES * FEATURES, 0.1f);
    const struct layer_spec dense = {
        .type = LAYER_DENSE,
        .as.dense = {.in_features = FEATURES, .out_features = FEATURES, .weight = weights},
    };
    struct model *model = model_create(&dense, 1, kernel_find(NULL));
    assert_non_null(model);
    return model;
}

static void run(const struct model *model, float *input, float *output)
{
    float state = 0;
    const struct model_row row = {.input = input,
                                  .output = output,
                                  .input_stride = FEATURES,
                                  .output_stride = FEATURES,
                                  .steps = 1,
                                  .ends = true,
                                  .state = &state};
    run_rows(model, &row, 1);
}

/* Whether there are huge pages is the system's business; that nothing else changes is ours. */
static void weights_in_huge_pages_are_the_same_weights(void **state)
{
    (void)state;
    float *weights = malloc((size_t)FEATURES * FEATURES * sizeof *weights);
    float input[FEATURES], before[FEATURES], after[FEATURES];
    struct random random = {3};
    assert_non_null(weights);
    struct model *model = create_dense(weights);
    random_floats(&random, input, FEATURES, 1.0f);
    run(model, input, before);
    const size_t held = huge_pages_hold(model);
    assert_true(held <= model_memory(model));
    assert_int_equal(held % (2u << 20), 0);
    run(model, input, after);
    assert_memory_equal(before, after, sizeof before);
    model_destroy(model);
    free(weights);
}

static void add_bytes(void *context, const float *weights, size_t bytes)
{
    size_t *sum = context;
    assert_non_null(weights);
    *sum += bytes;
}

static void small_weights_are_left_where_they_are(void **state)
{
    (void)state;
    const float weights[4 * 3 * 5] = {0};
    const struct lstm_weights cell = {
        .weight_ih = weights, .weight_hh = weights, .weight_hr = weights};
    const struct layer_spec lstm = {
        .type = LAYER_LSTM,
        .as.lstm =
            {.input_size = 5, .hidden_size = 3, .num_layers = 1, .proj_size = 2, .weights = &cell},
    };
    size_t bytes = 0;
    struct model *model = model_create(&lstm, 1, kernel_find("scalar"));
    assert_non_null(model);
    assert_int_equal(huge_pages_hold(model), 0);
    model_visit_weights(model, add_bytes, &bytes);
    /* a panel of 32 columns for 5 inputs, one for 2 recurrent ones, one for the projection of 3 */
    assert_int_equal(bytes, sizeof(float) * (32 * 5 + 32 * 2 + 32 * 3));
    model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_in_huge_pages_are_the_same_weights),
        cmocka_unit_test(small_weights_are_left_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
