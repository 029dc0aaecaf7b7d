/* Whole models: against a naive LSTM in double, and against themselves cut, shuffled and alone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "tests/support/random.h"
#include "tests/support/row_batch.h"

enum { CASES = 400, ROWS_MAX = 9, STEPS_MAX = 23, LAYERS_MAX = 5, CELLS_MAX = 6, BLOCKS_MAX = 160 };

/* A random network and what it was made of. */
struct network {
    struct random random;
    struct layer_spec layers[LAYERS_MAX];
    size_t layer_count;
    struct lstm_weights weights[LAYERS_MAX][CELLS_MAX];
    float *blocks[BLOCKS_MAX];
    size_t block_count;
};

static float *block(struct network *n, size_t count, float scale)
{
    float *floats = malloc(count * sizeof *floats);
    assert_non_null(floats);
    assert_true(n->block_count < BLOCKS_MAX);
    n->blocks[n->block_count++] = floats;
    random_floats(&n->random, floats, count, scale);
    return floats;
}

static size_t add_lstm(struct network *n, size_t input_size, bool may_reverse)
{
    struct random *random = &n->random;
    const size_t hidden = random_size(random, 1, 19);
    const size_t proj =
        hidden > 1 && random_size(random, 0, 2) == 0 ? random_size(random, 1, hidden - 1) : 0;
    const bool bias = random_size(random, 0, 3) > 0;
    const bool both = may_reverse && random_size(random, 0, 1) == 1;
    const size_t layers = random_size(random, 1, 3), directions = both ? 2 : 1;
    const size_t output = proj != 0 ? proj : hidden;
    struct lstm_weights *weights = n->weights[n->layer_count];
    for (size_t i = 0; i < layers * directions; i++) {
        const size_t in = i < directions ? input_size : directions * output;
        weights[i] = (struct lstm_weights){
            .weight_ih = block(n, 4 * hidden * in, 0.7f),
            .weight_hh = block(n, 4 * hidden * output, 0.7f),
            .bias_ih = bias ? block(n, 4 * hidden, 0.5f) : NULL,
            .bias_hh = bias ? block(n, 4 * hidden, 0.5f) : NULL,
            .weight_hr = proj != 0 ? block(n, proj * hidden, 0.7f) : NULL,
        };
    }
    n->layers[n->layer_count++] = (struct layer_spec){
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = input_size,
                    .hidden_size = hidden,
                    .num_layers = layers,
                    .proj_size = proj,
                    .bidirectional = both,
                    .weights = weights},
    };
    return directions * output;
}

static size_t add_dense(struct network *n, size_t in)
{
    const size_t out = random_size(&n->random, 1, 40);
    n->layers[n->layer_count++] = (struct layer_spec){
        .type = LAYER_DENSE,
        .as.dense = {.in_features = in,
                     .out_features = out,
                     .activation.kind = (enum activation)random_size(&n->random, 0, 3),
                     .weight = block(n, out * in, 0.5f),
                     .bias = random_size(&n->random, 0, 1) ? block(n, out, 1) : NULL},
    };
    return out;
}

static size_t add_activation(struct network *n, size_t width)
{
    n->layers[n->layer_count++] = (struct layer_spec){
        .type = LAYER_ACTIVATION,
        .as.activation = {width, {.kind = (enum activation)random_size(&n->random, 0, 3)}},
    };
    return width;
}

static void network_init(struct network *n, uint64_t seed, bool may_reverse)
{
    *n = (struct network){.random = {seed}};
    const size_t layers = random_size(&n->random, 1, LAYERS_MAX);
    size_t width = random_size(&n->random, 1, 21);
    while (n->layer_count < layers)
        switch (random_size(&n->random, 0, 3)) {
        case 0:
            width = add_dense(n, width);
            break;
        case 1:
            width = add_activation(n, width);
            break;
        default:
            width = add_lstm(n, width, may_reverse);
        }
}

static void network_fini(struct network *n)
{
    for (size_t i = 0; i < n->block_count; i++)
        free(n->blocks[i]);
}

