/* core/ against PyTorch: every case of tests/golden/torch within its bound of the float64 answers,
 * and the same bits whatever the kernel, the pieces and the company of other rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <string.h>

#include "core/kernel.h"
#include "tests/support/golden_case.h"
#include "tests/support/golden_run.h"

static const struct golden_plan at_once = {.chunk = 0, .row_by_row = false};

static void run_with(const struct golden_case *golden, const struct kernel *kernel,
                     const struct golden_plan *plan, struct golden_answer *answer)
{
    struct model *model = golden_case_model(golden, false, kernel);
    assert_int_equal(model_input_size(model), golden->input_size);
    assert_int_equal(model_output_size(model), golden->output_size);
    assert_int_equal(model_is_causal(model), !golden->bidirectional);
    golden_run(golden, model, plan, answer);
    model_destroy(model);
}

static void error_is_within_twice_pytorchs_own(void **state)
{
    struct golden_case golden;
    golden_case_open(&golden, *state);
    for (const struct kernel *const *kernel = kernel_table; *kernel != NULL; kernel++) {
        struct golden_answer answer;
        if (!(*kernel)->supported())
            continue;
        run_with(&golden, *kernel, &at_once, &answer);
        const double error = golden_error(&golden, &answer);
        if (error > golden.bound)
            fail_msg("kernel %s: error %.3g, allowed %.3g", (*kernel)->name, error, golden.bound);
        golden_answer_fini(&answer);
    }
    golden_case_close(&golden);
}

/* Runs the case by this plan with every kernel: always the bits of the scalar kernel at once. */
static void assert_same_bits(const struct golden_case *golden, const struct golden_plan *plan)
{
    struct golden_answer definition;
    assert_non_null(kernel_find("scalar"));
    run_with(golden, kernel_find("scalar"), &at_once, &definition);
    for (const struct kernel *const *kernel = kernel_table; *kernel != NULL; kernel++) {
        struct golden_answer answer;
        if (!(*kernel)->supported())
            continue;
        run_with(golden, *kernel, plan, &answer);
        if (!golden_same_bits(&definition, &answer))
            fail_msg("kernel %s, pieces of %zu steps, rows %s: other bits than the scalar kernel",
                     (*kernel)->name, plan->chunk, plan->row_by_row ? "alone" : "together");
        golden_answer_fini(&answer);
    }
    golden_answer_fini(&definition);
}

static void every_kernel_gives_the_same_bits(void **state)
{
    struct golden_case golden;
    golden_case_open(&golden, *state);
    assert_same_bits(&golden, &at_once);
    golden_case_close(&golden);
}

static void pieces_give_the_same_bits(void **state)
{
    static const size_t chunks[] = {1, 2, 3, 7};
    struct golden_case golden;
    golden_case_open(&golden, *state);
    if (!golden.bidirectional)
        for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++)
            assert_same_bits(&golden, &(struct golden_plan){.chunk = chunks[i]});
    golden_case_close(&golden);
}

static void a_row_alone_gives_the_same_bits(void **state)
{
    struct golden_case golden;
    golden_case_open(&golden, *state);
    assert_same_bits(&golden, &(struct golden_plan){.row_by_row = true});
    golden_case_close(&golden);
}

static void sizes_read_off_the_weights_give_the_same_bits(void **state)
{
    struct golden_case golden;
    struct golden_answer said, inferred;
    golden_case_open(&golden, *state);
    run_with(&golden, kernel_find(NULL), &at_once, &said);

    struct model *model = golden_case_model(&golden, true, kernel_find(NULL));
    golden_run(&golden, model, &at_once, &inferred);
    assert_true(golden_same_bits(&said, &inferred));
    model_destroy(model);
    golden_answer_fini(&said);
    golden_answer_fini(&inferred);
    golden_case_close(&golden);
}

/* clang-format off */
#define COUNT_ONE(case) +1
#define NAME_OF(case) #case,
#define CASE_TEST(case, test) {#case ": " #test, test, NULL, NULL, (char[]){#case}},
#define TESTS_OF(case)                                                                             \
    CASE_TEST(case, error_is_within_twice_pytorchs_own)                                            \
    CASE_TEST(case, every_kernel_gives_the_same_bits)                                              \
    CASE_TEST(case, pieces_give_the_same_bits)                                                     \
    CASE_TEST(case, a_row_alone_gives_the_same_bits)                                               \
    CASE_TEST(case, sizes_read_off_the_weights_give_the_same_bits)
/* clang-format on */

static void every_folder_is_in_the_table(void **state)
{
    static const char *const names[] = {GOLDEN_CASES(NAME_OF) NULL};
    size_t folders = 0;
    (void)state;
    DIR *stream = opendir("tests/golden/torch");
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        size_t i = 0;
        if (entry->d_name[0] == '.')
            continue;
        while (names[i] != NULL && strcmp(names[i], entry->d_name) != 0)
            i++;
        if (names[i] == NULL)
            fail_msg("%s is not among GOLDEN_CASES", entry->d_name);
        folders++;
    }
    closedir(stream);
    assert_int_equal(folders, 0 GOLDEN_CASES(COUNT_ONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_folder_is_in_the_table),
                                       GOLDEN_CASES(TESTS_OF)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
