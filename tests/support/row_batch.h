/* Ragged rows of a model with answers behind canaries, and the ways of running them that must not
 * show in a bit: by every kernel, together, alone, in pieces, by a team. */
#ifndef TESTS_SUPPORT_ROW_BATCH_H
#define TESTS_SUPPORT_ROW_BATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/model.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"
#include "tests/support/run_rows.h"

enum { ROW_BATCH_MAX = 9 };

struct row_batch {
    size_t row_count;
    struct model_row rows[ROW_BATCH_MAX];
    struct guarded input[ROW_BATCH_MAX], output[ROW_BATCH_MAX], state[ROW_BATCH_MAX];
};

/* How many rows and steps there may be, and what stands in them. */
struct row_batch_rule {
    size_t rows_max, steps_max;
    /* input [steps][stride], the model's own numbers first in each step; state [S] */
    void (*fill)(const struct model *model, struct random *random, float *input, size_t stride,
                 size_t steps, float *state);
};

static inline void row_batch_init(struct row_batch *b, const struct row_batch_rule *rule,
                                  const struct model *model, struct random *random)
{
    const size_t in = model_input_size(model), out = model_output_size(model);
    assert_true(rule->rows_max <= ROW_BATCH_MAX);
    b->row_count = random_size(random, 1, rule->rows_max);
    for (size_t r = 0; r < b->row_count; r++) {
        const size_t steps = random_size(random, 0, rule->steps_max);
        const size_t in_stride = in + random_size(random, 0, 5);
        const size_t out_stride = out + random_size(random, 0, 1) * 5;
        b->input[r] = guarded_create(steps * in_stride, random_size(random, 0, 15));
        b->output[r] = guarded_create(model_output_steps(model, steps) * out_stride,
                                      random_size(random, 0, 15));
        b->state[r] = guarded_create(model_state_size(model), random_size(random, 0, 15));
        rule->fill(model, random, b->input[r].floats, in_stride, steps, b->state[r].floats);
        memset(b->output[r].floats, 0x55, b->output[r].count * sizeof(float));
        b->rows[r] = (struct model_row){
            .input = b->input[r].floats,
            .output = b->output[r].floats,
            .input_stride = in_stride,
            .output_stride = out_stride,
            .steps = steps,
            .ends = true,
            .state = b->state[r].floats,
        };
    }
}

static inline void row_batch_fini(struct row_batch *b)
{
    for (size_t r = 0; r < b->row_count; r++) {
        guarded_destroy(&b->input[r]);
        guarded_destroy(&b->output[r]);
        guarded_destroy(&b->state[r]);
    }
}

static inline bool same_floats(const struct guarded *a, const struct guarded *b)
{
    return a->count == 0 || memcmp(a->floats, b->floats, a->count * sizeof(float)) == 0;
}

static inline void assert_same_answers(const struct row_batch *a, const struct row_batch *b,
                                       uint64_t seed)
{
    for (size_t r = 0; r < a->row_count; r++) {
        assert_true(guarded_intact(&b->output[r]) && guarded_intact(&b->state[r]));
        assert_true(guarded_intact(&b->input[r]));
        if (!same_floats(&a->output[r], &b->output[r]) || !same_floats(&a->state[r], &b->state[r]))
            fail_msg("seed %llu, row %zu: bits differ", (unsigned long long)seed, r);
    }
}

/* Runs a batch of `seed` with the scalar kernel, and with every kernel the way `again` does; the
 * bits must agree. */
static inline void compare_ways(const struct layer_spec *layers, size_t layer_count,
                                const struct row_batch_rule *rule, uint64_t seed,
                                void (*again)(const struct model *, struct row_batch *,
                                              struct random *))
{
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++) {
        if (!(*k)->supported())
            continue;
        struct model *truth = model_create(layers, layer_count, kernel_find("scalar"));
        struct model *model = model_create(layers, layer_count, *k);
        assert_true(truth != NULL && model != NULL);
        struct row_batch expected, found;
        struct random first = {seed * 31 + 7}, second = first;
        row_batch_init(&expected, rule, truth, &first);
        row_batch_init(&found, rule, model, &second);
        run_rows(truth, expected.rows, expected.row_count);
        again(model, &found, &second);
        assert_same_answers(&expected, &found, seed);
        row_batch_fini(&expected);
        row_batch_fini(&found);
        model_destroy(truth);
        model_destroy(model);
    }
}

/* ---- ways ---- */

static inline void all_at_once(const struct model *model, struct row_batch *batch,
                               struct random *random)
{
    (void)random;
    run_rows(model, batch->rows, batch->row_count);
}

static inline void one_by_one(const struct model *model, struct row_batch *batch,
                              struct random *random)
{
    (void)random;
    for (size_t r = batch->row_count; r-- > 0;)
        run_rows(model, &batch->rows[r], 1);
}

static inline void by_a_team(const struct model *model, struct row_batch *batch,
                             struct random *random)
{
    run_rows_by_team(model, batch->rows, batch->row_count, random_size(random, 2, 5));
}

/* The next piece of a row that has done so many steps. */
static inline struct model_row piece_of(const struct model *model, const struct model_row *whole,
                                        size_t done, size_t steps)
{
    struct model_row piece = *whole;
    piece.input += done * whole->input_stride;
    if (!model_output_is_vector(model))
        piece.output += done * whole->output_stride;
    piece.steps = steps;
    piece.ends = done + steps == whole->steps && (steps > 0 || whole->steps == 0);
    return piece;
}

/* A vector is written in the call that ends its row, not before. */
static inline void check_untouched(const struct model *model, const struct row_batch *batch,
                                   size_t r, size_t done)
{
    if (!model_output_is_vector(model) || done == batch->rows[r].steps)
        return;
    for (size_t i = 0; i < batch->output[r].count * sizeof(float); i++)
        assert_int_equal(((const unsigned char *)batch->output[r].floats)[i], 0x55);
}

/* Every call takes some rows a few steps further, until all have arrived. Models that are not
 * causal are run whole. */
static inline void in_pieces(const struct model *model, struct row_batch *batch,
                             struct random *random)
{
    size_t done[ROW_BATCH_MAX] = {0};
    if (!model_is_causal(model)) {
        run_rows(model, batch->rows, batch->row_count);
        return;
    }
    for (bool more = true; more;) {
        struct model_row rows[ROW_BATCH_MAX];
        size_t count = 0;
        more = false;
        for (size_t r = 0; r < batch->row_count; r++) {
            const size_t left = batch->rows[r].steps - done[r];
            size_t steps = random_size(random, 0, 6);
            steps = steps < left ? steps : left;
            rows[count++] = piece_of(model, &batch->rows[r], done[r], steps);
            done[r] += steps;
            more = more || done[r] < batch->rows[r].steps;
        }
        run_rows(model, rows, count);
        for (size_t r = 0; r < batch->row_count; r++)
            check_untouched(model, batch, r, done[r]);
    }
}

#endif
