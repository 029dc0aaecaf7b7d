#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "server/tick_batch.h"
#include "tests/support/random.h"

/* Requests of 1 to 5 rows and as many steps: together more rows than one pass takes. */
enum { INPUT = 3, HIDDEN = 5, REQUESTS = 40 };

static float weight_ih[4 * HIDDEN * INPUT], weight_hh[4 * HIDDEN * HIDDEN];
static const struct lstm_weights weights = {.weight_ih = weight_ih, .weight_hh = weight_hh};

static struct model *model;
static struct signature signature;
static struct model_stats stats;
static struct lane lane;
static struct compute computes[REQUESTS];
static void *blocks[REQUESTS];

static int setup(void **state)
{
    const struct layer_spec layer = {
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = INPUT,
                    .hidden_size = HIDDEN,
                    .num_layers = 1,
                    .weights = &weights},
    };
    struct random random = {.state = 1};
    struct fault fault;
    (void)state;
    random_floats(&random, weight_ih, sizeof weight_ih / sizeof *weight_ih, 1);
    random_floats(&random, weight_hh, sizeof weight_hh / sizeof *weight_hh, 1);
    model = model_create(&layer, 1, kernel_find("scalar"));
    model_stats_init(&stats);
    lane_init(&lane, model, 0, &stats);
    return model != NULL && signature_init(&signature, model, &(struct model_config){0}, &fault)
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    lane_fini(&lane);
    model_destroy(model);
    return 0;
}

static void make_requests(void)
{
    struct random random = {.state = 2};
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct binding binding = {
            .rows = 1 + i % 5,
            .steps = 1 + i / 5 % 5,
            .outputs = {&signature.outputs[0]},
            .output_count = 1,
        };
        size_t bytes;
        compute_init(&computes[i], model, &signature, &binding);
        assert_true(compute_plan(&computes[i], 0, true, &bytes));
        blocks[i] = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes);
        assert_non_null(blocks[i]);
        compute_place(&computes[i], blocks[i]);
        compute_clear(&computes[i]);
        random_floats(&random, computes[i].input, binding.rows * binding.steps * INPUT, 1);
    }
}

static size_t output_size(size_t i)
{
    return computes[i].binding.rows * computes[i].binding.steps * HIDDEN * sizeof(float);
}

static void free_requests(void)
{
    for (size_t i = 0; i < REQUESTS; i++)
        free(blocks[i]);
}

static void take_outputs(float *outputs[REQUESTS])
{
    for (size_t i = 0; i < REQUESTS; i++) {
        outputs[i] = malloc(output_size(i));
        assert_non_null(outputs[i]);
        memcpy(outputs[i], computes[i].output, output_size(i));
    }
}

static size_t passes(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < BATCH_SIZES; i++)
        sum += atomic_load(&stats.batches[i].passes);
    return sum;
}

/* Returns how many passes it took to have the bits that each request has alone. */
static size_t passes_for(size_t row_limit)
{
    struct compute *all[REQUESTS];
    struct tick_batch batch;
    float *alone[REQUESTS];
    make_requests();
    for (size_t i = 0; i < REQUESTS; i++)
        tick_run_alone(&computes[i], NULL);
    take_outputs(alone);
    free_requests();

    make_requests();
    const size_t before = passes();
    for (size_t i = 0; i < REQUESTS; i++)
        all[i] = &computes[i];
    tick_batch_init(&batch, row_limit);
    tick_batch_run(&batch, all, REQUESTS, &lane);
    tick_batch_fini(&batch);
    for (size_t i = 0; i < REQUESTS; i++) {
        assert_memory_equal(computes[i].output, alone[i], output_size(i));
        free(alone[i]);
    }
    free_requests();
    return passes() - before;
}

static void all_have_the_bits_that_each_has_alone(void **state)
{
    (void)state;
    assert_in_range(passes_for(TICK_ROWS), 2, 3); /* 120 rows of at most 64 */
}

static void no_pass_has_more_rows_than_there_may_be(void **state)
{
    (void)state;
    assert_int_equal(passes_for(1), REQUESTS);
    assert_in_range(passes_for(6), 20, REQUESTS - 1);
}

static void nothing_takes_no_pass(void **state)
{
    struct tick_batch batch;
    (void)state;
    const size_t before = passes();
    tick_batch_init(&batch, TICK_ROWS);
    tick_batch_run(&batch, NULL, 0, &lane);
    tick_batch_fini(&batch);
    assert_int_equal(passes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_have_the_bits_that_each_has_alone),
        cmocka_unit_test(no_pass_has_more_rows_than_there_may_be),
        cmocka_unit_test(nothing_takes_no_pass),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
