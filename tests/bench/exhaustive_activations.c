/* Every activation and the cell of every kernel over all 2^32 floats: the kernels' bits against the
 * scalar definition's, and that definition's error against the promises of core/activation.h and
 * core/cell.h. `make exhaustive`; some minutes on two processors. Prints TAP, and the worst input
 * of each bound. */
#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/activation.h"
#include "core/kernel.h"
#include "tests/support/cells.h"
#include "tests/support/die.h"
#include "tests/support/float_bits.h"

enum {
    BLOCK_BITS = 14, /* floats a block: 2^14, in and out fit the second-level cache */
    BLOCK = 1 << BLOCK_BITS,
    BLOCKS = 1 << (32 - BLOCK_BITS),
    PROGRESS_STEPS = 20,
    COMPARED = ACTIVATION_HARD_SIGMOID + 1, /* kinds that kernels may compute their own way */
    KERNELS_MAX = 8,
};

/* The promises. */
enum bound {
    BOUND_SIGMOID_ULPS,
    BOUND_SIGMOID_TAIL_ULPS,
    BOUND_SIGMOID_ABSOLUTE,
    BOUND_TANH_ULPS,
    BOUND_TANH_ABSOLUTE,
    BOUND_CELL_SIGMOID_ULPS,
    BOUND_CELL_SIGMOID_TAIL_ULPS,
    BOUND_CELL_SIGMOID_ABSOLUTE,
    BOUND_CELL_TANH_ULPS,
    BOUND_CELL_TANH_ABSOLUTE,
    BOUNDS,
};

#define TAIL_END (-20.0f) /* where the sigmoid's looser bound begins */
#define CUT      (-87.0f) /* where a cell's sigmoid stays what it is */
#define OPEN     200.0f   /* a gate that is exactly 1 */

static const struct {
    const char *text;
    double largest;
} bounds[BOUNDS] = {
    [BOUND_SIGMOID_ULPS] = {"sigmoid above -20, units in the last place", 2.7},
    [BOUND_SIGMOID_TAIL_ULPS] = {"sigmoid from -20 down, units in the last place", 4.5},
    [BOUND_SIGMOID_ABSOLUTE] = {"sigmoid above -20, absolute", 7.2e-8},
    [BOUND_TANH_ULPS] = {"tanh, units in the last place", 2.4},
    [BOUND_TANH_ABSOLUTE] = {"tanh, absolute", 9e-8},
    [BOUND_CELL_SIGMOID_ULPS] = {"a cell's sigmoid above -20, units in the last place", 3.3},
    [BOUND_CELL_SIGMOID_TAIL_ULPS] = {"a cell's sigmoid from -20 to -87, units in the last place",
                                      5.5},
    [BOUND_CELL_SIGMOID_ABSOLUTE] = {"a cell's sigmoid, absolute", 1e-7},
    [BOUND_CELL_TANH_ULPS] = {"a cell's tanh, units in the last place", 2.9},
    [BOUND_CELL_TANH_ABSOLUTE] = {"a cell's tanh, absolute", 1.7e-7},
};

/* Inputs are kept as bit patterns: NaNs have payloads. */
struct worst {
    double error;
    uint32_t input;
};

struct count {
    uint64_t count;
    uint32_t first; /* input of the first one counted */
};

struct tally {
    struct count different[KERNELS_MAX][COMPARED];
    struct count cells_different[KERNELS_MAX];
    struct count bad_limits; /* NaN not kept, out of range, denormal or zero changed by tanh */
    struct worst worst[BOUNDS];
};

struct survey {
    const struct kernel *definition; /* the scalar kernel */
    atomic_uint next_block;
};

struct member {
    struct survey *survey;
    struct tally tally;
    pthread_t thread;
    float input[BLOCK], found[BLOCK];
    float wanted[COMPARED][BLOCK];
    struct cell_case cells[BLOCK];  /* all five numbers the input */
    float c[2][BLOCK], h[2][BLOCK]; /* the definition's and a kernel's */
};

