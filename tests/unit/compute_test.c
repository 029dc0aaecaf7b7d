#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/compute.h"
#include "server/tick.h"
#include "tests/support/random.h"

/* One LSTM of one unit over one input, small enough to compute beside it in double:
 * gates i,f,g,o = w x + r h + b. */
static const float weight_ih[] = {0.5f, -0.25f, 1.0f, 0.75f};
static const float weight_hh[] = {0.125f, 0.5f, -0.5f, 0.25f};
static const float bias[] = {0.1f, 0.2f, -0.3f, 0.4f};

/* The same with another direction, which sees the sequence from its end. */
static const struct lstm_weights directions[2] = {
    {.weight_ih = weight_ih, .weight_hh = weight_hh, .bias_ih = bias},
    {.weight_ih = weight_ih, .weight_hh = weight_hh, .bias_ih = bias},
};

static struct model *model;
static struct signature signature;
static struct compute compute;
static void *block;

static void make_model(bool bidirectional, bool batch_first)
{
    const struct layer_spec layer = {
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = 1,
                    .hidden_size = 1,
                    .num_layers = 1,
                    .bidirectional = bidirectional,
                    .weights = directions},
    };
    struct fault fault;
    model = model_create(&layer, 1, kernel_find("scalar"));
    assert_non_null(model);
    assert_true(signature_init(&signature, model,
                               &(struct model_config){.batch_first = batch_first}, &fault));
}

static int clean_up(void **state)
{
    (void)state;
    free(block);
    model_destroy(model);
    block = NULL;
    model = NULL;
    return 0;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void step(double x, double *h, double *c)
{
    double gate[4];
    for (int i = 0; i < 4; i++)
        gate[i] = (double)weight_ih[i] * x + (double)weight_hh[i] * *h + (double)bias[i];
    *c = sigmoid(gate[1]) * *c + sigmoid(gate[0]) * tanh(gate[2]);
    *h = sigmoid(gate[3]) * tanh(*c);
}

static struct infer_input tensor(const char *name, enum datatype datatype, size_t elements,
                                 const char *data)
{
    struct infer_input input = {.datatype = datatype,
                                .rank = 1,
                                .shape = {elements},
                                .elements = elements,
                                .data = data,
                                .data_size = strlen(data)};
    strcpy(input.name, name);
    return input;
}

static void want_all_outputs(struct binding *binding)
{
    binding->output_count = signature.output_count;
    for (size_t i = 0; i < signature.output_count; i++)
        binding->outputs[i] = &signature.outputs[i];
}

/* part_steps: 0 for one part. */
static void place_as(const struct binding *binding, size_t part_steps)
{
    size_t bytes;
    compute_init(&compute, model, &signature, binding);
    if (part_steps != 0)
        compute_divide(&compute, part_steps);
    assert_true(compute_plan(&compute, 0, true, &bytes));
    block = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes);
    assert_non_null(block);
    memset(block, 0xff, bytes); /* NaN wherever something was forgotten */
    compute_place(&compute, block);
}

static void place(const struct binding *binding)
{
    place_as(binding, 0);
}

static enum compute_decoded decode(struct fault *fault)
{
    enum compute_decoded decoded;
    while ((decoded = compute_decode(&compute, fault)) == COMPUTE_MORE)
        continue;
    return decoded;
}

static void run_as(const struct binding *binding, size_t part_steps)
{
    struct fault fault;
    place_as(binding, part_steps);
    if (decode(&fault) != COMPUTE_READY)
        fail_msg("%s", fault.text);
    tick_run_alone(&compute, NULL);
}

static void run(const struct binding *binding)
{
    run_as(binding, 0);
}

static const float *output_named(const char *name)
{
    static struct infer_answer answer;
    compute_answer(&compute, &answer);
    for (size_t i = 0; i < answer.output_count; i++)
        if (strcmp(answer.outputs[i].name, name) == 0)
            return answer.outputs[i].data;
    fail_msg("no output %s", name);
    return NULL;
}

static void near(float found, double wanted)
{
    if (!(fabs((double)found - wanted) < 1e-6))
        fail_msg("%.9g, not %.9g", (double)found, wanted);
}

