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

enum { LINEAR_CASES = 3000, STEP_CASES = 3000, CELL_CASES = 20000, ROWS_MAX = 14 };

/* Bits alike, or both NaN: which NaN comes out of two is nobody's promise. */
static bool same_floats(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

/* Mostly small, with every residue; sometimes deep; now and then so deep that the matrix is far
 * larger than a core's caches, which kernels may treat otherwise. */
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

/* One random call of linear, run by two kernels. */
static void compare_linear(const struct kernel *kernel, uint64_t seed)
{
    struct random random = {seed};
    const size_t columns = random_size(&random, 1, 140), depth = random_depth(&random);
    const size_t rows = random_size(&random, 1, ROWS_MAX);
    float *weight = random_block(&random, columns * depth, 1.0f);
    float *bias = random_block(&random, columns, 1.0f);
    struct panels panels;
    assert_true(panels_pack_linear(&panels, kernel->layout, weight, bias, columns, depth));
    const size_t stride = PANEL_WIDTH + (random_size(&random, 0, 1) ? 0 : 40);
    const size_t row_floats =
        (panels.panel_count - 1) * stride + columns - (panels.panel_count - 1) * PANEL_WIDTH;
    struct guarded x[ROWS_MAX], y[2][ROWS_MAX];
    const float *xs[ROWS_MAX];
    float *ys[2][ROWS_MAX];
    for (size_t r = 0; r < rows; r++) {
        x[r] = guarded_create(depth, random_size(&random, 0, 15));
        random_floats(&random, x[r].floats, depth, 2.0f);
        xs[r] = x[r].floats;
        for (int k = 0; k < 2; k++) {
            y[k][r] = guarded_create(row_floats, random_size(&random, 0, 15));
            memset(y[k][r].floats, 0x55, row_floats * sizeof(float));
            ys[k][r] = y[k][r].floats;
        }
    }
    const size_t first = random_size(&random, 0, panels.panel_count - 1);
    struct kernel_linear call = {
        .w = &panels,
        .x = xs,
        .y_stride = stride,
        .row_count = rows,
        .first_panel = first,
        .end_panel = random_size(&random, first, panels.panel_count),
        .descending = random_size(&random, 0, 1) == 1,
    };
    call.y = ys[0];
    kernel_scalar.linear(&call);
    call.y = ys[1];
    kernel->linear(&call);
    for (size_t r = 0; r < rows; r++) {
        if (!same_floats(ys[0][r], ys[1][r], row_floats) || !guarded_intact(&y[1][r]))
            fail_msg("%s.linear, seed %llu: row %zu of [%zu,%zu]x%zu differs", kernel->name,
                     (unsigned long long)seed, r, columns, depth, rows);
        guarded_destroy(&x[r]);
        guarded_destroy(&y[0][r]);
        guarded_destroy(&y[1][r]);
    }
    panels_fini(&panels);
    free(weight);
    free(bias);
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

static void compare_step(const struct kernel *kernel, uint64_t seed)
{
    struct random random = {seed};
    const size_t hidden = random_size(&random, 1, 45), depth = random_depth(&random);
    const size_t rows = random_size(&random, 1, ROWS_MAX);
    float *weight = random_block(&random, 4 * hidden * depth, 1.0f);
    struct panels panels;
    assert_true(panels_pack_gates(&panels, kernel->layout, weight, NULL, NULL, hidden, depth));
    const size_t stride = (rows + random_size(&random, 0, 3)) * PANEL_WIDTH;
    const struct random same = random;
    struct step_rows s[2];
    const size_t first = random_size(&random, 0, panels.panel_count - 1);
    const size_t end = random_size(&random, first, panels.panel_count);
    const bool descending = random_size(&random, 0, 1) == 1, cold = random_size(&random, 0, 1) == 1;
    for (int k = 0; k < 2; k++) {
        random = same;
        step_rows_init(&s[k], &random, rows, hidden, depth, panels.panel_count * stride);
        const struct kernel_lstm_step step = {
            .recurrent = &panels,
            .gates = s[k].gates.floats,
            .gates_stride = stride,
            .h_before = s[k].h_befores,
            .c = s[k].cs,
            .h_after = s[k].h_afters,
            .hidden_size = hidden,
            .row_count = rows,
            .first_panel = first,
            .end_panel = end,
            .descending = descending,
            .cold = cold,
        };
        (k == 0 ? &kernel_scalar : kernel)->lstm_step(&step);
    }
    for (size_t r = 0; r < rows; r++)
        if (!same_floats(s[0].cs[r], s[1].cs[r], hidden) ||
            !same_floats(s[0].h_afters[r], s[1].h_afters[r], hidden) ||
            !guarded_intact(&s[1].gates) || !guarded_intact(&s[1].c[r]) ||
            !guarded_intact(&s[1].h_after[r]))
            fail_msg("%s.lstm_step, seed %llu: row %zu of H=%zu P=%zu x%zu differs", kernel->name,
                     (unsigned long long)seed, r, hidden, depth, rows);
    step_rows_fini(&s[0], rows);
    step_rows_fini(&s[1], rows);
    panels_fini(&panels);
    free(weight);
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
        cmocka_unit_test(every_kernel_computes_the_scalar_bits_of_any_cell),
        cmocka_unit_test(every_kernel_computes_the_scalar_bits_of_the_activations),
        cmocka_unit_test(the_table_finds_kernels_by_name),
        cmocka_unit_test(the_best_supported_kernel_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
