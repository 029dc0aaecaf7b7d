/* Every kernel against the scalar one: random shapes with every residue of 8 and of rows side by
 * side, random offsets from alignment, canaries around every buffer that is written, bits compared.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "core/kernels.h"
#include "tests/support/cells.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

enum { LINEAR_CASES = 3000, STEP_CASES = 3000, CELL_CASES = 20000, LARGE_CASES = 45 };
enum { ROWS_MAX = 64, FEW_ROWS = 14 };

/* Bits alike, or both NaN: which NaN comes out of two is nobody's promise. */
static bool same_floats(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

/* Mostly small, with every residue; sometimes deep; now and then so deep that the matrix is larger
 * than a core's first caches, which kernels may treat otherwise. */
static size_t random_depth(struct random *random)
{
    const size_t kind = random_size(random, 0, 47);
    return kind == 0  ? random_size(random, 900, 1300)
           : kind < 8 ? random_size(random, 120, 400)
                      : random_size(random, 1, 70);
}

static float *random_block(struct random *random, size_t count, float scale)
{
    float *block = malloc(count * sizeof *block);
    assert_non_null(block);
    random_floats(random, block, count, scale);
    return block;
}

/* What kernels are called with: rows, and panels of a matrix that may be too large to be computed
 * whole. */
struct call {
    size_t rows, first, end;
    bool descending, cold;
};

static struct call random_call(struct random *random, const struct panels *panels, size_t rows_max,
                               size_t panels_max)
{
    const size_t count = panels->panel_count;
    const size_t most = count < panels_max ? count : panels_max;
    const bool last = random_size(random, 0, 1) == 1;
    struct call call = {.rows = random_size(random, 1, rows_max)};
    call.first = last ? count - random_size(random, 1, most) : random_size(random, 0, count - 1);
    const size_t left = count - call.first;
    call.end = call.first + (last ? left : random_size(random, 0, left < most ? left : most));
    call.descending = random_size(random, 0, 1) == 1;
    call.cold = random_size(random, 0, 1) == 1;
    return call;
}

/* One random call of linear, run by two kernels. */
static void compare_linear_call(const struct kernel *kernel, const struct panels *panels,
                                const struct call *call, struct random random, uint64_t seed)
{
    const size_t before = (panels->panel_count - 1) * PANEL_WIDTH;
    const size_t stride = PANEL_WIDTH + (random_size(&random, 0, 1) ? 0 : 40);
    const size_t row_floats = (panels->panel_count - 1) * stride + panels->columns - before;
    struct guarded x[ROWS_MAX], y[2][ROWS_MAX];
    const float *xs[ROWS_MAX];
    float *ys[2][ROWS_MAX];
    for (size_t r = 0; r < call->rows; r++) {
        x[r] = guarded_create(panels->depth, random_size(&random, 0, 15));
        random_floats(&random, x[r].floats, panels->depth, 2.0f);
        xs[r] = x[r].floats;
        for (int k = 0; k < 2; k++) {
            y[k][r] = guarded_create(row_floats, random_size(&random, 0, 15));
            memset(y[k][r].floats, 0x55, row_floats * sizeof(float));
            ys[k][r] = y[k][r].floats;
        }
    }
    for (int k = 0; k < 2; k++)
        (k == 0 ? &kernel_scalar : kernel)
            ->linear(&(struct kernel_linear){
                .w = panels,
                .x = xs,
                .y = ys[k],
                .y_stride = stride,
                .row_count = call->rows,
                .first_panel = call->first,
                .end_panel = call->end,
                .descending = call->descending,
            });
    for (size_t r = 0; r < call->rows; r++) {
        if (!same_floats(ys[0][r], ys[1][r], row_floats) || !guarded_intact(&y[1][r]))
            fail_msg("%s.linear, seed %llu: row %zu of [%zu,%zu]x%zu differs", kernel->name,
                     (unsigned long long)seed, r, panels->columns, panels->depth, call->rows);
        guarded_destroy(&x[r]);
        guarded_destroy(&y[0][r]);
        guarded_destroy(&y[1][r]);
    }
}

static struct panels random_linear(const struct kernel *kernel, struct random *random,
                                   size_t columns, size_t depth)
{
    float *weight = random_block(random, columns * depth, 1.0f);
    float *bias = random_block(random, columns, 1.0f);
    struct panels panels;
    assert_true(panels_pack_linear(&panels, kernel->layout, weight, bias, columns, depth));
    free(weight);
    free(bias);
    return panels;
}

static void compare_linear(const struct kernel *kernel, uint64_t seed)
{
    struct random random = {seed};
    const size_t columns = random_size(&random, 1, 140), depth = random_depth(&random);
    struct panels panels = random_linear(kernel, &random, columns, depth);
    const struct call call = random_call(&random, &panels, FEW_ROWS, panels.panel_count);
    compare_linear_call(kernel, &panels, &call, random, seed);
    panels_fini(&panels);
}

struct step_rows {
    struct guarded gates, h_before[ROWS_MAX], c[ROWS_MAX], h_after[ROWS_MAX];
    const float *h_befores[ROWS_MAX];
    float *cs[ROWS_MAX], *h_afters[ROWS_MAX];
};

static void step_rows_init(struct step_rows *s, struct random *random, size_t rows, size_t hidden,
                           size_t depth, size_t gates)
{
    s->gates = guarded_create(gates, random_size(random, 0, 15));
    random_floats(random, s->gates.floats, gates, 20.0f);
    for (size_t r = 0; r < rows; r++) {
        s->h_before[r] = guarded_create(depth, random_size(random, 0, 15));
        s->c[r] = guarded_create(hidden, random_size(random, 0, 15));
        s->h_after[r] = guarded_create(hidden, random_size(random, 0, 15));
        random_floats(random, s->h_before[r].floats, depth, 1.0f);
        random_floats(random, s->c[r].floats, hidden, 2.0f);
        s->h_befores[r] = s->h_before[r].floats;
        s->cs[r] = s->c[r].floats;
        s->h_afters[r] = s->h_after[r].floats;
        memset(s->h_afters[r], 0x55, hidden * sizeof(float));
    }
}

static void step_rows_fini(struct step_rows *s, size_t rows)
{
    guarded_destroy(&s->gates);
    for (size_t r = 0; r < rows; r++) {
        guarded_destroy(&s->h_before[r]);
        guarded_destroy(&s->c[r]);
        guarded_destroy(&s->h_after[r]);
    }
}

static void compare_step_call(const struct kernel *kernel, const struct panels *panels,
                              size_t hidden, const struct call *call, struct random random,
                              uint64_t seed)
{
    const size_t stride = (call->rows + random_size(&random, 0, 3)) * PANEL_WIDTH;
    const struct random same = random;
    struct step_rows s[2];
    for (int k = 0; k < 2; k++) {
        random = same;
        step_rows_init(&s[k], &random, call->rows, hidden, panels->depth,
                       panels->panel_count * stride);
        const struct kernel_lstm_step step = {
            .recurrent = panels,
            .gates = s[k].gates.floats,
            .gates_stride = stride,
            .h_before = s[k].h_befores,
            .c = s[k].cs,
            .h_after = s[k].h_afters,
            .hidden_size = hidden,
            .row_count = call->rows,
            .first_panel = call->first,
            .end_panel = call->end,
            .descending = call->descending,
            .cold = call->cold,
        };
        (k == 0 ? &kernel_scalar : kernel)->lstm_step(&step);
    }
    for (size_t r = 0; r < call->rows; r++)
        if (!same_floats(s[0].cs[r], s[1].cs[r], hidden) ||
            !same_floats(s[0].h_afters[r], s[1].h_afters[r], hidden) ||
            !guarded_intact(&s[1].gates) || !guarded_intact(&s[1].c[r]) ||
            !guarded_intact(&s[1].h_after[r]))
            fail_msg("%s.lstm_step, seed %llu: row %zu of H=%zu P=%zu x%zu differs", kernel->name,
                     (unsigned long long)seed, r, hidden, panels->depth, call->rows);
    step_rows_fini(&s[0], call->rows);
    step_rows_fini(&s[1], call->rows);
}

static struct panels random_gates(const struct kernel *kernel, struct random *random, size_t hidden,
                                  size_t depth)
{
    float *weight = random_block(random, 4 * hidden * depth, 1.0f);
    float *bias = random_block(random, 4 * hidden, 1.0f);
    struct panels panels;
    assert_true(panels_pack_gates(&panels, kernel->layout, weight, bias, NULL, hidden, depth));
    free(weight);
    free(bias);
    return panels;
}

static void compare_step(const struct kernel *kernel, uint64_t seed)
{
    struct random random = {seed};
    const size_t hidden = random_size(&random, 1, 45), depth = random_depth(&random);
    struct panels panels = random_gates(kernel, &random, hidden, depth);
    const struct call call = random_call(&random, &panels, FEW_ROWS, panels.panel_count);
    compare_step_call(kernel, &panels, hidden, &call, random, seed);
    panels_fini(&panels);
}

/* Larger than each of a machine's caches in turn: how kernels ask for weights ahead, and what they
 * put side by side, depends on that and on the rows. Some of the panels will do. */
static void compare_large(const struct kernel *kernel, size_t bytes)
{
    enum { DEPTH = 301, PANELS = 6 };
    struct random random = {bytes};
    const size_t panel_count = bytes / (DEPTH * PANEL_WIDTH * sizeof(float)) + 2;
    const size_t hidden = panel_count * PANEL_LANES - 3;
    struct panels linear = random_linear(kernel, &random, panel_count * PANEL_WIDTH - 3, DEPTH);
    struct panels gates = random_gates(kernel, &random, hidden, DEPTH);
    for (uint64_t i = 0; i < LARGE_CASES; i++) {
        random_bits(&random);
        const size_t rows = i % 3 == 0 ? 1 : i % 3 == 1 ? FEW_ROWS : ROWS_MAX;
        struct call call = random_call(&random, &linear, rows, PANELS);
        compare_linear_call(kernel, &linear, &call, random, i);
        call = random_call(&random, &gates, rows, PANELS);
        compare_step_call(kernel, &gates, hidden, &call, random, i);
    }
    panels_fini(&linear);
    panels_fini(&gates);
}

enum { UNITS = 61 }; /* at once; the last panel is not full */

/* Half the numbers where a cell does something else than next to them, half any bits at all. */
static float random_number(struct random *random)
{
    static const float special[] = {0.0f,      -0.0f, 0x1p-149f, -0x1p-149f, 0x1p-126f, 87.0f,
                                    -87.0f,    87.5f, -87.5f,    9.02f,      -9.02f,    9.1f,
                                    -9.1f,     0.35f, -0.35f,    1.0f,       -1.0f,     INFINITY,
                                    -INFINITY, 3e38f, -3e38f,    NAN};
    if (random_size(random, 0, 1) == 0)
        return special[random_size(random, 0, sizeof special / sizeof special[0] - 1)];
    const uint32_t bits = (uint32_t)random_size(random, 0, UINT32_MAX);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void compare_cells(const struct kernel *kernel, uint64_t seed)
{
    struct random random = {seed};
    struct cell_case cases[UNITS];
    float c[2][UNITS], h[2][UNITS];
    for (size_t u = 0; u < UNITS; u++)
        cases[u] = (struct cell_case){random_number(&random), random_number(&random),
                                      random_number(&random), random_number(&random),
                                      random_number(&random)};
    cells_run(&kernel_scalar, cases, UNITS, c[0], h[0]);
    cells_run(kernel, cases, UNITS, c[1], h[1]);
    if (!same_floats(c[0], c[1], UNITS) || !same_floats(h[0], h[1], UNITS))
        fail_msg("%s: the cells of seed %llu differ", kernel->name, (unsigned long long)seed);
}

static void for_each_kernel(void (*check)(const struct kernel *, uint64_t), uint64_t cases)
{
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++)
        if ((*k)->supported())
            for (uint64_t seed = 1; seed <= cases; seed++)
                check(*k, seed);
}

static void every_kernel_computes_the_scalar_bits_of_linear(void **state)
{
    (void)state;
    for_each_kernel(compare_linear, LINEAR_CASES);
}

static void every_kernel_computes_the_scalar_bits_of_an_lstm_step(void **state)
{
    (void)state;
    for_each_kernel(compare_step, STEP_CASES);
}

static void every_kernel_computes_the_scalar_bits_of_matrices_of_any_size(void **state)
{
    (void)state;
    static const size_t kib[] = {500, 3 << 10, 7 << 10, 13 << 10, 25 << 10};
    for (const struct kernel *const *k = kernel_table; *k != &kernel_scalar; k++)
        for (size_t i = 0; (*k)->supported() && i < sizeof kib / sizeof kib[0]; i++)
            compare_large(*k, kib[i] << 10);
}

static void every_kernel_computes_the_scalar_bits_of_any_cell(void **state)
{
    (void)state;
    for_each_kernel(compare_cells, CELL_CASES);
}

/* 4,099 bit patterns apart, so that neighbours in a vector differ in kind; then all tail lengths.
 */
static void compare_activations(const struct kernel *kernel, enum activation kind)
{
    struct activation_function function;
    assert_true(activation_from_name(activation_name(kind), &function));
    enum { COUNT = 1021 };
    float in[COUNT], out[COUNT], expected[COUNT];
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32;) {
        for (size_t i = 0; i < COUNT; i++, bits += 4099) {
            const uint32_t low = (uint32_t)bits;
            memcpy(&in[i], &low, sizeof low);
        }
        memcpy(out, in, sizeof in);
        memcpy(expected, in, sizeof in);
        kernel_scalar.activate(&function, expected, COUNT);
        kernel->activate(&function, out, COUNT);
        if (!same_floats(expected, out, COUNT))
            fail_msg("%s.activate(%s) differs below bits %llx", kernel->name, activation_name(kind),
                     (unsigned long long)bits);
    }
    /* What a sample of bit patterns steps over: zeros, the ends of the denormals, limits,
     * infinities. */
    static const uint32_t special[] = {0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff,
                                       0x807fffff, 0x00800000, 0x80800000, 0x42b00000, 0xc2b00000,
                                       0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000};
    memcpy(in, special, sizeof special);
    memcpy(out, in, sizeof in);
    memcpy(expected, in, sizeof in);
    kernel_scalar.activate(&function, expected, COUNT);
    kernel->activate(&function, out, COUNT);
    assert_true(same_floats(expected, out, COUNT));
    for (size_t count = 0; count < 20; count++) {
        struct guarded tail = guarded_create(count, 3);
        memcpy(tail.floats, in, count * sizeof(float));
        kernel->activate(&function, tail.floats, count);
        assert_true(same_floats(expected, tail.floats, count) && guarded_intact(&tail));
        guarded_destroy(&tail);
    }
}