/* Two rows of three steps; row b's step t is x[b][t]. */
static const double x[2][3] = {{1, 2, 3}, {-1, 0.5, 0.25}};
#define STEP_MAJOR "[1,-1,2,0.5,3,0.25]"
#define ROW_MAJOR  "[1,2,3,-1,0.5,0.25]"

/* h0, c0 and the lengths of the two rows. */
static void expect_rows(bool batch_first, const double *h0, const double *c0, const int *length)
{
    const float *output = output_named("output");
    for (size_t b = 0; b < 2; b++) {
        double h = h0[b], c = c0[b];
        for (int t = 0; t < 3; t++) {
            if (t < length[b])
                step(x[b][t], &h, &c);
            near(output[batch_first ? b * 3 + (size_t)t : (size_t)t * 2 + b],
                 t < length[b] ? h : 0);
        }
        near(output_named("h_n")[b], h);
        near(output_named("c_n")[b], c);
    }
}

static const double zeros[2];
static const int full[2] = {3, 3};

static void steps_and_rows_are_where_the_layout_says(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 6, STEP_MAJOR);
    struct binding binding = {.steps = 3, .rows = 2, .input = &input};
    make_model(false, false);
    want_all_outputs(&binding);
    run(&binding);
    expect_rows(false, zeros, zeros, full);
}

static void batch_first_turns_them_around(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 6, ROW_MAJOR);
    struct binding binding = {.steps = 3, .rows = 2, .input = &input};
    make_model(false, true);
    want_all_outputs(&binding);
    run(&binding);
    expect_rows(true, zeros, zeros, full);
}

static void states_go_in_and_come_out(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 6, STEP_MAJOR);
    const struct infer_input h = tensor("h_0", DATATYPE_FP32, 2, "[0.5,-0.25]");
    const struct infer_input c = tensor("c_0", DATATYPE_FP32, 2, "[2,-1]");
    struct binding binding = {.steps = 3, .rows = 2, .input = &input, .h_0 = {&h}, .c_0 = {&c}};
    make_model(false, false);
    want_all_outputs(&binding);
    run(&binding);
    expect_rows(false, (double[]){0.5, -0.25}, (double[]){2, -1}, full);
}

static void ragged_rows_end_early_and_are_padded_with_zeros(void **state)
{
    (void)state;
    for (int batch_first = 0; batch_first < 2; batch_first++) {
        const struct infer_input input =
            tensor("input", DATATYPE_FP32, 6, batch_first ? ROW_MAJOR : STEP_MAJOR);
        const struct infer_input lengths = tensor("lengths", DATATYPE_INT64, 2, "[2,0]");
        struct binding binding = {.steps = 3, .rows = 2, .input = &input, .lengths = &lengths};
        make_model(false, batch_first);
        want_all_outputs(&binding);
        run(&binding);
        expect_rows(batch_first, zeros, zeros, (int[]){2, 0});
        clean_up(NULL);
    }
}

static void both_directions_of_a_ragged_row_start_at_its_own_ends(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 6, STEP_MAJOR);
    const struct infer_input lengths = tensor("lengths", DATATYPE_INT32, 2, "[2,3]");
    struct binding binding = {.steps = 3, .rows = 2, .input = &input, .lengths = &lengths};
    make_model(true, false);
    want_all_outputs(&binding);
    run(&binding);
    const float *output = output_named("output"); /* [3,2,2] */
    for (size_t b = 0; b < 2; b++) {
        const int length = b == 0 ? 2 : 3;
        double h = 0, c = 0;
        for (int t = length - 1; t >= 0; t--) {
            step(x[b][t], &h, &c);
            near(output[(size_t)t * 4 + b * 2 + 1], h);
        }
        near(output_named("h_n")[2 + b], h); /* [2,2]: cells, then rows */
        near(output_named("c_n")[2 + b], c);
    }
    assert_true(output[2 * 4] == 0 && output[2 * 4 + 1] == 0);
}