static void fill(const struct model *model, struct random *random, float *input, size_t stride,
                 size_t steps, float *state)
{
    random_floats(random, input, steps * stride, 2.0f);
    random_floats(random, state, model_state_size(model), 0.9f);
}

/* Runs case `seed` as scalar batch, and again the way `again` does; the bits must agree. */
static void compare(uint64_t seed, bool may_reverse,
                    void (*again)(const struct model *, struct row_batch *, struct random *))
{
    static const struct row_batch_rule rule = {ROWS_MAX, STEPS_MAX, fill};
    struct network network;
    network_init(&network, seed, may_reverse);
    compare_ways(network.layers, network.layer_count, &rule, seed, again);
    network_fini(&network);
}

static void shuffled(const struct model *model, struct row_batch *batch, struct random *random)
{
    struct model_row rows[ROWS_MAX];
    memcpy(rows, batch->rows, sizeof rows);
    for (size_t r = batch->row_count; r > 1; r--) {
        const size_t other = random_size(random, 0, r - 1);
        const struct model_row swap = rows[r - 1];
        rows[r - 1] = rows[other];
        rows[other] = swap;
    }
    run_rows(model, rows, batch->row_count);
}

static void a_team_gives_the_bits_of_one(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        compare(seed, true, by_a_team);
}

static void every_kernel_gives_the_scalar_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        compare(seed, true, all_at_once);
}

static void a_row_alone_gives_the_bits_it_gives_in_a_batch(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        compare(seed, true, one_by_one);
}

static void the_place_in_the_batch_does_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        compare(seed, true, shuffled);
}

static void a_sequence_in_pieces_gives_the_bits_of_the_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        compare(seed, false, in_pieces);
}

/* ---- against double ---- */

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* One cell over one row, by the book: input [steps][I], output [steps][P]. */
static void naive_cell(const struct lstm_spec *spec, const struct lstm_weights *w, size_t in,
                       bool reverse, const double *input, double *output, size_t out_stride,
                       size_t steps, double *h, double *c)
{
    const size_t hidden = spec->hidden_size;
    const size_t out = spec->proj_size != 0 ? spec->proj_size : hidden;
    double full[64], gate[4];
    for (size_t s = 0; s < steps; s++) {
        const size_t t = reverse ? steps - 1 - s : s;
        for (size_t u = 0; u < hidden; u++) {
            for (size_t g = 0; g < 4; g++) {
                const size_t row = g * hidden + u;
                gate[g] =
                    w->bias_ih == NULL ? 0 : (double)w->bias_ih[row] + (double)w->bias_hh[row];
                for (size_t k = 0; k < in; k++)
                    gate[g] += (double)w->weight_ih[row * in + k] * input[t * in + k];
                for (size_t k = 0; k < out; k++)
                    gate[g] += (double)w->weight_hh[row * out + k] * h[k];
            }
            c[u] = sigmoid(gate[1]) * c[u] + sigmoid(gate[0]) * tanh(gate[2]);
            full[u] = sigmoid(gate[3]) * tanh(c[u]);
        }
        for (size_t p = 0; p < out; p++) {
            double value = full[p];
            if (w->weight_hr != NULL) {
                value = 0;
                for (size_t u = 0; u < hidden; u++)
                    value += (double)w->weight_hr[p * hidden + u] * full[u];
            }
            output[t * out_stride + p] = value;
        }
        memcpy(h, output + t * out_stride, out * sizeof *h);
    }
}