static void count_one(struct count *count, uint32_t input)
{
    if (count->count++ == 0)
        count->first = input;
}

/* ---- a kernel's bits ---- */

static bool same(float a, float b)
{
    return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

static struct activation_function function_of(enum activation kind)
{
    struct activation_function function = {0};
    if (!activation_from_name(activation_name(kind), &function))
        die("no activation %d", (int)kind);
    return function;
}

static void compare_activation(struct member *member, const struct kernel *kernel,
                               enum activation activation, struct count *different)
{
    memcpy(member->found, member->input, sizeof member->found);
    const struct activation_function function = function_of(activation);
    kernel->activate(&function, member->found, BLOCK);
    for (size_t i = 0; i < BLOCK; i++)
        if (!same(member->found[i], member->wanted[activation][i]))
            count_one(different, bits_of(member->input[i]));
}

static void compare_cells(struct member *member, const struct kernel *kernel,
                          struct count *different)
{
    cells_run(kernel, member->cells, BLOCK, member->c[1], member->h[1]);
    for (size_t i = 0; i < BLOCK; i++)
        if (!same(member->c[0][i], member->c[1][i]) || !same(member->h[0][i], member->h[1][i]))
            count_one(different, bits_of(member->input[i]));
}

static bool is_compared(const struct kernel *kernel, const struct kernel *definition)
{
    return kernel != definition && kernel->supported();
}

static void compare_kernels(struct member *member)
{
    for (size_t k = 0; kernel_table[k] != NULL; k++) {
        if (!is_compared(kernel_table[k], member->survey->definition))
            continue;
        for (int a = 0; a < COMPARED; a++)
            compare_activation(member, kernel_table[k], (enum activation)a,
                               &member->tally.different[k][a]);
        compare_cells(member, kernel_table[k], &member->tally.cells_different[k]);
    }
}

/* ---- the definition's error ---- */

static double ulp_of(double exact)
{
    int exponent;
    frexp(exact, &exponent);
    return fabs(exact) < FLT_MIN ? 0x1p-149 : ldexp(1.0, exponent - FLT_MANT_DIG);
}

static void note(struct worst *worst, double error, float input)
{
    if (error > worst->error)
        *worst = (struct worst){error, bits_of(input)};
}

static void judge_sigmoid(struct tally *tally, float x, float found)
{
    const double exact = 1.0 / (1.0 + exp(-(double)x));
    const double error = fabs((double)found - exact);
    if (x > TAIL_END) {
        note(&tally->worst[BOUND_SIGMOID_ULPS], error / ulp_of(exact), x);
        note(&tally->worst[BOUND_SIGMOID_ABSOLUTE], error, x);
    } else if (exact >= FLT_MIN || found > FLT_MIN) { /* below, 0 will do */
        note(&tally->worst[BOUND_SIGMOID_TAIL_ULPS], error / ulp_of(exact), x);
    }
    if (!(found >= 0.0f && found <= 1.0f))
        count_one(&tally->bad_limits, bits_of(x));
}

static void judge_tanh(struct tally *tally, float x, float found)
{
    const double exact = tanh((double)x);
    const double error = fabs((double)found - exact);
    note(&tally->worst[BOUND_TANH_ULPS], error / ulp_of(exact), x);
    note(&tally->worst[BOUND_TANH_ABSOLUTE], error, x);
    const bool tiny = fabsf(x) < FLT_MIN;
    if (!(found >= -1.0f && found <= 1.0f) || (tiny && bits_of(found) != bits_of(x)))
        count_one(&tally->bad_limits, bits_of(x));
}

static void judge_cell(struct tally *tally, float x, float sigmoid, float tangent)
{
    const double exact_sigmoid = 1.0 / (1.0 + exp(-(double)x)), exact_tanh = tanh((double)x);
    const double sigmoid_error = fabs((double)sigmoid - exact_sigmoid);
    const double tanh_error = fabs((double)tangent - exact_tanh);
    note(&tally->worst[BOUND_CELL_SIGMOID_ABSOLUTE], sigmoid_error, x);
    if (x >= CUT)
        note(&tally->worst[x > TAIL_END ? BOUND_CELL_SIGMOID_ULPS : BOUND_CELL_SIGMOID_TAIL_ULPS],
             sigmoid_error / ulp_of(exact_sigmoid), x);
    note(&tally->worst[BOUND_CELL_TANH_ABSOLUTE], tanh_error, x);
    note(&tally->worst[BOUND_CELL_TANH_ULPS], tanh_error / ulp_of(exact_tanh), x);
    if (!(sigmoid >= 0.0f && sigmoid <= 1.0f && tangent >= -1.0f && tangent <= 1.0f))
        count_one(&tally->bad_limits, bits_of(x));
}

/* The forget gate shows a cell's sigmoid, the candidate its tanh, the other functions being 1. By
 * the best kernel, whose bits are compared as well: the definition takes too long for it. */
static void judge_cells(struct member *member)
{
    for (size_t i = 0; i < BLOCK; i++)
        member->cells[i] = (struct cell_case){OPEN, member->input[i], 0, OPEN, 1};
    cells_run(kernel_find(NULL), member->cells, BLOCK, member->c[0], member->h[0]);
    for (size_t i = 0; i < BLOCK; i++)
        member->cells[i] = (struct cell_case){OPEN, OPEN, member->input[i], OPEN, 0};
    cells_run(kernel_find(NULL), member->cells, BLOCK, member->c[1], member->h[1]);
    for (size_t i = 0; i < BLOCK; i++)
        if (!isnan(member->input[i]))
            judge_cell(&member->tally, member->input[i], member->c[0][i], member->c[1][i]);
}

static void judge_block(struct member *member)
{
    struct tally *tally = &member->tally;
    for (size_t i = 0; i < BLOCK; i++) {
        const float x = member->input[i];
        const float sigmoid = member->wanted[ACTIVATION_SIGMOID][i];
        const float tangent = member->wanted[ACTIVATION_TANH][i];
        if (!isnan(x)) {
            judge_sigmoid(tally, x, sigmoid);
            judge_tanh(tally, x, tangent);
        } else if (!isnan(sigmoid) || !isnan(tangent) ||
                   !isnan(member->wanted[ACTIVATION_RELU][i])) {
            count_one(&tally->bad_limits, bits_of(x));
        }
    }
}

/* ---- all blocks ---- */

static void survey_block(struct member *member, uint32_t block)
{
    for (uint32_t i = 0; i < BLOCK; i++)
        member->input[i] = float_of(block << BLOCK_BITS | i);
    for (int a = 0; a < COMPARED; a++) {
        memcpy(member->wanted[a], member->input, sizeof member->input);
        const struct activation_function function = function_of((enum activation)a);
        member->survey->definition->activate(&function, member->wanted[a], BLOCK);
    }
    for (uint32_t i = 0; i < BLOCK; i++) {
        const float x = member->input[i];
        member->cells[i] = (struct cell_case){x, x, x, x, x}; /* all functions at once */
    }
    cells_run(member->survey->definition, member->cells, BLOCK, member->c[0], member->h[0]);
    compare_kernels(member);
    judge_block(member);
    judge_cells(member);
}

static void *run_member(void *argument)
{
    struct member *member = argument;
    for (;;) {
        const uint32_t block = atomic_fetch_add(&member->survey->next_block, 1);
        if (block >= BLOCKS)
            return NULL;
        survey_block(member, block);
        if (block % (BLOCKS / PROGRESS_STEPS) == 0) {
            printf("# %.0f %%\n", 100.0 * block / BLOCKS);
            fflush(stdout);
        }
    }
}

static void add_count(struct count *sum, const struct count *part)
{
    if (sum->count == 0)
        sum->first = part->first;
    sum->count += part->count;
}

static void add_tally(struct tally *sum, const struct tally *part)
{
    for (size_t k = 0; k < KERNELS_MAX; k++)
        for (size_t a = 0; a < COMPARED; a++)
            add_count(&sum->different[k][a], &part->different[k][a]);
    for (size_t k = 0; k < KERNELS_MAX; k++)
        add_count(&sum->cells_different[k], &part->cells_different[k]);
    add_count(&sum->bad_limits, &part->bad_limits);
    for (size_t b = 0; b < BOUNDS; b++)
        if (part->worst[b].error > sum->worst[b].error)
            sum->worst[b] = part->worst[b];
}

static struct tally survey_all(const struct kernel *definition, size_t threads)
{
    struct survey survey = {.definition = definition};
    struct tally tally = {0};
    struct member *members = must_allocate_zeros(threads, sizeof *members);
    for (size_t m = 0; m < threads; m++) {
        members[m].survey = &survey;
        if (pthread_create(&members[m].thread, NULL, run_member, &members[m]) != 0)
            die("no thread");
    }
    for (size_t m = 0; m < threads; m++) {
        pthread_join(members[m].thread, NULL);
        add_tally(&tally, &members[m].tally);
    }
    free(members);
    return tally;
}

/* ---- what is said about it ---- */

struct verdict {
    size_t said;
    size_t failed;
};

static void say(struct verdict *verdict, bool good, const char *text)
{
    verdict->said++;
    verdict->failed += !good;
    printf("%s %zu - %s\n", good ? "ok" : "not ok", verdict->said, text);
}

static void say_different(struct verdict *verdict, const char *kernel, const char *what,
                          const struct count *different)
{
    char text[128];
    snprintf(text, sizeof text, "%s of kernel %s has the scalar bits for all floats", what, kernel);
    say(verdict, different->count == 0, text);
    if (different->count != 0)
        printf("# %" PRIu64 " differ, one at %a (0x%08" PRIx32 ")\n", different->count,
               (double)float_of(different->first), different->first);
}

static void say_kernels(struct verdict *verdict, const struct tally *tally,
                        const struct kernel *definition)
{
    for (size_t k = 0; kernel_table[k] != NULL; k++) {
        if (!is_compared(kernel_table[k], definition))
            continue;
        for (int a = 0; a < COMPARED; a++)
            say_different(verdict, kernel_table[k]->name, activation_name((enum activation)a),
                          &tally->different[k][a]);
        say_different(verdict, kernel_table[k]->name, "cell", &tally->cells_different[k]);
    }
}

static void say_bound(struct verdict *verdict, enum bound bound, const struct worst *worst)
{
    char text[128];
    snprintf(text, sizeof text, "%s: at most %g", bounds[bound].text, bounds[bound].largest);
    say(verdict, worst->error <= bounds[bound].largest, text);
    printf("# worst %.6g at %a (0x%08" PRIx32 ")\n", worst->error, (double)float_of(worst->input),
           worst->input);
}

static void say_limits(struct verdict *verdict, const struct count *bad)
{
    say(verdict, bad->count == 0,
        "NaN stays NaN, results stay in their range, tanh keeps zeros and denormals");
    if (bad->count != 0)
        printf("# %" PRIu64 " do not, one at 0x%08" PRIx32 "\n", bad->count, bad->first);
}

int main(void)
{
    for (size_t k = 0; kernel_table[k] != NULL; k++)
        assert(k < KERNELS_MAX);
    const struct kernel *definition = kernel_find("scalar");
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const struct tally tally = survey_all(definition, processors > 0 ? (size_t)processors : 1);
    struct verdict verdict = {0};
    say_kernels(&verdict, &tally, definition);
    for (int b = 0; b < BOUNDS; b++)
        say_bound(&verdict, (enum bound)b, &tally.worst[b]);
    say_limits(&verdict, &tally.bad_limits);
    printf("1..%zu\n", verdict.said);
    return verdict.failed != 0;
}