static void outputs_come_in_the_order_wanted(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 6, STEP_MAJOR);
    struct binding binding = {.steps = 3, .rows = 2, .input = &input, .output_count = 2};
    struct infer_answer answer;
    make_model(false, false);
    binding.outputs[0] = &signature.outputs[2];
    binding.outputs[1] = &signature.outputs[0];
    run(&binding);
    compute_answer(&compute, &answer);
    assert_int_equal(answer.output_count, 2);
    assert_string_equal(answer.outputs[0].name, "c_n");
    assert_int_equal(answer.outputs[0].rank, 3);
    assert_int_equal(answer.outputs[0].shape[1], 2);
    assert_string_equal(answer.outputs[1].name, "output");
    assert_int_equal(answer.outputs[1].shape[0], 3);
    assert_null(compute.h[0]); /* nobody wanted it, no memory was taken */
}

static void lengths_out_of_range_are_named(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 6, STEP_MAJOR);
    const struct infer_input lengths = tensor("lengths", DATATYPE_INT64, 2, "[3,4]");
    const struct infer_input below = tensor("lengths", DATATYPE_INT64, 2, "[-1,3]");
    struct binding binding = {.steps = 3, .rows = 2, .input = &input, .lengths = &lengths};
    struct fault fault = {0};
    make_model(false, false);
    place(&binding);
    assert_int_equal(decode(&fault), COMPUTE_FAILED);
    assert_int_equal(fault.status, 400);
    assert_string_equal(fault.text, "input 'lengths' element 1: 0 to 3 expected, got 4");
    clean_up(NULL);
    binding.lengths = &below;
    make_model(false, false);
    place(&binding);
    assert_int_equal(decode(&fault), COMPUTE_FAILED);
    assert_string_equal(fault.text, "input 'lengths' element 0: 0 to 3 expected, got -1");
}

static void no_steps_leave_the_states_as_they_were(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 0, "[]");
    const struct infer_input h = tensor("h_0", DATATYPE_FP32, 2, "[0.5,-0.25]");
    const struct infer_input c = tensor("c_0", DATATYPE_FP32, 2, "[2,-1]");
    struct binding binding = {.steps = 0, .rows = 2, .input = &input, .h_0 = {&h}, .c_0 = {&c}};
    make_model(false, false);
    want_all_outputs(&binding);
    run(&binding);
    assert_true(output_named("h_n")[1] == -0.25f && output_named("c_n")[0] == 2);
}

/* A client may say so, and no loop may believe it. */
static void no_rows_of_very_many_steps_take_no_time(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 0, "[]");
    struct binding binding = {.steps = SIZE_MAX / 2, .rows = 0, .input = &input};
    for (int bidirectional = 0; bidirectional < 2; bidirectional++) {
        make_model(bidirectional, false);
        want_all_outputs(&binding);
        run(&binding);
        clean_up(NULL);
    }
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct binding binding = {.steps = SIZE_MAX / 4, .rows = 8};
    size_t bytes;
    make_model(false, false);
    want_all_outputs(&binding);
    compute_init(&compute, model, &signature, &binding);
    assert_false(compute_plan(&compute, 0, true, &bytes));
    binding.steps = 1;
    binding.rows = SIZE_MAX / 16;
    compute_init(&compute, model, &signature, &binding);
    assert_false(compute_plan(&compute, 4, false, &bytes));
}

enum { TEAM_MAX = 3 };

struct member {
    pthread_t thread;
    const struct tick *tick;
    struct share share;
};

static void meet(void *context)
{
    pthread_barrier_wait(context);
}

static void *run_share(void *argument)
{
    const struct member *member = argument;
    tick_run_member(member->tick, model, &member->share);
    return NULL;
}

static void run_by_team(struct tick *tick)
{
    struct member members[TEAM_MAX];
    pthread_barrier_t barrier;
    const struct team team = {tick->members, meet, &barrier};
    assert_int_equal(pthread_barrier_init(&barrier, NULL, (unsigned)tick->members), 0);
    tick_begin(tick);
    for (size_t i = 0; i < tick->members; i++) {
        members[i] = (struct member){.tick = tick, .share = {&team, i}};
        assert_int_equal(pthread_create(&members[i].thread, NULL, run_share, &members[i]), 0);
    }
    for (size_t i = 0; i < tick->members; i++)
        pthread_join(members[i].thread, NULL);
    tick_end(tick);
    pthread_barrier_destroy(&barrier);
}