static void every_kernel_computes_the_scalar_bits_of_the_activations(void **state)
{
    (void)state;
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++)
        if ((*k)->supported())
            for (int a = 0; a < ACTIVATIONS; a++)
                if (!activation_is_vector((enum activation)a))
                    compare_activations(*k, (enum activation)a);
}

static void the_table_finds_kernels_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(kernel_find("scalar"), &kernel_scalar);
    assert_null(kernel_find("AVX2"));
    assert_null(kernel_find(""));
}

/* Of a machine with AVX-512 it is the widest, of an older one AVX2. */
static void the_best_supported_kernel_is_taken(void **state)
{
    (void)state;
    assert_ptr_equal(kernel_find(NULL), kernel_avx512.supported() ? &kernel_avx512
                                        : kernel_avx2.supported() ? &kernel_avx2
                                                                  : &kernel_scalar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_computes_the_scalar_bits_of_linear),
        cmocka_unit_test(every_kernel_computes_the_scalar_bits_of_an_lstm_step),
        cmocka_unit_test(every_kernel_computes_the_scalar_bits_of_matrices_of_any_size),
        cmocka_unit_test(every_kernel_computes_the_scalar_bits_of_any_cell),
        cmocka_unit_test(every_kernel_computes_the_scalar_bits_of_the_activations),
        cmocka_unit_test(the_table_finds_kernels_by_name),
        cmocka_unit_test(the_best_supported_kernel_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