/* All layers and directions over one row; out of state come the final states. */
static void naive_lstm(const struct lstm_spec *spec, const double *input, double *output,
                       size_t steps, double *state)
{
    const size_t directions = spec->bidirectional ? 2 : 1;
    const size_t out = spec->proj_size != 0 ? spec->proj_size : spec->hidden_size;
    double *below = malloc(STEPS_MAX * 64 * sizeof *below);
    assert_non_null(below);
    memcpy(below, input, steps * spec->input_size * sizeof *below);
    for (size_t layer = 0; layer < spec->num_layers; layer++) {
        const size_t in = layer == 0 ? spec->input_size : directions * out;
        for (size_t d = 0; d < directions; d++) {
            naive_cell(spec, &spec->weights[layer * directions + d], in, d == 1, below,
                       output + d * out, directions * out, steps, state, state + out);
            state += out + spec->hidden_size;
        }
        memcpy(below, output, steps * directions * out * sizeof *below);
    }
    free(below);
}

static void assert_near(const float *found, const double *expected, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)found[i] - expected[i]) <= 4e-6))
            fail_msg("seed %llu: [%zu] is %.9g, %.9g in double", (unsigned long long)seed, i,
                     (double)found[i], expected[i]);
}

static void check_row_against_double(const struct model *model, const struct lstm_spec *spec,
                                     struct random *random, uint64_t seed)
{
    float input[STEPS_MAX * 32], output[STEPS_MAX * 64], state[512];
    double input_d[STEPS_MAX * 32], output_d[STEPS_MAX * 64], state_d[512];
    const size_t steps = random_size(random, 0, STEPS_MAX);
    const size_t in = model_input_size(model), out = model_output_size(model);
    random_floats(random, input, steps * in, 2.0f);
    random_floats(random, state, model_state_size(model), 0.9f);
    for (size_t i = 0; i < steps * in; i++)
        input_d[i] = (double)input[i];
    for (size_t i = 0; i < model_state_size(model); i++)
        state_d[i] = (double)state[i];
    const struct model_row row = {.input = input,
                                  .output = output,
                                  .input_stride = in,
                                  .output_stride = out,
                                  .steps = steps,
                                  .ends = true,
                                  .state = state};
    run_rows(model, &row, 1);
    naive_lstm(spec, input_d, output_d, steps, state_d);
    assert_near(output, output_d, steps * out, seed);
    assert_near(state, state_d, model_state_size(model), seed);
}

static void an_lstm_is_what_the_equations_say(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct network network = {.random = {seed}};
        add_lstm(&network, random_size(&network.random, 1, 21), true);
        for (const struct kernel *const *k = kernel_table; *k != NULL; k++) {
            if (!(*k)->supported())
                continue;
            struct model *model = model_create(network.layers, 1, *k);
            assert_non_null(model);
            struct random random = {seed + 1};
            for (int row = 0; row < 3; row++)
                check_row_against_double(model, &network.layers[0].as.lstm, &random, seed);
            model_destroy(model);
        }
        network_fini(&network);
    }
}

static void the_model_says_its_sizes(void **state)
{
    (void)state;
    const float weights[4 * 3 * 5] = {0};
    const struct lstm_weights cell = {
        .weight_ih = weights, .weight_hh = weights, .weight_hr = weights};
    const struct lstm_weights cells[4] = {cell, cell, cell, cell};
    const struct layer_spec layers[] = {
        {.type = LAYER_LSTM,
         .as.lstm = {.input_size = 5,
                     .hidden_size = 3,
                     .num_layers = 2,
                     .proj_size = 2,
                     .bidirectional = true,
                     .weights = cells}},
        {.type = LAYER_ACTIVATION, .as.activation = {4, {.kind = ACTIVATION_RELU}}},
        {.type = LAYER_DENSE, .as.dense = {.in_features = 4, .out_features = 6, .weight = weights}},
    };
    struct model *model = model_create(layers, 3, kernel_find(NULL));
    assert_non_null(model);
    assert_int_equal(model_input_size(model), 5);
    assert_int_equal(model_output_size(model), 6);
    assert_int_equal(model_state_size(model), 4 * (2 + 3));
    assert_false(model_is_causal(model));
    assert_int_equal(model_lstm_count(model), 1);
    const struct model_lstm_state lstm = model_lstm_state(model, 0);
    assert_int_equal(lstm.offset, 0);
    assert_int_equal(lstm.cells, 4);
    assert_int_equal(lstm.h_size, 2);
    assert_int_equal(lstm.c_size, 3);
    /* 2 directions of: 4*3 gates over 5+2, then 4+2 inputs, and 3x2 projections; then 4x6 dense */
    assert_true(model_flops_per_step(model) ==
                2.0 * (2 * (12 * (5 + 2) + 6) + 2 * (12 * (4 + 2) + 6) + 24));
    model_destroy(model);
}