/* So many steps of every strand at a time, by a team of so many. */
static void run_in_ticks(size_t steps, size_t members)
{
    struct tick tick = {0};
    size_t *bytes = &tick.scratch.size;
    assert_true(model_team_scratch_size(model, members, STRAND_ROWS, steps, bytes));
    tick.scratch.memory = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, *bytes + MODEL_SCRATCH_ALIGNMENT);
    assert_non_null(tick.scratch.memory);
    for (size_t i = 0; i < compute.strand_count; i++) {
        struct strand *strand = &compute.strands[i];
        while (strand->live > 0) {
            const size_t left = compute_strand_left(strand);
            tick_clear(&tick);
            tick_add(&tick, strand, NULL);
            tick.steps = steps;
            tick.members = members;
            if (members > 1)
                run_by_team(&tick);
            else
                tick_run(&tick, model);
            assert_int_equal(compute_strand_left(strand), left > steps ? left - steps : 0);
        }
    }
    free(tick.scratch.memory);
}

static void pieces_change_no_bit(void **state)
{
    (void)state;
    const struct infer_input input = tensor("input", DATATYPE_FP32, 6, STEP_MAJOR);
    const struct infer_input lengths = tensor("lengths", DATATYPE_INT64, 2, "[2,3]");
    struct binding binding = {.steps = 3, .rows = 2, .input = &input, .lengths = &lengths};
    struct fault fault;
    float whole[6];
    make_model(false, false);
    want_all_outputs(&binding);
    run(&binding);
    memcpy(whole, output_named("output"), sizeof whole);
    for (size_t steps = 1; steps <= 3; steps++) {
        free(block);
        place(&binding);
        assert_int_equal(decode(&fault), COMPUTE_READY);
        run_in_ticks(steps, 1);
        assert_memory_equal(whole, output_named("output"), sizeof whole);
    }
}

/* Strands go on in each part with what they have left in it. */
static void parts_together_are_the_whole(void **state)
{
    (void)state;
    static const size_t lengths_of[] = {2, 3};
    for (int batch_first = 0; batch_first < 2; batch_first++) {
        const struct infer_input input =
            tensor("input", DATATYPE_FP32, 6, batch_first ? ROW_MAJOR : STEP_MAJOR);
        const struct infer_input lengths = tensor("lengths", DATATYPE_INT64, 2, "[2,3]");
        struct binding binding = {.steps = 3, .rows = 2, .input = &input, .lengths = &lengths};
        struct infer_answer answer;
        make_model(false, batch_first);
        want_all_outputs(&binding);
        run_as(&binding, 2);
        for (size_t part = 0, t = 0; part < 2; part++) {
            const size_t steps = part == 0 ? 2 : 1;
            assert_int_equal(compute_is_last_part(&compute), part == 1);
            compute_answer(&compute, &answer);
            assert_int_equal(answer.output_count, part == 0 ? 1 : 3);
            assert_int_equal(answer.outputs[0].shape[batch_first], steps);
            assert_int_equal(answer.outputs[0].shape[!batch_first], 2);
            for (size_t i = 0; i < steps; i++, t++)
                for (size_t b = 0; b < 2; b++)
                    assert_true((answer.outputs[0].data[batch_first ? b * steps + i : i * 2 + b] !=
                                 0) == (t < lengths_of[b]));
            if (part == 0) {
                compute_next_part(&compute);
                assert_int_equal(compute.strands[0].live, 1);
                tick_run_alone(&compute, NULL);
            }
        }
        assert_int_equal(answer.outputs[2].wanted, 2);
        clean_up(NULL);
    }
}

static void what_has_no_steps_to_give_has_no_parts(void **state)
{
    (void)state;
    struct binding binding = {.steps = 3, .rows = 2};
    make_model(false, false);
    want_all_outputs(&binding);
    compute_init(&compute, model, &signature, &binding);
    assert_true(compute_is_divisible(&compute));
    binding.rows = 0;
    compute_init(&compute, model, &signature, &binding);
    assert_false(compute_is_divisible(&compute));
    binding.rows = 2;
    binding.output_count = 1;
    binding.outputs[0] = &signature.outputs[1]; /* h_n */
    compute_init(&compute, model, &signature, &binding);
    assert_false(compute_is_divisible(&compute));
    clean_up(NULL);
    make_model(true, false);
    want_all_outputs(&binding);
    compute_init(&compute, model, &signature, &binding);
    assert_false(compute_is_divisible(&compute));
}

/* More rows than a strand takes; each row's number is all of its input. */
static void rows_are_cut_into_strands_evenly(void **state)
{
    enum { ROWS = 2 * STRAND_ROWS + 7 };
    struct model_row rows[STRAND_ROWS];
    struct binding binding = {.steps = 1, .rows = ROWS};
    (void)state;
    make_model(false, false);
    want_all_outputs(&binding);
    place(&binding);
    compute_clear(&compute);
    assert_int_equal(compute.strand_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const size_t count = compute_strand_rows(&compute.strands[i], 1, rows);
        assert_int_equal(count, i < 2 ? STRAND_ROWS : 7);
        for (size_t b = 0; b < count; b++) {
            assert_ptr_equal(rows[b].input, compute.input + i * STRAND_ROWS + b);
            assert_ptr_equal(rows[b].output, compute.output + i * STRAND_ROWS + b);
            assert_true(rows[b].ends);
        }
    }
    tick_run_alone(&compute, NULL);
    double h = 0, c = 0;
    step(0, &h, &c);
    for (size_t b = 0; b < ROWS; b++)
        near(output_named("h_n")[b], h);
}

/* As many numbers as take several slices, of all kinds of tensors. */
static void what_is_read_in_slices_is_the_same(void **state)
{
    enum { STEPS = 40, ROWS = 2500 };
    static char values[STEPS * ROWS * 3 + 2], states[ROWS * 3 + 2], counts[ROWS * 3 + 2];
    (void)state;
    char *v = values, *s = states, *n = counts;
    for (size_t i = 0; i < (size_t)STEPS * ROWS; i++)
        v += sprintf(v, "%c%zu", i == 0 ? '[' : ',', i % 7);
    for (size_t b = 0; b < ROWS; b++) {
        s += sprintf(s, "%c%zu", b == 0 ? '[' : ',', b % 5);
        n += sprintf(n, "%c%zu", b == 0 ? '[' : ',', b % (STEPS + 1));
    }
    strcpy(v, "]");
    strcpy(s, "]");
    strcpy(n, "]");
    const struct infer_input input = tensor("input", DATATYPE_FP32, STEPS * ROWS, values);
    const struct infer_input c = tensor("c_0", DATATYPE_FP32, ROWS, states);
    const struct infer_input lengths = tensor("lengths", DATATYPE_INT64, ROWS, counts);
    struct binding binding = {
        .steps = STEPS, .rows = ROWS, .input = &input, .c_0 = {&c}, .lengths = &lengths};
    struct fault fault;
    make_model(false, false);
    want_all_outputs(&binding);
    place(&binding);
    size_t slices = 1;
    while (compute_decode(&compute, &fault) == COMPUTE_MORE)
        slices++;
    assert_in_range(slices, 4, 10);
    for (size_t i = 0; i < (size_t)STEPS * ROWS; i++)
        assert_true(compute.input[i] == (float)(i % 7));
    for (size_t b = 0; b < ROWS; b++) {
        assert_int_equal(compute.lengths[b], b % (STEPS + 1));
        assert_true(compute.c[0][b] == (float)(b % 5));
    }
    assert_int_equal(compute.strands[0].live, STRAND_ROWS - 1); /* row 0 has no steps */
}

enum { CELL_ROWS = STRAND_ROWS + 3 };