static void scratch_that_does_not_fit_a_size_is_refused(void **state)
{
    (void)state;
    const float weights[16] = {0};
    const struct lstm_weights cell = {.weight_ih = weights, .weight_hh = weights};
    const struct lstm_weights cells[2] = {cell, cell};
    const struct layer_spec layers[] = {
        {.type = LAYER_LSTM,
         .as.lstm = {.input_size = 1,
                     .hidden_size = 1,
                     .num_layers = 1,
                     .bidirectional = true,
                     .weights = cells}},
        {.type = LAYER_DENSE, .as.dense = {.in_features = 2, .out_features = 1, .weight = weights}},
    };
    struct model *model = model_create(layers, 2, kernel_find(NULL));
    assert_non_null(model);
    size_t bytes;
    assert_true(model_scratch_size(model, 1000, 1000, &bytes));
    assert_false(model_scratch_size(model, SIZE_MAX / 2, 3, &bytes));
    assert_false(model_scratch_size(model, 3, SIZE_MAX / 8, &bytes));
    assert_true(model_scratch_size(model, 0, 0, &bytes));
    model_destroy(model);
}

/* An embedding or dense layer of 600, and an LSTM of 8 behind it. */
static struct model *make_wide(bool embedding)
{
    static const float weights[600 * 10] = {0};
    const struct lstm_weights cell = {.weight_ih = weights, .weight_hh = weights};
    const struct layer_spec wide_embedding = {
        .type = LAYER_EMBEDDING,
        .as.embedding = {.num_embeddings = 10, .embedding_dim = 600, .weight = weights}};
    const struct layer_spec wide_dense = {
        .type = LAYER_DENSE,
        .as.dense = {.in_features = 8, .out_features = 600, .weight = weights}};
    const struct layer_spec layers[] = {
        embedding ? wide_embedding : wide_dense,
        {.type = LAYER_LSTM,
         .as.lstm = {.input_size = 600, .hidden_size = 2, .num_layers = 1, .weights = &cell}}};
    return model_create(layers, 2, kernel_find(NULL));
}

/* Rows of a strand that are fewer than its widest, or no longer there, went by longer chunks, and
 * wrote past the block that was sized for all of them. */
static void bug_427_scratch_is_enough_for_fewer_rows(void **state)
{
    (void)state;
    for (int embedding = 0; embedding < 2; embedding++) {
        struct model *model = make_wide(embedding == 1);
        assert_non_null(model);
        for (size_t steps = 0; steps < 300; steps = steps * 3 / 2 + 1)
            for (size_t team = 1; team < 4; team++) {
                size_t before = 0, bytes;
                for (size_t rows = 0; rows < 130; rows++, before = bytes) {
                    assert_true(model_team_scratch_size(model, team, rows, steps, &bytes));
                    assert_true(bytes >= before);
                }
            }
        model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_lstm_is_what_the_equations_say),
        cmocka_unit_test(every_kernel_gives_the_scalar_bits),
        cmocka_unit_test(a_row_alone_gives_the_bits_it_gives_in_a_batch),
        cmocka_unit_test(the_place_in_the_batch_does_not_matter),
        cmocka_unit_test(a_sequence_in_pieces_gives_the_bits_of_the_whole),
        cmocka_unit_test(a_team_gives_the_bits_of_one),
        cmocka_unit_test(the_model_says_its_sizes),
        cmocka_unit_test(scratch_that_does_not_fit_a_size_is_refused),
        cmocka_unit_test(bug_427_scratch_is_enough_for_fewer_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