/* Both directions of a row's state: the row's number and the direction. */
static void states_text(char *text, bool rows_first)
{
    char *at = text;
    for (int i = 0; i < 2 * CELL_ROWS; i++) {
        const int row = rows_first ? i / 2 : i % CELL_ROWS;
        const int direction = rows_first ? i % 2 : i / CELL_ROWS;
        at += sprintf(at, "%c0.%02d%d", i == 0 ? '[' : ',', row, direction);
    }
    strcpy(at, "]");
}

/* forward_h, forward_c, backward_h, backward_c [B] of 2 steps; the first strand's rows have none.
 */
static void run_cells(bool rows_first, float answers[4][CELL_ROWS])
{
    static const char *const names[] = {"forward_h", "forward_c", "backward_h", "backward_c"};
    static char states[2 * CELL_ROWS * 8], values[2 * CELL_ROWS * 2 + 2], counts[CELL_ROWS * 2 + 2];
    struct layer_config layer = {.kind = LAYER_KIND_LSTM, .return_state = true};
    const struct model_config config = {
        .layers = &layer, .layer_count = 1, .tensors.states_batch_first = rows_first};
    struct fault fault;
    states_text(states, rows_first);
    for (int i = 0; i < 2 * CELL_ROWS; i++)
        sprintf(values + 2 * i, "%c%d", i == 0 ? '[' : ',', i % 7);
    for (int b = 0; b < CELL_ROWS; b++)
        sprintf(counts + 2 * b, "%c%d", b == 0 ? '[' : ',', b < STRAND_ROWS ? 0 : 2);
    strcat(values, "]");
    strcat(counts, "]");
    make_model(true, false);
    if (!signature_init(&signature, model, &config, &fault))
        fail_msg("%s", fault.text);
    const struct infer_input input = tensor("input", DATATYPE_FP32, 2 * CELL_ROWS, values);
    const struct infer_input h = tensor("h_0", DATATYPE_FP32, 2 * CELL_ROWS, states);
    const struct infer_input lengths = tensor("lengths", DATATYPE_INT64, CELL_ROWS, counts);
    struct binding binding = {.steps = 2,
                              .rows = CELL_ROWS,
                              .input = &input,
                              .h_0 = {&h},
                              .c_0 = {&h},
                              .lengths = &lengths};
    want_all_outputs(&binding);
    run(&binding);
    for (int i = 0; i < 4; i++)
        memcpy(answers[i], output_named(names[i]), sizeof answers[i]);
    clean_up(NULL);
}

/* With h_0 as [B,cells,n] the cells' own [B,n] were cut out of that. */
static void bug_429_cells_are_answered_whatever_the_layout_of_states(void **state)
{
    static float usual[4][CELL_ROWS], rows_first[4][CELL_ROWS];
    (void)state;
    run_cells(false, usual);
    run_cells(true, rows_first);
    assert_true(usual[0][0] == 0.0f && usual[2][0] == 0.001f); /* no steps: as they were */
    assert_true(usual[0][5] == 0.05f && usual[3][5] == 0.051f);
    assert_memory_equal(usual, rows_first, sizeof usual);
}

static void cleared_inputs_are_zeros_of_full_length(void **state)
{
    (void)state;
    struct binding binding = {.steps = 2, .rows = 1};
    double h = 0, c = 0;
    make_model(false, false);
    want_all_outputs(&binding);
    place(&binding);
    compute_clear(&compute);
    tick_run_alone(&compute, NULL);
    step(0, &h, &c);
    step(0, &h, &c);
    near(output_named("output")[1], h);
    near(output_named("c_n")[0], c);
}

enum { WIDE = 96, WIDE_STEPS = 40, WIDE_ROWS = 16 };

static void make_wide_model(void)
{
    static float ih[4 * WIDE * WIDE], hh[4 * WIDE * WIDE];
    struct random random = {7};
    random_floats(&random, ih, sizeof ih / sizeof *ih, 0.2f);
    random_floats(&random, hh, sizeof hh / sizeof *hh, 0.2f);
    const struct lstm_weights weights = {.weight_ih = ih, .weight_hh = hh};
    const struct layer_spec layer = {
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = WIDE, .hidden_size = WIDE, .num_layers = 1, .weights = &weights},
    };
    struct fault fault;
    model = model_create(&layer, 1, kernel_find(NULL));
    assert_non_null(model);
    assert_true(signature_init(&signature, model, &(struct model_config){0}, &fault));
}

/* The wide model's answer to one random input. */
static float *wide_answer(const struct binding *binding, size_t steps, size_t members)
{
    const size_t floats = (size_t)WIDE_STEPS * WIDE_ROWS * WIDE;
    struct random random = {11};
    size_t bytes;
    compute_init(&compute, model, &signature, binding);
    assert_true(compute_plan(&compute, TEAM_MAX, false, &bytes));
    void *memory = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes);
    float *answer = malloc(floats * sizeof *answer);
    assert_true(memory != NULL && answer != NULL);
    compute_place(&compute, memory);
    compute_clear(&compute);
    random_floats(&random, compute.input, floats, 1.0f);
    run_in_ticks(steps, members);
    memcpy(answer, compute.output, floats * sizeof *answer);
    free(memory);
    return answer;
}

static void helpers_do_not_change_a_bit(void **state)
{
    (void)state;
    struct binding binding = {.steps = WIDE_STEPS, .rows = WIDE_ROWS};
    make_wide_model();
    want_all_outputs(&binding);
    float *alone = wide_answer(&binding, WIDE_STEPS, 1);
    for (int i = 0; i < 50; i++) {
        float *together = wide_answer(&binding, 7, TEAM_MAX);
        assert_memory_equal(alone, together, (size_t)WIDE_STEPS * WIDE_ROWS * WIDE * sizeof *alone);
        free(together);
    }
    free(alone);
}

/* ---- other networks ---- */

/* An embedding of three numbers, and the LSTM over it, whose last step comes out alone. */
static void make_text_model(void)
{
    static const float table[] = {-1, 0.5f, 2};
    const struct layer_spec layers[] = {
        {.type = LAYER_EMBEDDING,
         .as.embedding = {.num_embeddings = 3, .embedding_dim = 1, .weight = table}},
        {.type = LAYER_LSTM,
         .as.lstm = {.input_size = 1,
                     .hidden_size = 1,
                     .num_layers = 1,
                     .last_only = true,
                     .weights = directions}},
    };
    struct fault fault;
    model = model_create(layers, 2, kernel_find("scalar"));
    assert_non_null(model);
    assert_true(
        signature_init(&signature, model, &(struct model_config){.batch_first = true}, &fault));
}

static void a_vector_comes_out_at_each_row_s_end(void **state)
{
    (void)state;
    make_text_model();
    const struct infer_input input = tensor("input", DATATYPE_INT64, 6, "[2,1,0, 1,0,2]");
    const struct infer_input lengths = tensor("lengths", DATATYPE_INT64, 3, "[2,0,1]");
    struct binding binding = {.steps = 2, .rows = 3, .input = &input, .lengths = &lengths};
    double h = 0, c = 0;
    want_all_outputs(&binding);
    run(&binding);
    step(2, &h, &c);
    step(0.5, &h, &c);
    assert_true(fabs((double)compute.output[0] - h) < 1e-6);
    assert_true(compute.output[1] == 0.0f);
    h = c = 0;
    step(-1, &h, &c);
    assert_true(fabs((double)compute.output[2] - h) < 1e-6);
}

static void numbers_an_embedding_does_not_have_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *data, *wanted;
    } cases[] = {
        {"[0,1,3]", "input 'input' element 2: 0 to 2 expected, got 3"},
        {"[0,-1,2]", "input 'input' element 1: 0 to 2 expected, got -1"},
    };
    make_text_model();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault fault = {0};
        const struct infer_input input = tensor("input", DATATYPE_INT64, 3, cases[i].data);
        struct binding binding = {.steps = 3, .rows = 1, .input = &input};
        free(block);
        place(&binding);
        assert_int_equal(decode(&fault), COMPUTE_FAILED);
        assert_int_equal(fault.status, 400);
        assert_string_equal(fault.text, cases[i].wanted);
    }
}

/* ---- rows that stand each for itself ---- */

static struct infer_input input_of_rows(enum datatype datatype, const struct tensor_row *rows,
                                        size_t rank, const uint64_t *shape, size_t row_axis)
{
    struct infer_input input = {.datatype = datatype,
                                .rank = rank,
                                .elements = 1,
                                .form = TENSOR_ROWS,
                                .rows = rows,
                                .row_axis = row_axis};
    strcpy(input.name, "input");
    for (size_t i = 0; i < rank; i++) {
        input.shape[i] = shape[i];
        input.elements *= shape[i];
    }
    return input;
}

static void they_say_how_long_they_are_and_are_answered_so(void **state)
{
    (void)state;
    static const struct tensor_row rows[] = {
        {"[[1],[2],[3]]", 13, 3}, {"[]", 2, 0}, {"[[4]]", 5, 1}};
    struct infer_answer answer;
    make_model(true, false);
    const struct infer_input lengths = tensor("lengths", DATATYPE_INT64, 3, "[3,0,1]");
    const struct infer_input padded = tensor("input", DATATYPE_FP32, 9, "[1,9,4, 2,9,9, 3,9,9]");
    struct binding binding = {.steps = 3, .rows = 3, .input = &padded, .lengths = &lengths};
    float wanted[18];
    want_all_outputs(&binding);
    run(&binding);
    memcpy(wanted, compute.output, sizeof wanted);
    compute_answer(&compute, &answer);
    assert_null(answer.outputs[0].row_steps);
    free(block);
    const struct infer_input apart =
        input_of_rows(DATATYPE_FP32, rows, 3, (const uint64_t[]){3, 3, 1}, 1);
    binding.input = &apart;
    binding.lengths = NULL;
    run(&binding);
    assert_memory_equal(compute.output, wanted, sizeof wanted);
    compute_answer(&compute, &answer);
    assert_int_equal(answer.outputs[0].row_axis, 1);
    for (size_t b = 0; b < 3; b++)
        assert_int_equal(answer.outputs[0].row_steps[b], rows[b].steps);
    assert_null(answer.outputs[1].row_steps);
}

/* What a shorter row lacks is no number at all. */
static void an_embedding_s_numbers_end_where_the_row_does(void **state)
{
    (void)state;
    static const struct tensor_row rows[] = {{"[2,1]", 5, 2}, {"[0]", 3, 1}};
    double h = 0, c = 0;
    make_text_model();
    const struct infer_input input =
        input_of_rows(DATATYPE_INT64, rows, 2, (const uint64_t[]){2, 2}, 0);
    struct binding binding = {.steps = 2, .rows = 2, .input = &input};
    want_all_outputs(&binding);
    run(&binding);
    step(-1, &h, &c);
    assert_true(fabs((double)compute.output[1] - h) < 1e-6);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(steps_and_rows_are_where_the_layout_says),
        TEST(batch_first_turns_them_around),
        TEST(states_go_in_and_come_out),
        TEST(ragged_rows_end_early_and_are_padded_with_zeros),
        TEST(both_directions_of_a_ragged_row_start_at_its_own_ends),
        TEST(helpers_do_not_change_a_bit),
        TEST(outputs_come_in_the_order_wanted),
        TEST(lengths_out_of_range_are_named),
        TEST(no_steps_leave_the_states_as_they_were),
        TEST(no_rows_of_very_many_steps_take_no_time),
        TEST(sizes_that_overflow_are_refused),
        TEST(pieces_change_no_bit),
        TEST(parts_together_are_the_whole),
        TEST(what_has_no_steps_to_give_has_no_parts),
        TEST(rows_are_cut_into_strands_evenly),
        TEST(what_is_read_in_slices_is_the_same),
        TEST(bug_429_cells_are_answered_whatever_the_layout_of_states),
        TEST(cleared_inputs_are_zeros_of_full_length),
        TEST(a_vector_comes_out_at_each_row_s_end),
        TEST(numbers_an_embedding_does_not_have_are_named),
        TEST(they_say_how_long_they_are_and_are_answered_so),
        TEST(an_embedding_s_numbers_end_where_the_row_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
